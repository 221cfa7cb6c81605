import uuid

import django.db.models.deletion
from django.db import migrations, models

import tools.ordered_json

_MADE_OF = "What it was made of, where it exists for the calls of a program alone."
# A version that exists for the calls of a program alone may go once no call runs on it: the keys of calls to it forbid it before.
FORWARD = """
CREATE OR REPLACE FUNCTION assistants_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM assistants_assistant WHERE id = OLD.assistant_id AND transient_id IS NOT NULL
    ) THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'a published assistant version cannot be changed or deleted; publish a new one'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
BACKWARD = """
CREATE OR REPLACE FUNCTION assistants_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a published assistant version cannot be changed or deleted; publish a new one'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("assistants", "0016_analysis_plans_move"), ("tools", "0007_transient")]

    operations = [
        migrations.CreateModel(
            name="Transient",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("assistant", "Assistant"),
                            ("overrides", "Overrides"),
                            ("squad", "Squad"),
                            ("member", "Member of a squad"),
                            ("emptied", "Deleted with its calls"),
                        ],
                        max_length=20,
                    ),
                ),
                ("document", tools.ordered_json.OrderedJSONField(default=dict)),
                (
                    "notes",
                    tools.ordered_json.OrderedJSONField(
                        blank=True,
                        default=list,
                        help_text="What of it Tandem does differently or not at all, in sentences.",
                    ),
                ),
                ("made_by", models.CharField(blank=True, max_length=120)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                (
                    "used_at",
                    models.DateTimeField(
                        db_index=True, help_text="When a call was last to run on it, to within a day."
                    ),
                ),
            ],
            options={
                "verbose_name": "document sent with calls",
                "verbose_name_plural": "documents sent with calls",
            },
        ),
        *(
            migrations.AddField(
                model_name=model,
                name="transient",
                field=models.OneToOneField(
                    blank=True,
                    editable=False,
                    help_text=_MADE_OF,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name=model,
                    to="assistants.transient",
                ),
            )
            for model in ("assistant", "squad")
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]

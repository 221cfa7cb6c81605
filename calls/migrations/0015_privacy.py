"""Who opened which call, what was deleted of calls, and the receipts of it; the first and the last are only added to."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION calls_privacy_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A user or a key that is gone is forgotten; actor_label still tells who it was.
    IF TG_OP = 'UPDATE'
        AND (NEW.actor_id IS NULL OR NEW.actor_id = OLD.actor_id)
        AND (to_jsonb(NEW) -> 'key_id' = 'null' OR to_jsonb(NEW) -> 'key_id' IS NOT DISTINCT FROM to_jsonb(OLD) -> 'key_id')
        AND (to_jsonb(NEW) - 'actor_id' - 'key_id') = (to_jsonb(OLD) - 'actor_id' - 'key_id')
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only: who opened or erased a call is not changed or deleted afterwards', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER calls_opened_is_append_only BEFORE UPDATE OR DELETE ON calls_callopened
    FOR EACH ROW EXECUTE FUNCTION calls_privacy_is_append_only();
CREATE TRIGGER calls_erasure_is_append_only BEFORE UPDATE OR DELETE ON calls_erasure
    FOR EACH ROW EXECUTE FUNCTION calls_privacy_is_append_only();
"""
BACKWARD = """
DROP TRIGGER calls_opened_is_append_only ON calls_callopened;
DROP TRIGGER calls_erasure_is_append_only ON calls_erasure;
DROP FUNCTION calls_privacy_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0016_outward"),
        ("tools", "0005_api_keys"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CallOpened",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("call_id", models.UUIDField()),
                (
                    "what",
                    models.CharField(
                        choices=[
                            ("page", "The page of the call"),
                            ("transcript", "Its transcript"),
                            ("tool_call", "One of its tool calls"),
                            ("recording", "Its recording"),
                            ("live", "What was said, while it was said"),
                            ("listening", "Listened in"),
                            ("report", "A report that shows it"),
                            ("api", "By the API"),
                        ],
                        max_length=20,
                    ),
                ),
                ("actor_label", models.CharField(max_length=150, verbose_name="who")),
                ("at", models.DateTimeField()),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="tools.apikey",
                    ),
                ),
            ],
            options={
                "verbose_name": "opened call",
                "ordering": ["-at", "-id"],
                "indexes": [
                    models.Index(fields=["call_id", "-at"], name="opened_by_call"),
                    models.Index(fields=["-at", "-id"], name="opened_newest"),
                ],
            },
        ),
        migrations.CreateModel(
            name="CallStripped",
            fields=[
                ("call_id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "why",
                    models.CharField(
                        choices=[
                            ("retention", "It was kept as long as it was to be"),
                            ("erased", "Somebody had it erased"),
                        ],
                        max_length=10,
                    ),
                ),
                ("at", models.DateTimeField(db_index=True)),
            ],
            options={
                "ordering": ["-at"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("caller", "All calls of a caller"), ("call", "One call")], max_length=10
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        blank=True,
                        db_index=True,
                        help_text="HMAC of the number under this installation's key.",
                        max_length=64,
                    ),
                ),
                ("calls_n", models.PositiveIntegerField(default=0, verbose_name="calls")),
                (
                    "counts",
                    models.JSONField(default=dict, help_text="Rows that were cleared or deleted, by table."),
                ),
                (
                    "notes",
                    models.JSONField(
                        blank=True, default=list, help_text="What is still to be done, and by whom."
                    ),
                ),
                ("actor_label", models.CharField(max_length=150, verbose_name="who")),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "erasing",
                "verbose_name_plural": "erasings",
                "ordering": ["-at"],
                "permissions": [("erase_caller", "Can erase a caller and calls")],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]

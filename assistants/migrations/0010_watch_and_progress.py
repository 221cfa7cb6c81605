"""Where the watch keeps what it found, and when a running import last gave a sign of life."""

from django.db import migrations, models

import tools.ordered_json


class Migration(migrations.Migration):
    dependencies = [("assistants", "0005_voices_are_recorded")]
    operations = [
        migrations.CreateModel(
            name="VapiWatch",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("looked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "error",
                    models.TextField(
                        blank=True, help_text="Why the last look failed; empty when it did not."
                    ),
                ),
                ("failing_since", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="one_vapi_watch")],
            },
        ),
        migrations.AddField(
            model_name="vapiimport",
            name="beat_at",
            field=models.DateTimeField(
                blank=True, help_text="When the worker that runs it last gave a sign of life.", null=True
            ),
        ),
        migrations.AddField(
            model_name="vapiobject",
            name="seen_with",
            field=tools.ordered_json.OrderedJSONField(
                blank=True,
                default=list,
                help_text="Tools that it uses at Vapi now and that were never imported.",
            ),
        ),
    ]

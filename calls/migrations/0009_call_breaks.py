import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("calls", "0008_handover_doctor_budget")]

    operations = [
        migrations.AddField(
            model_name="call",
            name="asked_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When Twilio was last asked whether it is still going on.",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="CallBreak",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("keys", "Twilio pressed keys"), ("lost", "The stream was lost")],
                        max_length=10,
                    ),
                ),
                (
                    "asked",
                    models.JSONField(
                        blank=True, default=dict, help_text="The tool call that pressed the keys."
                    ),
                ),
                ("history", models.JSONField(blank=True, default=list)),
                ("began_at", models.DateTimeField()),
                (
                    "refused",
                    models.BooleanField(
                        default=False,
                        help_text="Twilio did not do it, and the stream went on as it was.",
                    ),
                ),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="breaks", to="calls.call"
                    ),
                ),
            ],
            options={
                "verbose_name": "break",
                "ordering": ["began_at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "lost"), ("refused", False)),
                        fields=("call",),
                        name="call_lost_once",
                    )
                ],
            },
        ),
    ]

"""What a recorded clip was made of, and the recordings that are under way or have failed."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("assistants", "0004_imports_and_settings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="voiceclip",
            name="model",
            field=models.CharField(blank=True, help_text="The Realtime model that spoke.", max_length=80),
        ),
        migrations.AddField(
            model_name="voiceclip",
            name="said",
            field=models.TextField(blank=True, help_text="What the model says that it said."),
        ),
        migrations.AddField(
            model_name="voiceclip",
            name="sample",
            field=models.BooleanField(
                default=False, help_text="A neutral sample was said, for there is no first message."
            ),
        ),
        migrations.AddField(
            model_name="voiceclip",
            name="speed",
            field=models.DecimalField(blank=True, decimal_places=2, max_digits=3, null=True),
        ),
        migrations.AlterField(
            model_name="voiceclip",
            name="created_at",
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name="voiceclip",
            name="text",
            field=models.TextField(blank=True, help_text="What was to be said; empty for an upload."),
        ),
        migrations.CreateModel(
            name="VoiceRecording",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "status",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("running", "Recording"), ("failed", "Failed")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=80)),
                ("error", models.TextField(blank=True)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "assistant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="voice_recordings",
                        to="assistants.assistant",
                    ),
                ),
                (
                    "voice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="assistants.voice"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=("assistant", "voice"), name="one_recording_per_voice")
                ],
            },
        ),
    ]

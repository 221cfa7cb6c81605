"""The sound of calls."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import calls.models.recording


class Migration(migrations.Migration):
    dependencies = [("calls", "0015_privacy")]

    operations = [
        migrations.CreateModel(
            name="Recording",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("twilio", "Twilio"), ("vapi", "Vapi")], default="twilio", max_length=10
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Being started"),
                            ("recording", "Under way"),
                            ("waiting", "To be fetched"),
                            ("stored", "Kept here"),
                            ("absent", "Nothing was recorded"),
                            ("failed", "Failed"),
                            ("deleting", "Being deleted"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                ("error", models.TextField(blank=True, help_text="What went wrong, in plain words.")),
                ("sid", models.CharField(blank=True, max_length=64, verbose_name="recording SID")),
                ("account_sid", models.CharField(blank=True, max_length=64, verbose_name="account SID")),
                (
                    "at_twilio",
                    models.BooleanField(default=False, help_text="A copy is known to be at Twilio."),
                ),
                (
                    "began_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the recording began, by our clock or, where that is far off, Twilio's.",
                        null=True,
                    ),
                ),
                (
                    "file",
                    models.FileField(
                        blank=True,
                        max_length=200,
                        storage=calls.models.recording.recordings_storage,
                        upload_to=calls.models.recording.recording_place,
                    ),
                ),
                ("content_type", models.CharField(blank=True, max_length=40)),
                ("size", models.PositiveBigIntegerField(default=0, help_text="In bytes.")),
                ("duration_ms", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "channels",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="Two: the caller, then the assistant.", null=True
                    ),
                ),
                (
                    "peaks",
                    models.BinaryField(
                        default=bytes, help_text="The waveform: for each channel how loud it was, bit by bit."
                    ),
                ),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often it was tried to fetch or delete it."
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(blank=True, help_text="Not to be tried again before.", null=True),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("stored_at", models.DateTimeField(blank=True, null=True)),
                (
                    "call",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="recordings",
                        to="calls.call",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="recording_newest"),
                    models.Index(
                        condition=models.Q(("state__in", ["stored", "absent", "failed"]), _negated=True),
                        fields=["state", "next_at"],
                        name="recording_open",
                    ),
                    models.Index(
                        condition=models.Q(("at_twilio", True), ("state", "stored")),
                        fields=["next_at"],
                        name="recording_twice_kept",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("call", "source"), name="recording_once_per_source"),
                    models.UniqueConstraint(
                        condition=models.Q(("sid", ""), _negated=True),
                        fields=("sid",),
                        name="recording_sid_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "stored"), _negated=True),
                            models.Q(("file", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="stored_recording_has_file",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "failed"), _negated=True),
                            models.Q(("error", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="failed_recording_says_why",
                    ),
                ],
            },
        ),
    ]

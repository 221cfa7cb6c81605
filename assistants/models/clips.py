"""Recorded voices, so that people choose by ear."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from assistants.models.assistant import Assistant
from assistants.models.catalogue import Voice


class VoiceClip(models.Model):
    """Some ten seconds of an assistant's first message: in one of our voices, or uploaded, as Vapi says it.

    The sound lies in the row: it is small, and every replica must be able to play it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="voice_clips")
    voice = models.ForeignKey(
        Voice, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="None: uploaded."
    )
    label = models.CharField(max_length=120, blank=True)
    text = models.TextField(blank=True, help_text="What was to be said; empty for an upload.")
    said = models.TextField(blank=True, help_text="What the model says that it said.")
    sample = models.BooleanField(
        default=False, help_text="A neutral sample was said, for there is no first message."
    )
    model = models.CharField(max_length=80, blank=True, help_text="The Realtime model that spoke.")
    speed = models.DecimalField(max_digits=3, decimal_places=2, null=True, blank=True)
    content_type = models.CharField(max_length=40, default="audio/wav")
    sound = models.BinaryField()
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Not the moment of saving: what a first message says of the date is as of this moment.
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["assistant", "voice", "-created_at"]
        constraints = [
            models.UniqueConstraint(
                name="one_clip_per_voice", fields=["assistant", "voice"], condition=Q(voice__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.label or str(self.voice_id)

    @property
    def duration_s(self) -> float | None:
        """Its length in seconds, where that is known."""
        return None if self.duration_ms is None else self.duration_ms / 1000


class VoiceRecording(models.Model):
    """A clip that was asked for and is not there yet, or why it could not be made. Success takes the row away."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Recording"
        FAILED = "failed", "Failed"

    id = models.BigAutoField(primary_key=True)
    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="voice_recordings")
    voice = models.ForeignKey(Voice, on_delete=models.CASCADE, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    code = models.CharField(max_length=80, blank=True)
    error = models.TextField(blank=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(name="one_recording_per_voice", fields=["assistant", "voice"])]

    def __str__(self) -> str:
        return f"{self.voice_id}: {self.status}"

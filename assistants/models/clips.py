"""Recorded voices, so that people choose by ear."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

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
    text = models.TextField(help_text="What is said.")
    content_type = models.CharField(max_length=40, default="audio/wav")
    sound = models.BinaryField()
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["assistant", "voice", "-created_at"]
        constraints = [
            models.UniqueConstraint(
                name="one_clip_per_voice", fields=["assistant", "voice"], condition=Q(voice__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.label or str(self.voice_id)

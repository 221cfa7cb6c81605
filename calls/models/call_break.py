"""Moments in which a call was without its assistant."""

import uuid

from django.db import models

from calls.models.call import Call


class CallBreak(models.Model):
    """A media stream that ended in the middle of a call, and why: another one goes on with the call.

    ``history`` is what was said until then, for the session that goes on. It is emptied when it is of no more use, and
    so are the keys.
    """

    class Kind(models.TextChoices):
        KEYS = "keys", "Twilio pressed keys"
        LOST = "lost", "The stream was lost"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="breaks")
    kind = models.CharField(max_length=10, choices=Kind)
    asked = models.JSONField(default=dict, blank=True, help_text="The tool call that pressed the keys.")
    history = models.JSONField(default=list, blank=True)
    began_at = models.DateTimeField()
    refused = models.BooleanField(
        default=False, help_text="Twilio did not do it, and the stream went on as it was."
    )

    class Meta:
        ordering = ["began_at"]
        verbose_name = "break"
        constraints = [
            models.UniqueConstraint(
                name="call_lost_once", fields=["call"], condition=models.Q(kind="lost", refused=False)
            )
        ]

    def __str__(self) -> str:
        return self.get_kind_display()

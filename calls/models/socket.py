"""Calls that reach us without a number of ours: by a program's own socket, or by somebody else's telephone call."""

from django.db import models

from calls.models.call import Call
from calls.models.placing import CallRequest
from tools.models import ApiKey


class SocketCall(models.Model):
    """How such a call is carried, and what was given with it."""

    class Kind(models.TextChoices):
        WEBSOCKET = "websocket", "A program's WebSocket"
        BYPASS = "bypass", "A call in somebody else's Twilio flow"

    call = models.OneToOneField(Call, primary_key=True, on_delete=models.CASCADE, related_name="socket")
    kind = models.CharField(max_length=10, choices=Kind)
    encoding = models.CharField(max_length=20, blank=True, help_text="Of the sound, in Vapi's words.")
    sample_rate = models.PositiveIntegerField(null=True, blank=True, help_text="In Hz.")
    key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    customer = models.JSONField(default=dict, blank=True, help_text="As it was given, without overrides.")
    metadata = models.JSONField(null=True, blank=True)
    request = models.OneToOneField(
        CallRequest,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="socket",
        help_text="What it was asked for with, where that bore an Idempotency-Key.",
    )

    class Meta:
        verbose_name = "call without a number"
        verbose_name_plural = "calls without a number"

    def __str__(self) -> str:
        return self.get_kind_display()

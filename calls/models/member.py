"""The assistants that may share a call, and the parts of it that each had."""

from django.db import models

from assistants.models import Assistant, AssistantVersion
from calls.models.call import Call


class CallMember(models.Model):
    """An assistant that a call can be handed over to, as it was when the call came in.

    ``ways`` tells to whom it can hand the call over itself: {tool: {destination: id of an assistant}}.
    """

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="members")
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(
        AssistantVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The version that was live then. Empty: it was never published, so nobody could hand the call to it.",
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="0 for the one that took the call.")
    ways = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["call", "position"]
        verbose_name = "member"
        constraints = [models.UniqueConstraint(name="member_once_per_call", fields=["call", "assistant"])]

    def __str__(self) -> str:
        return self.assistant.name


class CallPart(models.Model):
    """The part of a call that one assistant had; Vapi's assistantActivations. Only calls that can be handed over have any."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="parts")
    n = models.PositiveSmallIntegerField(help_text="0 for the first.")
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="call_parts")
    version = models.ForeignKey(AssistantVersion, on_delete=models.PROTECT, related_name="+")
    began_at = models.DateTimeField()
    tool_call_id = models.CharField(max_length=64, blank=True, help_text="The tool call that handed it over.")

    class Meta:
        ordering = ["call", "n"]
        verbose_name = "part"
        constraints = [models.UniqueConstraint(name="part_once_per_call", fields=["call", "n"])]

    def __str__(self) -> str:
        return f"Part {self.n + 1}: {self.assistant.name}"

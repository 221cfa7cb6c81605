"""Transfers of calls to somebody else."""

import uuid

from django.db import models

from calls.models.call import Call


class CallTransfer(models.Model):
    """One transfer of a call to somebody else, from asked for to its end: also one that nobody answered.

    ``destination`` is all that is to be done, in Vapi's words; ``history`` what was said until then, for the session
    that goes on with the call if nobody answers. It is emptied when it is of no more use.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="transfers")
    tool_call_id = models.CharField(max_length=64, help_text="The tool call that asked for it.")
    address = models.CharField(max_length=1000, verbose_name="to", help_text="A number, or a SIP address.")
    caller_id = models.CharField(max_length=40, blank=True, verbose_name="shown as")
    mode = models.CharField(max_length=80, help_text="In Vapi's words.")
    destination = models.JSONField(default=dict)
    history = models.JSONField(default=list, blank=True)
    summary = models.TextField(blank=True, help_text="What the operator was to be told of the call.")
    summary_due_at = models.DateTimeField(null=True, blank=True)
    requested_at = models.DateTimeField()
    dialled_at = models.DateTimeField(null=True, blank=True, help_text="When Twilio took the order.")
    whispered_at = models.DateTimeField(
        null=True, blank=True, help_text="When the operator had picked up and was told of the call."
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    dial_status = models.CharField(
        max_length=20,
        blank=True,
        help_text="In Twilio's words: completed, busy, no-answer, failed, canceled.",
    )
    duration_s = models.PositiveIntegerField(null=True, blank=True, help_text="Of the conversation.")
    child_sid = models.CharField(max_length=64, blank=True, verbose_name="SID of the dialled leg")
    error = models.TextField(blank=True, help_text="Why it was not dialled, in plain words.")
    resumed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the call was given back to the assistant."
    )

    class Meta:
        ordering = ["requested_at"]
        verbose_name = "transfer"
        indexes = [
            # Those that went wrong, for the reports.
            models.Index(
                fields=["requested_at"],
                condition=~models.Q(error="")
                | models.Q(dial_status__in=["busy", "no-answer", "failed", "canceled"]),
                name="transfer_failed",
            )
        ]
        constraints = [
            models.UniqueConstraint(name="transfer_once_per_tool_call", fields=["call", "tool_call_id"]),
        ]

    def __str__(self) -> str:
        return f"Transfer to {self.address}"

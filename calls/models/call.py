"""The calls that came in on our numbers, and those that ran at Vapi."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Reverse

from assistants.models import Assistant, AssistantVersion, Squad
from calls.models.counting import COUNTS_ON
from calls.models.number import PhoneNumber

models.CharField.register_lookup(Reverse)


class Call(models.Model):
    """One telephone call. Its id is ours from the first moment (Vapi's call id too); Twilio's sids are attributes."""

    class Stack(models.TextChoices):
        DIRECT = "direct", "Tandem"
        VAPI = "vapi", "Vapi"

    class Direction(models.TextChoices):
        INBOUND = "inbound", "Inbound"
        OUTBOUND = "outbound", "Outbound"

    class Status(models.TextChoices):
        SCHEDULED = "scheduled", "Scheduled"
        QUEUED = "queued", "About to be placed"
        RINGING = "ringing", "Ringing"
        IN_PROGRESS = "in-progress", "In progress"
        FORWARDING = "forwarding", "Being transferred"
        ENDED = "ended", "Ended"
        REFUSED = "refused", "Not answered by an assistant"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    stack = models.CharField(max_length=10, choices=Stack, default=Stack.DIRECT)
    direction = models.CharField(max_length=10, choices=Direction, default=Direction.INBOUND)
    smoke_test = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Placed by a smoke test: nobody was on the line, and its tools were answered by the scenario.",
    )
    status = models.CharField(max_length=20, choices=Status, default=Status.RINGING, db_index=True)
    call_sid = models.CharField(max_length=64, blank=True, verbose_name="call SID")
    account_sid = models.CharField(max_length=64, blank=True, verbose_name="account SID")
    stream_sid = models.CharField(max_length=64, blank=True, verbose_name="stream SID")
    did = models.CharField(max_length=40, blank=True, verbose_name="called number")
    caller = models.CharField(max_length=80, blank=True, help_text="As Twilio gave it; may be withheld.")
    phone_number = models.ForeignKey(
        PhoneNumber,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="calls",
        verbose_name="number",
    )
    assistant = models.ForeignKey(
        Assistant, null=True, blank=True, on_delete=models.PROTECT, related_name="calls"
    )
    version = models.ForeignKey(
        AssistantVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="calls",
        help_text="The published version this call ran on; the first one, where several assistants shared it.",
    )
    squad = models.ForeignKey(
        Squad,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="calls",
        help_text="Whose first member took the call.",
    )
    name = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="What a program calls it, for its own lists.",
    )
    ended_reason = models.CharField(max_length=120, blank=True, help_text="In Vapi's words.")
    refused_because = models.TextField(blank=True, help_text="Why no assistant answered, in plain words.")

    token_minted_at = models.DateTimeField(null=True, blank=True, editable=False)
    token_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True, help_text="When the media stream began.")
    ended_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When Twilio was last asked whether it is still going on.",
    )
    first_sound_ms = models.PositiveIntegerField(
        null=True, blank=True, help_text="From the start of the stream to the first sound sent, in ms."
    )
    barge_ins = models.PositiveIntegerField(default=0)
    frames_in = models.PositiveIntegerField(default=0, help_text="Audio frames received from Twilio.")
    tool_calls_made = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Tool calls that the media process has seen. Its workers have written all of them once there are as many rows.",
    )
    frames_dropped = models.PositiveIntegerField(
        default=0, help_text="Frames not passed on because the model's side was stuck."
    )

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["did", "-created_at"], name="call_by_did"),
            # The day of the reporting views.
            models.Index(COUNTS_ON, name="call_by_day"),
            models.Index(COUNTS_ON, condition=Q(smoke_test=True), name="call_smoke_by_day"),
            # Callers by how their number begins, and those that are no number; one by how it ends is made by a migration alone.
            models.Index(fields=["caller"], opclasses=["varchar_pattern_ops"], name="call_by_caller"),
            models.Index(
                fields=["-created_at"],
                condition=~Q(caller__startswith="+") & ~Q(caller=""),
                name="call_by_caller_name",
            ),
            models.Index(fields=["-created_at"], condition=Q(status="refused"), name="call_refused"),
            # What Vapi charged lately for an assistant's calls.
            models.Index(fields=["assistant", "-created_at"], condition=Q(stack="vapi"), name="call_of_vapi"),
        ]
        constraints = [
            models.UniqueConstraint(name="call_sid_once", fields=["call_sid"], condition=~Q(call_sid="")),
            models.CheckConstraint(
                name="refused_call_says_why", condition=~Q(status="refused") | ~Q(refused_because="")
            ),
            models.CheckConstraint(
                name="call_ends_after_it_starts",
                condition=Q(ended_at__isnull=True)
                | Q(started_at__isnull=True)
                | Q(ended_at__gte=F("started_at")),
            ),
        ]

    def __str__(self) -> str:
        ours, theirs = self.did or "unknown", self.caller or "unknown"
        return (
            f"Call from {ours} to {theirs}"
            if self.direction == self.Direction.OUTBOUND
            else f"Call from {theirs} to {ours}"
        )

    @property
    def duration_s(self) -> int | None:
        """Whole seconds of conversation, or None while it has not both begun and ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return round((self.ended_at - self.started_at).total_seconds())

    @property
    def may_come_back(self) -> bool:
        """Whether its stream was lost while the line was there, so that it may go on in another one, as it may once."""
        lost = self.status == self.Status.ENDED and self.ended_reason in STREAM_LOST
        begun = self.started_at is not None and self.version_id is not None and not self.smoke_test
        return (
            lost
            and begun
            and bool(self.call_sid)
            and not self.breaks.filter(kind="lost", refused=False).exists()
        )


# What a bridge says of a stream that others have ended under it: the line is still there.
SHUT_DOWN = "worker-shutdown"
STREAM_CLOSED = "phone-call-provider-closed-websocket"
STREAM_LOST = frozenset({SHUT_DOWN, STREAM_CLOSED})
# Calls of ours that nobody has been rung for yet.
AHEAD = (Call.Status.SCHEDULED, Call.Status.QUEUED)
LIVE = (Call.Status.RINGING, Call.Status.IN_PROGRESS, Call.Status.FORWARDING)
OVER = (Call.Status.ENDED, Call.Status.REFUSED)

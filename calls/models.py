"""Telephone numbers, and the calls that came in on them."""

import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from assistants.models import Assistant, AssistantVersion

E164_PATTERN = r"^\+[1-9][0-9]{6,14}$"


class PhoneNumber(models.Model):
    """A DID: a number we own that callers dial, and the assistant that answers it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    did = models.CharField(
        max_length=16,
        unique=True,
        verbose_name="number (DID)",
        validators=[
            RegexValidator(E164_PATTERN, "Write it as +14155550100: plus, country code, number, no spaces.")
        ],
        help_text="In international form, for example +14155550100.",
    )
    label = models.CharField(
        max_length=80, blank=True, help_text="For your own lists, for example “Main line”."
    )
    assistant = models.ForeignKey(
        Assistant,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="phone_numbers",
        help_text="Who answers. Without one, callers hear an apology.",
    )
    enabled = models.BooleanField(default=True, help_text="Switched off, callers hear an apology.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["did"]
        verbose_name = "number"
        constraints = [models.CheckConstraint(name="did_is_e164", condition=Q(did__regex=E164_PATTERN))]

    def __str__(self) -> str:
        return f"{self.did} {self.label}".strip()


class Call(models.Model):
    """One telephone call. Its id is ours from the first moment (Vapi's call id too); Twilio's sids are attributes."""

    class Stack(models.TextChoices):
        DIRECT = "direct", "Tandem"
        VAPI = "vapi", "Vapi"

    class Direction(models.TextChoices):
        INBOUND = "inbound", "Inbound"
        OUTBOUND = "outbound", "Outbound"

    class Status(models.TextChoices):
        RINGING = "ringing", "Ringing"
        IN_PROGRESS = "in-progress", "In progress"
        FORWARDING = "forwarding", "Being transferred"
        ENDED = "ended", "Ended"
        REFUSED = "refused", "Not answered by an assistant"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    stack = models.CharField(max_length=10, choices=Stack, default=Stack.DIRECT)
    direction = models.CharField(max_length=10, choices=Direction, default=Direction.INBOUND)
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
        help_text="The published version this call ran on.",
    )
    ended_reason = models.CharField(max_length=120, blank=True, help_text="In Vapi's words.")
    refused_because = models.TextField(blank=True, help_text="Why no assistant answered, in plain words.")

    token_minted_at = models.DateTimeField(null=True, blank=True, editable=False)
    token_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True, help_text="When the media stream began.")
    ended_at = models.DateTimeField(null=True, blank=True)
    first_sound_ms = models.PositiveIntegerField(
        null=True, blank=True, help_text="From the start of the stream to the first sound sent, in ms."
    )
    barge_ins = models.PositiveIntegerField(default=0)
    frames_in = models.PositiveIntegerField(default=0, help_text="Audio frames received from Twilio.")
    frames_dropped = models.PositiveIntegerField(
        default=0, help_text="Frames not passed on because the model's side was stuck."
    )

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["did", "-created_at"], name="call_by_did")]
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
        return f"Call from {self.caller or 'unknown'} to {self.did or 'unknown'}"

    @property
    def duration_s(self) -> int | None:
        """Whole seconds of conversation, or None while it has not both begun and ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return round((self.ended_at - self.started_at).total_seconds())


LIVE = (Call.Status.RINGING, Call.Status.IN_PROGRESS, Call.Status.FORWARDING)


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
        constraints = [
            models.UniqueConstraint(name="transfer_once_per_tool_call", fields=["call", "tool_call_id"]),
        ]

    def __str__(self) -> str:
        return f"Transfer to {self.address}"


class CallProblem(models.Model):
    """Something that went wrong in a call and that somebody should be able to see: nothing is silent."""

    class Source(models.TextChoices):
        OPENAI = "openai", "OpenAI"
        TWILIO = "twilio", "Twilio"
        TOOL = "tool", "Tool"
        TANDEM = "tandem", "Tandem"

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="problems")
    key = models.CharField(
        max_length=80, help_text="Unique in the call, so that writing it twice changes nothing."
    )
    source = models.CharField(max_length=10, choices=Source)
    code = models.CharField(max_length=120)
    message = models.TextField(blank=True)
    benign = models.BooleanField(
        default=False, help_text="Expected now and then; the caller noticed nothing."
    )
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "problem"
        constraints = [models.UniqueConstraint(name="problem_once", fields=["call", "key"])]

    def __str__(self) -> str:
        return self.code

"""Functions that the model may ask for, and what became of each request."""

import uuid
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator, URLValidator
from django.db import models
from django.db.models import F, Q

from tools.encryption import EncryptedTextField
from tools.ordered_json import OrderedJSONField

# OpenAI's rule for function names, which is Vapi's too.
TOOL_NAME_PATTERN = r"^[a-zA-Z0-9_-]{1,64}$"


class Credential(models.Model):
    """How a customer's server wants to be convinced that a webhook is ours. Vapi never gives these back: people enter them.

    ``settings`` is a JSON object in Vapi's words for its kind: bearer ``token headerName bearerPrefixEnabled``, oauth2
    ``url clientId clientSecret scope``, hmac ``secretKey algorithm signatureHeader timestampHeader payloadFormat …``.
    """

    class Kind(models.TextChoices):
        MISSING = "", "Not entered yet"
        BEARER = "bearer", "Bearer token"
        OAUTH2 = "oauth2", "OAuth2 client credentials"
        HMAC = "hmac", "HMAC signature"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.MISSING, blank=True)
    settings = EncryptedTextField(blank=True)
    encryption_key = models.TextField(
        blank=True,
        verbose_name="public key",
        help_text="RSA, in PEM form. Tools that have arguments encrypted encrypt them with it, so that only your server reads them.",
    )
    hosts = models.TextField(
        blank=True,
        default="",
        db_default="",
        verbose_name="allowed hosts",
        help_text="Where the secret may go, a host in each line.",
    )
    vapi_id = models.CharField(max_length=80, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                name="credential_once_per_vapi_id", fields=["vapi_id"], condition=~Q(vapi_id="")
            )
        ]

    def __str__(self) -> str:
        return self.name


def empty_parameters() -> dict[str, Any]:
    """The JSON Schema of a tool that takes no arguments."""
    return {"type": "object", "properties": {}}


class ListedTools(models.Manager):  # type: ignore[type-arg]  # of Tool, which has it
    """Every tool but those that a program sent along with a call: they are in no list, and nobody edits them."""

    def get_queryset(self) -> models.QuerySet:  # type: ignore[type-arg]
        return super().get_queryset().filter(transient=None)


class Tool(models.Model):
    """A function offered to the model. Assistants carry a copy in each published version; secrets stay here."""

    class Kind(models.TextChoices):
        FUNCTION = "function", "Webhook"
        API_REQUEST = "apiRequest", "HTTP request"
        END_CALL = "endCall", "Hang up"
        TRANSFER = "transferCall", "Transfer the call"
        HANDOFF = "handoff", "Hand over to another assistant"
        DTMF = "dtmf", "Press keys"
        SMS = "sms", "Send a text message"
        VOICEMAIL = "voicemail", "Leave a message on a voicemail"
        MCP = "mcp", "MCP server"
        QUERY = "query", "Search a knowledge base"
        OTHER = "other", "Another kind of Vapi's"

    class Duplicates(models.TextChoices):
        ONCE = "once", "One request answers both"
        EACH = "each", "Each is sent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(
        max_length=20,
        choices=Kind,
        default=Kind.FUNCTION,
        help_text="Webhook: your server is asked for the answer. Hang up: the assistant says goodbye and ends the call.",
    )
    vapi_type = models.CharField(
        max_length=80, blank=True, editable=False, help_text="Vapi's name of a kind that Tandem has none for."
    )
    name = models.CharField(
        max_length=64,
        validators=[RegexValidator(TOOL_NAME_PATTERN, "Use letters, digits, _ and - only, at most 64.")],
        help_text="What the model calls it, for example get_repair_status. Letters, digits, _ and - only.",
    )
    wire_name = models.CharField(
        max_length=400,
        blank=True,
        verbose_name="name in webhooks",
        help_text="Only where your server knows the tool by a name that the model may not use.",
    )
    description = models.TextField(
        blank=True,
        help_text="Tells the model when to use the tool. One or two plain sentences work best; over 1,000 characters it fires wrongly.",
    )
    parameters = OrderedJSONField(
        default=empty_parameters,
        blank=True,
        help_text="JSON Schema of the arguments. Its top level must be an object.",
    )
    server_url = models.TextField(
        blank=True,
        validators=[URLValidator(schemes=["http", "https"])],
        verbose_name="server URL",
        help_text="Where the webhook is sent. Empty: the assistant's own server URL is used.",
    )
    server_secret = EncryptedTextField(
        blank=True,
        help_text="Sent as X-Vapi-Secret. Empty with a URL of its own: no secret is sent.",
    )
    timeout_s = models.PositiveSmallIntegerField(
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(300)],
        verbose_name="timeout (seconds)",
        help_text="How long to wait for the answer before the caller is told that it did not come. Vapi's default is 20.",
    )
    server_headers = EncryptedTextField(
        blank=True, help_text="A JSON object of headers that are sent as they are."
    )
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.PROTECT, related_name="tools"
    )
    backoff_plan = OrderedJSONField(
        default=dict,
        blank=True,
        help_text="Whether a failed request is sent again: type, maxRetries, baseDelaySeconds, excludedStatusCodes. Empty: never.",
    )
    asynchronous = models.BooleanField(
        default=False,
        verbose_name="do not wait",
        help_text="The assistant goes on at once; the answer is only written down.",
    )
    duplicates = models.CharField(
        max_length=10,
        choices=Duplicates,
        default=Duplicates.ONCE,
        verbose_name="same request twice",
        help_text=(
            "Models at times ask twice for the same, with the same arguments, in one breath. One request answers both, so that "
            "nothing is booked twice; or each is sent, where the same twice is meant, such as rolling dice."
        ),
    )
    legacy_form = models.BooleanField(
        default=False,
        verbose_name="old webhook form",
        help_text="Vapi's first form, function-call instead of tool-calls, for servers of 2023 and 2024.",
    )
    encrypted_paths = OrderedJSONField(
        default=list,
        blank=True,
        help_text="Arguments that are encrypted before they are sent: a list of paths.",
    )
    static_parameters = OrderedJSONField(
        default=list,
        blank=True,
        help_text="Values sent besides the model's, and instead of them: a list of key and value.",
    )
    messages = OrderedJSONField(
        default=list,
        blank=True,
        help_text="What is said at the start, when it takes long, at the end and on failure, in Vapi's form.",
    )
    variable_extraction = OrderedJSONField(
        default=dict, blank=True, help_text="What of the answer becomes a variable, in Vapi's form."
    )
    rejection_plan = OrderedJSONField(
        default=dict, blank=True, help_text="When the call of the tool is refused, in Vapi's form."
    )
    settings = OrderedJSONField(
        default=dict,
        blank=True,
        help_text="What only this kind of tool has, in Vapi's words: destinations, url, method, body, metadata …",
    )
    transient = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        db_index=True,
        help_text="What it came with, where it exists for the calls of a program alone.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Tool"]] = ListedTools()
    every: ClassVar[models.Manager["Tool"]] = models.Manager()

    class Meta:
        ordering = ["name", "created_at"]
        constraints = [
            models.CheckConstraint(name="tool_name_is_legal", condition=Q(name__regex=TOOL_NAME_PATTERN)),
            models.CheckConstraint(
                name="tool_timeout_in_range", condition=Q(timeout_s__gte=1, timeout_s__lte=300)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """What a program shows to be let in to our API. The key itself is shown once and stored nowhere."""

    class Kind(models.TextChoices):
        PRIVATE = "private", "Private, for servers"
        PUBLIC = "public", "Public, for browsers"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, help_text="Which program uses it, for example booking service.")
    kind = models.CharField(
        max_length=10,
        choices=Kind,
        default=Kind.PRIVATE,
        help_text="As at Vapi: a public key opens nothing that is for servers.",
    )
    prefix = models.CharField(max_length=20, editable=False, db_index=True, verbose_name="begins with")
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, blank=True, verbose_name="may")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it does not expire.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    requests_n = models.PositiveBigIntegerField(default=0, editable=False, verbose_name="requests")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class ApiWrite(models.Model):
    """Something that a program has changed by our API: which key, what, and when. Rows are added and never changed."""

    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="writes")
    method = models.CharField(max_length=10)
    route = models.CharField(max_length=60, help_text="As it is written, without ids.")
    about = models.CharField(
        max_length=64, blank=True, verbose_name="id", help_text="Of what was made, changed or deleted."
    )
    status = models.PositiveSmallIntegerField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name = "change by a program"
        verbose_name_plural = "changes by programs"
        indexes = [
            models.Index(fields=["key", "-id"], name="api_write_by_key"),
            models.Index(fields=["about", "-id"], name="api_write_by_id"),
            models.Index(fields=["at"], name="api_write_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


class ToolCall(models.Model):
    """One request of the model, from asked to answered. The ledger: it ends in exactly one honest outcome.

    It names its call by id and not by foreign key: calls stand above tools, and a tool call must be
    writable when the call's own row is late.
    """

    class Status(models.TextChoices):
        REQUESTED = "requested", "Requested"
        SENT = "sent", "Sent"
        ANSWERED = "answered", "Answered"
        FAILED = "failed", "Failed"
        TIMED_OUT = "timed_out", "Timed out, outcome unknown"
        REFUSED = "refused", "Refused before sending"

    id = models.BigAutoField(primary_key=True)
    call_id = models.UUIDField(db_index=True)
    item_id = models.CharField(max_length=64, help_text="OpenAI's call_id, Vapi's toolCallId.")
    tool = models.ForeignKey(Tool, null=True, blank=True, on_delete=models.PROTECT, related_name="calls")
    name = models.CharField(max_length=64)
    arguments = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.REQUESTED, db_index=True)
    outcome = models.TextField(blank=True, help_text="What the model was told.")
    error = models.TextField(blank=True, help_text="Why it failed, in plain words.")
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = models.TextField(blank=True, help_text="The server's answer, clipped.")
    requested_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When the model was told the outcome.")
    orphaned = models.BooleanField(default=False, help_text="The call ended before the model could be told.")
    attempts_begun = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often the request was sent, or was to be."
    )
    message = models.JSONField(
        null=True, blank=True, help_text="What the server wanted spoken, in Vapi's form."
    )
    variables = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="What the call learnt from the answer, by name."
    )

    class Meta:
        ordering = ["requested_at", "id"]
        indexes = [
            models.Index(fields=["requested_at"], name="tool_call_by_moment"),
            # Those that went wrong, for the reports.
            models.Index(
                fields=["requested_at"],
                condition=Q(status__in=["failed", "timed_out", "refused"]),
                name="tool_call_failed",
            ),
        ]
        constraints = [
            models.UniqueConstraint(name="tool_call_once_per_call", fields=["call_id", "item_id"]),
            models.CheckConstraint(
                name="tool_call_answered_after_sent",
                condition=Q(answered_at__isnull=True)
                | Q(sent_at__isnull=True)
                | Q(answered_at__gte=F("sent_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_status_display()})"

    @property
    def duration_ms(self) -> int | None:
        """Milliseconds from the request sent to the answer received, or None while there is none."""
        if self.sent_at is None or self.answered_at is None:
            return None
        return round((self.answered_at - self.sent_at).total_seconds() * 1000)

    @property
    def came_late(self) -> bool:
        """Whether the answer came only after the model had been told that there was none."""
        return self.told_at is not None and self.answered_at is not None and self.answered_at > self.told_at


class ToolAttempt(models.Model):
    """One request of a tool call, as it went: usually the only one."""

    id = models.BigAutoField(primary_key=True)
    tool_call = models.ForeignKey(ToolCall, on_delete=models.CASCADE, related_name="attempts")
    n = models.PositiveSmallIntegerField(help_text="1 for the first.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    sent = models.BooleanField(help_text="False: it certainly never left.")
    code = models.CharField(
        max_length=40, blank=True, help_text="How it failed; empty where it was answered."
    )
    error = models.TextField(blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = models.TextField(blank=True, help_text="The server's answer, clipped.")
    resolve_ms = models.FloatField(null=True, blank=True)
    connect_ms = models.FloatField(null=True, blank=True, help_text="Empty on a connection that was kept.")
    tls_ms = models.FloatField(null=True, blank=True)
    first_byte_ms = models.FloatField(
        null=True, blank=True, help_text="From the request to the first of the answer."
    )
    whole_ms = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["tool_call", "n"]
        constraints = [models.UniqueConstraint(name="tool_attempt_once", fields=["tool_call", "n"])]

    def __str__(self) -> str:
        return f"Attempt {self.n}"


class CapturePoint(models.Model):
    """Where a customer points one Vapi tool for a few days, so that what Vapi really sends is seen and handed on."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tool = models.OneToOneField(Tool, on_delete=models.CASCADE, related_name="capture_point")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    enabled = models.BooleanField(default=True)
    keep_count = models.PositiveIntegerField(
        default=200,
        validators=[MinValueValidator(1), MaxValueValidator(2000)],
        verbose_name="requests kept",
        help_text="Older ones are deleted as new ones come.",
    )
    keep_days = models.PositiveSmallIntegerField(
        default=14,
        validators=[MinValueValidator(1), MaxValueValidator(90)],
        verbose_name="days kept",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Capture of {self.tool.name}"


class Capture(models.Model):
    """One request that Vapi sent to a capture point, and what the customer's server answered."""

    id = models.BigAutoField(primary_key=True)
    point = models.ForeignKey(CapturePoint, on_delete=models.CASCADE, related_name="captures")
    received_at = models.DateTimeField(db_index=True)
    body = EncryptedTextField(blank=True, help_text="As it came; what is no UTF-8 is replaced.")
    headers = models.JSONField(default=list, help_text="Name and value in their order, secret values hidden.")
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = EncryptedTextField(blank=True)
    answer_type = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)
    elapsed_ms = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [models.Index(fields=["point", "-received_at"], name="capture_by_point")]

    def __str__(self) -> str:
        return f"Request of {self.received_at:%Y-%m-%d %H:%M:%S}"

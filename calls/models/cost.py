"""Money: what calls used, what it was priced at, the price list, and how much may be spent."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from assistants.models import Assistant
from calls.models.call import Call
from calls.models.number import E164_PATTERN


class Part(models.TextChoices):
    """What a price is for. Cached input is apart from fresh input, never counted in both."""

    TEXT_IN = "text_in", "text in"
    TEXT_CACHED = "text_cached", "text in, cached"
    TEXT_OUT = "text_out", "text out"
    AUDIO_IN = "audio_in", "audio in"
    AUDIO_CACHED = "audio_cached", "audio in, cached"
    AUDIO_OUT = "audio_out", "audio out"
    IMAGE_IN = "image_in", "images in"
    IMAGE_CACHED = "image_cached", "images in, cached"
    SECONDS = "seconds", "seconds of audio"
    MINUTES = "minutes", "minutes"
    TIMES = "times", "times"
    MONTHS = "months", "months"


class Price(models.Model):
    """What something costs from a moment on. A price that lines were made with stays as it is: a new one is a new row.

    Where two rows begin at the same moment, the one that was entered last is in force.
    """

    class Provider(models.TextChoices):
        OPENAI = "openai", "OpenAI"
        TWILIO = "twilio", "Twilio"
        VAPI = "vapi", "Vapi"

    provider = models.CharField(max_length=10, choices=Provider)
    item = models.CharField(
        max_length=120,
        help_text="A model as OpenAI names it, or what Twilio and Vapi charge for, as in the list. A new name is a new price.",
    )
    part = models.CharField(max_length=20, choices=Part)
    usd = models.DecimalField(
        max_digits=14,
        decimal_places=6,
        verbose_name="US dollars",
        validators=[MinValueValidator(Decimal(0))],
    )
    per = models.PositiveIntegerField(
        default=1,
        validators=[MinValueValidator(1)],
        help_text="For so many: 1,000,000 tokens, 60 seconds, 1 minute.",
    )
    valid_from = models.DateTimeField(
        default=timezone.now,
        help_text="For calls that come in at this moment or later, until the next row of the same item and part.",
    )
    source = models.CharField(max_length=300, blank=True, help_text="Where the figure is from.")
    entered_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["provider", "item", "part", "-valid_from", "-id"]
        verbose_name = "price"
        indexes = [models.Index(fields=["provider", "item", "part", "-valid_from"], name="price_in_force")]
        constraints = [
            models.CheckConstraint(name="price_not_negative", condition=Q(usd__gte=0)),
            models.CheckConstraint(name="price_per_something", condition=Q(per__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.item}, {self.get_part_display()}, from {self.valid_from:%Y-%m-%d}"


class CallUsage(models.Model):
    """What one response or one transcription used, as its server told it. ``usage`` is empty where it told nothing."""

    class Kind(models.TextChoices):
        RESPONSE = "response", "Response"
        TRANSCRIPTION = "transcription", "Transcription"
        SUMMARY = "summary", "Summary for an operator"
        ANALYSIS = "analysis", "Analysis after the call"

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="usages")
    kind = models.CharField(max_length=20, choices=Kind)
    session = models.CharField(
        max_length=40, help_text="The stream and its Realtime session; 0 is the first."
    )
    item = models.CharField(max_length=100, help_text="The response's id, or the item's.")
    model = models.CharField(max_length=120)
    status = models.CharField(max_length=20)
    usage = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "id"]
        verbose_name = "usage"
        verbose_name_plural = "usage"
        constraints = [models.UniqueConstraint(name="usage_once", fields=["call", "kind", "session", "item"])]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.item}"


class CallCost(models.Model):
    """What a call costs: the sum of its lines, as far as there are any. While it runs, what it has used until now."""

    call = models.OneToOneField(Call, on_delete=models.CASCADE, primary_key=True, related_name="cost")
    day = models.DateField(help_text="That the call counts for, in UTC (calls.models.counting).")
    assistant = models.ForeignKey(
        Assistant, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    total_usd = models.DecimalField(max_digits=18, decimal_places=10, default=Decimal(0))
    unpriced_n = models.PositiveIntegerField(
        default=0, verbose_name="unknown", help_text="Lines without a price or without a figure."
    )
    priced_at = models.DateTimeField(null=True, blank=True, help_text="Empty while the call runs.")

    class Meta:
        ordering = ["-day", "call"]
        verbose_name = "cost of a call"
        verbose_name_plural = "costs of calls"
        indexes = [
            # All that sums of days are made of: calls of years need not be read.
            models.Index(
                fields=["day", "assistant"],
                include=["total_usd", "unpriced_n", "priced_at"],
                name="call_cost_by_day",
            )
        ]

    def __str__(self) -> str:
        return f"${self.total_usd:.4f}"


class CostLine(models.Model):
    """What one kind of thing cost in a call, with the price row that it was made with.

    A line is never changed: what a later reckoning finds different is written anew, and the old line says since when it
    is out of force. ``amount_usd`` is empty where there is no price, or no figure; ``note`` says why.
    """

    id = models.BigAutoField(primary_key=True)
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="cost_lines")
    provider = models.CharField(max_length=10, choices=Price.Provider)
    kind = models.CharField(max_length=20, help_text="What it was for: response, transcription, line …")
    item = models.CharField(max_length=120)
    part = models.CharField(max_length=20, choices=Part)
    quantity = models.DecimalField(max_digits=18, decimal_places=3, null=True, blank=True)
    price = models.ForeignKey(Price, null=True, blank=True, on_delete=models.PROTECT, related_name="lines")
    amount_usd = models.DecimalField(max_digits=18, decimal_places=10, null=True, blank=True)
    note = models.CharField(max_length=200, blank=True)
    written_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["call", "provider", "kind", "item", "part"]
        verbose_name = "cost line"
        constraints = [
            models.UniqueConstraint(
                name="cost_line_once",
                fields=["call", "provider", "kind", "item", "part"],
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(
                name="cost_line_without_amount_says_why",
                condition=Q(amount_usd__isnull=False) | ~Q(note=""),
            ),
            models.CheckConstraint(
                name="cost_line_superseded_after_written",
                condition=Q(superseded_at__isnull=True) | Q(superseded_at__gte=F("written_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item}, {self.get_part_display()}"


class CarrierCall(models.Model):
    """What Twilio itself says of a call: how long it was, and what it charged for the line."""

    call = models.OneToOneField(Call, on_delete=models.CASCADE, primary_key=True, related_name="carrier")
    duration_s = models.PositiveIntegerField(null=True, blank=True)
    price_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When Twilio was last asked for it.")

    class Meta:
        verbose_name = "call at Twilio"

    def __str__(self) -> str:
        return f"{self.duration_s} s"


class SpendingLimit(models.Model):
    """How much may be spent, and what is done then. The row without an assistant is for the whole installation."""

    class WhenCall(models.TextChoices):
        WARN = "warn", "Only warn"
        END = "end", "End the call politely"

    class WhenDay(models.TextChoices):
        WARN = "warn", "Only warn: calls are answered as ever"
        REFUSE = "refuse", "Answer new calls with the sentence, and hang up"
        FORWARD = "forward", "Connect new calls to the other number"

    assistant = models.OneToOneField(
        Assistant,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="spending_limit",
        help_text="Empty: per call, for every assistant without a row of its own; per day, for all calls together.",
    )
    call_usd = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        verbose_name="per call, US dollars",
        validators=[MinValueValidator(Decimal("0.01"))],
    )
    when_call = models.CharField(
        max_length=10, choices=WhenCall, default=WhenCall.WARN, verbose_name="when a call has spent it"
    )
    closing_sentence = models.CharField(
        max_length=500,
        default="I am sorry, I have to end our call here. Please call again if there is anything else. Goodbye.",
        help_text="Said word for word and heard to its end, before the call is ended.",
    )
    day_usd = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        verbose_name="per day, US dollars",
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text="Days are in UTC.",
    )
    when_day = models.CharField(
        max_length=10, choices=WhenDay, default=WhenDay.WARN, verbose_name="when the day has spent it"
    )
    refusal_sentence = models.CharField(
        max_length=500,
        default="We are sorry, we cannot take your call right now. Please try again tomorrow.",
        help_text="Spoken by Twilio to new callers; also where the other number does not answer.",
    )
    forward_to = models.CharField(
        max_length=20,
        blank=True,
        verbose_name="other number",
        validators=[RegexValidator(E164_PATTERN, "Write it as +14155550100.")],
    )
    warn_percent = models.PositiveSmallIntegerField(
        default=80,
        verbose_name="warn at, %",
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )

    class Meta:
        verbose_name = "spending limit"
        constraints = [
            models.UniqueConstraint(
                name="spending_limit_for_all_once", fields=["assistant"], nulls_distinct=False
            ),
            models.CheckConstraint(
                name="spending_limit_limits_something",
                condition=Q(call_usd__isnull=False) | Q(day_usd__isnull=False),
            ),
            models.CheckConstraint(
                name="spending_limit_knows_where_to", condition=~Q(when_day="forward") | ~Q(forward_to="")
            ),
        ]

    def __str__(self) -> str:
        return f"Spending limit of {self.assistant}" if self.assistant_id else "Spending limit of all"


class SpendingAlert(models.Model):
    """A limit that is nearly or wholly spent: one row for a call, and one for a day."""

    class Level(models.TextChoices):
        NEAR = "near", "Nearly spent"
        SPENT = "spent", "Spent"

    limit = models.ForeignKey(SpendingLimit, on_delete=models.CASCADE, related_name="alerts")
    level = models.CharField(max_length=10, choices=Level)
    call = models.ForeignKey(
        Call, null=True, blank=True, on_delete=models.CASCADE, related_name="spending_alerts"
    )
    day = models.DateField()
    spent_usd = models.DecimalField(max_digits=18, decimal_places=10, help_text="When it was noticed.")
    allowed_usd = models.DecimalField(max_digits=12, decimal_places=2)
    at = models.DateTimeField(db_index=True)
    told_at = models.DateTimeField(
        null=True, blank=True, help_text="When the call was last told to say goodbye."
    )

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "spending alert"
        constraints = [
            models.UniqueConstraint(
                name="spending_alert_once_per_call",
                fields=["limit", "level", "call"],
                condition=Q(call__isnull=False),
            ),
            models.UniqueConstraint(
                name="spending_alert_once_per_day",
                fields=["limit", "level", "day"],
                condition=Q(call__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_level_display()}: ${self.spent_usd:.4f} of ${self.allowed_usd}"

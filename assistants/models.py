"""What an assistant is: an editable draft, and the immutable versions that calls run on."""

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from django.db.models import Q

from tools.encryption import EncryptedTextField
from tools.models import Tool
from tools.ordered_json import OrderedJSONField


class RealtimeModel(models.Model):
    """A speech-to-speech model that an assistant may run on."""

    name = models.CharField(
        primary_key=True, max_length=80, help_text="OpenAI's name, for example gpt-realtime-2.1."
    )
    reasoning = models.BooleanField(
        default=True,
        help_text="It accepts a reasoning effort. A model that does not would refuse the whole session.",
    )
    retires_on = models.DateField(
        null=True, blank=True, help_text="The day OpenAI switches it off, if announced."
    )

    class Meta:
        ordering = ["-name"]

    def __str__(self) -> str:
        return self.name


class TranscriptionModel(models.Model):
    """A model that writes down what the caller says."""

    name = models.CharField(primary_key=True, max_length=80)
    takes_languages = models.BooleanField(
        default=True, help_text="It takes a list of languages; older ones take a single language."
    )
    retires_on = models.DateField(
        null=True, blank=True, help_text="The day OpenAI switches it off, if announced."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Voice(models.Model):
    """A voice of the Realtime API. Text-to-speech voices are not valid here: they come out as noise."""

    name = models.CharField(primary_key=True, max_length=80)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Assistant(models.Model):
    """The draft that ops staff edit. Callers hear a published version of it, never the draft."""

    class FirstMessageMode(models.TextChoices):
        SPEAKS_FIRST = "assistant-speaks-first", "Assistant says the first message"
        SPEAKS_FIRST_GENERATED = (
            "assistant-speaks-first-with-model-generated-message",
            "Assistant greets in its own words",
        )
        WAITS = "assistant-waits-for-user", "Assistant waits for the caller"

    class NoiseReduction(models.TextChoices):
        NONE = "", "Off"
        NEAR_FIELD = "near_field", "Handset or headset"
        FAR_FIELD = "far_field", "Speakerphone"

    class Effort(models.TextChoices):
        MINIMAL = "minimal", "Minimal"
        LOW = "low", "Low"
        MEDIUM = "medium", "Medium"
        HIGH = "high", "High"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(
        max_length=80, unique=True, help_text="How your team calls it. Callers never hear it."
    )
    enabled = models.BooleanField(
        default=True,
        help_text="Switched off, callers hear an apology and the call ends. No publishing needed.",
    )

    instructions = models.TextField(
        blank=True, help_text="The prompt: who the assistant is, what it does, what it must never do."
    )
    first_message_mode = models.CharField(
        max_length=60, choices=FirstMessageMode, default=FirstMessageMode.SPEAKS_FIRST
    )
    first_message = models.TextField(
        blank=True, max_length=1000, help_text="Said word for word when the call is answered."
    )
    first_message_interruptible = models.BooleanField(
        default=False,
        help_text="Off: a caller's “hello?” does not cut the first message short. The caller is still heard.",
    )
    end_call_message = models.TextField(
        blank=True,
        max_length=1000,
        help_text="Said before the assistant hangs up. Empty: it says goodbye in its own words.",
    )
    apology = models.TextField(
        default="We are sorry, we cannot take your call right now. Please try again in a few minutes.",
        max_length=500,
        help_text="Spoken by the telephone network when the call cannot go on.",
    )

    model = models.ForeignKey(
        RealtimeModel, on_delete=models.PROTECT, default="gpt-realtime-2.1", related_name="+"
    )
    voice = models.ForeignKey(Voice, on_delete=models.PROTECT, default="marin", related_name="+")
    speed = models.DecimalField(
        max_digits=3,
        decimal_places=2,
        default="1.00",
        validators=[MinValueValidator(0.25), MaxValueValidator(1.5)],
        help_text="Speaking speed, 0.25 to 1.5.",
    )
    reasoning_effort = models.CharField(
        max_length=10, choices=Effort, default=Effort.LOW, help_text="More effort answers later."
    )
    max_output_tokens = models.PositiveSmallIntegerField(
        default=1024,
        validators=[MinValueValidator(1), MaxValueValidator(4096)],
        help_text="Upper limit of one answer; a spoken minute is about 1,200 tokens. Too low cuts speech off.",
    )

    transcription_model = models.ForeignKey(
        TranscriptionModel, on_delete=models.PROTECT, default="gpt-transcribe", related_name="+"
    )
    language = models.CharField(
        max_length=5,
        default="en",
        help_text="Language of the callers, two letters. It keeps transcripts in the right script.",
    )
    vad_threshold = models.DecimalField(
        max_digits=3,
        decimal_places=2,
        default="0.50",
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        verbose_name="speech threshold",
        help_text="How loud counts as speech, 0 to 1. Noisy lines: 0.6 to 0.8.",
    )
    vad_silence_ms = models.PositiveSmallIntegerField(
        default=500,
        validators=[MinValueValidator(100), MaxValueValidator(3000)],
        verbose_name="end of turn (ms of silence)",
        help_text="Lower answers sooner and cuts slow speakers off. 320 to 700 suits a telephone.",
    )
    vad_prefix_ms = models.PositiveSmallIntegerField(
        default=300,
        validators=[MaxValueValidator(2000)],
        verbose_name="audio kept before speech (ms)",
    )
    noise_reduction = models.CharField(
        max_length=20, choices=NoiseReduction, default=NoiseReduction.NEAR_FIELD, blank=True
    )
    max_duration_s = models.PositiveIntegerField(
        default=600,
        validators=[MinValueValidator(10), MaxValueValidator(3500)],
        verbose_name="longest call (seconds)",
        help_text="The assistant says goodbye and hangs up then. At most 3,500: a Realtime session ends at 60 minutes.",
    )
    silence_timeout_s = models.PositiveIntegerField(
        default=30,
        validators=[MinValueValidator(10), MaxValueValidator(3600)],
        verbose_name="hang up after silence (seconds)",
    )

    server_url = models.TextField(
        blank=True,
        validators=[URLValidator(schemes=["http", "https"])],
        verbose_name="server URL",
        help_text="Where webhooks of tools without a URL of their own are sent.",
    )
    server_secret = EncryptedTextField(blank=True, help_text="Sent as X-Vapi-Secret to the server URL above.")

    tools = models.ManyToManyField(Tool, through="AssistantTool", related_name="assistants", blank=True)
    live_version = models.ForeignKey(
        "AssistantVersion", null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        permissions = [("publish_assistant", "Can publish an assistant")]
        constraints = [
            models.CheckConstraint(
                name="assistant_speed_in_range", condition=Q(speed__gte=0.25, speed__lte=1.5)
            ),
            models.CheckConstraint(
                name="assistant_threshold_in_range", condition=Q(vad_threshold__gte=0, vad_threshold__lte=1)
            ),
            models.CheckConstraint(
                name="assistant_tokens_in_range",
                condition=Q(max_output_tokens__gte=1, max_output_tokens__lte=4096),
            ),
            models.CheckConstraint(
                name="assistant_duration_in_range",
                condition=Q(max_duration_s__gte=10, max_duration_s__lte=3500),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AssistantTool(models.Model):
    """Which tools an assistant offers to the model, and in what order it reads them."""

    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE)
    tool = models.ForeignKey(Tool, on_delete=models.PROTECT)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(name="tool_once_per_assistant", fields=["assistant", "tool"])]

    def __str__(self) -> str:
        return self.tool.name


class AssistantVersion(models.Model):
    """A published assistant, frozen: what a call ran on. The database refuses to change one (a trigger).

    ``snapshot`` holds the assistant's and its tools' settings without any secret; its shape is
    ``assistants.snapshots.Snapshot``.
    """

    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    snapshot = OrderedJSONField()
    note = models.CharField(
        max_length=200, blank=True, help_text="What changed, for whoever reads this later."
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    published_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["assistant", "-number"]
        constraints = [models.UniqueConstraint(name="version_number_once", fields=["assistant", "number"])]

    def __str__(self) -> str:
        return f"v{self.number}"

"""What an assistant is: an editable draft, and the immutable versions that calls run on."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator, URLValidator
from django.db import models
from django.db.models import Q

from assistants.models.catalogue import RealtimeModel, TranscriptionModel, Voice
from assistants.models.transient import ListedManager, Transient
from tools.encryption import EncryptedTextField
from tools.models import Credential, Tool
from tools.ordered_json import OrderedJSONField


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

    class TurnDetection(models.TextChoices):
        SERVER_VAD = "server_vad", "By silence"
        SEMANTIC_VAD = "semantic_vad", "By what was said"

    class Eagerness(models.TextChoices):
        AUTO = "auto", "Automatic"
        LOW = "low", "Patient: waits up to 8 s"
        MEDIUM = "medium", "Normal: waits up to 4 s"
        HIGH = "high", "Quick: waits up to 2 s"

    class Effort(models.TextChoices):
        MINIMAL = "minimal", "Minimal"
        LOW = "low", "Low"
        MEDIUM = "medium", "Medium"
        HIGH = "high", "High"

    class Redacted(models.TextChoices):
        CARD = "card", "Card numbers"
        SSN = "ssn", "US social security numbers"
        EMAIL = "email", "E-mail addresses"
        PHONE = "phone", "Telephone numbers"

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
    history = OrderedJSONField(
        default=list,
        blank=True,
        help_text="Messages that the model finds in the conversation before the call begins: a list of role and content.",
    )
    variables = OrderedJSONField(
        default=dict,
        blank=True,
        help_text="Values for {{ names }} in the prompt and in what is said: a JSON object. Values of the call itself win.",
    )
    end_call_message = models.TextField(
        blank=True,
        max_length=1000,
        help_text="Said before the assistant hangs up. Empty: it says goodbye in its own words.",
    )
    end_call_phrases = models.TextField(
        blank=True,
        help_text="One a line. When the assistant has said one of them, it hangs up.",
    )
    voicemail_message = models.TextField(
        blank=True, max_length=1000, help_text="Said to an answering machine. Empty: it is hung up on."
    )
    idle_messages = models.TextField(
        blank=True,
        help_text="One a line, taken in turn. Said when the caller is silent for the time below. Empty: nothing is said.",
    )
    idle_timeout_s = models.FloatField(
        default=7.5,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        verbose_name="say it after silence (seconds)",
    )
    idle_max_count = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        verbose_name="say it at most (times)",
    )
    idle_resets = models.BooleanField(
        default=False,
        verbose_name="count anew when the caller has spoken",
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
    keywords = models.TextField(
        blank=True,
        help_text="One a line: names and words that callers say and that are easily misheard. They help the written transcript.",
    )
    turn_detection = models.CharField(
        max_length=20,
        choices=TurnDetection,
        default=TurnDetection.SERVER_VAD,
        verbose_name="end of the caller's turn",
        help_text="By silence is the safe choice on a telephone.",
    )
    eagerness = models.CharField(
        max_length=10,
        choices=Eagerness,
        default=Eagerness.AUTO,
        help_text="Only where the end of the turn is found by what was said.",
    )
    interruptible = models.BooleanField(
        default=True,
        verbose_name="caller may interrupt",
        help_text="Off: the assistant finishes what it says.",
    )
    interrupt_words = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(10)],
        verbose_name="words that interrupt",
        help_text="How many words of the caller stop the assistant. 0: the first sound does.",
    )
    keypad_enabled = models.BooleanField(
        default=False,
        verbose_name="caller may use the keypad",
        help_text="Keys become a message of the caller.",
    )
    keypad_timeout_s = models.FloatField(
        default=2.0,
        validators=[MinValueValidator(0), MaxValueValidator(10)],
        verbose_name="keypad pause (seconds)",
        help_text="After this long without a key the keys are taken as complete.",
    )
    keypad_delimiters = models.CharField(
        max_length=2,
        blank=True,
        default="#",
        validators=[RegexValidator(r"^[#*]*$", "Only # and * can end what was keyed in.")],
        verbose_name="keypad end keys",
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

    server_headers = EncryptedTextField(
        blank=True, help_text="A JSON object of headers that are sent to the server URL above."
    )
    server_backoff_plan = OrderedJSONField(
        default=dict,
        blank=True,
        help_text="Whether a failed request to the server URL above is sent again, in Vapi's form. Empty: never.",
    )
    server_encrypted_paths = OrderedJSONField(
        default=list,
        blank=True,
        help_text="Arguments that are encrypted before they go to the server URL above: a list of paths.",
    )
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.PROTECT, related_name="assistants"
    )
    metadata = OrderedJSONField(
        default=dict, blank=True, help_text="Your own notes on the assistant, as JSON."
    )

    recording_enabled = models.BooleanField(
        default=False,
        verbose_name="record calls",
        help_text="Both sides, as sound. In many places callers must be told, or asked, first: put it into the first message.",
    )
    redact = models.JSONField(
        default=list,
        blank=True,
        verbose_name="never write down",
        help_text="Replaced by a mark such as [card] before anything is stored or shown, also when it is spoken as words.",
    )
    hipaa = models.BooleanField(
        default=False,
        verbose_name="health information (HIPAA)",
        help_text="Nothing that was said or recorded is kept, and no argument or answer of a tool. Times, costs and outcomes are.",
    )
    retention_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        verbose_name="keep records for (days)",
        help_text="Afterwards what was said and recorded is deleted; times, costs and outcomes stay. "
        "Empty: as set for the whole installation (RETENTION_DAYS).",
    )
    analysis_enabled = models.BooleanField(
        default=False,
        verbose_name="analyse finished calls",
        help_text="A text model of OpenAI's reads the transcript of every call, at your expense, and answers what is asked below.",
    )
    analysis_plan = OrderedJSONField(
        default=dict,
        blank=True,
        verbose_name="analysis after the call",
        help_text="What is asked about a finished call, in Vapi's form (analysisPlan). Empty: a summary, and whether it was a "
        "success, as at Vapi.",
    )
    monitor_plan = OrderedJSONField(
        default=dict,
        blank=True,
        verbose_name="listening in and control",
        help_text="Who may listen to and steer a running call over the network, in Vapi's form (monitorPlan).",
    )
    server_messages = OrderedJSONField(
        null=True,
        blank=True,
        help_text="Which events go to the server URL above, as a list of Vapi's names. Empty: those that Vapi sends by default.",
    )
    plans = OrderedJSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="Settings of Vapi's that are kept as they came, for what Tandem does after or beside a call.",
    )

    tools = models.ManyToManyField(Tool, through="AssistantTool", related_name="assistants", blank=True)
    live_version = models.ForeignKey(
        "AssistantVersion", null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    transient = models.OneToOneField(
        Transient,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="assistant",
        help_text="What it was made of, where it exists for the calls of a program alone.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Assistant"]] = ListedManager()
    every: ClassVar[models.Manager["Assistant"]] = models.Manager()

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

"""The lasting record of what was said."""

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from transcripts.words import Words


class Transcript(models.Model):
    """What was said in one call. It exists from the first finished utterance and is closed when the call is over.

    It names its call by id: writing it needs no call row, so nothing that was said can be lost to one.
    """

    call_id = models.UUIDField(unique=True)
    started_at = models.DateTimeField(
        help_text="Zero of the utterances' clocks: when the media stream began."
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["-started_at", "-id"], name="transcript_newest")]

    def __str__(self) -> str:
        return f"Transcript of {self.call_id}"


class Utterance(models.Model):
    """One side's words in one turn. Ordered by when each began to be heard, which is not when its text arrived."""

    class Speaker(models.TextChoices):
        CALLER = "caller", "Caller"
        ASSISTANT = "assistant", "Assistant"

    transcript = models.ForeignKey(Transcript, on_delete=models.CASCADE, related_name="utterances")
    item_id = models.CharField(max_length=64, help_text="OpenAI's id of the conversation item.")
    speaker = models.CharField(max_length=10, choices=Speaker)
    assistant = models.CharField(
        max_length=80,
        blank=True,
        default="",
        db_default="",
        help_text="Which of several assistants of the call spoke, by name.",
    )
    text = models.TextField(
        blank=True, help_text="What was generated, or what the caller was understood to say."
    )
    heard_text = models.TextField(
        blank=True, help_text="The part that was really heard before an interruption."
    )
    began_ms = models.PositiveIntegerField(help_text="When it began, in ms of the call.")
    ended_ms = models.PositiveIntegerField(help_text="When it ended, in ms of the call.")
    generated_ms = models.PositiveIntegerField(default=0, help_text="Audio received from the model, in ms.")
    heard_ms = models.PositiveIntegerField(default=0, help_text="Audio that the caller heard, in ms.")
    interrupted = models.BooleanField(default=False)
    latency_ms = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="From the end of the caller's speech to the first sound sent back, in ms; with the silence that ends a turn.",
    )
    transcribed = models.BooleanField(
        default=True, help_text="Off: there was speech, but no text could be made of it."
    )

    class Meta:
        ordering = ["began_ms", "id"]
        indexes = [
            # How long callers waited, without a look at what was said.
            models.Index(
                fields=["transcript"],
                include=["latency_ms"],
                condition=Q(latency_ms__isnull=False),
                name="utterance_latency",
            ),
            # New words wait in a list that is merged now and then, so that a turn is written in one stroke.
            GinIndex(Words(F("text")), name="utterance_words"),
        ]
        constraints = [
            models.UniqueConstraint(name="utterance_once", fields=["transcript", "item_id"]),
            models.CheckConstraint(
                name="utterance_ends_after_it_begins", condition=Q(ended_ms__gte=F("began_ms"))
            ),
            models.CheckConstraint(
                name="heard_at_most_generated", condition=Q(heard_ms__lte=F("generated_ms"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_speaker_display()} at {self.began_ms / 1000:.1f} s"

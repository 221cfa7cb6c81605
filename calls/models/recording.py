"""The sound of calls: recordings at Twilio and at Vapi, and what of them is kept here."""

import uuid

from django.core.files.storage import Storage, storages
from django.db import models

from calls.models.call import Call

STORAGE = "recordings"


def recordings_storage() -> Storage:
    """Where the sound is kept: a folder, or a bucket."""
    return storages[STORAGE]


def recording_place(recording: "Recording", name: str) -> str:
    # Nothing of the call stands in the name: folders are listed and copied by people who may not know it.
    return f"{recording.created_at:%Y/%m/%d}/{recording.pk}{name}"


class Recording(models.Model):
    """The sound of one call, from the wish to have it until nothing of it is left anywhere.

    It outlives its call's row for as long as something is still to be deleted: then it names no call any more.
    """

    class Source(models.TextChoices):
        TWILIO = "twilio", "Twilio"
        VAPI = "vapi", "Vapi"
        TANDEM = "tandem", "Tandem"

    class State(models.TextChoices):
        ASKED = "asked", "Being started"
        RECORDING = "recording", "Under way"
        WAITING = "waiting", "To be fetched"
        STORED = "stored", "Kept here"
        ABSENT = "absent", "Nothing was recorded"
        FAILED = "failed", "Failed"
        DELETING = "deleting", "Being deleted"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    call = models.ForeignKey(Call, null=True, on_delete=models.SET_NULL, related_name="recordings")
    source = models.CharField(max_length=10, choices=Source, default=Source.TWILIO)
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    error = models.TextField(blank=True, help_text="What went wrong, in plain words.")
    sid = models.CharField(max_length=64, blank=True, verbose_name="recording SID")
    account_sid = models.CharField(max_length=64, blank=True, verbose_name="account SID")
    at_twilio = models.BooleanField(default=False, help_text="A copy is known to be at Twilio.")
    began_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the recording began, by our clock or, where that is far off, Twilio's.",
    )
    file = models.FileField(storage=recordings_storage, upload_to=recording_place, max_length=200, blank=True)
    content_type = models.CharField(max_length=40, blank=True)
    size = models.PositiveBigIntegerField(default=0, help_text="In bytes.")
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    channels = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Two: the caller, then the assistant."
    )
    peaks = models.BinaryField(
        default=bytes, help_text="The waveform: for each channel how loud it was, bit by bit."
    )
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="How often it was tried to fetch or delete it."
    )
    next_at = models.DateTimeField(null=True, blank=True, help_text="Not to be tried again before.")
    created_at = models.DateTimeField(auto_now_add=True)
    stored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(name="recording_once_per_source", fields=["call", "source"]),
            models.UniqueConstraint(name="recording_sid_once", fields=["sid"], condition=~models.Q(sid="")),
            models.CheckConstraint(
                name="stored_recording_has_file", condition=~models.Q(state="stored") | ~models.Q(file="")
            ),
            models.CheckConstraint(
                name="failed_recording_says_why", condition=~models.Q(state="failed") | ~models.Q(error="")
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="recording_newest"),
            # What the beat looks for every few minutes: what is not at rest.
            models.Index(
                fields=["state", "next_at"],
                condition=~models.Q(state__in=["stored", "absent", "failed"]),
                name="recording_open",
            ),
            models.Index(
                fields=["next_at"],
                condition=models.Q(state="stored", at_twilio=True),
                name="recording_twice_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"Recording of call {self.call_id}"

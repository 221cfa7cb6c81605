"""Calls that ran at Vapi: what their own rows have no place for, the runs that fetched them, and the recorders."""

import uuid
from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from assistants.models import Assistant
from calls.models.call import Call
from tools.encryption import EncryptedTextField


class VapiCall(models.Model):
    """What Vapi told of a call beside what its rows hold: `Call`, `Transcript` with `Utterance`, and `ToolCall`.

    ``ranks`` says of every field how well the body knew it that it came from. Bodies may come in any order and from
    several sources; the same rows come of them.
    """

    class Source(models.TextChoices):
        API = "api", "Vapi's API"
        FILES = "files", "Files"
        RECORDER = "recorder", "Recorder"

    id = models.BigAutoField(primary_key=True)
    call = models.OneToOneField(Call, on_delete=models.CASCADE, related_name="vapi_call")
    vapi_id = models.CharField(max_length=100, unique=True, verbose_name="id at Vapi")
    source = models.CharField(max_length=10, choices=Source, help_text="Where it was first learnt from.")
    org_id = models.CharField(max_length=100, blank=True)
    call_type = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=100, blank=True)
    assistant_id = models.CharField(max_length=100, blank=True, db_index=True)
    assistant_name = models.CharField(max_length=200, blank=True)
    assistant_version = models.CharField(max_length=100, blank=True)
    squad_id = models.CharField(max_length=100, blank=True)
    phone_number_id = models.CharField(max_length=100, blank=True)
    call_sid = models.CharField(max_length=64, blank=True, help_text="Twilio's, as Vapi told it.")
    ended_message = models.TextField(blank=True)
    cost = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text="In US dollars, as Vapi charged it."
    )
    cost_breakdown = models.JSONField(default=dict, blank=True)
    costs = models.JSONField(default=list, blank=True)
    analysis = models.JSONField(default=dict, blank=True)
    structured_outputs = models.JSONField(default=dict, blank=True)
    metrics = models.JSONField(default=dict, blank=True, help_text="Vapi's performance metrics.")
    recordings = models.JSONField(default=dict, blank=True, help_text="Addresses at Vapi; they expire.")
    transfers = models.JSONField(default=list, blank=True)
    activations = models.JSONField(
        default=list, blank=True, help_text="A squad's assistants in the order of the call."
    )
    notes = models.JSONField(default=list, blank=True, help_text="What was not understood.")
    ranks = models.JSONField(default=dict, blank=True)
    imported_at = models.DateTimeField()
    completed_at = models.DateTimeField(
        null=True, blank=True, help_text="When a later body last added something."
    )

    class Meta:
        ordering = ["-imported_at", "-id"]
        verbose_name = "call from Vapi"
        verbose_name_plural = "calls from Vapi"
        constraints = [
            models.CheckConstraint(
                name="vapi_cost_not_negative", condition=Q(cost__isnull=True) | Q(cost__gte=Decimal(0))
            )
        ]

    def __str__(self) -> str:
        return f"Vapi's call {self.vapi_id}"


class VapiCallErased(models.Model):
    """A call whose record was deleted here. Whatever tells of it again is not written; only a digest of its id is kept."""

    digest = models.CharField(max_length=64, primary_key=True)
    erased_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Deleted on {self.erased_at:%Y-%m-%d}"


class VapiCallImport(models.Model):
    """One run that brings calls here. Every page is written with the place behind it, so a run goes on where it was."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.CharField(max_length=400, help_text="Where the calls come from: Vapi's API, or files.")
    date_from = models.DateTimeField(null=True, blank=True, help_text="Calls made at this moment or later.")
    date_to = models.DateTimeField(null=True, blank=True, help_text="Calls made before this moment.")
    assistant_ids = models.JSONField(default=list, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    stop_asked = models.BooleanField(default=False)
    progress = models.CharField(max_length=200, blank=True)
    cursor = models.JSONField(default=dict, blank=True, help_text="Where the next page begins.")
    read_n = models.PositiveIntegerField(default=0)
    created_n = models.PositiveIntegerField(default=0)
    completed_n = models.PositiveIntegerField(default=0)
    unchanged_n = models.PositiveIntegerField(default=0)
    running_n = models.PositiveIntegerField(default=0)
    erased_n = models.PositiveIntegerField(default=0)
    unreadable_n = models.PositiveIntegerField(default=0)
    notes = models.JSONField(default=list, blank=True)
    error = models.TextField(blank=True)
    # What is to be read, until it has been: an upload, or the key of an API.
    content = EncryptedTextField(blank=True)
    api_key = EncryptedTextField(blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    beat_at = models.DateTimeField(
        null=True, blank=True, help_text="The last sign of life of whoever runs it."
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "import of calls"
        verbose_name_plural = "imports of calls"
        permissions = [("run_vapicallimport", "Can import calls from Vapi")]

    def __str__(self) -> str:
        return self.source


class VapiRecorder(models.Model):
    """An address to which Vapi sends its server messages while an assistant still runs there.

    It hands every message on to the server that Vapi used before, and keeps the reports of finished calls.
    """

    id = models.BigAutoField(primary_key=True)
    label = models.CharField(
        max_length=80, help_text="For your own lists: the assistant, or “whole organisation”."
    )
    assistant = models.ForeignKey(
        Assistant,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Only for your own lists: which assistant ran is read from each report.",
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    secret = EncryptedTextField(
        blank=True, help_text="Messages without it are handed on, but never recorded. Empty: not asked for."
    )
    forward_url = models.CharField(
        max_length=2000,
        blank=True,
        verbose_name="hand on to",
        help_text="The server URL that is entered at Vapi now. Messages go there unchanged, and its answers go back.",
    )
    timeout_s = models.PositiveSmallIntegerField(
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(300)],
        verbose_name="wait for its answer (s)",
        help_text="As the server's timeout at Vapi, which is 20 unless somebody changed it.",
    )
    recording = models.BooleanField(
        default=True, help_text="Switched off, messages are still handed on and nothing is kept."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_report_at = models.DateTimeField(null=True, blank=True, editable=False)
    reports_n = models.PositiveIntegerField(default=0, editable=False)
    unreadable_n = models.PositiveIntegerField(default=0, editable=False)
    refused_n = models.PositiveIntegerField(default=0, editable=False)
    unanswered_n = models.PositiveIntegerField(default=0, editable=False)
    forward_failed_n = models.PositiveIntegerField(default=0, editable=False)
    forward_failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    forward_failed_why = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        ordering = ["label", "id"]
        verbose_name = "recorder"

    def __str__(self) -> str:
        return self.label

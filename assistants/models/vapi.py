"""What was imported from Vapi: each run, each object as it came, and what became of every part of it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from assistants.models.assistant import Assistant
from assistants.models.catalogue import Voice
from assistants.models.squad import Squad
from tools.encryption import EncryptedTextField
from tools.models import Tool
from tools.ordered_json import OrderedJSONField


class VapiImport(models.Model):
    """One run of the importer. A run that failed has changed nothing else."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed, nothing was changed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.CharField(max_length=400, help_text="Where it came from: a file, a paste, Vapi's API.")
    dry_run = models.BooleanField(default=False)
    overwrite = models.BooleanField(
        default=False, help_text="Take over Vapi's value also where somebody changed ours."
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    progress = models.CharField(max_length=200, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)
    # What is to be read, until it has been: an upload or a paste, or the key of an API.
    content = EncryptedTextField(blank=True)
    api_key = EncryptedTextField(blank=True)
    assistant_ids = models.JSONField(default=list, blank=True)
    summary = models.JSONField(default=dict, blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    beat_at = models.DateTimeField(
        null=True, blank=True, help_text="When the worker that runs it last gave a sign of life."
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "import from Vapi"
        verbose_name_plural = "imports from Vapi"
        permissions = [("run_vapiimport", "Can import from Vapi")]

    def __str__(self) -> str:
        return self.source


class VapiObject(models.Model):
    """One object of Vapi's: as it came (without secrets), what it became here, and how it is at Vapi now.

    ``base`` is the translated object as the last import read it, the common ancestor of ours and Vapi's: with it a
    change on either side can be told from the other. An inline tool has no id at Vapi; its key is made of its place.
    """

    class Kind(models.TextChoices):
        ASSISTANT = "assistant", "Assistant"
        TOOL = "tool", "Tool"
        SQUAD = "squad", "Squad"
        PHONE_NUMBER = "phone-number", "Phone number"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=20, choices=Kind)
    key = models.CharField(max_length=300)
    name = models.CharField(max_length=400, blank=True)
    raw = OrderedJSONField()
    base = OrderedJSONField(default=dict)
    assistant = models.ForeignKey(
        Assistant, null=True, blank=True, on_delete=models.SET_NULL, related_name="vapi_objects"
    )
    tool = models.ForeignKey(
        Tool, null=True, blank=True, on_delete=models.SET_NULL, related_name="vapi_objects"
    )
    squad = models.ForeignKey(
        Squad, null=True, blank=True, on_delete=models.SET_NULL, related_name="vapi_objects"
    )
    last_import = models.ForeignKey(VapiImport, on_delete=models.PROTECT, related_name="objects_read")
    imported_at = models.DateTimeField()
    seen = OrderedJSONField(
        null=True, blank=True, help_text="As it was at Vapi when last looked at, where that differs."
    )
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_with = OrderedJSONField(
        default=list, blank=True, help_text="Tools that it uses at Vapi now and that were never imported."
    )
    gone = models.BooleanField(default=False, help_text="It was deleted at Vapi.")

    class Meta:
        ordering = ["kind", "name", "id"]
        verbose_name = "object from Vapi"
        verbose_name_plural = "objects from Vapi"
        constraints = [models.UniqueConstraint(name="vapi_object_once", fields=["kind", "key"])]

    def __str__(self) -> str:
        return self.name or self.key


class ImportFinding(models.Model):
    """What became of one leaf of an imported object: exactly one row for each."""

    class Verdict(models.TextChoices):
        KEPT = "kept", "Kept"
        CONVERTED = "converted", "Converted"
        DEFAULT = "default", "Default applied"
        DECISION = "decision", "Needs a decision"
        DROPPED = "dropped", "Dropped"

    id = models.BigAutoField(primary_key=True)
    vapi_object = models.ForeignKey(VapiObject, on_delete=models.CASCADE, related_name="findings")
    position = models.PositiveIntegerField()
    path = models.CharField(
        max_length=400, help_text="Where it stands in the export, for example model.messages[0].content."
    )
    verdict = models.CharField(max_length=10, choices=Verdict)
    code = models.CharField(max_length=60, blank=True)
    source = models.TextField(blank=True, help_text="The value at Vapi, as JSON; empty where there was none.")
    field = models.CharField(max_length=80, blank=True, help_text="Which setting of ours it became.")
    ours = models.TextField(blank=True, help_text="Our value.")
    reason = models.TextField(blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    settled_note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["vapi_object", "position"]
        constraints = [
            models.UniqueConstraint(name="finding_once_per_place", fields=["vapi_object", "position"]),
            models.CheckConstraint(
                name="only_decisions_are_settled",
                condition=Q(settled_at__isnull=True) | Q(verdict="decision"),
            ),
        ]
        indexes = [
            models.Index(
                name="open_decisions",
                fields=["vapi_object"],
                condition=Q(verdict="decision", settled_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.path


class VoiceMapping(models.Model):
    """Which of our voices stands in for one of Vapi's. Nobody sounds the same; people edit this table by ear."""

    provider = models.CharField(max_length=40, help_text="Vapi's provider, for example 11labs.")
    vapi_voice = models.CharField(
        max_length=120, blank=True, help_text="Vapi's voice id. Empty: any voice of the provider."
    )
    voice = models.ForeignKey(Voice, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["provider", "vapi_voice"]
        constraints = [
            models.UniqueConstraint(Lower("provider"), Lower("vapi_voice"), name="voice_mapped_once")
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.vapi_voice or 'any voice'}"


class VapiWatch(models.Model):
    """How the last look at Vapi went. There is one row; the watch keeps it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    looked_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why the last look failed; empty when it did not.")
    failing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(name="one_vapi_watch", condition=Q(id=1))]

    def __str__(self) -> str:
        return "watch of Vapi"

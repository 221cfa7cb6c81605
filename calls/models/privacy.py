"""Who opened which call, what was deleted of calls and why, and the receipts of erasing. None of it holds speech or a number."""

import uuid

from django.conf import settings
from django.db import models

from tools.models import ApiKey


class CallOpened(models.Model):
    """Somebody looked at the record of a call. Rows are added and never touched again: a trigger of the database sees to it.

    It names its call by id: who has opened a call is known for longer than the call.
    """

    class What(models.TextChoices):
        PAGE = "page", "The page of the call"
        TRANSCRIPT = "transcript", "Its transcript"
        TOOL_CALL = "tool_call", "One of its tool calls"
        RECORDING = "recording", "Its recording"
        LIVE = "live", "What was said, while it was said"
        LISTENING = "listening", "Listened in"
        REPORT = "report", "A report that shows it"
        API = "api", "By the API"

    call_id = models.UUIDField()
    what = models.CharField(max_length=20, choices=What)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # No constraint, which would be checked for each call of a page, and no index: keys are revoked, and stay.
    key = models.ForeignKey(
        ApiKey,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    actor_label = models.CharField(max_length=150, verbose_name="who")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "opened call"
        indexes = [
            models.Index(fields=["call_id", "-at"], name="opened_by_call"),
            models.Index(fields=["-at", "-id"], name="opened_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label} at {self.at:%Y-%m-%d %H:%M:%S}"


class CallStripped(models.Model):
    """A call of which nothing is left but times, counts and costs. Whatever comes late about it is deleted as well."""

    class Why(models.TextChoices):
        RETENTION = "retention", "It was kept as long as it was to be"
        ERASED = "erased", "Somebody had it erased"

    call_id = models.UUIDField(primary_key=True)
    why = models.CharField(max_length=10, choices=Why)
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_why_display()}, {self.at:%Y-%m-%d}"


class Erasure(models.Model):
    """The receipt of an erasing: what was deleted in which table. The number itself is not in it, only its keyed digest."""

    class Kind(models.TextChoices):
        CALLER = "caller", "All calls of a caller"
        CALL = "call", "One call"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    digest = models.CharField(
        max_length=64,
        blank=True,
        db_index=True,
        help_text="HMAC of the number under this installation's key.",
    )
    calls_n = models.PositiveIntegerField(default=0, verbose_name="calls")
    counts = models.JSONField(default=dict, help_text="Rows that were cleared or deleted, by table.")
    notes = models.JSONField(default=list, blank=True, help_text="What is still to be done, and by whom.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_label = models.CharField(max_length=150, verbose_name="who")
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-at"]
        verbose_name = "erasing"
        verbose_name_plural = "erasings"
        permissions = [("erase_caller", "Can erase a caller and calls")]

    def __str__(self) -> str:
        return f"Receipt {self.id}"

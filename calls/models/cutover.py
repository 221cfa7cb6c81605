"""Cutover: the accounts that numbers are in, what each number was, what is being done to it, and all that was done.

Snapshots and events are never changed or deleted: a trigger of the database refuses it.
"""

import uuid
from typing import Final

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from calls.models.number import PhoneNumber
from tools.encryption import EncryptedTextField


class TwilioAccount(models.Model):
    """A Twilio account besides the environment's: a subaccount that was found, or one that somebody entered."""

    class Source(models.TextChoices):
        ENVIRONMENT = "environment", "TWILIO_ACCOUNT_SID"
        FOUND = "found", "Found as a subaccount"
        ENTERED = "entered", "Entered here"

    sid = models.CharField(
        primary_key=True,
        max_length=34,
        verbose_name="account SID",
        validators=[
            RegexValidator(r"^AC[0-9a-fA-F]{32}$", "An account SID is AC and 32 hexadecimal digits.")
        ],
    )
    label = models.CharField(max_length=120, blank=True)
    source = models.CharField(max_length=20, choices=Source, default=Source.ENTERED, editable=False)
    parent_sid = models.CharField(max_length=34, blank=True, verbose_name="parent account SID")
    enabled = models.BooleanField(
        default=True, help_text="Switched off, its numbers are not read, and its calls are refused."
    )
    auth_token = EncryptedTextField(
        blank=True,
        help_text="Its webhooks are signed with it. Also used for requests where no API key is set.",
    )
    auth_token_secondary = EncryptedTextField(
        blank=True, help_text="While the token is being rotated: Twilio may sign with either."
    )
    api_key_sid = models.CharField(max_length=34, blank=True, verbose_name="API key SID")
    api_key_secret = EncryptedTextField(blank=True)
    synced_at = models.DateTimeField(null=True, blank=True, editable=False)
    sync_error = models.TextField(
        blank=True, editable=False, help_text="Why its numbers could not be read the last time."
    )

    class Meta:
        ordering = ["label", "sid"]
        verbose_name = "Twilio account"

    def __str__(self) -> str:
        return self.label or self.sid


class NumberSnapshot(models.Model):
    """The complete resource of a number as Twilio gave it, right before we wrote to it. Never changed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.ForeignKey(PhoneNumber, on_delete=models.PROTECT, related_name="snapshots")
    taken_at = models.DateTimeField(db_index=True)
    config = models.JSONField()
    origin = models.CharField(max_length=200, help_text="Our public origin at the time.")

    class Meta:
        ordering = ["-taken_at"]
        verbose_name = "snapshot of a number"
        verbose_name_plural = "snapshots of numbers"

    def __str__(self) -> str:
        return f"{self.number_id} at {self.taken_at:%Y-%m-%d %H:%M:%S}"


class CutoverOperation(models.Model):
    """An intention to write to a number at Twilio: a row before anything is sent, and one open per number."""

    class Kind(models.TextChoices):
        CUTOVER = "cutover", "Cut over"
        CANARY = "canary", "Canary"
        ROLLBACK = "rollback", "Roll back"
        RESTORE = "restore", "Restore a snapshot"

    class Status(models.TextChoices):
        PLANNED = "planned", "Planned, nothing sent"
        WRITING = "writing", "Being written"
        VERIFYING = "verifying", "Written, being compared"
        UNDOING = "undoing", "Did not come out as wanted, being undone"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused, nothing sent"
        FAILED = "failed", "Failed"
        ROLLED_BACK = "rolled_back", "Undone"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.ForeignKey(PhoneNumber, on_delete=models.PROTECT, related_name="operations")
    kind = models.CharField(max_length=20, choices=Kind)
    status = models.CharField(max_length=20, choices=Status, default=Status.PLANNED, db_index=True)
    percent = models.PositiveSmallIntegerField(default=100)
    from_state = models.CharField(max_length=20, choices=PhoneNumber.State)
    from_percent = models.PositiveSmallIntegerField(default=100)
    seen = models.JSONField(
        default=dict, help_text="The number's configuration as whoever decided this saw it."
    )
    before = models.JSONField(default=dict, help_text="As fetched right before writing.")
    wanted = models.JSONField(default=dict, help_text="The fields to be written.")
    after = models.JSONField(default=dict, help_text="As fetched afterwards.")
    differences = models.JSONField(
        default=list, help_text="[{field, before, after}]: why it was refused or undone."
    )
    target = models.ForeignKey(
        NumberSnapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    from_snapshot = models.ForeignKey(
        NumberSnapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_label = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    overrides = models.JSONField(default=list, help_text="[{gate, reason}]")
    steps = models.JSONField(default=list, help_text="[{step, at}]")
    error = models.TextField(blank=True)
    writes = models.PositiveSmallIntegerField(default=0, help_text="How often Twilio was asked to change it.")
    claim = models.UUIDField(
        default=uuid.uuid4, help_text="Whoever works on it; another takes over by changing it."
    )
    beat_at = models.DateTimeField(help_text="When whoever works on it last gave a sign of life.")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                name="operation_one_open_per_number",
                fields=["number"],
                condition=Q(status__in=["planned", "writing", "verifying", "undoing"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_status_display()})"


OPEN: Final = (
    CutoverOperation.Status.PLANNED,
    CutoverOperation.Status.WRITING,
    CutoverOperation.Status.VERIFYING,
    CutoverOperation.Status.UNDOING,
)


class CutoverEvent(models.Model):
    """Something that happened to a number: who, when, why, before, after. Rows are added and never touched again."""

    class Kind(models.TextChoices):
        FOUND = "found", "Found at Twilio"
        SEEN = "seen", "Somebody else answers it now"
        VANISHED = "vanished", "Gone from its account"
        RETURNED = "returned", "Back in an account"
        ASSIGNED = "assigned", "Assistant assigned"
        CUTOVER = "cutover", "Cut over"
        CANARY = "canary", "Canary"
        ROLLBACK = "rollback", "Rolled back"
        RESTORE = "restore", "Snapshot restored"
        REFUSED = "refused", "Refused, nothing written"
        FAILED = "failed", "Failed"
        UNDONE = "undone", "Undone at once"
        CHANGED = "changed", "Changed behind our back"
        CHANGED_BACK = "changed_back", "Is again as we wrote it"
        ACCEPTED = "accepted", "Change accepted"
        FOUGHT = "fought", "Ours put back"
        SCHEDULE = "schedule", "Schedule"

    number = models.ForeignKey(PhoneNumber, on_delete=models.PROTECT, related_name="cutover_events")
    kind = models.CharField(max_length=20, choices=Kind, db_index=True)
    from_state = models.CharField(max_length=20, choices=PhoneNumber.State)
    to_state = models.CharField(max_length=20, choices=PhoneNumber.State)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_label = models.CharField(max_length=150, verbose_name="who")
    reason = models.TextField(blank=True, verbose_name="why")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    differences = models.JSONField(default=list, help_text="[{field, before, after}]")
    overrides = models.JSONField(default=list, help_text="[{gate, reason}]")
    operation = models.ForeignKey(
        CutoverOperation, null=True, blank=True, on_delete=models.PROTECT, related_name="events"
    )
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "cutover event"
        indexes = [models.Index(fields=["number", "-at"], name="cutover_event_by_number")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.at:%Y-%m-%d %H:%M:%S}"


class CutoverBatch(models.Model):
    """The same for many numbers, carried out by a worker; or a look at all accounts, without numbers of its own."""

    class Kind(models.TextChoices):
        SYNC = "sync", "Read all numbers"
        CUTOVER = "cutover", "Cut over"
        CANARY = "canary", "Canary"
        ROLLBACK = "rollback", "Roll back"
        RESTORE = "restore", "Restore a snapshot"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Not everything was done"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    percent = models.PositiveSmallIntegerField(default=100)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_label = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    overrides = models.JSONField(default=list, blank=True)
    progress = models.CharField(max_length=200, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    summary = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    beat_at = models.DateTimeField(
        null=True, blank=True, help_text="When the worker that runs it last gave a sign of life."
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "cutover of many"
        verbose_name_plural = "cutovers of many"

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_status_display()}"


class CutoverBatchItem(models.Model):
    """What became of one number of a batch."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        ALREADY = "already", "Was so already"
        REFUSED = "refused", "Refused, nothing written"
        FAILED = "failed", "Failed"

    batch = models.ForeignKey(CutoverBatch, on_delete=models.CASCADE, related_name="items")
    number = models.ForeignKey(PhoneNumber, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()
    seen = models.JSONField(default=dict, help_text="The configuration that the preview showed.")
    target = models.ForeignKey(
        NumberSnapshot,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Only where a snapshot is restored.",
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    message = models.TextField(blank=True)
    operation = models.ForeignKey(
        CutoverOperation, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(name="batch_number_once", fields=["batch", "number"])]

    def __str__(self) -> str:
        return f"{self.number_id}: {self.get_status_display()}"


class CutoverSchedule(models.Model):
    """Numbers that are moved one after the other on the days and in the hours that somebody chose."""

    class Kind(models.TextChoices):
        CUTOVER = "cutover", "Cut over"
        CANARY = "canary", "Canary"

    class Status(models.TextChoices):
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        STOPPED = "stopped", "Stopped by itself"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.CUTOVER)
    percent = models.PositiveSmallIntegerField(default=100)
    per_day = models.PositiveSmallIntegerField(default=1, help_text="How many numbers on one day.")
    spacing_minutes = models.PositiveSmallIntegerField(
        default=60, help_text="Between two numbers of the same day."
    )
    starts_on = models.DateField()
    weekdays = models.JSONField(help_text="0 is Monday.")
    from_time = models.TimeField(help_text="Not before, in the time zone of the schedule.")
    until_time = models.TimeField(help_text="Not at or after.")
    timezone = models.CharField(max_length=64, help_text="For example Europe/Berlin.")
    reason = models.TextField()
    overrides = models.JSONField(default=list, blank=True, help_text="[{gate, reason}]")
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING, db_index=True)
    stopped_because = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_by_label = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="schedule_stop_says_why", condition=~Q(status="stopped") | ~Q(stopped_because="")
            ),
            models.CheckConstraint(
                name="schedule_has_hours", condition=Q(from_time__lt=models.F("until_time"))
            ),
            models.CheckConstraint(
                name="schedule_does_something", condition=Q(per_day__gte=1, percent__gte=1, percent__lte=100)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CutoverScheduleItem(models.Model):
    """One number of a schedule."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        DROPPED = "dropped", "Not done"

    schedule = models.ForeignKey(CutoverSchedule, on_delete=models.CASCADE, related_name="items")
    number = models.ForeignKey(PhoneNumber, on_delete=models.PROTECT, related_name="schedule_items")
    position = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    message = models.TextField(blank=True)
    operation = models.ForeignKey(
        CutoverOperation, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(name="schedule_number_once", fields=["schedule", "number"]),
            models.UniqueConstraint(
                name="number_in_one_schedule",
                fields=["number"],
                condition=Q(status__in=["waiting", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number_id}: {self.get_status_display()}"

"""What of our calls has gone to the warehouse, and what has still to go."""

from django.db import models
from django.db.models import Q


class WarehouseDelivery(models.Model):
    """One call on its way to the warehouse: the outbox. The row is written when the call is over and is kept.

    It names its call by id: an order to take a call out again outlives the call. ``revision`` grows with every attempt and
    never comes twice, whatever became of the attempt, so that what two of them have sent can be told apart.
    """

    class Task(models.TextChoices):
        WRITE = "write", "Write"
        ERASE = "erase", "Erase"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        DEAD = "dead", "Given up"
        ERASED = "erased", "Erased"

    call_id = models.UUIDField(unique=True)
    task = models.CharField(max_length=10, choices=Task, default=Task.WRITE)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is looked at next; a call that was sent, for late changes."
    )
    revision = models.BigIntegerField(default=0)
    changes_n = models.PositiveIntegerField(
        default=1, help_text="How often the call was said to have changed."
    )
    attempts_n = models.PositiveSmallIntegerField(
        default=0, help_text="Refused attempts since it last went well."
    )
    looks_n = models.PositiveSmallIntegerField(
        default=0, help_text="Looks for late changes since it was sent."
    )
    error = models.TextField(blank=True, help_text="Why the last attempt failed. Never quotes what was said.")
    sent_revision = models.BigIntegerField(default=0, help_text="0: it has never arrived.")
    sent_digest = models.CharField(max_length=64, blank=True, help_text="Of the rows that were sent.")
    rows_n = models.PositiveIntegerField(default=0, help_text="Rows of the last revision that arrived.")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    hidden_at = models.DateTimeField(
        null=True, blank=True, help_text="When an erased call went out of sight; deleting it may take longer."
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = "delivery to the warehouse"
        verbose_name_plural = "deliveries to the warehouse"
        permissions = [("resend_warehousedelivery", "Can send calls to the warehouse again")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="warehouse_due"),
            models.Index(fields=["state", "-id"], name="warehouse_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.get_task_display()} {self.call_id}"

"""What could not be written though the database was there."""

from django.db import models

from tools.encryption import EncryptedTextField


class UnwrittenRecord(models.Model):
    """One record that its task could not write: kept whole, so that it can be written once the cause is gone."""

    digest = models.CharField(
        max_length=64,
        unique=True,
        editable=False,
        help_text="Of task and content: keeping it twice changes nothing.",
    )
    task = models.CharField(max_length=120)
    call_id = models.UUIDField(null=True, blank=True, db_index=True, verbose_name="call")
    content = EncryptedTextField(help_text="The task's arguments as JSON. They may hold what was said.")
    error = models.CharField(
        max_length=200, help_text="What the database or the code had against it, without its content."
    )
    tries = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    tried_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "record not written"
        verbose_name_plural = "records not written"

    def __str__(self) -> str:
        return f"{self.task} ({self.error})"

"""What the cutover screen shows before something is done: numbers as people choose them, and previews that are kept."""

import uuid

from django.conf import settings
from django.db import models

from calls.models.cutover import CutoverBatch, CutoverOperation, NumberSnapshot
from calls.models.number import PhoneNumber


class CutoverNumber(PhoneNumber):
    """A number on the cutover screen: the same row, its other side. Who may see it may see this."""

    class Meta:
        proxy = True
        ordering = ["did"]
        default_permissions = ()
        verbose_name = "number"
        verbose_name_plural = "numbers"


class CutoverPreview(models.Model):
    """What somebody was shown of a move, kept here so that exactly that is done, and once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=CutoverOperation.Kind)
    percent = models.PositiveSmallIntegerField(default=100)
    target = models.ForeignKey(
        NumberSnapshot, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    fresh = models.BooleanField(
        default=False, help_text="Whether Twilio was asked for it, or what it last said was used."
    )
    batch = models.ForeignKey(
        CutoverBatch,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="What was begun from it.",
    )
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, shown at {self.created_at:%Y-%m-%d %H:%M:%S}"


class CutoverPreviewItem(models.Model):
    """One number of a preview: its configuration as it was, and what would be written."""

    preview = models.ForeignKey(CutoverPreview, on_delete=models.CASCADE, related_name="items")
    number = models.ForeignKey(PhoneNumber, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField()
    seen = models.JSONField(default=dict)
    possible = models.BooleanField()
    writes = models.BooleanField()
    told = models.JSONField(
        default=dict,
        help_text="{from_state, to_state, changes: [{field, before, after}], obstacles, warnings, notes}",
    )

    class Meta:
        ordering = ["position"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(name="preview_number_once", fields=["preview", "number"])]

    def __str__(self) -> str:
        return f"{self.number_id} in a preview"

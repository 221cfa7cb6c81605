"""What programs send along with calls instead of naming it: whole assistants and squads, and overrides."""

import uuid

from django.db import models

from tools.ordered_json import OrderedJSONField


class Transient(models.Model):
    """A document that a program sent with a call, and that an assistant or a squad of its own was made of, once.

    Its id is made of what it says, so the same document makes nothing new. ``document`` is without secrets.
    """

    class Kind(models.TextChoices):
        ASSISTANT = "assistant", "Assistant"
        OVERRIDES = "overrides", "Overrides"
        SQUAD = "squad", "Squad"
        MEMBER = "member", "Part of a squad or of a destination"
        EMPTIED = "emptied", "Deleted with its calls"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind)
    document = OrderedJSONField(default=dict)
    notes = OrderedJSONField(
        default=list, blank=True, help_text="What of it Tandem does differently or not at all, in sentences."
    )
    part_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.CASCADE,
        related_name="parts",
        help_text="The document in which it stood.",
    )
    made_by = models.CharField(max_length=120, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(
        db_index=True, help_text="When a call was last to run on it, to within a day."
    )

    class Meta:
        verbose_name = "document sent with calls"
        verbose_name_plural = "documents sent with calls"

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {str(self.pk)[:8]}"


class ListedManager(models.Manager):  # type: ignore[type-arg]  # each model that has one names itself
    """Everything but what exists for the calls of a program alone: that is in no list, and nobody edits it."""

    def get_queryset(self) -> models.QuerySet:  # type: ignore[type-arg]
        return super().get_queryset().filter(transient=None)

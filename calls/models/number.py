"""Telephone numbers, and who answers them."""

import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from assistants.models import Assistant

E164_PATTERN = r"^\+[1-9][0-9]{6,14}$"


class PhoneNumber(models.Model):
    """A DID: a number we own that callers dial, and the assistant that answers it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    did = models.CharField(
        max_length=16,
        unique=True,
        verbose_name="number (DID)",
        validators=[
            RegexValidator(E164_PATTERN, "Write it as +14155550100: plus, country code, number, no spaces.")
        ],
        help_text="In international form, for example +14155550100.",
    )
    label = models.CharField(
        max_length=80, blank=True, help_text="For your own lists, for example “Main line”."
    )
    assistant = models.ForeignKey(
        Assistant,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="phone_numbers",
        help_text="Who answers. Without one, callers hear an apology.",
    )
    enabled = models.BooleanField(default=True, help_text="Switched off, callers hear an apology.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["did"]
        verbose_name = "number"
        constraints = [models.CheckConstraint(name="did_is_e164", condition=Q(did__regex=E164_PATTERN))]

    def __str__(self) -> str:
        return f"{self.did} {self.label}".strip()

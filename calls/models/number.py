"""Telephone numbers, who answers them, and where each stands on its way from the old provider to us."""

import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from assistants.models import Assistant, Squad

E164_PATTERN = r"^\+[1-9][0-9]{6,14}$"


class PhoneNumber(models.Model):
    """A DID: a number we own that callers dial, and the assistant that answers it."""

    class Provider(models.TextChoices):
        TWILIO = "twilio", "Twilio"
        VAPI = "vapi", "Vapi (bought there)"
        OTHER = "other", "Another carrier"

    class AnsweredBy(models.TextChoices):
        """Who gets the calls by the number's own configuration, as Twilio last gave it."""

        UNKNOWN = "unknown", "Not looked up yet"
        VAPI = "vapi", "Vapi"
        TANDEM = "tandem", "Tandem"
        URL = "url", "Another web address"
        TRUNK = "trunk", "A SIP trunk"
        APPLICATION = "application", "A TwiML application"
        NOBODY = "nobody", "Nobody"

    class State(models.TextChoices):
        """Where the number stands in its cutover; only calls.cutover moves it."""

        UNKNOWN = "unknown", "Elsewhere"
        ON_VAPI = "on_vapi", "On Vapi"
        CANARY = "canary", "Canary"
        OURS = "ours", "Ours"
        ROLLED_BACK = "rolled_back", "Rolled back"
        CHANGED = "changed", "Changed behind our back"

    class HandOverBy(models.TextChoices):
        """How a canary's other calls get to the old provider."""

        REDIRECT = "redirect", "Redirect to its voice URL"
        BYPASS = "bypass", "Vapi's provider bypass"

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
    squad = models.ForeignKey(
        Squad,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="phone_numbers",
        help_text="Several assistants that hand calls over to each other; the first takes the call. Instead of one assistant.",
    )
    enabled = models.BooleanField(default=True, help_text="Switched off, callers hear an apology.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    provider = models.CharField(max_length=20, choices=Provider, default=Provider.TWILIO, editable=False)
    account_sid = models.CharField(
        max_length=34, blank=True, editable=False, verbose_name="Twilio account SID"
    )
    twilio_sid = models.CharField(max_length=34, blank=True, editable=False, verbose_name="Twilio number SID")
    vapi_id = models.CharField(max_length=64, blank=True, editable=False, verbose_name="Vapi's number id")
    config = models.JSONField(
        default=dict, blank=True, editable=False, help_text="The number's resource as Twilio last gave it."
    )
    config_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    missing_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when its account does not have it any more."
    )
    answered_by = models.CharField(
        max_length=20, choices=AnsweredBy, default=AnsweredBy.UNKNOWN, editable=False, db_index=True
    )
    state = models.CharField(
        max_length=20, choices=State, default=State.UNKNOWN, editable=False, db_index=True
    )
    state_before_change = models.CharField(
        max_length=20,
        choices=State,
        blank=True,
        editable=False,
        help_text="Only while the state is “changed”.",
    )
    canary_percent = models.PositiveSmallIntegerField(
        default=100,
        editable=False,
        help_text="Of the calls that reach us, the share that our assistant answers. The others go to the old provider.",
    )
    hand_over_by = models.CharField(
        max_length=10,
        choices=HandOverBy,
        default=HandOverBy.REDIRECT,
        verbose_name="hand calls over by",
        help_text="How a canary's other calls get to the old provider. Provider bypass needs VAPI_API_KEY.",
    )
    expected = models.JSONField(
        default=dict, blank=True, editable=False, help_text="The voice fields that we last wrote."
    )
    snapshot = models.ForeignKey(
        "calls.NumberSnapshot",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        help_text="What a rollback goes back to.",
    )
    cut_over_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When it first came to us, since it last went back."
    )
    fight_once = models.BooleanField(
        default=False,
        verbose_name="put our settings back once",
        help_text="When somebody else changes the number at Twilio while it is ours: write ours again, once per cutover.",
    )
    fought_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When ours was put back, in this cutover."
    )

    class Meta:
        ordering = ["did"]
        verbose_name = "number"
        permissions = [
            ("assign_phonenumber", "Can choose who answers"),
            ("cut_over_phonenumber", "Can cut over and roll back"),
            ("override_gate", "Can override a gate"),
        ]
        constraints = [
            models.CheckConstraint(name="did_is_e164", condition=Q(did__regex=E164_PATTERN)),
            models.CheckConstraint(
                name="assistant_or_squad_answers", condition=Q(assistant__isnull=True) | Q(squad__isnull=True)
            ),
            models.CheckConstraint(name="canary_is_a_share", condition=Q(canary_percent__lte=100)),
            models.UniqueConstraint(
                name="twilio_number_once", fields=["twilio_sid"], condition=~Q(twilio_sid="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.did} {self.label}".strip()

    @property
    def answering(self) -> Assistant | None:
        """The assistant that takes the calls: the number's own, or the first of its squad; None where there is none."""
        return self.squad.first_assistant if self.squad is not None else self.assistant

    @property
    def movable(self) -> bool:
        """Whether there is a number at Twilio that can be pointed elsewhere; calls.cutover.selectors tells why not."""
        return self.provider == self.Provider.TWILIO and bool(self.twilio_sid) and self.missing_at is None

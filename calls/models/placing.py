"""Calls that we place: who asked for them, whom they are for, and how far each is on its way."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from calls.models.call import Call
from tools.models import ApiKey


class CallRequest(models.Model):
    """One request to place calls, of a program or of somebody in the admin. The same request again gets the same calls."""

    key = models.ForeignKey(
        ApiKey, null=True, blank=True, on_delete=models.PROTECT, related_name="call_requests"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    by_label = models.CharField(max_length=200, blank=True, verbose_name="by")
    idempotency_key = models.CharField(max_length=255, blank=True)
    digest = models.CharField(max_length=64, help_text="Of the body, so that a repeated request is known.")
    batch = models.BooleanField(default=False)
    errors = models.JSONField(
        default=list, blank=True, help_text="Which customers of a batch are not called, and why."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "request for calls"
        verbose_name_plural = "requests for calls"
        indexes = [models.Index(fields=["key", "digest", "-created_at"], name="call_request_again")]
        constraints = [
            models.UniqueConstraint(
                name="idempotency_key_once",
                fields=["key", "idempotency_key"],
                condition=~Q(idempotency_key=""),
            )
        ]

    def __str__(self) -> str:
        return f"Request of {self.by_label or 'nobody'}"


class Placing(models.Model):
    """The placing of one call. Whether the call is over, its own row says."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for its turn"
        DIALLING = "dialling", "Ordered from Twilio"  # no answer is known yet
        PLACED = "placed", "Placed"
        OVER = "over", "Over, in Twilio's own words"  # or never ordered: nothing of it can ring

    call = models.OneToOneField(Call, primary_key=True, on_delete=models.CASCADE, related_name="placing")
    request = models.ForeignKey(CallRequest, on_delete=models.PROTECT, related_name="placings")
    position = models.PositiveIntegerField(default=0, help_text="In its request.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    earliest_at = models.DateTimeField(null=True, blank=True, help_text="What it was scheduled for.")
    latest_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(help_text="When it may be dialled.")
    give_up_at = models.DateTimeField(help_text="After this it is not dialled any more.")
    follows_live = models.BooleanField(
        default=False, help_text="It runs on what is published when it is dialled, not when it was asked for."
    )
    customer = models.JSONField(default=dict, help_text="As it was given, without overrides.")
    metadata = models.JSONField(null=True, blank=True)
    machine = models.JSONField(
        default=dict,
        blank=True,
        help_text="How Twilio is to recognise answering machines; empty: not at all.",
    )
    rings_s = models.PositiveSmallIntegerField(default=60)
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="When it was ordered from Twilio.")
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.CharField(
        max_length=30, blank=True, help_text="A person or a machine, in Twilio's words."
    )
    machine_due_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the beat does what is to be done about a machine, unless that is done by then.",
    )
    looked_at = models.DateTimeField(null=True, blank=True, help_text="When Twilio was last asked about it.")
    hang_up = models.BooleanField(
        default=False, help_text="It was called off on the way: whoever learns its SID hangs up."
    )
    error_code = models.CharField(max_length=20, blank=True, help_text="Of Twilio's, where it refused.")

    class Meta:
        ordering = ["-due_at"]
        verbose_name = "outbound call"
        permissions = [("place_call", "Can place calls")]
        indexes = [
            models.Index(fields=["due_at"], name="placing_waits", condition=Q(state="waiting")),
            models.Index(fields=["claimed_at"], name="placing_dials", condition=Q(state="dialling")),
            models.Index(
                fields=["machine_due_at"], name="placing_machines", condition=Q(machine_due_at__isnull=False)
            ),
            # They began long after they were made.
            models.Index(
                fields=["claimed_at"], name="placing_was_scheduled", condition=Q(earliest_at__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(name="placing_in_request_once", fields=["request", "position"]),
        ]

    def __str__(self) -> str:
        return f"Call to {self.customer.get('number') or 'nobody'}"

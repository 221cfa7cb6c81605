"""Running calls, as the admin shows them, and what was ordered of them from outside."""

from django.conf import settings
from django.db import models

from calls.models.call import Call
from tools.models import ApiKey


class LiveCall(Call):
    """A call that goes on, with what somebody may do about it. It has no table of its own."""

    class Meta:
        proxy = True
        default_permissions = ()
        permissions = (("control_call", "Can speak in, mute, transfer and end running calls"),)
        verbose_name = "live call"


class LiveOrder(models.Model):
    """Something that was ordered of a call while it ran. Nobody changes it: what becomes of it is added, once.

    ``order`` is the whole order, sealed, for as long as it is taken and not done: the session that goes on with a call
    that broke off gets it again.
    """

    class Kind(models.TextChoices):
        """In Vapi's words."""

        SAY = "say", "Say"
        SAY_FIRST_MESSAGE = "say-first-message", "Say the first message"
        ADD_MESSAGE = "add-message", "Add a message"
        MUTE_ASSISTANT = "mute-assistant", "Mute the assistant"
        UNMUTE_ASSISTANT = "unmute-assistant", "Unmute the assistant"
        MUTE_CUSTOMER = "mute-customer", "Mute the caller"
        UNMUTE_CUSTOMER = "unmute-customer", "Unmute the caller"
        END_CALL = "end-call", "Hang up"
        TRANSFER = "transfer", "Transfer"
        HANDOFF = "handoff", "Hand over"

    class By(models.TextChoices):
        USER = "user", "Somebody in the admin"
        KEY = "key", "A program with a key"
        ADDRESS = "address", "Somebody with the call's own address"
        TANDEM = "tandem", "Tandem itself"

    class Result(models.TextChoices):
        TAKEN = "taken", "Taken"
        REFUSED = "refused", "Refused by the call"
        NOBODY = "nobody", "Nobody had the call"
        UNKNOWN = "unknown", "It is not known whether it arrived"

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="orders")
    order_id = models.CharField(max_length=64, unique=True, help_text="Writing it twice changes nothing.")
    kind = models.CharField(max_length=20, choices=Kind)
    words = models.TextField(blank=True, help_text="What was to be said or added, as far as it may be kept.")
    role = models.CharField(max_length=10, blank=True, help_text="Of a message that was added.")
    destination = models.CharField(
        max_length=1000, blank=True, help_text="A number, a SIP address, or a name."
    )
    at_once = models.BooleanField(default=False)
    ends_call = models.BooleanField(default=False, help_text="The call was to end when it was heard.")
    by = models.CharField(max_length=10, choices=By)
    by_label = models.CharField(max_length=150, verbose_name="who")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField()
    result = models.CharField(max_length=10, choices=Result)
    why = models.TextField(blank=True, help_text="Why it was refused, or was not done.")
    taken_at = models.DateTimeField(null=True, blank=True, help_text="When the call's process took it.")
    done_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True, help_text="When it was given up.")
    order = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["asked_at", "id"]
        verbose_name = "order"
        indexes = [models.Index(fields=["asked_at"], name="live_order_by_moment")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, by {self.by_label}"

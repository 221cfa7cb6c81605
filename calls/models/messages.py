"""Messages to customers' servers about calls: the outbox."""

import uuid

from django.db import models
from django.db.models import Q

from calls.models.call import Call


class ServerMessage(models.Model):
    """One message to a customer's server, from the moment that what it tells is true until it has arrived or was given up.

    Its body is made from the call's rows when it is sent and is kept nowhere: what is erased there is told to nobody any more.
    The rows of a call are sent in the order of their ids, one after the other.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        DEAD = "dead", "Given up"
        SKIPPED = "skipped", "Left out"

    class ServerFrom(models.TextChoices):
        ASSISTANT = "assistant", "The assistant's"
        NUMBER = "number", "The number's"
        ORGANISATION = "organisation", "The organisation's"

    public_id = models.UUIDField(
        default=uuid.uuid4,
        editable=False,
        verbose_name="id",
        help_text="Goes with every attempt as Idempotency-Key, so that a server can tell a repetition.",
    )
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="server_messages")
    kind = models.CharField(max_length=60, help_text="In Vapi's words.")
    key = models.CharField(
        max_length=120,
        editable=False,
        help_text="Unique in the call, so that noticing it twice changes nothing.",
    )
    at = models.DateTimeField(help_text="When it became true.")
    part = models.PositiveSmallIntegerField(
        default=0, help_text="Which of the call's assistants had it then; 0 for the first."
    )
    facts = models.JSONField(
        default=dict,
        blank=True,
        help_text="Which of the call's rows it is about; of words that no row has, sealed, what was said.",
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    server_from = models.CharField(max_length=20, choices=ServerFrom, blank=True, verbose_name="whose server")
    host = models.CharField(max_length=255, blank=True, help_text="Where it goes, without path and query.")
    due_at = models.DateTimeField(null=True, blank=True)
    tried_at = models.DateTimeField(null=True, blank=True, help_text="When it was last sent off.")
    lease = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts_n = models.PositiveSmallIntegerField(default=0, verbose_name="attempts")
    resent_n = models.PositiveSmallIntegerField(default=0, help_text="How often people had it sent again.")
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(
        max_length=300, blank=True, help_text="Why it did not arrive. Never quotes an answer."
    )
    elapsed_ms = models.PositiveIntegerField(null=True, blank=True, help_text="What the last attempt took.")
    sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "server message"
        permissions = [("resend_servermessage", "Can send server messages again")]
        constraints = [models.UniqueConstraint(name="server_message_once", fields=["call", "key"])]
        indexes = [
            # The rows that are still to go, few at any time: of each call the first, and of each host those on their way
            # and those that failed of late.
            models.Index(fields=["call", "id"], condition=Q(state="waiting"), name="message_lanes"),
            models.Index(
                fields=["host", "tried_at"], condition=Q(state__in=["waiting", "dead"]), name="message_hosts"
            ),
            models.Index(fields=["state", "-id"], name="message_by_state"),
            models.Index(fields=["created_at"], name="message_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.call_id}"

"""Smoke tests over the telephone: the calls that a played caller makes, and the sound of a caller's words."""

import uuid

from django.db import models
from django.db.models import Q

from calls.models.smoke import SmokePair


class SmokeLeg(models.Model):
    """A telephone call that a smoke test has Twilio place: the caller's end of it.

    The other end is a call on our stack (``SmokePair.call``), or one at Vapi. From one test number to one number only one
    such call is unaccounted for at a time (``holds_line``), or nobody could tell which of two that ring is whose.
    """

    class Stack(models.TextChoices):
        DIRECT = "direct", "Tandem"
        VAPI = "vapi", "Vapi"

    class Status(models.TextChoices):
        PLACING = "placing", "Being placed"
        TALKING = "talking", "In progress"
        OVER = "over", "Over"
        FAILED = "failed", "Broke"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pair = models.ForeignKey(SmokePair, on_delete=models.CASCADE, related_name="legs")
    attempt = models.PositiveSmallIntegerField()
    stack = models.CharField(max_length=10, choices=Stack)
    from_number = models.CharField(max_length=40)
    to_number = models.CharField(max_length=40)
    holds_line = models.BooleanField(default=True)
    call_sid = models.CharField(max_length=64, blank=True, help_text="Of the caller's end.")
    far_sid = models.CharField(max_length=64, blank=True, help_text="Of the other end, where it came to us.")
    vapi_call_id = models.CharField(
        max_length=100, blank=True, help_text="Vapi's id of the call, where it told us."
    )
    document = models.TextField(blank=True, help_text="Vapi's document for the other end.")
    status = models.CharField(max_length=10, choices=Status, default=Status.PLACING)
    why = models.TextField(blank=True, help_text="Why it broke, in plain words.")
    # Where a caller who had keys pressed goes on: Twilio ends the stream to press them.
    turn = models.PositiveSmallIntegerField(default=0)
    keys = models.CharField(max_length=40, blank=True)
    token_used_at = models.DateTimeField(null=True, blank=True)
    goal_reached = models.BooleanField(null=True, blank=True)
    ended_because = models.CharField(max_length=200, blank=True)
    said_never = models.JSONField(default=list, blank=True)
    placed_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    over_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["placed_at"]
        indexes = [models.Index(fields=["call_sid"], name="smoke_leg_by_sid")]
        constraints = [
            models.UniqueConstraint(
                name="smoke_leg_line_once", fields=["from_number", "to_number"], condition=Q(holds_line=True)
            ),
            models.UniqueConstraint(name="smoke_leg_far_once", fields=["far_sid"], condition=~Q(far_sid="")),
            models.CheckConstraint(
                name="smoke_leg_failed_says_why", condition=~Q(status="failed") | ~Q(why="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_number} to {self.to_number}"


class CallerLine(models.Model):
    """Words of a played caller as sound: recorded by somebody, or spoken by a model once and kept.

    ``key`` is a digest of the words and the voice; a recording has no voice, and goes before any that was spoken.
    """

    key = models.CharField(max_length=64, unique=True, editable=False)
    words = models.TextField(help_text="What is said in it, to the letter as it stands in the scenarios.")
    voice = models.CharField(max_length=40, blank=True, editable=False)
    mulaw = models.BinaryField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["words"]
        verbose_name = "recorded line"

    def __str__(self) -> str:
        return self.words[:80]

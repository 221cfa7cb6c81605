"""Calls that came to us and were handed to the old provider, and calls that took the way back without us."""

from django.db import models

from calls.models.call import Call
from calls.models.cutover import NumberSnapshot
from calls.models.number import PhoneNumber


class SnapshotRoute(models.Model):
    """Where calls of a snapshot really went, where its own fields do not say so: a TwiML application's voice URL."""

    snapshot = models.OneToOneField(
        NumberSnapshot, on_delete=models.CASCADE, primary_key=True, related_name="route"
    )
    url = models.TextField()
    method = models.CharField(max_length=4, default="POST")
    status_callback = models.TextField(blank=True)
    status_callback_method = models.CharField(max_length=4, default="POST")
    found_at = models.DateTimeField()

    class Meta:
        verbose_name = "way of a snapshot's calls"

    def __str__(self) -> str:
        return self.url


class CallHandover(models.Model):
    """How a call was handed to the old provider. The document is kept: a repeated webhook gets the same one."""

    class How(models.TextChoices):
        REDIRECT = "redirect", "Redirected to its voice URL"
        BYPASS = "bypass", "Provider bypass"

    call = models.OneToOneField(Call, on_delete=models.CASCADE, primary_key=True, related_name="handover")
    how = models.CharField(max_length=10, choices=How)
    url = models.TextField(blank=True)
    method = models.CharField(max_length=4, default="POST")
    answers_n = models.PositiveSmallIntegerField(
        default=0, help_text="How often Twilio was given the document."
    )
    document = models.TextField(
        blank=True, help_text="The document of provider bypass; empty while it is being asked for."
    )
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When Vapi was asked for a document.")
    provider_call_id = models.CharField(max_length=64, blank=True)
    problem = models.TextField(blank=True, help_text="Why the call went another way than it should have.")
    status_callback = models.TextField(blank=True)
    status_callback_method = models.CharField(max_length=4, default="POST")
    at = models.DateTimeField()
    forwarding_at = models.DateTimeField(
        null=True, blank=True, help_text="When a worker began to pass on how the call ended."
    )
    forwarded_at = models.DateTimeField(null=True, blank=True)
    forward_status = models.PositiveSmallIntegerField(null=True, blank=True, verbose_name="answered with")
    forward_error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "handed-over call"

    def __str__(self) -> str:
        return f"{self.get_how_display()} at {self.at:%Y-%m-%d %H:%M:%S}"


class FallbackCall(models.Model):
    """A sign that a call took the way back: it came with Twilio's error, or it ended without our ever having seen it."""

    class Kind(models.TextChoices):
        ERROR = "error", "Came to us with an error of Twilio's"
        UNSEEN = "unseen", "Ended without having reached us"

    kind = models.CharField(max_length=10, choices=Kind)
    number = models.ForeignKey(
        PhoneNumber, null=True, blank=True, on_delete=models.CASCADE, related_name="fallback_calls"
    )
    did = models.CharField(max_length=40, blank=True, verbose_name="called number")
    call_sid = models.CharField(max_length=64, verbose_name="call SID")
    error_code = models.CharField(max_length=20, blank=True, help_text="Twilio's.")
    error_url = models.CharField(
        max_length=500, blank=True, help_text="Which address failed, without its query."
    )
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "call that took the way back"
        verbose_name_plural = "calls that took the way back"
        indexes = [models.Index(fields=["number", "-at"], name="fallback_call_by_number")]
        constraints = [
            models.UniqueConstraint(name="fallback_call_once", fields=["call_sid", "kind", "error_code"])
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.error_code}".strip()

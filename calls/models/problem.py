"""What went wrong in calls."""

from django.db import models

from calls.models.call import Call


class CallProblem(models.Model):
    """Something that went wrong in a call and that somebody should be able to see: nothing is silent."""

    class Source(models.TextChoices):
        OPENAI = "openai", "OpenAI"
        TWILIO = "twilio", "Twilio"
        TOOL = "tool", "Tool"
        TANDEM = "tandem", "Tandem"

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="problems")
    key = models.CharField(
        max_length=80, help_text="Unique in the call, so that writing it twice changes nothing."
    )
    source = models.CharField(max_length=10, choices=Source)
    code = models.CharField(max_length=120)
    message = models.TextField(blank=True)
    benign = models.BooleanField(
        default=False, help_text="Expected now and then; the caller noticed nothing."
    )
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "problem"
        constraints = [models.UniqueConstraint(name="problem_once", fields=["call", "key"])]

    def __str__(self) -> str:
        return self.code

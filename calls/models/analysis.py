"""What was found out about a finished call by a text model."""

from django.db import models

from calls.models.call import Call


class CallAnalysis(models.Model):
    """The answers about one call, part by part as its assistant's plan asks for them, each with one honest outcome.

    ``parts`` says of each part what became of it: ``state``, ``why``, ``tries``, and the model's ``usage``.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        PARTLY = "partly", "Partly done"
        SKIPPED = "skipped", "Not needed"
        FAILED = "failed", "Failed"

    call = models.OneToOneField(Call, on_delete=models.CASCADE, related_name="analysis")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    why = models.CharField(max_length=300, blank=True, help_text="Why it was not needed, or what failed.")
    summary = models.TextField(blank=True)
    structured_data = models.JSONField(null=True, blank=True, help_text="In the form of the plan's schema.")
    structured_data_multi = models.JSONField(default=list, blank=True, help_text="A list of key and result.")
    success_evaluation = models.TextField(blank=True, help_text="Always a text, as at Vapi: true, 8, Good …")
    rubric = models.CharField(max_length=30, blank=True)
    success = models.BooleanField(
        null=True, blank=True, help_text="The verdict, where the rubric is PassFail."
    )
    score_percent = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True, help_text="The verdict on a scale of 0 to 100."
    )
    parts = models.JSONField(default=dict, blank=True)
    model = models.CharField(max_length=80, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0, help_text="A part of the input tokens.")
    output_tokens = models.PositiveIntegerField(default=0)
    requests_n = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True, help_text="When a worker takes it up next.")
    runs_n = models.PositiveSmallIntegerField(default=0, help_text="How often a worker has taken it up.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "analysis of a call"
        verbose_name_plural = "analyses of calls"
        permissions = [("run_callanalysis", "Can have calls analysed again")]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="analysis_due"),
            models.Index(fields=["state", "-id"], name="analysis_by_state"),
        ]

    def __str__(self) -> str:
        return f"Analysis of {self.call_id}"

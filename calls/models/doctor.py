"""What the doctor found, kept: a cutover may be refused on it."""

from django.conf import settings
from django.db import models


class DoctorRun(models.Model):
    """One examination: each check with its verdict, what it found and what to do."""

    at = models.DateTimeField(db_index=True)
    healthy = models.BooleanField(help_text="Whether nothing failed; warnings do not count.")
    lines = models.JSONField(default=list)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    by_label = models.CharField(
        max_length=150, blank=True, help_text="Who asked: a name, the beat, the command line."
    )

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "examination"
        permissions = [("run_doctor", "Can run the doctor")]

    def __str__(self) -> str:
        return f"Examination of {self.at:%Y-%m-%d %H:%M:%S}"

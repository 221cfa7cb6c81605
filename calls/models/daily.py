"""Figures of whole days, kept so that reports over months need not read every call again."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models


def _usd(*, null: bool = False) -> models.DecimalField[Any, Any]:
    """Whatever was charged, to the last figure."""
    return models.DecimalField(max_digits=50, decimal_places=25, null=null)


class DaysKept(models.Model):
    """Up to which day figures are kept; later days are reckoned whenever somebody asks. One row, or none."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    until = models.DateField(null=True)
    definition = models.CharField(max_length=64, help_text="Of the views that the figures were reckoned by.")

    class Meta:
        constraints = [models.CheckConstraint(name="days_kept_once", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"until {self.until}"


class DayChanged(models.Model):
    """Something of a day that is over has changed, so that what is kept of it is not believed. Written by triggers.

    Every transaction writes rows of its own: one that is not committed yet must not be taken for reckoned.
    """

    id = models.BigAutoField(primary_key=True)
    day = models.DateField(db_index=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.day}"


class _OfDay(models.Model):
    """Figures of a day, a stack and an assistant; the names of assistants are joined when they are read."""

    id = models.BigAutoField(primary_key=True)
    day = models.DateField()
    stack = models.CharField(max_length=10)
    assistant_id = models.UUIDField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.day} {self.stack}"


class CostDay(_OfDay):
    """As `reporting.v_costs_daily`."""

    vapi_name = models.CharField(max_length=200, null=True)  # noqa: DJ001  # no name and no assistant differ
    did = models.CharField(max_length=40)
    provider = models.CharField(max_length=10)
    kind = models.CharField(max_length=20)
    item = models.CharField(max_length=120)
    calls_n = models.PositiveBigIntegerField()
    usd = _usd()
    unknown_n = models.PositiveBigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day"], name="cost_day")]


class CallDay(_OfDay):
    """As `reporting.v_calls_daily`."""

    did = models.CharField(max_length=40)
    outcome = models.CharField(max_length=40)
    ended_reason = models.CharField(max_length=120)
    calls_n = models.PositiveBigIntegerField()
    answered_n = models.PositiveBigIntegerField()
    timed_n = models.PositiveBigIntegerField()
    seconds = models.DecimalField(max_digits=20, decimal_places=3)
    begun_minutes = models.PositiveBigIntegerField()
    longest_s = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    barge_ins_n = models.PositiveBigIntegerField()
    tool_calls_n = models.PositiveBigIntegerField()
    tool_errors_n = models.PositiveBigIntegerField()
    vapi_cost_usd = _usd(null=True)
    vapi_costed_s = models.DecimalField(max_digits=20, decimal_places=3, null=True)
    cost_usd = _usd(null=True)
    costed_s = models.DecimalField(max_digits=20, decimal_places=3, null=True)

    class Meta:
        indexes = [models.Index(fields=["day"], name="call_day")]


class SpeedDay(_OfDay):
    """As `reporting.v_latency_daily`, with the time of every answer, for figures of more than a day."""

    turns_n = models.PositiveBigIntegerField()
    calls_n = models.PositiveBigIntegerField()
    p50_ms = models.PositiveIntegerField(null=True)
    p95_ms = models.PositiveIntegerField(null=True)
    p99_ms = models.PositiveIntegerField(null=True)
    silence_ms = models.BigIntegerField()
    tools_ms = models.BigIntegerField()
    model_ms = models.BigIntegerField()
    first_sound_p50_ms = models.PositiveIntegerField(null=True)
    latencies = ArrayField(models.PositiveIntegerField())

    class Meta:
        indexes = [models.Index(fields=["day"], name="speed_day")]

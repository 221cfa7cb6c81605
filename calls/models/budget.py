"""How much may go wrong on a number that was cut over, and what was done when it was more."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from calls.models.number import PhoneNumber

_PERCENT = [MinValueValidator(1), MaxValueValidator(100)]


class BudgetRule(models.Model):
    """What may go wrong in the last calls before a number is rolled back by itself. The row without a number is for all others."""

    number = models.OneToOneField(
        PhoneNumber,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="budget_rule",
        help_text="Empty: for every number without a rule of its own.",
    )
    enabled = models.BooleanField(default=True, help_text="Switched off, it is shown and nothing is done.")
    calls_n = models.PositiveSmallIntegerField(
        default=20,
        verbose_name="last calls",
        validators=[MinValueValidator(5), MaxValueValidator(200)],
        help_text="How many of the last calls are looked at.",
    )
    least_calls_n = models.PositiveSmallIntegerField(
        default=5,
        verbose_name="at least",
        validators=[MinValueValidator(3), MaxValueValidator(200)],
        help_text="With fewer calls since the cutover nothing is done.",
    )
    least_failures_n = models.PositiveSmallIntegerField(
        default=3,
        verbose_name="failures at least",
        validators=[MinValueValidator(2), MaxValueValidator(200)],
        help_text="Fewer failed calls are never enough, whatever their share.",
    )
    setup_percent = models.PositiveSmallIntegerField(
        default=20,
        verbose_name="setup failures, %",
        validators=_PERCENT,
        help_text="Calls that no assistant answered, whose stream never came, or that broke off with an apology.",
    )
    tool_percent = models.PositiveSmallIntegerField(
        default=30,
        verbose_name="tool errors, %",
        validators=_PERCENT,
        help_text="Of the calls that used a tool: those in which one failed or was not answered in time.",
    )
    sound_percent = models.PositiveSmallIntegerField(
        default=40,
        verbose_name="slow first sounds, %",
        validators=_PERCENT,
        help_text="Calls in which the first sound came later than allowed.",
    )
    sound_ms = models.PositiveIntegerField(
        default=4000,
        verbose_name="first sound within, ms",
        validators=[MinValueValidator(500)],
        help_text="From the start of the stream.",
    )

    class Meta:
        verbose_name = "error budget"
        constraints = [
            models.UniqueConstraint(name="budget_rule_for_all_once", fields=["number"], nulls_distinct=False),
            models.CheckConstraint(name="budget_never_on_one_call", condition=Q(least_failures_n__gte=2)),
        ]

    def __str__(self) -> str:
        return f"Error budget of {self.number}" if self.number_id else "Error budget of all other numbers"


class BudgetTrip(models.Model):
    """A budget that was burnt: once per cutover it rolls back by itself, after that a person is asked."""

    class Outcome(models.TextChoices):
        TRYING = "trying", "Being rolled back"
        ROLLED_BACK = "rolled_back", "Rolled back by itself"
        ASKS = "asks", "A person must decide"

    number = models.ForeignKey(PhoneNumber, on_delete=models.CASCADE, related_name="budget_trips")
    cut_over_at = models.DateTimeField(help_text="Which cutover it was.")
    at = models.DateTimeField(db_index=True)
    words = models.TextField(help_text="Which budget was burnt, in plain words.")
    figures = models.JSONField(default=dict)
    outcome = models.CharField(max_length=20, choices=Outcome, default=Outcome.TRYING)
    message = models.TextField(blank=True, help_text="What became of the rollback.")
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "burnt budget"
        constraints = [
            models.UniqueConstraint(name="budget_trips_once_per_cutover", fields=["number", "cut_over_at"])
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}: {self.words}"

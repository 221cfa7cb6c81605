"""Celery's side of reports."""

from celery import shared_task

from calls.reporting.keeping import days_keep

# A run ends before the next one begins.
_SECONDS = 40.0


@shared_task(name="calls.reporting.tasks.days_keep", ignore_result=True)
def daily_figures_keep() -> int:
    """Keep the figures of days that are over, and reckon those that have changed anew; how many that were."""
    return days_keep(seconds=_SECONDS)

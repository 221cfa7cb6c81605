"""Celery's side of analyses, on queue `records`."""

import uuid

from celery import shared_task
from django.utils import timezone

from calls.analysis import services
from tools.tasks import RECORDS


@shared_task(name="calls.analysis.tasks.analyses_go_on", **{**RECORDS, "autoretry_for": ()})
def analyses_go_on() -> None:
    """Order what is wanted and start what is due; for the beat, a few times a minute."""
    now = timezone.now()
    services.analyses_order(now=now)
    for call_id in services.analyses_due(now=now):
        call_analyse.delay(call_id=str(call_id))


@shared_task(name="calls.analysis.tasks.call_analyse", **RECORDS)
def call_analyse(*, call_id: str) -> None:
    """Analyse one call, as far as it comes now."""
    services.analysis_run(uuid.UUID(call_id), now=timezone.now())

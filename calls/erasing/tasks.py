"""Celery's side of deleting, on queue `records`."""

import logging

from celery import shared_task
from django.utils import timezone

from calls.erasing import retention
from tools.tasks import RECORDS

logger = logging.getLogger(__name__)


@shared_task(name="calls.erasing.tasks.calls_expire", **{**RECORDS, "autoretry_for": ()})
def calls_expire() -> None:
    """Strip the calls whose time is over, and what has come late to those that were stripped; for the beat, every hour."""
    now = timezone.now()
    expired, late = retention.calls_expire(now=now), retention.stripped_again(now=now)
    if expired or late:
        logger.info("calls were stripped", extra={"calls": expired, "late_rows": late})

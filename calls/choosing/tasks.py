"""Celery's side of what programs send along with calls, on queue `records`."""

import logging

from celery import shared_task
from django.utils import timezone

from calls.choosing import keeping
from tools.tasks import RECORDS

logger = logging.getLogger(__name__)


@shared_task(name="calls.choosing.tasks.transients_expire", **{**RECORDS, "autoretry_for": ()})
def transients_expire() -> None:
    """Delete and empty what no call needs any more; for the beat, every six hours."""
    gone, emptied = keeping.transients_expire(now=timezone.now())
    if gone or emptied:
        logger.info("documents sent with calls were deleted", extra={"deleted": gone, "emptied": emptied})

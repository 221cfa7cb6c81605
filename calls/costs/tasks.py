"""Celery's side of money, on queue `records`. Each task may run twice and in any order."""

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any

from celery import shared_task
from django.db import DataError, IntegrityError
from django.utils import timezone

from calls.costs.carrier import carrier_call_note, carrier_prices_fetch
from calls.costs.goodbye import goodbye_say
from calls.costs.limits import limits_check
from calls.costs.reckoning import call_reckon, calls_to_reckon
from calls.costs.together import Report, usages_keep, usages_settle
from calls.models import Call
from tools.tasks import RECORDS, PrivateTask

logger = logging.getLogger(__name__)

CATCH_UP_FOR = timedelta(days=3)
MOST_CAUGHT_UP = 500


@shared_task(name="calls.costs.tasks.usage_write", **RECORDS)
def usage_write(
    *,
    call_id: str,
    kind: str,
    session: str,
    item: str,
    model: str,
    status: str,
    usage: dict[str, Any] | None,
    at: str,
) -> None:
    """Write what a response or a transcription used, and see to the spending limits."""
    report = Report(
        call_id=uuid.UUID(call_id),
        kind=kind,
        session=session,
        item=item,
        model=model,
        status=status,
        usage=usage or {},
        at=datetime.fromisoformat(at),
    )
    usages_keep([report])
    usages_settle([report.call_id], now=timezone.now())


@shared_task(name="calls.costs.tasks.call_cost", **RECORDS)
def call_cost(*, call_id: str) -> None:
    """Write what a call cost that is over."""
    now = timezone.now()
    if call_reckon(call_id=uuid.UUID(call_id), now=now):
        limits_check(Call.objects.get(pk=call_id), now=now, tell=goodbye_say)


@shared_task(name="calls.costs.tasks.carrier_call_write", **RECORDS)
def carrier_call_write(*, call_sid: str, duration_s: int) -> None:
    """Write how long a call was by Twilio's count."""
    call_id = carrier_call_note(call_sid=call_sid, duration_s=duration_s)
    if call_id is not None:
        call_reckon(call_id=call_id, now=timezone.now())


@shared_task(name="calls.costs.tasks.costs_catch_up", base=PrivateTask, ignore_result=True)
def costs_catch_up() -> None:
    """Write the lines of calls that ended without anybody's telling; for the beat."""
    now = timezone.now()
    waiting = calls_to_reckon(since=now - CATCH_UP_FOR).values_list("pk", flat=True)
    for call_id in list(waiting[:MOST_CAUGHT_UP]):
        try:
            call_reckon(call_id=call_id, now=now)
        except (DataError, IntegrityError, ArithmeticError):
            # The others are not to wait for it; it is tried again with each run.
            logger.exception("a call could not be reckoned", extra={"call_id": str(call_id)})


@shared_task(name="calls.costs.tasks.carrier_prices_look", base=PrivateTask, ignore_result=True)
def carrier_prices_look() -> None:
    """Ask Twilio what it charged for the lines of calls; for the beat."""
    now = timezone.now()
    for call_id in carrier_prices_fetch(now=now):
        call_reckon(call_id=call_id, now=now)

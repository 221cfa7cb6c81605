"""Celery's side of cutovers, on queue `records`. Each task may run twice and at the same time: the rows decide."""

import logging
from typing import Any

from celery import shared_task
from django.utils import timezone

from calls.cutover.batches import batch_carry_out, batches_waiting
from calls.cutover.schedules import schedules_run
from calls.cutover.services import operations_recover
from calls.cutover.watch import numbers_verify
from calls.models import PhoneNumber
from tools.tasks import RECORDS

logger = logging.getLogger(__name__)


@shared_task(name="calls.cutover.tasks.batch_run", **RECORDS)
def batch_run(batch_id: Any) -> None:
    """Carry out a batch, or a look at all accounts."""
    batch = batch_carry_out(batch_id)
    if batch is not None:
        logger.info("batch carried out", extra={"batch_id": str(batch_id), "status": batch.status})


@shared_task(name="calls.cutover.tasks.operations_recover", **RECORDS)
def recover() -> None:
    """Go on with what a dead process left, and with what waits for Twilio; for the beat, every minute."""
    for outcome in operations_recover():
        logger.warning(
            "an operation was gone on with",
            extra={"operation": str(outcome.operation), "result": outcome.result},
        )
    for batch in batches_waiting(now=timezone.now()):
        batch_run.delay(str(batch.pk))


@shared_task(name="calls.cutover.tasks.numbers_watch", **RECORDS)
def numbers_watch() -> None:
    """Compare all numbers with what they should be; for the beat, every minute."""
    if not PhoneNumber.objects.exclude(twilio_sid="").exists():
        return
    found = numbers_verify()
    for account in found.round.accounts:
        if account.error:
            logger.warning(
                "numbers could not be compared", extra={"account_sid": account.sid, "why": account.error}
            )
    if found.round.changed:
        logger.error(
            "numbers were changed at Twilio by somebody else",
            extra={"count": len(found.round.changed), "put_back": sum(one.ok for one in found.fought)},
        )


@shared_task(name="calls.cutover.tasks.schedules_run", **RECORDS)
def schedules() -> None:
    """Move the numbers that are due; for the beat, every minute."""
    for outcome in schedules_run():
        level = logging.INFO if outcome.ok else logging.ERROR
        logger.log(level, "a schedule came to a number", extra={"result": outcome.result})

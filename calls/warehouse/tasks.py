"""Celery's side of the warehouse, on queue `records`."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from calls.warehouse import outbox
from calls.warehouse.choosing import writer
from calls.warehouse.delivering import deliver
from tools.tasks import RECORDS

# Less than the time between two beats, so that runs do not pile up.
_AT_MOST = timedelta(seconds=25)


@shared_task(name="calls.warehouse.tasks.deliveries_send", **{**RECORDS, "autoretry_for": ()})
def deliveries_send() -> None:
    """Send what is due; for the beat, every half minute where a warehouse is used."""
    if outbox.is_on():
        deliver(writer(), until=timezone.now() + _AT_MOST)


@shared_task(name="calls.warehouse.tasks.calls_sweep", **{**RECORDS, "autoretry_for": ()})
def calls_sweep() -> None:
    """Put in the calls that nobody has told of; for the beat, every few minutes where a warehouse is used."""
    if outbox.is_on():
        outbox.calls_sweep()

"""Celery's side of calls that are not ours to dial, on queue `records`."""

from celery import shared_task
from django.utils import timezone

from calls.groups import over_tell
from calls.websocket_calls import services
from tools.tasks import RECORDS


@shared_task(name="calls.websocket_calls.tasks.socket_calls_close", **{**RECORDS, "autoretry_for": ()})
def socket_calls_close() -> None:
    """Close what nobody came to, and what nobody has ended; for the beat, twice a minute."""
    for call_id, reason in services.socket_calls_close(now=timezone.now()):
        over_tell(call_id, reason)

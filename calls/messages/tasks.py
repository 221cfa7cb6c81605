"""Celery's side of server messages: noticed on queue `records`, sent on queue `messages`, where a slow server holds up nobody else."""

import logging
import threading
import uuid
from collections.abc import Iterable
from datetime import timedelta

from celery import shared_task
from celery.exceptions import OperationalError as BrokerError
from django.conf import settings
from django.utils import timezone

from calls.messages import outbox, sending, services
from tools.tasks import RECORDS

logger = logging.getLogger(__name__)

# Sent off again by the next look around, so that a queue that stands does not grow.
_LOOK_EVERY_S = 5
# A worker that has other queues as well always has threads for them.
_lanes = threading.BoundedSemaphore(settings.SERVER_MESSAGES_AT_ONCE)


def notice_soon(call_ids: Iterable[str | uuid.UUID]) -> None:
    """Have looked at what these calls have to tell. Without the broker it waits for the next news of them, or for the beat."""
    ids = [str(one) for one in call_ids]
    if not ids:
        return
    try:
        messages_notice.apply_async(kwargs={"call_ids": ids}, retry=False)
    except BrokerError:
        logger.warning("server messages are noticed later: the broker is away")


@shared_task(name="calls.messages.tasks.messages_notice", **RECORDS)
def messages_notice(*, call_ids: list[str]) -> None:
    """Write down what these calls have to tell by now, and have it sent."""
    ids = [uuid.UUID(one) for one in call_ids]
    for call_id in services.messages_notice(ids, now=timezone.now()):
        lane_send.delay(call_id=str(call_id))


@shared_task(
    name="calls.messages.tasks.lane_send", **{**RECORDS, "acks_late": False, "reject_on_worker_lost": False}
)
def lane_send(*, call_id: str) -> None:
    """Send what is due of a call; left to the next look around where this process sends enough already."""
    if _lanes.acquire(blocking=False):
        try:
            sending.lane_send(uuid.UUID(call_id))
        finally:
            _lanes.release()


@shared_task(name="calls.messages.tasks.messages_go_on", **{**RECORDS, "autoretry_for": ()})
def messages_go_on() -> None:
    """Notice what nobody has told of, and have sent what is due; for the beat, every few seconds."""
    now = timezone.now()
    services.messages_notice(services.calls_untold(now=now), now=now)
    for call_id in outbox.lanes_due(now=now):
        lane_send.apply_async(kwargs={"call_id": str(call_id)}, expires=_LOOK_EVERY_S)


@shared_task(name="calls.messages.tasks.messages_expire", **{**RECORDS, "autoretry_for": ()})
def messages_expire() -> None:
    """Delete messages that were kept long enough; for the beat, every hour."""
    outbox.messages_expire(now=timezone.now(), kept=timedelta(days=settings.SERVER_MESSAGES_DAYS))

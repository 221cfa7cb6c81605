"""Celery's side of server messages: noticed on queue `records`, sent on queue `messages`, where a slow server holds up nobody else."""

import logging
import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.exceptions import OperationalError as BrokerError
from django.conf import settings
from django.utils import timezone
from redis.exceptions import RedisError

from calls.messages import outbox, passing_sending, sending, services
from calls.passing.lane import MOST_QUEUED, QUEUE
from calls.passing.telling import BEGIN
from tools.shared_state import store
from tools.tasks import RECORDS

logger = logging.getLogger(__name__)

# Sent off again by the next look around, so nobody needs what has waited for longer.
_LOOK_EVERY_S = 5
# A worker that has other queues as well always has threads for them.
_lanes = threading.BoundedSemaphore(settings.SERVER_MESSAGES_AT_ONCE)
# The calls for which none was free; in their order, and each once. Who comes to an end goes on with them.
_left: dict[uuid.UUID, None] = {}
_MOST_LEFT = 1000


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
    _have_sent(services.messages_notice(ids, now=timezone.now()))


@shared_task(
    name="calls.messages.tasks.lane_send", **{**RECORDS, "acks_late": False, "reject_on_worker_lost": False}
)
def lane_send(*, call_id: str) -> None:
    """Send what is due of a call; where this process sends enough already, whoever comes to an end first does."""
    lane: uuid.UUID | None = uuid.UUID(call_id)
    if not _lanes.acquire(blocking=False):
        if len(_left) < _MOST_LEFT:  # the next look around finds the others
            _left[uuid.UUID(call_id)] = None
        return
    try:
        while lane is not None:
            sending.lane_send(lane)
            lane = _next_left()
    finally:
        _lanes.release()


def _next_left() -> uuid.UUID | None:
    with suppress(StopIteration, KeyError, RuntimeError):  # others take from it as well
        lane = next(iter(_left))
        del _left[lane]
        return lane
    return None


@shared_task(name=BEGIN, **{**RECORDS, "acks_late": False, "reject_on_worker_lost": False})
def passing_begin() -> None:
    """Have this process send what calls tell in passing, until there is nothing to send."""
    for _ in range(2):  # one that waits for a slow server is not to hold up the others
        passing_sending.senders.begin()


@shared_task(name="calls.messages.tasks.messages_go_on", **{**RECORDS, "autoretry_for": ()})
def messages_go_on() -> None:
    """Notice what nobody has told of, and have sent what is due; for the beat, every few seconds."""
    now = timezone.now()
    services.messages_notice(services.calls_untold(now=now), now=now)
    _have_sent(outbox.lanes_due(now=now), expires=_LOOK_EVERY_S)


def _have_sent(call_ids: list[uuid.UUID], **options: Any) -> None:
    """Have what is due of these calls sent; not where the queue stands still: in Redis it would take the room of the others."""
    waiting = 0
    with suppress(RedisError):  # the broker is the same one, and says so itself
        waiting = store().llen(QUEUE)
    for call_id in call_ids[: max(0, MOST_QUEUED - waiting)]:
        lane_send.apply_async(kwargs={"call_id": str(call_id)}, **options)


@shared_task(name="calls.messages.tasks.messages_expire", **{**RECORDS, "autoretry_for": ()})
def messages_expire() -> None:
    """Delete messages that were kept long enough; for the beat, every hour."""
    outbox.messages_expire(now=timezone.now(), kept=timedelta(days=settings.SERVER_MESSAGES_DAYS))

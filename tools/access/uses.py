"""How often a key is used: no more than the limit, and counted."""

import logging
from datetime import timedelta
from http import HTTPStatus
from typing import Final, cast

import redis
from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from tools import shared_state
from tools.access.errors import ApiError
from tools.models import ApiKey

logger = logging.getLogger(__name__)

_WINDOW_S: Final = 60
_WRITE_EVERY: Final = timedelta(minutes=1)


def use_count(key: ApiKey) -> None:
    """Count a request of this key. Raises ApiError 429 where there were too many in this minute.

    While Redis is away nobody is refused, and what it had counted since the last write is lost.
    """
    now = timezone.now()
    second = int(now.timestamp())
    window = shared_state.key("api", "window", str(key.pk), str(second // _WINDOW_S))
    pending = shared_state.key("api", "pending", str(key.pk))
    try:
        with shared_state.store().pipeline(transaction=False) as pipe:
            pipe.incr(window)
            pipe.expire(window, 2 * _WINDOW_S)
            pipe.incr(pending)
            used, _, _ = pipe.execute()
    except redis.RedisError as exc:
        logger.warning("requests of the api are not limited", extra={"reason": type(exc).__name__})
        used = 0
    _written(key, pending)
    if used > settings.API_REQUESTS_PER_MINUTE:
        wait = _WINDOW_S - second % _WINDOW_S
        raise ApiError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"Too many requests: this key may make {settings.API_REQUESTS_PER_MINUTE} a minute. Try again in {wait} s.",
            retry_after_s=wait,
        )


def _written(key: ApiKey, pending: str) -> None:
    """Write down the use, once a minute at most; the database decides which request does it."""
    now = timezone.now()
    if key.last_used_at is not None and now - key.last_used_at < _WRITE_EVERY:
        return
    due = Q(last_used_at=None) | Q(last_used_at__lte=now - _WRITE_EVERY)
    if not ApiKey.objects.filter(due, pk=key.pk).update(last_used_at=now):
        return
    try:
        n = int(cast("str | None", shared_state.store().getdel(pending)) or 1)
    except redis.RedisError:
        n = 1
    ApiKey.objects.filter(pk=key.pk).update(requests_n=F("requests_n") + n)

"""Keys that open nothing, by whoever shows them: counted by address, and after too many answered 429.

Only what is refused is counted, after the key was looked for: one that is good passes, whoever else is behind its address.
"""

import logging
from datetime import datetime
from http import HTTPStatus
from typing import Final, Literal

import redis
from django.conf import settings
from django.utils import timezone

from tools import shared_state
from tools.access.errors import ApiError
from tools.observing import metrics

logger = logging.getLogger(__name__)

_WINDOW_S: Final = 60
Why = Literal["no key", "unknown", "wrong kind", "revoked", "expired"]


def refusal(message: str, *, why: Why, address: str) -> ApiError:
    """What a request without a good key is refused with: 401, or 429 where this address had too many of them in this minute.

    Nothing of the key is written down. While Redis is away nobody is told to wait.
    """
    now = timezone.now()
    most: int = settings.API_FAILURES_PER_MINUTE
    n = _counted(address, now) if most and address else 0
    throttled = n > most > 0
    metrics.API_REFUSED.labels(why, "429" if throttled else "401").inc()
    if not throttled:
        return ApiError(HTTPStatus.UNAUTHORIZED, message)
    if n == most + 1:
        logger.warning(
            "too many wrong keys from one address",
            extra={"client_address": address, "why": why, "limit": most},
        )
    wait = _WINDOW_S - int(now.timestamp()) % _WINDOW_S
    return ApiError(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"Too many requests with a wrong key from your address: {most} a minute at most. Try again in {wait} s with the right one.",
        retry_after_s=wait,
    )


def _counted(address: str, now: datetime) -> int:
    window = shared_state.key("api", "refused", address, str(int(now.timestamp()) // _WINDOW_S))
    try:
        with shared_state.store().pipeline(transaction=False) as pipe:
            pipe.incr(window)
            pipe.expire(window, 2 * _WINDOW_S)
            n, _ = pipe.execute()
    except redis.RedisError as exc:
        logger.warning("wrong keys are not limited", extra={"reason": type(exc).__name__})
        return 0
    return int(n)

"""How many orders one call takes in a minute by its control address, which whoever knows it may use without a key."""

import logging
import time
import uuid
from http import HTTPStatus
from typing import Final

import redis

from tools import shared_state
from tools.access.errors import ApiError

logger = logging.getLogger(__name__)

# Two a second for as long as the call lasts: more than anybody could want to be said or noted.
MOST_A_MINUTE: Final = 120
_WINDOW_S: Final = 60


def order_count(call_id: uuid.UUID) -> None:
    """Count an order. Raises ApiError 429 where there were too many in this minute. While Redis is away nobody is refused."""
    second = int(time.time())
    window = shared_state.key("live", "orders", str(call_id), str(second // _WINDOW_S))
    try:
        with shared_state.store().pipeline(transaction=False) as pipe:
            pipe.incr(window)
            pipe.expire(window, 2 * _WINDOW_S)
            given, _ = pipe.execute()
    except redis.RedisError as exc:
        logger.warning("orders to calls are not limited", extra={"reason": type(exc).__name__})
        return
    if given > MOST_A_MINUTE:
        wait = _WINDOW_S - second % _WINDOW_S
        raise ApiError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"Too many orders: a call takes {MOST_A_MINUTE} a minute. Try again in {wait} s.",
            retry_after_s=wait,
        )

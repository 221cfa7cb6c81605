"""Celery's way over Redis, for a worker that outlives its Redis.

kombu 5.7 closes a connection that is lost twice: the first time fails where it was being read, and the second gives back messages
that are not acknowledged over a connection that is gone by then. The AttributeError of that ends the worker, and with it
every tool call that it was carrying out. As what it is, a connection that is lost, everybody knows how to go on.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    """kombu's, which knows that its connection may be gone."""

    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if self.connection.client is None:
            raise RedisConnectionError("This connection to Redis is closed.")
        params: dict[str, Any] = super()._connparams(*args, **kwargs)  # type: ignore[misc]  # not in its stubs
        return params


class Transport(redis.Transport):
    """kombu's, with that channel."""

    Channel = Channel


def use_in_this_process() -> None:
    """From now on whoever speaks to a broker by redis:// or rediss:// does so in this way."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"

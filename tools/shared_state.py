"""What the workers of all machines know together: small, short-lived, in Redis. Nothing that may not be lost."""

import functools

import redis
from django.conf import settings

# While a caller waits, a slow Redis is no better than none.
_TIMEOUT_S = 0.5


def store() -> "redis.Redis":
    """This process's client. Its texts come back as text."""
    return _client(settings.REDIS_URL)


def key(*parts: str) -> str:
    """The name of a key of ours."""
    return ":".join((settings.REDIS_KEY_PREFIX, *parts))


@functools.cache
def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )

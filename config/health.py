"""Liveness and readiness. Neither says more than which part is well: anybody may ask."""

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from calls.draining.here import INSTANCE
from calls.recorder import process_outbox

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0


def database_ready() -> None:
    """Raise when PostgreSQL does not answer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def redis_ready() -> None:
    """Raise when Redis does not answer."""
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), retries=0),
    )
    with client:
        client.ping()


def spool_ready() -> None:
    """Raise when the spool, where records wait while the database is away, cannot be written."""
    folder = Path(settings.SPOOL_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".ready-", dir=folder)
    os.close(handle)
    Path(name).unlink()


class RecordsNotKeptError(Exception):
    """What is said in the next call would not be written down as it should be."""


def outbox_ready() -> None:
    """Raise when this process's outbox is full, keeps what it has in memory alone, or stands still."""
    if process_outbox.cache_info().currsize and not process_outbox().state().well:
        raise RecordsNotKeptError


READINESS: dict[str, Callable[[], None]] = {
    "database": database_ready,
    "redis": redis_ready,
    "spool": spool_ready,
    "outbox": outbox_ready,
}


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers at all."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when every part this process needs is there and it takes calls, else 503, with one word for each part."""
    parts = {name: "ok" if _is_well(name, check) else "failed" for name, check in READINESS.items()}
    status = "ok" if all(word == "ok" for word in parts.values()) else "unavailable"
    if INSTANCE.draining:
        status = "draining"
    return JsonResponse({"status": status, "checks": parts}, status=200 if status == "ok" else 503)


def _is_well(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception as exc:  # noqa: BLE001 - whatever is wrong with a part, the answer is that it is not ready
        # The text of a driver's error may hold the address and the user name.
        logger.warning("not ready", extra={"part": name, "error": type(exc).__name__})
        return False
    return True

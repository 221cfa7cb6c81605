"""All serving processes, by way of Redis: each tells every two seconds that it lives, and hears whether it is to drain."""

import atexit
import contextlib
import json
import logging
import threading
import time
import uuid
from dataclasses import asdict, dataclass

import redis
from django.conf import settings
from redis.exceptions import RedisError

from calls.draining.here import INSTANCE, instance_name
from tools.shared_state import key, store

logger = logging.getLogger(__name__)

EVERY_S = 2.0
FORGOTTEN_AFTER_S = 10.0  # from the last word of a process to when it counts as gone
# As long as an order to drain stands without being repeated; whoever gave it may be gone.
ORDER_LIVES_S = 24 * 3600
TURNED_AWAY_S = 30  # for so long a caller who was turned away is let in elsewhere
_ALL = ("instances",)


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as it last told of itself."""

    name: str
    live: int
    draining: bool
    at: float

    @property
    def gone(self) -> bool:
        """Whether nothing was heard of it for too long."""
        return time.time() - self.at > FORGOTTEN_AFTER_S


def instances(client: "redis.Redis") -> list[Seen]:
    """All processes that were heard of lately, by name. Raises RedisError."""
    found = []
    for raw in client.hgetall(key(*_ALL)).values():
        try:
            found.append(Seen(**json.loads(raw)))
        except (ValueError, TypeError):
            continue  # of another release
    return sorted((one for one in found if not one.gone), key=lambda one: one.name)


def drain_order(client: "redis.Redis", name: str) -> None:
    """Have a process drain. Raises RedisError."""
    client.set(_order(name), "1", ex=ORDER_LIVES_S)


def drain_revoke(client: "redis.Redis", name: str) -> None:
    """Have it take calls again. Raises RedisError."""
    client.delete(_order(name))


def stream_turned_away(call_id: uuid.UUID) -> bool:
    """Note that a draining process has not let a stream in, so that it is opened once more; whether that was possible."""
    try:
        store().set(_away(call_id), "1", ex=TURNED_AWAY_S)
    except (RedisError, OSError):
        logger.warning("a stream that was turned away could not be noted", extra={"call_id": str(call_id)})
        return False
    return True


def was_turned_away(call_id: uuid.UUID) -> bool:
    """Whether a draining process has just turned the stream of this call away."""
    try:
        return bool(store().exists(_away(call_id)))
    except (RedisError, OSError):
        return False


class Heartbeat:
    """The thread that tells of this process. An order that Redis gives is followed; what a signal began is not undone."""

    def __init__(self) -> None:
        self._name = instance_name(settings.INSTANCE_NAME)
        self._ordered = False
        self._told = False
        self._lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="instance-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin, until the process ends."""
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """End, and take this process off the list."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(3.0)

    def beat(self, client: "redis.Redis") -> None:
        """Tell once, and hear. Raises RedisError."""
        seen = Seen(self._name, INSTANCE.live, INSTANCE.draining, time.time())
        with client.pipeline(transaction=False) as pipe:
            if not self._told:
                pipe.delete(_order(self._name))  # was for the process that had this name before
            pipe.hset(key(*_ALL), self._name, json.dumps(asdict(seen)))
            pipe.exists(_order(self._name))
            ordered = bool(pipe.execute()[-1])
        self._told = True
        if ordered and not self._ordered and INSTANCE.begin():
            logger.info("this process drains: it was told to", extra={"live": INSTANCE.live})
        if self._ordered and not ordered and INSTANCE.stop():
            logger.info("this process takes calls again")
        self._ordered = ordered

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.beat(store())
                self._lost = False
            except (RedisError, OSError) as exc:
                if not self._lost:
                    logger.warning("Redis was not told of this process", extra={"error": type(exc).__name__})
                self._lost = True
            self._stop.wait(EVERY_S)
        with contextlib.suppress(RedisError, OSError):  # it will be forgotten
            store().hdel(key(*_ALL), self._name)


def _order(name: str) -> str:
    return key("drain", name)


def _away(call_id: uuid.UUID) -> str:
    return key("turned-away", str(call_id))

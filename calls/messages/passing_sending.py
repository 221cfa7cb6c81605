"""Sending what is told in passing: by a few threads of a worker, beside what Celery gives it, each message at once or not at all.

One message of a call is on its way at a time. A server that fails, or takes its time, is left alone for a while.
"""

import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from redis.exceptions import RedisError

from calls.messages.bodies import passing_body
from calls.messages.outbox import Result
from calls.messages.sending import UNWRITABLE, Send, post, subject_read
from calls.messages.servers import Server, parts_of, server_of
from calls.models import Call, CallStripped
from calls.passing import lane
from calls.passing.telling import SPEECH, STARTED, STOPPED, Passing, newest
from tools.breaker import host_of
from tools.clients import http_send
from tools.jsontext import json_text
from tools.observing import metrics

logger = logging.getLogger(__name__)

# Older than this it is of no use to anybody.
STALE_S: Final = 5.0
TIMEOUT_S: Final = 2.0
# A server that failed is left alone for so long, and one that was slow for so many times what it took.
RESTS_S: Final = 15.0
LONGEST_REST_S: Final = 60.0
SLOW_S: Final = 1.0
_SLOW_RESTS: Final = 3
# A thread without work ends after this.
LINGERS_S: Final = 20.0
_LOOK_EVERY_S: Final = 1.0
_KEPT: Final = 500
_KEPT_S: Final = 60.0
# What is not there yet may be in a moment: the row of an assistant that has just taken the call over.
_MISSED_S: Final = 0.5
_PASSING_STATUSES: Final = frozenset({408, 425, 429})


# --- What a message goes with ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where messages of a call go, and what is the same in each of them, while one assistant has it."""

    server: Server = field(repr=False)
    host: str
    told: dict[str, Any] = field(repr=False)


class _Known:
    """The surroundings of the calls that this process sends for, for a minute: each is made of a dozen queries."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[uuid.UUID, int], tuple[float, Surroundings | None]] = OrderedDict()

    def of(self, call_id: uuid.UUID, part: int) -> Surroundings | None:
        now = time.monotonic()
        with self._lock:
            until, found = self._kept.get((call_id, part), (0.0, None))
        if now < until:
            return found
        found = surroundings_read(call_id, part)
        with self._lock:
            self._kept[(call_id, part)] = (now + (_KEPT_S if found else _MISSED_S), found)
            self._kept.move_to_end((call_id, part))
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()


known = _Known()


def surroundings_read(call_id: uuid.UUID, part: int) -> Surroundings | None:
    """What messages of a call go with while this assistant has it; None where nobody is to be told anything."""
    call = Call.objects.defer("name").filter(pk=call_id).first()
    if call is None or CallStripped.objects.filter(call_id=call_id).exists():
        return None
    parts = parts_of(call)
    server = server_of(call, parts[part]) if part < len(parts) else None
    if server is None:
        return None
    try:
        told = subject_read(call_id).surroundings(part)
    except UNWRITABLE:
        return None  # the messages that last say what is wrong with it
    return Surroundings(server, host_of(server.url)[:255], told)


# --- One call -------------------------------------------------------------------------------------------------------


def call_serve(call_id: uuid.UUID, *, send: Send = http_send) -> int:
    """Send what waits of a call now, if nobody else does; how many messages were sent off. Raises RedisError."""
    sender = uuid.uuid4().hex
    if not lane.lock(call_id, sender):
        return 0
    try:
        return sum(_sent(call_id, one, send) for one in _paired(call_id, _waiting(call_id)))
    finally:
        lane.unlock(call_id, sender)


def _waiting(call_id: uuid.UUID) -> list[Passing]:
    given = lane.taken(call_id)
    found = [Passing.from_json(one) for one in given]
    left = newest(found)
    for one in found:
        if one.kind and one not in left:
            _count(one, "dropped")
    return left


def _paired(call_id: uuid.UUID, found: Iterable[Passing]) -> Iterator[Passing]:
    """These, so that each `started` is followed by its `stopped`, once.

    The process that was to say so may have died, or its word was dropped; or the end of the call has said it first.
    """
    for one in found:
        if one.kind != SPEECH:
            yield one
            continue
        role = one.facts.get("role")
        for other, told in lane.speaking(call_id).items():
            if role in (None, other):
                begun = Passing.from_json(told)
                yield replace(begun, at_ms=one.at_ms, facts={**begun.facts, "status": STOPPED})
        if one.facts["status"] == STARTED:
            yield one


def _sent(call_id: uuid.UUID, one: Passing, send: Send) -> bool:
    went = _sent_at_once(call_id, one, send)
    if went and one.kind == SPEECH:
        lane.speaks(
            call_id, str(one.facts["role"]), one.to_json() if one.facts["status"] == STARTED else None
        )
    return went


def _sent_at_once(call_id: uuid.UUID, one: Passing, send: Send) -> bool:
    if time.time() - one.at_ms / 1000 > STALE_S:
        return _dropped(one)
    surroundings = known.of(call_id, one.part)
    if surroundings is None or lane.rests(surroundings.host):
        return _dropped(one)
    if not lane.goes_first(call_id, one.item):
        return _dropped(one)
    try:
        result = _posted(one, surroundings, send)
    finally:
        lane.went(call_id)
    rest_s = rest_after(result)
    if rest_s:
        lane.rest(surroundings.host, rest_s)
    _count(one, "failed" if result.code else "sent")
    return True


def _posted(one: Passing, surroundings: Surroundings, send: Send) -> Result:
    server = surroundings.server
    return post(
        json_text(passing_body(one.kind, one.at_ms, one.facts, surroundings.told)).encode(),
        server.url,
        server.auth,
        message_id=uuid.uuid4(),
        timeout_s=min(TIMEOUT_S, server.timeout_s),
        send=send,
    )


def rest_after(result: Result) -> float:
    """For how many seconds the server is left alone after this; 0: it is well, though it may not have liked the message."""
    status = result.http_status
    if result.code and (status is None or status >= 500 or status in _PASSING_STATUSES):
        return min(max(RESTS_S, result.retry_after_s), LONGEST_REST_S)
    took_s = result.elapsed_ms / 1000
    return _SLOW_RESTS * took_s if took_s > SLOW_S else 0.0


def _dropped(one: Passing) -> bool:
    _count(one, "dropped")
    return False


def _count(one: Passing, state: str) -> None:
    metrics.SERVER_MESSAGES.labels(one.kind, state).inc()


# --- The threads ----------------------------------------------------------------------------------------------------


class Senders:
    """The threads of this process that send. They end when there is nothing to do, and are begun by whoever leaves something."""

    def __init__(self, most: int, serve: Callable[[uuid.UUID], int] = call_serve) -> None:
        self._most = most
        self._serve = serve
        self._lock = threading.Lock()
        self._running = 0

    def begin(self) -> bool:
        """One more thread, or False where there are enough."""
        with self._lock:
            if self._running >= self._most:
                return False
            self._running += 1
        threading.Thread(target=self._run, name="passing-messages", daemon=True).start()
        return True

    def _run(self) -> None:
        try:
            self._send_until_idle(uuid.uuid4().hex)
        except RedisError as exc:
            logger.warning("nothing is told in passing for now", extra={"reason": type(exc).__name__})
        finally:
            with self._lock:
                self._running -= 1

    def _send_until_idle(self, sender: str) -> None:
        idle_since = time.monotonic()
        # Whoever leaves something just before this one is gone asks for nobody.
        while not self._ends(sender, idle_since):
            lane.alive(sender)
            call_id = lane.next_call(within_s=_LOOK_EVERY_S)
            if call_id is None:
                continue
            if lane.waits():
                self.begin()
            self._serve_one(call_id)
            idle_since = time.monotonic()

    def _ends(self, sender: str, idle_since: float) -> bool:
        if time.monotonic() - idle_since < LINGERS_S:
            return False
        lane.alive(sender, yes=False)
        return not lane.waits()

    def _serve_one(self, call_id: uuid.UUID) -> None:
        try:
            self._serve(call_id)
        except (DatabaseError, *UNWRITABLE) as exc:
            # Of another release, or not to be had now: what waits next is new.
            fields = {"call_id": str(call_id), "reason": type(exc).__name__}
            logger.warning("what was to be told in passing is dropped", extra=fields)
        finally:
            connection.close()


senders = Senders(max(1, settings.SERVER_MESSAGES_AT_ONCE // 2))

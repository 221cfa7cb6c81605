"""From the call to Redis, for whoever reads along: never waiting, and never at the cost of the call.

A thread of the process writes; when Redis is slow or away, it drops what it has, and says in the stream that it did.
What lasts is written elsewhere, by the outbox.
"""

import functools
import logging
import queue
import threading
import time
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

import orjson
import redis
from django.conf import settings

from calls.bridge import commands as do
from calls.live import messages
from tools import shared_state

logger = logging.getLogger(__name__)

# The newest of a call; more than anybody says in an hour.
MOST_ENTRIES: Final = 4000
LIVES_S: Final = 6 * 3600
AFTERWARDS_S: Final = 3600
_MOST_WAITING: Final = 5000
_BATCH: Final = 200
_TIMEOUT_S: Final = 2.0
_PAUSE_S: Final = 1.0
# Of one utterance no more than so many partial texts a second; people cannot read faster.
_PARTIAL_EVERY_S: Final = 0.2


def stream_key(call_id: uuid.UUID) -> str:
    """Where the messages of a call are."""
    return shared_state.key("live", str(call_id))


class Feed:
    """One process's way to the readers. ``put`` never waits."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._waiting: queue.Queue[tuple[uuid.UUID, dict[str, Any]]] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._gaps: set[uuid.UUID] = set()
        self._away = False

    def put(self, call_id: uuid.UUID, message: dict[str, Any]) -> None:
        """Pass a message on, or drop it where too many wait."""
        if self._thread is None:
            self._start()
        try:
            self._waiting.put_nowait((call_id, message))
        except queue.Full:
            self._gaps.add(call_id)

    def flush(self) -> None:
        """Wait until everything was written or dropped."""
        self._waiting.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="live-feed", daemon=True)
                self._thread.start()

    def _write_all(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            self._write_or_drop(batch)
            for _ in batch:
                self._waiting.task_done()

    def _write_or_drop(self, batch: list[tuple[uuid.UUID, dict[str, Any]]]) -> None:
        try:
            self._write(batch)
        except redis.RedisError as exc:
            self._gaps |= {call_id for call_id, _ in batch}
            if not self._away:
                logger.warning("nobody can read along for now", extra={"reason": type(exc).__name__})
            self._away = True
            time.sleep(_PAUSE_S)
        else:
            self._away = False

    def _write(self, batch: list[tuple[uuid.UUID, dict[str, Any]]]) -> None:
        gaps = self._gaps & {call_id for call_id, _ in batch}
        with self._client.pipeline(transaction=False) as pipe:
            for call_id in gaps:
                pipe.xadd(stream_key(call_id), _entry(messages.gap(round(time.time() * 1000))))
            for call_id, message in batch:
                pipe.xadd(stream_key(call_id), _entry(message), maxlen=MOST_ENTRIES, approximate=True)
            for call_id in {call_id for call_id, _ in batch}:
                over = any(messages.is_end(one) for whose, one in batch if whose == call_id)
                pipe.expire(stream_key(call_id), AFTERWARDS_S if over else LIVES_S)
            pipe.execute()
        self._gaps -= gaps


def _entry(message: Mapping[str, Any]) -> Any:
    return {"m": orjson.dumps(message)}


def entry_message(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """The message of an entry; empty for one that nobody of ours has written."""
    try:
        message = orjson.loads(cast("bytes", fields.get(b"m") or b"{}"))
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}


@functools.cache
def process_feed() -> Feed:
    """This process's feed."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )
    return Feed(client)


class CallFeed:
    """What readers are told of one call."""

    def __init__(self, call_id: uuid.UUID) -> None:
        self._call_id = call_id
        self._feed = process_feed()
        self._told_at: dict[str, float] = {}
        self._final: dict[str, str] = {}  # what was told of utterances that are over

    def begun(self) -> None:
        """The conversation begins."""
        self._put(messages.status("in-progress", _now_ms()))

    def spoken(self, spoken: do.Spoken, *, clock: datetime, away: timedelta) -> None:
        """An utterance is over; told again, it is news only where it reads differently.

        It comes here as it is stored: what is not to be stored is taken out before. Its times count from ``clock``,
        which is so far into the call as it was ``away``.
        """
        if self._final.get(spoken.item_id) == spoken.heard_text:
            return
        self._final[spoken.item_id] = spoken.heard_text
        self._told_at.pop(spoken.item_id, None)
        self._put(
            messages.transcript_final(
                item_id=spoken.item_id,
                speaker=spoken.speaker.value,
                text=spoken.heard_text,
                at_ms=round(clock.timestamp() * 1000) + spoken.ended_ms,
                from_start_s=away.total_seconds() + spoken.began_ms / 1000,
                interrupted=spoken.interrupted,
                transcribed=spoken.transcribed,
                assistant=spoken.assistant,
            )
        )

    def happened(self, command: do.Command) -> None:
        """Whatever the conversation says of itself besides."""
        match command:
            case do.PartialText():
                self._partial(command)
            case do.RunTool(call_id=tool_call_id, name=name):
                self._put(messages.tool_asked(tool_call_id, name, _now_ms()))
            case do.ToolSettled(call_id=tool_call_id, orphaned=False) | do.ToolDone(call_id=tool_call_id):
                self._put(messages.tool_told(tool_call_id, _now_ms()))
            case do.Muted(who=who, on=on):
                self._put(messages.muted(who.value, _now_ms(), on=on))
            case do.Noted(role=role, text=text):
                self._put(messages.message_added(role, text, _now_ms()))
            case _:
                pass

    def ordered(self, order: Mapping[str, Any]) -> None:
        """Something was ordered from outside, or has become of that. Nothing is told of one that is unknown."""
        if order:
            self._put(messages.ordered(order, _now_ms()))

    def _partial(self, partial: do.PartialText) -> None:
        now = time.monotonic()
        if not partial.whole and now - self._told_at.get(partial.item_id, 0.0) < _PARTIAL_EVERY_S:
            return
        self._told_at[partial.item_id] = now
        self._put(
            messages.transcript_partial(
                item_id=partial.item_id,
                speaker=partial.speaker.value,
                text=partial.text,
                at_ms=_now_ms(),
                assistant=partial.assistant,
            )
        )

    def away(self) -> None:
        """The conversation ends here; the call goes on elsewhere, and may come back."""
        self._put(messages.status("forwarding", _now_ms()))

    def over(self, reason: str) -> None:
        """The call is over."""
        self._put(messages.status("ended", _now_ms(), reason))

    def _put(self, message: dict[str, Any]) -> None:
        self._feed.put(self._call_id, message)


def _now_ms() -> int:
    return round(time.time() * 1000)

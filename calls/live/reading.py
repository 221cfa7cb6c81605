"""Reading along: what was said so far and what follows, each message with its place, until the call is over.

One task of a process reads for all its readers, so that a thousand of them cost Redis one connection. Who reads too
slowly is dropped. What Redis has lost is filled in from the rows, so that a message may come twice, never not at all.
"""

import asyncio
import contextlib
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

import redis.asyncio
from django.conf import settings
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from calls.database_threads import in_database_thread
from calls.live import messages
from calls.live.feed import entry_message, stream_key
from calls.live.selectors import Standing, standing_of

logger = logging.getLogger(__name__)

Place = tuple[int, int]
Message = dict[str, Any]
BEGINNING: Final[Place] = (0, 0)
_PLACE: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,10})", re.ASCII)
_MOST_WAITING: Final = 1000
_BLOCK_MS: Final = 250
_PAUSE_S: Final = 0.5
# So long nothing came: perhaps the process of the call died, and nobody will say that it is over.
LOOK_AFTER_S: Final = 10.0
# Rows have the time at which something was said; its message came so much later at most.
_LATE_MS: Final = 60_000


class SlowReaderError(Exception):
    """More waits for this reader than may wait."""


class BadPlaceError(Exception):
    """What was given as a place is none."""


def place_read(text: str) -> Place:
    """The place that a client names as ``after``; the beginning where it names none. Raises BadPlaceError."""
    if not text:
        return BEGINNING
    found = _PLACE.fullmatch(text)
    if found is None:
        raise BadPlaceError
    return int(found[1]), int(found[2])


def place_text(place: Place) -> str:
    """The place as a client sees it."""
    return f"{place[0]}-{place[1]}"


class _Reader:
    def __init__(self) -> None:
        self.news: asyncio.Queue[tuple[Place, Message]] = asyncio.Queue(_MOST_WAITING)
        self.slow = False

    def tell(self, place: Place, message: Message) -> None:
        try:
            self.news.put_nowait((place, message))
        except asyncio.QueueFull:
            self.slow = True


class _Hub:
    """All readers of one event loop."""

    def __init__(self) -> None:
        self.client: Any = redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_timeout=5.0, socket_connect_timeout=2.0
        )
        self._readers: dict[uuid.UUID, set[_Reader]] = {}
        self._places: dict[uuid.UUID, Place] = {}
        self._task: asyncio.Task[None] | None = None
        self._away = False
        self._users = 0

    @contextlib.asynccontextmanager
    async def reader(self, call_id: uuid.UUID) -> AsyncIterator[_Reader]:
        """A reader of a call, who is told of everything that comes from now on."""
        reader = _Reader()
        self._users += 1  # before anything is waited for: whoever comes keeps the connection open
        try:
            if call_id not in self._places:
                newest = await self._newest(call_id)
                self._places.setdefault(call_id, newest)
            self._readers.setdefault(call_id, set()).add(reader)
            if self._task is None:
                self._task = asyncio.ensure_future(self._run())
            yield reader
        finally:
            self._users -= 1
            self._forget(call_id, reader)

    def _forget(self, call_id: uuid.UUID, reader: _Reader) -> None:
        readers = self._readers.get(call_id, set())
        readers.discard(reader)
        if not readers:
            self._readers.pop(call_id, None)
            self._places.pop(call_id, None)

    async def _newest(self, call_id: uuid.UUID) -> Place:
        try:
            found = await self.client.xrevrange(stream_key(call_id), count=1)
        except (RedisError, OSError):
            return BEGINNING
        return _id_place(found[0][0]) if found else BEGINNING

    async def so_far(self, call_id: uuid.UUID, after: Place) -> tuple[list[tuple[Place, Message]], bool]:
        """What the stream holds after a place, and whether it still holds that place itself."""
        key = stream_key(call_id)
        try:
            first = await self.client.xrange(key, count=1)
            entries = await self.client.xrange(key, min=f"({place_text(after)}")
        except (RedisError, OSError):
            return [], False
        whole = bool(first) and _id_place(first[0][0]) <= after
        return [(_id_place(at), entry_message(fields)) for at, fields in entries], whole

    async def _run(self) -> None:
        while self._users:
            try:
                await (self._read() if self._places else asyncio.sleep(_BLOCK_MS / 1000))
            except (RedisError, OSError):
                self._away = True
                await asyncio.sleep(_PAUSE_S)
        self._task = None
        _hubs.pop(asyncio.get_running_loop(), None)
        with contextlib.suppress(RedisError, OSError):
            await self.client.aclose()

    async def _read(self) -> None:
        streams: dict[Any, Any] = {stream_key(one): place_text(at) for one, at in self._places.items()}
        calls = {stream_key(one).encode(): one for one in self._places}
        found = await self.client.xread(streams, count=500, block=_BLOCK_MS)
        if self._away:
            self._away = False
            for call_id in list(self._readers):
                # Whatever was written meanwhile may be gone with the server that had it.
                self._tell(call_id, self._places[call_id], messages.gap(round(time.time() * 1000)))
        for key, entries in found or ():
            call_id = calls[key]
            for at, fields in entries:
                if call_id in self._places:
                    self._places[call_id] = _id_place(at)
                    self._tell(call_id, _id_place(at), entry_message(fields))

    def _tell(self, call_id: uuid.UUID, place: Place, message: Message) -> None:
        for reader in self._readers.get(call_id, ()):
            reader.tell(place, message)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, _Hub] = WeakKeyDictionary()


def _hub() -> _Hub:
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = _Hub()
    return _hubs[loop]


def _id_place(at: bytes) -> Place:
    return place_read(at.decode())


async def follow(call_id: uuid.UUID, after: Place = BEGINNING) -> AsyncIterator[Message]:
    """Everything of a call after a place, and what follows, each with its ``seq``. Raises SlowReaderError."""
    hub, following = _hub(), _Following(call_id, after)
    async with hub.reader(call_id) as reader:
        for message in await following.so_far(hub):
            yield message
        while not following.over:
            if reader.slow:
                raise SlowReaderError
            try:
                async with asyncio.timeout(LOOK_AFTER_S):
                    place, news = await reader.news.get()
            except TimeoutError:
                found = await following.looked()
            else:
                found = await following.came(place, news)
            for message in found:
                yield message


class _Following:
    """What one reader has been told."""

    def __init__(self, call_id: uuid.UUID, after: Place) -> None:
        self._call_id = call_id
        self._after = after
        self._finals: dict[str, str] = {}
        self.over = False

    async def so_far(self, hub: _Hub) -> list[Message]:
        """What there is already, in its order: from the stream, and from the rows what that has lost."""
        entries, whole = await hub.so_far(self._call_id, self._after)
        asked_from, standing = self._after, await self._standing()
        rows = [] if whole else _rows(standing, asked_from)
        in_stream = {one["itemId"] for _, one in entries if _is_final(one)}
        merged = sorted(
            [*((at, one) for at, one in rows if one["itemId"] not in in_stream), *entries],
            key=lambda one: one[0],
        )
        told = [self._tell(at, one) for at, one in _without_stale_partials(merged)]
        if not self.over and standing is not None and standing.over:
            told.append(self._end(standing))
        return [one for one in told if one]

    async def came(self, place: Place, message: Message) -> list[Message]:
        """What the reader is told of a new message."""
        if message.get("type") == messages.GAP:
            return self._missing(await self._standing())
        if place <= self._after:
            return []
        told = self._tell(place, message)
        return [told] if told else []

    async def looked(self) -> list[Message]:
        """Nothing has come for long: what the rows say."""
        standing = await self._standing()
        if standing is None or not standing.over:
            return []
        return [*self._missing(standing), self._end(standing)]

    def _missing(self, standing: Standing | None) -> list[Message]:
        rows = _rows(standing, BEGINNING)
        return [
            self._tell(at, one) for at, one in rows if self._finals.get(one["itemId"]) != one["transcript"]
        ]

    def _tell(self, place: Place, message: Message) -> Message:
        if message.get("type") == messages.GAP or not message:
            return {}
        self._after = max(self._after, place)
        if _is_final(message):
            self._finals[message["itemId"]] = message["transcript"]
        self.over = self.over or messages.is_end(message)
        return {**message, "seq": place_text(place)}

    def _end(self, standing: Standing) -> Message:
        place = max(self._after, (standing.ended_ms, 0))
        return self._tell(place, messages.status("ended", standing.ended_ms, standing.ended_reason))

    async def _standing(self) -> Standing | None:
        try:
            return await in_database_thread(lambda: standing_of(self._call_id))
        except DatabaseError:
            logger.warning("a transcript could not be read", extra={"call_id": str(self._call_id)})
            return None


def _rows(standing: Standing | None, after: Place) -> list[tuple[Place, Message]]:
    """The lasting utterances from that place on, each with a place of its own, in their order."""
    rows: list[tuple[Place, Message]] = []
    for message in sorted(standing.said if standing else (), key=lambda one: one["timestamp"]):
        at = int(message["timestamp"])
        place = (at, rows[-1][0][1] + 1) if rows and rows[-1][0][0] == at else (at, 0)
        rows.append((place, message))
    return [(place, message) for place, message in rows if place[0] > after[0] - _LATE_MS or not after[0]]


def _is_final(message: Message) -> bool:
    return message.get("type") == "transcript" and message.get("transcriptType") == "final"


def _without_stale_partials(found: Iterable[tuple[Place, Message]]) -> list[tuple[Place, Message]]:
    """Of each utterance only what is known of it now."""
    found = list(found)
    newest = {
        one["itemId"]: number for number, (_, one) in enumerate(found) if one.get("type") == "transcript"
    }
    finals = {one["itemId"] for _, one in found if _is_final(one)}
    return [
        (at, one)
        for number, (at, one) in enumerate(found)
        if one.get("transcriptType") != "partial"
        or (newest[one["itemId"]] == number and one["itemId"] not in finals)
    ]

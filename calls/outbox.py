"""From the event loop to the workers without ever waiting for them, and without losing a word.

What a live call has to say to the workers is put here. One thread writes it to a journal on disk, a second hands it to
the broker, in order, many small records in one message. An entry stays in the journal until a worker has said that it
is *done*: a broker that forgets, a worker that dies, a database that is away cost time and no words. A process that dies
leaves its journal behind, and any other that lives or starts adopts it. So an entry may be handed over twice, never not at
all: every task is idempotent.

The journal is bounded. What happens when it is full stands in ``Ranks``; the call goes on in any case.
"""

import contextlib
import logging
import os
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from calls.journal import Journal, Place, lines_of, orphans, put_aside

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
ADOPT_EVERY_S = 10.0
# Many records in one message cost a worker a tenth of what they cost one by one.
GATHER_S = 0.5
GATHER_MOST: Final = 200
GATHER_MOST_BYTES: Final = 256 * 1024
RECEIPTS_EVERY_S = 1.0
LAST_RECEIPTS_S = 1.5
# A worker that was killed gives nothing back before CELERY_VISIBILITY_TIMEOUT, and a message may be lost for good.
AGAIN_AFTER_S = 60.0
AGAIN_AT_MOST_S = 3600.0
LIMIT_BYTES: Final = 512 * 1024 * 1024
COMPLAIN_EVERY_S: Final = 60.0
_CALLS_REMEMBERED: Final = 1000


class Rank(IntEnum):
    """What goes first when the journal fills up: the higher, the longer it is kept."""

    NEWS = 1  # what went wrong and the like
    EARLY = 2  # words as they come; the end of their call repeats them
    LAST = 3  # what nothing repeats


# The part of the limit up to which entries of a rank are taken.
ROOM: Final = {Rank.NEWS: 0.7, Rank.EARLY: 0.85, Rank.LAST: 1.0}


@dataclass(frozen=True, slots=True)
class Receipts:
    """Which messages are done that were not before, and whether the broker still knows what it was given."""

    done: Collection[int] = ()
    remembers: bool = True


class Broker(Protocol):
    """Who carries messages to the workers, and their receipts back. Raises what it likes when it is away."""

    def send(self, task: str, kwargs: dict[str, Any], *, outbox: str, number: int) -> None:
        """Hand a message over, now or never."""

    def receipts(self, outbox: str) -> Receipts:
        """What became of the messages of this outbox."""


@dataclass(frozen=True, slots=True)
class Sorting:
    """What the outbox needs to know of tasks: it knows none by itself."""

    together: Collection[str] = ()  # may be handed over many at a time, as `gathering`
    gathering: str = ""  # takes `lines`: one JSON object of `task` and `kwargs` for each
    ahead: Collection[str] = ()  # somebody waits for these: they overtake the others
    rank: Callable[[str, dict[str, Any]], Rank] = lambda _task, _kwargs: Rank.LAST
    # What tells ops of a call that so many of its entries were not kept.
    lost: Callable[[str, int], tuple[str, dict[str, Any]]] | None = None


@dataclass(frozen=True, slots=True)
class State:
    """How the outbox is doing, for readiness and metrics."""

    waiting: int
    unconfirmed: int
    bytes_used: int
    limit_bytes: int
    oldest_s: float
    dropped: int

    @property
    def full(self) -> bool:
        """Whether news would be refused now."""
        return self.bytes_used > ROOM[Rank.NEWS] * self.limit_bytes


@dataclass(frozen=True, slots=True)
class _Entry:
    """One task to be run. Its text is in the journal, or here where there is no disk."""

    task: str
    place: Place | None
    line: bytes
    size: int
    at: float


@dataclass(frozen=True, slots=True)
class _New:
    """An entry on its way to the disk."""

    task: str
    line: bytes
    rank: Rank
    call_id: str


@dataclass(frozen=True, slots=True)
class _Marker:
    """Runs along with the entries, and tells how far those before it have come."""

    written: threading.Event = field(default_factory=threading.Event)
    published: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Handed:
    """A message that is with the broker, and of which nobody has said that it is done."""

    entries: list[_Entry]
    due_at: float
    tries: int = 1


class Outbox:
    """One process's way to the workers. ``put`` never waits; the disk and the broker each have a thread.

    Where the broker gives no receipts (``confirms`` is off), what it has taken counts as done.
    """

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        sorting: Sorting | None = None,
        *,
        limit_bytes: int = LIMIT_BYTES,
        confirms: bool = True,
    ) -> None:
        self._folder = folder
        self._broker = broker
        self._sorting = sorting or Sorting()
        self._limit = limit_bytes
        self._confirms = confirms
        self._incoming: queue.SimpleQueue[_New | _Marker | None] = queue.SimpleQueue()
        # The journal and what waits change together, so that nothing is deleted that is not done.
        self._changed = threading.Condition()
        self._waiting: deque[_Entry | _Marker] = deque()
        self._ahead: deque[_Entry] = deque()
        self._handed: dict[int, _Handed] = {}
        self._journal = Journal(folder)
        self._on_disk = False
        self._in_memory = 0  # bytes of entries that the disk would not take
        self._closing = False
        self._number = 0
        self._dropped = 0
        self._dropped_of: Counter[str] = Counter()
        self._complained_at = float("-inf")
        self._next_receipts_at = 0.0
        self._writer = threading.Thread(target=self._write_all, name="outbox-journal", daemon=True)
        self._publisher = threading.Thread(target=self._publish_all, name="outbox-broker", daemon=True)

    def start(self) -> None:
        """Adopt what dead processes left behind, and begin."""
        self._writer.start()

    def put(self, task: str, kwargs: dict[str, Any]) -> None:
        """Hand over a task. Returns at once; the order of calls is kept. Raises TypeError for what JSON cannot hold."""
        line = orjson.dumps({"task": task, "kwargs": kwargs}) + b"\n"
        self._incoming.put(_New(task, line, self._sorting.rank(task, kwargs), str(kwargs.get("call_id", ""))))

    def written(self, timeout_s: float) -> bool:
        """Wait until all that was put is in the journal; whether it is. After that, the process may die."""
        return self._mark().written.wait(timeout_s)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put is with the broker; whether it is."""
        return self._mark().published.wait(timeout_s)

    def settle(self, timeout_s: float) -> bool:
        """Wait until all that is with the broker is done, too; whether it is."""
        until = time.monotonic() + timeout_s
        if not self.flush(timeout_s):
            return False
        with self._changed:
            return self._changed.wait_for(lambda: not self._handed, max(0.0, until - time.monotonic()))

    def close(self, timeout_s: float = 5.0) -> None:
        """Hand over what can be handed over in that time. The rest stays in the journal for the next start."""
        deadline = time.monotonic() + timeout_s
        self._incoming.put(None)
        for thread in (self._writer, self._publisher):
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def state(self) -> State:
        """How it stands now."""
        with self._changed:
            first = [one for one in islice(self._waiting, 1) if isinstance(one, _Entry)]
            first += [one.entries[0] for one in self._handed.values()]
            return State(
                waiting=len(self._waiting) + len(self._ahead),
                unconfirmed=sum(len(one.entries) for one in self._handed.values()),
                bytes_used=self._journal.bytes_used + self._in_memory,
                limit_bytes=self._limit,
                oldest_s=max((time.monotonic() - one.at for one in first), default=0.0),
                dropped=self._dropped,
            )

    def _mark(self) -> _Marker:
        marker = _Marker()
        self._incoming.put(marker)
        return marker

    # The thread of the disk -----------------------------------------------------------------------------------

    def _write_all(self) -> None:
        try:
            self._journal.open()
            self._on_disk = True
        except OSError:
            # Without a disk the memory has to do; the calls go on.
            logger.exception("the spool folder cannot be written; entries are kept in memory only")
        self._adopt()
        self._publisher.start()
        adopt_at = time.monotonic() + ADOPT_EVERY_S
        while not self._closing:
            sync_s = self._journal.sync_due_s()
            wait_s = adopt_at - time.monotonic()
            try:
                news = self._take(timeout_s=max(0.0, wait_s if sync_s is None else min(wait_s, sync_s)))
            except queue.Empty:
                news = []
            if news:
                self._accept([one for one in news if one is not None], closing=None in news)
            self._sync()
            if time.monotonic() >= adopt_at:
                self._adopt()
                adopt_at = time.monotonic() + ADOPT_EVERY_S

    def _take(self, *, timeout_s: float) -> list[_New | _Marker | None]:
        """All that has come in, at least one. Raises queue.Empty when nothing does in that time."""
        news = [self._incoming.get(timeout=timeout_s)]
        with contextlib.suppress(queue.Empty):
            while True:
                news.append(self._incoming.get_nowait())
        return news

    def _accept(self, news: Sequence[_New | _Marker], *, closing: bool = False) -> None:
        """Write entries to the journal and let them wait for the broker."""
        with self._changed:
            news = self._with_losses(news)
            taken = self._within_limit(news)
            new = [one for one in taken if isinstance(one, _New)]
            places = self._write([one.line for one in new])
            now = time.monotonic()
            entries = iter(
                [
                    _Entry(one.task, place, b"" if place else one.line, len(one.line), now)
                    for one, place in zip(new, places, strict=True)
                ]
            )
            for one in taken:
                entry = one if isinstance(one, _Marker) else next(entries)
                if isinstance(entry, _Entry) and entry.task in self._sorting.ahead:
                    self._ahead.append(entry)
                else:
                    self._waiting.append(entry)
            self._closing = self._closing or closing
            self._changed.notify_all()
        for one in news:
            if isinstance(one, _Marker):
                one.written.set()

    def _within_limit(self, news: Sequence[_New | _Marker]) -> list[_New | _Marker]:
        """What there is room for, by rank; the rest is counted and gone."""
        used, taken = self._journal.bytes_used + self._in_memory, []
        for one in news:
            if isinstance(one, _New):
                if used + len(one.line) > ROOM[one.rank] * self._limit:
                    self._drop(one)
                    continue
                used += len(one.line)
            taken.append(one)
        return taken

    def _drop(self, one: _New) -> None:
        self._dropped += 1
        if one.call_id and (one.call_id in self._dropped_of or len(self._dropped_of) < _CALLS_REMEMBERED):
            self._dropped_of[one.call_id] += 1
        if time.monotonic() - self._complained_at > COMPLAIN_EVERY_S:
            self._complained_at = time.monotonic()
            logger.error(
                "the spool is full: records are dropped until the workers have done some",
                extra={"dropped": self._dropped, "limit_bytes": self._limit},
            )

    def _with_losses(self, news: Sequence[_New | _Marker]) -> Sequence[_New | _Marker]:
        """The news, and once there is room again a word on each call of which something is missing."""
        tells = self._sorting.lost
        if not self._dropped_of or tells is None or self._journal.bytes_used > self._limit / 2:
            return news
        told: list[_New | _Marker] = []
        for call_id, count in self._dropped_of.items():
            task, kwargs = tells(call_id, count)
            told.append(_New(task, orjson.dumps({"task": task, "kwargs": kwargs}) + b"\n", Rank.LAST, ""))
        self._dropped_of.clear()
        return [*told, *news]

    def _write(self, lines: list[bytes]) -> list[Place] | list[None]:
        """Where the lines stand; nowhere when the disk does not take them."""
        if self._on_disk and lines:
            try:
                return self._journal.append(lines)
            except OSError:
                logger.exception("the spool cannot be written; entries are kept in memory only")
        self._in_memory += sum(len(line) for line in lines)
        return [None] * len(lines)

    def _sync(self) -> None:
        with self._changed:
            handles = self._journal.sync_begin()
        for handle in handles:
            try:
                os.fdatasync(handle)
            except OSError:
                logger.exception("the spool could not be synced")
            finally:
                os.close(handle)

    def _adopt(self) -> None:
        """Take over the journals whose processes are gone. Each is deleted once its entries are in our own."""
        try:
            for path, handle in orphans(self._folder):
                self._adopt_one(path, handle)
        except OSError:
            logger.exception("the spool folder cannot be read")

    def _adopt_one(self, path: Path, handle: int) -> None:
        entries, broken = _sorted_out(lines_of(handle))
        stays = bool(broken) and not self._put_aside(path, broken)
        if not entries:
            if not stays:
                path.unlink(missing_ok=True)
            return
        with self._changed:
            # The file itself becomes a part of our journal: a full disk stands in nobody's way.
            places = self._journal.take_over(
                path, handle, [(begin, size) for _, begin, size in entries], stays=stays
            )
            now = time.monotonic()
            self._waiting.extend(
                _Entry(task, place, b"", place.length, now)
                for (task, _, _), place in zip(entries, places, strict=True)
            )
            self._changed.notify_all()
        logger.info("journal of a dead process adopted", extra={"entries": len(entries)})

    def _put_aside(self, path: Path, broken: Sequence[bytes]) -> bool:
        fields = {"journal": path.name, "lines": len(broken)}
        try:
            put_aside(self._folder, path.stem, broken)
        except OSError:
            logger.exception("broken lines in a journal could not be put aside; it stays", extra=fields)
            return False
        logger.warning("broken lines in a journal were put aside", extra=fields)
        return True

    # The thread of the broker ---------------------------------------------------------------------------------

    def _publish_all(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            with self._changed:
                if self._closing and not self._waiting and not self._ahead:
                    break
                message = self._next()
                again = None if message else self._due_again()
                if not message and again is None and not self._receipts_due():
                    self._changed.wait(self._idle_s())
                    continue
            if self._hand_over(message, again) and self._look_after():
                pause_s = FIRST_PAUSE_S
                continue
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, pause_s):
                    break
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self._end()

    def _next(self) -> list[_Entry]:
        """What goes to the broker now, still where it was; nothing while more may be gathered."""
        while self._waiting and isinstance(first := self._waiting[0], _Marker):
            self._waiting.popleft()
            first.published.set()
        if self._ahead:
            return [self._ahead[0]]
        gathered: list[_Entry] = []
        size = 0
        for one in self._waiting:
            if isinstance(one, _Marker) or one.task not in self._sorting.together:
                return gathered or ([one] if isinstance(one, _Entry) else [])
            gathered.append(one)
            size += one.size
            if len(gathered) >= GATHER_MOST or size >= GATHER_MOST_BYTES:
                return gathered
        ripe = gathered and (self._closing or time.monotonic() - gathered[0].at >= GATHER_S)
        return gathered if ripe else []

    def _idle_s(self) -> float:
        """How long there is nothing to do unless something comes."""
        waits = [ADOPT_EVERY_S]
        if self._waiting and isinstance(first := self._waiting[0], _Entry):
            waits.append(first.at + GATHER_S - time.monotonic())
        if self._handed:
            waits.append(self._next_receipts_at - time.monotonic())
        return max(0.001, min(waits))

    def _due_again(self) -> int | None:
        """A message that nobody has called done for too long."""
        now = time.monotonic()
        return next((number for number, one in self._handed.items() if one.due_at <= now), None)

    def _receipts_due(self) -> bool:
        return bool(self._handed) and time.monotonic() >= self._next_receipts_at

    def _hand_over(self, message: list[_Entry], again: int | None) -> bool:
        """Send what is to be sent; whether the broker was there."""
        number = again
        entries = message or (self._handed[again].entries if again is not None else [])
        if not entries:
            return True
        if number is None:
            number = self._number = self._number + 1
        try:
            task, kwargs = self._message(entries)
            self._broker.send(task, kwargs, outbox=self._journal.name, number=number)
        except Exception as exc:  # noqa: BLE001 - whatever the broker's library raises, the entry must stay
            logger.warning(
                "the broker cannot be reached",
                extra={"error": type(exc).__name__, "waiting": len(self._waiting)},
            )
            return False
        self._sent(number, entries, again=again is not None)
        return True

    def _message(self, entries: list[_Entry]) -> tuple[str, dict[str, Any]]:
        lines = [self._line(one) for one in entries]
        if entries[0].task in self._sorting.together and self._sorting.gathering:
            return self._sorting.gathering, {"lines": b"".join(lines).decode()}
        stored = orjson.loads(lines[0])
        return stored["task"], stored["kwargs"]

    def _line(self, entry: _Entry) -> bytes:
        return entry.line if entry.place is None else self._journal.read(entry.place)

    def _sent(self, number: int, entries: list[_Entry], *, again: bool) -> None:
        with self._changed:
            if again:
                handed = self._handed[number]
                wait_s = min(AGAIN_AFTER_S * 2**handed.tries, AGAIN_AT_MOST_S)
                handed.tries, handed.due_at = handed.tries + 1, time.monotonic() + wait_s
                # To the end, so that those before it get their turn.
                self._handed[number] = self._handed.pop(number)
                return
            if self._ahead and entries[0] is self._ahead[0]:
                self._ahead.popleft()
            else:
                for _ in entries:
                    self._waiting.popleft()
            if self._confirms:
                self._handed[number] = _Handed(entries, time.monotonic() + AGAIN_AFTER_S)
            else:
                self._release(entries)
            self._changed.notify_all()

    def _look_after(self) -> bool:
        """Learn what is done; whether the broker was there."""
        if not self._receipts_due():
            return True
        self._next_receipts_at = time.monotonic() + RECEIPTS_EVERY_S
        try:
            receipts = self._broker.receipts(self._journal.name)
        except Exception as exc:  # noqa: BLE001 - as above
            logger.warning("the broker gives no receipts", extra={"error": type(exc).__name__})
            return False
        with self._changed:
            for number in receipts.done:
                if (handed := self._handed.pop(number, None)) is not None:
                    self._release(handed.entries)
            if not receipts.remembers and self._handed:
                logger.error(
                    "the broker has lost what it was given; it is handed over again",
                    extra={"messages": len(self._handed)},
                )
                for handed in self._handed.values():
                    handed.due_at = 0.0
            self._changed.notify_all()
        return True

    def _release(self, entries: Sequence[_Entry]) -> None:
        for one in entries:
            if one.place is None:
                self._in_memory -= one.size
                continue
            try:
                self._journal.done(one.place)
            except OSError:
                logger.exception("the spool cannot be emptied; its entries may be handed over twice")

    def _end(self) -> None:
        """Let go of the journal. What was handed over a moment ago will be done in another."""
        until = time.monotonic() + LAST_RECEIPTS_S
        while self._handed and not self._waiting and time.monotonic() < until:
            self._next_receipts_at = 0.0
            if not self._look_after():
                break
            if self._handed:
                time.sleep(0.05)
        with self._changed, contextlib.suppress(OSError):
            self._journal.close()


def _sorted_out(lines: Sequence[tuple[int, bytes]]) -> tuple[list[tuple[str, int, int]], list[bytes]]:
    """Task, offset and length of each entry, and the lines that are none."""
    entries, broken = [], []
    for begin, line in lines:
        try:
            stored = orjson.loads(line)
            task, kwargs = stored["task"], stored["kwargs"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            broken.append(line)
            continue
        if isinstance(task, str) and isinstance(kwargs, dict):
            entries.append((task, begin, len(line) + 1))
        else:
            broken.append(line)
    return entries, broken

"""From the event loop to the workers without ever waiting for them, and without losing a word.

What a live call has to say to the workers is put here. One thread writes it to a journal on disk, a second hands it to
the broker, in order, many small records in one message. An entry stays in the journal until a worker has said that it
is *done*: a broker that forgets, a worker that dies, a database that is away cost time and no words. A process that dies
leaves its journal behind, and any other that lives or starts adopts it. So an entry may be handed over twice, never not at
all: every task is idempotent.

The journal is bounded. What happens when it is full stands in ``Rank``; the call goes on in any case.
"""

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from calls.lasting.adopting import looked_through
from calls.lasting.broker import Broker
from calls.lasting.entries import Entry, Marker, New
from calls.lasting.journal import Journal, Place, orphans
from calls.lasting.room import Room, Seldom, line_of
from calls.lasting.sorting import Sorting
from calls.lasting.waiting import Message, Waiting

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
ADOPT_EVERY_S = 10.0
RECEIPTS_EVERY_S = 1.0
LAST_RECEIPTS_S = 1.5
LIMIT_BYTES: Final = 512 * 1024 * 1024
COMPLAIN_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class State:
    """How the outbox is doing, for readiness and metrics.

    ``full``: news would be refused now. ``on_disk``: all of it would outlive the process. ``works``: its threads live.
    """

    waiting: int
    unconfirmed: int
    bytes_used: int
    limit_bytes: int
    oldest_s: float
    dropped: int
    full: bool
    on_disk: bool
    works: bool

    @property
    def well(self) -> bool:
        """Whether another call would be written down as it should be."""
        return self.works and self.on_disk and not self.full


class Outbox:
    """One process's way to the workers. ``put`` never waits; the disk and the broker each have a thread."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        sorting: Sorting | None = None,
        *,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._folder = folder
        self._broker = broker
        self._sorting = sorting or Sorting()
        self._incoming: queue.SimpleQueue[New | Marker | None] = queue.SimpleQueue()
        # The journal and what waits change together, so that nothing is deleted that is not done.
        self._changed = threading.Condition()
        self._waiting = Waiting(self._sorting)
        self._room = Room(limit_bytes, self._sorting.lost)
        self._journal = Journal(folder)
        self._on_disk = False
        self._disk_away = False
        self._in_memory = 0  # bytes of entries that the disk would not take
        self._closing = False
        self._number = 0
        self._unreadable = 0
        self._full_said = Seldom(COMPLAIN_EVERY_S)
        self._disk_said = Seldom(COMPLAIN_EVERY_S)
        self._next_receipts_at = 0.0
        self._writer = threading.Thread(target=self._write_all, name="outbox-journal", daemon=True)
        self._publisher = threading.Thread(target=self._publish_all, name="outbox-broker", daemon=True)

    def start(self) -> None:
        """Adopt what dead processes left behind, and begin."""
        self._writer.start()

    def put(self, task: str, kwargs: dict[str, Any]) -> None:
        """Hand over a task. Returns at once; the order of calls is kept. Raises TypeError for what JSON cannot hold."""
        line = line_of(task, kwargs)
        self._incoming.put(New(task, line, self._sorting.rank(task, kwargs), str(kwargs.get("call_id", ""))))

    def written(self, timeout_s: float) -> bool:
        """Wait until all that was put is in the journal; whether it is. After that, the process may die."""
        return self._mark().written.wait(timeout_s) and not self._in_memory

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put is with the broker; whether it is."""
        return self._mark().published.wait(timeout_s)

    def settle(self, timeout_s: float) -> bool:
        """Wait until all that is with the broker is done, too; whether it is."""
        until = time.monotonic() + timeout_s
        if not self.flush(timeout_s):
            return False
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting.messages_n, max(0.0, until - time.monotonic())
            )

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
            used = self._bytes_used()
            return State(
                waiting=self._waiting.waiting_n,
                unconfirmed=self._waiting.unconfirmed_n,
                bytes_used=used,
                limit_bytes=self._room.limit_bytes,
                oldest_s=self._waiting.oldest_s(time.monotonic()),
                dropped=self._room.dropped + self._unreadable,
                full=self._room.full(used),
                on_disk=not self._disk_away and not self._in_memory,
                works=all(one.ident is None or one.is_alive() for one in (self._writer, self._publisher)),
            )

    def _bytes_used(self) -> int:
        return self._journal.bytes_used + self._in_memory

    def _mark(self) -> Marker:
        marker = Marker()
        self._incoming.put(marker)
        return marker

    # The thread of the disk -----------------------------------------------------------------------------------

    def _write_all(self) -> None:
        self._open()
        self._adopt()
        self._publisher.start()
        look_at = time.monotonic() + ADOPT_EVERY_S
        while not self._closing:
            # Not once it closes: the other thread lets go of the journal then, and what was adopted after that would stay locked.
            if time.monotonic() >= look_at:
                self._open()
                self._adopt()
                look_at = time.monotonic() + ADOPT_EVERY_S
            sync_s = self._journal.sync_due_s()
            wait_s = look_at - time.monotonic()
            try:
                news = self._take(timeout_s=max(0.0, wait_s if sync_s is None else min(wait_s, sync_s)))
            except queue.Empty:
                news = []
            if news:
                self._accept([one for one in news if one is not None], closing=None in news)
            self._sync()

    def _open(self) -> None:
        if self._on_disk:
            return
        try:
            with self._changed:
                self._journal.open()
            self._on_disk, self._disk_away = True, False
        except OSError as exc:
            # Without a disk the memory has to do; the calls go on, and it is tried again.
            self._disk_away = True
            self._complain_of_the_disk(exc)

    def _complain_of_the_disk(self, exc: OSError) -> None:
        if self._disk_said.now():
            logger.error("the spool cannot be written; entries are kept in memory only", exc_info=exc)

    def _take(self, *, timeout_s: float) -> list[New | Marker | None]:
        """All that has come in, at least one. Raises queue.Empty when nothing does in that time."""
        news = [self._incoming.get(timeout=timeout_s)]
        with contextlib.suppress(queue.Empty):
            while True:
                news.append(self._incoming.get_nowait())
        return news

    def _accept(self, news: Sequence[New | Marker], *, closing: bool = False) -> None:
        """Write entries to the journal and let them wait for the broker."""
        with self._changed:
            used, dropped = self._bytes_used(), self._room.dropped
            news = self._room.with_losses(news, used_bytes=used)
            taken = self._room.taken(news, used_bytes=used)
            new = [one for one in taken if isinstance(one, New)]
            now = time.monotonic()
            entries = iter(
                [
                    Entry(one.task, place, b"" if place else one.line, len(one.line), now)
                    for one, place in zip(new, self._write([one.line for one in new]), strict=True)
                ]
            )
            self._waiting.put(one if isinstance(one, Marker) else next(entries) for one in taken)
            self._closing = self._closing or closing
            self._changed.notify_all()
        if self._room.dropped > dropped and self._full_said.now():
            logger.error(
                "the spool is full: records are dropped until the workers have done some",
                extra={"dropped": self._room.dropped, "limit_bytes": self._room.limit_bytes},
            )
        for one in news:
            if isinstance(one, Marker):
                one.written.set()

    def _write(self, lines: list[bytes]) -> list[Place] | list[None]:
        """Where the lines stand; nowhere when the disk does not take them."""
        if self._on_disk and lines:
            try:
                return self._journal.append(lines)
            except OSError as exc:
                self._complain_of_the_disk(exc)
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
        found = looked_through(self._folder, path, handle)
        if not found.entries:
            if not found.stays:
                path.unlink(missing_ok=True)
            return
        with self._changed:
            # The file itself becomes a part of our journal: a full disk stands in nobody's way.
            places = self._journal.take_over(
                path, handle, [(begin, size) for _, begin, size in found.entries], stays=found.stays
            )
            now = time.monotonic()
            self._waiting.put(
                Entry(task, place, b"", place.length, now)
                for (task, _, _), place in zip(found.entries, places, strict=True)
            )
            self._changed.notify_all()
        logger.info("journal of a dead process adopted", extra={"entries": len(found.entries)})

    # The thread of the broker ---------------------------------------------------------------------------------

    def _publish_all(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            with self._changed:
                if self._closing and not self._waiting:
                    break
                now = time.monotonic()
                message = self._waiting.next(now, closing=self._closing) or self._waiting.due_again(now)
                if message is None and not self._receipts_due():
                    self._changed.wait(self._idle_s())
                    continue
            if self._handed_over(message) and self._look_after():
                pause_s = FIRST_PAUSE_S
                continue
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, pause_s):
                    break
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self._end()

    def _idle_s(self) -> float:
        """How long there is nothing to do unless something comes."""
        now = time.monotonic()
        waits = [ADOPT_EVERY_S]
        if (ripe_s := self._waiting.ripe_s(now)) is not None:
            waits.append(ripe_s)
        if self._waiting.messages_n:
            waits.append(self._next_receipts_at - now)
        return max(0.001, min(waits))

    def _receipts_due(self) -> bool:
        return bool(self._waiting.messages_n) and time.monotonic() >= self._next_receipts_at

    def _handed_over(self, message: Message | None) -> bool:
        """Send what is to be sent; whether the broker was there."""
        if message is None:
            return True
        lines = self._lines(message)
        if lines is None:
            return True
        number = message.number
        if not number:
            number = self._number = self._number + 1
        task, kwargs = self._told(message, lines)
        try:
            self._broker.send(task, kwargs, outbox=self._journal.name, number=number)
        except Exception as exc:  # noqa: BLE001 - whatever the broker's library raises, the entry must stay
            logger.warning(
                "the broker cannot be reached",
                extra={"error": type(exc).__name__, "waiting": self._waiting.waiting_n},
            )
            return False
        with self._changed:
            self._waiting.sent(message, number, time.monotonic())
            self._changed.notify_all()
        return True

    def _lines(self, message: Message) -> list[bytes] | None:
        """What the entries of a message say; None where some of them cannot be read, and are given up now."""
        lines, left = [], []
        for one in message.entries:
            try:
                line = one.line if one.place is None else self._journal.read(one.place)
                if not message.gathered:
                    orjson.loads(line)
            except (OSError, orjson.JSONDecodeError):
                continue
            lines.append(line)
            left.append(one)
        if len(left) == len(message.entries):
            return lines
        # They would keep all others waiting, and nobody can read them again.
        lost = [one for one in message.entries if one not in left]
        with self._changed:
            self._waiting.put_back(message, left)
            self._unreadable += len(lost)
            self._release(lost)
            self._changed.notify_all()
        logger.error("entries of the spool cannot be read and are lost", extra={"entries": len(lost)})
        return None

    def _told(self, message: Message, lines: Sequence[bytes]) -> tuple[str, dict[str, Any]]:
        if message.gathered:
            return self._sorting.gathering, {"lines": b"".join(lines).decode()}
        stored = orjson.loads(lines[0])
        return stored["task"], stored["kwargs"]

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
                self._release(self._waiting.done(number))
            if not receipts.remembers and self._waiting.messages_n:
                logger.error(
                    "the broker has lost what it was given; it is handed over again",
                    extra={"messages": self._waiting.messages_n},
                )
                self._waiting.all_again()
            self._changed.notify_all()
        return True

    def _release(self, entries: Sequence[Entry]) -> None:
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
        while self._waiting.messages_n and not self._waiting and time.monotonic() < until:
            self._next_receipts_at = 0.0
            if not self._look_after():
                break
            if self._waiting.messages_n:
                time.sleep(0.05)
        with self._changed, contextlib.suppress(OSError):
            self._journal.close()

"""From the event loop to the broker without ever waiting for it, and without losing a word.

What a live call has to say to the workers is put here. One thread writes it to a journal on disk, a second hands it to
the broker, in order: a broker that hangs keeps nothing from the disk. The journal is emptied when all of it was handed
over. A process that dies leaves its journal behind, and any other that lives or starts adopts it. So an entry may be
handed over twice, never not at all: every task is idempotent.
"""

import contextlib
import fcntl
import logging
import os
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
ADOPT_EVERY_S = 10.0
Publish = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One task to be run, by its name."""

    task: str
    kwargs: dict[str, Any] = field(repr=False)
    line: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Marker:
    """Runs along with the entries, and tells how far those before it have come."""

    written: threading.Event = field(default_factory=threading.Event)
    published: threading.Event = field(default_factory=threading.Event)


class Outbox:
    """One process's way to the broker. ``put`` never waits; the disk and the broker each have a thread."""

    def __init__(self, folder: Path, publish: Publish) -> None:
        self._folder = folder
        self._publish = publish
        self._incoming: queue.SimpleQueue[Entry | _Marker | None] = queue.SimpleQueue()
        # The journal and what waits change together, so that emptying it never takes what was not handed over.
        self._changed = threading.Condition()
        self._waiting: deque[Entry | _Marker] = deque()
        self._path = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        self._journal: BinaryIO | None = None
        self._journal_used = False
        self._closing = False
        self._writer = threading.Thread(target=self._write_all, name="outbox-journal", daemon=True)
        self._publisher = threading.Thread(target=self._publish_all, name="outbox-broker", daemon=True)

    def start(self) -> None:
        """Adopt what dead processes left behind, and begin."""
        self._writer.start()

    def put(self, task: str, kwargs: dict[str, Any]) -> None:
        """Hand over a task. Returns at once; the order of calls is kept. Raises TypeError for what JSON cannot hold."""
        line = orjson.dumps({"task": task, "kwargs": kwargs}) + b"\n"
        self._incoming.put(Entry(task, kwargs, line))

    def written(self, timeout_s: float) -> bool:
        """Wait until all that was put is in the journal; whether it is. After that, the process may die."""
        return self._mark().written.wait(timeout_s)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put is with the broker; whether it is."""
        return self._mark().published.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Hand over what can be handed over in that time. The rest stays in the journal for the next start."""
        deadline = time.monotonic() + timeout_s
        self._incoming.put(None)
        for thread in (self._writer, self._publisher):
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _mark(self) -> _Marker:
        marker = _Marker()
        self._incoming.put(marker)
        return marker

    # The thread of the disk -----------------------------------------------------------------------------------

    def _write_all(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._journal = _new_journal(self._path)
        except OSError:
            # Without a disk the memory has to do; the calls go on.
            logger.exception("the spool folder cannot be written; entries are kept in memory only")
        self._adopt()
        self._publisher.start()
        while not self._closing:
            try:
                news = self._take(timeout_s=ADOPT_EVERY_S)
            except queue.Empty:
                self._adopt()
                continue
            self._accept([one for one in news if one is not None], closing=None in news)

    def _take(self, *, timeout_s: float) -> list[Entry | _Marker | None]:
        """All that has come in, at least one. Raises queue.Empty when nothing does in that time."""
        news = [self._incoming.get(timeout=timeout_s)]
        with contextlib.suppress(queue.Empty):
            while True:
                news.append(self._incoming.get_nowait())
        return news

    def _accept(self, news: list[Entry | _Marker], *, closing: bool = False) -> bool:
        """Write entries to the journal and let them wait for the broker; whether the journal has them."""
        with self._changed:
            in_journal = self._write(b"".join(one.line for one in news if isinstance(one, Entry)))
            self._waiting.extend(news)
            self._closing = self._closing or closing
            self._changed.notify()
        for one in news:
            if isinstance(one, _Marker):
                one.written.set()
        return in_journal

    def _write(self, lines: bytes) -> bool:
        if self._journal is None:
            return False
        try:
            self._journal.write(lines)
            self._journal.flush()
        except OSError:
            logger.exception("the spool cannot be written; entries are kept in memory only")
            return False
        self._journal_used = self._journal_used or bool(lines)
        return True

    def _adopt(self) -> None:
        """Take over the journals whose processes are gone. Each is deleted once its entries are in our own."""
        try:
            found = sorted(self._folder.glob("*.jsonl"))
        except OSError:
            logger.exception("the spool folder cannot be read")
            return
        for path in found:
            try:
                with _open_locked(path) as journal:
                    if os.fstat(journal.fileno()).st_nlink == 0:
                        continue  # somebody else has adopted it meanwhile
                    entries = _read(journal)
                    if self._accept([*entries]):
                        path.unlink()
            except BlockingIOError:
                continue  # its process lives; one of them is our own
            except OSError:
                logger.exception("a journal could not be adopted", extra={"journal": path.name})
                continue
            if entries:
                logger.info("journal of a dead process adopted", extra={"entries": len(entries)})

    # The thread of the broker ---------------------------------------------------------------------------------

    def _publish_all(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._waiting:
                    break
                first = self._waiting[0]
            if isinstance(first, Entry) and not self._hand_over(first):
                with self._changed:
                    if self._changed.wait_for(lambda: self._closing, pause_s):
                        break
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            pause_s = FIRST_PAUSE_S
            self._done()
        self._close_journal()

    def _hand_over(self, entry: Entry) -> bool:
        try:
            self._publish(entry.task, entry.kwargs)
        except Exception as exc:  # noqa: BLE001 - whatever the broker's library raises, the entry must stay
            logger.warning(
                "the broker cannot be reached",
                extra={"error": type(exc).__name__, "waiting": len(self._waiting)},
            )
            return False
        return True

    def _done(self) -> None:
        """The first that waits is with the broker; when it was the last, the journal is emptied."""
        with self._changed:
            first = self._waiting.popleft()
            if not any(isinstance(one, Entry) for one in self._waiting):
                self._empty_journal()
        if isinstance(first, _Marker):
            first.published.set()

    def _empty_journal(self) -> None:
        if self._journal is None or not self._journal_used:
            return
        try:
            self._journal.truncate(0)
            self._journal_used = False
        except OSError:
            logger.exception("the spool cannot be emptied; its entries may be handed over twice")

    def _close_journal(self) -> None:
        with self._changed:
            if self._journal is None:
                return
            with contextlib.suppress(OSError):
                if not self._waiting:
                    self._path.unlink(missing_ok=True)
                self._journal.close()


def _new_journal(path: Path) -> BinaryIO:
    """An empty journal, locked. It gets its name only then, or somebody might adopt it before."""
    draft = path.with_suffix(".new")
    journal = _open_locked(draft)
    draft.rename(path)
    return journal


def _open_locked(path: Path) -> BinaryIO:
    """The file, locked as long as it is open. Raises BlockingIOError while another process has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return open(path, "r+b", opener=lambda *_: handle)  # the descriptor that holds the lock


def _read(journal: BinaryIO) -> list[Entry]:
    """The whole entries in a journal; a last line that was cut by a crash is left out."""
    entries = []
    for line in journal.read().splitlines():
        try:
            stored = orjson.loads(line)
            entries.append(Entry(stored["task"], stored["kwargs"], line + b"\n"))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            logger.warning("a broken line in a journal was left out")
    return entries

"""From the event loop to the broker without ever waiting for it, and without losing a word.

What a live call has to say to the workers is put here. A thread of its own writes it to a journal on disk and
hands it to the broker, in order; while the broker is away the journal grows. The journal is emptied when all
of it was handed over. A process that dies leaves its journal behind, and the next one to start adopts it. So
an entry may be handed over twice, never not at all: every task is idempotent.
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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
Publish = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One task to be run, by its name."""

    task: str
    kwargs: dict[str, Any] = field(repr=False)
    line: bytes = field(repr=False)


class Outbox:
    """One process's way to the broker. ``put`` is called on the event loop; everything else is the thread's."""

    def __init__(self, folder: Path, publish: Publish) -> None:
        self._folder = folder
        self._publish = publish
        self._incoming: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._waiting: deque[Entry] = deque()
        self._journal: BinaryIO | None = None
        self._journal_used = False
        self._idle = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Adopt what dead processes left behind, and begin."""
        self._thread.start()

    def put(self, task: str, kwargs: dict[str, Any]) -> None:
        """Hand over a task. Returns at once; the order of calls is kept. Raises TypeError for what JSON cannot hold."""
        line = orjson.dumps({"task": task, "kwargs": kwargs}) + b"\n"
        self._idle.clear()
        self._incoming.put(Entry(task, kwargs, line))

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put is with the broker; whether it is."""
        return self._idle.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Hand over what can be handed over in that time. The rest stays in the journal for the next start."""
        self._closing.set()
        self._incoming.put(None)
        self._thread.join(timeout_s)

    # The thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._journal = _open_locked(self._folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl")
        except OSError:
            # Without a disk the memory has to do; the calls go on.
            logger.exception("the spool folder cannot be written; entries are kept in memory only")
        self._waiting.extend(self._adopt())
        pause_s = FIRST_PAUSE_S
        while True:
            self._take(block=not self._waiting, timeout_s=None)
            if self._hand_over():
                pause_s = FIRST_PAUSE_S
                if not self._waiting and self._incoming.empty():
                    if self._closing.is_set():
                        break
                    self._idle.set()
            elif self._closing.is_set():
                break
            else:
                self._take(block=True, timeout_s=pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self._close_journal()

    def _take(self, *, block: bool, timeout_s: float | None) -> None:
        """Move what came in to the journal and to what waits."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        fresh: list[Entry] = []
        with contextlib.suppress(queue.Empty):
            while True:
                wait_s = None if deadline is None else max(0.0, deadline - time.monotonic())
                entry = self._incoming.get(block=block, timeout=wait_s)
                if entry is None:
                    break
                fresh.append(entry)
                block = False
        self._write(fresh)
        self._waiting.extend(fresh)
        if deadline is not None and fresh and not self._closing.is_set():
            time.sleep(max(0.0, deadline - time.monotonic()))

    def _write(self, entries: Iterable[Entry]) -> None:
        lines = b"".join(entry.line for entry in entries)
        if not lines or self._journal is None:
            return
        try:
            self._journal.write(lines)
            self._journal.flush()
            self._journal_used = True
        except OSError:
            logger.exception("the spool cannot be written; entries are kept in memory only")

    def _hand_over(self) -> bool:
        """Whether all that waits is with the broker now."""
        while self._waiting:
            entry = self._waiting[0]
            try:
                self._publish(entry.task, entry.kwargs)
            except Exception as exc:  # noqa: BLE001 - whatever the broker's library raises, the entry must stay
                logger.warning(
                    "the broker cannot be reached",
                    extra={"error": type(exc).__name__, "waiting": len(self._waiting)},
                )
                return False
            self._waiting.popleft()
        if self._journal is not None and self._journal_used:
            self._journal.truncate(0)
            self._journal_used = False
        return True

    def _adopt(self) -> list[Entry]:
        """The entries of journals whose process is gone, written to our own first."""
        adopted: list[Entry] = []
        for path in sorted(self._folder.glob("*.jsonl")):
            if self._journal is not None and path.name == Path(self._journal.name).name:
                continue
            try:
                with _open_locked(path) as journal:
                    entries = _read(journal)
                    self._write(entries)
                    path.unlink()
            except BlockingIOError:
                continue  # its process lives
            except OSError:
                logger.exception("a journal could not be adopted", extra={"journal": path.name})
                continue
            if entries:
                logger.info("journal of a dead process adopted", extra={"entries": len(entries)})
            adopted += entries
        return adopted

    def _close_journal(self) -> None:
        if self._journal is None:
            return
        with contextlib.suppress(OSError):
            if not self._waiting:
                Path(self._journal.name).unlink(missing_ok=True)
            self._journal.close()


def _open_locked(path: Path) -> BinaryIO:
    """The file, locked as long as it is open. Raises BlockingIOError while another process has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return open(path, "r+b", opener=lambda *_: handle)  # noqa: PTH123, SIM115 - the descriptor that holds the lock


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

"""The threads that have recordings kept: those that are complete, and those that processes left behind which have died.

Each stays on disk until it is in the storage and written down, however long one of the two is away. A storage that hangs holds up a few
of them, and not the others.
"""

import heapq
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.db import Error as DatabaseError
from django.db import connections

from calls.recordings.services import KeepingError
from calls.recordings.taking.tracks import tracks_orphaned
from calls.recordings.taking.writer import Ended

logger = logging.getLogger(__name__)

ADOPT_EVERY_S: Final = 60.0
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 300.0
# Side by side: most of the time goes by in waiting for the storage, and calls need the processor.
AT_ONCE: Final = 3
# Whoever takes longer does so for no reason that more time would mend. Another one begins in their place, but not for ever.
HANGS_AFTER_S: Final = 180.0
MOST_HANGING: Final = 3
# Held for another try, and heard of since the last one, two open files each. What is more is let go, and taken over again later:
# however long the storage is away or hangs, calls need files, too.
MOST_HELD: Final = 50
MOST_HEARD_OF: Final = 200


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    """A recording that is to be kept from a moment on; ``n`` tells those of one moment apart."""

    at: float
    n: int
    tries: int = field(compare=False)
    ended: Ended = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Tried:
    """What became of it."""

    due: _Due
    kept: bool


class Keeper:
    """One process's. ``keep`` is called by its threads, at most ``AT_ONCE`` that do not hang; whatever it raises, it is tried again."""

    def __init__(self, root: Path, keep: Callable[[Ended], None]) -> None:
        self._root = root
        self._keep = keep
        self._news: queue.SimpleQueue[Ended | _Tried | None] = queue.SimpleQueue()
        self._due: list[_Due] = []
        self._at_work: dict[int, float] = {}  # since when, by n
        self._told: set[int] = set()  # of these it was said that they hang
        self._count = 0
        self._adopt_at = 0.0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="sound-keeper", daemon=True)

    def start(self) -> None:
        """Begin with what others have left behind."""
        self._thread.start()

    def put(self, ended: Ended) -> None:
        """Have this kept."""
        if ended.tracks is not None and self._news.qsize() >= MOST_HEARD_OF:
            ended.let_go()
        else:
            self._news.put(ended)

    def close(self, timeout_s: float) -> None:
        """Keep what can be kept in that time. The rest stays on disk for the next start."""
        self._news.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closing or self._at_work or self._next_is_due():
            self._adopt()
            self._begin()
            self._listen()

    def _next_is_due(self) -> bool:
        return bool(self._due) and self._due[0].at <= time.monotonic()

    # What comes -----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Take what has come; wait for news until something is to be done."""
        wait_s = max(0.0, self._next_at() - time.monotonic())
        try:
            news = self._news.get(timeout=wait_s)
            while True:
                self._hear(news)
                news = self._news.get_nowait()
        except queue.Empty:
            return

    def _next_at(self) -> float:
        if self._closing and not self._at_work:
            return 0.0
        hangs = [since + HANGS_AFTER_S for n, since in self._at_work.items() if n not in self._told]
        first = [one.at for one in self._due[:1]] if self._has_place() else []
        adopts = time.monotonic() + ADOPT_EVERY_S if self._closing else self._adopt_at
        return min([adopts, *first, *hangs])

    def _hear(self, news: Ended | _Tried | None) -> None:
        match news:
            case None:
                self._closing = True
            case Ended():
                self._push(news, 0.0, 0)
            case _Tried(due=due, kept=kept):
                self._at_work.pop(due.n, None)
                self._told.discard(due.n)
                if not kept:
                    self._again(due)

    def _again(self, due: _Due) -> None:
        if self._held() >= MOST_HELD and due.ended.tracks is not None:
            due.ended.let_go()
        else:
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(due.tries, 10))
            self._push(due.ended, pause_s, due.tries + 1)

    def _held(self) -> int:
        return len(self._due) + len(self._at_work)

    def _push(self, ended: Ended, pause_s: float, tries: int) -> None:
        self._count += 1
        heapq.heappush(self._due, _Due(time.monotonic() + pause_s, self._count, tries, ended))

    # What is done ---------------------------------------------------------------------------------------------

    def _has_place(self) -> bool:
        return len(self._at_work) - len(self._told) < AT_ONCE and len(self._told) <= MOST_HANGING

    def _begin(self) -> None:
        """Begin with what is due, as far as there is a place for it."""
        self._tell_who_hangs()
        while self._has_place() and self._next_is_due():
            due = heapq.heappop(self._due)
            self._at_work[due.n] = time.monotonic()
            # Daemons: one that hangs does not hold up the end of the process.
            threading.Thread(target=self._try, args=(due,), name="sound-keeping", daemon=True).start()

    def _tell_who_hangs(self) -> None:
        now = time.monotonic()
        for n, since in self._at_work.items():
            if n not in self._told and now - since >= HANGS_AFTER_S:
                self._told.add(n)
                logger.error(
                    "keeping a recording hangs; is the storage there?",
                    extra={"hanging": len(self._told), "waiting": len(self._due)},
                )

    def _try(self, due: _Due) -> None:
        whose, kept = {"call_id": str(due.ended.facts.call_id)}, False
        try:
            self._keep(due.ended)
            kept = True
        except (KeepingError, DatabaseError, OSError) as exc:
            logger.warning(
                "a recording could not be kept; it is tried again", extra={**whose, "why": type(exc).__name__}
            )
        except Exception:
            # A storage raises what it likes, and one recording is not to hold up the others.
            logger.exception("a recording could not be kept; it is tried again", extra=whose)
        finally:
            connections.close_all()
            self._news.put(_Tried(due, kept))

    def _adopt(self) -> None:
        now = time.monotonic()
        if now < self._adopt_at or (self._closing and self._adopt_at):
            return
        self._adopt_at = now + ADOPT_EVERY_S
        try:
            for tracks in tracks_orphaned(self._root):
                if self._held() >= MOST_HELD:
                    tracks.close()
                    break
                logger.warning(
                    "sound that no process held any more was taken over",
                    extra={"call_id": str(tracks.facts.call_id)},
                )
                self._push(Ended.found(tracks), 0.0, 0)
        except OSError:
            logger.exception("the spool could not be looked through for sound")

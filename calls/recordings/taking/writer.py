"""The thread that writes what is heard to disk. Where the disk is slow or full sound is lost, and never a call's time.

What cannot be written is silence in the recording, and whoever keeps it is told how much that was. Words come before sound: where so
little room is left that the journals of the outbox may want it, no sound is written.
"""

import errno
import logging
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from calls.recordings.taking.tracks import ASSISTANT, SAMPLE_BYTES, Facts, Tracks, tracks_make

logger = logging.getLogger(__name__)

# Sound that waits for a slow disk, of all calls of this process: some seconds of a hundred calls.
MOST_QUEUED_BYTES: Final = 64 * 1024 * 1024
ROOM_LOOKED_AT_S: Final = 2.0
COMPLAIN_EVERY_S: Final = 60.0
SLOW: Final = "The disk did not keep up."
LONG: Final = "A recording may be no larger than RECORDING_MAX_MIB."


@dataclass(slots=True)
class Disk:
    """One recording, as the writing thread has it; ``decode`` makes samples of its sound."""

    facts: Facts
    decode: Callable[[bytes], bytes] | None
    tracks: Tracks | None = None
    lost: int = 0  # samples
    why: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A recording that is complete; without tracks nothing of it could be written.

    So many ms of both sides together are missing, for the reason that ``why`` tells. ``died``: its process did so before the call was over.
    """

    facts: Facts
    tracks: Tracks | None = field(repr=False)
    lost_ms: int = 0
    why: str = ""
    died: bool = False

    @classmethod
    def found(cls, tracks: Tracks) -> "Ended":
        """What somebody has left on the disk who is gone, or has let it go."""
        lost_ms, why = tracks.gaps
        return cls(tracks.facts, tracks, lost_ms, why, died=not tracks.complete)

    def let_go(self) -> None:
        """Leave it to whoever takes it over, with what is missing of it."""
        if self.tracks is not None:
            self.tracks.note_gaps(self.lost_ms, self.why)
            self.tracks.close()


@dataclass(frozen=True, slots=True)
class _Piece:
    disk: Disk
    track: int
    at: int
    sound: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Cut:
    disk: Disk
    at: int


@dataclass(frozen=True, slots=True)
class _End:
    disk: Disk
    at: int
    lost: int


class Writer:
    """One process's. ``ended`` is called by its thread with every recording that is complete."""

    def __init__(
        self, root: Path, ended: Callable[[Ended], None], *, spare_bytes: int, most_bytes: int
    ) -> None:
        self._root = root
        self._ended = ended
        self._spare_bytes = spare_bytes
        self._most_samples = most_bytes // 4
        self._queue: queue.SimpleQueue[_Piece | _Cut | _End | None] = queue.SimpleQueue()
        self._handed = 0  # bytes, counted by the event loop
        self._taken = 0  # and by the thread
        self._room = True
        self._looked_at = -ROOM_LOOKED_AT_S
        self._complained_at = -COMPLAIN_EVERY_S
        self._thread = threading.Thread(target=self._run, name="sound-writer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Write what was handed over, and end."""
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    # For the event loop ---------------------------------------------------------------------------------------

    def write(self, disk: Disk, track: int, at: int, sound: bytes) -> bool:
        """Have sound written in its place; False: too much waits, so it is lost."""
        if self._handed - self._taken + len(sound) > MOST_QUEUED_BYTES:
            return False
        self._handed += len(sound)
        self._queue.put(_Piece(disk, track, at, sound))
        return True

    def cut(self, disk: Disk, at: int) -> None:
        """Have the assistant's side end there."""
        self._queue.put(_Cut(disk, at))

    def end(self, disk: Disk, at: int, *, lost: int) -> None:
        """Have the recording end there, or where the caller's sound does. So many samples were lost on the way here."""
        self._queue.put(_End(disk, at, lost))

    # The thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            try:
                self._do(item)
            except Exception:
                logger.exception("sound could not be written", extra=_whose(item.disk))

    def _do(self, item: _Piece | _Cut | _End) -> None:
        match item:
            case _Piece(disk=disk, at=at, sound=sound):
                self._taken += len(sound)
                self._write(disk, item.track, at, disk.decode(sound) if disk.decode is not None else sound)
            case _Cut(disk=disk, at=at):
                if disk.tracks is not None:
                    disk.tracks.cut(ASSISTANT, at)
            case _End():
                self._end(item)

    def _write(self, disk: Disk, track: int, at: int, samples: bytes) -> None:
        count = len(samples) // SAMPLE_BYTES
        if at + count > self._most_samples:
            disk.lost, disk.why = disk.lost + count, LONG
            return
        try:
            self._room_require()
            if disk.tracks is None:
                disk.tracks = tracks_make(self._root, disk.facts)
            disk.tracks.write(track, at, samples)
        except OSError as exc:
            disk.lost, disk.why = disk.lost + count, f"{os.strerror(exc.errno or errno.EIO)}."
            self._complain(disk)

    def _end(self, item: _End) -> None:
        disk = item.disk
        if item.lost:
            disk.lost, disk.why = disk.lost + item.lost, SLOW
        if disk.tracks is not None:
            try:
                disk.tracks.end(min(item.at, self._most_samples))
            except OSError:
                logger.exception("the end of a recording could not be written", extra=_whose(disk))
        tracks, disk.tracks = disk.tracks, None  # they are somebody else's now
        lost_ms = disk.lost * 1000 // disk.facts.rate
        if tracks is not None:
            tracks.note_gaps(lost_ms, disk.why)
        self._ended(Ended(disk.facts, tracks, lost_ms, disk.why))

    def _room_require(self) -> None:
        """Raises OSError where the disk is nearly full."""
        now = time.monotonic()
        if now - self._looked_at >= ROOM_LOOKED_AT_S:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._looked_at, self._room = now, shutil.disk_usage(self._root).free > self._spare_bytes
        if not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _complain(self, disk: Disk) -> None:
        now = time.monotonic()
        if now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            logger.error(
                "sound of calls cannot be written to the spool", extra={**_whose(disk), "why": disk.why}
            )


def _whose(disk: Disk) -> dict[str, str]:
    return {"call_id": str(disk.facts.call_id)}

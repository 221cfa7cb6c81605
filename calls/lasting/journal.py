"""What one process has to hand over, on disk: appended in segments, each deleted when all in it is done.

Written lines are with the operating system at once, so they outlive the process; on the platter they are after
`SYNC_EVERY_S` at the latest, so a power cut costs no more than that. Every file is locked while its process lives, is readable by its
owner alone, and holds speech in plain text.
"""

import errno
import fcntl
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 4 * 1024 * 1024
SYNC_EVERY_S = 1.0
_OURS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
BROKEN = "broken"
BROKEN_MOST_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class _Segment:
    path: Path
    handle: int
    size: int = 0
    open_n: int = 0  # lines that are not done
    unsynced: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands."""

    segment: _Segment
    offset: int
    length: int


class Journal:
    """The segments of one process. Not for several threads at once: the outbox holds its lock around each call."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._folder = folder
        self._segments: list[_Segment] = []
        self._current: _Segment | None = None  # the one that is written to
        self._serial = 0
        self._synced_at = 0.0

    @property
    def bytes_used(self) -> int:
        """What it takes on disk now."""
        return sum(one.size for one in self._segments)

    @property
    def paths(self) -> list[Path]:
        """Its files."""
        return [one.path for one in self._segments]

    def open(self) -> None:
        """Make the folder and the first segment. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._current is None:
            self._current = self._grown()

    def append(self, lines: Sequence[bytes]) -> list[Place]:
        """Write whole lines; all of them or none. Raises OSError, as when the disk is full."""
        segment = self._current
        # A file that somebody has emptied under us is not where we think it is.
        if (
            segment is None
            or segment.size >= SEGMENT_BYTES
            or os.fstat(segment.handle).st_size != segment.size
        ):
            segment = self._current = self._grown()
        content = b"".join(lines)
        try:
            _write_all(segment.handle, content)
        except OSError:
            # A half of a line would spoil the next one.
            os.ftruncate(segment.handle, segment.size)
            raise
        places, offset = [], segment.size
        for line in lines:
            places.append(Place(segment, offset, len(line)))
            offset += len(line)
        segment.size = offset
        segment.open_n += len(lines)
        segment.unsynced = True
        return places

    def take_over(
        self, path: Path, handle: int, lengths: Sequence[tuple[int, int]], *, stays: bool
    ) -> list[Place]:
        """A dead process's file as a segment of ours, with its lines by offset and length; it stays locked, by us.

        With ``stays`` it is kept on disk when all its lines are done. Raises OSError.
        """
        segment = _Segment(path, os.dup(handle), os.fstat(handle).st_size, len(lengths) + stays)
        self._segments.insert(0, segment)
        return [Place(segment, offset, length) for offset, length in lengths]

    def read(self, place: Place) -> bytes:
        """The line that stands there. Raises OSError, also where it stands there no more."""
        line = os.pread(place.segment.handle, place.length, place.offset)
        if len(line) < place.length or not line.endswith(b"\n") or line.startswith((b"\n", b"\0")):
            raise OSError(errno.EIO, "the journal was cut or overwritten")
        return line

    def done(self, place: Place) -> None:
        """The line is done with. A segment in which all are is deleted, the one in use emptied. Raises OSError."""
        segment = place.segment
        segment.open_n -= 1
        if segment.open_n:
            return
        if segment is self._current:
            os.ftruncate(segment.handle, 0)
            segment.size = 0
        else:
            self._segments.remove(segment)
            self._drop(segment)

    def sync_due_s(self) -> float | None:
        """Seconds until what was written is to be on the platter; None while nothing is left to be."""
        if not any(one.unsynced for one in self._segments):
            return None
        return max(0.0, self._synced_at + SYNC_EVERY_S - time.monotonic())

    def sync_begin(self) -> list[int]:
        """Descriptors for the caller to sync and to close, without its lock; none where nothing is due."""
        due_s = self.sync_due_s()
        if due_s is None or due_s > 0:
            return []
        self._synced_at = time.monotonic()
        unsynced = [one for one in self._segments if one.unsynced]
        for one in unsynced:
            one.unsynced = False
        return [os.dup(one.handle) for one in unsynced]

    def close(self) -> None:
        """Let go of the files; what is not done in them is for whoever adopts them."""
        for segment in self._segments:
            if segment.open_n:
                os.close(segment.handle)
            else:
                self._drop(segment)
        self._segments.clear()
        self._current = None

    def _grown(self) -> _Segment:
        self._serial += 1
        # By its beginning, so that whoever adopts several takes the oldest first.
        path = self._folder / f"{time.time_ns():020}-{self.name}-{self._serial:06}.jsonl"
        # It gets its name only when it is locked, or somebody might adopt it before.
        draft = path.with_suffix(".new")
        handle = _locked(os.open(draft, _OURS, 0o600))
        try:
            draft.rename(path)
        except OSError:
            os.close(handle)
            raise
        segment = _Segment(path, handle)
        self._segments.append(segment)
        return segment

    @staticmethod
    def _drop(segment: _Segment) -> None:
        segment.path.unlink(missing_ok=True)
        os.close(segment.handle)


def open_locked(path: Path) -> int:
    """A descriptor of a file that is there, locked as long as it is open.

    Raises BlockingIOError while another process has it, FileNotFoundError where it is gone, and other OSErrors.
    """
    return _locked(os.open(path, os.O_RDWR | os.O_CLOEXEC))


def _locked(handle: int) -> int:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def orphans(folder: Path) -> Iterator[tuple[Path, int]]:
    """The files whose processes are gone, in their order, each locked for as long as the caller looks at it."""
    for path in sorted(folder.glob("*.jsonl")):
        try:
            handle = open_locked(path)
        except (BlockingIOError, FileNotFoundError):
            continue  # its process lives, as our own does, or somebody has adopted it meanwhile
        except OSError:
            logger.exception("a journal could not be opened", extra={"journal": path.name})
            continue
        try:
            if os.fstat(handle).st_nlink:  # else somebody has adopted it meanwhile
                yield path, handle
        finally:
            os.close(handle)


def lines_of(handle: int) -> list[tuple[int, bytes]]:
    """All lines of a file with where they begin, the last one perhaps cut by a crash."""
    size = os.fstat(handle).st_size
    content = b""
    while len(content) < size:
        piece = os.pread(handle, size - len(content), len(content))
        if not piece:
            break
        content += piece
    found, begin = [], 0
    # By this one character: others that count as line ends may stand in what was said.
    for line in content.split(b"\n"):
        if line:
            found.append((begin, line))
        begin += len(line) + 1
    return found


def take_out(handle: int, unwanted: Callable[[bytes], bool]) -> int:
    """Make lines of a file illegible, for good; how many. Raises OSError, and may be done again then.

    They are overwritten where they stand: the others are never in danger, whatever happens meanwhile and however full the
    disk is. What is left of a line counts as no line.
    """
    places = [(begin, len(line)) for begin, line in lines_of(handle) if unwanted(line)]
    for begin, length in places:
        at = begin
        while at < begin + length:
            at += os.pwrite(handle, b"\n" * (begin + length - at), at)
    if places:
        os.fsync(handle)
    return len(places)


def put_aside(folder: Path, origin: str, lines: Sequence[bytes]) -> None:
    """Keep lines that cannot be read where people may look at them, as long as there is room. Raises OSError."""
    aside = folder / BROKEN
    aside.mkdir(mode=0o700, exist_ok=True)
    if broken_bytes(folder) > BROKEN_MOST_BYTES:
        logger.error(
            "the folder of broken lines is full; more of them were dropped", extra={"lines": len(lines)}
        )
        return
    handle = os.open(aside / f"{origin}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        _write_all(handle, b"".join(line + b"\n" for line in lines))
    finally:
        os.close(handle)


def broken_bytes(folder: Path) -> int:
    """How much was put aside."""
    try:
        return sum(path.stat().st_size for path in (folder / BROKEN).glob("*.txt"))
    except FileNotFoundError:
        return 0


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]

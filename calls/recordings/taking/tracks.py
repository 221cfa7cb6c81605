"""The sound of a call on disk while it is recorded here: a folder with a track for each side.

Tracks hold 16-bit samples from the beginning of the recording on, each piece at its place. Where nothing was written is silence, so
whatever stands there is a recording, whenever its process died. A folder is named for its call and locked while its process
lives; whoever finds one that is not locked may take it over.
"""

import contextlib
import fcntl
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

logger = logging.getLogger(__name__)

SAMPLE_BYTES: Final = 2
CALLER: Final = 0
ASSISTANT: Final = 1
_NAMES: Final = ("caller", "assistant")
_GAPS: Final = "gaps"  # what could not be written down, where anything could not
_MOST_GAPS: Final = 1000  # bytes
# A folder gets its name when it is locked, or somebody might take it over before.
_DRAFT: Final = "."
_DRAFT_LIVES_S: Final = 60.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """Whose sound it is, when it began, and how many samples are a second."""

    call_id: uuid.UUID
    began_at: datetime
    rate: int

    @property
    def name(self) -> str:
        """The name of its folder, which tells all of that."""
        return f"{self.call_id.hex}-{(self.began_at - _EPOCH) // _MS:015}-{self.rate}"


class Tracks:
    """Both sides of one recording, open and locked."""

    def __init__(self, folder: Path, facts: Facts, handles: tuple[int, int]) -> None:
        self.facts = facts
        self._folder = folder
        self._handles = handles

    @property
    def samples(self) -> int:
        """How many samples the longer side has."""
        return max(os.fstat(handle).st_size for handle in self._handles) // SAMPLE_BYTES

    def write(self, track: int, at: int, sound: bytes) -> None:
        """Put samples in their place. Raises OSError, as when the disk is full; what is written by then stays."""
        view, offset = memoryview(sound), at * SAMPLE_BYTES
        while view:
            written = os.pwrite(self._handles[track], view, offset)
            view, offset = view[written:], offset + written

    def cut(self, track: int, at: int) -> None:
        """Have the track end there, if it goes on for longer. Raises OSError."""
        handle = self._handles[track]
        if os.fstat(handle).st_size > at * SAMPLE_BYTES:
            os.ftruncate(handle, at * SAMPLE_BYTES)

    def end(self, at: int) -> None:
        """Have both sides end there, or where the caller's sound does: it is complete now. Raises OSError."""
        self.cut(ASSISTANT, at)
        behind = max(at, self.samples) * SAMPLE_BYTES
        for handle in self._handles:
            os.ftruncate(handle, behind)

    @property
    def complete(self) -> bool:
        """Whether its end was written: both sides are equally long then."""
        caller, assistant = (os.fstat(handle).st_size for handle in self._handles)
        return caller == assistant

    def frames(self, first: int, behind: int) -> bytes:
        """Both sides from one sample to another, side by side; silence where nothing was written. Raises OSError."""
        both = np.zeros((behind - first, 2), "<i2")
        for track, handle in enumerate(self._handles):
            sound = os.pread(handle, (behind - first) * SAMPLE_BYTES, first * SAMPLE_BYTES)
            found = np.frombuffer(sound, "<i2", len(sound) // SAMPLE_BYTES)
            both[: len(found), track] = found
        return both.tobytes()

    @property
    def gaps(self) -> tuple[int, str]:
        """So many ms are missing, and why, as far as somebody has noted it."""
        try:
            noted = json.loads((self._folder / _GAPS).read_bytes()[:_MOST_GAPS])
            return int(noted["lost_ms"]), str(noted["why"])
        except FileNotFoundError:
            return 0, ""
        except (OSError, ValueError, KeyError, TypeError):
            logger.warning("a note of lost sound cannot be read", extra={"call_id": str(self.facts.call_id)})
            return 0, ""

    def note_gaps(self, lost_ms: int, why: str) -> None:
        """Note what is missing, for whoever takes it over; where the disk is too full for that, nobody will know."""
        if not lost_ms:
            return
        note = json.dumps({"lost_ms": lost_ms, "why": why[:200]}).encode()
        try:
            handle = _opened(self._folder / _GAPS, os.O_CREAT | os.O_TRUNC)
            try:
                os.write(handle, note)
            finally:
                os.close(handle)
        except OSError:
            logger.warning("lost sound could not be noted", extra={"call_id": str(self.facts.call_id)})

    def close(self) -> None:
        """Let go of it: it is for whoever takes it over."""
        for handle in self._handles:
            os.close(handle)

    def drop(self) -> None:
        """Delete it, and let go of it. Raises OSError where it cannot be deleted."""
        try:
            for name in (_GAPS, *reversed(_NAMES)):  # the one that is locked goes last
                (self._folder / name).unlink(missing_ok=True)
            self._folder.rmdir()
        finally:
            self.close()


def tracks_make(root: Path, facts: Facts) -> Tracks:
    """A new recording, locked. Raises OSError."""
    folder, draft = root / facts.name, root / f"{_DRAFT}{facts.name}"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as undone:
        caller = _locked(draft / _NAMES[CALLER], os.O_CREAT)
        undone.callback(os.close, caller)
        assistant = _opened(draft / _NAMES[ASSISTANT], os.O_CREAT)
        undone.callback(os.close, assistant)
        # Last of all: a folder that has its name already is in the way of whoever tries again.
        draft.rename(folder)
        undone.pop_all()
    return Tracks(folder, facts, (caller, assistant))


def tracks_orphaned(root: Path) -> Iterator[Tracks]:
    """Recordings whose processes are gone, the oldest first, each locked: whoever gets one closes or drops it."""
    found = [(facts, folder) for folder in root.glob("*") if (facts := _facts(folder.name)) is not None]
    for facts, folder in sorted(found, key=lambda one: one[0].began_at):
        tracks = _taken_over(folder, facts)
        if tracks is not None:
            yield tracks
    for draft in root.glob(f"{_DRAFT}*"):
        _draft_clear(draft)


def tracks_drop(root: Path, call_ids: Collection[uuid.UUID]) -> int:
    """Delete what dead processes have left of these calls; how many recordings. Raises OSError."""
    wanted, dropped = {one.hex for one in call_ids}, 0
    for folder in root.glob("*"):
        facts = _facts(folder.name)
        if facts is None or facts.call_id.hex not in wanted:
            continue
        tracks = _taken_over(folder, facts)
        if tracks is not None:
            tracks.drop()
            dropped += 1
    return dropped


def _taken_over(folder: Path, facts: Facts) -> Tracks | None:
    try:
        caller = _locked(folder / _NAMES[CALLER])
    except BlockingIOError:
        return None  # its process lives, as our own does
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            (folder / _GAPS).unlink(missing_ok=True)
            folder.rmdir()  # somebody has deleted all that was in it
        return None
    except OSError:
        logger.exception("sound could not be opened", extra={"call_id": str(facts.call_id)})
        return None
    if not os.fstat(caller).st_nlink:
        os.close(caller)  # somebody has deleted it meanwhile
        return None
    try:
        return Tracks(folder, facts, (caller, _opened(folder / _NAMES[ASSISTANT], os.O_CREAT)))
    except OSError:
        os.close(caller)
        raise


def _locked(path: Path, more: int = 0) -> int:
    handle = _opened(path, more)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _opened(path: Path, more: int = 0) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | more, 0o600)


def _facts(name: str) -> Facts | None:
    """What the name of a folder tells; None for one that is none of ours."""
    try:
        call_id, began_ms, rate = name.split("-")
        return Facts(uuid.UUID(call_id), _EPOCH + int(began_ms) * _MS, int(rate))
    except (ValueError, OverflowError):
        return None


def _draft_clear(draft: Path) -> None:
    with contextlib.suppress(OSError):  # somebody else has done it, or the next one will
        if time.time() - draft.stat().st_mtime > _DRAFT_LIVES_S:
            shutil.rmtree(draft)

"""What is heard in one call, on its way to the disk. For the event loop that carries the call: nothing here waits.

Both sides are laid on the clock of the call: what was said at a moment stands at that moment of the recording.
"""

from collections.abc import Callable
from typing import Final

from calls.bridge.audio import MULAW, AudioFormat
from calls.recordings.taking.tracks import ASSISTANT, CALLER, Facts
from calls.recordings.taking.writer import Disk, Writer
from calls.sounds.mulaw import linear

# Handed over in one piece: what a process that is killed has not written yet.
GATHERED_MS: Final = 400
# Where the clock is off by less, a piece follows the one before it.
_JITTER_MS: Final = 5


def rate_of(audio: AudioFormat) -> int:
    """Samples in a second of this form of sound."""
    return audio.bytes_per_s // (1 if audio is MULAW else 2)


class Take:
    """One call that is recorded. ``zero`` is when the recording begins, by the loop's clock."""

    def __init__(self, writer: Writer, facts: Facts, audio: AudioFormat, *, zero: float) -> None:
        self._writer = writer
        self._zero = zero
        self._rate = facts.rate
        self._sample_bytes = audio.bytes_per_s // facts.rate
        decode: Callable[[bytes], bytes] | None = linear if audio is MULAW else None
        self._disk = Disk(facts, decode)
        self._most = GATHERED_MS * audio.bytes_per_ms
        self._jitter = _JITTER_MS * facts.rate // 1000
        self._sides = (_Side(CALLER), _Side(ASSISTANT))
        self._lost = 0  # samples
        self._over = False

    def put(self, track: int, sound: bytes, at: float) -> None:
        """What one side said from this moment on. What lies before the beginning is left out."""
        side, place = self._sides[track], self._place(at)
        if self._over or place < 0:
            return
        if not side.goes_on or abs(place - side.ends) > self._jitter:
            self._send(side)
            side.goes_on, side.begins, side.ends = True, place, place
        side.pieces.append(sound)
        side.waiting += len(sound)
        side.ends += len(sound) // self._sample_bytes
        if side.waiting >= self._most:
            for one in self._sides:
                self._send(one)

    def cut(self, at: float) -> None:
        """What the assistant was to say from this moment on is not heard."""
        if self._over:
            return
        self._send(self._sides[ASSISTANT])
        self._writer.cut(self._disk, max(0, self._place(at)))
        self._sides[ASSISTANT].goes_on = False

    def finish(self, at: float) -> None:
        """The call is over, once."""
        if self._over:
            return
        for one in self._sides:
            self._send(one)
        self._over = True
        self._writer.end(self._disk, max(0, self._place(at)), lost=self._lost)

    def _place(self, at: float) -> int:
        return round((at - self._zero) * self._rate)

    def _send(self, side: "_Side") -> None:
        sound = b"".join(side.pieces)
        if sound and not self._writer.write(self._disk, side.track, side.begins, sound):
            self._lost += side.ends - side.begins
        side.pieces, side.waiting, side.begins = [], 0, side.ends


class _Side:
    """What one side has said that was not handed over yet. Places are samples since the beginning."""

    def __init__(self, track: int) -> None:
        self.track = track
        self.pieces: list[bytes] = []
        self.waiting = 0  # bytes
        self.goes_on = False  # what comes next may follow without a gap
        self.begins = self.ends = 0

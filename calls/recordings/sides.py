"""One side of a recording of two, or both on one track, as a WAV file of its own: any part of it, without making the rest."""

from enum import StrEnum
from typing import BinaryIO, Final

import numpy as np

from calls.recordings.waveform import HEAD_BYTES, data_found, wav_head

_BYTES: Final = 2  # of a sample


class Side(StrEnum):
    """What of a recording is asked for, in the words of Vapi's paths."""

    MONO = "mono"
    STEREO = "stereo"
    CUSTOMER = "customer"
    ASSISTANT = "assistant"


class OneTrack:
    """A WAV file of one track, made from one of two while it is read. Raises NoWavError where that is none."""

    def __init__(self, file: BinaryIO, side: Side) -> None:
        head, n_bytes = data_found(file)
        self._rate = int.from_bytes(head[4:8], "little")
        self._file = file
        self._begins = file.tell()
        self._side = side
        self._samples = n_bytes // (2 * _BYTES)
        self.size = HEAD_BYTES + self._samples * _BYTES

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from here to there."""
        stop = min(stop, self.size)
        head = self._head()[start:stop]
        first = max(0, start - HEAD_BYTES)
        last = stop - HEAD_BYTES
        if last <= first:
            return head
        one, behind = first // _BYTES, -(-last // _BYTES)
        sound = self._track(one, behind)
        return head + sound[first - one * _BYTES : last - one * _BYTES]

    def _track(self, one: int, behind: int) -> bytes:
        self._file.seek(self._begins + one * 2 * _BYTES)
        both = np.frombuffer(self._file.read((behind - one) * 2 * _BYTES), "<i2").reshape(-1, 2)
        match self._side:
            case Side.CUSTOMER:
                made = both[:, 0]
            case Side.ASSISTANT:
                made = both[:, 1]
            case _:
                # The two rarely speak at once, so neither is made quieter for it.
                made = np.clip(both.astype(np.int32).sum(axis=1), -32768, 32767).astype("<i2")
        return bytes(made.tobytes())

    def _head(self) -> bytes:
        return wav_head(channels=1, rate=self._rate, n_bytes=self._samples * _BYTES)

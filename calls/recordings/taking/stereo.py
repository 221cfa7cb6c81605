"""Both sides of a recording as one WAV file, made while it is read."""

import io
from typing import Any, Final

from calls.recordings.taking.tracks import Tracks
from calls.recordings.waveform import HEAD_BYTES, wav_head

_FRAME_BYTES: Final = 4


class Stereo(io.RawIOBase):
    """The file: the caller left, the assistant right."""

    def __init__(self, tracks: Tracks) -> None:
        super().__init__()
        self._tracks = tracks
        self._samples = samples = tracks.samples
        self._head = wav_head(channels=2, rate=tracks.facts.rate, n_bytes=samples * _FRAME_BYTES)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begins = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}
        self._place = max(0, begins[whence] + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        piece = self._piece(self._place, min(self._place + len(buffer), self._size))
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    @property
    def _size(self) -> int:
        return HEAD_BYTES + self._samples * _FRAME_BYTES

    def _piece(self, start: int, stop: int) -> bytes:
        head = self._head[start:stop]
        first, last = max(0, start - HEAD_BYTES), stop - HEAD_BYTES
        if last <= first:
            return head
        one, behind = first // _FRAME_BYTES, -(-last // _FRAME_BYTES)
        sound = self._tracks.frames(one, behind)
        return head + sound[first - one * _FRAME_BYTES : last - one * _FRAME_BYTES]

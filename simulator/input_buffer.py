"""The input audio buffer: appended audio that no item holds yet, and what the detector finds in it."""

from typing import Final

from simulator.ulaw import BYTES_PER_MS
from simulator.vad import SpeechStarted, SpeechStopped, Vad

_LEEWAY_MS: Final = 200


class InputBuffer:
    """Mu-law audio with its position among all audio ever appended; positions are in milliseconds."""

    def __init__(self, vad: Vad | None) -> None:
        self.vad = vad
        self._audio = bytearray()
        self._start = 0  # position, in bytes, of the buffer's first byte
        self._appended = 0

    def __len__(self) -> int:
        return len(self._audio)

    @property
    def appended(self) -> int:
        """How many bytes have ever been appended."""
        return self._appended

    @property
    def position_ms(self) -> float:
        """The present moment in the time of the audio."""
        return self._appended / BYTES_PER_MS

    def append(self, audio: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Take in audio. Return what was detected in it."""
        self._audio += audio
        self._appended += len(audio)
        return self.vad.feed(audio) if self.vad is not None else []

    def forget_silence(self, padding_ms: int) -> None:
        """Keep only what a beginning of speech may still reach back to; for when nobody speaks."""
        keep = (padding_ms + _LEEWAY_MS) * BYTES_PER_MS
        if len(self._audio) > 2 * keep:  # seldom, not for every frame
            self._drop(len(self._audio) - keep)

    def take(self, start_ms: int, end_ms: int) -> bytes:
        """The audio between two positions; all up to the end leaves the buffer."""
        start = max(0, start_ms * BYTES_PER_MS - self._start)
        end = max(start, end_ms * BYTES_PER_MS - self._start)
        audio = bytes(self._audio[start:end])
        self._drop(end)
        return audio

    def take_all(self) -> bytes:
        """All audio in the buffer, which is empty then."""
        audio = bytes(self._audio)
        self._drop(len(audio))
        return audio

    def _drop(self, count: int) -> None:
        count = min(count, len(self._audio))
        del self._audio[:count]
        self._start += count

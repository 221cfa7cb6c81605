"""Voice activity detection on the energy of mu-law audio, in the time of the audio itself.

A stand-in for the service's detector: a window's probability of speech is L / (L + 150) for a mean amplitude
L, so that a threshold of 0.5 lies some 20 dB above line noise and 15 dB below ordinary speech. That curve and
the onset of 60 ms are guesses; threshold, padding and silence mean what the API's documentation says.
"""

from dataclasses import dataclass
from typing import Final

from simulator import ulaw

_WINDOW: Final = 160  # 20 ms
_WINDOW_MS: Final = 20
_EVEN_ODDS: Final = 150.0
_ONSET_WINDOWS: Final = 3  # a click of one or two frames is no speech


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began; `audio_start_ms` includes the prefix padding."""

    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Speech ended; `audio_end_ms` includes the silence that was waited for."""

    audio_end_ms: int


class Vad:
    """Fed with audio in any portions. Positions count from `position` bytes of appended audio."""

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        prefix_padding_ms: int = 300,
        silence_duration_ms: int = 500,
        position: int = 0,
    ) -> None:
        self.speaking = False
        self._threshold = threshold
        self._prefix_ms = prefix_padding_ms
        self._silence_ms = max(silence_duration_ms, _WINDOW_MS)
        self._position = position
        self._rest = b""
        self._loud = 0  # windows of speech in a row
        self._quiet = 0  # windows of silence in a row

    def feed(self, audio: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Take in audio. Return what was detected in it, in order."""
        detected: list[SpeechStarted | SpeechStopped] = []
        audio = self._rest + audio
        whole = len(audio) // _WINDOW * _WINDOW
        self._rest = audio[whole:]
        for start in range(0, whole, _WINDOW):
            self._position += _WINDOW
            found = self._window(audio[start : start + _WINDOW])
            if found is not None:
                detected.append(found)
        return detected

    def _window(self, window: bytes) -> SpeechStarted | SpeechStopped | None:
        level = ulaw.loudness(window)
        now_ms = self._position // ulaw.BYTES_PER_MS
        if level / (level + _EVEN_ODDS) >= self._threshold and level > 0:
            self._quiet = 0
            self._loud += 1
            if not self.speaking and self._loud >= _ONSET_WINDOWS:
                self.speaking = True
                return SpeechStarted(max(0, now_ms - self._loud * _WINDOW_MS - self._prefix_ms))
            return None
        self._loud = 0
        self._quiet += 1
        if self.speaking and self._quiet * _WINDOW_MS >= self._silence_ms:
            self.speaking = False
            return SpeechStopped(now_ms)
        return None

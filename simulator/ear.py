"""What the caller makes of the sound on the line: when the assistant speaks, and when it is quiet."""

from dataclasses import dataclass
from typing import Final

from simulator import ulaw

_SOUND: Final = 150.0  # mean amplitude over a frame; an idle line has less than 16
_SAMPLE: Final = 300.0  # amplitude of the first sample that counts as the beginning
_PAUSE_MS: Final = 220.0
_BREATH_MS: Final = 350.0  # a shorter pause is inside an utterance: recorded lines pause 200 ms at most


@dataclass(slots=True)
class Utterance:
    """One stretch of the assistant's speech; `end_ms` moves on as long as it lasts."""

    start_ms: float
    end_ms: float


class Ear:
    """Fed with what is heard; times are milliseconds of the call."""

    def __init__(self) -> None:
        self.utterances: list[Utterance] = []
        self._cut = False

    def cut(self) -> None:
        """Twilio dropped its queue: whatever sounds next is a new utterance, however soon it comes."""
        self._cut = True

    def hear(self, audio: bytes, *, at_ms: float) -> Utterance | None:
        """Take in at most a few frames of sound. Return the utterance that begins in it, if one does."""
        began: Utterance | None = None
        for offset in range(0, len(audio), 160):
            frame = audio[offset : offset + 160]
            if ulaw.loudness(frame) < _SOUND:
                continue
            first = ulaw.first_sound(frame, above=_SAMPLE) or 0
            start_ms = at_ms + (offset + first) / ulaw.BYTES_PER_MS
            end_ms = at_ms + (offset + len(frame)) / ulaw.BYTES_PER_MS
            if not self._cut and self.utterances and start_ms - self.utterances[-1].end_ms < _BREATH_MS:
                self.utterances[-1].end_ms = end_ms
            else:
                self.utterances.append(Utterance(start_ms=start_ms, end_ms=end_ms))
                self._cut = False
                began = began or self.utterances[-1]
        return began

    def quiet_for_ms(self, now_ms: float) -> float | None:
        """How long the assistant has been silent, None if it has not spoken yet."""
        return now_ms - self.utterances[-1].end_ms if self.utterances else None

    def speaking(self, now_ms: float) -> bool:
        """Whether the assistant is in the middle of speaking: audible, or pausing between two words."""
        quiet = self.quiet_for_ms(now_ms)
        return quiet is not None and quiet < _PAUSE_MS and not self._cut

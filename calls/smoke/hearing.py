"""Whether somebody speaks on a telephone line, 20 ms of mu-law at a time. Pure."""

from dataclasses import dataclass
from typing import Final

# Mean amplitude of 16-bit samples: the noise of a line lies below 100, a whisper above 300. A guess by ear.
_SPEECH: Final = 250
# Speech is still speech in the gap between two words, and a single click is none.
_HANGS_ON_FRAMES: Final = 10
_BEGINS_FRAMES: Final = 2


def _amplitude(code: int) -> int:
    """How loud the 16-bit sample of one mu-law byte is (ITU-T G.711)."""
    inverted = ~code & 0xFF
    return ((((inverted & 0x0F) << 3) + 0x84) << (inverted >> 4 & 0x07)) - 0x84


_AMPLITUDES: Final = tuple(_amplitude(code) for code in range(256))


def loudness(frame: bytes) -> float:
    """The mean amplitude of a frame; of an empty one 0."""
    return sum(_AMPLITUDES[code] for code in frame) / len(frame) if frame else 0.0


@dataclass(slots=True)
class Hearing:
    """Hears one line."""

    _loud: int = 0
    _left: int = 0

    def speaks(self, frame: bytes) -> bool:
        """Whether somebody speaks, after this frame."""
        if loudness(frame) >= _SPEECH:
            self._loud += 1
            if self._loud >= _BEGINS_FRAMES:
                self._left = _HANGS_ON_FRAMES
        else:
            self._loud = 0
            self._left = max(0, self._left - 1)
        return self._left > 0

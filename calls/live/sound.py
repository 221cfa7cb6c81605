"""Two sides, of mu-law or of samples, as the sound that Vapi's listeners get: 16-bit samples, little-endian, 16 kHz, stereo. Pure."""

import sys
from array import array
from typing import Final

from calls.sounds.resampling import Resampler

RATE: Final = 16_000
SAMPLED: Final = 24_000  # of calls without a telephone
# The first message, as Vapi describes its streams to whoever gets them.
START: Final = {
    "type": "start",
    "encoding": "linear16",
    "container": "raw",
    "sampleRate": RATE,
    "channels": 2,
}


def _linear(code: int) -> int:
    """One mu-law code as a sample (G.711)."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


_LINEAR: Final = tuple(_linear(code) for code in range(256))


def stereo(caller: bytes, assistant: bytes) -> bytes:
    """Both sides, the caller left and the assistant right, at twice their rate. They are equally long."""
    samples = array("h", bytes(8 * len(caller)))
    samples[0::4], samples[2::4] = _track(caller), _track(caller)
    samples[1::4], samples[3::4] = _track(assistant), _track(assistant)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


class StereoOfSamples:
    """The same of two sides that come in samples at 24 kHz, piece by piece."""

    def __init__(self) -> None:
        self._sides = Resampler(SAMPLED, RATE), Resampler(SAMPLED, RATE)

    def stereo(self, caller: bytes, assistant: bytes) -> bytes:
        """What follows of both sides. They are equally long, as always before."""
        left, right = (
            side.process(sound) for side, sound in zip(self._sides, (caller, assistant), strict=True)
        )
        samples = array("h", bytes(2 * len(left)))
        samples[0::2], samples[1::2] = array("h", left), array("h", right)
        return samples.tobytes()


def _track(sound: bytes) -> "array[int]":
    return array("h", [_LINEAR[code] for code in sound])

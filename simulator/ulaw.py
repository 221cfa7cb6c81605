"""G.711 mu-law: one byte a sample, 8000 samples a second (ITU-T G.711)."""

import math
from array import array
from collections.abc import Sequence
from typing import Final

BYTES_PER_MS: Final = 8
SILENCE: Final = b"\xff"
_BIAS: Final = 0x84
_CLIP: Final = 32635

# A sample's loudness is |amplitude| / 32, at most 255: fine enough to tell line noise from a whisper,
# and small enough that summing a translated frame is one pass in C.
_LOUDNESS_STEP: Final = 32


def _decode(code: int) -> int:
    inverted = ~code & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + _BIAS) << ((inverted & 0x70) >> 4)
    return _BIAS - magnitude if inverted & 0x80 else magnitude - _BIAS


def _encode(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF


DECODED: Final = tuple(_decode(code) for code in range(256))
_ENCODED: Final = bytes(_encode(sample << 2) for sample in range(-8192, 8192))
_LOUDNESS: Final = bytes(min(255, abs(sample) // _LOUDNESS_STEP) for sample in DECODED)


def encode(samples: Sequence[int]) -> bytes:
    """Mu-law of signed 16-bit samples at 8 kHz."""
    table = _ENCODED
    return bytes([table[(sample >> 2) + 8192] for sample in samples])


def from_pcm_24k(pcm: bytes) -> bytes:
    """Mu-law of 16-bit little-endian mono PCM at 24 kHz, by taking every third sample."""
    samples = array("h")
    samples.frombytes(pcm[: len(pcm) // 2 * 2])
    return encode(samples[::3])


def to_pcm_24k(audio: bytes) -> bytes:
    """16-bit little-endian PCM at 24 kHz, each sample thrice."""
    samples = array("h")
    for code in audio:
        sample = DECODED[code]
        samples.extend((sample, sample, sample))
    return samples.tobytes()


def loudness(audio: bytes) -> float:
    """Mean absolute amplitude, 0 to 8160; an idle line has less than 16, speech some 500 to 3000."""
    if not audio:
        return 0.0
    return sum(audio.translate(_LOUDNESS)) * _LOUDNESS_STEP / len(audio)


def first_sound(audio: bytes, *, above: float) -> int | None:
    """Index of the first sample louder than `above`, or None."""
    limit = above / _LOUDNESS_STEP
    for index, level in enumerate(audio.translate(_LOUDNESS)):
        if level > limit:
            return index
    return None


def duration_ms(audio: bytes | bytearray) -> float:
    """Milliseconds that the audio plays for."""
    return len(audio) / BYTES_PER_MS


def tone(frequency_hz: float, *, ms: float, amplitude: int = 6000, overtone: float = 0.4) -> bytes:
    """A note with one overtone that swells and fades, so that its edges do not click."""
    count = int(ms * BYTES_PER_MS)
    step = 2 * math.pi * frequency_hz / 8000
    swell = math.pi / max(count, 1)
    return encode(
        array(
            "h",
            [
                int(
                    amplitude
                    * math.sin(swell * n)
                    * (math.sin(step * n) + overtone * math.sin(2.7 * step * n))
                )
                for n in range(count)
            ],
        )
    )

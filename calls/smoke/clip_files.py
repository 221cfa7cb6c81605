"""A WAV file that somebody has recorded as the telephone's mu-law. Pure: bytes in, bytes out."""

import io
import sys
import wave
from array import array
from typing import Final

RATE: Final = 8000
MOST_BYTES: Final = 8 * 1024 * 1024
MOST_S: Final = 60.0
_FEWEST_RATE: Final = 8000
_BIAS: Final = 0x84
_CLIP: Final = 32_635
# Mean amplitude of 16-bit samples of a recording in which nobody speaks.
_SILENT: Final = 20.0
_SAVE_AS: Final = "Save it as WAV, 16-bit PCM, 8 kHz or more, mono or stereo."


class ClipFileError(ValueError):
    """A file that cannot be used. The text says why, and what to do."""


def mulaw_of_wav(data: bytes) -> bytes:
    """The sound of a WAV file in mu-law. Raises ClipFileError."""
    if len(data) > MOST_BYTES:
        raise ClipFileError(
            f"The file is larger than {MOST_BYTES // 1024 // 1024} MiB. Save it as mono with 16 kHz."
        )
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            if width != 2 or channels not in (1, 2) or rate < _FEWEST_RATE:
                raise ClipFileError(
                    f"It has {channels} channels of {8 * width} bits at {rate} Hz. {_SAVE_AS}"
                )
            if file.getnframes() / rate > MOST_S:
                raise ClipFileError(
                    f"It is longer than {MOST_S:.0f} s. One line is what a caller says in one breath."
                )
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as exc:
        raise ClipFileError(f"It is no WAV file that can be read. {_SAVE_AS}") from exc
    samples = array("h", raw[: len(raw) // (2 * channels) * 2 * channels])
    if sys.byteorder == "big":
        samples.byteswap()
    mono = _mono(samples, channels)
    if not mono or sum(abs(one) for one in mono) / len(mono) < _SILENT:
        raise ClipFileError("Nothing can be heard in it.")
    return bytes(_code(one) for one in _at_8_khz(mono, rate))


def _mono(samples: "array[int]", channels: int) -> list[int]:
    if channels == 1:
        return list(samples)
    return [(left + right) // 2 for left, right in zip(samples[::2], samples[1::2], strict=True)]


def _at_8_khz(samples: list[int], rate: int) -> list[int]:
    """The samples at the telephone's rate, each the mean of those that it stands for: what lies above is damped that way."""
    if rate == RATE:
        return samples
    step = rate / RATE
    count = int(len(samples) / step)
    found = []
    for n in range(count):
        first, last = int(n * step), max(int(n * step) + 1, int((n + 1) * step))
        window = samples[first:last]
        found.append(round(sum(window) / len(window)))
    return found


def _code(sample: int) -> int:
    """The mu-law byte of a 16-bit sample (ITU-T G.711)."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = max(0, magnitude.bit_length() - 8)
    mantissa = magnitude >> (exponent + 3) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF

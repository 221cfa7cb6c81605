"""What is to be known of a WAV file before anybody plays it: how long it is, and how loud when. Pure, but for reading."""

import struct
import sys
from array import array
from dataclasses import dataclass
from typing import BinaryIO, Final

# As many as a wide screen has room for; of a short call fewer, each a twentieth of a second.
_MOST_PEAKS: Final = 1600
_SHORTEST_S: Final = 0.05
# Samples that are looked at for one peak: speech is as loud in every tenth of them.
_LOOKED_AT: Final = 600
_MOST_CHANNELS: Final = 8
_PCM, _EXTENSIBLE = 1, 0xFFFE
_LONGEST_HEAD: Final = 1024 * 1024
HEAD_BYTES: Final = 44
_SAMPLE_BYTES: Final = 2


class NoWavError(ValueError):
    """The file is no WAV file that holds sound as 16-bit samples; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A WAV file: ``peaks`` has for each channel as many bytes, from 0 for silence to 255."""

    channels: int
    duration_ms: int
    peaks: bytes


def wav_read(file: BinaryIO) -> Sound:
    """What the WAV file holds. Raises NoWavError."""
    head, size = data_found(file)
    kind, channels, rate, _, block, bits = struct.unpack("<HHIIHH", head[:16])
    if kind == _EXTENSIBLE and len(head) >= 26:
        kind = int.from_bytes(head[24:26], "little")
    if kind != _PCM or bits != 16:
        raise NoWavError(f"It holds sound of another form than 16-bit samples (format {kind}, {bits} bits).")
    if not 1 <= channels <= _MOST_CHANNELS or block != 2 * channels or not rate:
        raise NoWavError("Its head makes no sense.")
    frames = size // block
    if not frames:
        raise NoWavError("It holds no sound.")
    return Sound(channels, frames * 1000 // rate, _peaks(file, frames, channels=channels, rate=rate))


def wav_head(*, channels: int, rate: int, n_bytes: int) -> bytes:
    """The beginning of a WAV file of 16-bit samples, of which so many bytes follow."""
    block = channels * _SAMPLE_BYTES
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", n_bytes + HEAD_BYTES - 8, b"WAVE", b"fmt ", 16, _PCM, channels, rate,
        rate * block, block, 8 * _SAMPLE_BYTES, b"data", n_bytes,
    )  # fmt: skip


def data_found(file: BinaryIO) -> tuple[bytes, int]:
    """The format chunk, and how many bytes of sound follow; the file stands where they begin."""
    file.seek(0, 2)
    end = file.tell()
    file.seek(0)
    if file.read(4) != b"RIFF" or not file.read(4) or file.read(4) != b"WAVE":
        raise NoWavError("It does not begin as WAV files do.")
    head = b""
    while len(name := file.read(8)) == 8:
        size = int.from_bytes(name[4:], "little")
        if name[:4] == b"data":
            if len(head) < 16:
                break
            # A file that was written while it grew has a size that is too large.
            return head, min(size, end - file.tell())
        if name[:4] == b"fmt ":
            head = file.read(min(size, 40))
            file.seek(size - len(head) + size % 2, 1)
        else:
            file.seek(size + size % 2, 1)
        if file.tell() > min(end, _LONGEST_HEAD):
            break
    raise NoWavError("It is damaged: it holds no sound.")


def _peaks(file: BinaryIO, frames: int, *, channels: int, rate: int) -> bytes:
    n = max(1, min(_MOST_PEAKS, int(frames / (rate * _SHORTEST_S))))
    found = [bytearray() for _ in range(channels)]
    at = 0
    for bucket in range(n):
        until = frames * (bucket + 1) // n
        samples = array("h", file.read((until - at) * 2 * channels))
        if sys.byteorder == "big":
            samples.byteswap()
        stride = channels * max(1, (until - at) // _LOOKED_AT)
        at = until
        for channel in range(channels):
            some = samples[channel::stride]
            loudest = max(max(some, default=0), -min(some, default=0))
            found[channel].append(min(255, loudest >> 7))
    return b"".join(map(bytes, found))


def paths(peaks: bytes, channels: int, *, height: int = 60) -> list[str]:
    """The waveform as SVG paths, one for each channel, each ``height`` high and one wide for each peak."""
    n = len(peaks) // channels if channels else 0
    middle = height / 2
    drawn = []
    for channel in range(channels if n else 0):
        # Quiet speech would hardly show on a straight scale.
        heights = [
            max(0.5, (value / 255) ** 0.6 * middle) for value in peaks[channel * n : (channel + 1) * n]
        ]
        drawn.append(
            "".join(f"M{x} {middle - half:.1f}h0.8v{2 * half:.1f}h-0.8z" for x, half in enumerate(heights))
        )
    return drawn

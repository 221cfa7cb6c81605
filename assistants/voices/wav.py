"""The sound of a clip: from a telephone's mu-law to a file that every browser plays, and files people upload.

Pure: bytes in, bytes out.
"""

import re
import struct
import sys
from array import array
from dataclasses import dataclass
from typing import Final

CLIP_MS: Final = 10_000
UPLOAD_MAX_BYTES: Final = 2 * 1024 * 1024

RATE: Final = 8000
_BYTES_PER_MS: Final = RATE // 1000
_FRAME: Final = 20 * _BYTES_PER_MS
# A cut falls into the last pause of the last four seconds; a pause is as long as the gap between two sentences or
# careful words. Both are guesses by ear.
_WINDOW: Final = 4000 * _BYTES_PER_MS
_PAUSE_FRAMES: Final = 6
# Mean amplitude of 16-bit samples. Line noise is below 100, a whisper above 300.
_QUIET: Final = 150


def _decoded(code: int) -> int:
    """The 16-bit sample of one mu-law byte (ITU-T G.711)."""
    inverted = ~code & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + 0x84) << (inverted >> 4 & 0x07)
    return 0x84 - magnitude if inverted & 0x80 else magnitude - 0x84


_SAMPLES: Final = tuple(_decoded(code) for code in range(256))
_AMPLITUDES: Final = tuple(abs(sample) for sample in _SAMPLES)


# --- Recorded ------------------------------------------------------------------------------------------------


def duration_ms(mulaw: bytes) -> int:
    """How long the mu-law audio plays."""
    return len(mulaw) // _BYTES_PER_MS


def shortened(mulaw: bytes, *, most_ms: int = CLIP_MS) -> bytes:
    """The audio, or where that is longer its beginning, of at most so long, ended in a pause if there is one."""
    most = most_ms * _BYTES_PER_MS
    if len(mulaw) <= most:
        return mulaw
    first = max(0, most - _WINDOW)
    levels = [_level(mulaw[at : at + _FRAME]) for at in range(first, most - _FRAME + 1, _FRAME)]
    if not levels:
        return mulaw[:most]
    quiet = 0
    for number in range(len(levels) - 1, -1, -1):
        quiet = quiet + 1 if levels[number] < _QUIET else 0
        if quiet == _PAUSE_FRAMES:
            return mulaw[: first + (number + _PAUSE_FRAMES) * _FRAME]
    # Nobody draws breath: the quietest moment of the last second hurts least.
    tail = levels[-50:]
    best = len(levels) - len(tail) + tail.index(min(tail))
    return mulaw[: first + (best + 1) * _FRAME]


def _level(frame: bytes) -> float:
    return sum(_AMPLITUDES[code] for code in frame) / len(frame)


def is_silent(mulaw: bytes) -> bool:
    """Whether nothing can be heard in it."""
    return not any(_AMPLITUDES[code] >= _QUIET for code in mulaw)


def wav(mulaw: bytes) -> bytes:
    """The audio as a WAV file of 16-bit PCM: mu-law inside WAV is not played by every browser."""
    samples = array("h", [_SAMPLES[code] for code in mulaw])
    if sys.byteorder == "big":
        samples.byteswap()
    pcm = samples.tobytes()
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)  # PCM, mono
    return b"".join(
        [
            *(b"RIFF", struct.pack("<I", 4 + 8 + len(form) + 8 + len(pcm)), b"WAVE"),
            *(b"fmt ", struct.pack("<I", len(form)), form),
            *(b"data", struct.pack("<I", len(pcm)), pcm),
        ]
    )


# --- Uploaded ------------------------------------------------------------------------------------------------


class UploadRefusedError(ValueError):
    """A file that is not kept; the text says why, for whoever chose it."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A file that browsers play. ``duration_ms`` is None where it is not told by the file's head."""

    content_type: str
    extension: str
    data: bytes
    duration_ms: int | None = None


_KINDS: Final = "Upload a WAV, MP3, OGG or M4A file."
_TOO_LARGE: Final = f"The file is larger than {UPLOAD_MAX_BYTES // 1024 // 1024} MiB. Ten seconds are enough: cut it, or save it as MP3."
_M4A_BRANDS: Final = (
    b"M4A ",
    b"M4B ",
    b"mp41",
    b"mp42",
    b"isom",
    b"iso2",
    b"iso4",
    b"iso5",
    b"iso6",
    b"dash",
)
_VIDEO_TRACK: Final = re.compile(rb"hdlr.{8}vide", re.DOTALL)


def sound_of_upload(data: bytes) -> Sound:
    """The uploaded sound, with the type that its content has, whatever its name says. Raises UploadRefusedError."""
    if not data:
        raise UploadRefusedError("The file is empty.")
    if len(data) > UPLOAD_MAX_BYTES:
        raise UploadRefusedError(_TOO_LARGE)
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return Sound("audio/wav", "wav", data, _wav_duration_ms(data))
    if data[:4] == b"OggS":
        return _ogg(data)
    if data[4:8] == b"ftyp":
        return _m4a(data)
    if _is_mp3(data):
        return Sound("audio/mpeg", "mp3", data)
    raise UploadRefusedError(f"This is no sound that browsers play: {_looks_like(data)}. {_KINDS}")


def upload_too_large(size: int) -> str:
    """Why a file of so many bytes is not even read; empty if it may be."""
    return _TOO_LARGE if size > UPLOAD_MAX_BYTES else ""


def _wav_duration_ms(data: bytes) -> int:
    """How long a WAV file plays, by its chunks. Raises UploadRefusedError when it holds no sound."""
    byte_rate, at = 0, 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = at + 8
        if name == b"fmt " and body + 16 <= len(data):
            byte_rate = int.from_bytes(data[body + 8 : body + 12], "little")
        elif name == b"data":
            # Programs that write to a pipe leave a size that is too large.
            held = min(size, len(data) - body)
            if byte_rate and held:
                return held * 1000 // byte_rate
            break
        at = body + size + size % 2
    raise UploadRefusedError("The WAV file is damaged: it holds no sound.")


def _ogg(data: bytes) -> Sound:
    first_page = data[:200]
    if b"OpusHead" in first_page or b"\x01vorbis" in first_page or b"\x7fFLAC" in first_page:
        return Sound("audio/ogg", "ogg", data)
    raise UploadRefusedError(f"The OGG file holds no sound of a known kind. {_KINDS}")


def _m4a(data: bytes) -> Sound:
    if data[8:12] not in _M4A_BRANDS:
        raise UploadRefusedError(f"The MP4 file is of a kind that not every browser plays. {_KINDS}")
    if _VIDEO_TRACK.search(data):
        raise UploadRefusedError(f"The file is a video. {_KINDS}")
    if b"mdat" not in data:
        raise UploadRefusedError("The M4A file is damaged: it holds no sound.")
    return Sound("audio/mp4", "m4a", data)


def _is_mp3(data: bytes) -> bool:
    """Whether an MPEG audio frame stands at the beginning, or after the title, artist and so on of an ID3 tag."""
    at = 0
    if data[:3] == b"ID3" and len(data) > 10:
        size = 0
        for byte in data[6:10]:
            size = size << 7 | byte & 0x7F
        at = 10 + size
        while data[at : at + 1] == b"\0":  # padding after the tag
            at += 1
    return _is_mp3_frame(data[at : at + 4])


def _is_mp3_frame(head: bytes) -> bool:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer == 1 and bitrate not in (0, 15) and rate != 3


def _looks_like(data: bytes) -> str:
    """In a few words what somebody may have chosen by mistake."""
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    known = (
        (b"mz", "it is a program"),
        (b"\x7felf", "it is a program"),
        (b"<!doctype html", "it is a web page"),
        (b"<html", "it is a web page"),
        (b"pk\x03\x04", "it is a ZIP archive"),
        (b"%pdf", "it is a PDF"),
        (b"{", "it is text"),
        (b"flac", "it is FLAC"),
    )
    return next(
        (words for magic, words in known if start.startswith(magic)), "its content is of another kind"
    )

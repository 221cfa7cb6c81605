"""Recordings of callers as mu-law."""

import io
import math
import struct
import wave

import pytest

from assistants.voices.wav import wav
from calls.smoke.clip_files import ClipFileError, mulaw_of_wav
from calls.smoke.hearing import loudness


def recorded(
    rate: int = 8000, *, channels: int = 1, width: int = 2, seconds: float = 0.1, volume: int = 8000
) -> bytes:
    """A tone of 400 Hz."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        tenth = [round(volume * math.sin(2 * math.pi * 400 * n / rate)) for n in range(rate // 10)]
        frame = "<h" if width == 2 else "<b"
        # Forty whole waves, again and again.
        file.writeframes(b"".join(struct.pack(frame, one) * channels for one in tenth) * round(seconds * 10))
    return content.getvalue()


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 1)])
def test_a_recording_becomes_as_long_and_as_loud_a_line(rate: int, channels: int) -> None:
    mulaw = mulaw_of_wav(recorded(rate, channels=channels))

    assert abs(len(mulaw) - 800) <= 1
    assert 4500 < loudness(mulaw) < 5500  # the mean of a sine is 2/π of its height


def test_what_was_mulaw_is_the_same_again() -> None:
    every = bytes(range(256)) * 2

    # The two codes of zero are one.
    assert mulaw_of_wav(wav(every)).replace(b"\x7f", b"\xff") == every.replace(b"\x7f", b"\xff")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no WAV file"),
        (b"RIFF....WAVE", "no WAV file"),
        (b"ID3" + bytes(100), "no WAV file"),
        (recorded(width=1, volume=90), "8 bits"),
        (recorded(rate=4000), "4000 Hz"),
        (recorded(volume=0), "Nothing can be heard"),
        (recorded(seconds=61), "longer than 60 s"),
        (bytes(9 * 1024 * 1024), "larger than"),
    ],
    ids=["empty", "head only", "mp3", "8 bits", "4 kHz", "silent", "long", "large"],
)
def test_a_file_that_cannot_be_used_says_why(data: bytes, words: str) -> None:
    with pytest.raises(ClipFileError, match=words):
        mulaw_of_wav(data)

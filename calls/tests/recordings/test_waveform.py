"""WAV files: how long, how loud, and what is none."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.recordings.waveform import NoWavError, paths, wav_read
from calls.tests.recordings.factories import wav_bytes


def test_both_channels_of_a_call_are_measured_apart() -> None:
    sound = wav_read(io.BytesIO(wav_bytes(seconds=2, channels=2, loud=0.5)))

    assert (sound.channels, sound.duration_ms, len(sound.peaks)) == (2, 2000, 2 * 40)
    caller, assistant = sound.peaks[:40], sound.peaks[40:]
    assert all(120 <= peak <= 128 for peak in caller)
    assert all(60 <= peak <= 64 for peak in assistant)


def test_a_long_call_has_no_more_peaks_than_a_screen_shows() -> None:
    sound = wav_read(io.BytesIO(wav_bytes(seconds=90, channels=1, rate=100)))

    assert (sound.duration_ms, len(sound.peaks)) == (90_000, 1600)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "begin"),
        (b"<html>", "begin"),
        (b"ID3" + bytes(40), "begin"),
        (b"RIFF\0\0\0\0WAVE", "no sound"),
        (b"RIFF\0\0\0\0WAVEdata\x04\0\0\0abcd", "no sound"),
        (wav_bytes(seconds=0.1)[:44], "no sound"),
        (wav_bytes(seconds=0.1)[:20] + struct.pack("<H", 7) + wav_bytes(seconds=0.1)[22:], "another form"),
        (wav_bytes(seconds=0.1)[:22] + struct.pack("<H", 0) + wav_bytes(seconds=0.1)[24:], "no sense"),
    ],
)
def test_what_is_no_wav_is_refused_with_a_reason(content: bytes, why: str) -> None:
    with pytest.raises(NoWavError, match=why):
        wav_read(io.BytesIO(content))


def test_a_file_that_ends_early_is_taken_for_what_is_there() -> None:
    sound = wav_read(io.BytesIO(wav_bytes(seconds=1, channels=2)[: 44 + 16_000]))

    assert sound.duration_ms == 500


@settings(max_examples=50)
@given(st.binary(max_size=80), st.integers(0, 60))
def test_nothing_but_that_reason_comes_of_any_file(junk: bytes, at: int) -> None:
    content = wav_bytes(seconds=0.01)
    try:
        wav_read(io.BytesIO(content[:at] + junk + content[at + len(junk) :]))
    except NoWavError:
        pass


def test_the_waveform_has_a_stroke_for_each_peak() -> None:
    first, second = paths(bytes([0, 255, 128, 0]), 2, height=60)

    assert first == "M0 29.5h0.8v1.0h-0.8zM1 0.0h0.8v60.0h-0.8z"
    assert second.count("M") == 2
    assert paths(b"", 2) == paths(b"", 0) == []

"""Sound files: made of mu-law, and uploaded by people."""

import io
import math
import struct
import wave
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assistants.voices.wav import (
    CLIP_MS,
    UPLOAD_MAX_BYTES,
    UploadRefusedError,
    duration_ms,
    is_silent,
    shortened,
    sound_of_upload,
    wav,
)
from simulator import ulaw

SILENCE = b"\xff"


def tone(ms: int) -> bytes:
    """A note that is nowhere quiet for long."""
    return ulaw.encode([int(9000 * math.sin(0.4 * n)) for n in range(ms * 8)])


# --- WAV


@given(st.binary(max_size=4000))
def test_the_standard_library_reads_the_wav_and_finds_every_sample(mulaw: bytes) -> None:
    with wave.open(io.BytesIO(wav(mulaw))) as reader:
        shape = (reader.getnchannels(), reader.getsampwidth(), reader.getframerate(), reader.getnframes())
        samples = struct.unpack(f"<{len(mulaw)}h", reader.readframes(reader.getnframes()))

    assert shape == (1, 2, 8000, len(mulaw))
    # The simulator's own table, which shares no code with ours.
    assert list(samples) == [ulaw.DECODED[code] for code in mulaw]


def test_the_sizes_in_the_head_of_the_wav_are_right() -> None:
    file = wav(tone(20))

    assert int.from_bytes(file[4:8], "little") == len(file) - 8
    assert file[36:40] == b"data"
    assert int.from_bytes(file[40:44], "little") == len(file) - 44


# --- Cutting


@hypothesis_settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(10, 5000)), max_size=8))
def test_a_shortened_clip_is_a_beginning_of_the_clip_and_never_too_long(
    parts: list[tuple[bool, int]],
) -> None:
    sound = tone(5000)
    mulaw = b"".join(sound[: ms * 8] if loud else SILENCE * (ms * 8) for loud, ms in parts)

    cut = shortened(mulaw)

    assert mulaw.startswith(cut)
    assert duration_ms(cut) <= CLIP_MS
    if duration_ms(mulaw) <= CLIP_MS:
        assert cut == mulaw
    else:
        assert duration_ms(cut) >= CLIP_MS - 4000


@given(st.binary(max_size=30_000), st.integers(0, 2000))
def test_any_bytes_can_be_shortened_to_any_length(mulaw: bytes, most_ms: int) -> None:
    cut = shortened(mulaw, most_ms=most_ms)

    assert mulaw.startswith(cut)
    assert len(cut) <= max(most_ms * 8, 0) or cut == mulaw[: most_ms * 8]


def test_a_long_clip_ends_in_its_last_pause_and_not_within_a_word() -> None:
    mulaw = tone(7000) + SILENCE * (200 * 8) + tone(1300) + SILENCE * (200 * 8) + tone(4000)

    cut = shortened(mulaw)

    assert 8500 <= duration_ms(cut) <= 8700
    assert set(cut[-100 * 8 :]) == set(SILENCE)
    assert not is_silent(cut[: 8500 * 8][-100 * 8 :])


def test_a_gap_within_a_word_is_no_pause() -> None:
    mulaw = tone(7000) + SILENCE * (160 * 8) + tone(1000) + SILENCE * (60 * 8) + tone(4000)

    assert 7000 <= duration_ms(shortened(mulaw)) <= 7200


def test_without_any_pause_the_quietest_moment_of_the_last_second_is_taken() -> None:
    softer = ulaw.encode([int(2000 * math.sin(0.4 * n)) for n in range(40 * 8)])
    mulaw = tone(9400) + softer + tone(3000)

    assert 9400 <= duration_ms(shortened(mulaw)) <= 9440


def test_an_idle_line_is_silent_and_speech_is_not() -> None:
    assert is_silent(b"")
    assert is_silent(b"\xff\x7f\xfe" * 100)
    assert not is_silent(tone(20))


# --- Uploads

FRAME = b"\xff\xfb\x90\x64" + b"\x00" * 413
OPUS = b"OggS\x00\x02" + b"\x00" * 20 + b"\x01\x13OpusHead\x01\x01" + b"\x00" * 60
M4A = b"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00M4A mp42" + b"\x00\x00\x00\x20mdat" + b"\x01" * 24


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (wav(tone(100)), "audio/wav"),
        (FRAME, "audio/mpeg"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x10" + b"t" * 16 + b"\x00" * 30 + FRAME, "audio/mpeg"),
        (OPUS, "audio/ogg"),
        (M4A, "audio/mp4"),
    ],
    ids=["wav", "mp3", "mp3 with tag", "ogg", "m4a"],
)
def test_an_upload_has_the_type_of_its_content(data: bytes, content_type: str) -> None:
    sound = sound_of_upload(data)

    assert (sound.content_type, sound.data) == (content_type, data)


def test_the_length_of_an_uploaded_wav_is_known() -> None:
    assert sound_of_upload(wav(tone(1234))).duration_ms == 1234


def test_a_wav_whose_size_was_never_filled_in_is_as_long_as_it_is() -> None:
    file = bytearray(wav(tone(500)))
    file[40:44] = b"\xff\xff\xff\xff"

    assert sound_of_upload(bytes(file)).duration_ms == 500


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"MZ\x90\x00" + b"\x00" * 200, "it is a program"),
        (b"\x7fELF" + b"\x00" * 200, "it is a program"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "it is a web page"),
        (b"<HTML><script>1</script>", "it is a web page"),
        (b"PK\x03\x04" + b"\x00" * 200, "ZIP"),
        (b"fLaC" + b"\x00" * 200, "FLAC"),
        (b"RIFF\x00\x00\x00\x00WAVE<script>", "holds no sound"),
        (wav(b""), "holds no sound"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "no sound that browsers play"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x04tttt<html><script>", "no sound that browsers play"),
        (b"\xff\xfb", "no sound that browsers play"),
        (b"OggS" + b"\x00" * 22 + b"\x80theora", "holds no sound of a known kind"),
        (b"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  ", "not every browser plays"),
        (b"\x00\x00\x00\x14ftypisom" + b"\x00" * 8 + b"hdlr" + b"\x00" * 8 + b"vide", "is a video"),
        (b"\x00\x00\x00\x14ftypM4A ", "damaged"),
        (FRAME + b"\x00" * UPLOAD_MAX_BYTES, "larger than 2 MiB"),
        (b"\xff\xd8\xff\xe0 a photograph", "another kind"),
    ],
)
def test_what_is_no_sound_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(UploadRefusedError, match=why):
        sound_of_upload(data)


def test_an_upload_of_just_the_largest_size_is_kept() -> None:
    data = FRAME.ljust(UPLOAD_MAX_BYTES, b"\x00")

    assert sound_of_upload(data).content_type == "audio/mpeg"


@given(
    st.sampled_from([b"", b"RIFF\x00\x00\x00\x00WAVE", b"ID3\x04\x00\x00", b"OggS", b"\x00\x00\x00\x08ftyp"]),
    st.binary(),
)
def test_any_file_is_kept_as_it_is_or_refused(head: bytes, rest: bytes) -> None:
    with suppress(UploadRefusedError):
        assert sound_of_upload(head + rest).data == head + rest

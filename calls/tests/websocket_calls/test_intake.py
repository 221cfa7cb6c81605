"""Sound of a client: every sample once and in order, in frames of 20 ms, however it was cut; a flood is dropped."""

import itertools
from base64 import b64decode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.bridge.twilio import Media
from calls.websocket_calls.intake import MOST_AHEAD_MS, MOST_DROPPED_MS, Convert, Intake


def mulaw(began: float = 10.0) -> Intake:
    return Intake(None, began=began, sample_bytes=1, bytes_per_s=8000, bytes_per_ms=8)


def pcm(convert: Convert | None = None) -> Intake:
    return Intake(convert, began=5.0, sample_bytes=2, bytes_per_s=48_000, bytes_per_ms=48)


def sound_of(frames: list[Media]) -> bytes:
    return b"".join(b64decode(frame.payload) for frame in frames)


@settings(max_examples=50, deadline=None)
@given(sound=st.binary(max_size=3000), cuts=st.lists(st.integers(0, 3000), max_size=10))
def test_however_it_is_cut_every_sample_comes_once_and_in_order(sound: bytes, cuts: list[int]) -> None:
    intake = pcm()
    edges = [0, *sorted(min(cut, len(sound)) for cut in cuts), len(sound)]

    frames = [frame for a, b in itertools.pairwise(edges) for frame in intake.take(sound[a:b], 5.0)]

    made = sound_of(frames)
    assert all(len(b64decode(frame.payload)) == 960 for frame in frames)
    assert made == sound[: len(made)]
    assert len(sound) - len(made) < 960
    assert [frame.timestamp_ms for frame in frames] == [20 * n for n in range(len(frames))]


def test_half_a_sample_waits_for_its_other_half() -> None:
    seen: list[bytes] = []

    def convert(sound: bytes) -> bytes:
        seen.append(sound)
        return sound

    intake = pcm(convert)
    intake.take(b"abc", 5.0)
    intake.take(b"def", 5.1)

    assert seen == [b"ab", b"cdef"]


def test_a_client_that_was_silent_on_its_side_is_further_on_in_time() -> None:
    intake = mulaw()
    intake.take(b"\x20" * 160, 10.0)

    (late,) = intake.take(b"\x20" * 160, 12.0)

    assert late.timestamp_ms == 1980


def test_a_client_that_begins_to_speak_late_is_as_late_in_the_call() -> None:
    first, second = mulaw(began=7.0), mulaw(began=7.0)

    (frame,) = first.take(b"\x20" * 160, 10.02)
    (soon,) = second.take(b"\x20" * 160, 7.32)

    assert frame.timestamp_ms == 3000
    assert soon.timestamp_ms == 300


def test_nothing_is_made_of_what_comes_far_too_early() -> None:
    seen: list[int] = []

    def convert(sound: bytes) -> bytes:
        seen.append(len(sound))
        return sound

    intake = pcm(convert)
    intake.take(b"\x20" * 48 * MOST_AHEAD_MS, 5.0)
    for _ in range(480):
        intake.take(b"\x20" * 100, 5.0)

    assert seen == [48 * MOST_AHEAD_MS]
    assert intake.dropped_ms == pytest.approx(1000)


def test_jitter_moves_no_clock() -> None:
    intake = mulaw()
    times = [10.0, 10.02, 10.25, 10.25, 10.26]

    frames = [frame for at in times for frame in intake.take(b"\x20" * 160, at)]

    assert [frame.timestamp_ms for frame in frames] == [0, 20, 40, 60, 80]


def test_a_sentence_from_a_file_is_taken_at_once_and_a_flood_is_not() -> None:
    intake = mulaw()

    sentence = intake.take(b"\x20" * 8 * MOST_AHEAD_MS, 10.0)
    more = intake.take(b"\x20" * 8 * 1000, 10.0)
    later = intake.take(b"\x20" * 8 * 1000, 11.0)

    assert len(sentence) == MOST_AHEAD_MS // 20
    assert more == []
    assert len(later) == 50
    assert intake.dropped_ms == 1000
    assert not intake.floods
    intake.take(b"\x20" * 8 * MOST_DROPPED_MS, 11.0)
    assert intake.floods

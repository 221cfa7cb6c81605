"""From the event loop to the disk: what was heard stands where it was heard, and no disk holds up a call."""

import errno
import os
import shutil
import threading
import uuid
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.bridge.audio import MULAW, PCM, AudioFormat
from calls.recordings.taking import take, writer
from calls.recordings.taking.take import GATHERED_MS, Take, rate_of
from calls.recordings.taking.tracks import ASSISTANT, CALLER, Facts, tracks_make
from calls.recordings.taking.writer import Ended, Writer
from calls.sounds.mulaw import linear

BEGAN = datetime(2026, 11, 22, tzinfo=UTC)
ZERO = 500.0
MIB = 1024 * 1024


class Studio:
    """A writer, and what it has completed."""

    def __init__(self, root: Path, *, most_bytes: int = MIB) -> None:
        self.root = root
        self.ended: list[Ended] = []
        self.writer = Writer(root, self.ended.append, spare_bytes=0, most_bytes=most_bytes)

    def take(self, audio: AudioFormat = PCM) -> Take:
        return Take(self.writer, Facts(uuid.uuid4(), BEGAN, rate_of(audio)), audio, zero=ZERO)

    def complete(self) -> Ended:
        """The one recording, when all that was handed over is written."""
        self.writer.start()
        self.writer.close(60)
        (ended,) = self.ended
        return ended

    def heard(self) -> tuple[list[int], list[int]]:
        """Both sides of the one recording."""
        ended = self.complete()
        assert ended.tracks is not None
        both = np.frombuffer(ended.tracks.frames(0, ended.tracks.samples), "<i2").reshape(-1, 2)
        ended.tracks.drop()
        return both[:, 0].tolist(), both[:, 1].tolist()


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def tone(value: int, ms: int, rate: int = 24) -> bytes:
    return np.full(ms * rate, value, "<i2").tobytes()


def test_both_sides_stand_where_they_were_heard_with_silence_between(studio: Studio) -> None:
    made = studio.take()
    made.put(CALLER, tone(3, 20), ZERO + 0.1)
    made.put(CALLER, tone(3, 20), ZERO + 0.12)
    made.put(ASSISTANT, tone(4, 20), ZERO + 0.5)
    made.put(CALLER, tone(5, 20), ZERO + 1.0)
    made.finish(ZERO + 2.0)

    caller, assistant = studio.heard()

    assert len(caller) == 2 * 24_000
    assert [at for at, value in enumerate(caller) if value] == [*range(2400, 3360), *range(24_000, 24_480)]
    assert [at for at, value in enumerate(assistant) if value] == [*range(12_000, 12_480)]


def test_an_interruption_cuts_what_was_sent_and_not_heard(studio: Studio) -> None:
    made = studio.take()
    for n in range(10):
        made.put(ASSISTANT, tone(4, 20), ZERO + n * 0.02)
    made.cut(ZERO + 0.105)
    made.put(ASSISTANT, tone(6, 20), ZERO + 0.2)
    made.finish(ZERO + 0.4)

    _, assistant = studio.heard()

    assert assistant[: 105 * 24] == [4] * (105 * 24)
    assert set(assistant[105 * 24 : 200 * 24]) == {0}
    assert assistant[200 * 24 : 220 * 24] == [6] * 480


def test_what_comes_before_the_beginning_or_after_the_end_is_in_no_recording(studio: Studio) -> None:
    made = studio.take()
    made.put(CALLER, tone(1, 20), ZERO - 0.02)
    made.put(CALLER, tone(2, 20), ZERO)
    made.put(ASSISTANT, tone(4, 20), ZERO)
    made.finish(ZERO + 0.02)
    made.put(CALLER, tone(3, 20), ZERO + 0.02)
    made.cut(ZERO)
    made.finish(ZERO + 5.0)

    caller, assistant = studio.heard()

    assert caller == [2] * 480
    assert assistant == [4] * 480


def test_mu_law_is_kept_as_samples(studio: Studio) -> None:
    made = studio.take(MULAW)
    made.put(CALLER, bytes(range(160)), ZERO)
    made.finish(ZERO + 0.02)

    caller, _ = studio.heard()

    assert caller == np.frombuffer(linear(bytes(range(160))), "<i2").tolist()
    assert (caller[0], caller[0x7F], caller[0x80]) == (-32124, 0, 32124)


def times_of_ms(most: int) -> st.SearchStrategy[int]:
    """Milliseconds, so that what is no silence at all is more of it than a take's clock may be off."""
    return st.integers(1, most // 6).map(lambda n: n * 6)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("caller"), times_of_ms(60)),
        st.tuples(st.just("assistant"), times_of_ms(60)),
        st.tuples(st.just("cut"), st.just(0)),
        st.tuples(st.just("pause"), times_of_ms(900)),
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(steps=STEPS)
def test_any_call_is_recorded_sample_for_sample(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    studio = Studio(tmp_path_factory.mktemp("sound"))
    made, now_ms, ends_ms = studio.take(), 0, {CALLER: 0, ASSISTANT: 0}
    expected = np.zeros((60_000 * 24, 2), "<i2")
    for value, (step, amount) in enumerate(steps, 1):
        match step:
            case "caller" | "assistant":
                side = CALLER if step == "caller" else ASSISTANT
                at_ms = max(now_ms, ends_ms[side])
                made.put(side, tone(value, amount), ZERO + at_ms / 1000)
                expected[at_ms * 24 : (at_ms + amount) * 24, side] = value
                ends_ms[side] = at_ms + amount
            case "cut":
                made.cut(ZERO + now_ms / 1000)
                expected[now_ms * 24 :, ASSISTANT] = 0
                ends_ms[ASSISTANT] = min(ends_ms[ASSISTANT], now_ms)
            case _:
                now_ms += amount
    made.finish(ZERO + now_ms / 1000)
    ended = studio.complete()
    end_ms = max(now_ms, ends_ms[CALLER])
    expected[now_ms * 24 :, ASSISTANT] = 0

    found = b"" if ended.tracks is None else ended.tracks.frames(0, end_ms * 24)
    assert ended.lost_ms == 0
    if ended.tracks is None:
        assert not expected.any()
    else:
        assert ended.tracks.samples == end_ms * 24
        assert found == expected[: end_ms * 24].tobytes()
        ended.tracks.drop()


def test_little_is_held_back_from_the_disk(studio: Studio) -> None:
    made = studio.take()
    studio.writer.start()
    made.put(ASSISTANT, tone(4, 20), ZERO)
    for n in range(GATHERED_MS // 20):
        made.put(CALLER, tone(3, 20), ZERO + n * 0.02)
    studio.writer.close(60)  # as if the process was killed: no end comes

    (left,) = studio.root.iterdir()

    assert (left / "caller").stat().st_size == GATHERED_MS * 48
    assert (left / "assistant").stat().st_size == 20 * 48
    assert studio.ended == []


def test_a_full_disk_costs_sound_and_the_rest_is_in_its_place(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, full = os.pwrite, [True, False]

    def failing(*args: object) -> int:
        if full and full.pop(0):
            raise OSError(errno.ENOSPC, "full")
        return pwrite(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "pwrite", failing)
    made = studio.take()
    made.put(CALLER, tone(3, 500), ZERO)
    made.put(CALLER, tone(5, 500), ZERO + 0.5)
    made.finish(ZERO + 1.0)

    ended = studio.complete()

    assert (ended.lost_ms, ended.why) == (500, "No space left on device.")
    assert ended.tracks is not None
    heard = np.frombuffer(ended.tracks.frames(0, 24_000), "<i2")[0::2]
    assert set(heard[:12_000]) == {0}
    assert set(heard[12_000:]) == {5}
    ended.tracks.drop()


def test_where_only_the_journals_have_room_left_no_sound_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 9, 100))
    studio = Studio(tmp_path)
    studio.writer._spare_bytes = 100
    made = studio.take()
    made.put(CALLER, tone(3, 500), ZERO)
    made.finish(ZERO + 0.5)

    ended = studio.complete()

    assert ended.tracks is None
    assert (ended.lost_ms, ended.why) == (500, "No space left on device.")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_hangs_costs_sound_and_neither_memory_nor_time(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_QUEUED_BYTES", 50_000)
    goes_on, make = threading.Event(), tracks_make

    def hanging(*args: object) -> object:
        assert goes_on.wait(60)
        return make(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "tracks_make", hanging)
    studio.writer.start()
    made = studio.take()
    for n in range(100):
        made.put(CALLER, tone(3, 20), ZERO + n * 0.02)
    made.finish(ZERO + 2.0)
    goes_on.set()
    studio.writer.close(60)

    (ended,) = studio.ended
    assert ended.why == writer.SLOW
    assert 0 < ended.lost_ms < 2000
    assert ended.tracks is not None
    assert ended.tracks.samples == 48_000
    ended.tracks.drop()


def test_a_recording_whose_end_cannot_be_written_is_kept_as_it_is(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = studio.take()
    made.put(CALLER, tone(3, 500), ZERO)
    made.finish(ZERO + 1.0)
    monkeypatch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))

    ended = studio.complete()

    assert ended.tracks is not None
    assert ended.tracks.samples == 12_000
    ended.tracks.drop()


def test_a_recording_is_no_larger_than_it_may_be(tmp_path: Path) -> None:
    studio = Studio(tmp_path, most_bytes=4 * 24_000)
    made = studio.take()
    made.put(CALLER, tone(3, 600), ZERO)
    made.put(CALLER, tone(3, 600), ZERO + 0.6)
    made.finish(ZERO + 1.2)

    ended = studio.complete()

    assert (ended.lost_ms, ended.why) == (600, writer.LONG)
    assert ended.tracks is not None
    assert ended.tracks.samples == 24_000
    ended.tracks.drop()


def test_a_fault_of_ours_in_one_recording_leaves_the_others_alone(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take, "linear", lambda _: 1 / 0)
    broken, good = studio.take(MULAW), studio.take()
    broken.put(CALLER, bytes(8 * GATHERED_MS), ZERO)
    good.put(CALLER, tone(3, 20), ZERO)
    good.finish(ZERO + 0.02)

    ended = studio.complete()

    assert ended.tracks is not None
    assert ended.tracks.samples == 480
    ended.tracks.drop()


def test_the_rate_is_that_of_the_sound() -> None:
    assert (rate_of(MULAW), rate_of(PCM)) == (8000, 24_000)

"""The sound of a call on disk: every piece in its place, whoever dies; taken over once, and only from the dead."""

import errno
import io
import os
import uuid
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest

from calls.recordings.taking.stereo import Stereo
from calls.recordings.taking.tracks import (
    ASSISTANT,
    CALLER,
    Facts,
    tracks_drop,
    tracks_make,
    tracks_orphaned,
)
from calls.recordings.waveform import wav_read

BEGAN = datetime(2026, 11, 22, 23, 59, 58, 123_000, tzinfo=UTC)


def facts(n: int = 1, *, rate: int = 8000) -> Facts:
    return Facts(uuid.UUID(int=n), BEGAN + timedelta(seconds=n), rate)


def samples(*values: int) -> bytes:
    return np.array(values, "<i2").tobytes()


def test_both_sides_are_one_file_and_what_was_not_written_is_silence(tmp_path: Path) -> None:
    made = tracks_make(tmp_path, facts(rate=24_000))
    made.write(CALLER, 3, samples(7, 8))
    made.write(CALLER, 0, samples(1))
    made.write(ASSISTANT, 1, samples(-5, -6))
    made.end(6)

    with wave.open(io.BufferedReader(Stereo(made))) as file:
        both = np.frombuffer(file.readframes(100), "<i2").reshape(-1, 2)
        rate = file.getframerate()

    assert rate == 24_000
    assert both[:, 0].tolist() == [1, 0, 0, 7, 8, 0]
    assert both[:, 1].tolist() == [0, -5, -6, 0, 0, 0]


def test_any_part_of_the_file_is_the_same_as_in_the_whole(tmp_path: Path) -> None:
    made = tracks_make(tmp_path, facts())
    made.write(CALLER, 0, bytes(range(200)))
    made.write(ASSISTANT, 20, bytes(range(100)))
    made.end(0)
    file = Stereo(made)
    whole = file.read()
    assert len(whole) == 44 + 400 == file.seek(0, os.SEEK_END)

    for start, length in ((0, 3), (43, 2), (44, 1), (45, 7), (101, 250), (440, 50), (900, 5)):
        file.seek(start)
        assert file.read(length) == whole[start : start + length]
        assert file.tell() == max(start, min(start + length, len(whole)))


def test_the_assistant_is_cut_where_nobody_heard_it_any_more_and_goes_on_after_that(tmp_path: Path) -> None:
    made = tracks_make(tmp_path, facts())
    made.write(ASSISTANT, 0, samples(1, 2, 3, 4))
    made.cut(ASSISTANT, 2)
    made.cut(ASSISTANT, 9)
    made.write(ASSISTANT, 5, samples(6))
    made.end(6)

    assert np.frombuffer(made.frames(0, 6), "<i2")[1::2].tolist() == [1, 2, 0, 0, 0, 6]


def test_the_end_lies_behind_the_callers_last_sound_and_cuts_the_assistants(tmp_path: Path) -> None:
    made = tracks_make(tmp_path, facts())
    made.write(CALLER, 0, samples(1, 1, 1))
    made.write(ASSISTANT, 0, samples(2, 2, 2, 2, 2))
    before = made.complete

    made.end(2)

    assert (before, made.complete) == (False, True)
    assert made.samples == 3
    assert np.frombuffer(made.frames(0, 3), "<i2")[1::2].tolist() == [2, 2, 0]


def test_what_a_dead_process_left_is_taken_over_once_the_oldest_first(tmp_path: Path) -> None:
    alive = tracks_make(tmp_path, facts(1))
    for n in (3, 2):
        dead = tracks_make(tmp_path, facts(n))
        dead.write(CALLER, 0, samples(n) + b"\x01")  # killed in the middle of a sample
        dead.close()

    mine = list(tracks_orphaned(tmp_path))
    others = list(tracks_orphaned(tmp_path))

    assert [one.facts for one in mine] == [facts(2), facts(3)]
    assert [one.samples for one in mine] == [1, 1]
    assert not any(one.complete for one in mine)
    assert others == []
    assert wav_read(cast(BinaryIO, Stereo(mine[0]))).duration_ms == 0
    for one in (alive, *mine):
        one.drop()
    assert list(tmp_path.iterdir()) == []


def test_only_the_calls_that_are_named_are_deleted_and_none_that_is_being_recorded(tmp_path: Path) -> None:
    alive = tracks_make(tmp_path, facts(1))
    for n in (2, 3):
        tracks_make(tmp_path, facts(n)).close()

    dropped = tracks_drop(tmp_path, [uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=4)])

    assert dropped == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == [facts(1).name, facts(3).name]
    assert tracks_drop(tmp_path / "never", [uuid.UUID(int=1)]) == 0
    alive.close()


def test_what_nobody_can_name_is_left_alone_and_what_was_never_begun_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / f"{facts(1).name}").mkdir()
    draft, fresh = tmp_path / f".{facts(2).name}", tmp_path / f".{facts(3).name}"
    for one in (draft, fresh):
        one.mkdir()
        (one / "caller").touch()
    os.utime(draft, (1.0, 1.0))

    assert list(tracks_orphaned(tmp_path)) == []

    assert sorted(one.name for one in tmp_path.iterdir()) == [fresh.name, "lost+found"]


def test_a_recording_that_cannot_be_begun_for_want_of_files_can_be_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def second_fails(path: Any, *args: int) -> int:
        if Path(path).name == "assistant":
            raise OSError(errno.EMFILE, "too many open files")
        return opened(path, *args)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", second_fails)
        for _ in range(2):
            with pytest.raises(OSError, match="too many"):
                tracks_make(tmp_path, facts())

    made = tracks_make(tmp_path, facts())
    made.write(CALLER, 0, samples(1))
    assert made.samples == 1
    assert list(tracks_orphaned(tmp_path)) == []  # it is locked
    made.drop()
    assert list(tmp_path.iterdir()) == []


def test_sound_is_readable_for_its_owner_alone(tmp_path: Path) -> None:
    made = tracks_make(tmp_path / "sound", facts())

    found = [tmp_path / "sound", *(tmp_path / "sound").rglob("*")]

    assert [one.stat().st_mode & 0o077 for one in found] == [0] * 4
    made.close()


def test_a_piece_that_the_disk_takes_in_parts_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, pwrite = tracks_make(tmp_path, facts()), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, view, at: pwrite(handle, view[:3], at))

    made.write(CALLER, 1, samples(1, 2, 3, 4, 5))

    assert np.frombuffer(made.frames(0, 6), "<i2")[0::2].tolist() == [0, 1, 2, 3, 4, 5]
    made.close()

"""Recordings are kept however long the storage is away, and those of dead processes by whoever lives."""

import queue
import threading
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import OperationalError

from calls.recordings.taking import keeper
from calls.recordings.taking.keeper import Keeper
from calls.recordings.taking.tracks import CALLER, Facts, tracks_make, tracks_orphaned
from calls.recordings.taking.writer import Ended

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def ended(root: Path, n: int) -> Ended:
    facts = Facts(uuid.UUID(int=n), NOW, 8000)
    tracks = tracks_make(root, facts)
    tracks.write(CALLER, 0, b"\x01\x00" * 80)
    tracks.end(80)
    return Ended(facts, tracks)


class Storage:
    """Takes recordings, unless it is away for some times."""

    def __init__(self, *away: Exception) -> None:
        self.away = list(away)
        self.kept: list[tuple[int, bool]] = []

    def keep(self, one: Ended) -> None:
        if self.away:
            raise self.away.pop(0)
        assert one.tracks is not None
        self.kept.append((one.facts.call_id.int, one.died))
        one.tracks.drop()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FIRST_PAUSE_S", 0.0)


def test_a_recording_is_kept_after_a_database_a_disk_and_a_storage_were_away(tmp_path: Path) -> None:
    storage = Storage(OperationalError("away"), OSError("full"), RuntimeError("a bucket says what it likes"))
    one = Keeper(tmp_path, storage.keep)
    one.put(ended(tmp_path, 1))
    one.put(ended(tmp_path, 2))
    one.start()
    one.close(10)

    assert sorted(storage.kept) == [(1, False), (2, False)]
    assert list(tmp_path.iterdir()) == []


def test_what_dead_processes_have_left_is_kept_and_told_from_what_was_complete(tmp_path: Path) -> None:
    complete, broken_off = ended(tmp_path, 1), tracks_make(tmp_path, Facts(uuid.UUID(int=2), NOW, 8000))
    broken_off.write(CALLER, 0, b"\x01\x00" * 80)
    assert complete.tracks is not None
    complete.tracks.close()
    broken_off.close()
    living = tracks_make(tmp_path, Facts(uuid.UUID(int=3), NOW, 8000))
    storage = Storage()

    one = Keeper(tmp_path, storage.keep)
    one.start()
    one.close(10)

    assert sorted(storage.kept) == [(1, False), (2, True)]
    living.drop()


def test_what_cannot_be_kept_before_the_process_ends_is_left_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "FIRST_PAUSE_S", 60.0)
    first, second = Storage(OSError("away")), Storage()
    left = ended(tmp_path, 1)
    one = Keeper(tmp_path, first.keep)
    one.put(left)
    one.start()
    one.close(10)
    assert first.kept == []
    assert left.tracks is not None
    left.tracks.close()  # as the end of the process does

    one = Keeper(tmp_path, second.keep)
    one.start()
    one.close(10)

    assert second.kept == [(1, False)]


def let_go(root: Path) -> list[int]:
    """The recordings that nobody has in hand."""
    found = list(tracks_orphaned(root))
    for one in found:
        one.close()
    return sorted(one.facts.call_id.int for one in found)


def test_however_long_the_storage_is_away_few_files_are_held_and_all_is_kept_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MOST_HELD", 2), ("FIRST_PAUSE_S", 60.0)):
        monkeypatch.setattr(keeper, name, value)
    storage = Storage(*[OSError("away")] * 6)
    one = Keeper(tmp_path, storage.keep)
    for n in range(6):
        one.put(ended(tmp_path, n))
    one.start()
    one.close(10)

    assert storage.away == []
    assert len(let_go(tmp_path)) == 4
    for due in one._due:
        assert due.ended.tracks is not None
        due.ended.tracks.close()  # as the end of the process does

    while len(storage.kept) < 6:
        one = Keeper(tmp_path, storage.keep)
        one.start()
        one.close(10)
    assert sorted(storage.kept) == [(n, False) for n in range(6)]


class Hanging:
    """Does not answer for some of them until it is told to."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = set(numbers)
        self.answers = threading.Event()
        self.kept: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.most = self._now = 0
        self._lock = threading.Lock()

    def keep(self, one: Ended) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        n = one.facts.call_id.int
        if n in self.numbers:
            assert self.answers.wait(60)
        assert one.tracks is not None
        one.tracks.drop()
        with self._lock:
            self._now -= 1
        self.kept.put(n)

    def next(self, count: int) -> list[int]:
        return sorted(self.kept.get(timeout=60) for _ in range(count))


def test_one_that_hangs_holds_up_no_other_and_few_are_kept_at_once(tmp_path: Path) -> None:
    storage = Hanging(0, 1)
    one = Keeper(tmp_path, storage.keep)
    for n in range(8):
        one.put(ended(tmp_path, n))
    one.start()

    assert storage.next(6) == [2, 3, 4, 5, 6, 7]
    assert storage.most <= keeper.AT_ONCE
    storage.answers.set()
    assert storage.next(2) == [0, 1]
    one.close(60)
    assert list(tmp_path.iterdir()) == []


def test_where_all_places_hang_others_take_their_turn_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeper, "HANGS_AFTER_S", 0.0)
    monkeypatch.setattr(keeper, "MOST_HANGING", 3)
    storage = Hanging(*range(3))
    one = Keeper(tmp_path, storage.keep)
    for n in range(4):
        one.put(ended(tmp_path, n))
    one.start()

    assert storage.next(1) == [3]
    assert "keeping a recording hangs; is the storage there?" in [record.message for record in caplog.records]
    storage.numbers = set(range(4, 40))
    storage.answers.clear()
    for n in range(4, 40):
        one.put(ended(tmp_path, n))
    storage.answers.set()
    assert storage.next(39) == [*range(3), *range(4, 40)]
    assert storage.most <= keeper.AT_ONCE + keeper.MOST_HANGING + 1
    one.close(60)


def test_what_is_missing_of_one_that_is_let_go_is_told_by_whoever_takes_it_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MOST_HEARD_OF", 0)
    told: list[tuple[int, str, bool]] = []

    def keep(one: Ended) -> None:
        assert one.tracks is not None
        told.append((one.lost_ms, one.why, one.died))
        one.tracks.drop()

    one = Keeper(tmp_path, keep)
    one.put(replace(ended(tmp_path, 1), lost_ms=1500, why="No space left on device."))
    one.start()
    one.close(10)

    assert told == [(1500, "No space left on device.", False)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("note", [b"", b"[]", b'{"lost_ms": "x"}', b"\xff" * 5000])
def test_a_note_that_cannot_be_read_costs_nothing_but_itself(tmp_path: Path, note: bytes) -> None:
    left = ended(tmp_path, 1)
    assert left.tracks is not None
    (next(tmp_path.iterdir()) / "gaps").write_bytes(note)

    assert left.tracks.gaps == (0, "")
    left.tracks.drop()
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_hangs_holds_few_files_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "MOST_HEARD_OF", 1)
    storage = Storage()
    one = Keeper(tmp_path, storage.keep)
    heard, left = ended(tmp_path, 1), ended(tmp_path, 2)
    one.put(heard)
    one.put(left)
    assert let_go(tmp_path) == [2]

    one.start()
    one.close(10)

    assert sorted(storage.kept) == [(1, False), (2, False)]


def test_while_the_process_ends_a_keeper_waits_for_those_at_work_and_does_not_spin(tmp_path: Path) -> None:
    one = Keeper(tmp_path, lambda _: None)
    one._adopt()
    one._adopt_at, one._closing = (
        time.monotonic() - 1,
        True,
    )  # the next look around is due, and does not come any more
    one._at_work[1] = time.monotonic()

    assert one._next_at() > time.monotonic()

"""A journal that has become too long: what it drops first, and what it tells of it."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from calls.lasting.sorting import Rank, Sorting
from calls.tests.lasting.broker import Taker, end, started

pytestmark = pytest.mark.usefixtures("no_pauses")


def rank(_task: str, kwargs: dict[str, Any]) -> Rank:
    return Rank(kwargs["rank"])


def test_a_full_journal_keeps_the_last_words_longest_and_tells_of_what_it_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Taker()
    broker.failures = 1_000_000
    sorting = Sorting(
        rank=rank, lost=lambda call_id, count: ("tell", {"n": -count, "of": call_id, "rank": 3})
    )
    outbox = started(tmp_path, broker, sorting=sorting, limit_bytes=20_000)

    for number in range(900):
        outbox.put("task", {"n": number, "rank": number % 3 + 1, "call_id": f"call {number % 3 + 1}"})
        outbox.written(60) if number % 50 == 0 else None
    assert outbox.written(60)

    state = outbox.state()
    assert state.full
    assert 19_000 < state.bytes_used <= 20_000
    kept = [
        orjson.loads(line)["kwargs"]
        for path in outbox._journal.paths
        for line in path.read_bytes().splitlines()
    ]
    by_rank = [max(one["n"] for one in kept if one["rank"] == wanted) for wanted in (1, 2, 3)]
    assert by_rank == sorted(by_rank)
    assert by_rank[0] < by_rank[2] - 30
    assert len(kept) + state.dropped == 900
    assert caplog.text.count("the spool is full") == 1
    broker.failures = 0
    assert outbox.settle(60)
    outbox.put("task", {"n": 1000, "rank": 3})
    assert outbox.settle(60)
    assert sum(-n for n in broker.taken if n < 0) == state.dropped
    assert broker.taken[-1] == 1000
    end(outbox)


def test_what_the_disk_does_not_take_is_bounded_in_memory_as_well(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path / "file" / "spool", broker, limit_bytes=5_000)
    for number in range(1000):
        outbox.put("task", {"n": number})
    assert not outbox.written(60)

    assert outbox.state().bytes_used <= 5_000
    assert outbox.state().dropped > 500
    broker.failures = 0
    assert outbox.settle(60)
    assert outbox.state().bytes_used == 0
    end(outbox)


def test_what_was_dropped_without_a_disk_is_told_once_there_is_room_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    broker = Taker()
    broker.failures = 1_000_000
    told = Sorting(lost=lambda _call_id, count: ("tell", {"n": -count}))
    outbox = started(tmp_path / "file" / "spool", broker, sorting=told, limit_bytes=2_000)
    for number in range(100):
        outbox.put("task", {"n": number, "call_id": "call"})
        outbox.written(60)
    dropped = outbox.state().dropped
    assert dropped > 20

    broker.failures = 0
    assert outbox.settle(60)
    outbox.put("task", {"n": 1000})

    assert outbox.settle(60)
    assert broker.taken[-2:] == [-dropped, 1000]
    end(outbox)


def test_segments_that_are_done_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calls.lasting.journal.SEGMENT_BYTES", 500)
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path, broker)
    for number in range(100):
        outbox.put("task", {"n": number})
        outbox.written(60)
    assert len(outbox._journal.paths) > 5

    broker.failures = 0
    assert outbox.settle(60)

    assert broker.taken == list(range(100))
    assert len(outbox._journal.paths) == 1
    end(outbox)
    assert list(tmp_path.iterdir()) == []

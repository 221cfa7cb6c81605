"""Journals that are broken, full, emptied or gone: what the disk takes from the outbox, and what it must not."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from calls.lasting.journal import BROKEN
from calls.tests.lasting.broker import Taker, end, eventually, started

pytestmark = pytest.mark.usefixtures("no_pauses")


def test_broken_lines_are_put_aside_and_the_rest_is_published(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = [orjson.dumps({"task": "task", "kwargs": {"n": n}}) for n in range(3)]
    bad = [b"{nonsense", b"17", b'{"kwargs":{}}', b"\xff\xfe", b"{"]
    (tmp_path / "1-dead.jsonl").write_bytes(
        b"\n".join([good[0], *bad[:3], good[1], bad[3], good[2]]) + b"\n" + bad[4]
    )
    broker = Taker()

    outbox = started(tmp_path, broker)

    assert outbox.settle(60)
    assert broker.taken == [0, 1, 2]
    end(outbox)
    aside = tmp_path / BROKEN / "1-dead.txt"
    assert aside.read_bytes().split(b"\n")[:-1] == bad
    assert aside.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "1-dead.jsonl").exists()
    assert "put aside" in caplog.text
    assert "nonsense" not in caplog.text


def test_without_a_folder_the_memory_has_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    broker = Taker()
    broker.failures = 3
    outbox = started(tmp_path / "file" / "spool", broker)

    for number in range(5):
        outbox.put("task", {"n": number})

    assert outbox.flush(60)
    assert broker.taken == [0, 1, 2, 3, 4]
    assert "entries are kept in memory only" in caplog.text
    end(outbox)


def test_a_full_disk_keeps_nothing_from_the_workers_and_no_foreign_journal_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Taker()
    outbox = started(tmp_path, broker)
    assert outbox.written(60)
    with outbox._changed:
        (segment,) = outbox._journal._segments
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, segment.handle)
        os.close(full)
    (tmp_path / "1-dead.new").write_bytes(orjson.dumps({"task": "task", "kwargs": {"n": 1}}) + b"\n")
    (tmp_path / "1-dead.new").rename(tmp_path / "1-dead.jsonl")  # never there without its line

    outbox.put("task", {"n": 2})

    eventually(lambda: set(broker.taken) == {1, 2})
    assert outbox.settle(60)
    assert outbox.state().bytes_used == 0
    end(outbox)
    assert "the spool cannot be written" in caplog.text


def test_what_a_full_disk_took_a_half_of_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Taker()
    outbox = started(tmp_path, broker)
    assert outbox.written(60)
    really, halves = os.write, iter([True, False])

    def half(handle: int, content: Any) -> int:
        if not next(halves, True):
            raise OSError(28, "No space left on device")
        return really(handle, bytes(content)[:5])

    broker.failures = 1_000_000
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        outbox.put("task", {"n": 1})
        assert not outbox.written(60)
    outbox.put("task", {"n": 2})
    assert not outbox.written(60)  # the first one would die with the process

    assert [path.read_bytes() for path in outbox._journal.paths] == [b'{"task":"task","kwargs":{"n":2}}\n']
    broker.failures = 0
    assert outbox.settle(60)
    assert broker.taken == [1, 2]
    end(outbox)


def test_a_process_that_began_without_a_disk_takes_to_it_once_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path / "file" / "spool", broker)
    outbox.put("task", {"n": 1})
    assert not outbox.written(60)
    assert not outbox.state().well

    (tmp_path / "file").unlink()
    eventually(lambda: outbox._on_disk)
    outbox.put("task", {"n": 2})
    outbox.written(60)

    assert [path.read_bytes() for path in outbox._journal.paths] == [b'{"task":"task","kwargs":{"n":2}}\n']
    broker.failures = 0
    assert outbox.settle(60)
    assert broker.taken == [1, 2]
    assert outbox.state().well
    end(outbox)
    assert not outbox.state().works


@pytest.mark.parametrize("task", ["task", "alone"])
def test_a_journal_that_somebody_emptied_costs_its_entries_and_keeps_nobody_else_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, task: str
) -> None:
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path, broker)
    outbox.put(task, {"n": 1})
    assert outbox.written(60)
    (journal,) = outbox._journal.paths

    really = broker.send

    def emptied(*_: Any, **__: Any) -> None:
        """In the outbox's own thread: from ours it could come between its reading of the line and its handing over."""
        os.truncate(journal, 0)
        broker.failures, broker.send = 0, really  # type: ignore[method-assign]
        raise ConnectionError("the broker is away")

    broker.send = emptied  # type: ignore[method-assign]
    eventually(lambda: outbox.state().dropped == 1)
    outbox.put(task, {"n": 2})

    assert outbox.settle(60)
    assert broker.taken == [2]
    assert outbox.state().bytes_used == 0
    assert "cannot be read and are lost" in caplog.text
    end(outbox)
    assert list(tmp_path.iterdir()) == []


def test_the_journal_is_for_its_owner_only(tmp_path: Path) -> None:
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path / "spool", broker)
    outbox.put("task", {"n": 1})
    assert outbox.written(60)

    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in outbox._journal.paths] == [0o600]
    outbox.close(1)

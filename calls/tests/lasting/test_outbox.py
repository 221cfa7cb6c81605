"""The way to the broker: everything at least once, in order, nothing twice in one life, whatever breaks."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.lasting import outbox as module
from calls.lasting import waiting
from calls.lasting.broker import Broker, Receipts
from calls.lasting.journal import BROKEN
from calls.lasting.outbox import Outbox
from calls.lasting.sorting import Rank, Sorting

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def _no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FIRST_PAUSE_S", 0.001)
        patch.setattr(module, "LONGEST_PAUSE_S", 0.002)
        patch.setattr(module, "ADOPT_EVERY_S", 0.05)
        patch.setattr(waiting, "GATHER_S", 0.001)
        patch.setattr(module, "RECEIPTS_EVERY_S", 0.002)
        patch.setattr(module, "LAST_RECEIPTS_S", 0.2)
        yield


class Taker:
    """A broker and its workers: takes messages, unless it is to fail the next so many times, or hangs.

    What it took is done at once, unless ``keeps`` is set; it forgets what it has when told to.
    """

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.messages: list[list[int]] = []
        self.failures = 0
        self.hangs = threading.Event()
        self.hangs.set()
        self.keeps = False
        self.forgot = False
        self._inside: list[tuple[int, list[int]]] = []
        self._done: list[int] = []

    def send(self, task: str, kwargs: dict[str, Any], *, outbox: str, number: int) -> None:
        self.hangs.wait(20)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the broker is away")
        lines = kwargs["lines"].splitlines() if task == "many" else []
        numbers = [orjson.loads(line)["kwargs"]["n"] for line in lines] or [kwargs["n"]]
        self.messages.append(numbers)
        self._inside.append((number, numbers))
        if not self.keeps:
            self.work()

    def work(self) -> None:
        """Do all that is here."""
        for number, numbers in self._inside:
            self.taken += numbers
            self._done.append(number)
        self._inside = []

    def forget(self) -> None:
        """Lose everything, as a Redis that is started anew does."""
        self._inside, self._done, self.forgot = [], [], True

    def receipts(self, _outbox: str) -> Receipts:
        if self.failures:
            raise ConnectionError("the broker is away")
        done, self._done = self._done, []
        remembers, self.forgot = not self.forgot, False
        return Receipts(done, remembers)


SORTING = Sorting(together={"task"}, gathering="many", ahead={"ahead"})


def started(folder: Path, broker: Broker, **options: Any) -> Outbox:
    """An outbox at work."""
    outbox = Outbox(folder, broker, **{"sorting": SORTING, **options})
    outbox.start()
    return outbox


class Dead:
    """Nobody is there."""

    def send(self, _task: str, _kwargs: dict[str, Any], *, outbox: str, number: int) -> None:
        raise ConnectionError("dead")

    def receipts(self, _outbox: str) -> Receipts:
        raise ConnectionError("dead")


def die(outbox: Outbox) -> None:
    """What SIGKILL leaves: the locks are gone, the journal is as it was, and nothing is published any more."""
    with outbox._changed:
        outbox._broker = Dead()
        segments, outbox._journal._segments = outbox._journal._segments, []
        outbox._journal._current = None
        outbox._on_disk = False
        outbox._journal.done = lambda place: None  # type: ignore[method-assign]  # noqa: ARG005  # a receipt that is on its way
    for segment in segments:
        os.close(segment.handle)
    outbox.close()


def eventually(look: Callable[[], bool]) -> None:
    """Wait until it is so."""
    until = time.monotonic() + 10
    while not look():
        assert time.monotonic() < until
        time.sleep(0.01)


def first_times(numbers: list[int]) -> list[int]:
    """The numbers in the order in which each came first."""
    return list(dict.fromkeys(numbers))


def assert_nothing_twice_in_one_life(taken: list[int], lives: list[int]) -> None:
    """Each life of the process, by where it began, has handed over each number once."""
    for begin, end in zip(lives, [*lives[1:], len(taken)], strict=True):
        life = taken[begin:end]
        assert life == first_times(life)


STEPS = st.lists(
    st.sampled_from(
        ["put", "put", "put", "fail", "fail for long", "flush", "restart", "die", "die in a write", "forget"]
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=60)
def test_any_story_of_failures_and_deaths_publishes_everything_in_order(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, broker, put, lives = Path(name), Taker(), 0, [0]
        outbox = started(folder, broker)
        for step in steps:
            match step:
                case "put":
                    outbox.put("task", {"n": put})
                    put += 1
                case "fail":
                    broker.failures += 1
                case "fail for long":
                    broker.failures += 50
                case "flush":
                    broker.failures = 0
                    assert outbox.settle(10)
                case "forget":
                    broker.forget()
                case "restart":
                    outbox.close()
                    outbox = started(folder, broker)
                    lives.append(len(broker.taken))
                case _:
                    assert outbox.written(10)
                    (journal,) = outbox._journal.paths[-1:]
                    die(outbox)
                    if step == "die in a write":
                        with journal.open("ab") as file:
                            file.write(b'{"task":"task","kwargs":{"n":99')
                    outbox = started(folder, broker)
                    lives.append(len(broker.taken))
        broker.failures = 0
        assert outbox.settle(10)
        outbox.close()

        assert first_times(broker.taken) == list(range(put))
        if "forget" not in steps:
            assert_nothing_twice_in_one_life(broker.taken, lives)
        assert [path for path in folder.iterdir() if path.name != BROKEN] == []


def test_put_never_waits_for_the_broker_and_the_disk_has_it_meanwhile(tmp_path: Path) -> None:
    broker = Taker()
    broker.hangs.clear()
    outbox = started(tmp_path, broker)

    began = time.perf_counter()
    for number in range(100):
        outbox.put("task", {"n": number})
    took = time.perf_counter() - began

    assert took < 1.0
    assert outbox.written(5)  # while the broker still hangs with the first
    assert broker.taken == []
    assert len(outbox._journal.paths[0].read_bytes().splitlines()) == 100
    broker.hangs.set()
    assert outbox.settle(5)
    assert broker.taken == list(range(100))
    assert [path.read_bytes() for path in outbox._journal.paths] == [b""]
    outbox.close()


def test_what_json_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    outbox = started(tmp_path, Taker())

    with pytest.raises(TypeError):
        outbox.put("task", {"n": object()})

    outbox.close()


def test_a_process_that_lives_adopts_the_journal_of_one_that_died(tmp_path: Path) -> None:
    broker, elsewhere = Taker(), Taker()
    living, dying = started(tmp_path, broker), started(tmp_path, elsewhere)
    elsewhere.failures = 1_000_000
    dying.put("task", {"n": 7})
    assert dying.written(5)

    die(dying)

    eventually(lambda: broker.taken == [7])
    assert living.settle(5)
    living.close()
    assert list(tmp_path.iterdir()) == []


def test_the_journal_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    broker, elsewhere = Taker(), Taker()
    elsewhere.failures = 1_000_000
    owner = started(tmp_path, elsewhere)
    owner.put("task", {"n": 7})
    assert owner.written(5)
    other = started(tmp_path, broker)

    time.sleep(0.3)  # several looks

    assert broker.taken == []
    elsewhere.failures = 0
    assert owner.flush(5)
    for outbox in (owner, other):
        outbox.close()


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

    assert outbox.settle(5)
    assert broker.taken == [0, 1, 2]
    outbox.close()
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

    assert outbox.flush(5)
    assert broker.taken == [0, 1, 2, 3, 4]
    assert "entries are kept in memory only" in caplog.text
    outbox.close()


def test_a_full_disk_keeps_nothing_from_the_workers_and_no_foreign_journal_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Taker()
    outbox = started(tmp_path, broker)
    assert outbox.written(5)
    with outbox._changed:
        (segment,) = outbox._journal._segments
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, segment.handle)
        os.close(full)
    (tmp_path / "1-dead.jsonl").write_bytes(orjson.dumps({"task": "task", "kwargs": {"n": 1}}) + b"\n")

    outbox.put("task", {"n": 2})

    eventually(lambda: set(broker.taken) == {1, 2})
    assert outbox.settle(5)
    assert outbox.state().bytes_used == 0
    outbox.close()
    assert "the spool cannot be written" in caplog.text


def test_what_a_full_disk_took_a_half_of_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Taker()
    outbox = started(tmp_path, broker)
    assert outbox.written(5)
    really, halves = os.write, iter([True, False])

    def half(handle: int, content: Any) -> int:
        if not next(halves, True):
            raise OSError(28, "No space left on device")
        return really(handle, bytes(content)[:5])

    broker.failures = 1_000_000
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        outbox.put("task", {"n": 1})
        assert not outbox.written(5)
    outbox.put("task", {"n": 2})
    assert not outbox.written(5)  # the first one would die with the process

    assert [path.read_bytes() for path in outbox._journal.paths] == [b'{"task":"task","kwargs":{"n":2}}\n']
    broker.failures = 0
    assert outbox.settle(5)
    assert broker.taken == [1, 2]
    outbox.close()


def test_a_process_that_began_without_a_disk_takes_to_it_once_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path / "file" / "spool", broker)
    outbox.put("task", {"n": 1})
    assert not outbox.written(5)
    assert not outbox.state().well

    (tmp_path / "file").unlink()
    eventually(lambda: outbox._on_disk)
    outbox.put("task", {"n": 2})
    outbox.written(5)

    assert [path.read_bytes() for path in outbox._journal.paths] == [b'{"task":"task","kwargs":{"n":2}}\n']
    broker.failures = 0
    assert outbox.settle(5)
    assert broker.taken == [1, 2]
    assert outbox.state().well
    outbox.close()
    assert not outbox.state().works


@pytest.mark.parametrize("task", ["task", "alone"])
def test_a_journal_that_somebody_emptied_costs_its_entries_and_keeps_nobody_else_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, task: str
) -> None:
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path, broker)
    outbox.put(task, {"n": 1})
    assert outbox.written(5)
    (journal,) = outbox._journal.paths

    os.truncate(journal, 0)
    broker.failures = 0
    eventually(lambda: outbox.state().dropped == 1)
    outbox.put(task, {"n": 2})

    assert outbox.settle(5)
    assert broker.taken == [2]
    assert outbox.state().bytes_used == 0
    assert "cannot be read and are lost" in caplog.text
    outbox.close()
    assert list(tmp_path.iterdir()) == []


# Done, and not only handed over


def test_an_entry_stays_on_disk_until_a_worker_has_done_it(tmp_path: Path) -> None:
    broker = Taker()
    broker.keeps = True
    outbox = started(tmp_path, broker)
    outbox.put("task", {"n": 1})
    assert outbox.flush(5)

    assert not outbox.settle(0.05)
    assert outbox.state().unconfirmed == 1
    assert outbox._journal.paths[0].read_bytes()
    broker.work()
    assert outbox.settle(5)
    assert outbox._journal.paths[0].read_bytes() == b""
    outbox.close()


def test_a_broker_that_forgot_what_it_had_is_given_it_again_in_order(tmp_path: Path) -> None:
    broker = Taker()
    broker.keeps = True
    outbox = started(tmp_path, broker)
    for number in range(3):
        outbox.put("task", {"n": number})
        assert outbox.flush(5)

    broker.forget()
    eventually(lambda: len(broker.messages) == 6)
    broker.work()

    assert outbox.settle(5)
    assert broker.taken == [0, 1, 2]
    outbox.close()


def test_what_nobody_calls_done_is_handed_over_again_and_ever_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AGAIN_AFTER_S", 0.01)
    broker = Taker()
    broker.keeps = True
    outbox = started(tmp_path, broker)
    outbox.put("task", {"n": 1})

    eventually(lambda: len(broker.messages) >= 3)

    with outbox._changed:
        (handed,) = outbox._waiting._handed.values()
        assert handed.due_at - time.monotonic() > 0.02
    broker.work()
    assert outbox.settle(5)
    outbox.close()


def test_what_a_killed_process_had_handed_over_is_handed_over_by_the_next(tmp_path: Path) -> None:
    lost, broker = Taker(), Taker()
    lost.keeps = True
    dying = started(tmp_path, lost)
    dying.put("task", {"n": 1})
    assert dying.flush(5)
    die(dying)

    heir = started(tmp_path, broker)

    assert heir.settle(5)
    assert broker.taken == [1]
    heir.close()


# Together, and ahead


def test_small_records_travel_together_and_nobody_overtakes_but_what_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "GATHER_S", 30.0)
    broker = Taker()
    outbox = started(tmp_path, broker)
    for number, task in enumerate(["task", "task", "alone", "task", "ahead"]):
        if task == "alone":
            broker.hangs.clear()
        outbox.put(task, {"n": number})
    assert outbox.written(5)
    broker.hangs.set()

    assert outbox.flush(5)  # does not wait until more has gathered
    assert first_times([min(one) for one in broker.messages if one != [4]]) == [0, 2, 3]
    assert sorted(broker.taken) == [0, 1, 2, 3, 4]
    assert broker.messages.index([4]) < broker.messages.index([3])
    outbox.close()


def test_a_message_holds_no_more_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "GATHER_MOST", 10)
    broker = Taker()
    outbox = started(tmp_path, broker)
    for number in range(95):
        outbox.put("task", {"n": number})

    assert outbox.settle(5)
    assert max(len(one) for one in broker.messages) <= 10
    assert broker.taken == list(range(95))
    outbox.close()


def test_what_was_tried_for_an_hour_goes_to_whoever_takes_records_of_every_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AGAIN_AFTER_S", 0.0001)
    broker = Taker()
    broker.keeps = True
    sent: list[str] = []
    really = broker.send

    def send(task: str, kwargs: dict[str, Any], **options: Any) -> None:
        sent.append(task)
        really(task, kwargs, **options)

    monkeypatch.setattr(broker, "send", send)
    outbox = started(tmp_path, broker)
    outbox.put("a task that is gone", {"n": 1})

    eventually(lambda: "many" in sent)

    assert sent[: sent.index("many")] == ["a task that is gone"] * waiting.GATHER_AFTER_TRIES
    broker.work()
    assert outbox.settle(5)
    outbox.close()


# The limit


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
        outbox.written(5) if number % 50 == 0 else None
    assert outbox.written(5)

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
    assert outbox.settle(5)
    outbox.put("task", {"n": 1000, "rank": 3})
    assert outbox.settle(5)
    assert sum(-n for n in broker.taken if n < 0) == state.dropped
    assert broker.taken[-1] == 1000
    outbox.close()


def test_what_the_disk_does_not_take_is_bounded_in_memory_as_well(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path / "file" / "spool", broker, limit_bytes=5_000)
    for number in range(1000):
        outbox.put("task", {"n": number})
    assert not outbox.written(5)

    assert outbox.state().bytes_used <= 5_000
    assert outbox.state().dropped > 500
    broker.failures = 0
    assert outbox.settle(5)
    assert outbox.state().bytes_used == 0
    outbox.close()


def test_what_was_dropped_without_a_disk_is_told_once_there_is_room_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    broker = Taker()
    broker.failures = 1_000_000
    told = Sorting(lost=lambda _call_id, count: ("tell", {"n": -count}))
    outbox = started(tmp_path / "file" / "spool", broker, sorting=told, limit_bytes=2_000)
    for number in range(100):
        outbox.put("task", {"n": number, "call_id": "call"})
        outbox.written(5)
    dropped = outbox.state().dropped
    assert dropped > 20

    broker.failures = 0
    assert outbox.settle(5)
    outbox.put("task", {"n": 1000})

    assert outbox.settle(5)
    assert broker.taken[-2:] == [-dropped, 1000]
    outbox.close()


def test_segments_that_are_done_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calls.lasting.journal.SEGMENT_BYTES", 500)
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path, broker)
    for number in range(100):
        outbox.put("task", {"n": number})
        outbox.written(5)
    assert len(outbox._journal.paths) > 5

    broker.failures = 0
    assert outbox.settle(5)

    assert broker.taken == list(range(100))
    assert len(outbox._journal.paths) == 1
    outbox.close()
    assert list(tmp_path.iterdir()) == []


def test_the_journal_is_for_its_owner_only(tmp_path: Path) -> None:
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path / "spool", broker)
    outbox.put("task", {"n": 1})
    assert outbox.written(5)

    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in outbox._journal.paths] == [0o600]
    outbox.close(1)


def test_close_gives_up_after_its_time_and_leaves_the_rest_for_the_next(tmp_path: Path) -> None:
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path, broker)
    outbox.put("task", {"n": 1})
    outbox.close(2)
    assert not outbox._publisher.is_alive()

    broker.failures = 0
    heir = started(tmp_path, broker)

    assert heir.flush(5)
    assert broker.taken == [1]
    heir.close()


CHILD = """
import sys, time
from pathlib import Path
from calls.lasting.outbox import Outbox

class Away:
    def send(self, *_, **__):
        raise ConnectionError

outbox = Outbox(Path(sys.argv[1]) / "spool", Away())
outbox.start()
for n in range(int(sys.argv[2]), int(sys.argv[3])):
    outbox.put("task", {"n": n})
    if n % 10 == 9:
        outbox.written(5)
        print(n, flush=True)
time.sleep(60)
"""


def test_a_process_that_is_really_killed_loses_nothing_that_was_written(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(first), str(first + 40)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in (0, 100)
    ]
    for child in children:
        assert child.stdout is not None
        assert [child.stdout.readline().strip() for _ in range(3)][-1].endswith("29")
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    broker = Taker()

    heir = started(tmp_path / "spool", broker)

    assert heir.flush(5)
    heir.close()
    for first in (0, 100):
        ours = [n for n in broker.taken if first <= n < first + 40]
        assert ours[:30] == list(range(first, first + 30))
        assert ours == sorted(ours)

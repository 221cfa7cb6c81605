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

from calls import outbox as module
from calls.outbox import Outbox

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, scope="module")
def _no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FIRST_PAUSE_S", 0.001)
        patch.setattr(module, "LONGEST_PAUSE_S", 0.002)
        patch.setattr(module, "ADOPT_EVERY_S", 0.05)
        yield


class Broker:
    """Takes tasks, unless it is to fail the next so many times, or hangs."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.failures = 0
        self.hangs = threading.Event()
        self.hangs.set()

    def publish(self, _task: str, kwargs: dict[str, Any]) -> None:
        self.hangs.wait(20)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the broker is away")
        self.taken.append(kwargs["n"])


def started(folder: Path, broker: Broker) -> Outbox:
    """An outbox at work."""
    outbox = Outbox(folder, broker.publish)
    outbox.start()
    return outbox


def die(outbox: Outbox) -> None:
    """What SIGKILL leaves: the lock is gone, the journal is as it was, and nothing is published any more."""

    def dead(_task: str, _kwargs: dict[str, Any]) -> None:
        raise ConnectionError("dead")

    with outbox._changed:
        journal, outbox._journal = outbox._journal, None
        outbox._publish = dead
    if journal is not None:
        journal.close()
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


STEPS = st.lists(
    st.sampled_from(
        ["put", "put", "put", "fail", "fail for long", "flush", "restart", "die", "die in a write"]
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=60)
def test_any_story_of_failures_and_deaths_publishes_everything_in_order(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, broker, put, lives = Path(name), Broker(), 0, [0]
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
                    assert outbox.flush(10)
                case "restart":
                    outbox.close()
                    outbox = started(folder, broker)
                    lives.append(len(broker.taken))
                case _:
                    assert outbox.written(10)
                    journal = outbox._path
                    die(outbox)
                    if step == "die in a write":
                        with journal.open("ab") as file:
                            file.write(b'{"task":"task","kwargs":{"n":99')
                    outbox = started(folder, broker)
                    lives.append(len(broker.taken))
        broker.failures = 0
        assert outbox.flush(10)
        outbox.close()

        assert first_times(broker.taken) == list(range(put))
        for begin, end in zip(lives, [*lives[1:], len(broker.taken)], strict=True):
            life = broker.taken[begin:end]
            assert life == first_times(life)
        assert list(folder.iterdir()) == []


def test_put_never_waits_for_the_broker_and_the_disk_has_it_meanwhile(tmp_path: Path) -> None:
    broker = Broker()
    broker.hangs.clear()
    outbox = started(tmp_path, broker)

    began = time.perf_counter()
    for number in range(100):
        outbox.put("task", {"n": number})
    took = time.perf_counter() - began

    assert took < 1.0
    assert outbox.written(5)  # while the broker still hangs with the first
    assert broker.taken == []
    assert len(outbox._path.read_bytes().splitlines()) == 100
    broker.hangs.set()
    assert outbox.flush(5)
    assert broker.taken == list(range(100))
    assert outbox._path.read_bytes() == b""
    outbox.close()


def test_what_json_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    outbox = started(tmp_path, Broker())

    with pytest.raises(TypeError):
        outbox.put("task", {"n": object()})

    outbox.close()


def test_a_process_that_lives_adopts_the_journal_of_one_that_died(tmp_path: Path) -> None:
    broker, elsewhere = Broker(), Broker()
    living, dying = started(tmp_path, broker), started(tmp_path, elsewhere)
    elsewhere.failures = 1_000_000
    dying.put("task", {"n": 7})
    assert dying.written(5)

    die(dying)

    eventually(lambda: broker.taken == [7])
    living.close()
    assert list(tmp_path.iterdir()) == []


def test_the_journal_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    broker, elsewhere = Broker(), Broker()
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


def test_broken_lines_are_left_out_and_the_rest_is_published(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = [orjson.dumps({"task": "task", "kwargs": {"n": n}}) for n in range(3)]
    (tmp_path / "1-dead.jsonl").write_bytes(
        b"\n".join([good[0], b"{nonsense", b"17", b'{"kwargs":{}}', good[1], b"\xff\xfe", good[2]]) + b"\n{"
    )
    broker = Broker()

    outbox = started(tmp_path, broker)

    assert outbox.flush(5)
    assert broker.taken == [0, 1, 2]
    outbox.close()
    assert caplog.text.count("a broken line in a journal was left out") == 5


def test_without_a_folder_the_memory_has_to_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    broker = Broker()
    broker.failures = 3
    outbox = started(tmp_path / "file" / "spool", broker)

    for number in range(5):
        outbox.put("task", {"n": number})

    assert outbox.flush(5)
    assert broker.taken == [0, 1, 2, 3, 4]
    assert "entries are kept in memory only" in caplog.text
    outbox.close()


def test_a_full_disk_keeps_nothing_from_the_broker_and_no_foreign_journal_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = orjson.dumps({"task": "task", "kwargs": {"n": 1}}) + b"\n"
    broker = Broker()
    outbox = started(tmp_path, broker)
    assert outbox.written(5)
    with outbox._changed:
        assert outbox._journal is not None
        outbox._journal.close()
        outbox._journal = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115 - closed with the outbox
    (tmp_path / "1-dead.jsonl").write_bytes(line)

    outbox.put("task", {"n": 2})

    eventually(lambda: {1, 2} <= set(broker.taken))
    outbox.close()
    assert "the spool cannot be written" in caplog.text
    assert (tmp_path / "1-dead.jsonl").read_bytes() == line


def test_close_gives_up_after_its_time_and_leaves_the_rest_for_the_next(tmp_path: Path) -> None:
    broker = Broker()
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
from calls.outbox import Outbox

def publish(task, kwargs):
    if (Path(sys.argv[1]) / "away").exists():
        raise ConnectionError
    with (Path(sys.argv[1]) / "published").open("a") as file:
        file.write(f"{kwargs['n']}\\n")

outbox = Outbox(Path(sys.argv[1]) / "spool", publish)
outbox.start()
for n in range(int(sys.argv[2]), int(sys.argv[3])):
    outbox.put("task", {"n": n})
    if n % 10 == 9:
        outbox.written(5)
        print(n, flush=True)
print("done" if outbox.flush(5) else "not yet", flush=True)
time.sleep(60)
"""


def test_a_process_that_is_really_killed_loses_nothing_that_was_written(tmp_path: Path) -> None:
    (tmp_path / "away").touch()
    children = [
        subprocess.Popen(  # noqa: S603 - ourselves
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
    (tmp_path / "away").unlink()
    broker = Broker()

    heir = started(tmp_path / "spool", broker)

    assert heir.flush(5)
    heir.close()
    for first in (0, 100):
        ours = [n for n in broker.taken if first <= n < first + 40]
        assert ours[:30] == list(range(first, first + 30))
        assert ours == sorted(ours)

"""The way to the broker: everything at least once, in order, nothing twice in one life, whatever breaks."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.lasting.journal import BROKEN
from calls.lasting.outbox import Outbox
from calls.tests.lasting.broker import SORTING, Taker, die, end, eventually, first_times, started

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.usefixtures("no_pauses")


def assert_nothing_twice_in_one_life(taken: list[int], lives: list[int]) -> None:
    """Each life of the process, by where it began, has handed over each number once."""
    for begin, until in zip(lives, [*lives[1:], len(taken)], strict=True):
        life = taken[begin:until]
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
                    assert outbox.settle(60)
                case "forget":
                    broker.forget()
                case "restart":
                    end(outbox)
                    lives.append(len(broker.taken))
                    outbox = started(folder, broker)
                case _:
                    assert outbox.written(60)
                    (journal,) = outbox._journal.paths[-1:]
                    die(outbox)
                    if step == "die in a write":
                        with journal.open("ab") as file:
                            file.write(b'{"task":"task","kwargs":{"n":99')
                    lives.append(len(broker.taken))
                    outbox = started(folder, broker)
        broker.failures = 0
        assert outbox.settle(60)
        end(outbox)

        assert first_times(broker.taken) == list(range(put))
        if "forget" not in steps:
            assert_nothing_twice_in_one_life(broker.taken, lives)
        assert [path for path in folder.iterdir() if path.name != BROKEN] == []


def test_put_never_waits_for_the_broker_and_the_disk_has_it_meanwhile(tmp_path: Path) -> None:
    broker = Taker()
    broker.hangs.clear()
    outbox = started(tmp_path, broker)

    for number in range(100):
        outbox.put("task", {"n": number})

    assert not broker.hangs.is_set()
    assert outbox.written(60)  # while the broker still hangs with the first
    assert broker.taken == []
    assert len(outbox._journal.paths[0].read_bytes().splitlines()) == 100
    broker.hangs.set()
    assert outbox.settle(60)
    assert broker.taken == list(range(100))
    assert [path.read_bytes() for path in outbox._journal.paths] == [b""]
    end(outbox)


def test_what_json_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    outbox = started(tmp_path, Taker())

    with pytest.raises(TypeError):
        outbox.put("task", {"n": object()})

    end(outbox)


def test_a_process_that_lives_adopts_the_journal_of_one_that_died(tmp_path: Path) -> None:
    broker, elsewhere = Taker(), Taker()
    living, dying = started(tmp_path, broker), started(tmp_path, elsewhere)
    elsewhere.failures = 1_000_000
    dying.put("task", {"n": 7})
    assert dying.written(60)

    die(dying)

    eventually(lambda: broker.taken == [7])
    assert living.settle(60)
    end(living)
    assert list(tmp_path.iterdir()) == []


def test_the_journal_of_a_process_that_lives_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, elsewhere = Taker(), Taker()
    elsewhere.failures = 1_000_000
    owner = started(tmp_path, elsewhere)
    owner.put("task", {"n": 7})
    assert owner.written(60)
    other, looks = Outbox(tmp_path, broker, SORTING), list[None]()
    really = other._adopt
    monkeypatch.setattr(other, "_adopt", lambda: looks.append(really()))
    other.start()

    eventually(lambda: len(looks) > 5)

    assert broker.taken == []
    elsewhere.failures = 0
    assert owner.flush(60)
    for outbox in (owner, other):
        end(outbox)


def test_close_gives_up_after_its_time_and_leaves_the_rest_for_the_next(tmp_path: Path) -> None:
    broker = Taker()
    broker.failures = 1_000_000
    outbox = started(tmp_path, broker)
    outbox.put("task", {"n": 1})
    outbox.close(2)
    outbox._publisher.join(60)
    assert not outbox._publisher.is_alive()

    broker.failures = 0
    heir = started(tmp_path, broker)

    assert heir.flush(60)
    assert broker.taken == [1]
    end(heir)


def test_whoever_comes_to_an_end_adopts_no_journal_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not its own either: the thread that would let go of it has ended, and nobody else could ever take it."""
    monkeypatch.setattr("calls.lasting.outbox.ADOPT_EVERY_S", 0.0)
    broker = Taker()
    broker.failures = 1_000_000
    ending = started(tmp_path, broker)
    ending.put("task", {"n": 1})
    assert ending.written(60)
    really = ending._sync

    def slowly() -> None:
        really()
        if ending._closing:
            ending._publisher.join(60)

    monkeypatch.setattr(ending, "_sync", slowly)
    end(ending)
    broker.failures = 0
    heir = started(tmp_path, broker)

    assert heir.flush(60)
    assert broker.taken == [1]
    end(heir)


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
        outbox.written(60)
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

    assert heir.flush(60)
    end(heir)
    for first in (0, 100):
        ours = [n for n in broker.taken if first <= n < first + 40]
        assert ours[:30] == list(range(first, first + 30))
        assert ours == sorted(ours)

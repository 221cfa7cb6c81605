"""What was handed over is kept until a worker has done it."""

from pathlib import Path

import pytest

from calls.lasting import waiting
from calls.tests.lasting.broker import Taker, die, end, eventually, started

pytestmark = pytest.mark.usefixtures("no_pauses")


def test_an_entry_stays_on_disk_until_a_worker_has_done_it(tmp_path: Path) -> None:
    broker = Taker()
    broker.keeps = True
    outbox = started(tmp_path, broker)
    outbox.put("task", {"n": 1})
    assert outbox.flush(60)

    assert not outbox.settle(0.05)
    assert outbox.state().unconfirmed == 1
    assert outbox._journal.paths[0].read_bytes()
    broker.work()
    assert outbox.settle(60)
    assert outbox._journal.paths[0].read_bytes() == b""
    end(outbox)


def test_a_broker_that_forgot_what_it_had_is_given_it_again_in_order(tmp_path: Path) -> None:
    broker = Taker()
    broker.keeps = True
    outbox = started(tmp_path, broker)
    for number in range(3):
        outbox.put("task", {"n": number})
        assert outbox.flush(60)

    broker.forget()
    eventually(lambda: len(broker.messages) == 6)
    broker.work()

    assert outbox.settle(60)
    assert broker.taken == [0, 1, 2]
    end(outbox)


def test_what_nobody_calls_done_is_handed_over_again_and_ever_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AGAIN_AFTER_S", 0.01)
    waits: list[float] = []
    really = waiting.Waiting.sent

    def sent(self: waiting.Waiting, message: waiting.Message, number: int, now: float) -> None:
        really(self, message, number, now)
        waits.append(self._handed[number].due_at - now)

    monkeypatch.setattr(waiting.Waiting, "sent", sent)
    broker = Taker()
    broker.keeps = True
    outbox = started(tmp_path, broker)
    outbox.put("task", {"n": 1})

    eventually(lambda: len(waits) >= 3)

    assert waits[:3] == pytest.approx([0.01, 0.02, 0.04])
    assert len(broker.messages) >= 3
    broker.work()
    assert outbox.settle(60)
    end(outbox)


def test_what_a_killed_process_had_handed_over_is_handed_over_by_the_next(tmp_path: Path) -> None:
    lost, broker = Taker(), Taker()
    lost.keeps = True
    dying = started(tmp_path, lost)
    dying.put("task", {"n": 1})
    assert dying.flush(60)
    die(dying)

    heir = started(tmp_path, broker)

    assert heir.settle(60)
    assert broker.taken == [1]
    end(heir)

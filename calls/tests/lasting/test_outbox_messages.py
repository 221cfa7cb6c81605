"""Records that travel together, and those that go ahead."""

from pathlib import Path
from typing import Any

import pytest

from calls.lasting import waiting
from calls.tests.lasting.broker import Taker, end, eventually, first_times, started

pytestmark = pytest.mark.usefixtures("no_pauses")


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
    assert outbox.written(60)
    broker.hangs.set()

    assert outbox.flush(60)  # does not wait until more has gathered
    assert first_times([min(one) for one in broker.messages if one != [4]]) == [0, 2, 3]
    assert sorted(broker.taken) == [0, 1, 2, 3, 4]
    assert broker.messages.index([4]) < broker.messages.index([3])
    end(outbox)


def test_a_message_holds_no_more_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "GATHER_MOST", 10)
    broker = Taker()
    outbox = started(tmp_path, broker)
    for number in range(95):
        outbox.put("task", {"n": number})

    assert outbox.settle(60)
    assert max(len(one) for one in broker.messages) <= 10
    assert broker.taken == list(range(95))
    end(outbox)


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
    assert outbox.settle(60)
    end(outbox)

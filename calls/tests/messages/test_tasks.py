"""Celery's side: calls for which no thread is free are not forgotten until the next look around."""

import uuid
from collections.abc import Iterator

import pytest
import redis

from calls.messages import outbox, passing_sending, sending, services, tasks
from calls.passing.telling import BEGIN


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """The calls whose messages are sent, in their order."""
    found: list[uuid.UUID] = []
    monkeypatch.setattr(sending, "lane_send", found.append)
    return found


@pytest.fixture
def taken() -> Iterator[None]:
    """Nobody has a thread to spare."""
    n = 0
    while tasks._lanes.acquire(blocking=False):
        n += 1
    yield
    for _ in range(n):
        tasks._lanes.release()


def test_whoever_comes_to_an_end_goes_on_with_the_calls_that_were_left(
    sent: list[uuid.UUID], taken: None
) -> None:
    left = [uuid.uuid4() for _ in range(3)]
    for one in (*left, left[0]):
        tasks.lane_send(call_id=str(one))
    assert sent == []

    tasks._lanes.release()
    last = uuid.uuid4()
    tasks.lane_send(call_id=str(last))
    assert tasks._lanes.acquire(blocking=False)

    assert sent == [last, *left]
    assert tasks._left == {}


def test_no_more_calls_are_left_than_can_be_remembered(
    sent: list[uuid.UUID], taken: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_MOST_LEFT", 1)
    monkeypatch.setattr(tasks, "_left", {})
    one = uuid.uuid4()

    tasks.lane_send(call_id=str(one))
    tasks.lane_send(call_id=str(uuid.uuid4()))

    assert list(tasks._left) == [one]


def test_a_queue_that_nobody_takes_from_does_not_grow_and_the_next_look_goes_on(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    due = [uuid.uuid4() for _ in range(3)]
    asked: list[str] = []
    monkeypatch.setattr(tasks, "MOST_QUEUED", 2)
    monkeypatch.setattr(outbox, "lanes_due", lambda **_: due)
    monkeypatch.setattr(services, "calls_untold", lambda **_: [])
    monkeypatch.setattr(services, "messages_notice", lambda *_, **__: due)
    monkeypatch.setattr(
        tasks.lane_send, "apply_async", lambda *, kwargs, **_: asked.append(kwargs["call_id"])
    )

    tasks.messages_notice(call_ids=[])
    assert asked == [str(one) for one in due[:2]]

    redis_client.rpush("messages", *asked)
    tasks.messages_go_on()
    assert asked == [str(one) for one in due[:2]]

    redis_client.lpop("messages")
    tasks.messages_go_on()
    assert asked == [str(one) for one in (*due[:2], due[0])]


def test_where_a_call_asks_for_a_sender_two_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []

    class Senders:
        def begin(self) -> bool:
            begun.append(True)
            return True

    monkeypatch.setattr(passing_sending, "senders", Senders())

    tasks.passing_begin()

    assert len(begun) == 2
    assert tasks.passing_begin.name == BEGIN

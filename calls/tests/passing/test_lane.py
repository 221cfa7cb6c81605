"""The way of messages in passing through Redis: short, one sender for a call, and never behind what is final."""

import threading
import time
import uuid
from types import SimpleNamespace

import pytest
import redis

from calls.passing import lane

ONE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)

pytestmark = pytest.mark.usefixtures("redis_client")


def test_the_call_that_has_waited_longest_comes_first_and_each_once() -> None:
    lane.put([(ONE, {"n": 1})])
    lane.put([(OTHER, {"n": 2}), (ONE, {"n": 3})])

    assert [lane.next_call(within_s=0.1), lane.next_call(within_s=0.1)] == [ONE, OTHER]
    assert lane.waits() == 0
    assert lane.taken(ONE) == [{"n": 1}, {"n": 3}]
    assert lane.taken(ONE) == []


def test_of_a_call_that_nobody_sends_for_the_newest_are_kept(redis_client: "redis.Redis") -> None:
    lane.put([(ONE, {"n": n}) for n in range(lane.MOST_WAITING + 7)])

    assert lane.taken(ONE)[0] == {"n": 7}
    lane.put([(ONE, {"n": 1})])
    assert all(redis_client.ttl(one) > 0 for one in redis_client.scan_iter("*passing*"))


def test_somebody_is_needed_where_nobody_sends_or_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(lane, "time", SimpleNamespace(time=lambda: now))  # or the call has waited for long
    assert lane.put([(ONE, {})])
    lane.alive("a")
    assert not lane.put([(ONE, {})])
    assert lane.put([(uuid.uuid4(), {}) for _ in range(12)])
    lane.alive("a", yes=False)
    assert lane.put([(ONE, {})])


def test_somebody_is_needed_for_a_call_that_has_waited_whoever_says_that_they_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lane.alive("died since")
    assert not lane.put([(ONE, {})])

    later = time.time() + 3
    monkeypatch.setattr(lane, "time", SimpleNamespace(time=lambda: later))

    assert lane.put([(OTHER, {})])


def test_nobody_is_asked_for_while_nobody_takes_up_what_is_asked(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "MOST_QUEUED", 1)
    assert lane.put([(ONE, {})])

    redis_client.rpush(lane.QUEUE, "a task")

    assert not lane.put([(ONE, {})])


def test_one_alone_sends_for_a_call_and_what_came_meanwhile_is_for_the_next(
    redis_client: "redis.Redis",
) -> None:
    lane.put([(ONE, {"n": 1})])
    assert lane.next_call(within_s=0.1) == ONE
    assert lane.lock(ONE, "a")
    assert not lane.lock(ONE, "b")
    lane.taken(ONE)
    lane.put([(ONE, {"n": 2})])
    assert lane.next_call(within_s=0.1) == ONE  # whoever takes it up finds it locked

    lane.unlock(ONE, "b")  # whose it is not
    assert not lane.lock(ONE, "b")
    lane.unlock(ONE, "a")

    assert all(redis_client.ttl(one) > 0 for one in redis_client.scan_iter("*passing*"))
    assert lane.next_call(within_s=0.1) == ONE
    assert lane.lock(ONE, "b")
    assert lane.taken(ONE) == [{"n": 2}]


def test_no_partial_text_goes_once_the_final_one_is_on_its_way() -> None:
    assert lane.goes_first(ONE, "a")
    lane.went(ONE)

    lane.finish(ONE, "a", within_s=0)

    assert not lane.goes_first(ONE, "a")
    assert lane.goes_first(ONE, "b")
    assert lane.goes_first(OTHER, "a")


def test_a_final_text_waits_for_the_partial_one_that_is_on_its_way_and_for_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = threading.Event()

    def pause(seconds: float) -> None:
        looked.set()
        time.sleep(seconds)

    monkeypatch.setattr(lane, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pause))
    lane.goes_first(ONE, "b")
    lane.finish(ONE, "a", within_s=60)
    assert not looked.is_set()
    waits = threading.Thread(target=lane.finish, args=(ONE, "b"), kwargs={"within_s": 60})
    waits.start()
    assert looked.wait(60)
    assert waits.is_alive()

    lane.went(ONE)

    waits.join(60)
    assert not waits.is_alive()


def test_a_server_is_left_alone_for_as_long_as_was_said() -> None:
    lane.rest("slow.example", 30)

    assert lane.rests("slow.example")
    assert not lane.rests("quick.example")

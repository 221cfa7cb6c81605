"""Processes that are taken out of service, and the calls that they had."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings
from redis import Redis

from assistants.tests.factories import make_assistant
from calls import consumers
from calls.draining import here, registry
from calls.draining.here import Instance, carried, instance_name
from calls.draining.registry import Heartbeat, Seen, drain_order, drain_revoke, instances
from calls.lines.after import GoesOn, call_after_stream
from calls.management.commands import drain
from calls.models import Call
from calls.services import token_mint
from calls.tests.factories import make_call
from calls.tests.stage import CALL_ID, Stage, playing, stage
from tools.shared_state import key, store

__all__ = ["stage"]


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """This process, in service and without calls."""
    made = Instance()
    for module in (here, registry, consumers):
        monkeypatch.setattr(module, "INSTANCE", made)
    yield made
    made.stop()


@pytest.fixture
def beat(settings: Settings, redis_client: Redis) -> Heartbeat:
    """The heartbeat of this process, which beats when it is told to."""
    settings.INSTANCE_NAME = "media-1"
    return Heartbeat()


def test_streams_are_counted_while_they_last(instance: Instance) -> None:
    counts = [instance.live]
    with carried(), carried():
        counts.append(instance.live)
    counts.append(instance.live)

    assert counts == [0, 2, 0]


def test_whom_a_balancer_still_sends_is_served_for_a_moment(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = [instance.begin(), instance.begin()]

    assert begun == [True, False]  # the second is no news
    told = [(instance.draining, instance.refusing)]
    monkeypatch.setattr(here, "LINGER_S", 0.0)
    told.append((instance.draining, instance.refusing))
    instance.stop()
    told.append((instance.draining, instance.refusing))

    assert told == [(True, False), (True, True), (False, False)]


def test_a_process_has_a_name_of_its_own_unless_it_is_given_one() -> None:
    assert instance_name("media-1") == "media-1"
    assert instance_name().rpartition("-")[2].isdecimal()


def test_a_process_tells_of_itself_and_follows_an_order(instance: Instance, beat: Heartbeat) -> None:
    with carried():
        beat.beat(store())
        (seen,) = instances(store())
        assert (seen.name, seen.live, seen.draining) == ("media-1", 1, False)

        drain_order(store(), "media-1")
        beat.beat(store())
        assert instance.draining

        drain_revoke(store(), "media-1")
        beat.beat(store())
        assert not instance.draining


def test_an_order_for_the_process_before_is_not_for_its_successor(
    instance: Instance, beat: Heartbeat
) -> None:
    drain_order(store(), "media-1")

    beat.beat(store())
    beat.beat(store())

    assert not instance.draining


def test_what_a_signal_began_is_not_undone_by_silence(instance: Instance, beat: Heartbeat) -> None:
    instance.begin()

    beat.beat(store())
    beat.beat(store())

    assert instance.draining


def test_who_was_not_heard_of_for_long_and_what_cannot_be_read_is_left_out(beat: Heartbeat) -> None:
    name = key("instances")
    store().hset(name, "old", json.dumps({"name": "old", "live": 3, "draining": False, "at": 1.0}))
    store().hset(name, "new", json.dumps({"another": "release"}))
    store().hset(name, "broken", "{")

    assert instances(store()) == []


@pytest.mark.django_db
def test_a_process_that_drains_is_not_ready(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    made = Instance()
    monkeypatch.setattr("config.health.INSTANCE", made)
    made.begin()

    answer = Client().get("/readyz")
    made.stop()

    assert answer.status_code == 503
    assert answer.json()["status"] == "draining"
    assert Client().get("/healthz").status_code == 200


# The stream that comes too late ----------------------------------------------------------------------------------


async def test_a_stream_that_comes_too_late_is_turned_away_before_it_is_open(
    stage: Stage, settings: Settings, instance: Instance, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here, "LINGER_S", 0.0)
    instance.begin()

    async with playing(stage, settings):
        pass

    assert [message["type"] for message in stage.sent] == ["websocket.close"]
    assert registry.was_turned_away(CALL_ID)


@pytest.mark.django_db
@pytest.mark.parametrize("turned_away", [True, False])
def test_a_caller_who_was_turned_away_is_given_another_stream(
    redis_client: Redis,
    turned_away: bool,
) -> None:
    assistant = make_assistant(published=True)
    call = make_call(
        status=Call.Status.RINGING,
        started_at=None,
        ended_at=None,
        ended_reason="",
        assistant=assistant,
        version=assistant.live_version,
    )
    token = token_mint(call)
    if turned_away:
        registry.stream_turned_away(call.id)

    follows = call_after_stream(call_sid=call.call_sid)

    assert (follows == GoesOn(call.id, token)) is turned_away


# The command -----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str]:
    out, status = StringIO(), 0
    try:
        call_command("drain", *arguments, stdout=out)
    except SystemExit as exc:
        status = int(str(exc.code))
    return status, out.getvalue()


class Others:
    """Processes elsewhere, as the command finds them at each look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: list[Seen]) -> None:
        self._looks = list(looks)
        monkeypatch.setattr(drain, "instances", self.look)
        monkeypatch.setattr(drain, "LOOK_EVERY_S", 0.0)

    def look(self, _client: Any) -> list[Seen]:
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]


def seen(name: str, live: int, *, draining: bool) -> Seen:
    return Seen(name, live, draining, 0.0)


def test_the_command_waits_until_the_last_call_is_over(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    Others(
        monkeypatch,
        [seen("a", 2, draining=False), seen("b", 9, draining=False)],
        [seen("a", 2, draining=False), seen("b", 9, draining=False)],
        [seen("a", 1, draining=True), seen("b", 9, draining=False)],
        [seen("a", 0, draining=True), seen("b", 9, draining=False)],
    )

    status, told = run("a")

    assert status == 0
    assert told.splitlines() == ["a: 2 calls", "a: 1 calls", "a: drained. It can be stopped now."]
    assert store().exists(key("drain", "a"))
    assert not store().exists(key("drain", "b"))


def test_a_process_that_ends_by_itself_is_drained(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    Others(monkeypatch, [seen("a", 2, draining=False)], [seen("a", 2, draining=True)], [])

    assert run("--all")[0] == 0


def test_calls_that_are_left_when_the_time_is_over_are_told(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    Others(monkeypatch, [seen("a", 3, draining=True)])

    status, told = run("a", "--within", "0", "--json")

    assert status == drain.LEFT
    assert json.loads(told) == {"instances": [{"name": "a", "live": 3, "draining": True}]}


def test_an_order_is_taken_back(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    Others(monkeypatch, [seen("a", 0, draining=True)])
    drain_order(store(), "a")

    assert run("--undo", "a")[0] == 0

    assert not store().exists(key("drain", "a"))


def test_processes_are_listed(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    Others(monkeypatch, [seen("a", 3, draining=True), seen("b", 0, draining=False)])

    lines = run("--list")[1].splitlines()

    assert [line.split() for line in lines] == [
        ["a", "draining", "3", "calls"],
        ["b", "serving", "0", "calls"],
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [((), "Name a process"), (("nobody",), "There is no running process nobody. Running: a.")],
)
def test_a_process_must_be_named_and_known(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], why: str
) -> None:
    Others(monkeypatch, [seen("a", 0, draining=False)])

    with pytest.raises(CommandError, match=why):
        call_command("drain", *arguments)

"""The shell: a call whose session is lost is given to another, or ends in an apology."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from calls import clients
from calls.bridge.conversation import Conversation
from calls.bridge.dialogue import Dialogue
from calls.clients import TwilioRefusedError
from calls.lines import breaks, leaving
from calls.selectors import SmokeCall
from calls.tests.stage import BEGUN, CALL, CALL_ID, LOOKUP, SNAPSHOT, Stage, playing, stage, until

__all__ = ["stage"]


@pytest.fixture
def lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is written down of a session that was lost."""
    written: list[Any] = []

    def begin(**details: Any) -> breaks.Begun:
        written.append(details)
        return BEGUN

    def order(**details: Any) -> None:
        stage.rest.append(("redirect", details))
        if stage.rest_error is not None:
            raise stage.rest_error

    monkeypatch.setattr(breaks, "session_lost", begin)
    monkeypatch.setattr(clients, "redirect", order)
    return written


async def lose_session(stage: Stage) -> None:
    await stage.talk()
    stage.realtime.lose(1001)
    await until(lambda: stage.rest)


async def test_a_call_whose_session_is_lost_is_given_to_another(
    stage: Stage, settings: Settings, lost: list[Any]
) -> None:
    async with playing(stage, settings):
        await lose_session(stage)
        stage.hang_up()

    ((what, order),) = stage.rest
    assert what == "redirect"
    assert '<Parameter name="token" value="t0ken" />' in order["document"]
    assert lost == [{"call_id": CALL_ID, "history": []}]


def broken(*_: Any, **__: Any) -> None:
    raise LookupError("the caller's own words")


async def test_a_call_whose_model_says_what_cannot_be_handled_is_given_to_another_session(
    stage: Stage, settings: Settings, lost: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conversation, "_audio", broken)
    async with playing(stage, settings):
        await stage.talk()
        stage.speak()
        await until(lambda: stage.rest)
        stage.hang_up()

    assert [what for what, _ in stage.rest] == ["redirect"]
    assert lost == [{"call_id": CALL_ID, "history": []}]
    problems = {one["code"]: one["message"] for one in stage.outbox.of("problem_write")}
    assert set(problems) == {"unexpected_error", "session_given_up"}
    assert problems["unexpected_error"].startswith(
        "AudioDelta: LookupError in tests/test_consumers_lost_sessions.py:"
    )
    assert len(stage.outbox.of("call_finish")) == 1


async def test_a_message_that_cannot_be_handled_does_not_keep_the_next_one_from_being_heard(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        with monkeypatch.context() as patched:
            patched.setattr(Conversation, "order", broken)
            stage.layer.messages.put_nowait({"type": "call.say", "content": "One moment.", "order_id": "o1"})
            await until(lambda: stage.outbox.of("problem_write"))
        stage.layer.messages.put_nowait({"type": "call.over", "reason": "customer-ended-call"})
        await until(lambda: stage.rest)
        stage.hang_up()

    assert [what for what, _ in stage.rest] == ["hang_up"]
    (problem,) = stage.outbox.of("problem_write")
    assert problem["message"].startswith("Message call.say: LookupError")


async def test_a_layer_that_fails_unforeseen_is_listened_to_all_the_same(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive, failed = stage.layer.receive, list[str]()

    async def receive_at_last(channel: str) -> dict[str, Any]:
        if not failed:
            failed.append(channel)
            broken()
        return await receive(channel)

    monkeypatch.setattr(stage.layer, "receive", receive_at_last)
    async with playing(stage, settings):
        await stage.talk()
        stage.layer.messages.put_nowait({"type": "call.over", "reason": "customer-ended-call"})
        await until(lambda: stage.rest)
        stage.hang_up()

    assert [what for what, _ in stage.rest] == ["hang_up"]
    (problem,) = stage.outbox.of("problem_write")
    assert problem["message"].startswith("Layer: LookupError")


async def test_a_call_that_cannot_begin_once_its_token_was_good_is_apologised_for(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dialogue, "begin", broken)
    async with playing(stage, settings):
        stage.realtime.say(type="session.created", session={})
        await until(lambda: stage.realtime.sent)
        stage.realtime.say(type="session.updated", session=stage.realtime.sent[0]["session"])
        stage.start()
        await until(lambda: stage.rest)
        stage.hang_up()

    assert stage.rest[0][0] == "apologise"
    codes = [one["code"] for one in stage.outbox.of("problem_write")]
    assert codes == ["unexpected_error", "session_given_up"]
    assert len(stage.outbox.of("call_finish")) == 1


async def test_a_tool_whose_refusal_cannot_be_told_costs_the_session_and_not_the_callers_patience(
    stage: Stage, settings: Settings, lost: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {"conditions": [{"type": "regex", "regex": "never said"}]}
    stage.call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(replace(LOOKUP, rejection_plan=plan),)))
    monkeypatch.setattr(Conversation, "tool_checked", broken)
    item = {"type": "function_call", "id": "f", "call_id": "c", "name": LOOKUP.name, "arguments": "{}"}
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.say(type="response.created", response={"id": "r", "status": "in_progress"})
        stage.realtime.say(
            type="response.done", response={"id": "r", "status": "completed", "output": [item]}
        )
        await until(lambda: stage.rest)
        stage.hang_up()

    assert [what for what, _ in stage.rest] == ["redirect"]
    assert len(lost) == 1


@pytest.mark.parametrize("order", ["hang_up", "apologise"])
async def test_an_order_to_twilio_that_fails_unforeseen_closes_the_stream(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(clients, order, broken)
    async with playing(stage, settings):
        await stage.talk()
        if order == "apologise":
            stage.realtime.lose(1011)
        else:
            stage.layer.messages.put_nowait({"type": "call.over", "reason": "customer-ended-call"})
        await until(lambda: stage.closed_with() is not None)

    assert "unexpected_error" in {one["code"] for one in stage.outbox.of("problem_write")}
    assert len(stage.outbox.of("call_finish")) == 1


@pytest.mark.parametrize("why", ["before", "smoke test", "refused", "database"])
async def test_a_call_that_cannot_be_given_to_another_session_ends_in_an_apology(
    stage: Stage, settings: Settings, lost: list[Any], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("away")

    def apologise(**details: Any) -> None:
        stage.rest.append(("apologise", details))

    monkeypatch.setattr(clients, "apologise", apologise)
    match why:
        case "before":
            monkeypatch.setattr(breaks, "session_lost", lambda **_: None)
        case "smoke test":
            stage.call = replace(stage.call, smoke=SmokeCall(mocks=[], off_network=False))
        case "refused":
            stage.rest_error = TwilioRefusedError("Twilio answered 400.")
        case _:
            monkeypatch.setattr(breaks, "session_lost", away)
    async with playing(stage, settings):
        await lose_session(stage)
        await until(lambda: stage.rest[-1][0] == "apologise")
        stage.hang_up()

    assert stage.rest[-1][1]["text"] == "We are sorry."


@pytest.mark.parametrize("lost", [True, False])
async def test_what_was_ordered_of_a_call_whose_stream_is_lost_is_written_down_for_the_next_one(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    kept: list[tuple[uuid.UUID, list[dict[str, Any]]]] = []
    monkeypatch.setattr(leaving, "orders_write", lambda *given: kept.append(given))
    async with playing(stage, settings):
        await stage.talk()
        stage.layer.messages.put_nowait({"type": "call.say", "content": "One moment.", "order_id": "o1"})
        await until(lambda: stage.outbox.of("order_write"))
        if lost:
            stage.from_twilio.put_nowait({"type": "websocket.disconnect", "code": 1006})
        else:
            stage.hang_up()

    assert [(call_id, [one["kind"] for one in orders]) for call_id, orders in kept] == (
        [(CALL_ID, ["say"])] if lost else []
    )

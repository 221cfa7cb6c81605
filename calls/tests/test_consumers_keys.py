"""The shell: keys are written down before they are ordered, and the call goes on after them."""

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from calls import clients
from calls.clients import TwilioRefusedError
from calls.lines import breaks, leaving
from calls.selectors import SmokeCall
from calls.tests.stage import (
    BEGUN,
    CALL,
    CALL_ID,
    LOOKUP,
    SID,
    SNAPSHOT,
    Stage,
    outputs,
    playing,
    stage,
    until,
)

__all__ = ["stage"]

PRESSES = replace(LOOKUP, name="dtmf", kind="dtmf", server_url="")


@pytest.fixture
def pressed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """An assistant that can press keys; what is written down of that."""
    written: list[Any] = []
    stage.call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(PRESSES,)))

    def begin(**details: Any) -> breaks.Begun:
        written.append(details)
        return BEGUN

    def order(**details: Any) -> None:
        stage.rest.append(("redirect", details))
        if stage.rest_error is not None:
            raise stage.rest_error

    def refused(*, break_id: uuid.UUID) -> None:
        written.append(break_id)

    monkeypatch.setattr(breaks, "keys_begin", begin)
    monkeypatch.setattr(breaks, "keys_refused", refused)
    monkeypatch.setattr(clients, "redirect", order)
    return written


async def ask_for_keys(stage: Stage) -> None:
    await stage.talk()
    item = {
        "id": "item_k",
        "type": "function_call",
        "call_id": "call_k",
        "name": "dtmf",
        "arguments": '{"keys":"1w2"}',
    }
    stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
    stage.realtime.say(
        type="response.done", response={"id": "resp_1", "status": "completed", "output": [item]}
    )


async def test_keys_are_written_down_then_ordered_and_the_call_is_not_over(
    stage: Stage, settings: Settings, pressed: list[Any]
) -> None:
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: stage.rest)
        stage.hang_up()

    (begun,) = pressed
    assert begun["asked"] == {"tool_call_id": "call_k", "name": "dtmf", "arguments": {"keys": "1w2"}}
    assert begun["history"][-1]["toolCalls"][0]["id"] == "call_k"
    ((_, order),) = stage.rest
    assert order["call_sid"] == SID
    assert '<Play digits="1w2" />' in order["document"]
    assert '<Parameter name="token" value="t0ken" />' in order["document"]
    assert stage.outbox.of("call_finish") == []
    assert len(stage.outbox.of("call_forwarded")) == 1
    assert stage.outbox.of("tool_call_done") == []


async def test_keys_whose_order_may_have_been_lost_and_ends_the_stream_were_taken(
    stage: Stage, settings: Settings, pressed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()

    def lost(**_: Any) -> None:
        loop.call_soon_threadsafe(stage.hang_up)
        raise TwilioRefusedError("Lost.", unsure=True)

    monkeypatch.setattr(clients, "redirect", lost)
    async with playing(stage, settings):
        await ask_for_keys(stage)

    assert len(pressed) == 1
    assert len(stage.outbox.of("call_forwarded")) == 1


@pytest.mark.parametrize("unsure", [False, True])
async def test_keys_that_twilio_refuses_are_told_to_the_model_and_let_no_other_stream_in(
    stage: Stage, settings: Settings, pressed: list[Any], caplog: pytest.LogCaptureFixture, *, unsure: bool
) -> None:
    stage.rest_error = TwilioRefusedError("Twilio answered 500.", unsure=unsure)
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert pressed[1:] == [BEGUN.break_id]
    assert "Nobody has heard them" in outputs(stage)[0]
    assert "keys_not_pressed" in [problem["code"] for problem in stage.outbox.of("problem_write")]
    assert [end["ended_reason"] for end in stage.outbox.of("call_finish")] == ["customer-ended-call"]
    assert "1w2" not in caplog.text


async def test_keys_whose_order_fails_unforeseen_let_no_other_stream_in(
    stage: Stage, settings: Settings, pressed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "UNSURE_S", 0.01)
    stage.rest_error = LookupError("1w2")
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert pressed[1:] == [BEGUN.break_id]
    assert "Nobody has heard them" in outputs(stage)[0]
    problems = [problem["code"] for problem in stage.outbox.of("problem_write")]
    assert problems[:2] == ["unexpected_error", "keys_not_pressed"]


async def test_keys_that_cannot_be_written_down_are_not_ordered(
    stage: Stage, settings: Settings, pressed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(**_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(breaks, "keys_begin", down)
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert stage.rest == []
    assert "Nobody has heard them" in outputs(stage)[0]


async def test_in_a_smoke_test_keys_are_pressed_for_nobody(
    stage: Stage, settings: Settings, pressed: list[Any]
) -> None:
    stage.call = replace(stage.call, smoke=SmokeCall(mocks=[], off_network=True))
    async with playing(stage, settings):
        await ask_for_keys(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert (pressed, stage.rest) == ([], [])
    assert outputs(stage) == ["Success."]


@pytest.mark.parametrize("away", [False, True])
async def test_what_was_ordered_of_the_call_is_written_down_before_it_is_away(
    stage: Stage, settings: Settings, pressed: list[Any], monkeypatch: pytest.MonkeyPatch, *, away: bool
) -> None:
    kept: list[tuple[uuid.UUID, list[dict[str, Any]]]] = []

    def write(call_id: uuid.UUID, orders: list[dict[str, Any]]) -> bool:
        assert not pressed, "the session that comes after the keys is to find it"
        kept.append((call_id, orders))
        if away:
            raise OperationalError
        return True

    monkeypatch.setattr(leaving, "orders_write", write)
    async with playing(stage, settings):
        mute = {"type": "call.mute", "who": "customer", "on": True, "order_id": "o1"}
        stage.layer.messages.put_nowait(mute)
        await ask_for_keys(stage)
        await until(lambda: stage.rest)
        stage.hang_up()

    ((call_id, (order,)),) = kept
    assert (call_id, order["kind"], bool(order["done_at"])) == (CALL_ID, "mute-customer", True)
    assert len(pressed) == 1, "the keys are pressed though it could not be written at once"

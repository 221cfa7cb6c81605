"""A stream out of somebody else's Twilio flow: let in by its token, and left to that flow when it is over."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from calls.selectors import StreamCall
from calls.tests.stage import ACCOUNT, CALL, CALL_ID, SID, Stage, stage, until
from calls.websocket_calls import consumers
from calls.websocket_calls import services as socket_services
from calls.websocket_calls.consumers import BypassConsumer
from simulator.signature import sign

__all__ = ["stage"]

PATH = f"/media/{CALL_ID}/bypass"


@asynccontextmanager
async def streaming(
    stage: Stage,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    *,
    signed: bool = False,
    good: bool = True,
    call: StreamCall = CALL,
) -> AsyncIterator[list[dict[str, Any]]]:
    """The consumer at work on a call whose SID nobody knows yet; what was claimed."""
    claims: list[dict[str, Any]] = []

    async def load(_call_id: uuid.UUID) -> StreamCall:
        return replace(call, call_sid="", account_sid="")

    def claim(**stream: Any) -> bool:
        claims.append(stream)
        return good

    monkeypatch.setattr(consumers, "bypass_call_load", load)
    monkeypatch.setattr(socket_services, "bypass_claim", claim)
    signature = sign(f"wss://tandem.test{PATH}", (), auth_token=settings.TWILIO_AUTH_TOKEN) if signed else ""
    scope = {
        "type": "websocket",
        "path": PATH,
        "headers": [(b"x-twilio-signature", signature.encode())] if signed else [],
        "url_route": {"kwargs": {"call_id": CALL_ID}},
    }
    stage.from_twilio.put_nowait({"type": "websocket.connect"})
    work = asyncio.ensure_future(BypassConsumer()(scope, stage.from_twilio.get, stage.twilio_send))
    try:
        yield claims
        await asyncio.wait_for(work, 60)
    finally:
        work.cancel()


async def test_a_stranger_s_stream_opens_the_model_only_when_its_token_was_good(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    from_before = stage.realtime

    async def connect(model: str, **_: object) -> Any:
        opened.append(model)
        return from_before

    monkeypatch.setattr("calls.clients.realtime_connect", connect)
    async with streaming(stage, settings, monkeypatch) as claims:
        await until(lambda: any(one["type"] == "websocket.accept" for one in stage.sent))
        await until(lambda: stage.layer.joined)  # which comes after the model's socket would be opened
        before_start = list(opened)
        await stage.talk()
        stage.hang_up()

    assert before_start == []
    assert len(opened) == 1
    assert claims[0] | {"token": ""} == {
        "call_id": CALL_ID, "call_sid": SID, "account_sid": ACCOUNT, "stream_sid": claims[0]["stream_sid"], "token": "",
        "signed": False,
    }  # fmt: skip


async def test_a_bad_token_costs_nothing(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(stage, settings, monkeypatch, good=False):
        stage.start()

    assert stage.closed_with() == 1008
    assert stage.realtime.sent == []


async def test_a_stream_that_twilio_has_signed_for_us_is_answered_at_once(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(stage, settings, monkeypatch, signed=True):
        stage.realtime.say(type="session.created", session={})
        await until(lambda: stage.realtime.sent)
        stage.start()
        stage.hang_up()

    assert stage.realtime.sent[0]["type"] == "session.update"


async def test_the_assistant_hangs_up_by_ending_its_stream_and_nothing_else(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(stage, settings, monkeypatch):
        await stage.talk()
        stage.layer.messages.put_nowait({"type": "call.over", "reason": "manually-canceled"})
        await until(lambda: stage.closed_with() is not None)

    assert stage.closed_with() == 1000
    assert stage.rest == []
    (end,) = stage.outbox.of("call_finish")
    assert end["ended_reason"] == "manually-canceled"


async def test_nothing_is_ordered_from_twilio_for_a_call_of_which_only_a_stranger_tells(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = replace(CALL.snapshot, recording_enabled=True)
    async with streaming(stage, settings, monkeypatch, call=replace(CALL, snapshot=snapshot)):
        await stage.talk()
        stage.layer.messages.put_nowait(
            {
                "type": "call.transfer",
                "order_id": "o1",
                "destination": {"type": "number", "number": "+14155550100", "message": ""},
            }
        )
        await until(lambda: any("not known here" in str(event) for event in stage.realtime.sent))
        stage.hang_up()

    assert stage.rest == []
    assert stage.outbox.of("recording_start") == []


async def test_a_signed_call_of_somebody_elses_flow_is_recorded_as_any_other(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = replace(CALL.snapshot, recording_enabled=True)
    async with streaming(stage, settings, monkeypatch, signed=True, call=replace(CALL, snapshot=snapshot)):
        await stage.talk()
        stage.hang_up()

    assert stage.outbox.of("recording_start") == [{"call_id": str(CALL_ID)}]

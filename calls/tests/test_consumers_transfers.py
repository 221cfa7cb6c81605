"""The shell: a transfer is written down before it is ordered, and told of to the model when nothing comes of it."""

import asyncio
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from calls import clients, consumers, forwarding
from calls.clients import CallGoneError, TwilioRefusedError
from calls.forwarding import Begun
from calls.lines import leaving
from calls.selectors import StreamCall
from calls.tests.stage import CALL, LOOKUP, SID, SNAPSHOT, Stage, outputs, playing, stage, until
from calls.transfers import destination_read

__all__ = ["stage"]

NURSE = {"type": "number", "number": "+13125550142", "message": ""}
TRANSFER = replace(
    LOOKUP,
    id=str(uuid.UUID(int=9)),
    kind="transferCall",
    name="transfer_call",
    settings={"destinations": [NURSE]},
)
TRANSFER_ID = uuid.UUID(int=77)


class Transfers:
    """What is written of transfers."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.begun: dict[str, Any] = {}
        self.unknown = False

    def begin(self, **details: Any) -> Begun | None:
        self.begun = details
        self.written.append("begun")
        destination = destination_read(details["stored"], language="en")
        assert destination is not None
        return None if self.unknown else Begun(TRANSFER_ID, destination, "+13125550177")

    def dialled(self, *, transfer_id: uuid.UUID) -> None:
        assert transfer_id == TRANSFER_ID
        self.written.append("dialled")

    def refused(self, *, transfer_id: uuid.UUID, why: str, caller_gone: bool) -> None:
        assert transfer_id == TRANSFER_ID
        self.written.append(f"refused, {'gone' if caller_gone else 'there'}: {why}")


@pytest.fixture
def transfers(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Transfers:
    """A call that can be transferred."""
    made = Transfers()
    call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(LOOKUP, TRANSFER)))

    async def load(_call_id: uuid.UUID) -> StreamCall:
        return call

    def redirect(**details: Any) -> None:
        stage.rest.append(("redirect", details))
        if stage.rest_error is not None:
            raise stage.rest_error

    monkeypatch.setattr(consumers, "stream_call_load", load)
    monkeypatch.setattr(leaving, "UNSURE_S", 0.2)
    monkeypatch.setattr(clients, "redirect", redirect)
    monkeypatch.setattr(forwarding, "transfer_begin", made.begin)
    monkeypatch.setattr(forwarding, "transfer_dialled", made.dialled)
    monkeypatch.setattr(forwarding, "transfer_refused", made.refused)
    return made


async def ask_for_transfer(stage: Stage) -> None:
    await stage.talk()
    item = {
        "id": "item_f",
        "type": "function_call",
        "call_id": "call_t",
        "name": "transfer_call",
        "arguments": '{"destination":"+13125550142"}',
    }
    stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
    stage.realtime.say(type="response.output_item.done", response_id="resp_1", output_index=0, item=item)
    done = {"id": "resp_1", "status": "completed", "output": [item]}
    stage.realtime.say(type="response.done", response=done)


async def test_a_transfer_is_written_down_then_ordered_then_noted_although_the_stream_ends_at_once(
    stage: Stage, settings: Settings, transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()

    def slow(**details: Any) -> None:
        assert transfers.written == ["begun"]
        stage.rest.append(("redirect", details))
        loop.call_soon_threadsafe(stage.hang_up)  # Twilio stops the stream before it answers
        time.sleep(0.3)

    monkeypatch.setattr(clients, "redirect", slow)
    async with playing(stage, settings):
        await ask_for_transfer(stage)

    assert transfers.written == ["begun", "dialled"]
    assert transfers.begun["tool_call_id"] == "call_t"
    assert transfers.begun["stored"] == NURSE
    ((_, order),) = stage.rest
    assert order["call_sid"] == SID
    assert f"/twilio/transfer/{TRANSFER_ID}/ended" in order["document"]
    assert stage.outbox.of("call_finish") == []
    assert len(stage.outbox.of("call_forwarded")) == 1
    (done,) = stage.outbox.of("tool_call_done")
    assert done["order"]["tool_call_id"] == "call_t"


@pytest.mark.parametrize(
    ("error", "written"),
    [
        (TwilioRefusedError("Twilio answered 400."), "refused, there: Twilio answered 400."),
        (TwilioRefusedError("Lost.", unsure=True), "refused, there: Lost."),
    ],
)
async def test_an_order_that_twilio_refuses_is_told_to_the_model(
    stage: Stage, settings: Settings, transfers: Transfers, error: Exception, written: str
) -> None:
    stage.rest_error = error
    async with playing(stage, settings):
        await ask_for_transfer(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert transfers.written == ["begun", written]
    assert "could not be transferred" in outputs(stage)[0]
    (finish,) = stage.outbox.of("call_finish")
    assert finish["ended_reason"] == "customer-ended-call"


@pytest.mark.parametrize("error", [TwilioRefusedError("Lost.", unsure=True), LookupError("unforeseen")])
async def test_an_order_that_may_have_been_lost_and_ends_the_stream_was_taken(
    stage: Stage, settings: Settings, transfers: Transfers, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    loop = asyncio.get_running_loop()

    def lost(**_: Any) -> None:
        loop.call_soon_threadsafe(stage.hang_up)
        raise error

    monkeypatch.setattr(clients, "redirect", lost)
    async with playing(stage, settings):
        await ask_for_transfer(stage)

    assert transfers.written == ["begun"]
    assert len(stage.outbox.of("call_forwarded")) == 1
    assert len(stage.outbox.of("tool_call_done")) == 1


async def test_a_caller_who_was_gone_before_the_order_is_written_as_gone(
    stage: Stage, settings: Settings, transfers: Transfers
) -> None:
    stage.rest_error = CallGoneError("The call was over already.")
    async with playing(stage, settings):
        await ask_for_transfer(stage)
        await until(lambda: len(transfers.written) == 2)
        stage.hang_up()

    assert transfers.written[1].startswith("refused, gone")


async def test_what_cannot_be_written_down_is_not_ordered(
    stage: Stage, settings: Settings, transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(**_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(forwarding, "transfer_begin", down)
    async with playing(stage, settings):
        await ask_for_transfer(stage)
        await until(lambda: outputs(stage))
        stage.hang_up()

    assert stage.rest == []
    assert "could not be recorded" in outputs(stage)[0]

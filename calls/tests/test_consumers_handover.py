"""The shell: another assistant takes over on a socket of its own."""

import uuid
from dataclasses import replace

import pytest
from pytest_django import Settings

from calls import clients, consumers
from calls.clients import RealtimeRefusedError
from calls.lines import lookups
from calls.selectors import Member, StreamCall
from calls.tests.stage import CALL, LOOKUP, SNAPSHOT, FakeRealtime, Stage, playing, stage, until
from tools.auth.credentials import ServerAuth
from tools.snapshots import ToolSnapshot

__all__ = ["stage"]

HAND_OVER = ToolSnapshot(
    id=str(uuid.UUID(int=7)),
    kind="handoff",
    name="hand_over",
    description="",
    parameters={"type": "object", "properties": {}},
    server_url="",
    timeout_s=20,
    settings={"destinations": [{"type": "assistant", "assistantName": "Billing"}]},
)
BILLING_ID = str(uuid.UUID(int=8))
INVOICE = replace(LOOKUP, id=str(uuid.UUID(int=9)), name="get_invoice")


class Sockets:
    """Every socket to the Realtime API that the shell opens, in order."""

    def __init__(self, stage: Stage) -> None:
        self.made: list[FakeRealtime] = [stage.realtime]
        self.opened: list[str] = []
        self.refuse = ""

    async def connect(self, model: str, **_: object) -> FakeRealtime:
        if self.opened:
            if self.refuse:
                raise RealtimeRefusedError(self.refuse)
            self.made.append(FakeRealtime())
        self.opened.append(model)
        return self.made[-1]


@pytest.fixture
def sockets(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    """A call of a squad: Billing has another voice and a webhook of its own."""
    billing = replace(SNAPSHOT, assistant_id=BILLING_ID, name="Billing", voice="shimmer", tools=(INVOICE,))
    member = Member("Billing", 3, billing, {}, ServerAuth())
    call = replace(
        CALL,
        snapshot=replace(SNAPSHOT, tools=(LOOKUP, HAND_OVER)),
        tools_written=(LOOKUP, HAND_OVER),
        members={BILLING_ID: member},
        ways={"hand_over": {"Billing": BILLING_ID}},
        tool_auths={LOOKUP.id: ServerAuth(), INVOICE.id: ServerAuth()},
    )

    async def load(_call_id: uuid.UUID) -> StreamCall:
        return call

    made = Sockets(stage)
    monkeypatch.setattr(consumers, "stream_call_load", load)
    monkeypatch.setattr(clients, "realtime_connect", made.connect)
    return made


def calls_a_tool(realtime: FakeRealtime, name: str, call_id: str, response: str = "resp_1") -> None:
    item = {
        "id": f"fc_{call_id}",
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": "{}",
    }
    realtime.say(type="response.created", response={"id": response})
    realtime.say(type="response.done", response={"id": response, "status": "completed", "output": [item]})


async def accepts(realtime: FakeRealtime) -> None:
    """The server of a second session takes its settings."""
    realtime.say(type="session.created", session={})
    await until(lambda: any(event["type"] == "session.update" for event in realtime.sent))
    update = next(event for event in realtime.sent if event["type"] == "session.update")
    realtime.say(type="session.updated", session=update["session"])


async def test_another_assistant_takes_over_on_a_socket_of_its_own(
    stage: Stage, sockets: Sockets, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        for number in range(1, 6):
            stage.frame(number)
        calls_a_tool(stage.realtime, "hand_over", "h1")
        await until(lambda: len(sockets.made) == 2)
        second = sockets.made[1]
        assert not stage.realtime.closed
        await accepts(second)
        await until(lambda: stage.realtime.closed)
        frames = stage.realtime.frames()
        for number in range(6, 10):
            stage.frame(number)
        await until(lambda: second.frames() >= 4)
        calls_a_tool(second, "get_invoice", "i1", "resp_2")
        await until(lambda: stage.outbox.of("tool_call_forward"))
        stage.hang_up()

    assert sockets.opened == [SNAPSHOT.model, SNAPSHOT.model]
    assert stage.realtime.frames() == frames
    voice = next(event for event in second.sent if event["type"] == "session.update")
    assert voice["session"]["audio"]["output"]["voice"] == "shimmer"
    (part,) = stage.outbox.of("part_write")
    assert (part["n"], part["assistant_id"], part["tool_call_id"]) == (1, BILLING_ID, "h1")
    (done,) = stage.outbox.of("tool_call_done")
    assert (done["order"]["tool"]["name"], done["output"]) == ("hand_over", "Success.")
    (order,) = stage.outbox.of("tool_call_forward")
    assert order["order"]["tool"]["name"] == "get_invoice"
    assert order["order"]["context"]["assistant"]["name"] == "Billing"
    assert order["order"]["context"]["assistantVersion"] == "v3"
    assert all(one.closed for one in sockets.made)


async def test_a_second_socket_that_is_refused_leaves_the_call_where_it_was(
    stage: Stage, sockets: Sockets, settings: Settings
) -> None:
    sockets.refuse = "http_429"

    async with playing(stage, settings):
        await stage.talk()
        calls_a_tool(stage.realtime, "hand_over", "h1")
        await until(lambda: any("could not be handed over" in str(event) for event in stage.realtime.sent))
        stage.hang_up()

    assert stage.outbox.of("part_write") == []
    assert "http_429" in [problem["code"] for problem in stage.outbox.of("problem_write")]


async def test_a_caller_who_hangs_up_while_the_second_socket_opens_leaves_none_open(
    stage: Stage, sockets: Sockets, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        calls_a_tool(stage.realtime, "hand_over", "h1")
        await until(lambda: len(sockets.made) == 2)
        stage.hang_up()

    assert [one.closed for one in sockets.made] == [True, True]
    assert stage.outbox.of("part_write") == []


async def test_whoever_cannot_take_over_is_told_of_to_the_model(
    stage: Stage, sockets: Sockets, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        lookups, "member_prepare", lambda *_, **__: "the assistant Billing was never published"
    )

    async with playing(stage, settings):
        await stage.talk()
        calls_a_tool(stage.realtime, "hand_over", "h1")
        await until(lambda: any("never published" in str(event) for event in stage.realtime.sent))
        stage.hang_up()

    assert len(sockets.opened) == 1
    assert "handoff_impossible" in [problem["code"] for problem in stage.outbox.of("problem_write")]

"""The process of a call takes orders by the channel layer, and tells whoever gave them what becomes of them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from calls.live import obeying, tap
from calls.live.bodies import order_asked
from calls.live.orders import order_received
from calls.resumptions import Resumption
from calls.tests.stage import CALL, Stage, playing, stage, until

__all__ = ["stage"]

WORDS = "A colleague will call you back."


class Answers:
    """Keeps what is sent to channels and groups."""

    def __init__(self, stage: Stage) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        stage.layer.send = self.send  # type: ignore[attr-defined]
        stage.layer.group_send = self.send  # type: ignore[attr-defined]

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self.sent.append((channel, message))

    def to(self, channel: str) -> list[str]:
        return [message["refusal"] for name, message in self.sent if name == channel]


async def test_orders_are_carried_out_and_answered_on_the_channel_that_was_named(
    stage: Stage, settings: Settings
) -> None:
    answers = Answers(stage)
    async with playing(stage, settings):
        await stage.talk()
        give = stage.layer.messages.put_nowait
        give({"type": "call.say", "content": WORDS, "order_id": "o1", "reply_to": "one"})
        give({"type": "call.say", "content": " ", "order_id": "o2", "reply_to": "two"})
        give({"type": "call.transfer", "destination": {"type": "number", "number": "1"}, "reply_to": "three"})
        give({"type": "call.nonsense"})
        give({"type": "call.add_message", "message": {"role": "system", "content": "Be kind."}})
        give({"type": "call.end", "reason": "exceeded-budget", "order_id": "o3", "reply_to": "four"})
        await until(lambda: answers.to("four") and stage.rest)
        stage.hang_up()

    asked = [one for one in stage.realtime.sent if one["type"] == "response.create"]
    assert WORDS in asked[0]["response"]["instructions"]
    assert (answers.to("one"), answers.to("four")) == ([""], [""])
    assert "nothing to say" in answers.to("two")[0]
    assert "cannot be dialled" in answers.to("three")[0]
    assert stage.rest[0][0] == "hang_up"
    assert stage.outbox.of("call_finish")[0]["ended_reason"] == "exceeded-budget"


async def test_an_order_that_comes_again_is_done_once_and_answered_each_time(
    stage: Stage, settings: Settings
) -> None:
    answers = Answers(stage)
    async with playing(stage, settings):
        await stage.talk()
        give = stage.layer.messages.put_nowait
        for channel in ("one", "two"):
            give({"type": "call.say", "content": WORDS, "order_id": "o1", "reply_to": channel})
        for channel in ("three", "four"):
            give({"type": "call.say", "content": " ", "order_id": "o2", "reply_to": channel})
        await until(lambda: answers.to("two") and answers.to("four"))
        stage.hang_up()

    assert (answers.to("one"), answers.to("two")) == ([""], [""])
    assert answers.to("three") == answers.to("four") != [""]
    assert len([one for one in stage.realtime.sent if one["type"] == "response.create"]) == 1


async def test_what_is_ordered_in_the_moment_of_the_end_is_answered_as_it_is_written_down(
    stage: Stage, settings: Settings
) -> None:
    answers = Answers(stage)
    async with playing(stage, settings):
        await stage.talk()
        for n in range(8):
            order = {"type": "call.say", "content": WORDS, "order_id": f"o{n}", "reply_to": f"c{n}"}
            stage.layer.messages.put_nowait(order)
            if n == 3:
                await until(lambda: answers.to("c0"))
                stage.hang_up()

    told = {f"o{n}": answers.to(f"c{n}") for n in range(8) if answers.to(f"c{n}")}
    rows = {one["order"]["order_id"]: one["order"] for one in stage.outbox.of("order_write")}
    assert told["o0"] == [""]
    for order_id, answered in told.items():
        assert answered == [rows[order_id]["why"] if rows[order_id]["result"] == "refused" else ""]


async def test_a_budget_s_message_needs_no_channel_and_ends_the_call_politely(
    stage: Stage, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        message = {"type": "call.say", "content": WORDS, "end_after": True, "reason": "exceeded-budget"}
        stage.layer.messages.put_nowait(message)
        await until(lambda: [one for one in stage.realtime.sent if one["type"] == "response.create"])
        stage.hang_up()


async def test_frames_are_copied_only_while_somebody_listens(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(stage)
    ended, really, copying = asyncio.Event(), tap.Tap.run, tap.Tap.from_caller
    copied: list[str] = []

    async def run(self: tap.Tap) -> None:
        await really(self)
        ended.set()

    def copy(self: tap.Tap, payload: str) -> None:
        copied.append(payload)
        copying(self, payload)

    def pieces() -> int:
        return sum("assistant" in one for _, one in answers.sent)

    monkeypatch.setattr(tap.Tap, "run", run)
    monkeypatch.setattr(tap.Tap, "from_caller", copy)
    monkeypatch.setattr(tap, "LISTENED_S", 600.0)
    # Or a machine that stands still for a second leaves out what was said meanwhile.
    monkeypatch.setattr(tap, "MOST_LATE_S", 60.0)
    async with playing(stage, settings):
        await stage.talk()
        stage.frame(1)
        stage.layer.messages.put_nowait({"type": "call.listen", "order_id": "o1", "reply_to": "one"})
        await until(lambda: answers.to("one"))
        stage.frame(2)
        stage.speak()
        await until(lambda: any(b"\x20" in one["assistant"] for _, one in answers.sent if "assistant" in one))
        await until(lambda: stage.realtime.frames() >= 3)
        monkeypatch.setattr(tap, "LISTENED_S", 0.0)  # the time of the last who listens is over
        stage.layer.messages.put_nowait({"type": "call.listen", "order_id": "o2", "reply_to": "two"})
        await asyncio.wait_for(ended.wait(), 60)
        before = (len(copied), pieces())
        stage.frame(3)
        await until(lambda: stage.realtime.frames() >= 4)
        stage.hang_up()

    assert before[0] >= 1
    assert (len(copied), pieces()) == before, "nobody renews it, so nothing more is copied or sent"


@pytest.mark.parametrize("kinds", [(), ("card",)])
async def test_partial_texts_are_told_to_readers_unless_something_must_be_taken_out(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...]
) -> None:
    stage.call = replace(CALL, snapshot=replace(CALL.snapshot, redact=kinds))
    seen: list[bool] = []
    watched = obeying.Obeying._watched

    def noted(self: obeying.Obeying) -> None:
        watched(self)
        seen.append(self.conversation.tells_partials)

    monkeypatch.setattr(obeying.Obeying, "_watched", noted)
    async with playing(stage, settings):
        await stage.talk()
        stage.layer.messages.put_nowait({"type": "call.watch"})
        await until(lambda: seen)
        stage.hang_up()

    assert seen == [not kinds]


async def test_what_becomes_of_an_order_is_put_into_the_outbox(stage: Stage, settings: Settings) -> None:
    by = {"kind": "key", "label": "API key dashboard"}
    async with playing(stage, settings):
        give = stage.layer.messages.put_nowait
        note = {"role": "system", "content": "A regular."}
        give(
            {
                "type": "call.add_message",
                "message": note,
                "trigger_response": False,
                "order_id": "o1",
                "by": by,
            }
        )
        await stage.talk()
        give({"type": "call.transfer", "destination": {"type": "number", "number": "1"}, "order_id": "o2"})
        await until(lambda: len(stage.outbox.of("order_write")) >= 3)
        stage.hang_up()

    rows = [one["order"] for one in stage.outbox.of("order_write")]
    found = {one["order_id"]: one for one in rows}
    assert (found["o1"]["kind"], found["o1"]["result"], found["o1"]["words"]) == (
        "add-message",
        "taken",
        "A regular.",
    )
    assert (found["o1"]["by"]["label"], bool(found["o1"]["done_at"])) == ("API key dashboard", True)
    assert (found["o2"]["result"], found["o2"]["by"]["kind"]) == ("refused", "tandem")
    assert stage.layer.left == stage.layer.joined, "nobody waits for this stream any more"


async def test_an_order_that_comes_twice_is_done_once(stage: Stage, settings: Settings) -> None:
    answers = Answers(stage)
    async with playing(stage, settings):
        await stage.talk()
        order = {"type": "call.say", "content": WORDS, "order_id": "o1", "reply_to": "one"}
        for message in (
            order,
            order,
            {"type": "call.mute", "who": "customer", "on": True, "reply_to": "two"},
        ):
            stage.layer.messages.put_nowait(message)
        await until(lambda: answers.to("two"))
        stage.hang_up()

    assert answers.to("one") == ["", ""]
    asked = [one for one in stage.realtime.sent if one["type"] == "response.create"]
    assert len(asked) == 1


async def test_messages_that_were_added_go_along_with_what_a_server_is_told(
    stage: Stage, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        note = {"role": "user", "content": "I have paid."}
        stage.layer.messages.put_nowait({"type": "call.add_message", "message": note, "order_id": "o1"})
        await until(lambda: stage.outbox.of("order_write"))
        call = {
            "type": "function_call",
            "id": "fc",
            "call_id": "c1",
            "name": "get_repair_status",
            "arguments": "{}",
        }
        stage.realtime.say(type="response.created", response={"id": "r1", "status": "in_progress"})
        done = {"id": "r1", "status": "completed", "output": [call]}
        stage.realtime.say(type="response.done", response=done)
        await until(lambda: stage.outbox.of("tool_call_forward"))
        stage.hang_up()

    messages = stage.outbox.of("tool_call_forward")[0]["order"]["context"]["messages"]
    assert ("user", "I have paid.") in [(one["role"], one.get("message")) for one in messages]


async def test_a_call_that_comes_back_is_as_it_was_ordered_to_be(stage: Stage, settings: Settings) -> None:
    began = datetime.now(UTC) - timedelta(seconds=30)
    brought: list[dict[str, Any]] = [
        {"type": "call.mute", "who": "assistant", "on": True, "order_id": "o1"},
        {"type": "call.say", "content": WORDS, "order_id": "o2"},
    ]
    back = Resumption(began, 1, "", kind="lost", orders=brought)
    says = replace(CALL.snapshot, first_message_mode="assistant-speaks-first", first_message="We are back.")
    stage.call = replace(CALL, snapshot=says, resumption=back)

    async with playing(stage, settings):
        await stage.talk()
        await until(lambda: [one for one in stage.realtime.sent if one["type"] == "response.create"])
        stage.hang_up()

    asked = [
        one["response"]["instructions"] for one in stage.realtime.sent if one["type"] == "response.create"
    ]
    assert len(asked) == 1
    assert WORDS in asked[0], "the assistant is silent, and only what was ordered is said"
    rows = {one["order"]["order_id"]: one["order"] for one in stage.outbox.of("order_write")}
    assert bool(rows["o1"]["done_at"])
    assert "done_at" not in rows["o2"], "it was not heard"


@pytest.mark.parametrize(
    "destination",
    [
        {"type": "assistant", "assistantName": "x", "assistantId": ["y"]},
        {"type": "assistant", "assistantName": "x", "assistantId": {}},
        {"type": "number", "number": "+13125550100", "transferPlan": {"summaryPlan": "x" * 20_000}},
    ],
    ids=["a list", "an object", "huge"],
)
def test_what_no_call_could_read_does_not_reach_one(destination: dict[str, Any]) -> None:
    kind = "handoff" if destination["type"] == "assistant" else "transfer"
    assert isinstance(order_asked({"type": kind, "destination": destination}), list)
    order_received({"type": f"call.{kind}", "destination": destination}, CALL)
    order_received({"type": f"call.{kind}", "destination": "nowhere"}, CALL)

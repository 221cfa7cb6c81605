"""The process of a call takes orders by the channel layer, and tells whoever gave them what becomes of them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from calls.live import obeying, tap
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
    monkeypatch.setattr(tap, "LISTENED_S", 0.35)
    async with playing(stage, settings):
        await stage.talk()
        stage.frame(1)
        stage.layer.messages.put_nowait({"type": "call.listen", "order_id": "o1", "reply_to": "one"})
        await until(lambda: answers.to("one"))
        stage.frame(2)
        stage.speak()
        await until(lambda: any(b"\x20" in one["assistant"] for _, one in answers.sent if "assistant" in one))
        await until(lambda: stage.realtime.frames() >= 3)
        await asyncio.sleep(0.4)
        pieces = len(answers.sent)
        stage.frame(3)
        await until(lambda: stage.realtime.frames() >= 4)
        await asyncio.sleep(0.15)
        assert len(answers.sent) == pieces, "nobody renews it, so nothing more is sent"
        stage.hang_up()


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

"""The shell: tools are ordered with the way back, and what comes of them reaches the model."""

from dataclasses import replace

import pytest
from pytest_django import Settings

from calls.tests.stage import CALL, LOOKUP, SNAPSHOT, Stage, playing, stage, until
from calls.variables import call_rendered

__all__ = ["stage"]


async def test_a_tool_is_ordered_with_the_way_back_and_its_result_goes_to_the_model(
    stage: Stage, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
        item = {
            "id": "item_f",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "get_repair_status",
            "arguments": '{"ticket":"481"}',
        }
        stage.realtime.say(type="response.output_item.done", response_id="resp_1", output_index=0, item=item)
        await until(lambda: stage.outbox.of("tool_call_forward"))
        result = {
            "type": "tool.result",
            "tool_call_id": "call_1",
            "status": "answered",
            "output": '{"ready":true}',
            "message": {"type": "request-complete", "content": "It is ready."},
            "variables": {"ready": True},
        }
        stage.layer.messages.put_nowait(result)
        stage.layer.messages.put_nowait(result)
        await until(lambda: stage.outbox.of("tool_call_told"))
        stage.hang_up()

    (forward,) = stage.outbox.of("tool_call_forward")
    assert forward["reply_channel"] == "specific!1"
    assert forward["order"]["arguments"] == {"ticket": "481"}
    outputs = [
        event["item"]["output"]
        for event in stage.realtime.sent
        if event["type"] == "conversation.item.create"
    ]
    assert outputs == ['{"ready":true}']
    assert len(stage.outbox.of("tool_call_told")) == 1


async def test_what_the_tools_server_wants_said_is_asked_for(stage: Stage, settings: Settings) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
        item = {
            "id": "item_f",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "get_repair_status",
            "arguments": "{}",
        }
        stage.realtime.say(
            type="response.done", response={"id": "resp_1", "status": "completed", "output": [item]}
        )
        await until(lambda: stage.outbox.of("tool_call_forward"))
        stage.layer.messages.put_nowait(
            {
                "type": "tool.result",
                "tool_call_id": "call_1",
                "status": "answered",
                "output": "{}",
                "message": {"type": "request-complete", "content": "It is ready."},
            }
        )
        await until(lambda: any(event["type"] == "response.create" for event in stage.realtime.sent))
        stage.hang_up()

    (asked,) = [event for event in stage.realtime.sent if event["type"] == "response.create"]
    assert asked["response"]["instructions"].endswith("nothing else: It is ready.")


async def test_a_tools_own_message_says_what_its_answer_has_taught(stage: Stage, settings: Settings) -> None:
    said = [{"type": "request-complete", "content": "{{ clinic }}: {{ slot | upcase }}."}]
    asks = replace(LOOKUP, messages=said)
    call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(asks,), variables={"clinic": "Riverbend"}))
    stage.call = call_rendered(call, now=CALL.created_at)
    async with playing(stage, settings):
        await stage.talk()
        item = {"type": "function_call", "call_id": "call_1", "name": LOOKUP.name, "arguments": "{}"}
        stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
        stage.realtime.say(
            type="response.done",
            response={"id": "resp_1", "status": "completed", "output": [{"id": "item_f", **item}]},
        )
        await until(lambda: stage.outbox.of("tool_call_forward"))
        stage.layer.messages.put_nowait(
            {
                "type": "tool.result",
                "tool_call_id": "call_1",
                "status": "answered",
                "output": "{}",
                "variables": {"slot": "nine"},
            }
        )
        await until(lambda: any(event["type"] == "response.create" for event in stage.realtime.sent))
        stage.hang_up()

    (asked,) = [event for event in stage.realtime.sent if event["type"] == "response.create"]
    assert asked["response"]["instructions"].endswith("nothing else: Riverbend: NINE.")


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_tool_that_says_when_it_may_be_used_is_held_against_the_call(
    stage: Stage,
    settings: Settings,
    refuses: bool,
) -> None:
    slow = {"type": "regex", "regex": "(a+)+$"}
    unless = {"type": "liquid", "liquid": "{% unless slot %}true{% endunless %}"}
    plan = {"conditions": [unless, {"type": "group", "operator": "OR", "conditions": [unless, slow]}]}
    hang_up = replace(LOOKUP, kind="endCall", name="end_call", rejection_plan=plan)
    known = {} if refuses else {"slot": "nine"}
    call = replace(CALL, snapshot=replace(SNAPSHOT, tools=(hang_up,), variables=known))
    stage.call = call_rendered(call, now=CALL.created_at)
    async with playing(stage, settings):
        await stage.talk()
        item = {"type": "function_call", "call_id": "call_1", "name": "end_call", "arguments": "{}"}
        stage.realtime.say(type="response.created", response={"id": "resp_1", "status": "in_progress"})
        stage.realtime.say(
            type="response.done",
            response={"id": "resp_1", "status": "completed", "output": [{"id": "item_f", **item}]},
        )
        await until(lambda: any(event["type"] == "response.create" for event in stage.realtime.sent))
        stage.hang_up()

    items = [event["item"] for event in stage.realtime.sent if event["type"] == "conversation.item.create"]
    (output,) = [one["output"] for one in items if one["type"] == "function_call_output"]
    assert ("rejected" in output) is refuses
    refusals = stage.outbox.of("tool_call_refuse")
    assert bool(refusals) is refuses
    assert bool(stage.outbox.of("tool_call_done")) is not refuses

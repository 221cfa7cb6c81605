"""Tools that nobody waits for."""

from dataclasses import replace

import orjson

from calls.bridge.commands import RunTool, ToolSettled
from calls.bridge.toolmessages import ToolMessage
from calls.tests.bridge.call import BOOK, WAITING, Call
from calls.tests.bridge.toolwords import COMPLETE, DELAYED, START

NOTE = replace(BOOK, name="note", asynchronous=True, messages=(START, DELAYED))


def noted(*messages: ToolMessage) -> Call:
    call = Call(replace(WAITING, tools=(replace(NOTE, messages=(*NOTE.messages, *messages)),)))
    call.caller_says("u1", "Note it.")
    call.created("r1")
    fc = call.calls_tool("r1", name="note")
    call.done("r1", calls=(fc,))
    return call


def test_a_tool_that_nobody_waits_for_is_asked_and_the_model_goes_on_at_once() -> None:
    call = noted()

    assert len(call.all(RunTool)) == 1
    assert orjson.loads(call.outputs["c1"])["status"] == "accepted"
    assert call.asked == ["tool_result"]


def test_its_answer_is_told_to_nobody() -> None:
    call = noted()
    call.answers("r2", ours=True)
    call.wait(2)
    before = len(call.to_realtime)

    call.result()

    assert [event for event in call.to_realtime[before:] if "append" not in event["type"]] == []
    (settled,) = call.all(ToolSettled)
    assert settled.output == call.outputs["c1"]
    assert call.problems == []


def test_its_complete_message_is_said_at_once() -> None:
    call = noted(replace(COMPLETE, text="Noted."))

    assert call.sentences == ["Noted."]

"""Keys that the assistant presses: the stream ends for them, and another one goes on with the call."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from calls.bridge import realtime
from calls.bridge.commands import Ended, HangUp, PressKeys, ToolDone, ToolRefused
from calls.bridge.ending import KEYS_PRESSED
from calls.bridge.limits import FORWARDED_WITHIN_S, OVERTIME_S, WORDS_KNOWN_WITHIN_S
from calls.bridge.line import Phase
from calls.bridge.plan import Plan, ToolSpec
from calls.bridge.toolmessages import Moment, ToolMessage
from calls.tests.bridge.call import BOOK, END_CALL, WAITING, Call

SCHEMA = {"type": "object", "properties": {"keys": {"type": "string"}}, "required": ["keys"]}
DTMF = ToolSpec("dtmf", "Press keys", SCHEMA, presses=True)


def plan(*messages: ToolMessage, **changes: Any) -> Plan:
    return replace(WAITING, tools=(replace(DTMF, messages=messages), BOOK, END_CALL), **changes)


def asked(
    *messages: ToolMessage, keys: str = "1w2#", preamble_ms: int = 0, done: bool = True, **changes: Any
) -> Call:
    """A call in which the model has just asked for keys."""
    call = Call(plan(*messages, **changes))
    call.caller_says("u1", "For sales, press one.")
    call.created("r1")
    if preamble_ms:
        call.audio("r1", preamble_ms)
    fc = call.calls_tool("r1", name="dtmf", arguments=orjson.dumps({"keys": keys}).decode())
    if done:
        call.done("r1", calls=(fc,))
    return call


def test_keys_are_ordered_once_and_the_stream_that_ends_for_them_is_not_the_calls_end() -> None:
    call = asked()

    (press,) = call.all(PressKeys)
    assert press == PressKeys("c1", "dtmf", "1w2#", {"keys": "1w2#"})
    call.take(call.conversation.forwarded())
    call.stop()

    assert call.ended.reason == KEYS_PRESSED
    assert call.all(ToolDone) + call.all(ToolRefused) + call.all(HangUp) == []


def test_what_was_being_said_is_heard_before_keys_are_pressed() -> None:
    call = asked(preamble_ms=1000)
    assert call.all(PressKeys) == []

    call.wait(0.9)
    assert call.all(PressKeys) == []
    call.wait(0.2)

    assert len(call.all(PressKeys)) == 1
    assert call.clears == 0


def test_what_is_to_be_said_at_the_start_is_said_before() -> None:
    call = asked(ToolMessage(Moment.START, "I will press one."))
    assert (call.sentences, call.all(PressKeys)) == (["I will press one."], [])

    call.answers("r2", "I will press one.", 500, ours=True)
    call.wait(0.6)

    assert len(call.all(PressKeys)) == 1


def test_a_recorded_menu_that_speaks_on_does_not_put_keys_off() -> None:
    call = asked(done=False)
    call.caller_speaks("u2")

    call.done("r1", status="cancelled")

    assert len(call.all(PressKeys)) == 1
    assert call.now < call.began_at + OVERTIME_S


def not_written_yet() -> Call:
    """The model asks for keys before it is known what the caller said."""
    call = Call(plan())
    call.caller_speaks("u1")
    call.wait(1)
    call.caller_stops("u1")
    call.created("r1")
    fc = call.calls_tool("r1", name="dtmf", arguments='{"keys":"1"}')
    call.done("r1", calls=(fc,))
    return call


def test_keys_wait_until_what_was_said_last_is_written_down() -> None:
    call = not_written_yet()
    call.wait(0.5)
    assert call.all(PressKeys) == []

    call.hear(realtime.CallerText("u1", "Press one."))

    assert len(call.all(PressKeys)) == 1


def test_keys_do_not_wait_for_words_without_end() -> None:
    call = not_written_yet()

    call.wait(WORDS_KNOWN_WITHIN_S - 0.1)
    assert call.all(PressKeys) == []
    call.wait(0.2)

    assert len(call.all(PressKeys)) == 1


def test_keys_wait_for_another_tool_of_the_same_answer() -> None:
    call = asked(done=False)
    call.calls_tool("r1", "c2")
    call.done("r1")
    assert call.all(PressKeys) == []

    call.result("c2")
    call.answers("r2", ours=True)
    call.wait(1.1)

    assert len(call.all(PressKeys)) == 1


@pytest.mark.parametrize("keys", ["", "one", "www", "1" * 51])
def test_keys_that_are_none_are_refused_and_the_model_goes_on(keys: str) -> None:
    call = asked(keys=keys)

    assert orjson.loads(call.outputs["c1"])["error"] == "invalid_keys"
    assert [refused.reason for refused in call.all(ToolRefused)] == ["invalid_keys"]
    assert call.all(PressKeys) == []
    assert call.asked == ["tool_result"]
    assert keys not in "".join(call.problems) or not keys


def test_arguments_that_are_no_json_are_refused() -> None:
    call = Call(plan())
    call.created("r1")
    call.calls_tool("r1", name="dtmf", arguments="{")
    call.done("r1")

    assert orjson.loads(call.outputs["c1"])["error"] == "invalid_keys"


def test_keys_that_twilio_did_not_press_are_told_to_the_model_and_the_talk_goes_on() -> None:
    call = asked()
    call.wait(1)

    call.take(call.conversation.forward_failed("keys_not_pressed", "Nobody has heard them.", now=call.now))

    assert orjson.loads(call.outputs["c1"]) == {
        "error": "keys_not_pressed",
        "message": "Nobody has heard them.",
    }
    assert call.asked == ["tool_result"]
    assert call.conversation.phase is Phase.TALKING
    assert call.all(Ended) == []


def test_keys_that_count_as_pressed_leave_the_stream_as_it_is() -> None:
    call = asked()

    call.take(call.conversation.keys_pressed(now=call.now))
    call.take(call.conversation.keys_pressed(now=call.now))

    assert call.outputs == {"c1": "Success."}
    assert [done.output for done in call.all(ToolDone)] == ["Success."]
    assert call.asked == ["tool_result"]
    assert call.conversation.phase is Phase.TALKING


def test_keys_that_count_as_pressed_when_the_caller_is_gone_are_nobodys() -> None:
    call = asked()
    call.stop()

    call.take(call.conversation.keys_pressed(now=call.now))

    assert call.outputs == {}
    assert call.ended.reason == KEYS_PRESSED


def test_a_caller_who_hangs_up_before_keys_were_ordered_has_hung_up() -> None:
    call = asked(preamble_ms=2000)

    call.stop()

    assert call.ended.reason == "customer-ended-call"
    assert [(one.reason, one.orphaned) for one in call.all(ToolRefused)] == [("caller_gone", True)]
    assert call.all(PressKeys) == []


def test_a_stream_that_does_not_end_for_keys_is_not_waited_for_without_end() -> None:
    call = asked()
    call.take(call.conversation.forwarded())

    call.wait(FORWARDED_WITHIN_S + 4)

    assert call.ended.reason == KEYS_PRESSED


def test_a_second_pressing_and_a_goodbye_do_not_undo_the_first() -> None:
    call = asked(preamble_ms=1000, done=False)
    call.calls_tool("r1", "c2", name="dtmf", arguments='{"keys":"9"}')
    call.calls_tool("r1", "c3", name="end_call", arguments="{}")
    call.done("r1")
    call.answers("r2", ours=True)
    call.wait(3)

    assert [press.keys for press in call.all(PressKeys)] == ["1w2#"]
    assert orjson.loads(call.outputs["c2"])["error"] == "transfer_refused"

"""The caller presses keys."""

from dataclasses import replace
from typing import Any

import pytest

from calls.bridge.commands import HangUp, Speaker, UtteranceEnded
from calls.bridge.limits import MOST_KEYS
from calls.tests.bridge.call import PROTECTED, WAITING, Call

KEYED = replace(WAITING, keypad_enabled=True)


def answering(ms: int = 4000, *, done: bool = True, **changes: Any) -> Call:
    call = Call(replace(KEYED, **changes))
    call.created("r1")
    call.audio("r1", ms)
    if done:
        call.done("r1")
    call.wait(1)
    return call


def test_keys_mean_nothing_where_nobody_wants_them() -> None:
    call = Call()
    call.caller_presses("12#")
    call.wait(5)

    assert call.told == []
    assert call.asked == []


def test_an_end_key_completes_the_entry_and_it_is_answered() -> None:
    call = Call(KEYED)
    call.caller_presses("12")
    call.wait(1)
    assert call.told == []

    call.caller_presses("#")

    assert call.told == [("user", "The caller pressed these keys: 1 2 #")]
    assert call.asked == ["answer"]


def test_a_pause_completes_it_too_and_counts_from_the_last_key() -> None:
    call = Call(KEYED)
    call.caller_presses("1")
    call.wait(1.5)
    call.caller_presses("2")
    call.wait(1.9)
    assert call.told == []

    call.wait(0.2)

    assert call.told == [("user", "The caller pressed these keys: 1 2")]
    assert call.asked == ["answer"]


@pytest.mark.parametrize("plan", [{"keypad_timeout_s": 0.0}, {"keypad_delimiters": "*"}])
def test_a_pause_of_nothing_and_another_end_key(plan: dict[str, Any]) -> None:
    call = Call(replace(KEYED, **plan))
    call.caller_presses("*")
    call.wait(0)

    assert call.told == [("user", "The caller pressed these keys: *")]


def test_what_is_no_key_is_not_taken() -> None:
    call = Call(KEYED)
    call.caller_presses(["", "12", "E", "é"])  # type: ignore[arg-type]  # whatever Twilio may send one day
    call.wait(5)

    assert call.told == []


def test_an_entry_has_an_end_whoever_holds_the_key_down() -> None:
    call = Call(KEYED)
    call.caller_presses("5" * MOST_KEYS)

    assert len(call.told) == 1


def test_keys_are_written_down_as_the_callers_utterance() -> None:
    call = Call(KEYED)
    call.wait(1)
    call.caller_presses("1")
    call.wait(0.5)
    call.caller_presses("#")
    (written,) = call.all(UtteranceEnded)
    call.stop()

    assert written.spoken.speaker is Speaker.CALLER
    assert written.spoken.text == "The caller pressed these keys: 1 #"
    assert (written.spoken.began_ms, written.spoken.ended_ms) == (1000, 1500)
    assert call.ended.spoken == (written.spoken,)
    item = call.sent("conversation.item.create")[0]["item"]
    assert item["id"] == written.spoken.item_id


def test_keys_of_a_caller_who_hangs_up_are_written_down_and_told_to_nobody() -> None:
    call = Call(KEYED)
    call.caller_presses("12")
    call.stop()

    assert [one.text for one in call.ended.spoken] == ["The caller pressed these keys: 1 2"]
    assert call.told == []


@pytest.mark.parametrize("words", [0, 3])
def test_the_first_key_stops_the_assistant_as_speech_would(words: int) -> None:
    call = answering(interrupt_words=words)

    call.caller_presses("1")
    call.caller_presses("#")

    assert call.clears == 1
    assert call.truncated == {"r1-i": 1000}
    assert call.asked == ["answer"]


def test_a_response_that_is_being_generated_is_cancelled_for_a_key() -> None:
    call = answering(done=False)

    call.caller_presses("1#")
    assert call.asked == []
    call.done("r1", "cancelled")

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r1"]
    assert call.asked == ["answer"]


def test_a_response_that_voice_detection_begins_while_keys_are_pressed_is_cancelled() -> None:
    call = Call(KEYED)
    call.caller_says("u1", "My number is")
    call.caller_presses("1")

    call.created("r1")
    call.done("r1", "cancelled")
    call.wait(1)
    assert call.asked == []
    call.caller_presses("#")

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r1"]
    assert call.asked == ["answer"]


def test_keys_under_speech_that_nothing_stops_are_answered_after_it() -> None:
    call = answering(interruptible=False)

    call.caller_presses("1#")
    call.wait(2.9)
    assert call.clears == 0
    assert call.told
    assert call.asked == []
    call.wait(0.2)

    assert call.asked == ["answer"]


def test_keys_under_a_protected_greeting_are_answered_after_it() -> None:
    call = Call(replace(PROTECTED, keypad_enabled=True))
    call.created("r1", ours=True)
    call.audio("r1", 2000)
    call.caller_presses("1#")
    call.done("r1")
    call.wait(1.9)
    assert call.asked == ["greeting"]
    call.wait(0.2)

    assert call.clears == 0
    assert call.asked == ["greeting", "answer"]


def test_an_entry_that_outlasts_the_protected_speech_is_answered_at_its_end() -> None:
    call = answering(2000, interruptible=False)
    call.caller_presses("1")
    call.wait(1.5)
    assert call.asked == []

    call.caller_presses("#")

    assert call.asked == ["answer"]


def test_nothing_is_said_in_the_middle_of_an_entry() -> None:
    call = Call(replace(KEYED, idle_messages=("Hello?",), idle_timeout_s=1.0, keypad_timeout_s=9.0))
    call.created("r1")
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.caller_presses("1")
    call.result()
    call.wait(5)
    assert call.asked == []

    call.caller_presses("#")

    assert call.asked == ["tool_result"]  # which answers the caller too


def test_a_goodbye_is_taken_back_for_a_key() -> None:
    call = Call(KEYED)
    call.created("r1")
    call.audio("r1", 2000)
    call.calls_tool("r1", name="end_call", arguments="{}")
    call.done("r1")
    call.wait(1)

    call.caller_presses("1#")
    call.answers("r2", ours=True)
    call.wait(5)

    assert not call.all(HangUp)


def test_keys_after_the_end_of_the_conversation_mean_nothing() -> None:
    call = Call(KEYED)
    call.take(call.conversation.hang_up("manually-canceled", now=call.now))
    call.caller_presses("1#")

    assert call.told == []


def test_a_caller_who_presses_keys_is_there() -> None:
    call = Call(replace(KEYED, silence_timeout_s=10))
    call.wait(8)
    call.caller_presses("1#")
    call.answers("r1", ms=1000, ours=True)

    call.wait(10.9)

    assert call.asked == ["answer"]

"""Nobody says a word: the caller is reminded, and in the end said goodbye to."""

from dataclasses import replace
from typing import Any

from calls.bridge.commands import HangUp
from calls.tests.bridge.call import PROTECTED, WAITING, Call

REMINDING = replace(
    WAITING, idle_messages=("Are you still there?", "Hello?"), idle_timeout_s=8.0, idle_max_count=3
)


def reminded(call: Call, response_id: str, ms: int = 1000) -> None:
    call.answers(response_id, call.sentences[-1], ms, ours=True)


def silent(**changes: Any) -> Call:
    return Call(replace(REMINDING, **changes))


def test_a_silent_caller_is_reminded_word_for_word_without_tools() -> None:
    call = silent()
    call.wait(7.9)
    assert call.asked == []

    call.wait(0.2)

    assert call.asked == ["reminder"]
    assert call.sentences == ["Are you still there?"]
    request = call.sent("response.create")[0]["response"]
    assert (request["tool_choice"], request["input"]) == ("none", [])


def test_the_silence_counts_from_the_end_of_what_was_heard() -> None:
    call = silent()
    call.caller_says("u1", "What does it cost?")
    call.answers("r1", "A lot.", 3000)

    call.wait(3 + 7.9)
    assert call.asked == []
    call.wait(0.2)

    assert call.asked == ["reminder"]


def test_reminders_are_taken_in_turn_and_end_after_the_last() -> None:
    call = silent(silence_timeout_s=120)
    for n in range(3):
        call.wait(8.1)
        reminded(call, f"r{n}")
        call.wait(1)
    call.wait(60)

    assert call.sentences == ["Are you still there?", "Hello?", "Are you still there?"]


def test_a_caller_who_speaks_is_reminded_anew_where_that_is_wanted() -> None:
    for resets, count in ((False, 1), (True, 2)):
        call = silent(idle_max_count=1, idle_resets=resets)
        call.wait(8.1)
        reminded(call, "r1")
        call.wait(2)
        call.caller_says("u1", "Yes, yes.")
        call.answers("r2")
        call.wait(12)

        assert len(call.sentences) == count


def test_reminders_do_not_put_off_the_goodbye() -> None:
    call = silent(silence_timeout_s=20)
    call.wait(8.1)
    reminded(call, "r1")
    call.wait(9.1)
    assert call.asked == ["reminder", "reminder"]
    reminded(call, "r2")
    call.wait(2)
    assert call.asked == ["reminder", "reminder"]

    call.wait(2.2)

    assert call.asked == ["reminder", "reminder", "farewell"]


def test_whoever_was_just_reminded_has_time_to_answer() -> None:
    call = silent(silence_timeout_s=9)
    call.wait(8.1)
    reminded(call, "r1", 2000)

    call.wait(2 + 2.9)
    assert call.asked == ["reminder"]
    call.wait(0.2)

    assert call.asked == ["reminder", "farewell"]


def test_an_answer_begins_the_silence_anew() -> None:
    call = silent(silence_timeout_s=20)
    call.wait(8.1)
    reminded(call, "r1")
    call.wait(2)
    call.caller_says("u1", "Yes?")
    call.answers("r2", "Good.", 1000)
    call.wait(1 + 7.9)
    assert call.asked == ["reminder"]
    call.wait(0.2)

    assert call.asked == ["reminder", "reminder"]


def test_something_else_that_the_assistant_says_begins_the_silence_anew_too() -> None:
    call = silent(silence_timeout_s=20, idle_max_count=1)
    call.wait(8.1)
    reminded(call, "r1")
    call.wait(1)
    call.created("r2")
    call.audio("r2", 1000)
    call.done("r2")

    call.wait(1 + 19.9)
    assert call.asked == ["reminder"]
    call.wait(0.2)

    assert call.asked == ["reminder", "farewell"]


def test_nobody_is_reminded_while_they_speak_or_the_answer_is_due() -> None:
    call = silent()
    call.wait(7)
    call.caller_speaks("u1")
    call.wait(9)
    call.caller_stops("u1")
    call.wait(1.9)

    assert call.asked == []


def test_nobody_is_reminded_while_a_tool_is_at_work() -> None:
    call = silent()
    call.created("r1")
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))

    call.wait(20)

    assert call.asked == []


def test_nobody_is_reminded_while_the_model_works() -> None:
    call = silent()
    call.wait(7.5)
    call.created("r1")
    call.wait(5)
    call.audio("r1", 1000)
    call.done("r1")
    call.wait(4)

    assert call.asked == []


def test_nobody_is_reminded_when_the_call_is_about_to_end() -> None:
    call = silent(silence_timeout_s=7)
    call.wait(7.1)
    call.created("r1", ours=True)
    call.wait(8)

    assert call.asked == ["farewell"]


def test_a_reminder_is_not_said_to_a_caller_who_has_just_begun_to_speak() -> None:
    call = silent()
    call.wait(8.1)
    call.caller_speaks("u1")

    call.created("r1", ours=True)
    call.done("r1", "cancelled")
    call.caller_stops("u1")
    call.wait(1.9)

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r1"]
    assert call.asked == ["reminder"]


def test_a_reminder_that_fails_is_let_go_and_the_next_is_tried() -> None:
    call = silent(silence_timeout_s=60)
    call.wait(8.1)
    call.created("r1", ours=True)
    call.done("r1", "failed", code="server_error")
    call.wait(7.9)
    assert call.asked == ["reminder"]

    call.wait(0.2)

    assert call.sentences == ["Are you still there?", "Hello?"]
    assert not call.all(HangUp)


def test_a_reminder_that_is_refused_for_good_ends_the_call() -> None:
    call = silent()
    call.wait(8.1)
    call.created("r1", ours=True)
    call.done("r1", "failed", code="insufficient_quota")
    call.wait(1)

    assert call.asked == ["reminder"]
    call.stop()
    assert call.ended.reason.endswith("llm-failed")


def test_a_goodbye_that_is_due_while_a_reminder_is_made_waits_for_it() -> None:
    call = silent(silence_timeout_s=8.5)
    call.wait(8.1)
    call.wait(1)
    reminded(call, "r1")
    call.wait(1 + 2.9)
    assert call.asked == ["reminder"]
    call.wait(0.2)

    assert call.asked == ["reminder", "farewell"]


def test_the_greeting_comes_first() -> None:
    call = Call(replace(PROTECTED, idle_messages=("Hello?",), idle_timeout_s=2.0))
    call.wait(3)
    assert call.asked == ["greeting"]
    call.answers("r1", "Good morning, how can I help?", 2000, ours=True)
    call.wait(3.9)
    assert call.asked == ["greeting"]

    call.wait(0.2)

    assert call.asked == ["greeting", "reminder"]


def test_a_reminder_is_the_assistants_utterance() -> None:
    call = silent()
    call.wait(8.1)
    reminded(call, "r1")
    call.wait(2)
    call.stop()

    assert call.spoken("r1-i").heard_text == "Are you still there?"

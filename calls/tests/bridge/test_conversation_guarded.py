"""The caller speaks under speech that their voice does not stop, or that a number of words does."""

from dataclasses import replace
from typing import Any

import pytest

from calls.bridge import realtime
from calls.bridge.commands import HangUp
from calls.bridge.plan import session_payload
from calls.tests.bridge.call import GREETING, PROTECTED, WAITING, Call

DEAF = replace(WAITING, interruptible=False)
PATIENT = replace(WAITING, interrupt_words=3)
GUARDED = pytest.mark.parametrize("plan", [DEAF, PATIENT], ids=["never", "words"])


def answering(plan: Any = DEAF, ms: int = 4000, *, done: bool = True) -> Call:
    """A call in which the assistant answers; most of it is still to be heard."""
    call = Call(plan)
    call.caller_says("u1", "What does it cost?")
    call.created("r1", ours=True)
    call.audio("r1", ms)
    if done:
        call.hear(realtime.AudioDone("r1", "r1-i"), realtime.TextDone("r1", "r1-i", "A lot."))
        call.done("r1")
    call.wait(1)
    return call


def murmurs(call: Call, item_id: str, seconds: float = 0.4) -> None:
    call.caller_speaks(item_id)
    call.wait(seconds)
    call.caller_stops(item_id)


@GUARDED
def test_the_server_neither_stops_nor_starts_anything_by_itself(plan: Any) -> None:
    detection = session_payload(plan, floor_open=True)["audio"]["input"]["turn_detection"]

    assert (detection["create_response"], detection["interrupt_response"]) == (False, False)


@GUARDED
def test_a_turn_in_silence_is_answered_at_once(plan: Any) -> None:
    call = Call(plan)
    call.caller_speaks("u1")
    call.wait(1)
    assert call.asked == []

    call.caller_stops("u1")

    assert call.asked == ["answer"]


@GUARDED
@pytest.mark.parametrize("done", [True, False], ids=["generated", "generating"])
def test_the_callers_voice_stops_nothing(plan: Any, done: bool) -> None:
    call = answering(plan, done=done)

    murmurs(call, "u2")
    call.hear(realtime.CallerText("u2", "Uh-huh."))
    call.wait(1)

    assert call.clears == 0
    assert call.sent("response.cancel") == []
    assert call.asked == ["answer"]


@GUARDED
def test_a_backchannel_wants_no_answer_afterwards_either(plan: Any) -> None:
    call = answering(plan)
    murmurs(call, "u2")
    call.hear(realtime.CallerText("u2", "Uh-huh."))

    call.wait(6)

    assert call.asked == ["answer"]


@GUARDED
def test_nobody_has_waited_for_an_answer_to_a_backchannel(plan: Any) -> None:
    call = answering(replace(plan, idle_messages=("Hello?",)))
    murmurs(call, "u2")
    call.hear(realtime.CallerText("u2", "Uh-huh."))
    call.wait(12)
    call.answers("r2", "Hello?", ours=True)
    call.stop()

    assert call.spoken("r2-i").latency_ms is None


@GUARDED
def test_a_word_that_outlasts_the_speech_is_a_reply_to_it(plan: Any) -> None:
    call = answering(plan, 1500)

    murmurs(call, "u2", 0.9)

    assert call.clears == 0
    assert call.asked == ["answer", "answer"]


@GUARDED
def test_nothing_new_is_begun_while_the_caller_speaks(plan: Any) -> None:
    call = Call(plan)
    call.created("r1")
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.caller_speaks("u2")

    call.result()
    assert call.asked == []
    call.caller_stops("u2")

    assert call.asked == ["tool_result"]  # which answers the caller too


@GUARDED
def test_an_answer_that_has_not_sounded_yet_gives_way_to_a_caller_who_goes_on(plan: Any) -> None:
    call = Call(plan)
    call.caller_says("u1", "What does it")
    call.created("r1", ours=True)

    call.caller_speaks("u2")
    call.done("r1", "cancelled")
    call.wait(1)
    call.caller_stops("u2")

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r1"]
    assert call.asked == ["answer", "answer"]


@GUARDED
def test_an_answer_that_was_only_asked_for_gives_way_too(plan: Any) -> None:
    call = Call(plan)
    call.caller_says("u1", "What does it")
    call.caller_speaks("u2")

    call.created("r1", ours=True)
    call.done("r1", "cancelled")
    assert call.asked == ["answer"]
    call.caller_stops("u2")

    assert call.asked == ["answer", "answer"]


@GUARDED
def test_an_answer_that_never_comes_is_asked_for_again(plan: Any) -> None:
    call = Call(plan)
    call.caller_says("u1", "What does it cost?")
    call.wait(10.6)

    assert call.asked == ["answer", "answer"]
    assert call.problems == ["response_not_created"]


@GUARDED
def test_the_protected_greeting_is_followed_by_no_new_settings(plan: Any) -> None:
    call = Call(replace(PROTECTED, interruptible=plan.interruptible, interrupt_words=plan.interrupt_words))
    call.created("r1", ours=True)
    call.audio("r1", 2000)
    call.caller_says("u1", "I would like to book a repair.", 1.0)
    call.hear(realtime.TextDone("r1", "r1-i", GREETING), realtime.AudioDone("r1", "r1-i"))
    call.done("r1")
    call.wait(1.1)

    assert call.clears == 0
    assert len(call.sent("session.update")) == 1
    assert call.asked == ["greeting", "answer"]


# Never --------------------------------------------------------------------------------------------------------------


def test_what_was_said_meanwhile_is_answered_when_the_assistant_is_done() -> None:
    call = answering(DEAF)
    murmurs(call, "u2", 1.0)
    call.hear(realtime.CallerText("u2", "And what about Tuesday?"))
    call.wait(1.5)
    assert call.asked == ["answer"]

    call.wait(0.6)

    assert call.clears == 0
    assert call.asked == ["answer", "answer"]


def test_what_was_said_is_answered_once() -> None:
    call = answering(DEAF)
    murmurs(call, "u2", 1.6)
    murmurs(call, "u3", 0.5)
    call.wait(1)
    call.answers("r2", ours=True)
    call.wait(5)

    assert call.asked == ["answer", "answer"]


def test_words_that_come_after_the_speech_are_still_answered() -> None:
    call = answering(DEAF, 1600)
    murmurs(call, "u2", 0.5)
    call.wait(1)
    assert call.asked == ["answer"]

    call.hear(realtime.CallerText("u2", "What about Tuesday?"))

    assert call.asked == ["answer", "answer"]


@pytest.mark.parametrize(("seconds", "asked"), [(0.4, 1), (1.6, 2)], ids=["short", "long"])
def test_words_that_could_not_be_written_down_are_judged_by_their_length(seconds: float, asked: int) -> None:
    call = answering(DEAF)
    murmurs(call, "u2", seconds)
    call.hear(realtime.CallerTextFailed("u2", "audio_unintelligible"))

    call.wait(3)

    assert len(call.asked) == asked


def test_a_turn_of_which_only_the_end_is_known_wants_no_answer() -> None:
    call = answering(DEAF)
    call.caller_stops("u2")
    call.wait(4)

    assert call.asked == ["answer"]


def test_what_the_model_has_answered_since_is_not_answered_again() -> None:
    call = answering(DEAF)
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    murmurs(call, "u2", 1.6)
    call.result()
    call.answers("r2", ours=True)
    call.wait(6)

    assert call.asked == ["answer", "tool_result"]


def test_a_goodbye_under_which_the_caller_asks_something_ends_nothing() -> None:
    call = answering(replace(DEAF, end_call_phrases=("a lot",)))
    murmurs(call, "u2", 1.6)
    call.wait(3)

    assert call.asked == ["answer", "answer"]
    assert not call.all(HangUp)


# A number of words --------------------------------------------------------------------------------------------------


def test_enough_words_stop_the_assistant_and_are_answered() -> None:
    call = answering(PATIENT)
    murmurs(call, "u2", 0.6)
    assert call.clears == 0

    call.hear(realtime.CallerText("u2", "Wait, stop please."))

    assert call.clears == 1
    assert call.truncated == {"r1-i": 1600}
    assert call.sent("response.cancel") == []  # it had been generated
    assert call.asked == ["answer", "answer"]


def test_a_response_that_is_still_being_generated_is_cancelled() -> None:
    call = answering(PATIENT, done=False)
    murmurs(call, "u2", 0.6)

    call.hear(realtime.CallerText("u2", "Wait, stop please."))
    call.audio("r1", 1000)
    call.done("r1", "cancelled")

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r1"]
    assert call.truncated == {"r1-i": 1600}
    assert call.asked == ["answer", "answer"]


def test_words_that_come_one_by_one_count_as_soon_as_they_are_enough() -> None:
    call = answering(PATIENT)
    call.caller_speaks("u2")
    for word in ("Wait,", " stop"):
        call.hear(realtime.CallerTextDelta("u2", word))
        assert call.clears == 0
    call.hear(realtime.CallerTextDelta("u2", " please"))

    assert call.clears == 1
    assert call.asked == ["answer"]  # they are still speaking
    call.caller_stops("u2")
    assert call.asked == ["answer", "answer"]


def test_too_few_words_are_no_turn() -> None:
    call = answering(PATIENT)
    murmurs(call, "u2", 1.2)  # said slowly
    call.hear(realtime.CallerTextDelta("u2", "Mm-hm, sure."), realtime.CallerText("u2", "Mm-hm, sure."))
    call.wait(5)

    assert call.clears == 0
    assert call.asked == ["answer"]
    call.stop()
    assert call.spoken("u2").text == "Mm-hm, sure."


def test_words_in_silence_interrupt_nothing() -> None:
    call = Call(PATIENT)
    call.caller_says("u1", "What does it cost?")

    call.hear(realtime.CallerTextDelta("u1", "What does it cost?"))

    assert call.asked == ["answer"]


def test_words_of_an_earlier_turn_do_not_interrupt() -> None:
    call = answering(PATIENT)

    call.hear(realtime.CallerText("u1", "What does it really cost?"))

    assert call.clears == 0


def test_words_do_not_interrupt_a_protected_greeting() -> None:
    call = Call(replace(PROTECTED, interrupt_words=1))
    call.created("r1", ours=True)
    call.audio("r1", 3000)
    call.caller_says("u1", "Hello? Hello? Hello?", 0.6)

    assert call.clears == 0


def test_words_after_the_model_is_gone_change_nothing() -> None:
    call = answering(PATIENT)
    murmurs(call, "u2", 0.6)
    call.take(call.conversation.realtime_gone(code="1006", now=call.now))

    call.hear(realtime.CallerText("u2", "Wait, stop please."))

    assert call.clears == 0


def test_the_server_cannot_take_the_floor_back() -> None:
    call = answering(PATIENT)
    call.accept_floor()
    murmurs(call, "u2", 0.6)

    call.hear(realtime.CallerText("u2", "Wait, stop please."))

    assert call.asked == ["answer", "answer"]

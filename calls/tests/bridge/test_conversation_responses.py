"""Which response runs, which is owed, and what becomes of one that fails."""

import pytest

from calls.bridge import realtime
from calls.bridge.commands import Apologise, HangUp
from calls.bridge.limits import ACTIVE_RESPONSE, MODEL_FAILED
from calls.tests.bridge.call import GREETING, GREETING_PLAN, PROTECTED, Call, sound


def turn_is_over() -> Call:
    call = Call()
    call.caller_says("u1", "What does it cost?")
    return call


def with_result(call: Call) -> None:
    """A tool was asked for and has answered: a response of ours is asked for."""
    call.created("r1")
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.result()


# One at a time ------------------------------------------------------------------------------------------------------


def test_who_loses_the_race_for_a_response_asks_again_when_the_winner_is_done() -> None:
    call = turn_is_over()
    with_result(call)
    call.created("r2")

    call.request_refused(ACTIVE_RESPONSE)
    call.answers("r2")

    assert call.asked == ["tool_result", "tool_result"]
    assert all(problem.benign for problem in call.commands if hasattr(problem, "benign"))


def test_it_asks_again_though_the_error_does_not_say_whose_it_is() -> None:
    call = turn_is_over()
    call.created("r1")
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.caller_says("u2", "And Tuesday?")
    call.result()
    call.created("r2")

    call.error(ACTIVE_RESPONSE)
    call.done("r2")

    assert call.asked == ["tool_result", "tool_result"]


def test_it_asks_again_when_the_winner_was_never_announced() -> None:
    call = turn_is_over()
    with_result(call)

    call.request_refused(ACTIVE_RESPONSE)
    call.done("r9")

    assert call.asked == ["tool_result", "tool_result"]


def test_it_asks_again_when_the_winner_is_never_done() -> None:
    call = turn_is_over()
    with_result(call)
    call.request_refused(ACTIVE_RESPONSE)

    call.wait(9.6)

    assert call.asked == ["tool_result", "tool_result"]


def test_the_error_without_a_request_of_ours_only_tells_that_one_runs() -> None:
    call = turn_is_over()

    call.error(ACTIVE_RESPONSE)
    call.done("r9")

    assert call.asked == []


def test_a_first_message_that_loses_the_race_is_not_said_after_the_answer() -> None:
    call = Call(GREETING_PLAN)
    call.created("r1")
    call.request_refused(ACTIVE_RESPONSE)
    call.answers("r1")

    call.wait(5)

    assert call.asked == ["greeting"]


def test_a_protected_first_message_is_said_whatever_the_server_does_by_itself() -> None:
    call = Call(PROTECTED)
    call.request_refused(ACTIVE_RESPONSE)
    call.created("r0")
    call.done("r0", "cancelled")

    call.answers("r1", GREETING, ours=True)
    call.wait(1.1)

    assert call.asked == ["greeting", "greeting"]
    assert len(call.sent("session.update")) == 2


def test_a_server_that_echoes_no_metadata_is_understood() -> None:
    call = Call(GREETING_PLAN)
    call.answers("r1", GREETING)
    call.caller_says("u1", "Book Monday.")
    call.created("r2")
    fc = call.calls_tool("r2")
    call.done("r2", calls=(fc,))
    call.result()
    call.answers("r3")

    call.wait(15)

    assert call.asked == ["greeting", "tool_result"]
    assert call.problems == []


def test_a_server_that_echoes_no_metadata_may_answer_the_caller_before_us() -> None:
    call = turn_is_over()
    with_result(call)
    call.caller_speaks("u2")
    call.caller_stops("u2")

    call.created("r2")
    call.request_refused(ACTIVE_RESPONSE)
    call.done("r2")

    assert call.asked == ["tool_result", "tool_result"]


def test_an_answer_of_the_server_is_not_taken_for_ours_once_it_is_known_to_echo() -> None:
    call = Call(GREETING_PLAN)
    call.answers("r1", GREETING, ours=True)
    with_result(call)
    call.created("r2")
    call.answers("r3", ours=True)

    call.wait(11)

    assert call.asked == ["greeting", "tool_result"]


def test_a_request_that_is_granted_after_it_was_given_up_is_not_made_again() -> None:
    call = Call(GREETING_PLAN)
    call.wait(10.1)
    assert call.problems == ["response_not_created"]

    call.answers("r1", GREETING, ours=True)
    call.wait(3)

    assert call.asked == ["greeting"]


def test_a_request_that_is_granted_late_leaves_the_next_one_open() -> None:
    call = Call(GREETING_PLAN)
    late = call.sent("response.create")[0]["event_id"]
    call.wait(10.6)
    assert call.asked == ["greeting", "greeting"]

    call.hear(realtime.ResponseCreated("r1", late))
    call.request_refused(ACTIVE_RESPONSE)
    call.audio("r1", 500)
    call.done("r1")
    call.wait(3)

    assert call.asked == ["greeting", "greeting"]


def test_a_request_that_is_never_granted_is_made_again_and_then_given_up() -> None:
    call = Call(GREETING_PLAN)

    call.wait(35)

    assert call.asked == ["greeting"] * 3
    assert call.all(Apologise)


# Failures -----------------------------------------------------------------------------------------------------------


def test_a_failed_answer_is_asked_for_again() -> None:
    call = turn_is_over()
    call.created("r1")
    call.done("r1", "failed", code="rate_limit_exceeded")
    assert call.asked == []

    call.wait(0.6)
    call.answers("r2", ours=True)
    call.wait(2)

    assert call.asked == ["answer"]
    assert call.played_bytes == 8000


def test_an_answer_that_fails_three_times_ends_in_an_apology() -> None:
    call = turn_is_over()
    for n in range(3):
        call.created(f"r{n}", ours=n > 0)
        call.done(f"r{n}", "failed", code="server_error")
        call.wait(2.1)

    assert call.asked == ["answer", "answer"]
    assert call.all(Apologise)
    call.stop()
    assert call.ended.reason == MODEL_FAILED


def test_a_success_between_failures_begins_the_count_anew() -> None:
    call = turn_is_over()
    for n in range(6):
        call.caller_says(f"u{n}", "Hello?")
        call.created(f"r{n}")
        call.done(f"r{n}", "failed", code="server_error")
        call.wait(0.6)
        call.answers(f"s{n}", ours=True)
        call.wait(2)

    assert not call.all(Apologise)


def test_a_failure_that_cannot_be_mended_is_not_tried_again() -> None:
    call = turn_is_over()
    call.created("r1")

    call.done("r1", "failed", code="insufficient_quota")

    assert call.all(Apologise)


def test_a_fatal_error_ends_in_an_apology_after_what_is_still_to_be_heard() -> None:
    call = turn_is_over()
    call.created("r1")
    call.audio("r1", 1100)

    call.error("session_expired")
    call.error("session_expired")
    call.audio("r1", 1000)
    call.done("r1", "failed")
    call.wait(1)
    assert not call.all(Apologise)
    call.wait(0.2)

    assert len(call.all(Apologise)) == 1
    assert call.played_bytes == 1100 * 8


def test_a_caller_who_interrupts_what_is_left_of_a_broken_model_hears_the_apology_at_once() -> None:
    call = turn_is_over()
    call.created("r1")
    call.audio("r1", 60_000)
    call.error("session_expired")

    call.caller_speaks("u2")

    assert call.all(Apologise)


def test_a_caller_who_says_something_to_a_broken_model_is_not_answered_by_it() -> None:
    call = turn_is_over()
    call.created("r1")
    call.audio("r1", 5000)
    call.queue.clear()
    call.error("session_expired")
    call.hear(realtime.SpeechStopped("u2", 0))

    call.wait(8)

    assert call.asked == []
    assert len(call.all(Apologise)) == 1


@pytest.mark.parametrize("code", ["response_cancel_not_active", "weather", "invalid_value"])
def test_any_other_error_is_reported_and_the_call_goes_on(code: str) -> None:
    call = turn_is_over()

    call.error(code)
    call.answers("r1")
    call.wait(2)

    assert call.problems == [code]
    assert call.played_bytes == 8000


def test_a_request_that_is_refused_is_made_again() -> None:
    call = Call(GREETING_PLAN)

    call.request_refused("server_error")
    call.wait(0.6)

    assert call.asked == ["greeting", "greeting"]


def test_an_answer_cut_short_is_reported_and_heard() -> None:
    call = turn_is_over()
    call.created("r1")
    call.audio("r1", 500)
    call.done("r1", "incomplete", reason="max_output_tokens")
    call.wait(12)

    assert call.problems == ["response_incomplete_max_output_tokens"]
    assert call.played_bytes == 500 * 8
    assert call.asked == []


def test_an_answer_that_may_not_be_given_is_apologised_for() -> None:
    call = turn_is_over()
    call.created("r1")

    call.done("r1", "incomplete", reason="content_filter")

    assert call.asked == ["apology"]


def test_a_cancelled_answer_is_not_asked_for_again() -> None:
    call = turn_is_over()
    call.created("r1")
    call.caller_speaks("u2")
    call.done("r1", "cancelled", reason="turn_detected")
    call.caller_stops("u2")
    call.answers("r2")
    call.wait(12)

    assert call.asked == []


def test_an_interrupted_answer_that_fails_is_not_asked_for_again() -> None:
    call = turn_is_over()
    call.created("r1")
    call.caller_speaks("u2")

    call.done("r1", "failed", code="server_error")
    call.caller_stops("u2")
    call.wait(1)

    assert call.asked == []
    assert call.problems == ["server_error"]


def test_a_model_that_chooses_to_say_nothing_is_not_pressed() -> None:
    call = turn_is_over()
    call.created("r1")

    call.done("r1", silent=True)
    call.wait(12)

    assert call.asked == []


def test_an_answer_without_sound_is_asked_for_again() -> None:
    call = turn_is_over()
    call.created("r1")
    call.hear(realtime.TextDone("r1", "r1-i", "I answer in writing."))

    call.done("r1")
    call.wait(9.6)

    assert call.asked == ["answer"]


def test_a_response_that_is_done_twice_counts_once() -> None:
    call = turn_is_over()
    call.created("r1")

    for _ in range(5):
        call.done("r1", "failed", code="server_error")
    call.wait(0.6)

    assert call.asked == ["answer"]
    assert not call.all(Apologise)


# Silence ------------------------------------------------------------------------------------------------------------


def test_a_turn_that_nobody_answers_is_answered_by_our_own_request() -> None:
    call = turn_is_over()

    call.wait(8.9)
    assert call.asked == []
    call.wait(0.7)

    assert call.asked == ["answer"]
    assert call.problems == ["no_answer"]


def test_the_wait_for_a_sound_counts_from_the_callers_turn_and_not_from_the_response() -> None:
    call = turn_is_over()
    call.wait(5)
    call.created("r1")

    call.wait(4.6)

    assert [event["response_id"] for event in call.sent("response.cancel")] == ["r1"]
    assert call.asked == ["answer"]


def test_a_response_that_replaces_another_is_given_its_own_time() -> None:
    call = turn_is_over()
    call.created("r1")
    call.wait(5)
    call.created("r2")

    call.wait(5)

    assert call.sent("response.cancel") == []


def test_a_model_that_stays_silent_ends_in_an_apology_within_a_minute() -> None:
    call = turn_is_over()
    for n in range(4):
        call.wait(10)
        if not call.all(Apologise):
            call.created(f"r{n}", ours=True)

    assert call.all(Apologise)


def test_late_audio_of_an_answer_that_was_given_up_is_not_heard() -> None:
    call = turn_is_over()
    call.created("r1")
    call.wait(9.6)

    call.audio("r1", 1000)
    call.wait(1)

    assert call.played_bytes == 0


def test_a_response_that_stops_in_the_middle_is_asked_for_again() -> None:
    call = turn_is_over()
    call.created("r1")
    call.audio("r1", 1000)

    call.wait(9.6)

    assert call.problems == ["response_stalled"]
    assert call.asked == ["answer"]


def test_a_response_that_goes_on_slowly_is_left_alone() -> None:
    call = turn_is_over()
    call.created("r1")
    for _ in range(3):
        call.audio("r1", 5000)
        call.wait(6)

    call.done("r1")

    assert call.problems == []
    assert call.played_bytes == 15_000 * 8


def test_a_response_that_was_said_and_is_never_done_does_not_keep_the_call() -> None:
    call = turn_is_over()
    call.created("r1")
    call.audio("r1", 1000)
    call.hear(realtime.AudioDone("r1", "r1-i"))

    call.wait(40)

    assert call.problems[0] == "response_stalled"
    assert call.asked == ["farewell"]  # for silence, and not for want of an answer


def test_a_turn_that_ends_while_a_tool_runs_is_not_pressed() -> None:
    call = turn_is_over()
    call.created("r1")
    fc = call.calls_tool("r1")
    call.done("r1", calls=(fc,))
    call.hear(realtime.SpeechStopped("u2", 0))

    call.wait(15)

    assert call.asked == []


# The model's socket -------------------------------------------------------------------------------------------------


def test_a_model_that_is_lost_is_apologised_for_after_what_is_still_to_be_heard() -> None:
    call = turn_is_over()
    call.answers("r1", ms=2000)

    call.take(call.conversation.realtime_gone(code="1006", now=call.now))
    call.take(call.conversation.realtime_gone(code="1006", now=call.now))
    call.speak(sound(20))
    call.wait(1.9)
    assert not call.all(Apologise)
    call.wait(0.2)

    assert call.all(Apologise)
    assert not call.all(HangUp)
    assert call.problems == ["1006"]
    call.stop()
    assert call.ended.reason == MODEL_FAILED


def test_a_model_that_is_lost_with_its_marks_is_apologised_for_all_the_same() -> None:
    call = turn_is_over()
    call.answers("r1", ms=2000)
    call.queue.clear()

    call.take(call.conversation.realtime_gone(code="1006", now=call.now))
    call.wait(5)

    assert call.all(Apologise)

"""Whole calls by their end: who hangs up or is hung up on, and how far the last words are written."""

from calls.models import Call
from tests.integration.rows import GREETING
from tests.integration.stories import (
    CHECKING,
    GOODBYE,
    HOURS,
    MODEL_FAILED,
    Told,
    assert_nobody_complained,
    assert_told_well,
    assert_written_as_heard,
    story,
    words,
)


@story("last_phrase", desk={"end_call_phrases": "Have a nice day\nthank you for CALLING"})
def test_a_phrase_of_the_assistants_ends_the_call_when_it_was_heard(told: Told) -> None:
    assert told.heard() == [GREETING, HOURS, GOODBYE]
    assert told.report.heard[-1].complete
    assert told.report.reason == "completed by REST"
    assert told.rows.call.ended_reason == "assistant-said-end-call-phrase"
    assert told.rows.tool_calls == []
    assert_told_well(told)


@story("hang_up_mid_word")
def test_the_last_words_of_a_caller_who_hangs_up_are_written_down(told: Told) -> None:
    (turn,) = told.report.turns
    assert turn.until_ms is not None
    (said,) = told.rows.said("caller")

    assert said
    assert words(turn.said)[: len(words(said))] == words(said)
    assert abs((turn.until_ms - turn.from_ms) / 3036 * len(words(turn.said)) - len(words(said))) <= 2.5
    assert_nobody_complained(told)
    assert told.rows.call.ended_reason == "customer-ended-call"


@story("hang_up_in_tool")
def test_a_tool_call_whose_caller_hung_up_is_orphaned_and_says_what_became_of_it(told: Told) -> None:
    lookup = told.rows.tool_calls[0]

    assert told.heard() == [GREETING, CHECKING]
    assert lookup.orphaned
    assert lookup.told_at is None
    assert (lookup.status, lookup.http_status) == ("answered", 200)
    assert "waiting_for_parts" in lookup.answer
    assert len(told.report.tool_requests) == 1
    assert told.report.tool_calls[0].outputs == []
    assert_told_well(told)


# Late enough for the whole text, which comes much faster than it is spoken.
@story("hang_up_in_greeting", caller=[{"when": {"utterance": 1, "into_ms": 1500}, "hang_up": True}])
def test_a_greeting_that_was_hung_up_on_is_written_as_far_as_it_was_heard(told: Told) -> None:
    (line,) = told.report.heard
    (greeting,) = told.rows.utterances

    assert not line.complete
    assert greeting.text == GREETING
    assert greeting.interrupted
    assert 0 < len(greeting.heard_text) < len(GREETING)
    assert_told_well(told)


@story("hang_up_in_answer")
def test_an_answer_that_was_hung_up_on_is_written_as_far_as_it_was_heard(told: Told) -> None:
    assert not told.report.heard[-1].complete
    assert told.rows.utterances[-1].interrupted
    assert_told_well(told)


@story("silent_caller", desk={"silence_timeout_s": 10}, caller=[{"when": {"at_ms": 40_000}, "hang_up": True}])
def test_a_caller_who_never_speaks_is_said_goodbye_to(told: Told) -> None:
    assert told.heard() == [GREETING, GOODBYE]
    assert told.report.heard[-1].complete
    assert told.report.reason == "completed by REST"
    assert told.rows.call.ended_reason == "silence-timed-out"
    assert_told_well(told)


@story(
    "silent_caller",
    desk={
        "silence_timeout_s": 12,
        "idle_messages": "Are you still there?\nHello?",
        "idle_timeout_s": 5,
        "idle_max_count": 1,
    },
    caller=[{"when": {"at_ms": 40_000}, "hang_up": True}],
)
def test_a_silent_caller_is_reminded_and_then_said_goodbye_to(told: Told) -> None:
    greeting, reminder, goodbye = told.report.heard

    assert [line.line for line in told.report.heard] == [GREETING, "Are you still there?", GOODBYE]
    assert all(line.complete for line in told.report.heard)
    greeted_ms, reminded_ms = (line.from_ms + line.line_ms for line in (greeting, reminder))
    late_ms = told.report.late_ms
    assert reminder.from_ms - greeted_ms > 4500 - late_ms
    # The reminder put nothing off: the goodbye is due twelve seconds after the greeting.
    assert goodbye.from_ms - greeted_ms > 11_500 - late_ms
    assert goodbye.from_ms - reminded_ms < 11_000
    assert told.rows.call.ended_reason == "silence-timed-out"
    assert told.rows.said("assistant") == [GREETING, "Are you still there?", GOODBYE]
    assert_told_well(told)


@story("silent_caller", desk={"max_duration_s": 10}, caller=[{"when": {"at_ms": 40_000}, "hang_up": True}])
def test_a_call_that_lasts_too_long_ends_with_a_goodbye(told: Told) -> None:
    assert told.heard() == [GREETING, GOODBYE]
    assert told.report.heard[-1].complete
    assert told.rows.call.ended_reason == "exceeded-max-duration"
    assert_told_well(told)


# Failing and trying again


@story("failed_response")
def test_a_failed_response_is_tried_again(told: Told) -> None:
    assert told.heard() == [GREETING]
    assert told.rows.codes() == ["server_error"]
    assert not told.report.violations
    assert told.report.spoken_by_twilio == []
    assert_written_as_heard(told)


@story("failed_response", faults={"fail_responses": 99, "fail_code": "server_error"})
def test_responses_that_keep_failing_end_in_an_apology(told: Told) -> None:
    assert told.heard() == []
    assert told.report.spoken_by_twilio == [told.desk.assistant.apology]
    assert told.report.reason in ("hung up by TwiML", "the document ended")
    assert not told.report.violations
    assert told.rows.call.ended_reason == MODEL_FAILED
    assert told.rows.call.status == Call.Status.ENDED
    assert set(told.rows.codes()) == {"server_error"}

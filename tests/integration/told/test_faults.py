"""Calls in which somebody else fails: the caller is served or told so, and the rows say what happened."""

from typing import Any

import pytest

from calls.models import Call
from tests.integration.rows import GREETING
from tests.integration.stories import (
    CHECKING,
    GOODBYE,
    HOURS,
    MODEL_FAILED,
    READY_ON,
    UNREACHED,
    Story,
    Told,
    assert_nobody_complained,
    assert_told_well,
    assert_written_as_heard,
    assert_written_as_said,
    stories,
    story,
)
from tools.models import ToolAttempt

ONE_QUESTION: dict[str, Any] = {
    "caller": [
        {"when": {"quiet_ms": 600}, "say": "When do you open?"},
        {"when": {"quiet_ms": 800, "heard": "Saturday"}, "hang_up": True},
    ]
}


# Without marks the end of the greeting is only reckoned, and the floor opens later.
PATIENT_QUESTION: dict[str, Any] = {
    "caller": [
        {"when": {"quiet_ms": 3500}, "say": "When do you open?"},
        {"when": {"quiet_ms": 800, "heard": "Saturday"}, "hang_up": True},
    ]
}


def fault(*, desk: dict[str, Any] | None = None, patience_ms: float = 15_000, **faults: Any) -> Story:
    """One question, while the Realtime API misbehaves."""
    parts = {**ONE_QUESTION, "faults": faults, "patience_ms": patience_ms}
    return Story("one_tool", parts, desk or {})


# The Realtime API cannot be had


@stories(
    **{
        "401": fault(refuse_status=401),
        "403": fault(refuse_status=403),
        "503": fault(refuse_status=503),
        "closed with 4000": fault(close_4000_code="insufficient_quota"),
        "no word after session.created": fault(mute="after_created"),
        "our session is rejected": fault(reject_update=True),
        "no response is ever made": fault(mute="after_updated", patience_ms=60_000),
    }
)
def test_a_caller_whose_model_cannot_be_had_hears_an_apology(
    told: Told, request: pytest.FixtureRequest
) -> None:
    report, rows = told.report, told.rows

    assert told.heard() == []
    assert report.spoken_by_twilio == [told.desk.assistant.apology]
    assert not report.violations, report.events
    assert rows.call.status == Call.Status.ENDED
    assert rows.call.ended_reason == MODEL_FAILED
    expected = {
        "401": "http_401",
        "403": "http_403",
        "503": "http_503",
        "closed with 4000": "insufficient_quota",
        "no word after session.created": "session_timed_out",
        "our session is rejected": "invalid_value",
        "no response is ever made": "response_not_created",
    }[request.node.callspec.id]
    assert expected in rows.codes()


@stories(
    **{
        "1006": fault(close_mid_response=1006, close_times=2),
        "1001": fault(close_mid_response=1001, close_times=2),
    }
)
def test_a_model_that_is_lost_twice_ends_in_an_apology(told: Told) -> None:
    report, rows = told.report, told.rows

    assert report.heard[0].line == GREETING
    assert not report.heard[0].complete
    assert report.spoken_by_twilio == [told.desk.assistant.apology]
    assert not report.violations, report.events
    assert rows.call.ended_reason == MODEL_FAILED
    assert set(rows.codes()) - {"connection_closed", "closed_1001"} == {"stream_lost"}
    assert len(set(rows.codes())) == 2
    assert report.realtime_sessions == 2
    assert rows.transcript is not None
    assert rows.transcript.closed_at is not None


# It is odd, and the call goes on


@stories(
    **{
        "busy once": fault(refuse_status=503, refuse_times=1),
        "unknown events": fault(unknown_events=True),
        "a message of 3 MB": fault(huge_message=True),
        "broken JSON": fault(invalid_json=True),
        "a slow session": fault(slow_update_ms=3000),
    }
)
def test_a_model_that_is_only_odd_is_put_up_with(told: Told) -> None:
    assert told.heard() == [GREETING, HOURS]
    assert all(line.complete for line in told.report.heard)
    assert told.report.spoken_by_twilio == []
    assert_told_well(told)


@story("one_tool", model={"transcription_fails": True}, **ONE_QUESTION)
def test_words_that_could_not_be_transcribed_are_written_down_as_such(told: Told) -> None:
    assert told.heard() == [GREETING, HOURS]
    assert_nobody_complained(told)
    caller = [one for one in told.rows.utterances if one.speaker == "caller"]
    assert [(one.transcribed, one.text) for one in caller] == [(False, "")]
    assert caller[0].ended_ms - caller[0].began_ms > 500


# The tool server


def webhook(
    behaviour: str = "", *, timeout_s: int = 20, tool: dict[str, Any] | None = None, **answer: Any
) -> Story:
    """The caller asks for something that a tool must look up, which goes wrong."""
    return Story(
        "tool_server_down",
        {"tools": {"get_repair_status": answer} if answer else {}},
        {"behaviour": behaviour, "tool": {"timeout_s": timeout_s, **(tool or {})}},
    )


@stories(
    **{
        "drops the connection": webhook("drop"),
        "500": webhook("status-500"),
        "404": webhook("status-404"),
        "a web page": webhook("html"),
        "half a body": webhook("half-body", timeout_s=3),
        "a redirect": webhook("redirect"),
        "5 MB": webhook("huge"),
        "another call's answer": webhook("wrong-id"),
        "an error": webhook("string-error"),
        "an answer that comes too late": webhook("slow-6000", timeout_s=2),
    }
)
def test_a_tool_that_fails_is_told_honestly_and_the_call_goes_on(
    told: Told, request: pytest.FixtureRequest
) -> None:
    unsure = {"drops the connection", "an answer that comes too late"}
    report, rows = told.report, told.rows
    lookup = rows.tool_calls[0]

    assert told.heard() == [GREETING, CHECKING, UNREACHED, GOODBYE]
    assert not report.violations, report.events
    assert report.realtime_errors == []
    assert_written_as_heard(told)
    assert_written_as_said(told)
    assert lookup.told_at is not None
    assert report.tool_calls[0].outputs == [lookup.outcome]
    assert lookup.status == ("timed_out" if request.node.callspec.id in unsure else "failed")
    assert lookup.error
    assert lookup.outcome
    assert "waiting_for_parts" not in lookup.outcome
    assert len(report.tool_requests) == 1  # nothing is asked twice
    assert len(lookup.outcome) < 21_000


@story("tool_server_down", desk={"behaviour": "empty"}, tools={})
def test_an_empty_answer_is_told_as_vapi_tells_it(told: Told) -> None:
    lookup = told.rows.tool_calls[0]

    assert (lookup.status, lookup.outcome) == ("answered", "No result returned.")
    assert told.heard() == [GREETING, CHECKING, UNREACHED, GOODBYE]


@stories(
    **{
        "a bare result": webhook("bare-result"),
        "an object": webhook("object"),
        "with line breaks": webhook("multiline"),
        "slow but in time": webhook("slow-1500", timeout_s=10),
        "beside answers for others": webhook("extra-ids"),
        "on an error status": webhook("results-500"),
    }
)
def test_an_answer_in_an_odd_shape_is_understood(told: Told, request: pytest.FixtureRequest) -> None:
    lookup = told.rows.tool_calls[0]

    assert told.heard()[:3] == [GREETING, CHECKING, READY_ON]
    status = 500 if request.node.callspec.id == "on an error status" else 200
    assert (lookup.status, lookup.http_status) == ("answered", status)
    assert "Somebody else" not in lookup.outcome
    assert len(told.report.tool_requests) == 1


AGAIN = {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 0.2, "excludedStatusCodes": [404]}


@stories(
    **{
        "drops the connection": webhook("drop", tool={"backoff_plan": AGAIN}),
        "503": webhook("status-503", tool={"backoff_plan": AGAIN}),
        "404, excluded": webhook("status-404", tool={"backoff_plan": AGAIN}),
    }
)
def test_a_request_is_sent_again_only_as_its_tool_plans_and_is_the_same_each_time(
    told: Told, request: pytest.FixtureRequest
) -> None:
    lookup = told.rows.tool_calls[0]
    attempts = list(ToolAttempt.objects.filter(tool_call=lookup))
    due = 1 if request.node.callspec.id == "404, excluded" else 3

    requests = told.report.tool_requests
    assert len(requests) == len(attempts) == lookup.attempts_begun == due
    assert len({str(one["body"]) for one in requests}) == 1
    assert {one["headers"]["idempotency-key"] for one in requests} == {lookup.item_id}
    assert told.heard() == [GREETING, CHECKING, UNREACHED, GOODBYE]
    assert told.report.tool_calls[0].outputs == [lookup.outcome]


@story("tool_server_down", desk={"tool": {"server_url": "http://127.0.0.1:9/nobody"}})
def test_a_tool_server_that_is_down_was_certainly_not_asked(told: Told) -> None:
    lookup = told.rows.tool_calls[0]

    assert told.heard() == [GREETING, CHECKING, UNREACHED, GOODBYE]
    assert lookup.status == "failed"
    assert lookup.sent_at is None
    assert "Nothing was done" in lookup.outcome


# The telephone line


@stories(
    **{
        "the webhook comes twice": Story("one_tool", {**ONE_QUESTION, "line": {"duplicate_webhook": True}}),
        "a second socket": Story("one_tool", {**ONE_QUESTION, "line": {"second_socket": True}}),
        "audio in bursts": Story("one_tool", {**ONE_QUESTION, "line": {"burst_ms": 400}}),
        "no audio in silence": Story("one_tool", {**ONE_QUESTION, "line": {"skip_silence": True}}),
        "odd frames": Story("one_tool", {**ONE_QUESTION, "line": {"frame_bytes": [1, 159, 160, 161, 999]}}),
        "callbacks out of order": Story("one_tool", {**ONE_QUESTION, "line": {"reorder_callbacks": True}}),
        "closed without stop": Story("one_tool", {**ONE_QUESTION, "line": {"no_stop": True}}),
    }
)
def test_a_line_with_habits_carries_the_call_all_the_same(told: Told) -> None:
    assert told.heard() == [GREETING, HOURS]
    assert all(line.complete for line in told.report.heard)
    assert_told_well(told)
    assert Call.objects.filter(call_sid=told.report.call_sid).count() == 1
    assert "second socket accepted" not in [event["event"] for event in told.report.events]


@story("one_tool", **PATIENT_QUESTION, line={"withhold_marks": True})
def test_without_marks_the_clock_says_when_something_was_heard(told: Told) -> None:
    assert told.heard() == [GREETING, HOURS]
    assert_nobody_complained(told)
    assert_written_as_said(told)
    assert [one.text for one in told.rows.utterances if one.speaker == "assistant"] == [GREETING, HOURS]


@story("one_tool", **ONE_QUESTION, line={"no_close": True})
def test_a_socket_that_stays_open_after_the_call_is_ended_by_twilios_callback(told: Told) -> None:
    assert told.heard() == [GREETING, HOURS]
    assert told.rows.call.ended_reason == "call.in-progress.twilio-completed-call"
    assert_told_well(told)

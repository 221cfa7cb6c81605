"""Streams that end in the middle of a call: it goes on in another one."""

import time

import pytest

from calls.models import Call
from simulator import scenario as scenarios
from simulator.scenario import Step, When
from tests.integration.rows import GREETING, make_desk, written
from tests.integration.stack import Stack, eventually
from tests.integration.stories import (
    ASKS_HOURS,
    GOODBYE,
    HOURS,
    OKAY,
    Told,
    assert_written_as_heard,
    assert_written_as_said,
    story,
)

BROKE_OFF = "Are you still there?"  # of the simulated model, which knows what was said and reads no notes


def talks_on() -> scenarios.Scenario:
    """The caller asks, is told that the line broke off, asks once more and says goodbye."""
    tale = scenarios.load("transfer_busy")
    _, asks, leaves = tale.caller
    return tale.but(
        patience_ms=90_000.0,  # a busy machine takes its time to start a process
        caller=(
            Step(When(quiet_ms=700), say=ASKS_HOURS),
            Step(When(quiet_ms=700, heard="still there"), say=asks.say),
            Step(When(quiet_ms=700, heard="nine to six"), say=leaves.say),
        ),
    )


def test_a_caller_whose_media_process_is_killed_talks_on_when_it_is_back(alone: Stack) -> None:
    desk = make_desk(alone)
    live = alone.call(talks_on(), desk.did)
    live.wait_for("turn answered")
    time.sleep(3.5)  # until the answer was heard whole, and is written down

    alone.kill("media")
    alone.start("media")
    report = live.report()

    told = Told(desk, report, written(report.call_sid))
    assert report.spoken_by_twilio == []
    assert told.heard() == [GREETING, HOURS, BROKE_OFF, HOURS, GOODBYE]
    assert told.rows.said("caller") == [ASKS_HOURS, ASKS_HOURS, OKAY]
    call = told.rows.call
    assert (call.status, call.ended_reason) == (Call.Status.ENDED, "assistant-ended-call")
    assert [one.kind for one in call.breaks.all()] == ["lost"]
    remembered = [
        event["item"]["content"][0]["text"]
        for event in report.realtime_events
        if event["type"] == "conversation.item.create" and event["item"]["type"] == "message"
    ]
    assert remembered[:3] == [GREETING, ASKS_HOURS, HOURS]
    assert remembered[3].startswith("The connection was lost for a moment")
    began = [one.began_ms for one in told.rows.utterances]
    assert began == sorted(began)
    assert_written_as_heard(told)
    assert_written_as_said(told)


@pytest.mark.long
def test_a_caller_whose_media_process_is_deployed_anew_talks_on(alone: Stack) -> None:
    desk = make_desk(alone)
    live = alone.call(talks_on(), desk.did)
    live.wait_for("turn answered")
    time.sleep(3.5)

    alone.stop("media")
    alone.start("media")
    report = live.report()

    told = Told(desk, report, written(report.call_sid))
    assert report.spoken_by_twilio == []
    assert told.heard() == [GREETING, HOURS, BROKE_OFF, HOURS, GOODBYE]
    eventually(
        lambda: Call.objects.get(call_sid=report.call_sid).ended_reason == "assistant-ended-call",
        "the second session's bridge has the last word",
    )


@story(
    "realtime_lost",
    caller=[
        {"when": {"quiet_ms": 600}, "say": ASKS_HOURS},
        {"when": {"quiet_ms": 700, "heard": "nine to six"}, "say": OKAY},
    ],
)
def test_a_caller_whose_session_is_lost_in_an_answer_is_answered_by_another(told: Told) -> None:
    report = told.report
    assert report.spoken_by_twilio == []
    assert report.realtime_sessions == 2
    assert told.heard()[-1] == GOODBYE
    assert told.rows.call.ended_reason == "assistant-ended-call"
    assert [one.kind for one in told.rows.call.breaks.all()] == ["lost"]
    assert set(told.rows.codes()) == {"connection_closed", "stream_lost"}
    assert_written_as_said(told)

"""Streams that end in the middle of a call: it goes on in another one."""

from typing import Any

import pytest
import requests

from calls.models import Call
from simulator import scenario as scenarios
from simulator.scenario import Step, When
from tests.integration.rows import GREETING, Desk, make_desk, written
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
from tools.access.keys import key_create
from transcripts.models import Utterance

NOTE = "The caller is a regular."
NEWS = "A colleague will call you back."
BROKE_OFF = "Are you still there?"  # of the simulated model, which knows what was said and reads no notes


def ordered(stack: Stack, call: Call, body: dict[str, Any]) -> None:
    """A program orders something of the running call, which takes it."""
    _, key = key_create(name=f"orders {call.pk}", scopes=["call:write"])
    answer = requests.post(
        f"http://127.0.0.1:{stack.ports.web}/call/{call.pk}/control",
        json=body,
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )
    assert (answer.status_code, answer.json()) == (200, {})


def note_added(stack: Stack, call: Call) -> None:
    """A program tells the running call something."""
    message = {"role": "system", "content": NOTE}
    ordered(stack, call, {"type": "add-message", "message": message, "triggerResponseEnabled": False})


def answer_written(desk: Desk) -> None:
    """Return when the first answer was heard whole, and is written down."""
    calls = Call.objects.filter(did=desk.did).values("id")
    answers = Utterance.objects.filter(transcript__call_id__in=calls, heard_text=HOURS)
    eventually(answers.exists, "the answer was heard, and is written down")


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
    note_added(alone, Call.objects.get(did=desk.did))
    answer_written(desk)

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
    # The session before was given the note when it was added.
    assert [one for one in remembered if one == NOTE] == [NOTE, NOTE]
    spoken = [one for one in remembered if one != NOTE]
    assert spoken[:3] == [GREETING, ASKS_HOURS, HOURS]
    assert spoken[3].startswith("The connection was lost for a moment")
    (order,) = call.orders.all()
    assert (order.kind, order.result, order.by, order.words) == ("add-message", "taken", "key", NOTE)
    assert order.done_at is not None
    began = [one.began_ms for one in told.rows.utterances]
    assert began == sorted(began)
    assert_written_as_heard(told)
    assert_written_as_said(told)


@pytest.mark.long
def test_a_sentence_that_was_ordered_just_before_the_process_was_killed_is_said_by_the_next(
    alone: Stack,
) -> None:
    desk = make_desk(alone)
    live = alone.call(talks_on(), desk.did)
    live.wait_for("turn answered")
    call = Call.objects.get(did=desk.did)
    ordered(alone, call, {"type": "say", "content": NEWS})  # behind the answer, which is still being heard
    alone.kill("media")
    alone.start("media")
    report = live.report()

    told = Told(desk, report, written(report.call_sid))
    assert told.heard().count(NEWS) == 1
    (order,) = told.rows.call.orders.all()
    assert (order.kind, order.result, order.by, order.why) == ("say", "taken", "key", "")
    assert order.done_at is not None
    assert order.order == "", "nothing of it is kept sealed"


@pytest.mark.long
def test_a_caller_whose_media_process_is_deployed_anew_talks_on(alone: Stack) -> None:
    desk = make_desk(alone)
    live = alone.call(talks_on(), desk.did)
    answer_written(desk)

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


# Who speaks between the two streams is heard by nobody, so the caller waits until somebody speaks to them again.
@story(
    "realtime_lost",
    caller=[
        {"when": {"quiet_ms": 700, "heard": "still there"}, "say": ASKS_HOURS},
        {"when": {"quiet_ms": 700, "heard": "nine to six"}, "say": OKAY},
    ],
)
def test_a_caller_whose_session_is_lost_in_an_answer_is_answered_by_another(told: Told) -> None:
    report = told.report
    assert report.spoken_by_twilio == []
    assert report.realtime_sessions == 2
    assert GREETING.startswith(told.heard()[0])
    assert told.heard()[1:] == [BROKE_OFF, HOURS, GOODBYE]
    assert told.rows.call.ended_reason == "assistant-ended-call"
    assert [one.kind for one in told.rows.call.breaks.all()] == ["lost"]
    assert set(told.rows.codes()) == {"connection_closed", "stream_lost"}
    assert_written_as_said(told)

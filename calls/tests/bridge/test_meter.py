"""What a call has used: every response and every transcription once, with the session and the model it is of."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from calls.bridge import realtime, twilio
from calls.bridge.commands import Ended, Used, UsedFor
from calls.bridge.limits import WORDS_KNOWN_WITHIN_S
from calls.bridge.meter import UNFINISHED
from calls.tests.bridge.call import WAITING, Call
from calls.tests.bridge.handing import BILLING, Squad, to_billing, triage
from calls.tests.bridge.test_replay import replay

PLAN = replace(WAITING, model="gpt-realtime-2.1")
USAGE = {"input_tokens": 10, "output_tokens": 5}
SECONDS = {"type": "duration", "seconds": 2.8}


def used(call: Call) -> list[tuple[str, str, str]]:
    return [(one.kind, one.response_id, one.status) for one in call.all(Used)]


def done_event(**response: Any) -> realtime.Event:
    return realtime.parse(orjson.dumps({"type": "response.done", "response": {"id": "r1", **response}}))


@pytest.mark.parametrize("status", ["completed", "cancelled", "failed", "incomplete"])
def test_every_response_is_reported_whatever_became_of_it(status: str) -> None:
    call = Call(PLAN)
    call.created("r1")
    call.done("r1", status, usage=USAGE)

    (one,) = call.all(Used)
    assert (one.session, one.kind, one.response_id, one.model) == (0, UsedFor.RESPONSE, "r1", PLAN.model)
    assert (one.status, one.usage) == (status, USAGE)


def test_a_transcription_is_reported_with_the_model_that_wrote_it() -> None:
    call = Call(PLAN)
    call.caller_speaks("u1")
    call.caller_stops("u1")
    call.hear(realtime.CallerText("u1", "Is it ready?", SECONDS))

    (one,) = call.all(Used)
    assert (one.kind, one.response_id, one.model) == (UsedFor.TRANSCRIPTION, "u1", "gpt-transcribe")
    assert one.usage == SECONDS


def test_a_response_that_nobody_asked_for_is_charged_as_well() -> None:
    call = Call(PLAN)
    call.done("elsewhere", usage=USAGE)

    assert used(call) == [("response", "elsewhere", "completed")]


def test_a_caller_who_hangs_up_is_waited_for_until_the_cancelled_answer_is_reported() -> None:
    call = Call(PLAN)
    call.created("r1")
    call.audio("r1", 400)
    call.take(call.conversation.receive_twilio(twilio.Stop(), now=call.now))
    assert call.all(Ended) == []

    call.done("r1", "cancelled", usage=USAGE)

    assert used(call) == [("response", "r1", "cancelled")]
    assert call.ended.reason == "customer-ended-call"


def test_a_report_that_does_not_come_is_told_as_unknown_and_the_call_ends_all_the_same() -> None:
    call = Call(PLAN)
    call.created("r1")
    call.take(call.conversation.receive_twilio(twilio.Stop(), now=call.now))
    call.wait(1.1)

    assert used(call) == [("response", "r1", UNFINISHED)]
    assert call.all(Used)[0].usage is None
    assert call.commands.index(call.all(Used)[0]) < call.commands.index(call.ended)


def test_a_session_that_is_lost_leaves_what_it_did_not_report() -> None:
    call = Call(PLAN)
    call.created("r1")
    call.take(call.conversation.realtime_gone(code="closed_1006", now=call.now))
    call.stop()

    assert used(call) == [("response", "r1", UNFINISHED)]


def test_an_answer_given_up_is_reported_when_the_server_reports_it() -> None:
    call = Call(PLAN)
    call.caller_says("u1", "Hello?")
    call.created("r1")
    call.wait(10)
    call.done("r1", "cancelled", usage=USAGE)

    assert ("response", "r1", "cancelled") in used(call)


def test_who_takes_a_call_over_is_charged_in_a_session_and_with_a_model_of_its_own() -> None:
    call = Squad()
    call.hands_over(replace(BILLING, model="gpt-realtime-2.1-mini"))
    call.hear_in(
        1,
        realtime.ResponseCreated("r9", ""),
        realtime.ResponseDone("r9", "completed", "", "", "", (), usage=USAGE),
    )

    last = call.all(Used)[-1]
    assert (last.session, last.model, last.usage) == (1, "gpt-realtime-2.1-mini", USAGE)


def test_words_that_the_session_before_writes_down_are_charged_to_it_once() -> None:
    call = Squad(triage(to_billing("")))
    call.caller_speaks("u1")
    call.caller_stops("u1")
    call.asks_at_once()
    call.ready()
    call.wait(WORDS_KNOWN_WITHIN_S)
    assert call.took_over() == ["billing"]
    before = len(call.all(Used))
    call.hear_in(0, realtime.CallerText("u1", "And the invoice?", SECONDS))

    (one,) = call.all(Used)[before:]
    assert (one.session, one.response_id) == (0, "u1")


def test_the_recorded_call_is_reported_whole() -> None:
    phone = replay("ga-call.jsonl")

    reports = [one for one in phone.commands if isinstance(one, Used)]
    kinds = [one.kind for one in reports]
    assert kinds.count(UsedFor.RESPONSE) == 4
    assert all(one.usage for one in reports)


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (None, None),
        ({}, None),
        ("12", None),
        ({"input_tokens": None}, None),
        ({"input_tokens": 3, "note": "words", "flag": True}, {"input_tokens": 3}),
        ({"type": "duration", "seconds": 2.8}, SECONDS),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 1}}}),
        ({"a": {"b": {"c": {"d": 1}}}}, None),
        ({f"n{n}": n for n in range(99)}, {f"n{n}": n for n in range(24)}),
    ],
)
def test_only_figures_of_a_report_are_kept(usage: Any, told: Any) -> None:
    event = done_event(usage=usage)

    assert isinstance(event, realtime.ResponseDone)
    assert event.usage == told

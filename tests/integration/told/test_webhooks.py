"""Twilio's webhooks at the running web process: who is let in, and what a call that cannot be answered hears."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from calls.models import Call, NumberServer, ServerMessage
from calls.tests.factories import make_phone_number
from simulator.harness import new_sid
from simulator.signature import sign
from tests.integration.line import Ticket, line, post, ring, spoken
from tests.integration.outside import ACCOUNT_SID, AUTH_TOKEN
from tests.integration.rows import make_desk
from tests.integration.stack import Stack, eventually

WEBHOOKS = ("voice", "status", "stream-status", "after")


@pytest.mark.parametrize("webhook", WEBHOOKS)
@pytest.mark.parametrize("signature", ["", "c2lnbmF0dXJl", "ünsigned".encode().decode("latin-1")])
def test_a_webhook_that_twilio_did_not_sign_is_forbidden(stack: Stack, webhook: str, signature: str) -> None:
    form = {"CallSid": new_sid("CA")}

    answer = post(stack, f"/twilio/{webhook}", form, signature=signature)

    assert answer.status_code == 403
    assert not Call.objects.filter(call_sid=form["CallSid"]).exists()


def test_a_signature_for_another_address_is_forbidden(stack: Stack) -> None:
    form = {"CallSid": new_sid("CA")}
    foreign = sign("https://other.example.com/twilio/voice", list(form.items()), auth_token=AUTH_TOKEN)

    assert post(stack, "/twilio/voice", form, signature=foreign).status_code == 403


REFUSALS = {
    "the number is switched off": ({"number": {"enabled": False}}, "switched off"),
    "the number has no assistant": ({"number": {"assistant": None}}, "no assistant"),
    "the assistant is switched off": ({"enabled": False}, "switched off"),
    "the assistant was never published": ({"published": False}, "never published"),
}


@pytest.mark.parametrize(("desk", "why"), list(REFUSALS.values()), ids=list(REFUSALS))
def test_a_call_that_cannot_be_answered_hears_an_apology(stack: Stack, desk: dict, why: str) -> None:  # type: ignore[type-arg]
    made = make_desk(stack, **desk, apology="Nobody is here today.")
    call_sid = new_sid("CA")

    answer = ring(stack, made.did, call_sid=call_sid)

    assert answer.status_code == 200
    assert "xml" in answer.headers["Content-Type"]
    number_has_one = desk.get("number", {}).get("assistant", made.assistant) is not None
    said = spoken(answer.text)
    assert said == ("Nobody is here today." if number_has_one else said)
    assert said
    call = Call.objects.get(call_sid=call_sid)
    assert call.status == Call.Status.REFUSED
    assert why in call.refused_because
    assert call.ended_at is not None
    assert call.ended_reason


def test_a_call_to_a_foreign_number_hears_an_apology(stack: Stack) -> None:
    call_sid = new_sid("CA")

    answer = ring(stack, "+19995550000", call_sid=call_sid)

    assert answer.status_code == 200
    assert spoken(answer.text)
    assert "not in Tandem" in Call.objects.get(call_sid=call_sid).refused_because


@pytest.mark.parametrize(
    "caller", ["anonymous", "", "+266696687", "sip:alice@example.com", "x" * 300, "\x00"]
)
def test_a_withheld_or_odd_number_is_answered_all_the_same(stack: Stack, caller: str) -> None:
    desk = make_desk(stack)
    form = {"CallSid": new_sid("CA"), "AccountSid": ACCOUNT_SID, "To": desk.did, "From": caller}

    answer = post(stack, "/twilio/voice", form)

    assert answer.status_code == 200
    assert "<Stream " in answer.text or spoken(answer.text)


def test_a_webhook_without_a_call_is_answered_with_an_apology(stack: Stack) -> None:
    answer = post(stack, "/twilio/voice", {"To": "+19995550000"})

    assert answer.status_code == 200
    assert spoken(answer.text)


def test_a_webhook_that_comes_twice_has_one_row_and_two_good_documents(stack: Stack) -> None:
    desk = make_desk(stack)
    call_sid = new_sid("CA")

    first, second = (Ticket(call_sid, ring(stack, desk.did, call_sid=call_sid).text) for _ in range(2))

    assert (first.url, first.token) == (second.url, second.token)
    call = Call.objects.get(call_sid=call_sid)
    with line(stack, second.url) as one:
        one.start(call_sid, token=second.token)
        one.frames(3)
        one.expect("media")
        one.stop(call_sid)
    call.refresh_from_db()
    assert call.token_used_at is not None


def test_a_webhook_that_comes_eight_times_at_once_has_one_row(stack: Stack) -> None:
    desk = make_desk(stack)
    call_sid = new_sid("CA")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ring(stack, desk.did, call_sid=call_sid), range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({Ticket(call_sid, answer.text).token for answer in answers}) == 1
    assert Call.objects.filter(call_sid=call_sid).count() == 1


@pytest.mark.parametrize("webhook", ["status", "stream-status"])
def test_a_callback_for_a_call_we_never_had_is_taken_in_silence(stack: Stack, webhook: str) -> None:
    form = {"CallSid": new_sid("CA"), "CallStatus": "completed", "StreamEvent": "stream-error"}

    assert post(stack, f"/twilio/{webhook}", form).status_code == 204


def test_a_caller_who_gave_up_before_the_stream_opened_leaves_no_call_behind(stack: Stack) -> None:
    desk = make_desk(stack)
    call_sid = new_sid("CA")
    ring(stack, desk.did, call_sid=call_sid)

    post(stack, "/twilio/status", {"CallSid": call_sid, "CallStatus": "completed"})

    call = Call.objects.get(call_sid=call_sid)
    assert call.status == Call.Status.ENDED
    assert call.ended_reason == "call.in-progress.twilio-completed-call"


def test_a_stream_that_never_reached_us_is_a_problem_and_an_apology(stack: Stack) -> None:
    desk = make_desk(stack, apology="Something broke.")
    call_sid = new_sid("CA")
    ring(stack, desk.did, call_sid=call_sid)
    error = "31920 Stream - WebSocket - Handshake Error"

    stream = {"StreamSid": new_sid("MZ"), "StreamEvent": "stream-error", "StreamError": error}
    post(stack, "/twilio/stream-status", {"CallSid": call_sid, **stream})
    after = post(stack, "/twilio/after", {"CallSid": call_sid, "CallStatus": "in-progress"})

    assert spoken(after.text) == "Something broke."
    call = Call.objects.get(call_sid=call_sid)
    assert call.status == Call.Status.ENDED
    (problem,) = call.problems.all()
    assert (problem.source, problem.message, problem.benign) == ("twilio", error, False)


@pytest.mark.long
def test_callers_whose_servers_think_hold_up_nobody_else(stack: Stack) -> None:
    desk = make_desk(stack)
    asking = [make_phone_number(did=f"+1646555{n:04}") for n in range(24)]
    for number in asking:
        url = stack.outside.tool_url("who", behaviour="slow-6000")
        NumberServer.objects.create(number=number, server_url=url)

    with ThreadPoolExecutor(len(asking)) as pool:
        waiting = [pool.submit(ring, stack, number.did, call_sid=new_sid("CA")) for number in asking]
        # More of them than the web process has connections to the database.
        eventually(
            lambda: ServerMessage.objects.filter(call__did__in=[one.did for one in asking]).count() == 24,
            "24 questions",
        )
        answer = ring(stack, desk.did, call_sid=new_sid("CA"))
        assert "<Stream " in answer.text
        assert not any(one.done() for one in waiting)
        answers = [one.result(15) for one in waiting]  # Twilio waits no longer

    assert {one.status_code for one in answers} == {200}
    assert all(spoken(one.text) for one in answers)
    calls = Call.objects.filter(did__in=[one.did for one in asking])
    assert set(calls.values_list("ended_reason", flat=True)) == {"assistant-request-returned-no-assistant"}

"""Twilio's webhooks of smoke tests over the telephone: the far end on our number, the caller's end, and its status."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from twilio.request_validator import RequestValidator

from calls import testers
from calls.cutover.bypass import BypassError, Order, Reply
from calls.models import Call, PhoneNumber, SmokeLeg
from calls.smoke.legs import leg_caller_left
from calls.smoke.markers import leg_marker_make, leg_marker_read
from calls.tests.smoke.test_legs import DIRECT, TESTER, VAPI, claimed, telephone_run

pytestmark = pytest.mark.django_db
Post = Callable[..., Any]


@pytest.fixture
def post(client: Client, settings: Any) -> Post:
    settings.SMOKE_TEST_NUMBERS = [TESTER]
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC" + "1" * 32, "a token"
    settings.TWILIO_AUTH_TOKENS = ["a token"]

    def posting(path: str, **form: str) -> str:
        asked = {"AccountSid": settings.TWILIO_ACCOUNT_SID, **form}
        signature = RequestValidator("a token").compute_signature(settings.PUBLIC_ORIGIN + path, asked)
        answer = client.post(path, asked, headers={"X-Twilio-Signature": signature})
        assert answer.status_code in (200, 204), answer.content
        return answer.content.decode()

    return posting


def hangs_up(document: str) -> bool:
    """Whether the document does nothing else."""
    return document.endswith("<Response><Hangup /></Response>")


def test_a_call_from_a_test_number_that_nobody_placed_hears_the_apology(post: Post) -> None:
    run = telephone_run()

    document = post("/twilio/voice", CallSid="CAfar", From=TESTER, To=run.did)

    assert "<Say" in document
    assert Call.objects.get().status == Call.Status.REFUSED


def test_the_caller_is_connected_when_the_far_end_is_ours_and_hung_up_when_they_left(post: Post) -> None:
    run = telephone_run()
    leg = claimed(run, stack=DIRECT)
    near = f"/twilio/smoke-leg/{leg_marker_make(leg.pk)}"

    far = post("/twilio/voice", CallSid="CAfar", From=TESTER, To=run.did)
    connected = post(near, CallSid="CAnear")
    leg_caller_left(leg.pk, ended_because="the caller hung up")
    after = post(near, CallSid="CAnear")
    post(f"{near}/status", CallSid="CAnear", CallStatus="completed")

    assert "/media/" in far
    assert f'/media/caller/{leg.pk}"' in connected
    assert hangs_up(after)
    leg.refresh_from_db()
    assert (leg.status, leg.call_sid, leg.far_sid) == ("over", "CAnear", "CAfar")


def test_nobody_is_connected_where_others_answer_or_the_mark_is_forged(post: Post) -> None:
    leg = claimed(telephone_run())

    for marker in (leg_marker_make(leg.pk), "forged"):
        document = post(f"/twilio/smoke-leg/{marker}", CallSid="CAnear")
        assert hangs_up(document)
    post("/twilio/smoke-leg/forged/status", CallStatus="busy")

    leg.refresh_from_db()
    assert leg.status == "failed"
    assert leg_marker_read("forged") is None


def test_the_far_end_goes_to_vapi_once_with_the_document_that_vapi_gave(
    post: Post, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAPI_API_KEY = "a key"
    run = telephone_run()
    PhoneNumber.objects.update(vapi_id="pn-1")
    leg = claimed(run, stack=VAPI)
    asked: list[Order] = []

    def ask(order: Order) -> Reply:
        asked.append(order)
        return Reply("<Response><Connect/></Response>", "vapi-1")

    monkeypatch.setattr(testers, "ask", ask)
    form = {"CallSid": "CAfar", "From": TESTER, "To": run.did}

    first, again = post("/twilio/voice", **form), post("/twilio/voice", **form)

    assert first == again == "<Response><Connect/></Response>"
    assert [(order.phone_number_id, order.caller) for order in asked] == [("pn-1", TESTER)]
    leg.refresh_from_db()
    assert (leg.vapi_call_id, leg.far_sid) == ("vapi-1", "CAfar")


def test_a_far_end_for_which_vapi_gives_no_document_breaks_the_leg(
    post: Post, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAPI_API_KEY = "a key"
    run = telephone_run()
    PhoneNumber.objects.update(vapi_id="pn-1")
    claimed(run, stack=VAPI)

    def ask(order: Order) -> Reply:
        raise BypassError("Vapi answered 500 when it was asked for a document.")

    monkeypatch.setattr(testers, "ask", ask)

    document = post("/twilio/voice", CallSid="CAfar", From=TESTER, To=run.did)

    assert hangs_up(document)
    assert "Vapi answered 500" in SmokeLeg.objects.get().why

"""Telling the old provider how a call ended: signed as Twilio would, once, whatever happens on the way."""

import uuid
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.http import QueryDict
from django.utils import timezone
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from calls.cutover import forwarding
from calls.models import Call, CallHandover
from calls.tests.factories import make_call
from simulator.signature import sign
from tools.clients import HttpAnswer, HttpRequest, ToolError
from tools.tests.servers import answering, serve

URL = "https://api.vapi.ai/twilio/status?line=1#rt=3000"
PAIRS = [("CallSid", "CA1"), ("CallStatus", "completed"), ("Empty", ""), ("Twice", "b"), ("Twice", "a")]


def make_handed(url: str = URL, method: str = "POST", **fields: Any) -> CallHandover:
    """A call that was handed over and has ended."""
    call = make_call(stack=Call.Stack.VAPI, **fields)
    return CallHandover.objects.create(
        call=call,
        how="redirect",
        url="https://x",
        status_callback=url,
        status_callback_method=method,
        at=timezone.now(),
    )


def answer(status: int = 204) -> HttpAnswer:
    return HttpAnswer(status, "", b"", 1)


def test_a_post_is_signed_for_the_old_address_without_its_fragment() -> None:
    request = forwarding.request_signed(URL, "POST", PAIRS, auth_token="token")

    assert request.url == "https://api.vapi.ai/twilio/status?line=1"
    assert parse_qsl((request.body or b"").decode(), keep_blank_values=True) == PAIRS
    signature = request.headers["X-Twilio-Signature"].decode()
    assert signature == sign(request.url, PAIRS, auth_token="token")
    received = QueryDict(request.body)
    assert RequestValidator("token").validate(request.url, received, signature)
    assert not RequestValidator("other").validate(request.url, received, signature)


def test_a_get_carries_everything_in_its_signed_address() -> None:
    request = forwarding.request_signed(URL, "GET", PAIRS, auth_token="token")

    assert request.body is None
    assert parse_qsl(urlsplit(request.url).query, keep_blank_values=True) == [("line", "1"), *PAIRS]
    assert RequestValidator("token").validate(request.url, {}, request.headers["X-Twilio-Signature"].decode())


@pytest.mark.django_db
def test_it_is_passed_on_once_however_often_it_is_asked_for(settings: Settings) -> None:
    handover = make_handed(account_sid=settings.TWILIO_ACCOUNT_SID)
    sent: list[HttpRequest] = []

    def send(request: HttpRequest) -> HttpAnswer:
        sent.append(request)
        return answer()

    done = [forwarding.status_forward(call_id=handover.pk, pairs=PAIRS, send=send) for _ in range(3)]

    assert done == [True, False, False]
    assert len(sent) == 1
    handover.refresh_from_db()
    assert (handover.forward_status, handover.forward_error) == (204, "")


@pytest.mark.django_db
def test_what_certainly_never_left_may_be_sent_again_and_what_may_have_left_may_not() -> None:
    refused, unsure = make_handed(), make_handed(call_sid="CA2")

    def not_sent(_: HttpRequest) -> HttpAnswer:
        raise ToolError(code="connection_failed", why="the connection failed", sent=False)

    def perhaps_sent(_: HttpRequest) -> HttpAnswer:
        raise ToolError(code="timeout", why="no answer came", sent=True)

    with pytest.raises(forwarding.NotDeliveredError):
        forwarding.status_forward(call_id=refused.pk, pairs=PAIRS, send=not_sent)
    assert forwarding.status_forward(call_id=refused.pk, pairs=PAIRS, send=lambda _: answer())
    assert not forwarding.status_forward(call_id=unsure.pk, pairs=PAIRS, send=perhaps_sent)
    assert not forwarding.status_forward(call_id=unsure.pk, pairs=PAIRS, send=lambda _: pytest.fail("again"))
    unsure.refresh_from_db()
    assert unsure.forward_error == "no answer came"


@pytest.mark.django_db
def test_a_refusal_is_kept_where_people_see_it() -> None:
    handover = make_handed()

    forwarding.status_forward(call_id=handover.pk, pairs=PAIRS, send=lambda _: answer(400))

    handover.refresh_from_db()
    assert handover.forward_error == "It answered 400."


@pytest.mark.django_db
def test_nobody_is_told_of_a_call_that_has_nobody_to_tell() -> None:
    handover = make_handed(url="")

    assert not forwarding.status_forward(call_id=handover.pk, pairs=PAIRS, send=lambda _: pytest.fail("sent"))
    assert not forwarding.status_forward(
        call_id=uuid.uuid4(), pairs=PAIRS, send=lambda _: pytest.fail("sent")
    )


@pytest.mark.django_db
def test_it_arrives_over_http_as_it_was_signed(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    with serve(answering("{}")) as server:
        handover = make_handed(url=f"{server.url}/status", account_sid=settings.TWILIO_ACCOUNT_SID)
        assert forwarding.status_forward(call_id=handover.pk, pairs=PAIRS)

    ((headers, body),) = server.requests
    token = settings.TWILIO_AUTH_TOKEN
    assert RequestValidator(token).validate(
        handover.status_callback, QueryDict(body), headers["X-Twilio-Signature"]
    )


@pytest.mark.django_db
def test_an_address_that_is_none_is_told_and_asked_about_no_more() -> None:
    handed = make_handed("https://[old/status")

    assert not forwarding.status_forward(call_id=handed.pk, pairs=PAIRS, send=lambda _: pytest.fail("sent"))

    handed.refresh_from_db()
    assert "no web address" in handed.forward_error

"""Callers whose stream never came: the old provider takes them, where it can; whoever has talked to us stays."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from assistants.tests.factories import make_assistant
from calls.cutover import rescue
from calls.cutover.bypass import BypassError, Order, Reply
from calls.cutover.canary import MOST_ANSWERS
from calls.models import Call, CallHandover, NumberSnapshot, PhoneNumber
from calls.tests.factories import make_call, make_phone_number
from simulator.signature import sign

DID = "+14155550123"
SID = "CA" + "7" * 32
VAPI = "https://api.vapi.ai/twilio/inbound_call"
TWIML = "<Response><Connect><Stream url='wss://api.vapi.ai/1/transport'/></Connect></Response>"


def make_moved(voice_url: str = VAPI, **fields: Any) -> PhoneNumber:
    """A number that is ours since a moment ago."""
    number = make_phone_number(
        did=DID,
        **{
            "assistant": make_assistant(published=True),
            "vapi_id": "pn-1",
            "cut_over_at": timezone.now(),
            **fields,
        },
    )
    number.snapshot = NumberSnapshot.objects.create(
        number=number, taken_at=timezone.now(), config={"voice_url": voice_url}, origin="https://x"
    )
    number.save()
    return number


def make_unheard(number: PhoneNumber, **fields: Any) -> Call:
    """A call that was answered and whose stream never came."""
    defaults: dict[str, Any] = {
        "call_sid": SID, "phone_number": number, "did": DID, "status": Call.Status.RINGING, "started_at": None,
        "ended_at": None, "ended_reason": "", "assistant": number.assistant,
    }  # fmt: skip
    return make_call(**{**defaults, **fields})


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    settings.VAPI_API_KEY = "vapi-key"


def after(settings: Settings) -> list[str]:
    """The verbs that Twilio is told when a stream has ended."""
    form = {"CallSid": SID, "AccountSid": settings.TWILIO_ACCOUNT_SID, "CallStatus": "in-progress"}
    url = f"{settings.PUBLIC_ORIGIN}/twilio/after"
    signature = sign(url, list(form.items()), auth_token=settings.TWILIO_AUTH_TOKEN)
    answer = Client().post("/twilio/after", form, headers={"X-Twilio-Signature": signature})
    return [verb.tag for verb in ET.fromstring(answer.content)]


@pytest.mark.django_db
def test_vapi_is_asked_once_for_a_document_because_it_takes_only_ringing_calls() -> None:
    make_unheard(make_moved())
    orders: list[Order] = []

    def asks(order: Order) -> Reply:
        orders.append(order)
        return Reply(TWIML, "vapi-1")

    documents = [rescue.rescue_document(call_sid=SID, asks=asks) for _ in range(2)]

    assert documents == [TWIML, TWIML]
    assert [one.phone_number_id for one in orders] == ["pn-1"]
    handover = CallHandover.objects.get()
    assert (handover.how, handover.problem) == ("bypass", rescue.WHY)
    assert handover.call.stack == Call.Stack.DIRECT  # we failed to set it up, and that counts


@pytest.mark.django_db
def test_another_old_address_is_redirected_to() -> None:
    make_unheard(make_moved("https://old.example.com/voice?a=1&b=2"))

    document = rescue.rescue_document(call_sid=SID, asks=lambda _: pytest.fail("Vapi was asked"))

    assert '<Redirect method="POST">https://old.example.com/voice?a=1&amp;b=2</Redirect>' in document


@pytest.mark.django_db
def test_a_vapi_that_gives_nothing_leaves_the_apology(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Order) -> Reply:
        raise BypassError("Vapi answered 500.")

    make_unheard(make_moved())
    assert rescue.rescue_document(call_sid=SID, asks=fails) == ""

    settings.VAPI_API_KEY = ""
    assert rescue.rescue_document(call_sid=SID, asks=lambda _: pytest.fail("asked without a key")) == ""
    assert after(settings) == ["Say", "Hangup"]
    assert not CallHandover.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("number", "call"),
    [
        ({"cut_over_at": None}, {}),
        ({}, {"started_at": timezone.now()}),
        ({}, {"smoke_test": True}),
        ({}, {"stack": Call.Stack.VAPI}),
    ],
    ids=["not cut over", "somebody has talked", "smoke test", "handed over before"],
)
def test_other_calls_are_left_alone(number: dict[str, Any], call: dict[str, Any]) -> None:
    make_unheard(make_moved(**number), **call)

    assert rescue.rescue_document(call_sid=SID, asks=lambda _: pytest.fail("asked")) == ""
    assert rescue.rescue_document(call_sid="CA0", asks=lambda _: pytest.fail("asked")) == ""


@pytest.mark.django_db
def test_twilio_is_told_so_when_it_asks_what_follows(settings: Settings) -> None:
    make_unheard(make_moved("https://old.example.com/voice"))

    assert after(settings) == ["Redirect"]
    assert after(settings) == ["Redirect"]


@pytest.mark.django_db
def test_an_old_address_that_sends_the_call_back_to_us_is_not_asked_for_ever(settings: Settings) -> None:
    make_unheard(make_moved("https://gate.example.com/voice"))

    told = [after(settings) for _ in range(MOST_ANSWERS + 1)]

    assert told == [["Redirect"]] * MOST_ANSWERS + [["Say", "Hangup"]]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url", ["https://[old/voice", "https://old\u2100.example.com/", "ftp://old.example.com/", "x"]
)
def test_an_old_address_that_is_none_leaves_the_apology(settings: Settings, url: str) -> None:
    make_unheard(make_moved(url))

    assert after(settings) == ["Say", "Hangup"]

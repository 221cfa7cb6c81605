"""Calls of the other share for which Vapi itself is asked for the document."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from calls.cutover import canary
from calls.cutover.bypass import BypassError, Order, Reply
from calls.models import CallHandover, PhoneNumber
from calls.tests.cutover.sharing import CALLER, DID, SID, TWIML, make_shared


def hand_over(asks: Callable[[Order], Reply]) -> canary.Handed | None:
    return canary.call_hand_over(call_sid=SID, account_sid="AC1", did=DID, caller=CALLER, asks=asks)


@pytest.fixture
def bypassed(settings: Settings, db: None) -> PhoneNumber:
    settings.VAPI_API_KEY = "vapi-key"
    return make_shared(hand_over_by=PhoneNumber.HandOverBy.BYPASS, vapi_id="pn-1")


def test_vapis_own_document_is_given_and_vapi_is_asked_once(bypassed: PhoneNumber) -> None:
    orders: list[Order] = []

    def asks(order: Order) -> Reply:
        orders.append(order)
        return Reply(TWIML, "vapi-call-1")

    first, again = hand_over(asks), hand_over(asks)

    assert first is not None
    assert again is not None
    assert first.document == again.document == TWIML
    assert len(orders) == 1
    assert (orders[0].phone_number_id, orders[0].caller) == ("pn-1", CALLER)
    assert orders[0].within_s < 2.5
    assert CallHandover.objects.get().provider_call_id == "vapi-call-1"


def test_a_call_that_vapi_gives_no_document_for_is_redirected(bypassed: PhoneNumber) -> None:
    def fails(order: Order) -> Reply:
        raise BypassError("Vapi answered 500.")

    first, again = hand_over(fails), hand_over(lambda _: Reply(TWIML, ""))

    assert first is not None
    assert again is not None
    assert "<Redirect" in first.document
    assert again.document == first.document
    handover = CallHandover.objects.get()
    assert handover.how == "redirect"
    assert "Vapi answered 500" in handover.problem


def test_a_second_webhook_waits_for_the_first_ones_document(
    bypassed: PhoneNumber, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VOICE_ANSWER_WITHIN_MS = 600_000
    inner: list[canary.Handed | None] = []

    def answers_meanwhile(_: float) -> None:
        CallHandover.objects.update(document=TWIML)

    def asks(order: Order) -> Reply:
        monkeypatch.setattr("calls.cutover.canary.time.sleep", answers_meanwhile)
        inner.append(hand_over(lambda _: pytest.fail("Vapi was asked twice")))
        return Reply("<Response><Hangup/></Response>", "late")

    outer = hand_over(asks)

    assert inner[0] is not None
    assert outer is not None
    assert inner[0].document == outer.document == TWIML


def test_a_second_webhook_that_waits_in_vain_redirects_and_so_does_the_first(
    bypassed: PhoneNumber, settings: Settings
) -> None:
    settings.VOICE_ANSWER_WITHIN_MS = 1
    inner: list[canary.Handed | None] = []

    def asks(order: Order) -> Reply:
        inner.append(hand_over(lambda _: pytest.fail("Vapi was asked twice")))
        return Reply(TWIML, "late")

    outer = hand_over(asks)

    assert inner[0] is not None
    assert outer is not None
    assert "<Redirect" in outer.document
    assert inner[0].document == outer.document


@pytest.mark.parametrize(
    ("setting", "fields", "caller", "word"),
    [
        ("", {"vapi_id": "pn-1"}, CALLER, "VAPI_API_KEY"),
        ("key", {"vapi_id": ""}, CALLER, "id of the number"),
        ("key", {"vapi_id": "pn-1"}, "anonymous", "caller's number"),
        ("key", {"vapi_id": "pn-1"}, "sip:alice@example.com", "caller's number"),
    ],
)
@pytest.mark.django_db
def test_bypass_that_cannot_be_is_a_redirect_that_says_why(
    settings: Settings, setting: str, fields: dict[str, Any], caller: str, word: str
) -> None:
    settings.VAPI_API_KEY = setting
    make_shared(hand_over_by=PhoneNumber.HandOverBy.BYPASS, **fields)

    handed = canary.call_hand_over(
        call_sid=SID, account_sid="AC1", did=DID, caller=caller, asks=lambda _: pytest.fail("asked")
    )

    assert handed is not None
    assert "<Redirect" in handed.document
    assert word in CallHandover.objects.get().problem

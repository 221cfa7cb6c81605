"""Numbers of an import from Vapi: what the list of numbers knows of them afterwards."""

from typing import Any

import pytest

from assistants.signals import ImportedNumber
from assistants.vapi.numbers import number_translate
from calls.messages.servers import number_server
from calls.models import NumberServer, PhoneNumber
from calls.numbers.imported import numbers_import
from calls.tests.factories import make_phone_number

pytestmark = pytest.mark.django_db


def imported(**raw: Any) -> None:
    """Import one number of Vapi's."""
    draft = number_translate(
        {"id": "pn-1", **raw}, key="pn-1", assistant=lambda _: False, squad=lambda _: False
    )
    numbers_import(numbers=[ImportedNumber(draft, None)])


@pytest.mark.parametrize(
    ("theirs", "ours"), [("vapi", "vapi"), ("vonage", "other"), ("byo-phone-number", "other")]
)
def test_a_number_that_is_not_at_twilio_is_listed_as_not_movable(theirs: str, ours: str) -> None:
    imported(provider=theirs, number="+1 202 555 0100", name="Old line")

    number = PhoneNumber.objects.get()
    assert (number.did, number.label, number.provider, number.vapi_id) == (
        "+12025550100",
        "Old line",
        ours,
        "pn-1",
    )
    assert not number.movable


def test_a_sip_address_is_no_number() -> None:
    imported(provider="vapi", sipUri="sip:front@sip.vapi.ai")

    assert not PhoneNumber.objects.exists()


def test_vapis_id_is_kept_for_a_number_that_is_here_already() -> None:
    make_phone_number(did="+12025550100", label="Ours")

    imported(provider="twilio", number="+12025550100", name="Theirs")

    number = PhoneNumber.objects.get()
    assert (number.label, number.vapi_id, number.provider) == ("Ours", "pn-1", "twilio")


@pytest.mark.parametrize(("given", "patience_s"), [(45, 45.0), (None, 20.0), (900, 300.0)])
def test_the_answer_of_a_numbers_server_is_waited_for_as_long_as_at_vapi(
    given: float | None, patience_s: float
) -> None:
    timeout = {"timeoutSeconds": given} if given is not None else {}
    imported(provider="twilio", number="+12025550100", server={"url": "https://desk.example.com", **timeout})

    stored = NumberServer.objects.get()
    assert stored.timeout_s == given
    server = number_server(stored.pk)
    assert server is not None
    assert server.timeout_s == patience_s


def test_a_number_that_was_ported_stays_at_twilio() -> None:
    make_phone_number(did="+12025550100", twilio_sid="PN1", account_sid="AC1")

    imported(provider="vapi", number="+12025550100")

    assert PhoneNumber.objects.get().movable

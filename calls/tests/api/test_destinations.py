"""Where a call was transferred to, as programs read it with the call."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from calls.models import Call
from calls.tests.factories import make_call, make_transfer
from tools.tests.access.program import Program

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
PLAN = {
    "mode": "warm-transfer-say-message",
    "message": "A caller.",
    "fallbackPlan": {"endCallEnabled": False},
}
NUMBER = {
    "type": "number",
    "number": "+13125550142",
    "message": {"content": "One moment."},
    "transferPlan": PLAN,
}
SIP = {"type": "sip", "sipUri": "sip:desk@example.org", "description": "The desk."}
REACHED: dict[str, Any] = {"dialled_at": NOW, "dial_status": "completed"}


def transferred(call: Call, destination: dict[str, Any] = NUMBER, after_s: int = 0, **fields: Any) -> None:
    make_transfer(call=call, destination=destination, requested_at=NOW + timedelta(seconds=after_s), **fields)


def destination_told(call: Call) -> Any:
    """What is told of it, in a list as by itself; None where nothing is."""
    program = Program()
    told = program.ask("GET", f"/call/{call.pk}")
    assert program.ask("GET", "/call")[0].get("destination") == told.get("destination")
    return told.get("destination")


def test_a_call_that_stayed_has_no_destination() -> None:
    assert destination_told(make_call()) is None


@pytest.mark.parametrize("destination", [NUMBER, SIP], ids=["number", "sip"])
@pytest.mark.parametrize("status", ["completed", "answered", ""])
def test_a_transferred_call_tells_where_it_went(destination: dict[str, Any], status: str) -> None:
    call = make_call()
    transferred(call, destination, dialled_at=NOW, dial_status=status)
    assert destination_told(call) == destination


def test_headers_and_what_is_no_field_of_a_destination_are_not_told() -> None:
    call = make_call()
    transferred(call, {**SIP, "sipHeaders": {"X-Auth": "hunter2"}, "token": "hunter2"}, **REACHED)
    assert destination_told(call) == SIP
    assert "X-Auth" not in str(Program().ask("GET", f"/call/{call.pk}"))


@pytest.mark.parametrize(
    "fields",
    [
        *({"dialled_at": NOW, "dial_status": one} for one in ("busy", "no-answer", "failed", "canceled")),
        {"error": "Twilio refused."},
        {"dialled_at": NOW, "error": "Twilio refused."},
        {},
        {**REACHED, "resumed_at": NOW},
        {"dialled_at": NOW, "resumed_at": NOW},
    ],
    ids=str,
)
def test_a_transfer_that_failed_or_was_given_back_is_not_told(fields: dict[str, Any]) -> None:
    call = make_call()
    transferred(call, **fields)
    assert destination_told(call) is None


def test_of_two_transfers_the_last_that_went_through_is_told() -> None:
    call = make_call()
    transferred(call, SIP, after_s=60, **REACHED)
    transferred(call, NUMBER, **REACHED)
    assert destination_told(call) == SIP
    transferred(call, NUMBER, after_s=90, dialled_at=NOW, dial_status="busy")
    assert destination_told(call) == SIP


def test_a_destination_that_was_erased_is_not_told() -> None:
    call = make_call()
    transferred(call, {}, **REACHED)
    assert destination_told(call) is None

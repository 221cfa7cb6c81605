"""Twilio's REST as smoke tests use it: limited, refused, lost on the way."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from calls.dialling.ordering import CallOrder
from calls.smoke import telephone_calls
from calls.smoke.lines import PlayError
from calls.smoke.telephone_calls import TwilioTelephone

ORDER = CallOrder(
    "+14155550100", "+12025550190", "https://v.example.com/x", "https://v.example.com/x/status", 30, 420
)


def refusal(status: int, code: int = 0) -> TwilioRestException:
    return TwilioRestException(status, "/Calls.json", "Refused", code=code)


class Calls:
    """Twilio's list of calls; `goes` is what comes of each order."""

    def __init__(self, *goes: Any, listed: list[Any] | Exception = []) -> None:  # noqa: B006  # only read
        self.goes, self.listed = list(goes), listed
        self.orders: list[dict[str, Any]] = []

    def create(self, **order: Any) -> Any:
        self.orders.append(order)
        go = self.goes.pop(0)
        if isinstance(go, Exception):
            raise go
        return SimpleNamespace(sid=go)

    def list(self, **_: Any) -> Any:
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Any:
    def placing(calls: Calls) -> str:
        monkeypatch.setattr(telephone_calls, "twilio_client", lambda _: SimpleNamespace(calls=calls))
        return TwilioTelephone("AC1", sleep=lambda _: None).place(ORDER)

    return placing


def test_a_call_is_ordered_without_looking_for_answering_machines(place: Any) -> None:
    calls = Calls("CA1")

    assert place(calls) == "CA1"
    (order,) = calls.orders
    assert (order["to"], order["from_"], order["timeout"], order["time_limit"]) == (
        ORDER.to,
        ORDER.caller,
        30,
        420,
    )
    assert not [name for name in order if "machine" in name or "amd" in name]


def test_a_limited_order_was_not_carried_out_and_is_repeated(place: Any) -> None:
    assert place(Calls(refusal(429, 20429), refusal(429, 20429), "CA3")) == "CA3"

    with pytest.raises(PlayError, match="fewer side by side") as found:
        place(Calls(*[refusal(429, 20429)] * 5))
    assert (found.value.final, found.value.stops) == (False, False)


@pytest.mark.parametrize("lost", [refusal(503), requests.Timeout(), requests.ConnectionError()])
def test_an_order_whose_answer_was_lost_is_looked_for_and_never_placed_twice(
    place: Any, lost: Exception
) -> None:
    now = datetime.now(UTC)
    old = SimpleNamespace(sid="CAold", direction="outbound-api", date_created=now - timedelta(minutes=1))
    far = SimpleNamespace(sid="CAfar", direction="inbound", date_created=now)
    near = SimpleNamespace(sid="CAnear", direction="outbound-api", date_created=now)

    calls = Calls(lost, listed=[far, near, old])
    assert place(calls) == "CAnear"
    assert len(calls.orders) == 1
    with pytest.raises(PlayError, match="no such call is to be seen"):
        place(Calls(lost, listed=[far, old]))
    with pytest.raises(PlayError, match="is not known"):
        place(Calls(lost, listed=requests.Timeout()))


@pytest.mark.parametrize(
    ("status", "code", "final", "stops", "words"),
    [
        (401, 20003, True, True, "check TWILIO_ACCOUNT_SID"),
        (400, 21210, True, True, "SMOKE_TEST_NUMBERS"),
        (400, 21215, True, False, "not switched on"),
        (400, 10004, False, False, "too many calls"),
        (400, 99999, False, False, "error 99999"),
    ],
)
def test_a_refusal_says_what_to_do_and_whether_it_is_hopeless(
    place: Any, status: int, code: int, final: object, stops: object, words: str
) -> None:
    with pytest.raises(PlayError, match=words) as found:
        place(Calls(refusal(status, code)))

    assert (found.value.final, found.value.stops) == (final, stops)

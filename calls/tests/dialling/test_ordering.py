"""What is known of an order by the answer to it: placed, certainly not placed, or nobody knows."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError

from calls.dialling.ordering import (
    CallOrder,
    NeverSentError,
    NotPlacedError,
    UnsureError,
    call_order,
    calls_seen,
)

CALLEE, DID = "+13125550177", "+14155550123"
ORDER = CallOrder(
    to=CALLEE, caller=DID, url="https://t.test/a", status_url="https://t.test/b", rings_s=30,
    events=("initiated", "completed"), digits="ww7", machine={"async_amd": "true"},
)  # fmt: skip


class Line(HttpClient):  # type: ignore[misc]  # the library has no types
    """Twilio's end: one answer, or none."""

    def __init__(self, answer: tuple[int, str] | Exception) -> None:
        self.answer = answer
        self.sent: dict[str, Any] = {}

    def request(
        self, method: str, url: str, params: Any = None, data: Any = None, *_: Any, **__: Any
    ) -> Response:
        self.sent = {"method": method, "url": url, **(params or {}), **(data or {})}
        if isinstance(self.answer, Exception):
            raise self.answer
        return Response(*self.answer)


def client(answer: tuple[int, str] | Exception) -> Client:
    return Client("AC1", "token", http_client=Line(answer))


def refusal(status: int, code: int) -> tuple[int, str]:
    return status, json.dumps({"status": status, "code": code, "message": f"no call to {CALLEE}"})


def never(reason: Exception) -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(None, "/Calls.json", reason))  # type: ignore[arg-type]


def test_an_order_says_all_of_it_and_is_answered_with_an_id() -> None:
    line = Line((201, '{"sid": "CA7"}'))

    assert call_order(Client("AC1", "token", http_client=line), ORDER) == "CA7"

    wanted = {
        "To": CALLEE,
        "From": DID,
        "Timeout": 30,
        "SendDigits": "ww7",
        "AsyncAmd": "true",
        "method": "POST",
    }
    assert {name: line.sent[name] for name in wanted} == wanted
    # A list is sent as a key that is repeated; with commas between them Twilio would send none.
    assert line.sent["StatusCallbackEvent"] == ["initiated", "completed"]


@pytest.mark.parametrize(
    "answer",
    [
        (201, "{}"), (201, "no json"), (201, "[]"), (201, "null"), (204, ""), (500, "oops"), refusal(500, 20500), refusal(503, 20503),
        refusal(408, 0), (502, "<html>"), requests.ReadTimeout(), requests.ConnectionError(ProtocolError("reset")),
        requests.exceptions.ChunkedEncodingError(), never(ProtocolError("reset")),
    ],
    ids=repr,
)  # fmt: skip
def test_an_answer_that_is_lost_may_have_been_a_call(answer: tuple[int, str] | Exception) -> None:
    with pytest.raises(UnsureError) as told:
        call_order(client(answer), ORDER)

    assert not isinstance(told.value, NeverSentError)
    assert CALLEE not in str(told.value)


@pytest.mark.parametrize(
    "answer",
    [requests.ConnectTimeout(), never(ConnectTimeoutError()), never(NewConnectionError(None, "refused"))],  # type: ignore[arg-type]
    ids=repr,
)
def test_an_order_that_has_left_nobody_is_no_call(answer: Exception) -> None:
    with pytest.raises(NeverSentError):
        call_order(client(answer), ORDER)


@pytest.mark.parametrize(
    ("answer", "later"),
    [(refusal(400, 21211), False), (refusal(401, 20003), False), (refusal(429, 20429), True), (refusal(400, 10004), True), ((429, "<html>"), True)],
)  # fmt: skip
def test_what_twilio_refuses_is_no_call_and_may_be_one_later(answer: tuple[int, str], later: object) -> None:
    with pytest.raises(NotPlacedError) as told:
        call_order(client(answer), ORDER)

    assert (told.value.status, told.value.later) == (answer[0], later)
    assert CALLEE not in str(told.value)


def test_only_calls_out_that_are_new_and_nobodys_are_seen() -> None:
    since = datetime(2026, 11, 23, 9, tzinfo=UTC)

    def call(sid: str, seconds: float, direction: str = "outbound-api") -> dict[str, str]:
        at = since + timedelta(seconds=seconds)
        return {"sid": sid, "date_created": f"{at:%a, %d %b %Y %H:%M:%S} +0000", "direction": direction}

    listed = [
        call("CA4", 9),
        call("CA3", 2),
        call("CA2", -3),
        call("CA1", -60),
        call("CA0", 5, "inbound"),
        call("CA5", 5, "outbound-dial"),
    ]
    line = Line((200, json.dumps({"calls": listed, "page_size": 20})))
    twilio = Client("AC1", "token", http_client=line)

    assert calls_seen(twilio, to=CALLEE, caller=DID, since=since, known={"CA4"}) == ["CA2", "CA3"]
    assert (line.sent["To"], line.sent["From"]) == (CALLEE, DID)
    for answer in ((401, "{}"), (200, "no json"), (200, "[]"), requests.ReadTimeout()):
        with pytest.raises(UnsureError):
            calls_seen(client(answer), to=CALLEE, caller=DID, since=since)

"""Sending an order to its server: what comes back is the outcome, and what stays open is said to."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tools import services
from tools.encryption import encrypt
from tools.tests.factories import make_order
from tools.tests.ledger import send, settle, take, told_message
from tools.tests.servers import (
    Behaviour,
    answering,
    booking,
    closing,
    endless,
    half_a_body,
    reaching,
    refused_url,
    serve,
    silent,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("behaviour", "status", "output"),
    [
        (booking, "answered", "Booked n-0611-0930."),
        (answering("", status=204), "answered", "No result returned."),
        (answering("Booked.\nThursday.", content_type="text/plain"), "answered", "Booked. Thursday."),
    ],
    ids=["booking", "204", "text"],
)
def test_an_answer_reaches_the_model(behaviour: Behaviour, status: str, output: str, loopback: None) -> None:
    with serve(behaviour) as server:
        outcome = send(make_order(url=server.url))

    assert (outcome.status, outcome.output, outcome.sent) == (status, output, True)
    assert outcome.elapsed_ms is not None


@pytest.mark.parametrize(
    ("behaviour", "status", "code", "http_status"),
    [
        (answering('{"results": [{"toolCallId": "other", "result": "x"}]}'), "failed", "no_result", 200),
        (answering("<html>", content_type="text/html"), "failed", "no_result", 200),
        (answering("oops", status=500), "failed", "http_error", 500),
        (answering("", status=302, headers={"Location": "https://x.example/"}), "failed", "redirected", 302),
        (half_a_body, "failed", "answer_incomplete", 200),
        (endless, "failed", "answer_too_large", 200),
        (closing, "timed_out", "connection_lost", None),
        (silent, "timed_out", "timeout", None),
    ],
    ids=["wrong id", "html", "500", "redirect", "half", "endless", "closes", "silent"],
)
def test_a_bad_server_leaves_the_outcome_open(
    behaviour: Behaviour, status: str, code: str, http_status: int | None, loopback: None
) -> None:
    with serve(behaviour) as server:
        outcome = reaching(
            server,
            lambda timeout_s: send(make_order(url=server.url, timeout_s=int(timeout_s))),
            first_s=1 if behaviour is silent else 60,
        )

    told = json.loads(outcome.output)
    assert (outcome.status, told["error"], outcome.http_status) == (status, code, http_status)
    assert "may or may not" in told["message"]
    assert outcome.sent
    assert 1 <= len(server.requests) <= server.asked


def test_an_unreachable_server_did_certainly_nothing(loopback: None) -> None:
    outcome = send(make_order(url=refused_url()))

    assert (outcome.status, outcome.sent, outcome.elapsed_ms) == ("failed", False, None)
    assert "Nothing was done" in told_message(outcome)
    assert outcome.error == "Not sent: the connection failed (Connection refused)."


def test_an_order_that_expires_before_the_connection_stands_is_not_sent(loopback: None) -> None:
    order = make_order()
    with serve(booking) as server:
        order = replace(order, tool=replace(order.tool, server_url=server.url))
        outcome = send(order, now=order.expires_at)

    assert (outcome.status, outcome.sent) == ("refused", False)
    assert server.requests == []


def test_the_server_gets_vapis_envelope_and_the_secret(loopback: None) -> None:
    order = make_order(server_secret_token=encrypt("s3"), server_from="assistant")
    with serve(booking) as server:
        services.tool_call_send(
            order=replace(order, tool=replace(order.tool, server_url=server.url)), now=order.requested_at
        )

    ((headers, _),) = server.requests
    message = server.bodies[0]["message"]
    assert headers["X-Vapi-Secret"] == "s3"
    assert headers["Idempotency-Key"] == order.tool_call_id
    assert message["type"] == "tool-calls"
    assert message["customer"]["number"] == "+13125550177"
    assert message["call"]["id"] == str(order.call_id)


def test_arguments_nested_without_end_are_not_sent(loopback: None) -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    order = make_order(arguments=deep)
    take(order)

    with serve(booking) as server:
        order = replace(order, tool=replace(order.tool, server_url=server.url))
        outcome = send(order, now=order.requested_at)

    assert (outcome.status, outcome.sent) == ("refused", False)
    assert settle(order, outcome)
    assert server.requests == []

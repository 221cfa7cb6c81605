"""Requests without Vapi's envelope, as `apiRequest` tools send them."""

import json
from typing import Any

import pytest

from tools.tests.factories import make_order, make_order_tool
from tools.tests.orders import credential, send
from tools.tests.servers import Behaviour, answering, serve

pytestmark = pytest.mark.usefixtures("loopback", "redis_client")


def api_tool(url: str, **settings: Any) -> Any:
    return make_order_tool(
        kind="apiRequest",
        server_url="",
        parameters={"type": "object", "properties": {"phone": {"type": "string"}}},
        settings={"url": url, **settings},
        variable_extraction={"schema": {"type": "object", "properties": {"patientId": {"type": "string"}}}},
    )


def test_an_http_request_is_sent_bare_and_its_whole_answer_is_the_result() -> None:
    with serve(answering('{"patientId": "p-1"}')) as server:
        headers = {"properties": {"X-Source": {"value": "phone-desk"}}}
        order = make_order(
            tool=api_tool(server.url, method="PUT", headers=headers),
            arguments={"phone": "+1"},
            auth=credential("bearer", {"token": "t"}),
        )
        sent = send(order)

    ((given, body),) = server.requests
    assert (server.methods, json.loads(body)) == (["PUT"], {"phone": "+1"})
    assert (given["X-Source"], given["Authorization"]) == ("phone-desk", "Bearer t")
    assert given["Idempotency-Key"] == "call_bK2zT7"
    assert (sent.outcome.status, sent.outcome.output) == ("answered", '{"patientId":"p-1"}')
    assert sent.outcome.variables == {"patientId": "p-1"}


def test_a_get_carries_no_body() -> None:
    with serve(answering("[1]")) as server:
        tool = api_tool(server.url + "?tel={{ phone }}", method="GET")
        sent = send(make_order(tool=tool, arguments={"phone": "+1 2"}))

    ((headers, body),) = server.requests
    assert (server.methods, server.paths, body) == (["GET"], ["/vapi?tel=%2B1%202"], b"")
    assert "Content-Type" not in headers
    assert sent.outcome.output == "[1]"


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (answering("plain words", content_type="text/plain"), "failed", "no_result"),
        (answering("<html>"), "failed", "no_result"),
        (answering('{"message": "no such patient"}', status=404), "failed", "http_error"),
        (answering("oops", status=500), "failed", "http_error"),
    ],
    ids=["text", "html", "404", "500"],
)
def test_an_http_request_wants_json(behaviour: Behaviour, status: str, code: str) -> None:
    with serve(behaviour) as server:
        sent = send(make_order(tool=api_tool(server.url), arguments={}))

    assert (sent.outcome.status, json.loads(sent.outcome.output)["error"]) == (status, code)


def test_an_empty_answer_to_an_http_request_is_told_as_vapi_tells_it() -> None:
    with serve(answering("", status=204)) as server:
        sent = send(make_order(tool=api_tool(server.url), arguments={}))

    assert (sent.outcome.status, sent.outcome.output) == ("answered", "No result returned.")


def test_an_http_request_that_is_set_up_wrongly_is_not_sent() -> None:
    sent = send(make_order(tool=api_tool("https://x.example/", method="TRACE"), arguments={}))

    assert (sent.outcome.status, sent.attempts) == ("refused", ())

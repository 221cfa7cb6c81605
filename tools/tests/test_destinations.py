"""A server that is asked where a call is to be transferred."""

import json
from typing import Any

import pytest
from django.utils import timezone

from tools.clients import HttpAnswer
from tools.destination_answers import destination_answer_read
from tools.envelope import transfer_destination_body
from tools.sending import order_send
from tools.tests.factories import make_order, make_order_tool
from tools.tests.servers import answering, serve

DESTINATION = {"type": "number", "number": "+13125550142"}
TRANSFER = make_order_tool(
    kind="transferCall", name="transfer_call", parameters={"type": "object", "properties": {}}
)


def read(body: Any, *, http_status: int = 200) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return destination_answer_read(
        HttpAnswer(http_status=http_status, body=text.encode(), content_type="application/json", elapsed_ms=3)
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"destination": DESTINATION},
        {"destination": DESTINATION, "message": "One moment."},
        {"destination": "+13125550142", "message": {"type": "request-start", "content": "One moment."}},
        {"destination": DESTINATION, "message": "", "other": 1},
    ],
)
def test_a_destination_is_the_answer(answer: dict[str, Any]) -> None:
    result = read(answer)

    assert result.status == "answered"
    assert json.loads(result.output_text) == {key: value for key, value in answer.items() if key != "other"}


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ({"error": "Nobody is in today."}, 200, "Nobody is in today."),
        ({"destination": None}, 200, "named no destination"),
        ({"destination": {}}, 200, "named no destination"),
        ({"results": [{"toolCallId": "call_1", "result": "ok"}]}, 200, "named no destination"),
        ([], 200, "named no destination"),
        ("", 200, "named no destination"),
        ({"destination": DESTINATION}, 500, "500"),
        ("<html>", 200, "no JSON"),
    ],
)
def test_anything_else_is_an_honest_failure(answer: Any, status: int, words: str) -> None:
    result = read(answer, http_status=status)

    assert result.status == "failed"
    assert words in result.output_text


def test_the_request_names_no_tool_call() -> None:
    message = transfer_destination_body(make_order(tool=TRANSFER, arguments={}), now_ms=1)["message"]

    assert (message["type"], message["timestamp"]) == ("transfer-destination-request", 1)
    assert "toolCallList" not in message
    assert message["customer"] == {"number": "+13125550177"}


@pytest.mark.usefixtures("loopback", "redis_client")
def test_the_server_of_the_tool_is_asked_with_its_secret() -> None:
    with serve(answering(json.dumps({"destination": DESTINATION}))) as server:
        sent = order_send(
            make_order(tool=TRANSFER, url=server.url, arguments={}), now=timezone.now(), go_on=lambda _: True
        )

    assert sent.outcome.status == "answered"
    assert json.loads(sent.outcome.output) == {"destination": DESTINATION}

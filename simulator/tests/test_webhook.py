import copy
import json
from pathlib import Path
from typing import Any

import pytest

from simulator.webhook import asks_whither, read_envelope, tells

REQUEST: dict[str, Any] = json.loads(
    (Path(__file__).parent / "fixtures" / "tool-calls-request.json").read_text()
)


def problems_of(body: Any) -> list[str]:
    return read_envelope(json.dumps(body).encode())[0]


def test_a_real_request_has_no_problems() -> None:
    problems, calls, _ = read_envelope(json.dumps(REQUEST).encode())

    assert problems == []
    assert [call["name"] for call in calls] == ["book_appointment", "log_complaint"]


def test_the_older_form_is_understood() -> None:
    body = {"message": {"type": "function-call", "functionCall": {"name": "reserve", "parameters": {"n": 4}}}}

    assert read_envelope(json.dumps(body).encode())[:2] == (
        [],
        [{"id": None, "name": "reserve", "arguments": {"n": 4}}],
    )


@pytest.mark.parametrize("key", ["toolCalls", "toolCallList", "toolWithToolCallList"])
def test_each_list_is_missed(key: str) -> None:
    body = copy.deepcopy(REQUEST)
    del body["message"][key]

    assert any(key in problem for problem in problems_of(body))


def test_arguments_as_text_are_a_problem() -> None:
    body = copy.deepcopy(REQUEST)
    for key in ("toolCalls", "toolCallList"):
        body["message"][key][0]["function"]["arguments"] = "{}"

    assert "arguments of book_appointment are no object" in problems_of(body)


@pytest.mark.parametrize("body", [None, [], {}, {"message": 1}, {"message": {"type": "status-update"}}])
def test_nonsense_is_a_problem(body: Any) -> None:
    assert problems_of(body)


def test_what_is_not_json_is_a_problem() -> None:
    assert read_envelope(b"\xff")[0] == ["the body is not JSON"]


@pytest.mark.parametrize(
    "kind", ["status-update", "end-of-call-report", 'transcript[transcriptType="final"]']
)
def test_what_is_only_told_is_no_tool_call_and_no_problem(kind: str) -> None:
    body = {"message": {"type": kind, "call": {"id": "1"}}}

    assert tells(body)
    assert read_envelope(json.dumps(body).encode())[:2] == ([], [])
    assert problems_of({"message": {"type": kind, "call": {}}}) == ["message.call.id is missing"]


@pytest.mark.parametrize(
    "body", [None, 3, {}, {"message": 3}, {"message": {"type": 3}}, {"message": {"type": "?"}}]
)
def test_what_is_neither_told_nor_asked_is_nothing(body: Any) -> None:
    assert not tells(body)
    assert not asks_whither(body)

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.mcp import protocol as mcp
from tools.mcp.answers import mcp_answer_read

PREFIX = "call_bK2zT7"


def read(reply: Any, *, status: int = 200) -> Any:
    message = {"jsonrpc": "2.0", "id": f"{PREFIX}.ab12", **reply}
    return mcp_answer_read(
        body=json.dumps(message).encode(),
        content_type="application/json",
        http_status=status,
        id_prefix=PREFIX,
    )


def text(*words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": word} for word in words]


STREAM = ": hello\n\nevent: message\nid: 4\nretry: 250\ndata: one\n\ndata: two\ndata: lines\n\nevent: other\ndata:x\n\n"
EVENTS = [mcp.Event("message", "one"), mcp.Event("message", "two\nlines"), mcp.Event("other", "x")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@given(cuts=st.lists(st.integers(0, 200), max_size=8))
def test_a_stream_is_read_the_same_wherever_it_is_cut(end: str, cuts: list[int]) -> None:
    whole = ("\ufeff" + STREAM.replace("\n", end)).encode()
    reader = mcp.EventReader()
    borders = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]

    events = [
        event for begin, stop in itertools.pairwise(borders) for event in reader.feed(whole[begin:stop])
    ]

    assert [*events, *reader.end()] == EVENTS
    assert (reader.last_id, reader.retry_ms) == ("4", 250)


@given(st.binary(max_size=400), st.sampled_from(["application/json", "text/event-stream", ""]))
def test_no_answer_makes_the_reading_fail(body: bytes, content_type: str) -> None:
    result = mcp_answer_read(body=body, content_type=content_type, http_status=200, id_prefix=PREFIX)

    assert result.status == "failed"
    assert "may or may not have taken effect" in result.output_text


@pytest.mark.parametrize(
    ("result", "output"),
    [
        ({"content": text("One.", "Two.")}, "One.\nTwo."),
        ({"content": text('{"a": 1}'), "structuredContent": {"a": 1}}, '{"a": 1}'),
        ({"content": text("It is ready."), "structuredContent": {"a": 1}}, 'It is ready.\n{"a":1}'),
        ({"structuredContent": [1, 2]}, "[1,2]"),
        ({"content": []}, "No result returned."),
        ({}, "No result returned."),
        (
            {"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]},
            "[an image that cannot be given over the telephone: image/png]",
        ),
        (
            {"content": [{"type": "resource", "resource": {"uri": "n://1", "text": "Ring twice."}}]},
            "Ring twice.",
        ),
        (
            {"content": [{"type": "resource", "resource": {"uri": "n://1", "blob": "AAAA"}}]},
            "[a file that cannot be given over the telephone: n://1]",
        ),
        (
            {"content": [{"type": "resource_link", "uri": "https://a.example/x", "name": "x"}]},
            "[a link to x: https://a.example/x]",
        ),
        (
            {"content": [{"type": "hologram"}, "no part", {"type": "text", "text": 5}]},
            "[something that cannot be given over the telephone: hologram]",
        ),
    ],
)
def test_a_result_becomes_one_text(result: dict[str, Any], output: str) -> None:
    read_result = read({"result": result})

    assert (read_result.status, read_result.output_text) == ("answered", output)


def test_what_is_structured_is_the_value_for_variables() -> None:
    assert read({"result": {"content": text("Words."), "structuredContent": {"a": 1}}}).value == {"a": 1}
    assert read({"result": {"content": text("Words.")}}).value == "Words."


def test_an_error_of_the_tool_is_a_failure_with_its_text() -> None:
    result = read({"result": {"content": text("No such ticket."), "isError": True}})

    assert result.status == "failed"
    assert json.loads(result.output_text) == {
        "error": "tool_error",
        "message": "The tool reported an error: No such ticket.",
    }


@pytest.mark.parametrize(
    ("code", "nothing_done"), [(-32602, True), (-32601, True), (-32020, True), (-32603, False), (12, False)]
)
def test_an_error_of_the_protocol_says_what_is_known(code: int, nothing_done: bool) -> None:
    result = read({"error": {"code": code, "message": "Broken"}})

    assert result.status == "failed"
    assert '\\"Broken\\"' in result.output_text
    assert ("Nothing was done" in result.output_text) is nothing_done
    assert ("may or may not have taken effect" in result.output_text) is not nothing_done


def test_a_result_that_wants_more_input_is_no_result() -> None:
    result = read({"result": {"resultType": "input_required", "inputRequests": {}}})

    assert (result.status, json.loads(result.output_text)["error"]) == ("failed", "input_required")


def test_an_answer_to_somebody_else_is_none() -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": "other.1", "result": {"content": text("Secret.")}}).encode()

    result = mcp_answer_read(body=body, content_type="application/json", http_status=200, id_prefix=PREFIX)

    assert result.status == "failed"
    assert "Secret" not in result.output_text


def test_an_error_status_without_a_message_counts_by_its_status() -> None:
    result = mcp_answer_read(body=b"oops", content_type="text/plain", http_status=503, id_prefix=PREFIX)

    assert (result.status, result.by_status) == ("failed", True)


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("us-west1", b"us-west1"),
        ("Hello, 世界", b"=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", b"=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", b"=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", b"=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("", b"=?base64??="),
        (42, b"42"),
        (True, b"true"),
    ],
)
def test_values_in_headers_are_encoded_as_the_specification_shows(value: object, header: bytes) -> None:
    assert mcp.header_text(value) == header


def test_arguments_are_repeated_in_the_headers_that_the_schema_names() -> None:
    deep = {"type": "object", "properties": {"b": {"type": "integer", "x-mcp-header": "Deep"}}}
    schema = {
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "flag": {"type": "boolean", "x-mcp-header": "Flag"},
            "a": deep,
        }
    }

    assert mcp.param_headers_problem(schema) == ""
    assert mcp.param_headers(schema, {"region": "eu", "flag": None, "a": {"b": 7}}) == {
        "Mcp-Param-Region": b"eu",
        "Mcp-Param-Deep": b"7",
    }


@pytest.mark.parametrize(
    "properties",
    [
        {"a": {"type": "number", "x-mcp-header": "A"}},
        {"a": {"type": "string", "x-mcp-header": ""}},
        {"a": {"type": "string", "x-mcp-header": "A\r\nB"}},
        {"a": {"type": "string", "x-mcp-header": 5}},
        {"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}},
        {"a": {"items": {"type": "string", "x-mcp-header": "A"}}},
        {"a": {"anyOf": [{"type": "string", "x-mcp-header": "A"}]}},
    ],
)
def test_a_tool_whose_marks_break_the_rules_cannot_be_offered(properties: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": properties}

    assert mcp.param_headers_problem(schema)
    assert isinstance(mcp.tool_read({"name": "a", "inputSchema": schema}), str)


def test_a_field_of_that_name_is_no_mark() -> None:
    schema = {"type": "object", "properties": {"x-mcp-header": {"type": "string"}}}

    assert mcp.param_headers_problem(schema) == ""

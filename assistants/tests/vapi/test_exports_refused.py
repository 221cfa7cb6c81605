"""What is no export: every complaint names the place and says what to do."""

import time
from typing import Any

import pytest

from assistants.tests.vapi.exported import (
    ASSISTANT,
    FIXTURES,
    NUMBER,
    SQUAD,
    TOOL,
    complaint,
    complaint_about,
    outcome,
    read,
)
from assistants.vapi.exports import MAX_BYTES, export_read
from tools.jsontext import MAX_DEPTH


@pytest.mark.parametrize(
    ("content", "begins", "advice"),
    [
        (b"", "x.json is empty.", "save it again"),
        (b" \r\n\t", "x.json is empty.", "save it again"),
        (b"\xef\xbb\xbf", "x.json, line 1, column 1: this is not JSON", "as Vapi's API answers it"),
        (b"hello", "x.json, line 1, column 1: this is not JSON", "as Vapi's API answers it"),
        (b"name: Desk\n", "x.json, line 1, column 1: this is not JSON", "as Vapi's API answers it"),
        (b'"hello"', "x.json holds a text where an object or an array is due", "Give what GET /assistant"),
        (b"12", "x.json holds a number where", "Give what GET /assistant"),
        (b"null", "x.json holds null where", "Give what GET /assistant"),
        (b"true", "x.json holds true or false where", "Give what GET /assistant"),
        (b"NaN", "x.json holds a number where", "Give what GET /assistant"),
        (b"9" * 5000, "x.json, line 1, column 1: this is not JSON", "as Vapi's API answers it"),
        (b"\n<!DOCTYPE html><html>", "x.json is an HTML page, not JSON", "Check the address"),
        (b"<Error><Code>", "x.json is XML or HTML, not JSON", "Check the address"),
        (b"HTTP/2 200\r\nserver: x\r\n\r\n[]", "x.json begins with HTTP headers", "without -i"),
        (b"curl: (6) Could not", "x.json holds an error message of curl", "see that curl succeeds"),
        (b"PK\x03\x04\x00", "x.json is not JSON but a ZIP archive", "Unpack it"),
        (b"\x1f\x8b\x08\x00", "x.json is not JSON but compressed with gzip", "Unpack it"),
        (b"%PDF-1.7", "x.json is not JSON but a PDF", "Give the JSON"),
        (b"\x89PNG\r\n\x1a\n", "x.json, byte 1: this is not text in UTF-8", "saved as UTF-8"),
        (b'{"name": "M\xfcller"}', "x.json, byte 12: this is not text in UTF-8", "saved as UTF-8"),
        (b'{"name": "x",}', "x.json, line 1, column ", "Correct it there"),
        (b"{'name': 'x'}", "x.json, line 1, column 2: this is not JSON", "Correct it there"),
        (b'{"name":\n "a" "b"}', "x.json, line 2, column 6: this is not JSON", "Correct it there"),
        (b'{"name": "two\nlines"}', "x.json, line 1, column 14: this is not JSON", "Correct it there"),
        (b'{"model": {}}\n, []', "x.json, line 2, column 1: more text follows", "Remove it"),
        (
            b'{"model": {}}\n{"model"',
            "x.json, line 2, column 9: the file ends in the middle",
            "Save it again",
        ),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_what_is_no_json_says_where_and_what_to_do(content: bytes, begins: str, advice: str) -> None:
    message = complaint(content)

    assert message.startswith(begins)
    assert advice in message


def test_wherever_a_download_was_cut_it_is_told_so() -> None:
    whole = (FIXTURES / "assistant-restaurant.json").read_bytes().rstrip()

    for length in [*range(1, 400), *range(400, len(whole), 7)]:
        assert "the file ends in the middle" in complaint(whole[:length]), length


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ([ASSISTANT, 7], "x.json, item 2: a number where an object is due"),
        (["a1"], "x.json, item 1: a text where an object is due"),
        ([None], "x.json, item 1: null where an object is due"),
        ([[ASSISTANT]], "x.json, item 1: an array where an object is due"),
        ({"assistants": ASSISTANT}, "x.json, assistants: an object where an array is due"),
        ({"tools": [[]]}, "x.json, tools, item 1: an array where an object is due"),
        ({"results": {}}, "x.json, results: an object where an array is due"),
        ({"model": []}, "x.json, model: an array where an object is due"),
        (
            [{"model": {"toolIds": ["a", 7]}}],
            "x.json, item 1, model.toolIds[1]: a number where a text is due",
        ),
        ({"model": {"messages": {}}}, "x.json, model.messages: an object where an array is due"),
        (
            {"model": {"tools": [{"function": {"parameters": []}}]}},
            "x.json, model.tools[0].function.parameters: an array",
        ),
        ({"type": "function", "function": "find"}, "x.json, function: a text where an object is due"),
        ({"members": {}}, "x.json, members: an object where an array is due"),
        ({"members": [{"assistant": {"hooks": {}}}]}, "x.json, members[0].assistant.hooks: an object"),
        ({**NUMBER, "server": "https://x.example"}, "x.json, server: a text where an object is due"),
        ({**ASSISTANT, "id": 7}, "x.json, id: a number where a text is due"),
    ],
)
def test_the_wrong_type_names_the_place_inside(value: object, where: str) -> None:
    message = complaint_about(value)

    assert message.startswith(where)
    assert "save the export again" in message or "as it came" in message


def test_null_is_fine_wherever_something_may_be_unset() -> None:
    assert read({"model": {"messages": None, "tools": None}, "hooks": None, "server": None}).assistants


@pytest.mark.parametrize(
    ("value", "what", "advice"),
    [
        (
            {"message": "Unauthorized", "statusCode": 401},
            "an error that Vapi answered (401)",
            "private key (not the public one)",
        ),
        (
            {"message": ["a"], "error": "Forbidden", "statusCode": 403},
            "an error that Vapi answered (403)",
            "organisation",
        ),
        ({"message": "No", "statusCode": 404}, "an error that Vapi answered (404)", "check both"),
        ({"message": "Slow down", "statusCode": 429}, "an error that Vapi answered (429)", "wait"),
        ({"message": "Oops", "statusCode": 500}, "an error that Vapi answered (500)", "Ask Vapi again"),
        ({"message": "Unauthorized"}, "an error that Vapi answered,", "Ask Vapi again"),
        ({"id": "c", "type": "webCall", "assistantId": "a"}, "a call", "GET /assistant/{id}"),
        ({"id": "c", "endedReason": "x"}, "a call", "import_vapi_calls"),
        ({"assistant": ASSISTANT, "customer": {"number": "+1"}}, "a call", "GET /assistant/{id}"),
        (
            {"type": "end-of-call-report", "artifact": {}},
            "a message that Vapi sends about a call",
            "import_vapi_calls",
        ),
        ({"nodes": [], "edges": [], "model": {}}, "a workflow", "give the assistants"),
        (
            {"provider": "openai", "model": "gpt-4.1", "tools": []},
            "only the `model`",
            "Give the whole assistant",
        ),
        ({"provider": "vapi", "voiceId": "Clara"}, "only the `voice`", "Give the whole assistant"),
        ({"name": "find", "parameters": {}}, "only the function inside a tool", "Give the whole tool"),
        ({"openapi": "3.0.0", "paths": {}}, "an OpenAPI document", "Give what GET /assistant"),
    ],
)
def test_a_frequent_mistake_has_its_own_message(value: dict[str, Any], what: str, advice: str) -> None:
    alone, listed = complaint_about(value), complaint_about([ASSISTANT, value])

    assert alone.startswith(f"x.json: this is {what}")
    assert listed.startswith(f"x.json, item 2: this is {what}")
    assert advice in alone


@pytest.mark.parametrize("value", [{}, {"id": "x"}, {"id": "f", "orgId": "o", "bucket": "b"}, {"hello": 1}])
def test_an_object_of_no_kind_is_told(value: dict[str, Any]) -> None:
    message = complaint_about([value])

    assert message.startswith("x.json, item 1: this is neither an assistant nor")
    assert "Give what GET /assistant" in message


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"assistants": [TOOL]}, "x.json, assistants, item 1: an assistant is due here, and this is a tool."),
        (
            {"tools": [ASSISTANT]},
            "x.json, tools, item 1: a tool is due here, and this is an assistant.",
        ),
        ({"squads": [{"name": "x"}]}, "x.json, squads, item 1: a squad is due here, and this is none."),
        (
            {"phoneNumbers": [SQUAD]},
            "x.json, phoneNumbers, item 1: a phone number is due here, and this is a squad.",
        ),
    ],
)
def test_what_lies_under_the_wrong_key_is_told(value: object, told: str) -> None:
    assert complaint_about(value) == f"{told} Move it to where it belongs."


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_a_number_that_json_does_not_know_names_its_place(number: str) -> None:
    message = complaint(f'[{{"model": {{"temperature": {number}}}}}]'.encode())

    assert message.startswith("x.json, item 1, model.temperature: NaN, Infinity or a number too large")
    assert "Write a plain number" in message


@pytest.mark.parametrize(
    "content",
    [
        b'[{"model": {"temperature": 1, "x": 2, "temperature": 1}}]',
        b'[{"model": {"temperature": 1, "x": 2, "temperature\\u0000": 1}}]',
    ],
    ids=["twice", "twice without NUL"],
)
def test_a_key_that_stands_twice_names_its_place(content: bytes) -> None:
    message = complaint(content)

    assert message.startswith("x.json, item 1, model: the key 'temperature' stands twice")
    assert "Remove one" in message


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000, 200_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
def test_what_is_nested_too_deep_is_told(depth: int, opened: str, closed: str) -> None:
    inner = opened * depth + "1" + closed * depth
    message = complaint(f'{{"model": {{"x": {inner}}}}}'.encode())

    assert message.startswith("x.json")
    assert f"nested deeper than {MAX_DEPTH} levels" in message
    assert len(message) < 400


def test_what_is_nested_just_not_too_deep_is_read() -> None:
    depth = MAX_DEPTH - 2
    export = export_read(f'{{"model": {{"x": {"[" * depth}{"]" * depth}}}}}'.encode(), name="x")

    assert len(export.assistants) == 1


def test_a_message_quotes_nothing_that_a_file_says() -> None:
    secret = "sk-live-4711"
    for content in (
        secret,
        f'{{"name": "{secret}" x}}',
        f'["{secret}"]',
        f'{{"message": "{secret}", "statusCode": 401}}',
        f'{{"hello": "{secret}"}}',
        f'{{"model": "{secret}"}}',
        f'{{"model": {{"messages": "{secret}"}}}}',
        f'{{"model": {{}}}} {secret}',
        f'{{"assistants": "{secret}"}}',
    ):
        assert secret not in complaint(content.encode())


def test_more_than_the_limit_is_refused_at_once() -> None:
    message = complaint(b" " * (MAX_BYTES + 1))

    assert message.startswith("x.json is larger than 20 MiB")
    assert "Import in parts" in message


def test_just_the_limit_is_read() -> None:
    head, tail = b'{"model": {"messages": [{"content": "', b'"}]}}'

    export = export_read(head + b"x" * (MAX_BYTES - len(head) - len(tail)) + tail, name="x")

    assert len(export.assistants) == 1


@pytest.mark.parametrize(
    ("opened", "one", "closed"),
    [("[", '"a\\u0000"', "]"), ('{"x": 1, ', '"{}": 1', ', "x": 2}'), ("[", '{"a": 1}', "]")],
    ids=["texts with NUL", "keys of which one stands twice", "objects"],
)
def test_a_large_file_takes_no_more_than_time_in_proportion(opened: str, one: str, closed: str) -> None:
    entries = (one.replace("{}", str(number)) for number in range(200_000))
    began = time.monotonic()

    outcome(f"{opened}{','.join(entries)}{closed}".encode())

    assert time.monotonic() - began < 60  # in proportion it is about one; squared it is minutes

import json
import os
import string
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.vapi.exports import (
    MAX_BYTES,
    Export,
    ExportError,
    Missing,
    export_join,
    export_missing,
    export_read,
    export_read_path,
)
from assistants.vapi.references import references_in
from tools.jsontext import MAX_DEPTH

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"
ASSISTANT: dict[str, Any] = {"id": "a1", "orgId": "o", "name": "Desk", "model": {"provider": "openai"}}
TOOL: dict[str, Any] = {"id": "t1", "orgId": "o", "type": "function", "function": {"name": "find"}}
SQUAD: dict[str, Any] = {"id": "s1", "orgId": "o", "members": [{"assistantId": "a1"}]}
NUMBER: dict[str, Any] = {"id": "p1", "orgId": "o", "provider": "twilio", "number": "+13125550100"}


def read(value: object, name: str = "x.json") -> Export:
    return export_read(json.dumps(value).encode(), name=name)


def complaint(content: bytes, name: str = "x.json") -> str:
    with pytest.raises(ExportError) as caught:
        export_read(content, name=name)
    return str(caught.value)


def complaint_about(value: object) -> str:
    return complaint(json.dumps(value).encode())


def kinds(export: Export) -> list[str]:
    return [item.kind for item in export.items]


# --- What is understood --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "kind", "count"),
    [
        ("assistant-clinic.json", "assistant", 1),
        ("assistant-restaurant.json", "assistant", 1),
        ("assistant-squad.json", "squad", 1),
        ("tools.json", "tool", 13),
    ],
)
def test_a_fixture_comes_back_as_it_was_with_its_keys_in_order(file: str, kind: str, count: int) -> None:
    written = json.loads((FIXTURES / file).read_text())

    read_back = export_read_path(FIXTURES / file)

    raws = [item.raw for item in read_back.items]
    assert kinds(read_back) == [kind] * count
    assert json.dumps(raws) == json.dumps(written if isinstance(written, list) else [written])
    assert read_back.notes == ()


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("call.json", "this is a call, not an assistant"),
        ("end-of-call-report.json", "a message that Vapi sends about a call (end-of-call-report)"),
        ("function-call-request.json", "a message that Vapi sends about a call (function-call)"),
        ("tool-calls-request.json", "a message that Vapi sends about a call (tool-calls)"),
        ("tool-calls-response.json", "results, item 1: this is the answer of a tool server"),
        ("tool-parameters-unions.json", "item 1: this is only the function inside a tool"),
        ("function-call-response.json", "neither an assistant nor a tool, a squad or a phone number"),
    ],
)
def test_a_fixture_that_is_no_assistant_says_what_it_is(file: str, what: str) -> None:
    with pytest.raises(ExportError) as caught:
        export_read_path(FIXTURES / file)

    assert str(caught.value).startswith(str(FIXTURES / file))
    assert what in str(caught.value)
    assert "Give " in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (ASSISTANT, "assistant"),
        ({"name": "By hand", "firstMessage": "Hello"}, "assistant"),
        (
            {"model": {"systemPrompt": "x", "functions": []}, "serverUrl": "https://hooks.example"},
            "assistant",
        ),
        (
            {"id": "a", "orgId": "o", "createdAt": "", "updatedAt": "", "name": "Nothing set yet"},
            "assistant",
        ),
        (TOOL, "tool"),
        ({"type": "endCall"}, "tool"),
        ({"id": "t", "orgId": "o", "type": "invented.next.year"}, "tool"),
        (SQUAD, "squad"),
        ({"members": []}, "squad"),
        (NUMBER, "phone-number"),
        (
            {"id": "p", "number": "+12125550123", "twilioAccountSid": "AC0", "hooks": []},
            "phone-number",
        ),  # before providers
        ({"id": "p", "provider": "vapi", "sipUri": "sip:desk@sip.vapi.ai"}, "phone-number"),
    ],
)
def test_an_object_is_known_by_its_shape(raw: dict[str, Any], kind: str) -> None:
    (item,) = read(raw).items

    assert (item.kind, item.raw, item.where) == (kind, raw, "x.json")


def test_an_array_may_hold_everything_and_each_entry_knows_its_place() -> None:
    export = read([TOOL, ASSISTANT, NUMBER, SQUAD], "all.json")

    assert [(item.kind, item.where) for item in export.items] == [
        ("assistant", "all.json, item 2"),
        ("tool", "all.json, item 1"),
        ("squad", "all.json, item 4"),
        ("phone-number", "all.json, item 3"),
    ]


def test_a_page_of_results_is_read_and_says_when_others_follow() -> None:
    whole = read({"results": [NUMBER], "metadata": {"hasNextPage": False}})
    part = read({"results": [NUMBER], "metadata": {"hasNextPage": True}})

    assert kinds(whole) == kinds(part) == ["phone-number"]
    assert whole.items[0].where == "x.json, results, item 1"
    assert whole.notes == ()
    assert part.notes == ("x.json: a page of a longer list. Ask for the pages that follow, too.",)


def test_a_bundle_is_read_and_what_else_it_holds_is_told() -> None:
    export = read(
        {
            "assistants": [ASSISTANT],
            "tools": [TOOL],
            "squads": [SQUAD],
            "phoneNumbers": [NUMBER],
            "files": [{"id": "f"}],
        }
    )

    assert kinds(export) == ["assistant", "tool", "squad", "phone-number"]
    assert export.tools[0].where == "x.json, tools, item 1"
    assert export.notes == ("x.json, files: not imported, its key is none that is known.",)


def test_a_bundle_may_use_the_names_of_paths_and_null() -> None:
    export = read({"assistant": ASSISTANT, "tool": [TOOL], "squads": None})

    assert [(item.kind, item.where) for item in export.items] == [
        ("assistant", "x.json, assistant"),
        ("tool", "x.json, tool, item 1"),
    ]


def test_in_a_bundle_the_key_says_what_a_bare_object_is() -> None:
    assert kinds(read({"assistants": [{"name": "Bare"}]})) == ["assistant"]


def test_several_documents_in_a_row_are_read_with_their_lines() -> None:
    content = f"{json.dumps(ASSISTANT)}\n{json.dumps([TOOL])}\n\n{json.dumps(SQUAD)}".encode()

    assert [item.where for item in export_read(content, name="all.jsonl").items] == [
        "all.jsonl, line 1",
        "all.jsonl, line 2, item 1",
        "all.jsonl, line 4",
    ]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"]
)
def test_every_unicode_encoding_is_read(encoding: str) -> None:
    raw = {**ASSISTANT, "firstMessage": "Grüß Gott, 你好 🎉"}

    (item,) = export_read(json.dumps(raw, ensure_ascii=False).encode(encoding), name="x").items

    assert item.raw == raw


def test_long_names_emoji_and_wide_characters_stay_as_they_are() -> None:
    raw = {**ASSISTANT, "name": "n" * 400, "firstMessage": "👩‍👩‍👧‍👦 \u2028 \x7f"}

    export = read(raw)

    assert export.items[0].raw == raw
    assert export.notes == ()


@pytest.mark.parametrize("nul", ["\\u0000", "\x00"], ids=["escaped", "as a byte"])
def test_nul_is_taken_out_and_noted(nul: str) -> None:
    content = f'[{{"name": "a{nul}b{nul}", "model": {{"messages": [{{"content": "x{nul}"}}]}}}}]'.encode()

    export = export_read(content, name="x.json")

    assert export.items[0].raw == {"name": "ab", "model": {"messages": [{"content": "x"}]}}
    assert export.notes == (
        "x.json, item 1, name and 1 more: NUL characters were taken out, because the database cannot hold them.",
    )


def test_half_a_character_is_replaced_and_noted() -> None:
    export = export_read(rb'{"firstMessage": "a\ud83d", "voice": {"note": "\ud83c\udf89"}}', name="x.json")

    assert export.items[0].raw == {"firstMessage": "a\ufffd", "voice": {"note": "🎉"}}
    assert export.notes == (
        "x.json, firstMessage: halves of characters (lone surrogates) were replaced by \ufffd.",
    )


def test_numbers_stay_as_they_were_written() -> None:
    text = '{"model": {"temperature": 0.5, "maxTokens": 250, "topP": 1.0, "seed": 12345678901234567890}}'

    assert json.dumps(export_read(text.encode(), name="x").items[0].raw) == text


def test_an_empty_list_is_no_error_but_is_told() -> None:
    export = export_read(b"[]", name="x.json")

    assert export.items == ()
    assert export.notes == ("x.json: an empty array, so there is nothing in it to import.",)


@pytest.mark.parametrize(("count", "noted"), [(99, False), (100, True), (101, False), (1000, True)])
def test_a_list_that_ends_where_vapi_cuts_lists_is_told(count: int, noted: bool) -> None:  # noqa: FBT001
    export = read([{**TOOL, "id": str(number)} for number in range(count)])

    assert len(export.tools) == count
    assert [f"exactly {count} objects" in note for note in export.notes] == [True] * noted


# --- What is not ---------------------------------------------------------------------------------------------


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


# --- Files and folders ---------------------------------------------------------------------------------------


def save(folder: Path, name: str, value: object) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))
    return file


def test_a_folder_is_read_with_the_folders_inside_it(tmp_path: Path) -> None:
    save(tmp_path, "b.json", [TOOL])
    save(tmp_path, "a.json", ASSISTANT)
    save(tmp_path, "more/squads.json", [SQUAD])
    save(tmp_path, "more/even/deeper.json", NUMBER)
    save(tmp_path, ".hidden.json", NUMBER)
    save(tmp_path, ".git/config.json", NUMBER)
    (tmp_path / "notes.txt").write_text("not read")
    (tmp_path / "folder.json").mkdir()

    export = export_read_path(tmp_path)

    assert [item.where for item in export.items] == [
        str(tmp_path / "a.json"),
        f"{tmp_path / 'b.json'}, item 1",
        f"{tmp_path / 'more' / 'squads.json'}, item 1",
    ]


def path_complaint(path: Path) -> str:
    with pytest.raises(ExportError) as caught:
        export_read_path(path)
    return str(caught.value)


def test_a_folder_without_json_says_what_to_save_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")

    message = path_complaint(tmp_path)

    assert message.startswith(f"{tmp_path} holds no file that ends in .json.")
    assert "Save there what GET /assistant" in message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert path_complaint(tmp_path / "x.json") == (
        f"{tmp_path / 'x.json'} does not exist. Check the spelling and the folder."
    )


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path, "x.json", ASSISTANT)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root reads whatever its mode says

    expected = f"{file} cannot be read (Permission denied). Check its permissions."
    assert path_complaint(file) == path_complaint(tmp_path) == expected


def test_a_folder_inside_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, "a.json", ASSISTANT)
    closed = save(tmp_path, "closed/b.json", TOOL).parent
    is_open = Path.iterdir

    def refuse(self: Path) -> Iterator[Path]:
        if self == closed:
            raise PermissionError(13, "Permission denied")
        return is_open(self)

    monkeypatch.setattr(Path, "iterdir", refuse)

    assert path_complaint(tmp_path) == (
        f"{closed} cannot be read (Permission denied). Check its permissions."
    )


def test_one_bad_file_in_a_folder_is_named(tmp_path: Path) -> None:
    save(tmp_path, "a.json", ASSISTANT)
    save(tmp_path, "b.json", {"id": "c", "type": "webCall"})

    assert path_complaint(tmp_path).startswith(f"{tmp_path / 'b.json'}: this is a call")


def test_the_limit_is_for_a_folder_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistants.vapi.exports.MAX_BYTES", 200)
    save(tmp_path, "a.json", ASSISTANT)
    save(tmp_path, "b.json", {**ASSISTANT, "id": "a2"})
    assert len(export_read_path(tmp_path).items) == 2
    save(tmp_path, "c.json", {**ASSISTANT, "id": "a3"})

    assert path_complaint(tmp_path).startswith(f"{tmp_path} is larger than 20 MiB")


def test_in_a_folder_only_files_are_read_and_what_was_passed_over_is_told(tmp_path: Path) -> None:
    save(tmp_path, "a.json", ASSISTANT)
    (tmp_path / "linked.json").symlink_to(save(tmp_path, "more/even/tool.json", TOOL))
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "device.json").symlink_to("/dev/zero")

    export = export_read_path(tmp_path)

    assert kinds(export) == ["assistant", "tool"]
    assert export.notes == tuple(
        f"{tmp_path / name}: passed over, because it is a pipe, a socket or a device and not a file."
        for name in ("device.json", "pipe.json")
    )


def test_a_folder_with_nothing_but_a_pipe_says_that_it_was_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")

    assert f"{tmp_path / 'pipe.json'}: passed over" in path_complaint(tmp_path)


def test_a_link_to_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").symlink_to(tmp_path / "none.json")

    assert path_complaint(tmp_path).startswith(f"{tmp_path / 'x.json'} does not exist")


def test_a_name_that_is_no_text_can_be_stored(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"f_\xff")
    save(folder, "a.json", ASSISTANT)
    save(folder, "empty.json", [])
    os.mkfifo(folder / "pipe.json")

    export = export_read_path(folder)

    shown = f"{tmp_path}/f_\ufffd"
    assert [item.where for item in export.items] == [f"{shown}/a.json"]
    assert [note.partition(":")[0] for note in export.notes] == [f"{shown}/pipe.json", f"{shown}/empty.json"]
    assert path_complaint(folder / "none.json").startswith(f"{shown}/none.json does not exist")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes by name")
def test_a_pipe_is_read_like_a_file() -> None:
    reader, writer = os.pipe()
    os.write(writer, json.dumps(ASSISTANT).encode())
    os.close(writer)
    try:
        assert len(export_read_path(Path(f"/dev/fd/{reader}")).items) == 1
    finally:
        os.close(reader)


# --- Joining -------------------------------------------------------------------------------------------------


def test_the_same_object_twice_counts_once_whatever_the_order_of_keys() -> None:
    again = dict(reversed(ASSISTANT.items()))

    joined = export_join([read(ASSISTANT, "a"), read([again, TOOL], "b"), read([TOOL, TOOL], "c")])

    assert [item.where for item in joined.items] == ["a", "b, item 2"]


def test_two_objects_of_one_id_that_differ_name_both_places() -> None:
    old = {**ASSISTANT, "updatedAt": "2026-01-01T00:00:00.000Z"}
    new = {**ASSISTANT, "updatedAt": "2026-02-01T00:00:00.000Z"}

    with pytest.raises(ExportError) as caught:
        export_join([read([old], "old.json"), read([TOOL, new], "new.json")])

    assert str(caught.value) == (
        "new.json, item 2 and old.json, item 1: an assistant with the same id (a1) but different content, updated at "
        "2026-02-01T00:00:00.000Z and at 2026-01-01T00:00:00.000Z. Keep the newer one and take the other out."
    )


def test_one_and_true_are_different_content() -> None:
    assert "different content" in complaint_about([{**TOOL, "async": 1}, {**TOOL, "async": True}])


def test_one_id_in_two_kinds_is_no_clash() -> None:
    assert len(read([{**TOOL, "id": "x"}, {**ASSISTANT, "id": "x"}]).items) == 2


def test_without_ids_only_equal_content_is_the_same() -> None:
    assert len(read([{"type": "endCall"}, {"type": "endCall"}, {"type": "dtmf"}]).tools) == 2


def test_joining_keeps_notes_and_forgets_what_is_no_longer_unresolved() -> None:
    lacking = Export(notes=("n",), unresolved=Missing(tools=("t1", "t2"), assistants=("a9",)))

    joined = export_join([lacking, lacking, read(TOOL)])

    assert joined.notes == ("n",)
    assert joined.unresolved == Missing(tools=("t2",), assistants=("a9",))


# --- What is referred to -------------------------------------------------------------------------------------


def test_what_is_missing_is_looked_for_everywhere() -> None:
    assistant = {
        "id": "a1",
        "model": {
            "toolIds": ["t1", "t2", "t2"],
            "toolRefs": [{"toolId": "t3", "version": "v1"}],
            "tools": [{"type": "handoff", "destinations": [{"type": "assistant", "assistantId": "a2"}]}],
        },
        "hooks": [{"on": "call.ending", "do": [{"type": "tool", "toolId": "t4"}]}],
        "compliancePlan": {"recordingConsentPlan": {"type": "verbal", "declineToolId": "t5"}},
    }
    squad = {
        "id": "s1",
        "members": [
            {
                "assistantId": "a1",
                "assistantOverrides": {"tools:append": [{"type": "handoff", "destinations": []}]},
            },
            {"assistantId": "a3", "assistantDestinations": [{"type": "assistant", "assistantId": "a4"}]},
            {"assistant": {"model": {"toolIds": ["t6"]}}},
        ],
        "membersOverrides": {"model": {"toolIds": ["t7"]}},
    }
    tool = {
        "id": "t1",
        "type": "handoff",
        "destinations": [{"type": "squad", "squadId": "s2"}, {"assistantId": "a5"}],
    }
    number = {**NUMBER, "assistantId": "a6", "squadId": "s1"}

    missing = export_missing(read([assistant, squad, tool, number]))

    assert missing == Missing(
        tools=("t2", "t3", "t4", "t5", "t6", "t7"),
        assistants=("a2", "a5", "a3", "a4", "a6"),
        squads=("s2",),
    )


def test_what_the_source_did_not_know_is_missing_too() -> None:
    export = export_join([read(ASSISTANT), Export(unresolved=Missing(assistants=("a9",)))])

    assert export_missing(export) == Missing(assistants=("a9",))


def test_ids_in_what_is_the_customers_own_are_no_references() -> None:
    raw = {
        "metadata": {"assistantId": "x"},
        "model": {
            "tools": [
                {
                    "type": "function",
                    "function": {"parameters": {"properties": {"toolId": {"type": "string"}}}},
                    "parameters": [{"key": "squadId", "value": {"squadId": "x"}}],
                }
            ],
            "toolIds": ["", None],
        },
        "assistantId": None,
    }

    assert references_in(raw) == Missing()


def test_the_fixtures_lack_one_assistant_once_all_are_read() -> None:
    names = ("assistant-clinic.json", "assistant-restaurant.json", "assistant-squad.json", "tools.json")

    export = export_join(export_read_path(FIXTURES / name) for name in names)

    assert export_missing(export) == Missing(assistants=("c9a03e55-1f7d-4f6c-b7a1-5d1e0c6b7333",))


# --- Properties ----------------------------------------------------------------------------------------------

WORDS = ["id", "type", "model", "members", "tools", "assistants", "results", "provider", "number", "message"]
WORDS += [
    "statusCode",
    "voice",
    "hooks",
    "toolIds",
    "functions",
    "toolCallId",
    "function",
    "metadata",
    "a\x00",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(
    st.binary(max_size=60)
    | st.text(string.printable, max_size=60).map(str.encode)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.tuples(VALUES, st.integers(0, 80)).map(lambda pair: json.dumps(pair[0]).encode()[: pair[1]])
    | st.tuples(VALUES, st.sampled_from(["utf-16", "utf-8-sig", "utf-32-be"])).map(
        lambda pair: json.dumps(pair[0]).encode(pair[1])
    )
)
def test_any_bytes_are_an_export_or_one_message_that_names_the_file(content: bytes) -> None:
    export, message = outcome(content)

    json.dumps([item.raw for item in export.items], allow_nan=False).encode()
    assert "\\u0000" not in json.dumps([item.raw for item in export.items])
    assert message == "" or message.startswith("some.json")
    assert "\n" not in message
    export_missing(export)


def outcome(content: bytes) -> tuple[Export, str]:
    try:
        return export_read(content, name="some.json"), ""
    except ExportError as error:
        return Export(), str(error)


CLEAN = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=10)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | CLEAN
OWN = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CLEAN, inner), max_leaves=12
)


@settings(max_examples=100)
@given(st.dictionaries(CLEAN, OWN, max_size=5), st.booleans())
def test_whatever_an_assistant_holds_comes_back_as_it_was(own: dict[str, Any], as_escapes: bool) -> None:  # noqa: FBT001
    raw = {**ASSISTANT, "metadata": own}

    (item,) = export_read(json.dumps(raw, ensure_ascii=as_escapes).encode(), name="x").items

    assert json.dumps(item.raw) == json.dumps(raw)

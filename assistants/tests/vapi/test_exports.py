"""What is understood of an export, how several are joined, and what they refer to."""

import json
from typing import Any

import pytest

from assistants.tests.vapi.exported import (
    ASSISTANT,
    FIXTURES,
    NUMBER,
    SQUAD,
    TOOL,
    complaint_about,
    kinds,
    read,
)
from assistants.vapi.exports import (
    Export,
    ExportError,
    Missing,
    export_join,
    export_missing,
    export_read,
    export_read_path,
)
from assistants.vapi.references import references_in

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
def test_a_list_that_ends_where_vapi_cuts_lists_is_told(count: int, noted: bool) -> None:
    export = read([{**TOOL, "id": str(number)} for number in range(count)])

    assert len(export.tools) == count
    assert [f"exactly {count} objects" in note for note in export.notes] == [True] * noted


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

"""From Vapi's tools to ours: those of an assistant, their names, and where their webhooks go."""

from typing import Any

import pytest

from assistants.tests.vapi.cases import SERVER, assistant, codes, drafts, finding, tool
from assistants.tests.vapi.tool_cases import two_kinds_run, webhook
from assistants.vapi.drafts import ABSENT, Verdict
from assistants.vapi.translate import ToolInfo

__all__ = ["two_kinds_run"]  # of itself, for every test here

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict


# --- Of an assistant


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "parameters": {"type": "object", "properties": {}}, **more}


@pytest.mark.parametrize(
    ("messages", "legacy"),
    [
        (["function-call"], True),
        (["function-call", "hang"], True),
        (["function-call", "tool-calls"], False),
        (["tool-calls"], False),
        ([], False),
        (None, False),
    ],
)
def test_the_old_webhook_form_is_used_where_the_server_knows_only_that(
    *, messages: Any, legacy: bool
) -> None:
    raw = {
        "id": "a",
        "name": "Desk",
        "serverUrl": SERVER["url"],
        "serverMessages": messages,
        "model": {"functions": [function("f")]},
    }

    (draft,) = drafts(assistants=[raw]).tools

    assert draft.fields["legacy_form"] is legacy


def test_a_function_of_2023_may_have_a_server_of_its_own() -> None:
    raw = {
        "id": "a",
        "name": "Desk",
        "model": {
            "functions": [function("f", serverUrl=SERVER["url"], serverUrlSecret="x", **{"async": True})]
        },
    }

    (draft,) = drafts(assistants=[raw]).tools

    assert draft.key == "a/model.functions[f]"
    assert draft.fields["server_url"] == SERVER["url"]
    assert draft.fields["asynchronous"] is True
    assert draft.secrets == {"server_secret": "x"}


def test_settings_that_stand_for_tools_become_tools() -> None:
    raw = {
        "id": "a",
        "name": "Desk",
        "endCallFunctionEnabled": True,
        "dialKeypadFunctionEnabled": True,
        "forwardingPhoneNumber": "+14155550119",
        "forwardingPhoneNumbers": [{"type": "number", "number": "+14155550120"}],
    }

    found = drafts(assistants=[raw])

    assert [(one.name, one.fields["kind"]) for one in found.tools] == [
        ("endCall", "endCall"),
        ("dtmf", "dtmf"),
        ("transferCall", "transferCall"),
        ("transferCall_2", "transferCall"),
    ]
    assert found.assistants[0].tools == tuple(one.key for one in found.tools)
    assert found.tools[2].fields["settings"]["destinations"] == [{"type": "number", "number": "+14155550119"}]
    assert finding(found.tools[0], "endCallFunctionEnabled").verdict is CONVERTED
    assert finding(found.tools[1], "dialKeypadFunctionEnabled").code == "kind_not_run"


def test_a_setting_adds_no_second_tool_that_hangs_up() -> None:
    raw = {
        "id": "a",
        "name": "Desk",
        "endCallFunctionEnabled": True,
        "model": {"tools": [{"type": "endCall"}]},
    }

    found = drafts(assistants=[raw])

    assert [one.key for one in found.tools] == ["a/model.tools[endCall]"]
    assert "has a tool that does this" in finding(found.assistants[0], "endCallFunctionEnabled").reason


def test_a_setting_that_is_off_stands_for_no_tool() -> None:
    found = drafts(assistants=[{"id": "a", "name": "Desk", "endCallFunctionEnabled": False}])

    assert found.tools == ()


def test_the_tool_of_a_hook_is_stored_and_not_offered_to_the_model() -> None:
    hook = {"on": "call.ending", "do": [{"type": "tool", "tool": webhook()}]}

    found = drafts(assistants=[{"id": "a", "name": "Desk", "hooks": [hook]}])

    assert [one.key for one in found.tools] == ["a/hooks[0].do[0].tool"]
    assert found.assistants[0].tools == ()
    assert finding(found.assistants[0], "hooks[0].do[0].tool").ours == "find"
    assert finding(found.assistants[0], "hooks[0].do[0].type").code == "hook_action"


def test_the_model_reads_inline_tools_first_and_stored_ones_after() -> None:
    raw = {
        "id": "a",
        "name": "Desk",
        "model": {
            "toolIds": ["t2", "t1", "t2"],
            "toolRefs": [{"toolId": "t3", "version": "v1"}],
            "tools": [webhook()],
        },
    }
    stored = [{"id": f"t{number}", **webhook(function={"name": f"f{number}"})} for number in (1, 2, 3)]

    found = drafts(assistants=[raw], tools=stored)

    assert found.assistants[0].tools == ("a/model.tools[find]", "t2", "t1", "t3")
    assert finding(found.assistants[0], "model.toolIds[2]").verdict is CONVERTED


# --- Names that stand twice


def test_of_two_tools_of_one_name_the_stored_one_keeps_it() -> None:
    raw = {"id": "a", "name": "Desk", "model": {"tools": [webhook()], "toolIds": ["t1"]}}

    found = drafts(assistants=[raw], tools=[{"id": "t1", **webhook()}])
    inline = found.tools[1]

    assert [one.name for one in found.tools] == ["find", "find_2"]
    assert inline.fields["wire_name"] == "find"
    assert finding(found.assistants[0], "model.tools[0]").code == "duplicate_tool_name"
    assert "find_2" in finding(found.assistants[0], "model.tools[0]").reason
    assert finding(inline, "function.name").code == "duplicate_tool_name"


def test_of_two_inline_tools_of_one_name_the_first_keeps_it() -> None:
    raw = {
        "id": "a",
        "name": "Desk",
        "model": {"tools": [webhook(), webhook(function={"name": "find", "description": "Other."})]},
    }

    found = drafts(assistants=[raw])

    assert [(one.key, one.name) for one in found.tools] == [
        ("a/model.tools[find]", "find"),
        ("a/model.tools[find#2]", "find_2"),
    ]


def test_a_tool_of_an_earlier_import_whose_name_is_taken_is_not_offered() -> None:
    known = {
        "t1": ToolInfo("find", server_url=SERVER["url"]),
        "t2": ToolInfo("find", server_url=SERVER["url"]),
    }

    draft = assistant({"model": {"toolIds": ["t1", "t2"]}}, known_tools=known)

    assert draft.tools == ("t1",)
    assert finding(draft, "model.toolIds[1]").code == "duplicate_tool_name"


# --- Where webhooks go


def test_a_webhook_that_would_be_sent_nowhere_is_asked_about_at_its_assistant() -> None:
    nowhere = {"type": "function", "function": {"name": "find"}}
    raw = {"id": "a", "name": "Desk", "model": {"toolIds": ["t1"]}}

    found = drafts(assistants=[raw], tools=[{"id": "t1", **nowhere}])

    assert finding(found.assistants[0], "model.toolIds[0]").code == "no_server_url"
    assert finding(found.tools[0], "server.url").verdict is DEFAULT


def test_a_webhook_without_a_url_goes_to_the_assistants() -> None:
    nowhere = {"type": "function", "function": {"name": "find"}}
    raw = {"id": "a", "name": "Desk", "server": SERVER, "model": {"toolIds": ["t1"]}}

    found = drafts(assistants=[raw], tools=[{"id": "t1", **nowhere}])

    assert "no_server_url" not in codes(found.assistants[0])
    assert finding(found.tools[0], "server.url").source is ABSENT


def test_a_webhook_without_a_url_that_no_assistant_uses_is_asked_about() -> None:
    assert (
        finding(tool({"type": "function", "function": {"name": "f"}}), "server.url").code == "no_server_url"
    )

from typing import Any

import pytest

from assistants.snapshots import snapshot_take
from assistants.tests.factories import make_assistant
from calls.plans import plan_from_snapshot
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db


def test_the_model_is_offered_the_flattened_parameters_and_the_snapshot_keeps_the_original() -> None:
    union: dict[str, Any] = {
        "anyOf": [{"properties": {"a": {"const": "x"}}}, {"properties": {"b": {"type": "null"}}}]
    }
    tools = [make_tool(parameters=union), make_tool(name="none", parameters={})]
    snapshot = snapshot_take(make_assistant(tools=tools))

    offered, without = plan_from_snapshot(snapshot).tools

    assert snapshot.tools[0].parameters == union
    assert offered.parameters["type"] == "object"
    assert "anyOf" not in offered.parameters
    assert offered.parameters["properties"]["a"]["enum"] == ["x"]
    assert without.parameters == {"type": "object", "properties": {}}


def test_a_transfer_is_offered_with_its_places_unless_none_can_be_dialled() -> None:
    desk = {"type": "number", "number": "+13125550142", "message": "One moment."}
    squad = {"type": "assistant", "assistantName": "Billing"}
    tools = [
        make_tool(kind="transferCall", name="both", settings={"destinations": [squad, desk]}),
        make_tool(kind="transferCall", name="squad_only", settings={"destinations": [squad]}),
        make_tool(kind="transferCall", name="server_decides", settings={}),
        make_tool(name="webhook", settings={"destinations": [desk]}),
    ]

    offered = {
        tool.name: tool for tool in plan_from_snapshot(snapshot_take(make_assistant(tools=tools))).tools
    }

    assert list(offered) == ["both", "server_decides", "webhook"]
    assert [(one.name, one.message) for one in offered["both"].places] == [("+13125550142", "One moment.")]
    assert offered["both"].transfers
    assert (offered["server_decides"].transfers, offered["server_decides"].places) == (True, ())
    assert (offered["webhook"].transfers, offered["webhook"].places) == (False, ())


def test_a_voicemail_tool_leaves_the_assistants_message() -> None:
    tools = [make_tool(kind="voicemail", name="voicemail"), make_tool(name="webhook")]
    assistant = make_assistant(tools=tools, voicemail_message="Please call back.")

    leaves, webhook = plan_from_snapshot(snapshot_take(assistant)).tools

    assert (leaves.leaves, webhook.leaves) == ("Please call back.", None)


def test_a_tools_own_rules_go_with_it_into_the_call() -> None:
    plan = {"conditions": [{"type": "liquid", "liquid": "true"}]}
    tools = [
        make_tool(name="plain", rejection_plan={"conditions": []}),
        make_tool(name="guarded", kind="endCall", rejection_plan=plan),
        make_tool(name="dice", duplicates="each"),
    ]

    plain, guarded, dice = plan_from_snapshot(snapshot_take(make_assistant(tools=tools))).tools

    assert (plain.checked, guarded.checked) == (False, True)
    assert (plain.repeats, dice.repeats) == (False, True)

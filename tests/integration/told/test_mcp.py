"""A call whose assistant asks an MCP server, over real processes."""

from django.test import override_settings

from assistants.tests.factories import make_version
from tests.integration.rows import GREETING, Desk, make_desk
from tests.integration.stack import Stack
from tests.integration.stories import CHECKING, GOODBYE, PRICE, READY_ON, Told, story
from tools.mcp.services import mcp_tools_refresh


def asks_an_mcp_server(stack: Stack) -> Desk:
    """An assistant whose tool is one of an MCP server's."""
    server = {"kind": "mcp", "name": "workshop", "server_url": f"{stack.outside.http_url}/mcp/repairs+sse"}
    desk = make_desk(stack, tool={**server, "server_secret": ""}, published=False)
    with override_settings(WEBHOOK_ALLOW_LOOPBACK=True):
        mcp_tools_refresh(tool=desk.tool)
    make_version(assistant=desk.assistant)
    return desk


@story("one_tool", makes=asks_an_mcp_server)
def test_a_tool_of_an_mcp_server_is_asked_and_its_answer_spoken(told: Told, stack: Stack) -> None:
    assert told.heard() == [GREETING, CHECKING, READY_ON, PRICE, GOODBYE]
    lookup = told.rows.tool_calls[0]
    assert (lookup.name, lookup.status, lookup.http_status) == ("get_repair_status", "answered", 200)
    assert (lookup.tool, lookup.orphaned) == (told.desk.tool, False)
    requests = stack.outside.simulator.mcp.requests
    asked = [one for one in requests if one["headers"].get("x-call-id") == str(told.rows.call.id)]
    assert [one["body"]["method"] for one in asked] == [
        "initialize",
        "notifications/initialized",
        "tools/call",
    ]
    assert [one["problem"] for one in asked] == ["", "", ""]
    assert asked[-1]["body"]["params"]["arguments"] == {"ticket": "481", "include_price": True}

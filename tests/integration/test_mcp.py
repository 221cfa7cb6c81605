"""A call whose assistant asks an MCP server, over real processes."""

from pytest_django import Settings

from assistants.tests.factories import make_version
from tests.integration.rows import GREETING, make_desk, written
from tests.integration.stack import Stack
from tests.integration.stories import CHECKING, GOODBYE, PRICE, READY_ON
from tools.mcp.services import mcp_tools_refresh


def test_a_tool_of_an_mcp_server_is_asked_and_its_answer_spoken(stack: Stack, settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    mcp = stack.outside.simulator.mcp
    server = {"kind": "mcp", "name": "workshop", "server_url": f"{stack.outside.http_url}/mcp/repairs+sse"}
    desk = make_desk(stack, tool={**server, "server_secret": ""}, published=False)
    mcp_tools_refresh(tool=desk.tool)
    make_version(assistant=desk.assistant)

    report = stack.call("one_tool", desk.did).report()

    rows = written(report.call_sid)
    assert [line.text for line in report.heard] == [GREETING, CHECKING, READY_ON, PRICE, GOODBYE]
    lookup = rows.tool_calls[0]
    assert (lookup.name, lookup.status, lookup.http_status) == ("get_repair_status", "answered", 200)
    assert (lookup.tool, lookup.orphaned) == (desk.tool, False)
    asked = [one for one in mcp.requests if one["headers"].get("x-call-id") == str(rows.call.id)]
    assert [one["body"]["method"] for one in asked] == [
        "initialize",
        "notifications/initialized",
        "tools/call",
    ]
    assert [one["problem"] for one in asked] == ["", "", ""]
    assert asked[-1]["body"]["params"]["arguments"] == {"ticket": "481", "include_price": True}

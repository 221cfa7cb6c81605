"""An MCP server among an assistant's tools: what is published of it, and what an import leaves alone."""

from typing import Any

import pytest

from assistants.imports.columns import column_read, columns_set
from assistants.services import publish_problems
from assistants.snapshots import snapshot_read, snapshot_take
from assistants.tests.factories import make_assistant
from tools.models import Tool
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db

URL = "https://mcp.riverbend.example/mcp"


def listed(*names: str, **fields: Any) -> Tool:
    """An MCP server that has told of these tools."""
    tools = [
        {"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}} for name in names
    ]
    told = {"url": URL, "protocolVersion": "2025-11-25", "tools": tools, "leftOut": [], "hidden": []}
    settings = {"metadata": {"protocol": "shttp"}, "mcp": told}
    return make_tool(**{"kind": "mcp", "name": "mcp", "server_url": URL, "settings": settings, **fields})


def test_a_server_whose_list_was_never_fetched_cannot_be_published() -> None:
    server = make_tool(kind="mcp", name="mcp", server_url=URL, settings={})

    problems = publish_problems(snapshot_take(make_assistant(tools=[server])))

    assert problems == [
        "The MCP server mcp offers no tool yet. Fetch its list of tools first, and tick what is to be offered, on its page."
    ]


def test_a_version_holds_the_servers_tools_and_keeps_them() -> None:
    server = listed("repairs.lookup", "book")
    assistant = make_assistant(tools=[server, make_tool(name="book")])
    snapshot = snapshot_take(assistant)

    assert publish_problems(snapshot) == []
    assert [(tool.name, tool.wire_name, tool.kind) for tool in snapshot.tools] == [
        ("repairs_lookup", "repairs.lookup", "mcp"),
        ("book_2", "book", "mcp"),
        ("book", "", "function"),
    ]
    assert snapshot_read(snapshot.to_json()) == snapshot


def test_more_tools_than_openai_takes_are_refused() -> None:
    server = listed(*(f"tool_{n}" for n in range(200)))

    assert publish_problems(snapshot_take(make_assistant(tools=[server]))) == [
        "200 tools are too many: OpenAI takes at most 128."
    ]


def test_a_fetched_list_is_an_unpublished_change() -> None:
    server = listed("book")
    assistant = make_assistant(tools=[server])
    before = snapshot_take(assistant).fingerprint()

    server.settings["mcp"]["tools"][0]["description"] = "New words."
    server.save()

    assert snapshot_take(assistant).fingerprint() != before


def test_an_import_neither_sees_nor_touches_the_list() -> None:
    server = listed("book")
    told = server.settings["mcp"]

    assert column_read(server, "settings") == {"metadata": {"protocol": "shttp"}}
    columns_set(server, {"settings": {"metadata": {"protocol": "sse"}}})
    assert server.settings == {"metadata": {"protocol": "sse"}, "mcp": told}

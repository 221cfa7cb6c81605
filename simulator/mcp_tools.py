"""The tools that the simulated MCP server lists, well made and not, and what they answer."""

from typing import Any, Final

import orjson

from simulator.webhook import DEMO

JSON = dict[str, Any]

LOOKUP: Final[JSON] = {
    "name": "repairs.lookup",
    "title": "Repair status",
    "description": "Tells how far a repair is.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "ticket": {"type": "string", "description": "Four digits.", "x-mcp-header": "Ticket"},
            "details": {"type": "object", "properties": {"urgent": {"type": "boolean"}}},
        },
        "required": ["ticket"],
    },
}
BOOK: Final[JSON] = {
    "name": "book_appointment",
    "description": "Books one visit.",
    "inputSchema": {
        "type": "object",
        "properties": {"slot": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "required": ["slot"],
        "additionalProperties": False,
    },
}
# What the stories' assistant asks.
STATUS: Final[JSON] = {
    "name": "get_repair_status",
    "description": "Look up a repair by its ticket number.",
    "inputSchema": {
        "type": "object",
        "properties": {"ticket": {"type": "string"}, "include_price": {"type": "boolean"}},
        "required": ["ticket"],
    },
}
HOSTILE: Final[list[Any]] = [
    LOOKUP,
    "no tool",
    {"name": "", "inputSchema": {"type": "object"}},
    {"name": "no_schema"},
    {"name": "schema_is_text", "inputSchema": "object"},
    {"name": "wish", "inputSchema": {"type": "object", "properties": {"a": {"type": "wish"}}}},
    {"name": "far_too_wide", "inputSchema": {"anyOf": [{"const": n} for n in range(21_000)]}},
    {
        "name": "header_of_a_list",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}},
        },
    },
    {
        "name": "header_with_a_break",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"type": "string", "x-mcp-header": "A\r\nEvil: 1"}},
        },
    },
    {
        "name": "itself",
        "description": "D" * 20_000,
        "inputSchema": {
            "type": "object",
            "properties": {"next": {"$ref": "#"}},
        },
    },
    {
        "name": "refers_elsewhere",
        "inputSchema": {"type": "object", "properties": {"a": {"$ref": "https://elsewhere.example/a"}}},
    },
    {"name": "repairs.lookup", "description": "The second of its name.", "inputSchema": {"type": "object"}},
    {"name": "Straße / büchen", "inputSchema": {"type": "object"}},
]


def tools_listed(options: frozenset[str]) -> list[Any]:
    """What a server with these options lists."""
    if "many" in options:
        return [{**BOOK, "name": f"tool.{n}"} for n in range(200)]
    if "hostile" in options:
        return HOSTILE
    if "repairs" in options:
        return [STATUS]
    return [] if "empty" in options else [LOOKUP, BOOK]


def tool_named(name: Any) -> JSON | None:
    """The tool that can be called by that name."""
    return next((one for one in (LOOKUP, BOOK, STATUS) if one["name"] == name), None)


def answer_of(tool: JSON, arguments: JSON) -> str:
    """What a tool says unless a test has it say something else."""
    return {
        LOOKUP["name"]: f"Ticket {arguments.get('ticket')} waits for parts.",
        BOOK["name"]: f"Booked {arguments.get('slot')}.",
        STATUS["name"]: orjson.dumps(DEMO[STATUS["name"]]).decode(),
    }[tool["name"]]

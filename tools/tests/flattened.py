"""Schemas as the model is shown them, and those that tests begin from."""

import json
from pathlib import Path
from typing import Any

from tools.schemas import flatten

FIXTURES = Path(__file__).parent / "fixtures"
UNIONS = {
    case["name"]: case["parameters"]
    for case in json.loads((FIXTURES / "tool-parameters-unions.json").read_text())
}
TOOLS = json.loads((FIXTURES / "tool-parameters.json").read_text())
NULLABLE = "Leave it out, or give null, when there is none."


def shown(schema: dict[str, Any]) -> dict[str, Any]:
    return flatten(schema).parameters


def fields(schema: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = shown(schema)["properties"]
    return properties


def field(schema: Any, **more: Any) -> dict[str, Any]:
    """What becomes of one property."""
    found: dict[str, Any] = fields({"type": "object", "properties": {"x": schema}, **more})["x"]
    return found


# --- Hostile input


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def doubling(levels: int, word: str) -> dict[str, Any]:
    defs = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {
        "type": "object",
        "$defs": {**defs, f"d{levels}": {"type": "string"}},
        "properties": {"x": {"$ref": "#/$defs/d0"}},
    }


HOSTILE: dict[str, Any] = {
    "a reference to itself": {"type": "object", "properties": {"x": {"$ref": "#/properties/x"}}},
    "the root is itself": {"$ref": "#"},
    "two that refer to each other": {
        "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]}},
        "properties": {"x": {"$ref": "#/$defs/a"}},
    },
    "a chain of 3,000": {
        "$defs": {str(n): {"title": "t", "$ref": f"#/$defs/{n + 1}"} for n in range(3_000)},
        "properties": {"x": {"$ref": "#/$defs/0"}},
    },
    "doubled thirty times by allOf": doubling(30, "allOf"),
    "doubled thirty times by anyOf": doubling(30, "anyOf"),
    "doubled sixteen times by anyOf": doubling(16, "anyOf"),
    "5,000 properties": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(5_000)}},
    "forty levels": nested(40),
    "a reference to another document": {"properties": {"x": {"$ref": "https://example.com/x.json"}}},
    "huge numbers": {"properties": {"x": {"type": "integer", "minimum": 10**400, "enum": [10**400], "maxLength": 1e300}}},
}  # fmt: skip

"""Vapi's OpenAPI document as a JSON Schema validator, with what is known to be wrong in it put right."""

import functools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCUMENT = Path(__file__).parents[2] / "tests" / "fixtures" / "vapi" / "openapi.json"
# Declared as objects, and something else on the wire.
_STRING_ENUMS = {("BackoffPlan", "type"), ("TransferPlan", "sipVerb")}


def complaints(schema: str, value: Any) -> list[str]:
    """What Vapi's schema of this name has against the value, as `path: message`."""
    errors = _validator(schema).iter_errors(value)
    return sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors)


@functools.cache
def _validator(schema: str) -> Draft202012Validator:
    document = json.loads(DOCUMENT.read_text())
    schemas = document["components"]["schemas"]
    for name, prop in _STRING_ENUMS:
        schemas[name]["properties"][prop]["type"] = "string"
    schemas["BackoffPlan"]["properties"]["excludedStatusCodes"]["items"] = {"type": "number"}
    # Models have names that Vapi's lists do not know yet.
    for name in ("OpenAIModel", "OpenAITranscriber"):
        del schemas[name]["properties"]["model"]["enum"]
    del schemas["JsonSchema"]["properties"]["enum"]
    # The document says string since 2025; every capture has an object in the lists and a string in the history.
    schemas["ToolCallFunction"]["properties"]["arguments"] = {}
    components = {"schemas": {name: _put_right(one) for name, one in schemas.items()}}
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components})


def _put_right(node: Any) -> Any:
    if isinstance(node, list):
        return [_put_right(item) for item in node]
    if not isinstance(node, dict):
        return node
    fixed = {key: _put_right(value) for key, value in node.items() if key != "pattern"}
    if isinstance(fixed.get("oneOf"), list):
        fixed["anyOf"] = fixed.pop("oneOf")
    if fixed.get("type") == "array" and isinstance(fixed.get("enum"), list):
        fixed["items"] = {**fixed.get("items", {}), "enum": fixed.pop("enum")}
    if fixed.pop("nullable", False) is True:
        return {"anyOf": [fixed, {"type": "null"}]}
    return fixed

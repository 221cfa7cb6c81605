"""An example of the arguments that a schema describes, for people to start from. Pure."""

from collections.abc import Mapping
from typing import Any

from tools.schemas import ArgumentsError, SchemaError, arguments_restore, flatten

_DEEPEST = 8
_BY_FORMAT = {
    "date": "2026-06-11",
    "date-time": "2026-06-11T09:30:00Z",
    "email": "caller@example.com",
    "time": "09:30:00",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def arguments_example(parameters: Any) -> dict[str, Any]:
    """Arguments for a tool of these parameters, as the model would give them; if possible such as pass the check."""
    try:
        shown = flatten(parameters).parameters
    except SchemaError:
        return {}
    made = [one for one in (example(shown), example(parameters)) if isinstance(one, dict)]
    return next((one for one in made if _passes(one, parameters)), made[0] if made else {})


def _passes(made: dict[str, Any], parameters: Any) -> bool:
    try:
        arguments_restore(made, parameters)
    except (ArgumentsError, ValueError):
        return False
    return True


def example(schema: Any, *, name: str = "", depth: int = 0) -> Any:
    """A value that the schema allows as far as its plain words go; patterns and rules between fields are not looked at."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    for word in ("default", "const"):
        if schema.get(word) is not None:
            return schema[word]
    for word in ("examples", "enum"):
        listed = schema.get(word)
        if isinstance(listed, list) and listed:
            return listed[0]
    for word in ("anyOf", "oneOf"):
        branches = schema.get(word)
        if isinstance(branches, list) and branches:
            return example(branches[0], name=name, depth=depth + 1)
    return _of_type(schema, name, depth)


def _of_type(schema: Mapping[str, Any], name: str, depth: int) -> Any:
    match _type(schema):
        case "object":
            properties = schema.get("properties")
            properties = properties if isinstance(properties, Mapping) else {}
            return {key: example(one, name=key, depth=depth + 1) for key, one in properties.items()}
        case "array":
            items = schema.get("items")
            return [example(items, name=name, depth=depth + 1)] if isinstance(items, Mapping) else []
        case "integer" | "number" as kind:
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case "string":
            return _BY_FORMAT.get(str(schema.get("format")), f"example {name}".strip())
        case _:
            return None


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "string"
    return str(kind)


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, int | float) and low > 1:
        return -int(-low // 1) if whole else low
    if isinstance(high, int | float) and high < 1:
        return int(high // 1) if whole else high
    return 1

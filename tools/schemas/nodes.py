"""The nodes of a schema: what they are, what stands inside them, how many there are."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any] | bool

# In a schema that a person wrote and a model can follow, neither is ever reached.
MAX_DEPTH = 100
MAX_NODES = 20_000
AS_ONE_TEXT = "would be asked for all arguments as one JSON text. Shorten them."
UNIONS = ("anyOf", "oneOf")
LISTS = ("allOf", *UNIONS)
IN_PLACE = ("not", "if", "then", "else")


def size_problem(value: object) -> str:
    """Why this JSON is too large to be a schema for a model, or nothing. Takes no stack."""
    level, seen, depth = [value], 0, 0
    while level:
        seen += len(level)
        depth += 1
        if depth > MAX_DEPTH:
            return f"its parameters are nested more than {MAX_DEPTH} levels deep: the model {AS_ONE_TEXT}"
        if seen > MAX_NODES:
            values = _longest_enum(value)
            most = f", {values:,} of them in one enum" if values > MAX_NODES // 2 else ""
            return f"its parameters have more than {MAX_NODES:,} parts{most}: the model {AS_ONE_TEXT}"
        level = [part for node in level for part in parts(node)]
    return ""


def _longest_enum(value: object) -> int:
    """How many values the longest list under the name ``enum`` has, as far down as a schema may go."""
    level, longest = [value], 0
    for _ in range(MAX_DEPTH):
        enums = (node.get("enum") for node in level if isinstance(node, dict))
        longest = max([longest, *(len(values) for values in enums if isinstance(values, list))])
        level = [part for node in level for part in parts(node)]
    return longest


def kind_of(value: object) -> str:
    """The JSON type of a value; whole numbers are ``number`` too."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def subschemas(node: Schema, *, in_place: bool = False) -> Iterator[Schema]:
    """The schemas directly inside a converted one; ``in_place``: only those about the same value."""
    if isinstance(node, bool):
        return
    for key in LISTS:
        yield from node.get(key, ())
    yield from (node[key] for key in IN_PLACE if key in node)
    yield from node.get("dependentSchemas", {}).values()
    if in_place:
        return
    for key in ("properties", "patternProperties"):
        yield from node.get(key, {}).values()
    yield from node.get("prefixItems", ())
    yield from (
        node[key] for key in ("items", "additionalProperties", "propertyNames", "contains") if key in node
    )


def parts(node: object) -> Iterator[Any]:
    """The values directly inside a JSON value."""
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node

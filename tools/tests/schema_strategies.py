"""Any tool's parameters that a schema author could write, with an instance of them; and how a model would say it."""

import json
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tools.schemas.flattening import Flattened, flatten
from tools.schemas.names import property_names
from tools.schemas.restoring import coded_read
from tools.schemas.shapes import Record, Shape
from tools.schemas.showing import WRAPPER, single_or_list, way_of

NAMES = ["kind", "name", "from", "größe", "two words", "a.b", "性别", "", "two_words", "size", "n" * 70]
TEXTS = [
    "",
    "a",
    "checkup",
    "5",
    "5.0",
    "-1e2",
    "true",
    "null",
    '"a"',
    '{"a": 1}',
    "[1]",
    "[",
    "=5",
    "15551234567",
    "2026-06-11",
    "été",
    " 5 ",
]
REFS = ["#/$defs/Leaf", "#/$defs/a~1b%20c", "#/definitions/Loop", "#", "#here", "#/$defs/Loop2"]

scalars: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"},
            {"type": "string", "format": "date"}, {"type": "string", "pattern": "^[a-z]+$", "minLength": 2},
            {"type": "integer", "minimum": 1, "maximum": 4}, {"type": "number", "exclusiveMinimum": 0},
            {"type": ["string", "null"]}, {"type": ["string", "number"]}, {"type": ["integer", "boolean", "null"]},
            {"anyOf": [{"type": "string", "minLength": 3}, {"type": "integer"}]},
            {"const": "checkup"}, {"const": 5}, {"const": None}, {"const": True}, {"type": "string", "const": "5"},
            {"enum": ["kg", "lb", None]}, {"enum": [1, "1", True, None]}, {"enum": [{"a": 1}, [1], "a"]},
            {"type": "integer", "enum": [1, 2]}, {"enum": ["5", "6"], "description": "A size."}, {}, True,
            {"type": "string", "nullable": True}, {"type": "string", "not": {"const": ""}},
            {"type": "string", "default": "a", "title": "T", "examples": ["b"], "x-own": 3},
            {"type": "object"}, {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "patternProperties": {"^x-": {"type": "integer"}}}, {"type": "array"},
            {"type": "string", "pattern": "(a+)+$"}, {"type": "string", "description": "long " * 400},
        ]
    ),
    st.sampled_from(REFS).map(lambda ref: {"$ref": ref}),
)  # fmt: skip


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(st.sampled_from(NAMES), inner, max_size=4))
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    names = list(properties)
    if names:
        schema["required"] = draw(st.lists(st.sampled_from(names), unique=True))
    extra = draw(st.sampled_from(["", "", "", "closed", "free", "if", "dependent", "constant", "undeclared"]))
    if extra == "closed":
        schema["additionalProperties"] = False
    elif extra == "free":
        schema["additionalProperties"] = {"type": ["integer", "string"]}
    elif extra == "if" and names:
        schema |= {
            "if": {"properties": {names[0]: {"const": True}}},
            "then": {"properties": {"later": {"type": "string"}}},
        }
    elif extra == "dependent" and names:
        schema["dependentRequired"] = {names[0]: [names[-1]]}
    elif extra == "undeclared":
        schema["required"] = [*schema.get("required", []), "zzz"]
    elif extra == "constant":
        properties["kind"] = {"const": draw(st.sampled_from(["a", "b", "c"]))}
        schema["required"] = ["kind", *schema.get("required", [])]
    return schema


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    bounds: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [{}, {"minItems": 2}, {"maxItems": 3}, {"uniqueItems": True}]
    )
    return st.one_of(
        objects(inner),
        st.builds(lambda item, more: {"type": "array", "items": item, **more}, inner, bounds),
        st.builds(lambda items: {"type": "array", "items": items}, several),
        st.builds(lambda items: {"type": "array", "prefixItems": items, "items": False}, several),
        st.builds(lambda key, parts: {key: parts}, st.sampled_from(["anyOf", "oneOf", "allOf"]), several),
        st.builds(lambda parts: {"oneOf": parts, "description": "One."}, st.lists(objects(inner), min_size=2, max_size=3)),
        st.builds(lambda one, parts: {**one, "anyOf": parts}, objects(inner), st.lists(objects(inner), min_size=1, max_size=2)),
        st.builds(lambda item: {"oneOf": [item, {"type": "array", "items": item}]}, inner),
        st.builds(lambda part: {**part, "nullable": True} if isinstance(part, dict) else part, inner),
        st.builds(lambda type_, parts: {"type": type_, "anyOf": parts}, st.sampled_from(["string", "object"]), several),
        st.builds(lambda ref: {"$ref": ref, "description": "Beside."}, st.sampled_from(REFS)),
    )  # fmt: skip


nodes = st.recursive(scalars, containers, max_leaves=10)


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    """A tool's parameters, mostly objects, with definitions that refer to each other and to themselves."""
    root = draw(st.one_of(objects(nodes), objects(nodes), nodes))
    assume(isinstance(root, dict))
    leaf, loop, other = draw(nodes), draw(objects(nodes)), draw(nodes)
    tree = {
        "type": "object",
        "properties": {
            "size": {"type": "integer"},
            "name": {"type": "array", "items": {"$ref": "#/definitions/Loop"}},
        },
    }
    return {
        **root,
        "$defs": {"Leaf": leaf, "a/b c": other, "Loop2": tree, "x": {"$anchor": "here", "type": "integer"}},
        "definitions": {"Loop": draw(st.sampled_from([loop, tree]))},
    }


@st.composite
def parameters_and_instance(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Parameters and something that is valid under them as plain JSON Schema."""
    schema = draw(parameters())
    value = _Drawer(draw, schema).value(schema, fuel=14)
    assume(is_valid(value, schema))
    # Arguments are an object, unless the whole schema says that they are something else.
    assume(isinstance(value, dict) or (value is not None and flatten(schema).shape.wrapped))
    return schema, value


def is_valid(value: Any, schema: dict[str, Any]) -> bool:
    """Whether plain JSON Schema allows the value. False where a schema runs in circles, so that it cannot tell."""
    try:
        return Draft202012Validator(_tuples_of_today(schema)).is_valid(value)
    except RecursionError:
        return False


def _tuples_of_today(node: Any) -> Any:
    if isinstance(node, list):
        return [_tuples_of_today(part) for part in node]
    if not isinstance(node, dict):
        return node
    modern = {key: _tuples_of_today(part) for key, part in node.items()}
    if isinstance(modern.get("items"), list):
        modern["prefixItems"] = modern.pop("items")
    return modern


class _Drawer:
    """Draws a value that a schema probably allows."""

    def __init__(self, draw: st.DrawFn, root: dict[str, Any]) -> None:
        self.draw, self.root = draw, root

    def value(self, schema: Any, fuel: int) -> Any:
        if not isinstance(schema, dict) or fuel <= 0:
            return self.draw(st.sampled_from([None, 5, "5", "a", True, [1], {"a": 1}, 2.5]))
        if "enum" in schema or "const" in schema:
            return self.draw(st.sampled_from(schema["enum"] if "enum" in schema else [schema["const"]]))
        if "$ref" in schema:
            return self.value(self._target(schema["$ref"]), fuel - 1)
        parts = [self.value(part, fuel - 1) for part in schema.get("allOf", ())]
        parts += [
            self.value(self.draw(st.sampled_from(schema[key])), fuel - 1)
            for key in ("anyOf", "oneOf")
            if key in schema
        ]
        if not parts or "properties" in schema:
            parts.append(self._own(schema, fuel))
        if all(isinstance(part, dict) for part in parts):
            return {key: value for part in parts for key, value in part.items()}
        return parts[0]

    def _own(self, schema: dict[str, Any], fuel: int) -> Any:
        types = schema.get("type", ["string", "number", "object", "null"])
        match self.draw(st.sampled_from(types)) if isinstance(types, list) else types:
            case "object":
                return self._object(schema, fuel)
            case "array":
                return self._array(schema, fuel)
            case "null":
                return None
            case "boolean":
                return self.draw(st.booleans())
            case "integer":
                return self.draw(st.integers(1, 4))
            case "number":
                return self.draw(st.sampled_from([1, 2.5, 4, 1e30]))
            case _:
                return self.draw(
                    st.sampled_from(
                        ["2026-06-11"] if "format" in schema else ["abc"] if "pattern" in schema else TEXTS
                    )
                )

    def _object(self, schema: dict[str, Any], fuel: int) -> dict[str, Any]:
        given = {}
        for name, part in schema.get("properties", {}).items():
            if name in schema.get("required", ()) or (fuel > 5 and self.draw(st.booleans())):
                given[name] = self.value(part, fuel - 2)
        for name in schema.get("required", ()):
            if name not in schema.get("properties", {}):
                given[name] = self.value({}, fuel - 2)
        if schema.get("additionalProperties") is not False and self.draw(st.integers(0, 4)) == 0:
            given["x-more"] = self.draw(st.sampled_from([1, 7]))
        return given

    def _array(self, schema: dict[str, Any], fuel: int) -> list[Any]:
        in_order = schema.get("prefixItems", schema.get("items"))
        if isinstance(in_order, list):
            return [self.value(part, fuel - 2) for part in in_order]
        least = schema.get("minItems", 0)
        size = self.draw(st.integers(least, max(least, 2 if fuel > 4 else 0)))
        return [self.value(schema.get("items", True), fuel - 2) for _ in range(size)]

    def _target(self, ref: str) -> Any:
        known = {
            "#": self.root,
            "#here": self.root["$defs"]["x"],
            "#/$defs/a~1b%20c": self.root["$defs"]["a/b c"],
        }
        if ref in known:
            return known[ref]
        return self.root[ref.split("/")[1]][ref.split("/")[2]]


# The model's side --------------------------------------------------------------------------------------------


def express(value: Any, flattened: Flattened, *, to_the_letter: bool = False) -> Any:
    """The value as a model says it that follows the flattened parameters.

    ``to_the_letter``: without the three liberties that reading leaves a model beyond them, which lose nothing there:
    null for a field or an entry that may be null, a single value bare where a list is due, and a number bare where
    nothing at all is said about a field.
    """
    shape, speaker = flattened.shape, _Speaker(to_the_letter)
    if shape.wrapped:
        return {WRAPPER: speaker.value(value, shape)}
    return speaker.record(value, shape.record or Record())


class _Speaker:
    def __init__(self, to_the_letter: bool) -> None:
        self.to_the_letter = to_the_letter

    def value(self, value: Any, shape: Shape) -> Any:
        if value is None and (shape.null or shape.loose) and way_of(shape) != "coded":
            return None
        match way_of(shape):
            case "coded":
                return self._coded(value, shape)
            case "list" if isinstance(value, list) and shape.items and shape.items.item:
                return [self.value(one, shape.items.item) for one in value]
            case "list" if self.to_the_letter and single_or_list(shape):
                return [self.value(value, shape.items.item)] if shape.items and shape.items.item else value
            case "object" if isinstance(value, dict) and shape.record:
                return self.record(value, shape.record)
            case _:
                return value

    def _coded(self, value: Any, shape: Shape) -> Any:
        if shape.loose and not isinstance(value, str | list | dict):
            return json.dumps(value) if self.to_the_letter else value
        if isinstance(value, str) and coded_read(value, shape) == value:
            return value
        for text in (json.dumps(value), f"={json.dumps(value)}"):
            if coded_read(text, shape) == value:
                return text
        return value

    def record(self, value: dict[str, Any], record: Record) -> dict[str, Any]:
        names = property_names(record.properties)
        said = {}
        for name, one in value.items():
            part = record.properties.get(name)
            spoken = one if part is None else self.value(one, part)
            if (
                spoken is None
                and part is not None
                and (self.to_the_letter or (name in record.required and part.null))
            ):
                continue
            said[names.get(name, name)] = spoken
        return said

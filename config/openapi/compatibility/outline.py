"""An outline of Vapi's OpenAPI document: its paths, and the names of the fields, without types, limits and prose. Pure.

A schema is outlined as its fields: `""` a plain value, `"@Name"` another schema, `["…"]` a list, `{"|": […]}` one of several,
and an object that has its fields in place.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from assistants.vapi.paths import ANY_ITEM

Node = Any
FILE: Final = Path(__file__).with_name("vapi.json")
SOURCE: Final = "VapiAI/docs, fern/apis/api/openapi.json"
_METHODS: Final = ("get", "post", "patch", "put", "delete")
_REF: Final = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Outline:
    """``paths``: path, method, and what it takes and gives; ``schemas``: by name; ``messages``: the fields of each kind of message
    to servers. ``date`` is that of Vapi's document.
    """

    date: str
    paths: Mapping[str, Mapping[str, Mapping[str, Any]]]
    schemas: Mapping[str, Node]
    messages: Mapping[str, Sequence[str]]


@cache
def outline() -> Outline:
    """The outline that is part of this project."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return Outline(found["date"], found["paths"], found["schemas"], found["messages"])


def outline_of(document: Mapping[str, Any], *, date: str, within: Iterable[str]) -> dict[str, Any]:
    """The outline of Vapi's document, of that date: all paths, but bodies and answers only of those that begin so."""
    paths: dict[str, dict[str, Any]] = {}
    for path, operations in document["paths"].items():
        inside = any(path == one or path.startswith(f"{one}/") for one in within)
        paths[path] = {
            method: _operation(operations[method]) if inside else {}
            for method in _METHODS
            if method in operations
        }
    wanted = [name for methods in paths.values() for one in methods.values() for name in _names(one)]
    schemas: dict[str, Node] = {}
    while wanted:
        name = wanted.pop()
        if name not in schemas:
            schemas[name] = _node(document["components"]["schemas"][name])
            wanted += _names(schemas[name])
    return {
        "source": SOURCE,
        "date": date,
        "paths": paths,
        "schemas": dict(sorted(schemas.items())),
        "messages": dict(sorted(_messages(document["components"]["schemas"]))),
    }


def _messages(schemas: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Each kind of message to servers with its fields; none of one that can be listed, but has no schema."""
    listed: list[str] = schemas["CreateAssistantDTO"]["properties"]["serverMessages"]["enum"]
    found: dict[str, list[str]] = {kind: [] for kind in listed}
    for one in schemas["ServerMessage"]["properties"]["message"]["oneOf"]:
        fields: Mapping[str, Any] = schemas[one["$ref"].removeprefix(_REF)]["properties"]
        found |= {kind: sorted(fields) for kind in fields["type"]["enum"]}
    yield from found.items()


def outline_text(found: Mapping[str, Any]) -> str:
    """The outline as it is kept: a line for each path and each schema, so that changes can be read."""
    parts = [f'"source": {json.dumps(found["source"])}', f'"date": {json.dumps(found["date"])}']
    for name in ("paths", "schemas", "messages"):
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in found[name].items()]
        parts.append(f'"{name}": {{\n' + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _operation(one: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    query = [each["name"] for each in one.get("parameters", ()) if each.get("in") == "query"]
    if query:
        told["query"] = query
    body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        told["body"] = _node(body)
    for status, answer in one.get("responses", {}).items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema")
        if status.startswith("2") and schema:
            told["answer"] = _node(schema)
    return told


def _node(schema: Mapping[str, Any]) -> Node:
    if "$ref" in schema:
        return "@" + schema["$ref"].removeprefix(_REF)
    forms = [_node(one) for word in ("oneOf", "anyOf", "allOf") for one in schema.get(word, ())]
    if "properties" in schema:
        forms.append({name: _node(one) for name, one in schema["properties"].items()})
    elif schema.get("type") == "array":
        forms.append([_node(schema.get("items", {}))])
    distinct = [one for n, one in enumerate(forms) if one not in forms[:n]]
    if not distinct:
        return ""
    return distinct[0] if len(distinct) == 1 else {"|": distinct}


def _names(node: Node) -> Iterator[str]:
    match node:
        case str():
            if node.startswith("@"):
                yield node[1:]
        case Mapping():
            for one in node.values():
                yield from _names(one)
        case list():
            for one in node:
                yield from _names(one)
        case _:
            raise TypeError(type(node).__name__)


# Fields ---------------------------------------------------------------------------------------------------------


def forms(node: Node) -> Iterator[Node]:
    """What it may be, one after the other."""
    if isinstance(node, Mapping) and "|" in node:
        for one in node["|"]:
            yield from forms(one)
    else:
        yield node


def fields(node: Node, *, stops: Callable[[tuple[str, ...], str], bool]) -> Iterator[tuple[str, ...]]:
    """Every place below, down to plain values and to where ``stops(path, schema)``; each once."""
    yield from dict.fromkeys(_fields(node, stops, (), ()))


def _fields(
    node: Node, stops: Callable[[tuple[str, ...], str], bool], path: tuple[str, ...], within: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    for form in forms(node):
        name = form[1:] if isinstance(form, str) else ""
        # A schema inside itself has the fields that it has outside.
        if path and (form == "" or name in within or stops(path, name)):
            yield path
        elif isinstance(form, str):
            yield from _fields(outline().schemas[name], stops, path, (*within, name))
        elif isinstance(form, list):
            yield from _fields(form[0], stops, (*path, ANY_ITEM), within)
        else:
            if not form:
                yield path
            for one, inner in form.items():
                yield from _fields(inner, stops, (*path, one), within)

"""The document as the page shows it: sections of operations, and trees of fields. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

Schema = Mapping[str, Any]
METHODS: Final = ("get", "post", "patch", "put", "delete")
_REF: Final = "#/components/schemas/"
_CODE: Final = re.compile(r"`([^`]+)`")
_EMPHASIS: Final = re.compile(r"\*([^*]+)\*")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body or an answer. ``object`` names the schema that stands elsewhere on the page."""

    name: str
    kind: str
    about: SafeString
    required: bool = False
    object: str = ""
    choices: tuple[str, ...] = ()
    fields: tuple["Field", ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and when it is answered."""

    status: str
    about: SafeString


@dataclass(frozen=True, slots=True)
class Shown:
    """An operation, or a WebSocket."""

    anchor: str
    method: str
    path: str
    summary: str
    about: SafeString
    scope: str
    keyless: bool = False
    query: tuple[Field, ...] = ()
    headers: tuple[Field, ...] = ()
    body: Field | None = None
    answer: Field | None = None
    answers: tuple[Answer, ...] = ()
    example: str = ""
    curl: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Operations of one subject, or the objects they are about."""

    title: str
    anchor: str
    about: SafeString
    shown: tuple[Shown, ...] = ()
    objects: tuple[Field, ...] = ()


def sections(document: Mapping[str, Any]) -> Iterator[Section]:
    """The page, from the top to the bottom."""
    paths: Mapping[str, Any] = document["paths"]
    origin = document["servers"][0]["url"]
    for tag in document["tags"]:
        title = tag["name"]
        operations = [
            _operation(method.upper(), path, operations[method], origin)
            for path, operations in paths.items()
            for method in METHODS
            if method in operations and title in operations[method]["tags"]
        ]
        sockets = [_socket(one) for one in document["x-websockets"] if title in one["tags"]]
        hooks = [
            _webhook(kind, one["post"])
            for kind, one in document["webhooks"].items()
            if title in one["post"]["tags"]
        ]
        yield Section(title, _slug(title), _html(tag["description"]), (*operations, *sockets, *hooks))
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    objects = tuple(_field(name, schema) for name, schema in sorted(schemas.items()))
    yield Section("Objects", "objects", _html("What bodies and answers are made of."), objects=objects)


def _operation(method: str, path: str, one: Mapping[str, Any], origin: str) -> Shown:
    body = one.get("requestBody", {}).get("content", {}).get("application/json", {})
    success = next(iter(one["responses"]))
    content = one["responses"][success].get("content", {}).get("application/json", {})
    example = json.dumps(body["example"], indent=2, ensure_ascii=False) if "example" in body else ""
    return Shown(
        anchor=one["operationId"],
        method=method,
        path=path,
        summary=one["summary"],
        about=_html(one.get("description", "")),
        scope=one.get("x-scope", ""),
        keyless={} in one.get("security", ()),
        query=_parameters(one, "query"),
        headers=_parameters(one, "header"),
        body=_field("body", body["schema"]) if body else None,
        answer=_field(success, content["schema"]) if content else None,
        answers=tuple(
            Answer(status, _html(told["description"])) for status, told in one["responses"].items()
        ),
        example=example,
        curl=_curl(method, origin + path, example),
    )


def _parameters(one: Mapping[str, Any], place: str) -> tuple[Field, ...]:
    return tuple(
        _field(each["name"], {**each["schema"], "description": each["description"]})
        for each in one["parameters"]
        if each["in"] == place
    )


def _socket(one: Mapping[str, Any]) -> Shown:
    return Shown(
        anchor=_slug(one["path"]),
        method="WS",
        path=one["path"],
        summary=one["summary"],
        about=_html(one["description"]),
        scope=one["x-scope"],
    )


def _webhook(kind: str, one: Mapping[str, Any]) -> Shown:
    content = one["responses"]["2XX"].get("content", {}).get("application/json", {})
    body = one["requestBody"]["content"]["application/json"]["schema"]
    return Shown(
        anchor=one["operationId"],
        method="SENT",
        path=kind,
        summary=one["summary"],
        about=_html(one["description"]),
        scope="",
        body=_field("body", body),
        answer=_field("2XX", content["schema"]) if content else None,
        answers=tuple(
            Answer(status, _html(told["description"])) for status, told in one["responses"].items()
        ),
    )


def _curl(method: str, url: str, example: str) -> str:
    lines = [f"curl {url}" if method == "GET" else f"curl -X {method} {url}"]
    lines.append('-H "Authorization: Bearer $TANDEM_KEY"')
    if example:
        compact = json.dumps(json.loads(example), ensure_ascii=False).replace("'", "'\\''")
        lines += ["-H 'Content-Type: application/json'", f"-d '{compact}'"]
    return " \\\n  ".join(lines)


# Fields ---------------------------------------------------------------------------------------------------------


def _field(name: str, schema: Schema, *, required: bool = False) -> Field:
    forms = list(_forms(schema))
    about = schema.get("description") or next(filter(None, map(_told, forms)), "")
    return Field(
        name=name,
        kind=" or ".join(dict.fromkeys(map(_kind, forms))) or "anything",
        about=_html(about),
        required=required,
        object=next((found for form in forms if (found := _named(form))), ""),
        choices=tuple(str(one) for form in forms for one in _items(form).get("enum", ())),
        fields=tuple(one for form in forms for one in _fields(form, alone=len(forms) == 1)),
    )


def _forms(schema: Schema) -> Iterator[Schema]:
    """What it may be, one after the other. That it may be null as well goes without saying."""
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _forms(one)
    elif schema.get("type") != "null":
        yield schema


def _fields(schema: Schema, *, alone: bool) -> Iterator[Field]:
    schema = _items(schema)
    if "anyOf" in schema:
        for one in _forms(schema):
            yield from _fields(one, alone=False)
        return
    properties: Mapping[str, Schema] = schema.get("properties", {})
    needed = schema.get("required", ())
    fields = [_field(name, inner, required=name in needed) for name, inner in properties.items()]
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        fields.append(_field("(any key)", values))
    form = properties.get("type", {}).get("enum", ())
    if not alone and len(form) == 1 and fields:
        # One of several forms, told apart by its type.
        yield Field(form[0], "object", _html(schema.get("description", "")), fields=tuple(fields))
    else:
        yield from fields


def _told(schema: Schema) -> str:
    """What is said of it, or of the items that it is a list of."""
    return str(schema.get("description") or _items(schema).get("description", ""))


def _items(schema: Schema) -> Schema:
    """What a list, however deep, is of; the schema itself where it is none."""
    while "items" in schema:
        schema = schema["items"]
    return schema


def _named(schema: Schema) -> str:
    return str(_items(schema).get("$ref", "")).removeprefix(_REF)


def _kind(schema: Schema) -> str:
    if "items" in schema:
        return f"list of {_kind(schema['items'])}"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_kind, _forms(schema))))
    if "$ref" in schema:
        return _named(schema)
    given = schema.get("type", [])
    kinds = [one for one in ([given] if isinstance(given, str) else given) if one != "null"]
    words = [
        "moment" if schema.get("format") == "date-time" and one == "string" else _WORDS[one] for one in kinds
    ]
    return " or ".join([*words]) + _limits(schema) if words else "anything"


_WORDS: Final = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "object": "object",
    "array": "list",
}
_LIMITS: Final = {
    "maxLength": "{} letters at most",
    "minimum": "from {}",
    "maximum": "up to {}",
    "maxItems": "{} at most",
    "default": "by default {}",
}


def _limits(schema: Schema) -> str:
    told = [words.format(schema[name]) for name, words in _LIMITS.items() if name in schema]
    return f", {', '.join(told)}" if told else ""


# Texts ----------------------------------------------------------------------------------------------------------


def _html(text: str) -> SafeString:
    """The text with its code and its emphasis marked up."""
    found = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return mark_safe(_EMPHASIS.sub(r"<em>\1</em>", found))  # noqa: S308 - all of it was escaped first


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")

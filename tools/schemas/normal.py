"""A customer's schema, rewritten so that it says what its author meant and can be checked safely.

What comes out is plain JSON Schema 2020-12: every ``$ref`` points into one flat ``$defs``, and nothing in it can send
a reader round in circles. It allows everything that the schema as written allows, and beyond that only what the usual
mistakes of schema authors forbid by accident.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tools.schemas.contradictions import Kinds, branches_trusted
from tools.schemas.nodes import IN_PLACE, LISTS, Schema, kind_of, parts, subschemas
from tools.schemas.outside import bare_fields, outside_problem

# References that lead to references, without a property or a list between them.
_MAX_CHAIN = 20
_PATTERN_MAX = 200
_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_TYPES_MEANT = {
    "int": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number", "bool": "boolean",
    "str": "string", "text": "string", "date": "string", "datetime": "string", "uuid": "string", "list": "array",
    "dict": "object", "map": "object", "none": "null",
}  # fmt: skip
_TEXTS = ("description", "title", "format")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_LOW_AND_HIGH = (
    *zip(_COUNTS[::2], _COUNTS[1::2], strict=True), ("minimum", "maximum"), ("exclusiveMinimum", "maximum"),
    ("minimum", "exclusiveMaximum"), ("exclusiveMinimum", "exclusiveMaximum"),
)  # fmt: skip
UNDECLARED = "Required, but described nowhere; shown as a field for any value."
# A quantified group with a quantifier inside: time without bound on a text that almost matches.
_UNSAFE_PATTERN = re.compile(r"\([^()]*[*+{][^()]*\)\s*[*+{]|\\[1-9]")


@dataclass(frozen=True, slots=True)
class Normal:
    """The rewritten schema; ``notes`` say what was taken otherwise than written, ``problems`` what cannot stand."""

    schema: dict[str, Any]
    notes: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Work:
    root: dict[str, Any]
    names: dict[int, str] = field(default_factory=dict)  # the id of a node that is referred to: its new name
    waiting: list[tuple[str, Any, str]] = field(default_factory=list)
    anchors: dict[str, Any] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def note(self, where: str, sentence: str) -> None:
        self.notes.append((where, sentence))

    def problem(self, where: str, why: str) -> None:
        self.problems.append(why.replace("%s", f" of {where}" if where else ""))


def normalise(parameters: dict[str, Any]) -> Normal:
    """The parameters of a tool as their author meant them. ``size_problem`` must have found none."""
    work = _Work(parameters)
    work.anchors = dict(_anchors(parameters))
    bare = bare_fields(parameters)
    if bare is not None:
        work.note("", '"properties" is missing around the fields; taken as if it were there.')
    elif outside := outside_problem(parameters):
        work.problems.append(outside)
    root = {key: value for key, value in (bare or parameters).items() if key != "nullable"}
    schema = _converted(root, "", work)
    assert isinstance(schema, dict)
    defs: dict[str, Schema] = {}
    while work.waiting:
        name, node, where = work.waiting.pop(0)
        defs[name] = _converted(node, where, work)
    _chains_cut(schema, defs, work)
    kinds = Kinds(defs)
    for node in (schema, *defs.values()):
        branches_trusted(node, kinds)
    if defs:
        schema["$defs"] = defs
    return Normal(schema, tuple(dict.fromkeys(work.notes)), tuple(dict.fromkeys(work.problems)))


# Converting --------------------------------------------------------------------------------------------------


def _converted(node: Any, where: str, work: _Work, *, merged: bool = False) -> Schema:
    """One node and all below it. ``merged``: others speak about the same object."""
    if isinstance(node, bool):
        return node
    if not isinstance(node, dict):
        work.problem(where, f"{where or 'A schema'} must be an object such as " + '{"type": "string"}.')
        return {}
    out: dict[str, Any] = {key: node[key] for key in _TEXTS if isinstance(node.get(key), str)}
    out |= {key: node[key] for key in ("default", "examples") if key in node}
    _types(node, out, where, work)
    _reference(node, out, where, work)
    _branches(node, out, where, work)
    _object_part(node, out, where, work, merged=merged or _speaks_in_branches(out))
    _array_part(node, out, where, work)
    _bounds(node, out, where, work)
    _pattern(node, out, where, work)
    if node.get("nullable") is True:
        about = {key: out.pop(key) for key in (*_TEXTS[:2], "default") if key in out}
        return {**about, "anyOf": [out, {"type": "null"}]}
    return out


def _types(node: dict[str, Any], out: dict[str, Any], where: str, work: _Work) -> None:
    given = node.get("type")
    types = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    known = list(dict.fromkeys(_type_meant(one) for one in types))
    if given is not None and (not known or not all(isinstance(one, str) for one in types)):
        work.problem(where, '"type"%s must be the name of a type.')
    if [one for one in types if one not in _TYPES]:
        work.note(
            where, f"The type is written in a way that JSON Schema does not know; taken as {_or(known)}."
        )
    known = [one for one in known if one in _TYPES]
    values = node.get("enum")
    if "enum" in node and (not isinstance(values, list) or not values):
        why = "is an empty list: no value is possible" if values == [] else "must be a list of values"
        work.problem(where, f'"enum"%s {why}.')
        values = None
    if "const" in node:
        const = node["const"]
        values = [const] if not values or any(_same(const, value) for value in values) else []
    if values is not None:
        known, values = _enum_meant(known, values)
        out["enum"] = values
    if known:
        out["type"] = known[0] if len(known) == 1 else known


def _type_meant(name: object) -> str:
    lower = name.lower() if isinstance(name, str) else ""
    return _TYPES_MEANT.get(lower, lower)


def _enum_meant(types: list[str], values: list[Any]) -> tuple[list[str], list[Any]]:
    """Types and values that agree: a value is turned into the type where only its spelling differs."""
    if not types:
        return [], _distinct(values)
    turned = [_value_meant(value, types) for value in values]
    fitting = [value for value in turned if _has_type(value, types) or value is None]
    if not [value for value in fitting if value is not None] and values != [None]:
        return [], _distinct(values)
    if None in fitting and "null" not in types:
        types = [*types, "null"]
    return types, _distinct(fitting)


def _value_meant(value: Any, types: list[str]) -> Any:
    if _has_type(value, types):
        return value
    if isinstance(value, str):
        number = number_of(value)
        if number is not None and _has_type(number, types):
            return number
        if "boolean" in types and value.lower() in ("true", "false"):
            return value.lower() == "true"
    if "string" in types and isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def number_of(text: str) -> int | float | None:
    """The number that the text is the JSON spelling of, whole where it can be; None for any other text."""
    if not re.fullmatch(r"-?(0|[1-9][0-9]{0,300})(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,2})?", text):
        return None
    if text.lstrip("-").isdigit():
        return int(text)
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _has_type(value: Any, types: list[str]) -> bool:
    return kind_of(value) in types or ("integer" in types and _is_whole(value))


def _is_whole(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _same(one: Any, other: Any) -> bool:
    return kind_of(one) == kind_of(other) and bool(one == other)


def _distinct(values: list[Any]) -> list[Any]:
    found: dict[str, Any] = {f"{kind_of(value)} {value!r}": value for value in values}
    return list(found.values())


def _branches(node: dict[str, Any], out: dict[str, Any], where: str, work: _Work) -> None:
    for key in LISTS:
        if key not in node:
            continue
        branches = node[key]
        if not isinstance(branches, list) or not branches:
            work.problem(where, f'"{key}"%s must be a list with at least one schema.')
            continue
        merged = key == "allOf" or _speaks(node)
        converted = [_converted(branch, where, work, merged=merged) for branch in branches]
        if key == "oneOf" and not _exclusive(converted):
            out["anyOf"], converted = converted, out.get("anyOf", [])
            if converted:  # both words beside each other: all of it holds
                out["allOf"] = [*out.get("allOf", []), {"anyOf": converted}]
        elif key in out:
            out["allOf"] = [*out.get("allOf", []), {key: converted}]
        else:
            out[key] = converted
    declared = node.get("discriminator")
    name = declared.get("propertyName") if isinstance(declared, dict) else declared
    if isinstance(name, str):
        out["discriminator"] = name
    for key in IN_PLACE:
        if key in node:
            out[key] = _converted(node[key], where, work, merged=True)


def _exclusive(branches: list[Schema]) -> bool:
    """Whether "exactly one of" can be meant: with scalars, or where one branch demands what another does, it cannot."""
    demands = []
    for branch in branches:
        if (
            not isinstance(branch, dict)
            or branch.get("type", "object") != "object"
            or not branch.get("required")
        ):
            return False
        if {"$ref", *LISTS} & branch.keys():
            return False
        demands.append(set(branch["required"]))
    return not any(one <= other for i, one in enumerate(demands) for j, other in enumerate(demands) if i != j)


def _object_part(node: dict[str, Any], out: dict[str, Any], where: str, work: _Work, *, merged: bool) -> None:
    if "required" in node:
        required = node["required"]
        if isinstance(required, list) and all(isinstance(name, str) for name in required):
            out["required"] = list(dict.fromkeys(required))
        elif not isinstance(required, bool):  # the spelling of draft 3, on the property itself
            work.problem(where, '"required"%s must be a list of names.')
    properties = _mapping(node, "properties", where, work)
    if properties is not None:
        out["properties"] = {
            name: _converted(schema, _join(where, name), work) for name, schema in properties.items()
        }
    patterns = _mapping(node, "patternProperties", where, work)
    if patterns is not None:
        out["patternProperties"] = {
            pattern: _converted(schema, _join(where, "*"), work)
            for pattern, schema in patterns.items()
            if pattern_is_safe(pattern)
        }
    _additional(node, out, where, work, merged=merged)
    if isinstance(node.get("propertyNames"), dict):
        out["propertyNames"] = _converted(node["propertyNames"], where, work)
    _dependencies(node, out, where, work)


def _additional(node: dict[str, Any], out: dict[str, Any], where: str, work: _Work, *, merged: bool) -> None:
    additional = node.get("additionalProperties")
    if isinstance(additional, dict):
        out["additionalProperties"] = _converted(additional, _join(where, "*"), work)
    elif additional is False and merged:
        work.note(
            where, "additionalProperties: false would forbid the fields of the schemas beside it; left out."
        )
    elif isinstance(additional, bool):
        out["additionalProperties"] = additional
    if out.get("additionalProperties") is False:
        _undeclared_allowed(out, where, work)


def _undeclared_allowed(out: dict[str, Any], where: str, work: _Work) -> None:
    """Give each field that a closed object requires without describing it a description that allows anything."""
    for name in out.get("required", ()):
        by_pattern = any(re.search(pattern, name) for pattern in out.get("patternProperties", ()))
        if not by_pattern and name not in out.setdefault("properties", {}):
            out["properties"][name] = True
            work.note(_join(where, name), UNDECLARED)


def _dependencies(node: dict[str, Any], out: dict[str, Any], where: str, work: _Work) -> None:
    names: dict[str, list[str]] = {}
    schemas: dict[str, Schema] = {}
    for key in ("dependencies", "dependentRequired", "dependentSchemas"):
        for name, wanted in (_mapping(node, key, where, work) or {}).items():
            if isinstance(wanted, list):
                names[name] = [one for one in wanted if isinstance(one, str)]
            else:
                schemas[name] = _converted(wanted, where, work, merged=True)
    if names:
        out["dependentRequired"] = names
    if schemas:
        out["dependentSchemas"] = schemas


def _array_part(node: dict[str, Any], out: dict[str, Any], where: str, work: _Work) -> None:
    at = f"{where}[]"
    items, tuple_items = node.get("items"), node.get("prefixItems")
    if isinstance(items, list):
        items, tuple_items = node.get("additionalItems"), items
    if isinstance(tuple_items, list) and tuple_items:
        out["prefixItems"] = [_converted(item, at, work) for item in tuple_items]
    if items is not None:
        out["items"] = _converted(items, at, work)
    if isinstance(node.get("contains"), dict):
        out["contains"] = _converted(node["contains"], at, work)
    if node.get("uniqueItems") is True:
        out["uniqueItems"] = True


def _bounds(node: dict[str, Any], out: dict[str, Any], where: str, work: _Work) -> None:
    for key in _COUNTS:
        value = node.get(key)
        if isinstance(value, int | float) and _is_whole(value) and value >= 0:
            out[key] = int(value)
    for key in _BOUNDS:
        if kind_of(node.get(key)) == "number":
            out[key] = node[key]
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if node.get(exclusive) is True and bound in out:  # as draft 4 and OpenAPI 3.0 write it
            out[exclusive] = out.pop(bound)
    if kind_of(node.get("multipleOf")) == "number" and node["multipleOf"] > 0:
        out["multipleOf"] = node["multipleOf"]
    _bounds_possible(out, where, work)


def _bounds_possible(out: dict[str, Any], where: str, work: _Work) -> None:
    for low, high in _LOW_AND_HIGH:
        if low not in out or high not in out:
            continue
        strict = "exclusive" in low + high
        if out[low] > out[high] or (strict and out[low] == out[high]):
            how = "not under" if strict else "over"
            work.problem(where, f'"{low}"%s is {how} its "{high}": no value is possible.')


def _pattern(node: dict[str, Any], out: dict[str, Any], where: str, work: _Work) -> None:
    pattern = node.get("pattern")
    if not isinstance(pattern, str):
        return
    if pattern_is_safe(pattern):
        out["pattern"] = pattern
    else:
        out["x-pattern"] = pattern
        work.note(where, "The pattern cannot be checked here; the model is only told of it.")


def pattern_is_safe(pattern: str) -> bool:
    """Whether the regular expression can be tried on a caller's words without taking for ever."""
    if len(pattern) > _PATTERN_MAX or _UNSAFE_PATTERN.search(pattern):
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _mapping(node: dict[str, Any], key: str, where: str, work: _Work) -> dict[str, Any] | None:
    value = node.get(key)
    if isinstance(value, dict):
        return value
    if key in node:
        work.problem(where, f'"{key}"%s must be an object.')
    return None


def _speaks(node: dict[str, Any]) -> bool:
    return isinstance(node.get("properties"), dict) and bool(node["properties"])


def _speaks_in_branches(out: dict[str, Any]) -> bool:
    return bool({"$ref", *LISTS, "if", "then", "else"} & out.keys())


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _or(names: list[str]) -> str:
    return " or ".join(name for name in names if name in _TYPES) or "any"


# References --------------------------------------------------------------------------------------------------


def _reference(node: dict[str, Any], out: dict[str, Any], where: str, work: _Work) -> None:
    ref = next((node[key] for key in ("$ref", "$dynamicRef", "$recursiveRef") if key in node), None)
    if ref is None:
        return
    found = _target(ref, work) if isinstance(ref, str) else None
    if found is None:
        work.note(where, "The $ref leads nowhere in this schema; any value is taken there.")
        work.problem(where, "the $ref%s leads to nothing in the parameters.")
        return
    (target,) = found
    if id(target) not in work.names:
        work.names[id(target)] = f"d{len(work.names)}"
        work.waiting.append((work.names[id(target)], target, where))
    out["$ref"] = f"#/$defs/{work.names[id(target)]}"


def _target(ref: str, work: _Work) -> tuple[Any] | None:
    if ref in work.anchors:
        return (work.anchors[ref],)
    if not ref.startswith("#"):
        return None
    node: Any = work.root
    for part in ref[1:].split("/")[1:]:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(node):
            node = node[int(key[:9])]
        else:
            return None
    return (node,) if ref in ("", "#") or ref.startswith("#/") else None


def _anchors(root: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each node that carries a name of its own, under the texts that refer to it."""
    level: list[Any] = [root]
    while level:
        for node in level:
            if isinstance(node, dict):
                for key, form in (("$anchor", "#{}"), ("$dynamicAnchor", "#{}"), ("$id", "{}")):
                    if isinstance(node.get(key), str):
                        yield form.format(node[key]), node
        level = [part for node in level for part in parts(node)]


def _chains_cut(schema: dict[str, Any], defs: dict[str, Schema], work: _Work) -> None:
    """Take out each reference that would lead back to its own value, or on through too many others."""
    heights: dict[str, int] = {}
    for first in ("", *defs):
        path: list[tuple[str, list[dict[str, Any]]]] = []
        if first not in heights:
            path.append((first, _refs_in_place(defs[first] if first else schema)))
        while path:
            name, refs = path[-1]
            onto = next((ref for ref in refs if ref["$ref"].rsplit("/", 1)[1] not in heights), None)
            if onto is not None:
                target = onto["$ref"].rsplit("/", 1)[1]
                if any(target == name for name, _ in path):
                    del onto["$ref"]
                    refs.remove(onto)
                    work.note(
                        "", "A $ref leads back to itself with nothing between; any value is taken there."
                    )
                else:
                    path.append((target, _refs_in_place(defs[target])))
                continue
            heights[name] = 0
            for ref in refs:
                height = heights[ref["$ref"].rsplit("/", 1)[1]] + 1
                if height > _MAX_CHAIN:
                    del ref["$ref"]
                    work.note("", "A $ref leads on through too many others; any value is taken there.")
                else:
                    heights[name] = max(heights[name], height)
            path.pop()


def _refs_in_place(node: Schema) -> list[dict[str, Any]]:
    if isinstance(node, bool):
        return []
    own = [node] if "$ref" in node else []
    return own + [ref for part in subschemas(node, in_place=True) for ref in _refs_in_place(part)]

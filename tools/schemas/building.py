"""From a rewritten schema to its shape: references are written out, unions joined, recursion cut."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from tools.schemas.nodes import UNIONS, Schema, kind_of
from tools.schemas.normal import UNDECLARED, Normal
from tools.schemas.shapes import LOOSE, NOTHING, Items, Record, Rule, Shape, all_narrowed, suggested, united

# A definition inside itself: as often as this it is written out, deeper down it is JSON text.
_RECURSION_MAX = 3
# Objects and lists inside each other.
_DEPTHS = (8, 5, 3, 2, 1)
_PARTS_MAX = 1_500

_TEXT_HINTS = ("format", "maxLength", "minLength", "pattern", "x-pattern")
_NUMBER_HINTS = ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf")
_LIST_HINTS = ("maxItems", "minItems", "uniqueItems")
_FIELD_WORDS = ("properties", "required")
_OBJECT_WORDS = (
    *_FIELD_WORDS, "patternProperties", "additionalProperties", "dependentRequired", "dependentSchemas",
)  # fmt: skip
_CHECKED_ONLY = ("contains", "propertyNames", "minProperties", "maxProperties", "dependentSchemas")


class _TooLargeError(Exception):
    """More parts than a model could be shown."""


@dataclass(slots=True)
class _Work:
    defs: dict[str, Schema]
    depth_max: int
    left: int = _PARTS_MAX
    active: Counter[str] = field(default_factory=Counter)
    notes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: its path and depth.

    ``cut``: objects and lists are only told in words from here on; ``told``: this is within such words already.
    """

    path: str = ""
    depth: int = 0
    cut: bool = False
    told: bool = False

    def inside(self, name: str, work: _Work) -> "_Place":
        return _Place(
            _joined(self.path, name),
            self.depth + 1,
            self.cut or self.depth + 1 >= work.depth_max,
            told=self.cut,
        )


def _joined(path: str, name: str) -> str:
    return name if not path else path + name if name == "[]" else f"{path}.{name}"


def shape_built(normal: Normal) -> tuple[Shape | None, tuple[tuple[str, str], ...]]:
    """The shape of the whole, as deep as it stays readable, and notes by path; no shape where it never is."""
    for depth_max in _DEPTHS:
        try:
            shape, notes = _built_to(depth_max, normal)
            # The object around it is a level as well.
            return _built_to(max(1, depth_max - 1), normal) if shape.wrapped else (shape, notes)
        except _TooLargeError:
            continue
    return None, ()


def _built_to(depth_max: int, normal: Normal) -> tuple[Shape, tuple[tuple[str, str], ...]]:
    work = _Work(normal.schema.get("$defs", {}), depth_max)
    shape = _completed(_built(normal.schema, _Place(), work), "", work)
    return shape, tuple(dict.fromkeys(work.notes))


def _built(node: Schema, place: _Place, work: _Work) -> Shape:
    work.left -= 1
    if work.left < 0:
        raise _TooLargeError
    if isinstance(node, bool):
        return LOOSE if node else NOTHING
    parts = [_own(node, place, work)]
    if "$ref" in node:
        parts.append(_referred(node["$ref"].rsplit("/", 1)[1], place, work))
    parts += [_built(part, place, work) for part in node.get("allOf", ())]
    parts += [_union(node, key, place, work) for key in UNIONS if key in node]
    shape = all_narrowed(parts)
    for part in (*(node[key] for key in ("then", "else") if key in node), *_dependent(node)):
        shape = suggested(shape, _built(part, place, work))
    shape = _with_rules(shape, node)
    return replace(shape, description=_described(shape.description, node, place, work))


def _completed(shape: Shape, path: str, work: _Work) -> Shape:
    """The shape with a field for any value wherever an object demands one that is described nowhere."""
    items, record = shape.items, shape.record
    if items is not None and items.item is not None:
        items = replace(items, item=_completed(items.item, _joined(path, "[]"), work))
    if record is not None and (record.properties or not record.opaque):
        properties = {
            name: _completed(part, _joined(path, name), work) for name, part in record.properties.items()
        }
        for name in sorted(record.demanded - properties.keys()):
            work.left -= 1
            if work.left < 0:
                raise _TooLargeError
            properties[name] = LOOSE
            work.notes.append((_joined(path, name), UNDECLARED))
        record = replace(record, properties=properties)
    return replace(shape, items=items, record=record)


def _referred(name: str, place: _Place, work: _Work) -> Shape:
    work.active[name] += 1
    if work.active[name] > _RECURSION_MAX and not place.cut:
        work.notes.append((place.path, "It contains itself; from here on down it is given as JSON text."))
        place = replace(place, cut=True)
    shape = _built(work.defs[name], place, work)
    work.active[name] -= 1
    return shape


def _union(node: dict[str, Any], key: str, place: _Place, work: _Work) -> Shape:
    shapes = [_built(branch, place, work) for branch in node[key]]
    labels = [_label(branch, work) for branch in node[key]]
    real = [shape for shape in shapes if shape.kinds]
    if sum(shape.record is not None for shape in real) > 1:
        work.notes.append((place.path, "A choice between objects: their fields stand side by side, and the description says which go together."))  # fmt: skip
    return united(shapes, labels=labels, exclusive=key == "oneOf", declared=node.get("discriminator"))


def _label(branch: Schema, work: _Work) -> str:
    while isinstance(branch, dict) and "title" not in branch and "$ref" in branch:
        branch = work.defs[branch["$ref"].rsplit("/", 1)[1]]
    return str(branch.get("title", "")) if isinstance(branch, dict) else ""


def _dependent(node: dict[str, Any]) -> list[Schema]:
    return list(node.get("dependentSchemas", {}).values())


# One node's own keywords -------------------------------------------------------------------------------------


def _own(node: dict[str, Any], place: _Place, work: _Work) -> Shape:
    types = _types(node)
    if types is None:
        return LOOSE
    values: list[Any] | None = node.get("enum")
    given = {
        kind: [one for one in values or () if kind_of(one) == kind]
        for kind in ("string", "number", "boolean")
    }
    others = any(kind_of(one) in ("array", "object") for one in values or ())
    shape = Shape(null="null" in types and (values is None or None in values))
    if "string" in types and (values is None or given["string"]):
        shape = replace(shape, texts=(_rule(node, _TEXT_HINTS, values, given["string"]),))
    if ("number" in types or "integer" in types) and (values is None or given["number"]):
        rule = _rule(node, _NUMBER_HINTS, values, given["number"])
        whole = "number" not in types or (
            values is not None and all(isinstance(one, int) for one in given["number"])
        )
        shape = replace(shape, numbers=(replace(rule, whole=whole),))
    if "boolean" in types:
        shape = replace(shape, flags=frozenset(given["boolean"] if values is not None else (True, False)))
    if "array" in types and (values is None or others):
        shape = replace(shape, items=_items(node, place, work))
    if "object" in types and (values is None or others):
        shape = replace(shape, record=_record(node, place, work))
    return shape


def _types(node: dict[str, Any]) -> list[str] | None:
    """The types that the node's own keywords speak of, or None when they speak of none."""
    if "type" in node:
        return node["type"] if isinstance(node["type"], list) else [node["type"]]
    if "enum" in node:
        return list(dict.fromkeys(map(kind_of, node["enum"])))
    implied = {
        "object": _OBJECT_WORDS,
        "array": ("items", "prefixItems", *_LIST_HINTS),
        "string": _TEXT_HINTS,
        "number": _NUMBER_HINTS,
    }
    kinds = [kind for kind, words in implied.items() if any(word in node for word in words)]
    if not kinds and any(
        word in node[key]
        for key in ("then", "else")
        if isinstance(node.get(key), dict)
        for word in _FIELD_WORDS
    ):
        kinds = ["object"]
    return kinds or None


def _rule(node: dict[str, Any], hints: tuple[str, ...], values: list[Any] | None, given: list[Any]) -> Rule:
    return Rule(
        None if values is None else tuple(given), tuple((name, node[name]) for name in hints if name in node)
    )


def _items(node: dict[str, Any], place: _Place, work: _Work) -> Items:
    hints = tuple((name, node[name]) for name in _LIST_HINTS if name in node)
    inside = place.inside("[]", work)
    if (place.cut and place.depth > 0) or "enum" in node:
        return Items(None, hints)
    in_order = node.get("prefixItems", [])
    parts = [*in_order, *([node["items"]] if isinstance(node.get("items"), dict) else [])]
    if not in_order and "items" not in node:
        work.notes.append((place.path, "The list does not say what it holds; any value is taken."))
    shapes = [_built(part, inside, work) for part in parts]
    if not shapes:
        return Items(LOOSE, hints)
    item = united(shapes, labels=[""] * len(shapes), exclusive=False, declared=None)
    if in_order:
        work.notes.append((place.path, "The order of the list's items is told in words."))
    return Items(LOOSE if item.empty else item, hints)


def _record(node: dict[str, Any], place: _Place, work: _Work) -> Record:
    required = frozenset(node.get("required", ()))
    properties: dict[str, Schema] = {**node.get("properties", {}), **_free_but_required(node)}
    extra = node.get("additionalProperties")
    opaque = (place.cut and place.depth > 0) or "enum" in node
    shapes = {
        name: _built(schema, place.inside(name, work), work)
        for name, schema in properties.items()
        if schema is not False and not place.told
    }
    return Record(
        properties={name: shape for name, shape in shapes.items() if not shape.empty},
        required=required,
        closed=extra is False and "patternProperties" not in node,
        free=isinstance(extra, dict) or extra is True or "patternProperties" in node,
        opaque=opaque,
    )


def _free_but_required(node: dict[str, Any]) -> dict[str, Schema]:
    """What holds for each field that is required by a name of its own and described only among others."""
    found: dict[str, Schema] = {}
    for name in node.get("required", ()):
        if name in node.get("properties", {}):
            continue
        patterns = node.get("patternProperties", {})
        fitting = [part for pattern, part in patterns.items() if re.search(pattern, name)]
        described = fitting or [node.get("additionalProperties")]
        if isinstance(described[0], dict):
            found[name] = described[0]
    return found


# What only words can say -------------------------------------------------------------------------------------


def _described(joined: str, node: dict[str, Any], place: _Place, work: _Work) -> str:
    said = [str(node.get("description", "")), joined, *_negations(node), *_places(node)]
    said += [*_values(node), *_free_fields(node)]
    if isinstance(node.get("default"), str | int | float) and "default" in node:
        said.append(f"Default: {_spelled(node['default'])}.")
    examples = node.get("examples")
    if isinstance(examples, list) and examples:
        said.append(f"For example {', '.join(_spelled(one) for one in examples[:3])}.")
    for word in _CHECKED_ONLY:
        if word in node:
            work.notes.append((place.path, f"{word} cannot be shown; the arguments are checked against it."))
    return " ".join(dict.fromkeys(text.strip() for text in said if text.strip()))


def _values(node: dict[str, Any]) -> list[str]:
    whole = [one for one in node.get("enum", ()) if kind_of(one) in ("array", "object")]
    return [f"As JSON one of: {'; '.join(_spelled(one) for one in whole[:10])}."] if whole else []


def _free_fields(node: dict[str, Any]) -> list[str]:
    free = [
        (f"Field names matching {name}", part) for name, part in node.get("patternProperties", {}).items()
    ]
    if isinstance(node.get("additionalProperties"), dict):
        free.append(
            (
                "Other field names are free" if node.get("properties") else "Field names are free",
                node["additionalProperties"],
            )
        )
    return [f"{names}; each value: {_place_name(part)}." for names, part in free]


def _negations(node: dict[str, Any]) -> list[str]:
    no = node.get("not")
    if not isinstance(no, dict):
        return []
    if no.get("enum") == [""] or no.get("maxLength") == 0:
        return ["Not empty."]
    if no.get("enum"):
        return [f"Not {' or '.join(_spelled(one) for one in no['enum'][:10])}."]
    if no.get("required"):
        return [f"Not together: {', '.join(no['required'])}."]
    if isinstance(no.get("pattern"), str):
        return [f"Not anything that matches {no['pattern']}."]
    if isinstance(no.get("type"), str):
        return [f"Not of the type {no['type']}."]
    return []


def _places(node: dict[str, Any]) -> list[str]:
    in_order = node.get("prefixItems", ())
    if not in_order:
        return []
    names = [_place_name(part) for part in in_order]
    return [f"A list in this order: {', '.join(names)}."]


def _place_name(part: Schema) -> str:
    if not isinstance(part, dict):
        return "any value"
    name = part.get("title") or part.get("description") or part.get("type") or "a value"
    return name.rstrip(".") if isinstance(name, str) else " or ".join(name)


def _with_rules(shape: Shape, node: dict[str, Any]) -> Shape:
    if shape.record is None:
        return shape
    rules = [
        f"With {name}, {_and(wanted)} must be given too."
        for name, wanted in node.get("dependentRequired", {}).items()
        if wanted
    ]
    if "if" in node:
        condition = _condition(node["if"])
        for key, begins in (("then", f"When {condition}"), ("else", "Otherwise")):
            wanted = _wanted(node.get(key))
            rules += [f"{begins}, {wanted}."] if wanted else []
    also = shape.record.wanted.union(*node.get("dependentRequired", {}).values())
    return replace(shape, record=replace(shape.record, rules=(*shape.record.rules, *rules), wanted=also))


def _condition(schema: Schema) -> str:
    if not isinstance(schema, dict):
        return "that is so"
    said = [
        f"{name} is {_one_of(part)}" for name, part in schema.get("properties", {}).items() if _one_of(part)
    ]
    said += [
        f"{name} is given" for name in schema.get("required", ()) if name not in schema.get("properties", {})
    ]
    return " and ".join(said) or "that is so"


def _wanted(schema: Schema | None) -> str:
    if not isinstance(schema, dict):
        return ""
    properties = schema.get("properties", {})
    said = [f"{name} is {_one_of(part)}" for name, part in properties.items() if _one_of(part)]
    required = list(schema.get("required", ()))
    return " and ".join([*([f"{_and(required)} must be given"] if required else []), *said])


def _one_of(part: Schema) -> str:
    values = part.get("enum") if isinstance(part, dict) else None
    return " or ".join(_spelled(one) for one in values[:10]) if values else ""


def _and(names: list[str]) -> str:
    return " and ".join(names)


def _spelled(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

"""From a shape to the parameters that the model sees: one type for each field, no unions, no references."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tools.schemas import words
from tools.schemas.names import property_names
from tools.schemas.shapes import Group, Record, Rule, Shape, united

WRAPPER = "value"
# What a model takes as a hint and OpenAI takes without complaint.
_SHOWN_HINTS = frozenset(
    {
        "format",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "multipleOf",
        "minItems",
        "maxItems",
    }
    | {"exclusiveMinimum", "exclusiveMaximum"}
)
_VALUES_MAX = 250

Way = Literal["plain", "list", "object", "coded"]


@dataclass(slots=True)
class Shown:
    """What was noted on the way: sentences by path, and renamed fields by the path that the model sees."""

    notes: list[tuple[str, str]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)


def way_of(shape: Shape) -> Way:
    """How a value of this shape is given: in its own type, or ``coded`` as text."""
    if shape.loose:
        return "coded"
    if single_or_list(shape):
        return "list"
    if len(shape.kinds) > 1:
        return "coded"
    if shape.items is not None:
        return "coded" if shape.items.item is None else "list"
    if shape.record is not None:
        record = shape.record
        told_in_words = record.opaque or (not record.properties and not record.closed)
        return "coded" if told_in_words else "object"
    return "plain"


def single_or_list(shape: Shape) -> bool:
    """Whether the value is a list or one of its entries: then a list is asked for."""
    if len(shape.kinds) != 2 or shape.items is None or shape.items.item is None:
        return False
    item, least = shape.items.item, dict(shape.items.hints).get("minItems", 0)
    alike = (
        item.kinds == tuple(kind for kind in shape.kinds if kind != "array") and item.record == shape.record
    )
    return alike and least <= 1 and not item.loose


def parameters_shown(shape: Shape, shown: Shown) -> dict[str, Any]:
    """The parameters for the model, as JSON Schema."""
    if shape.wrapped:
        inner = replace(shape, null=False)
        shown.notes.append(
            ("", f"The arguments are no object with fields of its own, so they go into the field {WRAPPER}.")
        )
        needed = shape.record is None or bool(shape.record.required)
        wrapper = {"type": "object", "properties": {WRAPPER: _shown(inner, WRAPPER, shown)}}
        return {**wrapper, "required": [WRAPPER]} if needed else wrapper
    record = shape.record or Record()
    return _object(replace(shape, record=record, null=False), record, "", shown)


def _shown(shape: Shape, path: str, shown: Shown) -> dict[str, Any]:
    match way_of(shape):
        case "coded":
            return _coded(shape, path, shown)
        case "list":
            return _list(shape, path, shown)
        case "object":
            assert shape.record is not None
            return _object(shape, shape.record, path, shown)
        case "plain":
            return _plain(shape, path, shown)


def _coded(shape: Shape, path: str, shown: Shown) -> dict[str, Any]:
    kinds = [kind for kind in shape.kinds if kind != "string"]
    if shape.loose:
        shown.notes.append((path, "The schema does not say what it is; shown as text."))
    elif shape.texts or len(kinds) > 1:
        shown.notes.append(
            (path, f"May be {_or(shape.kinds)}; shown as text, with words that say how to write it.")
        )
    else:
        shown.notes.append((path, "An object or list without fixed fields; shown as JSON text."))
    return _with_words("string", shape, words.coded_hint(shape))


def _plain(shape: Shape, path: str, shown: Shown) -> dict[str, Any]:
    if shape.texts:
        return _scalar("string", shape, shape.texts, path, shown)
    if shape.numbers:
        whole = all(rule.whole for rule in shape.numbers)
        return _scalar("integer" if whole else "number", shape, shape.numbers, path, shown)
    if shape.flags:
        only = f"Always {words.spelled(next(iter(shape.flags)))}." if len(shape.flags) == 1 else ""
        return _with_words("boolean", shape, only)
    return _with_words("string", replace(shape, null=False), "Always null: leave it out.")


def _scalar(kind: str, shape: Shape, rules: tuple[Rule, ...], path: str, shown: Shown) -> dict[str, Any]:
    hint = words.text_hint if kind == "string" else words.number_hint
    if len(rules) == 1:
        rule = rules[0]
        out = _with_words(kind, shape, hint(rule))
        if rule.values is not None and len(rule.values) <= _VALUES_MAX:
            out["enum"] = list(rule.values)
        elif rule.values is not None:
            shown.notes.append(
                (path, f"{len(rule.values)} allowed values are too many to show; they are checked.")
            )
        return {**out, **{name: value for name, value in rule.hints if name in _SHOWN_HINTS}}
    shown.notes.append((path, "Several sets of conditions; told in words."))
    return _with_words(kind, shape, words.coded_hint(shape))


def _list(shape: Shape, path: str, shown: Shown) -> dict[str, Any]:
    items = shape.items
    assert items is not None
    assert items.item is not None
    item, hint = items.item, words.list_hint(items)
    if single_or_list(shape):
        shown.notes.append((path, "One value or a list of such values; shown as a list."))
        hint = f"{hint} For a single one, give a list of one.".strip()
        single = replace(shape, items=None, null=False, description="")
        item = united([item, single], labels=["", ""], exclusive=False, declared=None)
    out = {**_with_words("array", shape, hint), "items": _shown(item, f"{path}[]", shown)}
    return {**out, **{name: value for name, value in items.hints if name in _SHOWN_HINTS}}


def _object(shape: Shape, record: Record, path: str, shown: Shown) -> dict[str, Any]:
    names = property_names(record.properties)
    about = _Together(record, names, path)
    properties = {}
    for name, part in record.properties.items():
        inside = f"{path}.{names[name]}" if path else names[name]
        if names[name] != name:
            shown.names[inside] = name
            shown.notes.append((inside, f'The name "{name}" is shown as {names[name]}.'))
        properties[names[name]] = _field(part, name, inside, about, shown)
    out = _with_words("object", shape, *about.for_object)
    out["properties"] = properties
    required = [names[name] for name, part in record.properties.items() if _is_required(name, part, record)]
    if not properties and record.closed and path:
        out["additionalProperties"] = False
    return {**out, "required": required} if required else out


def _field(part: Shape, name: str, path: str, about: "_Together", shown: Shown) -> dict[str, Any]:
    spelling = f'Stands for "{name}".' if about.names[name] != name and not part.description else ""
    extra = [spelling, *about.for_field.get(name, ())]
    out = _shown(part, path, shown)
    said = words.description(out.get("description", ""), *extra)
    if part.null and part.kinds:
        shown.notes.append((path, "May be null; shown as a field that may be left out."))
    return {"type": out["type"], **({"description": said} if said else {}), **_rest(out)}


def _is_required(name: str, part: Shape, record: Record) -> bool:
    if name in record.required:
        return not part.null
    declared = [group for group in record.groups if group.declared == name]
    return any((words.discriminator(group) or ("",))[0] == name for group in declared)


def _with_words(kind: str, shape: Shape, *own: str) -> dict[str, Any]:
    null = "Leave it out, or give null, when there is none." if shape.null and shape.kinds else ""
    said = words.description(shape.description, *own, null)
    return {"type": kind, "description": said} if said else {"type": kind}


def _rest(out: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in out.items() if key not in ("type", "description")}


def _or(kinds: tuple[str, ...]) -> str:
    called = {
        "string": "text",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list",
        "object": "an object",
    }
    return ", or ".join(called[kind] for kind in kinds)


class _Together:
    """Which fields of an object go together: sentences for the object as a whole, and for single fields."""

    def __init__(self, record: Record, names: Mapping[str, str], path: str) -> None:
        self.names = names
        self.for_object: list[str] = list(record.rules)
        self.for_field: dict[str, list[str]] = {}
        for group in record.groups:
            self._tell(group, record, path)
        if record.rules and not path:
            # Models are not known to read what stands at the very top.
            self._add(next(iter(record.properties), ""), " ".join(record.rules))

    def _tell(self, group: Group, record: Record, path: str) -> None:
        told_apart = words.discriminator(group)
        if told_apart is not None:
            self._tell_apart(group, *told_apart)
            return
        sentence = words.capital(f"give {words.group_phrase(group, self.names)}.")
        self.for_object.append(sentence)
        if not path:
            concerned = [name for one in group.records for name in (*one.properties, *sorted(one.required))]
            first = next((name for name in record.properties if name in concerned), "")
            self._add(first, sentence)

    def _tell_apart(self, group: Group, name: str, values: tuple[tuple[Any, ...], ...]) -> None:
        ways = [
            f"{' or '.join(map(words.spelled, own))}: {words.fields_phrase(one, self.names, besides=name)}"
            for one, own in zip(group.records, values, strict=True)
        ]
        self._add(name, f"Decides which other fields go with it. {'. '.join(map(words.capital, ways))}.")
        everywhere = frozenset.intersection(*(frozenset(one.properties) for one in group.records))
        for other in dict.fromkeys(other for one in group.records for other in one.properties):
            if other not in everywhere:
                with_values = [
                    own for one, own in zip(group.records, values, strict=True) if other in one.properties
                ]
                said = " or ".join(words.spelled(value) for own in with_values for value in own)
                self._add(other, f"Only with {self.names.get(name, name)} {said}.")

    def _add(self, name: str, sentence: str) -> None:
        if name:
            self.for_field.setdefault(name, []).append(sentence)

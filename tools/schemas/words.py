"""What a schema's keywords mean, in words that a model follows better than the keywords."""

import json
from collections.abc import Mapping
from typing import Any

from tools.schemas.normal import number_of
from tools.schemas.shapes import Group, Items, Record, Rule, Shape

# The limit on sister APIs is 1,024.
DESCRIPTION_MAX = 1_000
# What the author wrote keeps at least this much where our own words are long.
_AUTHOR_MIN = 250
_VALUES_MAX = 40
# Before a number where digits alone are text.
NUMBER_SIGN = "="
_FORMATS = {
    "date": ("a date as YYYY-MM-DD", "2026-06-11"),
    "date-time": ("an ISO 8601 date and time such as 2026-06-11T09:30:00", "2026-06-11T09:30:00"),
    "time": ("a time as HH:MM:SS", "09:30:00"),
    "email": ("an e-mail address", "anna@example.com"),
    "uuid": ("a UUID", "123e4567-e89b-42d3-a456-426614174000"),
    "uri": ("a URL", "https://example.com"),
    "phone": ("a phone number", "+13125550142"),
}


def description(author: str, *own: str) -> str:
    """The author's words and ours. Where it gets too long the author's end is cut, since ours say what is valid."""
    ours = " ".join(text for text in own if text and text not in author)
    # Between them a space, and perhaps a full stop.
    room = max(_AUTHOR_MIN, DESCRIPTION_MAX - len(ours) - 2) if ours else DESCRIPTION_MAX
    kept = clipped(author, room)
    return clipped(f"{ended(kept)} {ours}" if kept and ours else kept or ours, DESCRIPTION_MAX)


def clipped(text: str, length: int) -> str:
    """The text, at most so long, cut between words."""
    if len(text) <= length:
        return text
    return text[: length - 1].rsplit(None, 1)[0].rstrip(",;:") + "…"


def ended(text: str) -> str:
    """The text as a sentence of its own."""
    return text if text.endswith((".", "!", "?", "…", ":")) else f"{text}."


def counted(number: Any, one: str, several: str) -> str:
    """So many of something: 1 field, 2 fields."""
    return f"{number} {one if number == 1 else several}"


def capital(text: str) -> str:
    """The text with a capital first."""
    return text[:1].upper() + text[1:]


def spelled(value: Any) -> str:
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False)


def listed(names: list[str]) -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


# Conditions --------------------------------------------------------------------------------------------------


def text_hint(rule: Rule) -> str:
    """What the rule's keywords ask of a text, as a sentence, or nothing."""
    said = [phrase for phrase in (_format_phrase(rule), *_text_limits(rule)) if phrase]
    return f"{capital(', '.join(said))}." if said else ""


def number_hint(rule: Rule) -> str:
    """What the rule's keywords ask of a number, as a sentence, or nothing."""
    said = _number_limits(rule)
    return f"{capital(', '.join(said))}." if said else ""


def list_hint(items: Items) -> str:
    """How many parts the list has, as a sentence, or nothing."""
    found = dict(items.hints)
    said = _range(found.get("minItems"), found.get("maxItems"), "entry", "entries")
    if found.get("uniqueItems"):
        said.append("none twice")
    return f"{capital(', '.join(said))}." if said else ""


def _format_phrase(rule: Rule) -> str:
    name = rule.hint("format")
    return _FORMATS[name][0] if name in _FORMATS else f"in the format {name}" if name else ""


def _text_limits(rule: Rule) -> list[str]:
    pattern = rule.hint("pattern") or rule.hint("x-pattern")
    said = [f"matching {pattern}"] if pattern else []
    lengths = _range(rule.hint("minLength"), rule.hint("maxLength"), "character", "characters")
    return said + [f"with {one}" for one in lengths]


def _number_limits(rule: Rule) -> list[str]:
    low, high = rule.hint("minimum"), rule.hint("maximum")
    above, below = rule.hint("exclusiveMinimum"), rule.hint("exclusiveMaximum")
    said = _range(low, high)
    said += [f"more than {above}"] if above is not None else []
    said += [f"less than {below}"] if below is not None else []
    step = rule.hint("multipleOf")
    return said + ([f"a multiple of {step}"] if step is not None else [])


def _range(low: Any, high: Any, unit: str = "", units: str = "") -> list[str]:
    least, most = (counted(bound, unit, units).rstrip() for bound in (low, high))
    match low, high:
        case None, None:
            return []
        case _, None:
            return [f"at least {least}"] if low or not unit else []
        case None, _:
            return [f"at most {most}"]
        case _:
            return [f"exactly {least}" if low == high else f"from {low} to {most}"]


def values_phrase(values: tuple[Any, ...]) -> str:
    """The allowed values, quoted as JSON."""
    shown = [spelled(value) for value in values[:_VALUES_MAX]]
    return shown[0] if len(values) == 1 else f"one of {', '.join(shown)}"


# A value of several types, written as text -------------------------------------------------------------------


def coded_hint(shape: Shape) -> str:
    """How a value that is no plain text is written into a text field."""
    if shape.loose:
        return "Any value: text as it is; a list or an object as JSON text."
    ways = [_text_way(rule) for rule in shape.texts]
    ways += [_number_way(rule) for rule in shape.numbers]
    if shape.flags:
        ways.append("true or false" if len(shape.flags) > 1 else spelled(next(iter(shape.flags))))
    if shape.items is not None:
        ways.append(_list_way(shape.items))
    if shape.record is not None:
        ways.append(_record_way(shape.record))
    said = capital("; or ".join(dict.fromkeys(ways))) + "."
    if shape.numbers and any(_may_be_digits(rule) for rule in shape.texts):
        said += f' Digits stay text; for a number put {NUMBER_SIGN} before it, like "{NUMBER_SIGN}12".'
    return said


def _may_be_digits(rule: Rule) -> bool:
    return rule.values is None or any(number_of(value) is not None for value in rule.values)


def _text_way(rule: Rule) -> str:
    if rule.values is not None:
        return values_phrase(rule.values).replace('"', "'")
    limits = [phrase for phrase in (_format_phrase(rule), *_text_limits(rule)) if phrase]
    return ", ".join(limits) if _format_phrase(rule) else " ".join(["text", *limits])


def _number_way(rule: Rule) -> str:
    if rule.values is not None:
        return values_phrase(rule.values)
    return " ".join(["a whole number" if rule.whole else "a number", *_number_limits(rule)])


def _list_way(items: Items) -> str:
    inside = f" such as {spelled([sample(items.item, 1)])}" if items.item is not None else ""
    return f"a list as JSON text{inside}"


def _record_way(record: Record) -> str:
    if not record.properties:
        return "an object as JSON text"
    inside = {name: sample(shape, 1) for name, shape in _told(record).items()}
    said = f"an object as JSON text such as {spelled(inside)}"
    optional = [name for name in record.properties if name not in record.required]
    if optional and not record.groups:
        said += f" ({listed(optional[:12])} may be left out)"
    parts = [group_phrase(group, {}) for group in record.groups]
    return f"{said} with {'; and '.join(parts)}" if parts else said


def _told(record: Record) -> dict[str, Shape]:
    """The fields of an example: those of the first of each group, and what must be given in any case."""
    wanted = record.required.union(*(group.records[0].required for group in record.groups))
    names = [name for name in record.properties if name in wanted] or list(record.properties)
    return {name: record.properties[name] for name in names[:8]}


def sample(shape: Shape | None, depth: int) -> Any:
    """A value of that shape, as an example."""
    if shape is None or shape.loose:
        return "…"
    if shape.texts:
        rule = shape.texts[0]
        known = _FORMATS.get(rule.hint("format"))
        return rule.values[0] if rule.values else known[1] if known else "…"
    if shape.numbers:
        number = shape.numbers[0]
        return number.values[0] if number.values else number.hint("minimum") or 1
    if shape.flags:
        return True in shape.flags
    if shape.items is not None:
        return [] if depth > 2 else [sample(shape.items.item, depth + 1)]
    if shape.record is not None:
        fields = {} if depth > 2 else _told(shape.record)
        return {name: sample(part, depth + 1) for name, part in fields.items()}
    return None


# Which fields go together ------------------------------------------------------------------------------------


def discriminator(group: Group) -> tuple[str, tuple[tuple[Any, ...], ...]] | None:
    """The field that tells the group's objects apart, and its values for each; None when there is none."""
    first = group.records[0].properties
    names = [name for name in first if all(name in record.properties for record in group.records)]
    names.sort(
        key=lambda name: (name != group.declared, not all(name in one.required for one in group.records))
    )
    for name in names:
        values = tuple(_own_values(record.properties[name]) for record in group.records)
        flat = [spelled(value) for own in values for value in own]
        if all(values) and len(flat) == len(set(flat)):
            return name, values
    return None


def _own_values(shape: Shape) -> tuple[Any, ...]:
    rules = (*shape.texts, *shape.numbers)
    if shape.loose or shape.items or shape.record or any(rule.values is None for rule in rules):
        return ()
    return (*(value for rule in rules for value in rule.values or ()), *sorted(shape.flags))


def group_phrase(group: Group, names: Mapping[str, str]) -> str:
    """Which fields go together, in one line. ``names``: what the model sees instead of a field's own name."""
    told_apart = discriminator(group)
    if told_apart is None:
        ways = [
            f"{label}: {fields}" if label else fields
            for label, fields in zip(
                group.labels, (fields_phrase(record, names) for record in group.records), strict=True
            )
        ]
        return (
            f"{'exactly one of' if group.exclusive else 'one of'} these: {'; or '.join(dict.fromkeys(ways))}"
        )
    name, values = told_apart
    return "; ".join(
        f"for {names.get(name, name)} {' or '.join(map(spelled, own))}: {fields_phrase(record, names, besides=name)}"
        for record, own in zip(group.records, values, strict=True)
    )


def fields_phrase(record: Record, names: Mapping[str, str], *, besides: str = "") -> str:
    """The fields of one object: what must be given, and what may."""
    grouped = {name for group in record.groups for one in group.records for name in one.properties}
    required = [
        names.get(name, name) for name in record.properties if name in record.required and name != besides
    ]
    required += [names.get(name, name) for name in sorted(record.required) if name not in record.properties]
    free = [name for name in record.properties if name not in record.required and name != besides]
    optional = [names.get(name, name) for name in free if name not in grouped]
    said = [listed(required)] if required else []
    said += [f"({group_phrase(group, names)})" for group in record.groups]
    if optional:
        said.append(f"optionally {listed(optional)}")
    return ", ".join(said) or "nothing more"

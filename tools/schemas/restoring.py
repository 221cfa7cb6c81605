"""From what the model gave to what the customer's server expects: fields back in their places, then checked.

Reading is exact first: what the model wrote as its parameters ask is turned back, and what is lawful stays as it came.
Only arguments that fail the check are read once more with repairs, each of which has one possible meaning: a number
written as text, JSON text in the place of an object, null for a field that may be left out. And only what fails again
is read so that digits are a number where they might be text.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.jsontext import json_clean
from tools.schemas.checking import VIOLATIONS_MAX, text_fits, violations
from tools.schemas.errors import ArgumentsError
from tools.schemas.flattening import Flattened, flatten
from tools.schemas.names import property_names
from tools.schemas.nodes import kind_of
from tools.schemas.normal import number_of
from tools.schemas.shapes import Record, Rule, Shape, narrowed
from tools.schemas.showing import WRAPPER, way_of
from tools.schemas.words import NUMBER_SIGN, discriminator

# Fields that a model has lifted out of their objects are looked for this deep.
_LIFTED_FROM_MAX = 4


def arguments_restore(given: dict[str, Any], original: dict[str, Any]) -> Any:
    """The arguments in the shape of the original parameters: an object, unless those describe something else.

    Raises ArgumentsError, in words that tell the model what to correct, when they do not fit them.
    """
    flattened = flatten(original)
    wrong: list[str] = []
    for reader in (_Reader(), _Reader(repairs=True), _Reader(repairs=True, digits=True)):
        read = _read(given, flattened, reader)
        found = violations(read, flattened)
        if not found:
            return read
        wrong = wrong if reader.digits else found
    more = f" And {len(wrong) - VIOLATIONS_MAX} more." if len(wrong) > VIOLATIONS_MAX else ""
    raise ArgumentsError(" ".join(wrong[:VIOLATIONS_MAX]) + more)


def coded_read(text: str, shape: Shape, *, digits: bool = False) -> Any:
    """The value behind a text field that may hold other things than text.

    What is valid as text stays text, unless it says that it is none; ``digits``: unless it may be a number as well.
    """
    marked = _marked_number(text)
    if marked is not None and _fits(marked, shape.numbers):
        return marked
    try:
        value = json_clean(json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError):
        return text
    kind = kind_of(value)
    if kind == "string":
        return value
    if shape.loose:
        # Digits are text there: nothing says that they are more than a phone number.
        return value if kind in ("object", "array") else text
    if kind == "null":
        return None if shape.null else text
    if kind not in shape.kinds:
        return text
    if kind == "number" and text_fits(text, shape.texts) and not (digits and _fits(value, shape.numbers)):
        return text
    return value


def _marked_number(text: str) -> int | float | None:
    if not text.startswith(NUMBER_SIGN):
        return None
    try:
        value = json_clean(json.loads(text.removeprefix(NUMBER_SIGN), parse_constant=_no_constant))
    except (ValueError, RecursionError):
        return None
    return value if kind_of(value) == "number" else None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _fits(value: float, rules: tuple[Rule, ...]) -> bool:
    return any(_fits_rule(value, rule) for rule in rules)


def _fits_rule(value: float, rule: Rule) -> bool:
    if rule.values is not None:
        return value in rule.values
    low, high = rule.hint("minimum"), rule.hint("maximum")
    in_range = (low is None or value >= low) and (high is None or value <= high)
    return in_range and (not rule.whole or isinstance(value, int))


def _read(given: dict[str, Any], flattened: Flattened, reader: "_Reader") -> Any:
    shape = flattened.shape
    if not shape.wrapped:
        return reader.record(given, shape.record or Record(), "")
    if WRAPPER in given and (len(given) == 1 or shape.record is None):
        return reader.value(given[WRAPPER], shape, WRAPPER)
    if shape.record is None:
        raise ArgumentsError(f"{WRAPPER} is missing.")
    return given


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads what a model gave by the shape it was shown; with ``repairs`` also what it gave otherwise.

    ``digits``: they are a number wherever one fits. ``meant`` is the narrower shape that is due in that place,
    where the fields beside it have told which.
    """

    repairs: bool = False
    digits: bool = False

    def value(self, given: Any, shape: Shape, path: str, meant: Shape | None = None) -> Any:
        if given is None:
            return None
        meant = meant or shape
        match way_of(shape):
            case "coded":
                if isinstance(given, str):
                    return coded_read(given, meant, digits=self.digits)
                return _scalar_repaired(given, meant) if self.repairs and not meant.loose else given
            case "list":
                return self._list(given, shape, path, meant)
            case "object":
                assert shape.record is not None
                given = self._opened(given, dict)
                return (
                    self.record(given, shape.record, path, meant.record) if isinstance(given, dict) else given
                )
            case "plain":
                return _scalar_repaired(given, meant) if self.repairs else given

    def _list(self, given: Any, shape: Shape, path: str, meant: Shape) -> Any:
        assert shape.items is not None
        assert shape.items.item is not None
        given = self._opened(given, list)
        if not isinstance(given, list):
            return given
        item = meant.items.item if meant.items else None
        return [self.value(one, shape.items.item, f"{path}[{i}]", item) for i, one in enumerate(given)]

    def _opened(self, given: Any, wanted: type) -> Any:
        """JSON text in the place of what it spells."""
        if not self.repairs or not isinstance(given, str):
            return given
        try:
            value = json_clean(json.loads(given, parse_constant=_no_constant))
        except (ValueError, RecursionError):
            return given
        return value if isinstance(value, wanted) else given

    def record(
        self, given: dict[str, Any], record: Record, path: str, meant: Record | None = None
    ) -> dict[str, Any]:
        names = property_names(record.properties)
        own = {shown: name for name, shown in names.items()}
        given = _nested(given, record, path)
        found: dict[str, Any] = {}
        for key, value in given.items():
            name = own.get(key, key)
            if name in found:
                raise ArgumentsError(f"{path or 'The arguments'}: {key[:64]} is given twice.")
            found[name] = value
        due = self._due(found, record, meant or record)
        for name in [name for name in found if name in record.properties]:
            inside = f"{path}.{names[name]}" if path else names[name]
            found[name] = self.value(found[name], record.properties[name], inside, due.get(name))
        for name, part in record.properties.items():
            if name in record.required and part.null:
                found.setdefault(name, None)
        return _nulls_settled(found, record) if self.repairs else found

    def _due(self, found: dict[str, Any], record: Record, meant: Record) -> dict[str, Shape]:
        """What each field must be, given the fields that choose a variant. ``found``: as the model gave them."""
        due = dict(meant.properties)
        if not meant.groups:
            return due
        told = {
            name: self.value(value, record.properties[name], "")
            for name, value in found.items()
            if name in record.properties and way_of(record.properties[name]) in ("plain", "coded")
        }
        for chosen in _chosen(told, meant):
            for name in chosen.properties.keys() - chosen.partial:
                both = narrowed(due.get(name, chosen.properties[name]), chosen.properties[name])
                if not both.empty:
                    due[name] = both
        return due


def _nulls_settled(found: dict[str, Any], record: Record) -> dict[str, Any]:
    """Without null where a field should have been left out, and with it where the chosen variant demands it."""
    parts = record.properties
    kept = {
        name: value
        for name, value in found.items()
        if value is not None
        or name in record.required
        or name not in parts
        or parts[name].null
        or parts[name].loose
    }
    for chosen in _chosen(kept, record):
        for name, part in chosen.properties.items():
            if name in chosen.required and part.null:
                kept.setdefault(name, None)
    return kept


def _chosen(found: dict[str, Any], record: Record) -> Iterator[Record]:
    """The variants that the fields with fixed values have chosen, and those within them."""
    for group in record.groups:
        told_apart = discriminator(group)
        if told_apart is None:
            continue
        name, values = told_apart
        for one, own in zip(group.records, values, strict=True):
            if any(kind_of(found.get(name)) == kind_of(value) and found[name] == value for value in own):
                yield one
                yield from _chosen(found, one)


# Fields out of their place -----------------------------------------------------------------------------------


def _nested(given: dict[str, Any], record: Record, path: str) -> dict[str, Any]:
    """The same fields, those of inner objects back inside: ``patient.name``, or ``name`` where only one has it."""
    if record.free:
        return given
    own = set(property_names(record.properties).values()) | record.properties.keys()
    astray = {key: ways for key in given if key not in own and (ways := _ways_in(key, record))}
    if not astray:
        return given
    placed: dict[str, Any] = {key: value for key, value in given.items() if key not in astray}
    for key, way in astray.items():
        _put(placed, way, given[key], key, path)
    return placed


def _ways_in(key: str, record: Record) -> tuple[str, ...]:
    """Where a stray field belongs, as the names that the model sees; nothing unless there is one such place."""
    inner = [(way, one) for way, one in _inner_records(record, ()) if way]
    dotted = [
        (*way, name)
        for way, one in inner
        for name in property_names(one.properties).values()
        if ".".join((*way, name)) == key
    ]
    if dotted:
        return dotted[0] if len(dotted) == 1 else ()
    lifted = [(*way, key) for way, one in inner if key in property_names(one.properties).values()]
    return lifted[0] if len(lifted) == 1 else ()


def _inner_records(record: Record, way: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Record]]:
    yield way, record
    if len(way) >= _LIFTED_FROM_MAX:
        return
    names = property_names(record.properties)
    for name, part in record.properties.items():
        if part.record is not None and way_of(part) == "object":
            yield from _inner_records(part.record, (*way, names[name]))


def _put(placed: dict[str, Any], way: tuple[str, ...], value: Any, key: str, path: str) -> None:
    inside = placed
    for name in way[:-1]:
        there = inside.get(name)
        if there is not None and not isinstance(there, dict):
            placed[key] = value  # no object to put it into: the check will say so
            return
        inside[name] = dict(there or {})
        inside = inside[name]
    if way[-1] in inside and inside[way[-1]] != value:
        where = ".".join(([path] if path else []) + list(way))
        raise ArgumentsError(f"{where} is given twice, with two values.")
    inside[way[-1]] = value


# Scalars in another spelling ---------------------------------------------------------------------------------


def _scalar_repaired(given: Any, shape: Shape) -> Any:
    """The value in the type that is due, where it is only spelled otherwise."""
    kind = kind_of(given)
    if kind in shape.kinds:
        return given
    if kind == "string":
        return _from_text(given.strip(), given, shape)
    if shape.texts and kind in ("number", "boolean"):
        text = json.dumps(given)
        return text if all(rule.values is None or text in rule.values for rule in shape.texts) else given
    return given


def _from_text(text: str, given: str, shape: Shape) -> Any:
    if shape.numbers:
        number = number_of(text)
        return given if number is None else number
    if shape.flags and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return None if shape.null and text == "null" else given

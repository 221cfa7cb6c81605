"""What a value may look like, told by JSON type: the form in which schemas are joined and narrowed.

A shape allows at least all that its schema allows. What it loses, such as which fields exclude each other, is put
into words for the model and checked when the arguments come.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import product
from typing import Any

_RULES_MAX = 24


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that a text or a number meets all at once."""

    values: tuple[Any, ...] | None = None
    hints: tuple[tuple[str, Any], ...] = ()
    whole: bool = False

    def hint(self, name: str) -> Any:
        """The value of one keyword, or None."""
        return dict(self.hints).get(name)


@dataclass(frozen=True, slots=True)
class Items:
    """A list. Without ``item`` its parts are told in words only."""

    item: "Shape | None"
    hints: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """An object.

    ``groups`` are the unions that it was joined from; ``closed``: no other fields; ``free``: other fields are
    expected; ``opaque``: its fields are told in words only; ``rules``: sentences about which fields go together;
    ``partial``: fields of which only some of the joined objects speak, so that others may hold anything there;
    ``wanted``: fields that are required under conditions which only words can tell.
    """

    properties: Mapping[str, "Shape"] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    groups: tuple["Group", ...] = ()
    closed: bool = False
    free: bool = False
    opaque: bool = False
    rules: tuple[str, ...] = ()
    partial: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()

    @property
    def demanded(self) -> frozenset[str]:
        """The fields that must be given in any case, in one of its variants, or under a condition."""
        inside = (one.demanded for group in self.groups for one in group.records)
        return self.required.union(self.wanted, *inside)


@dataclass(frozen=True, slots=True)
class Group:
    """Objects of which one is given (``exclusive``: not two), each with a label, and the field that tells them apart."""

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    exclusive: bool = False
    declared: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value may be. ``loose``: anything at all, because nothing is said about it."""

    loose: bool = False
    null: bool = False
    flags: frozenset[bool] = frozenset()
    numbers: tuple[Rule, ...] = ()
    texts: tuple[Rule, ...] = ()
    items: Items | None = None
    record: Record | None = None
    description: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The JSON types that it allows, null aside. None for a loose one."""
        there = {
            "string": self.texts, "number": self.numbers, "boolean": self.flags,
            "array": self.items is not None, "object": self.record is not None,
        }  # fmt: skip
        return tuple(kind for kind, allowed in there.items() if allowed)

    @property
    def empty(self) -> bool:
        """Whether nothing at all fits it."""
        return not (self.loose or self.null or self.kinds)

    @property
    def wrapped(self) -> bool:
        """Whether, as the whole of the arguments, it is no object with fields, so that the model needs one around it."""
        if self.loose or not self.kinds:
            return False
        record = self.record
        return (
            self.kinds != ("object",)
            or record is None
            or record.opaque
            or (record.free and not record.properties)
        )


LOOSE = Shape(loose=True)
NOTHING = Shape()


def united(shapes: Iterable[Shape], *, labels: Iterable[str], exclusive: bool, declared: str | None) -> Shape:
    """What fits at least one of the shapes."""
    labelled = [(shape, label) for shape, label in zip(shapes, labels, strict=True) if not shape.empty]
    alone = [shape for shape, _ in labelled]
    if not alone:
        return NOTHING
    if len(alone) == 1:
        return alone[0]
    description = " / ".join(dict.fromkeys(shape.description for shape in alone if shape.description))
    if any(shape.loose for shape in alone):
        return replace(LOOSE, description=description)
    records = [(shape.record, label) for shape, label in labelled if shape.record is not None]
    return Shape(
        null=any(shape.null for shape in alone),
        flags=frozenset().union(*(shape.flags for shape in alone)),
        numbers=_rules(rule for shape in alone for rule in shape.numbers),
        texts=_rules(rule for shape in alone for rule in shape.texts),
        items=_items_united([shape.items for shape in alone if shape.items is not None]),
        record=_records_united(records, exclusive=exclusive, declared=declared) if records else None,
        description=description,
    )


def narrowed(one: Shape, other: Shape) -> Shape:
    """What fits both shapes, and perhaps a little more."""
    said = [text for text in (one.description, other.description) if text]
    description = " ".join(dict.fromkeys(said))
    if one.loose or other.loose:
        return replace(other if one.loose else one, description=description)
    return Shape(
        null=one.null and other.null,
        flags=one.flags & other.flags,
        numbers=_rules_narrowed(one.numbers, other.numbers),
        texts=_rules_narrowed(one.texts, other.texts),
        items=_items_narrowed(one.items, other.items),
        record=_records_narrowed(one.record, other.record),
        description=description,
    )


def suggested(shape: Shape, addition: Shape) -> Shape:
    """The shape, knowing also the fields that the addition names; it forbids and demands nothing new."""
    if shape.record is None or addition.record is None:
        return shape
    properties = dict(shape.record.properties)
    for name, extra in addition.record.properties.items():
        properties.setdefault(name, extra)
    wanted = shape.record.wanted | addition.record.demanded
    return replace(shape, record=replace(shape.record, properties=properties, wanted=wanted))


def merged_hints(
    one: tuple[tuple[str, Any], ...], other: tuple[tuple[str, Any], ...]
) -> tuple[tuple[str, Any], ...]:
    """Both sets of keywords at once: the tighter bound, else the first."""
    found = dict(one)
    for name, value in other:
        if name.startswith(("min", "exclusiveMin")):
            found[name] = max(found.get(name, value), value)
        elif name.startswith(("max", "exclusiveMax")):
            found[name] = min(found.get(name, value), value)
        else:
            found.setdefault(name, value)
    return tuple(sorted(found.items()))


# Texts and numbers -------------------------------------------------------------------------------------------


def _rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Each rule once, and all lists of plain values as one."""
    kept: list[Rule] = []
    for rule in rules:
        twin = next((i for i, one in enumerate(kept) if one.values is not None and not one.hints), None)
        if rule in kept:
            continue
        if rule.values is not None and not rule.hints and twin is not None:
            values = kept[twin].values or ()
            both = tuple(dict.fromkeys([*values, *rule.values]))
            kept[twin] = Rule(both, whole=rule.whole and kept[twin].whole)
        else:
            kept.append(rule)
    bare = [rule for rule in kept if rule.values is None and not rule.hints]
    if len(kept) > _RULES_MAX:
        return (Rule(),)
    if any(not rule.whole for rule in bare):
        kept = [rule for rule in kept if not (rule.whole and rule.values is None and not rule.hints)]
    return tuple(kept)


def _rules_narrowed(one: tuple[Rule, ...], other: tuple[Rule, ...]) -> tuple[Rule, ...]:
    if len(one) * len(other) > _RULES_MAX:
        return one
    both = [_rule_narrowed(first, second) for first, second in product(one, other)]
    return _rules(rule for rule in both if rule is not None)


def _rule_narrowed(one: Rule, other: Rule) -> Rule | None:
    values = one.values if other.values is None else other.values
    if one.values is not None and other.values is not None:
        values = tuple(value for value in one.values if value in other.values)
        if not values:
            return None
    whole = (
        one.whole or other.whole or (values is not None and all(isinstance(value, int) for value in values))
    )
    return Rule(values, merged_hints(one.hints, other.hints), whole)


# Lists and objects -------------------------------------------------------------------------------------------


def _items_united(lists: list[Items]) -> Items | None:
    if not lists:
        return None
    hints = lists[0].hints if all(one.hints == lists[0].hints for one in lists) else ()
    parts = [one.item for one in lists]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return Items(None, hints)
    return Items(united(known, labels=[""] * len(known), exclusive=False, declared=None), hints)


def _items_narrowed(one: Items | None, other: Items | None) -> Items | None:
    if one is None or other is None:
        return None
    hints = merged_hints(one.hints, other.hints)
    if one.item is None or other.item is None:
        return Items(None, hints)
    return Items(narrowed(one.item, other.item), hints)


def _records_united(labelled: list[tuple[Record, str]], *, exclusive: bool, declared: str | None) -> Record:
    records = [record for record, _ in labelled]
    first = records[0]
    if all(record == first for record in records):
        return first
    names = list(dict.fromkeys(name for record in records for name in record.properties))
    properties = {}
    for name in names:
        there = [record.properties[name] for record in records if name in record.properties]
        properties[name] = united(there, labels=[""] * len(there), exclusive=False, declared=None)
    group = Group(tuple(records), tuple(label for _, label in labelled), exclusive, declared)
    return Record(
        properties=properties,
        required=frozenset.intersection(*(record.required for record in records)),
        groups=(group,),
        closed=all(record.closed for record in records),
        free=any(record.free for record in records),
        opaque=any(record.opaque for record in records),
        partial=frozenset(
            name
            for name in names
            if any(name not in record.properties or name in record.partial for record in records)
        ),
        wanted=frozenset().union(*(record.wanted for record in records)),
    )


def _records_narrowed(one: Record | None, other: Record | None) -> Record | None:
    if one is None or other is None:
        return None
    properties = dict(one.properties)
    for name, shape in other.properties.items():
        properties[name] = _field_narrowed(name, one, other) if name in properties else shape
    said = [record.properties.keys() - record.partial for record in (one, other)]
    return Record(
        properties={name: shape for name, shape in properties.items() if not shape.empty},
        required=one.required | other.required,
        groups=one.groups + other.groups,
        closed=one.closed or other.closed,
        free=one.free or other.free,
        opaque=one.opaque or other.opaque,
        rules=tuple(dict.fromkeys(one.rules + other.rules)),
        partial=frozenset(properties).difference(*said),
        wanted=one.wanted | other.wanted,
    )


def _field_narrowed(name: str, one: Record, other: Record) -> Shape:
    """One field that both objects know: who speaks of it only in some of its variants does not narrow it."""
    first, second = one.properties[name], other.properties[name]
    match name in one.partial, name in other.partial:
        case True, True:
            return united([first, second], labels=["", ""], exclusive=False, declared=None)
        case True, False:
            return second
        case False, True:
            return first
        case _:
            return narrowed(first, second)


def all_narrowed(shapes: Iterable[Shape]) -> Shape:
    """What fits every one of the shapes."""
    return reduce(narrowed, shapes, LOOSE)

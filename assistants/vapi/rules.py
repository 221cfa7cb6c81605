"""What becomes of a setting of Vapi's, told by where it stands: tables of rules, and how they are looked up.

A rule gives the verdict where the place alone decides. Where the value decides, the translating code says so for that
very leaf. A place without a rule is one that Vapi has added since: somebody has to look at it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from assistants.vapi.drafts import Verdict
from assistants.vapi.paths import ANY_ITEM, ANY_KEY, ANYTHING, Path, pattern_steps

# Of a table's places, those that objects really have are some hundreds, and of some words.
_MOST_KNOWN: Final = 4096
_LONGEST_KNOWN: Final = 500
Found = TypeVar("Found")


class Type(StrEnum):
    """What Vapi writes there."""

    TEXT = "a text"
    NUMBER = "a number"
    FLAG = "true or false"
    SCALAR = "a single value"
    OBJECT = "an object"
    ANY = "anything"


class Origin(StrEnum):
    """Where such a setting is known from. A test holds the first kind against Vapi's own OpenAPI document."""

    SPEC = "spec"
    SEEN = "seen"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class Rule:
    """The verdict on one place. ``whole``: what stands there is one leaf, whatever is in it."""

    pattern: str
    verdict: Verdict
    reason: str
    field: str = ""
    code: str = ""
    type: Type = Type.SCALAR
    whole: bool = False
    origin: Origin = Origin.SPEC

    def accepts(self, value: Any) -> bool:
        """Whether the value is of the type that Vapi writes here."""
        return _is(value, self.type)


# JSON knows no limit, but nobody means more; beyond it floats fail.
_NUMBER_LIMIT = 10**15


def is_number(value: Any) -> bool:
    """Whether it is a number to calculate with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _NUMBER_LIMIT


def _is(value: Any, type_: Type) -> bool:
    match type_:
        case Type.TEXT:
            return isinstance(value, str)
        case Type.NUMBER:
            return is_number(value)
        case Type.FLAG:
            return isinstance(value, bool)
        case Type.SCALAR:
            return not isinstance(value, dict | list)
        case Type.OBJECT:
            return isinstance(value, dict)
        case Type.ANY:
            return True


@dataclass(slots=True)
class _Node:
    rule: Rule | None = None
    children: "dict[str, _Node]" = field(default_factory=dict)


class Rules:
    """A table of rules, looked up by place. The more exact pattern wins."""

    def __init__(self, *tables: Iterable[Rule]) -> None:
        self.all: tuple[Rule, ...] = tuple(rule for table in tables for rule in table)
        self._root = _Node()
        # Objects have the same places over and over.
        self._matched: dict[tuple[str, ...], Rule | None] = {}
        self._leading: dict[tuple[str, ...], frozenset[type]] = {}
        for rule in self.all:
            node = self._root
            for step in pattern_steps(rule.pattern):
                node = node.children.setdefault(step, _Node())
            assert node.rule is None, f"two rules for {rule.pattern}"
            node.rule = rule

    def match(self, path: Sequence[str | int]) -> Rule | None:
        """The rule for the place, None where there is none. An item may be given by number or as ``[]``."""
        steps = tuple([_step(step) for step in path])
        try:
            return self._matched[steps]
        except KeyError:
            return _remembered(self._matched, steps, _match(self._root, steps, 0))

    def leads_to(self, path: Sequence[str | int]) -> frozenset[type]:
        """What the rules expect to find there to go on into: dict, list, both or nothing."""
        steps = tuple([_step(step) for step in path])
        try:
            return self._leading[steps]
        except KeyError:
            return _remembered(self._leading, steps, frozenset(_leads(self._root, steps)))

    def leaves(self, value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
        """Each leaf with its place: scalars, empty containers, what is kept whole, and what is of no expected type."""
        if not isinstance(value, dict | list) or not value:
            yield path, value
            return
        rule = self.match(path) if path else None
        if rule is not None and rule.whole:
            yield path, value
            return
        expected = self.leads_to(path)
        if type(value) not in expected:
            yield path, value  # of no expected type, or unknown altogether
            return
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from self.leaves(item, (*path, key))


def _step(step: str | int) -> str:
    return ANY_ITEM if isinstance(step, int) else step


def _remembered(known: dict[tuple[str, ...], Found], steps: tuple[str, ...], found: Found) -> Found:
    """What was found of a place, kept for the next one who asks.

    All is forgotten where there is too much, and what is too long is not kept: who writes objects invents places.
    """
    if len(known) >= _MOST_KNOWN:
        known.clear()
    if sum(map(len, steps)) <= _LONGEST_KNOWN:
        known[steps] = found
    return found


def _leads(root: _Node, steps: tuple[str, ...]) -> Iterator[type]:
    for node in _nodes(root, steps, 0):
        for step in node.children:
            if step == ANYTHING:
                yield from (dict, list)
            else:
                yield list if step == ANY_ITEM else dict


def _match(node: _Node, steps: tuple[str, ...], at: int) -> Rule | None:
    if at == len(steps):
        if node.rule is not None:
            return node.rule
        rest = node.children.get(ANYTHING)
        return rest.rule if rest else None
    for name in (steps[at], ANY_KEY):
        child = node.children.get(name)
        if child is not None and (name != ANY_KEY or steps[at] != ANY_ITEM):
            found = _match(child, steps, at + 1)
            if found is not None:
                return found
    rest = node.children.get(ANYTHING)
    return rest.rule if rest else None


def _nodes(node: _Node, steps: tuple[str, ...], at: int) -> Iterator[_Node]:
    if ANYTHING in node.children and at < len(steps):
        yield _BELOW
    if at == len(steps):
        yield node
        return
    for name in (steps[at], ANY_KEY):
        child = node.children.get(name)
        if child is not None and (name != ANY_KEY or steps[at] != ANY_ITEM):
            yield from _nodes(child, steps, at + 1)


# Stands for every place below a pattern that ends in anything.
_BELOW = _Node(children={ANYTHING: _Node()})


def rules_for(
    verdict: Verdict,
    patterns: str,
    reason: str,
    *,
    under: str = "",
    field: str = "",
    code: str = "",
    type: Type = Type.SCALAR,  # noqa: A002 - the column of the table
    whole: bool = False,
    origin: Origin = Origin.SPEC,
) -> list[Rule]:
    """One rule for each of the patterns, which are parted by blanks and stand below ``under``."""
    prefix = f"{under}." if under else ""
    return [
        Rule(f"{prefix}{pattern}", verdict, reason, field, code, type, whole, origin)
        for pattern in patterns.split()
    ]

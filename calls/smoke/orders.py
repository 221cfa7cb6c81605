"""Declared orders: which other orders of the same tools are lawful. A small language, one rule a line or after a semicolon.

``lookup before book`` (and ``a before b before c``), ``sms anywhere``, ``end_call optional``; what follows # is a remark.

What ``before`` names is ordered by these rules alone: the first lookup comes before the first book, and of two tools
that no rule connects either may be first. What ``anywhere`` names may stand in any place. What ``optional`` names may
also be missing, or be called besides. Whatever no rule names keeps the order that it has at Vapi.
"""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_WORDS: Final = {"before", "anywhere", "optional"}


class OrdersError(ValueError):
    """Rules that cannot be read, or that contradict each other. The text says which line, and what to do."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What is declared. ``before`` is transitive already."""

    before: frozenset[tuple[str, str]] = frozenset()
    anywhere: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """Every tool that a rule names."""
        return frozenset(name for pair in self.before for name in pair) | self.anywhere | self.optional

    def free(self, first: str, second: str) -> bool:
        """Whether the rules, and not Vapi's own order, decide which of the two comes first."""
        loose = self.anywhere | self.optional
        if first in loose or second in loose or first == second:
            return True
        ordered = frozenset(name for pair in self.before for name in pair)
        return first in ordered and second in ordered


NONE: Final = Orders()


def orders_read(text: str, *, known: Collection[str] | None = None) -> Orders:
    """The rules behind their text. Raises OrdersError; also for a tool that is not ``known``, if that is given."""
    before: set[tuple[str, str]] = set()
    anywhere: set[str] = set()
    optional: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        for rule in line.partition("#")[0].split(";"):
            if rule.strip():
                _rule(rule.split(), f"Line {number}", before, anywhere, optional)
    closed = _closed(before)
    for name in sorted({name for pair in closed for name in pair} & anywhere):
        raise OrdersError(
            f"“{name}” is said to come anywhere and in a certain order. Remove one of the two rules."
        )
    if known is not None:
        rules = Orders(closed, frozenset(anywhere), frozenset(optional))
        for name in sorted(rules.names - set(known)):
            offered = ", ".join(sorted(known)) or "none"
            raise OrdersError(f"The assistant has no tool “{name}”. It has: {offered}.")
    return Orders(closed, frozenset(anywhere), frozenset(optional))


def _rule(
    words: list[str], where: str, before: set[tuple[str, str]], anywhere: set[str], optional: set[str]
) -> None:
    """Take in one rule. Raises OrdersError."""
    names = words[::2]
    verbs = [word.lower() for word in words[1::2]]
    said = " ".join(words)
    for name in names:
        if not _NAME.fullmatch(name) or name.lower() in _WORDS:
            raise OrdersError(f"{where}: “{said}” is no rule. {_EXAMPLES}")
    if len(words) == 2 and verbs == ["anywhere"]:
        anywhere.add(names[0])
    elif len(words) == 2 and verbs == ["optional"]:
        optional.add(names[0])
    elif len(words) >= 3 and len(words) % 2 and set(verbs) == {"before"}:
        before.update(itertools.pairwise(names))
    else:
        raise OrdersError(f"{where}: “{said}” is no rule. {_EXAMPLES}")


_EXAMPLES: Final = "Write “lookup before book”, “sms anywhere” or “end_call optional”."


def _closed(before: set[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """The rules with all that follows from them. Raises OrdersError for a circle."""
    closed = set(before)
    while True:
        more = {(a, d) for a, b in closed for c, d in closed if b == c} - closed
        if not more:
            break
        closed |= more
    for name, other in sorted(closed):
        if name == other:
            raise OrdersError(
                f"By these rules “{name}” would have to come before itself. Remove one of them."
            )
    return frozenset(closed)


def lawful(theirs: Sequence[str], ours: Sequence[str], orders: Orders) -> bool:
    """Whether our sequence is the reference's, or another order of it that the rules allow."""
    if list(theirs) == list(ours):
        return True
    kept = [name for name in theirs if name not in orders.optional]
    called = [name for name in ours if name not in orders.optional]
    if Counter(kept) != Counter(called):
        return False
    return _rules_hold(called, orders) and _rest_in_order(kept, called, orders)


def _rules_hold(called: Sequence[str], orders: Orders) -> bool:
    first = {name: called.index(name) for name in set(called)}
    return all(first[a] < first[b] for a, b in orders.before if a in first and b in first)


def _rest_in_order(kept: Sequence[str], called: Sequence[str], orders: Orders) -> bool:
    """Whether every two calls that no rule frees have the reference's order; equal names are told apart by their turn."""
    places = {key: place for place, key in enumerate(_numbered(called))}
    keys = _numbered(kept)
    return all(
        orders.free(a[0], b[0]) or places[a] < places[b] for i, a in enumerate(keys) for b in keys[i + 1 :]
    )


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys

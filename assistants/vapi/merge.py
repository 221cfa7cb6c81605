"""Three-way merge: what the last import read, what Vapi has now, and what stands here. Pure."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Side(StrEnum):
    """Who changed a value since the last import."""

    NOBODY = "nobody"
    OURS = "ours"
    THEIRS = "theirs"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Merged:
    """One value under merge. Both sides having changed it to the same is no difference, and counts as nobody."""

    base: Any = field(repr=False)
    theirs: Any = field(repr=False)
    ours: Any = field(repr=False)
    changed_by: Side

    def result(self, *, overwrite: bool) -> Any:
        """The value that stands after an import: where both changed it ours stays, unless told to overwrite."""
        if overwrite or self.changed_by is Side.THEIRS:
            return self.theirs
        return self.ours

    def next_base(self, *, overwrite: bool) -> Any:
        """What the next merge starts from. A conflict keeps its base, and so comes up again until it is decided."""
        return self.base if self.changed_by is Side.BOTH and not overwrite else self.theirs

    @property
    def at_vapi(self) -> bool:
        """Whether Vapi has something that stands here neither as it is nor as it was."""
        return self.changed_by in (Side.THEIRS, Side.BOTH)


def value_merge(*, base: Any, theirs: Any, ours: Any) -> Merged:
    """The three values with who changed what."""
    if same(theirs, ours):
        side = Side.NOBODY
    elif same(theirs, base):
        side = Side.OURS
    elif same(ours, base):
        side = Side.THEIRS
    else:
        side = Side.BOTH
    return Merged(base, theirs, ours, side)


def fields_merge(
    *, base: Mapping[str, Any], theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> dict[str, Merged]:
    """Each field that Vapi's side has. A field that the last import did not know has ours as its base."""
    return {
        name: value_merge(base=base.get(name, ours[name]), theirs=value, ours=ours[name])
        for name, value in theirs.items()
    }


def links_merge(*, base: Sequence[Key], theirs: Sequence[Key], ours: Sequence[Key]) -> list[Key]:
    """The links after an import, each once, in order.

    What was linked by hand stays, and what was taken out by hand stays out; what came or went at Vapi comes or goes.
    Where both sides changed the order, ours counts, and what is new stands at the end.
    """
    ours, theirs, base = _once(ours), _once(theirs), _once(base)
    before = set(base)
    here = set(ours)
    there = set(theirs)
    kept = [key for key in ours if key in there or key not in before]
    came = [key for key in theirs if key not in before and key not in here]
    if not _reordered(base, ours):
        wanted = set(kept) | set(came)
        at_vapi = [key for key in theirs if key in wanted]
        return [*at_vapi, *(key for key in kept if key not in there)]
    return [*kept, *came]


def _reordered(before: Sequence[Key], now: Sequence[Key]) -> bool:
    """Whether what stands in both stands in another order now, or something new stands between."""
    still = [key for key in before if key in set(now)]
    return list(now[: len(still)]) != still


def _once(keys: Sequence[Key]) -> list[Key]:
    return list(dict.fromkeys(keys))


# Of these, two of one type are the same where they are equal.
_ALIKE = frozenset({str, int, float, bool, type(None)})


def same(one: Any, other: Any) -> bool:
    """Equal as JSON is: 1 and 1.0 are one number, true is none, and the order of keys counts for nobody."""
    kind = type(one)
    if kind is type(other) and kind in _ALIKE:
        return bool(one == other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)

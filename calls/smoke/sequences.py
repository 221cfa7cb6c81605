"""The tools of two calls laid beside each other: what is the same, and the least that must be changed. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class ToolStep:
    """One tool that was called. ``at_ms`` is when, on the clock of the call; ``status`` in the ledger's words."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    at_ms: int | None = None
    status: str = ""

    @property
    def arguments_text(self) -> str:
        """The arguments as compact JSON; empty where there are none."""
        return json.dumps(dict(self.arguments), ensure_ascii=False, default=str) if self.arguments else ""

    def to_json(self) -> dict[str, Any]:
        """The step as JSON-ready values."""
        return {**asdict(self), "arguments": dict(self.arguments)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ToolStep":
        """The step behind its JSON. Raises TypeError for a shape that no release ever wrote."""
        return cls(**stored)


class Op(StrEnum):
    """What a part of an edit script does to the reference's sequence."""

    SAME = "same"
    DELETED = "deleted"
    INSERTED = "inserted"
    SUBSTITUTED = "substituted"
    SWAPPED = "swapped"  # two neighbours in each other's place
    MOVED = "moved"  # one tool, somewhere else


@dataclass(frozen=True, slots=True)
class Edit:
    """One part of an edit script; the numbers are places in the reference's sequence and in ours, from 0."""

    op: Op
    theirs: tuple[int, ...] = ()
    ours: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The edit as JSON-ready values."""
        return {"op": self.op.value, "theirs": list(self.theirs), "ours": list(self.ours)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Edit":
        """The edit behind its JSON. Raises KeyError and ValueError for a shape that no release ever wrote."""
        return cls(Op(stored["op"]), tuple(stored["theirs"]), tuple(stored["ours"]))


def edit_script(theirs: Sequence[str], ours: Sequence[str]) -> list[Edit]:
    """How the reference's names become ours, with as few edits as possible; the same input always gives the same script.

    What is missing in one place and too much in another is told as one move. Every place of both sequences stands in
    exactly one edit.
    """
    return _with_moves(_aligned(theirs, ours), theirs, ours)


def distance(edits: Sequence[Edit]) -> int:
    """How many edits change anything."""
    return sum(edit.op is not Op.SAME for edit in edits)


def _aligned(theirs: Sequence[str], ours: Sequence[str]) -> list[Edit]:
    """The cheapest script without moves: the Damerau-Levenshtein distance of neighbours, walked back from the end."""
    costs = _costs(theirs, ours)
    edits: list[Edit] = []
    i, j = len(theirs), len(ours)
    while i or j:
        cost = costs[i][j]
        # The order of these decides between scripts of equal cost: of the same tool twice, the later one is too much.
        if j and cost == costs[i][j - 1] + 1:
            edits.append(Edit(Op.INSERTED, (), (j - 1,)))
            j -= 1
        elif i and cost == costs[i - 1][j] + 1:
            edits.append(Edit(Op.DELETED, (i - 1,)))
            i -= 1
        elif theirs[i - 1] == ours[j - 1] and cost == costs[i - 1][j - 1]:
            edits.append(Edit(Op.SAME, (i - 1,), (j - 1,)))
            i, j = i - 1, j - 1
        elif _swaps(theirs, ours, i, j) and cost == costs[i - 2][j - 2] + 1:
            edits.append(Edit(Op.SWAPPED, (i - 2, i - 1), (j - 2, j - 1)))
            i, j = i - 2, j - 2
        else:
            edits.append(Edit(Op.SUBSTITUTED, (i - 1,), (j - 1,)))
            i, j = i - 1, j - 1
    return edits[::-1]


def _costs(theirs: Sequence[str], ours: Sequence[str]) -> list[list[int]]:
    costs = [[i + j if not i or not j else 0 for j in range(len(ours) + 1)] for i in range(len(theirs) + 1)]
    for i in range(1, len(theirs) + 1):
        for j in range(1, len(ours) + 1):
            best = min(
                costs[i - 1][j] + 1,
                costs[i][j - 1] + 1,
                costs[i - 1][j - 1] + (theirs[i - 1] != ours[j - 1]),
            )
            if _swaps(theirs, ours, i, j):
                best = min(best, costs[i - 2][j - 2] + 1)
            costs[i][j] = best
    return costs


def _swaps(theirs: Sequence[str], ours: Sequence[str], i: int, j: int) -> bool:
    """Whether the two names before these places stand crosswise."""
    return (
        i > 1
        and j > 1
        and theirs[i - 1] == ours[j - 2]
        and theirs[i - 2] == ours[j - 1]
        and theirs[i - 1] != theirs[i - 2]
    )


def _with_moves(edits: list[Edit], theirs: Sequence[str], ours: Sequence[str]) -> list[Edit]:
    """The script with what is missing in one place and too much in another told as one move."""
    lost = [one.theirs[0] for one in edits if one.op in (Op.DELETED, Op.SUBSTITUTED)]
    found = [one.ours[0] for one in edits if one.op in (Op.INSERTED, Op.SUBSTITUTED)]
    moved: dict[int, int] = {}
    for i in lost:
        j = next((j for j in found if ours[j] == theirs[i] and j not in moved.values()), None)
        if j is not None:
            moved[i] = j
    told: list[Edit] = []
    for edit in edits:
        if edit.op not in (Op.DELETED, Op.INSERTED, Op.SUBSTITUTED):
            told.append(edit)
            continue
        left = tuple(i for i in edit.theirs if i not in moved)
        right = tuple(j for j in edit.ours if j not in moved.values())
        told += [Edit(Op.MOVED, (i,), (moved[i],)) for i in edit.theirs if i in moved]
        if left and right:
            told.append(Edit(Op.SUBSTITUTED, left, right))
        elif left:
            told.append(Edit(Op.DELETED, left))
        elif right:
            told.append(Edit(Op.INSERTED, (), right))
    return told

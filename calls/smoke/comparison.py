"""One pair compared: what Vapi called, what we called, and what became of the difference. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from calls.smoke.causes import Cause, Evidence, causes_of
from calls.smoke.orders import Orders, lawful
from calls.smoke.sequences import Edit, ToolStep, edit_script

PairOutcome = Literal["same", "reordered", "drifted", "errored"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a pair shows. ``strictly_same`` takes no declared order into account."""

    outcome: PairOutcome
    strictly_same: bool
    edits: tuple[Edit, ...] = ()
    causes: tuple[Cause, ...] = ()
    why: str = ""


def compare(
    theirs: Sequence[ToolStep],
    ours: Sequence[ToolStep],
    *,
    orders: Orders,
    evidence: Evidence,
    unanswered: Sequence[str] = (),
) -> Comparison:
    """The comparison of two sequences of tools.

    ``unanswered`` names those of our calls for which the scenario had no answer. What came after is no evidence, so the
    pair broke; but a tool that was called more often than at Vapi is a difference whatever came after.
    """
    expected, called = [step.name for step in theirs], [step.name for step in ours]
    edits = tuple(edit_script(expected, called))
    causes = tuple(causes_of(theirs, ours, edits, evidence))
    same = expected == called
    extra = any(Counter(called)[name] > Counter(expected)[name] for name in unanswered)
    if unanswered and (not extra or lawful(expected, called, orders)):
        why = (
            f"The scenario has no answer for the way in which {unanswered[0]} was called. Add one to the scenario, or let "
            "one of its answers fit any arguments."
        )
        return Comparison("errored", same, edits, causes, why)
    if same:
        return Comparison("same", strictly_same=True, edits=edits, causes=causes)
    if lawful(expected, called, orders):
        return Comparison("reordered", strictly_same=False, edits=edits, causes=causes)
    return Comparison("drifted", strictly_same=False, edits=edits, causes=causes)

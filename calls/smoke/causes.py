"""Why two sequences of tools differ: one cause for each difference, with the words that prove it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from calls.smoke.claims import claim_of
from calls.smoke.sequences import TIMED_OUT, Edit, Op, ToolStep

# The ledger's words for a tool call of which no answer came.
_NO_ANSWER: Final = frozenset({TIMED_OUT})


class Kind(StrEnum):
    """What became of a tool."""

    SKIPPED = "skipped"
    SAID_INSTEAD = "said_instead"
    EXTRA = "extra"
    SWAPPED = "swapped"
    TIMED_OUT = "timed_out"
    ARGUMENTS = "arguments"  # told beside, never counted as drift


TITLES: Final[dict[Kind, str]] = {
    Kind.SKIPPED: "Skipped",
    Kind.SAID_INSTEAD: "Said instead of called",
    Kind.EXTRA: "Extra",
    Kind.SWAPPED: "In another order",
    Kind.TIMED_OUT: "Timed out",
    Kind.ARGUMENTS: "Other arguments",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One difference explained. ``evidence`` quotes the assistant, or names the arguments that differ."""

    kind: Kind
    tool: str
    other: str = ""  # the tool that it changed places with, or that timed out before
    evidence: str = ""

    @property
    def counted(self) -> bool:
        """Whether it is drift: changed arguments are not."""
        return self.kind is not Kind.ARGUMENTS

    @property
    def sentence(self) -> str:
        """The difference in one sentence."""
        match self.kind:
            case Kind.SKIPPED:
                return f"{self.tool} was not called."
            case Kind.SAID_INSTEAD:
                return f"{self.tool} was not called; the assistant only said “{self.evidence}”"
            case Kind.EXTRA:
                return f"{self.tool} was called, and Vapi did not call it there."
            case Kind.SWAPPED if self.other:
                return f"{self.tool} and {self.other} were called in the opposite order."
            case Kind.SWAPPED:
                return f"{self.tool} was called at another point of the conversation."
            case Kind.TIMED_OUT if self.other == self.tool:
                return f"{self.tool} timed out, and the calls went different ways."
            case Kind.TIMED_OUT:
                return f"{self.tool} differs because {self.other} had timed out before it."
            case Kind.ARGUMENTS:
                return f"{self.tool} was called with other arguments: {self.evidence}."

    def to_json(self) -> dict[str, Any]:
        """The cause as JSON-ready values."""
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Cause":
        """The cause behind its JSON. Raises TypeError and ValueError for a shape that no release ever wrote."""
        return cls(**{**stored, "kind": Kind(stored["kind"])})


@dataclass(frozen=True, slots=True)
class Said:
    """Words of our assistant, and when they began on the clock of the call."""

    text: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What causes are read from besides the sequences: our assistant's words, and what else counts as a claim."""

    said: Sequence[Said] = ()
    claims: Mapping[str, Sequence[str]] = field(default_factory=dict)


def causes_of(
    theirs: Sequence[ToolStep], ours: Sequence[ToolStep], edits: Sequence[Edit], evidence: Evidence
) -> list[Cause]:
    """A cause for every difference in the script, in its order, then one for each step with other arguments."""
    found: list[Cause] = []
    timed_out = ""
    since_ms = 0  # when the last step ended that is the same in both
    for edit in edits:
        late = next((ours[j] for j in edit.ours if _newly_timed_out(ours[j], theirs, edit)), None)
        if edit.op is not Op.SAME:
            if late is not None or timed_out:
                other = late.name if late is not None else timed_out
                found += [Cause(Kind.TIMED_OUT, name, other) for name in _names(theirs, ours, edit)]
            else:
                found += _plain(theirs, ours, edit, evidence, since_ms)
        if late is not None:
            timed_out = late.name
        if edit.op is Op.SAME:
            since_ms = ours[edit.ours[0]].at_ms or since_ms
    return found + _arguments(theirs, ours, edits)


def _newly_timed_out(step: ToolStep, theirs: Sequence[ToolStep], edit: Edit) -> bool:
    """Whether our step timed out and the reference's did not."""
    return step.status in _NO_ANSWER and all(theirs[i].status not in _NO_ANSWER for i in edit.theirs)


def _names(theirs: Sequence[ToolStep], ours: Sequence[ToolStep], edit: Edit) -> list[str]:
    names = [theirs[i].name for i in edit.theirs] + [ours[j].name for j in edit.ours]
    return list(dict.fromkeys(names))


def _plain(
    theirs: Sequence[ToolStep], ours: Sequence[ToolStep], edit: Edit, evidence: Evidence, since_ms: int
) -> list[Cause]:
    """The causes of one difference that no time-out explains."""
    match edit.op:
        case Op.SWAPPED:
            first, second = (theirs[i].name for i in edit.theirs)
            return [Cause(Kind.SWAPPED, second, first)]
        case Op.MOVED:
            return [Cause(Kind.SWAPPED, theirs[edit.theirs[0]].name)]
        case _:
            missing = [_missing(theirs[i].name, evidence, since_ms) for i in edit.theirs]
            return missing + [Cause(Kind.EXTRA, ours[j].name) for j in edit.ours]


def _missing(name: str, evidence: Evidence, since_ms: int) -> Cause:
    said = [one.text for one in evidence.said if one.at_ms >= since_ms]
    claim = claim_of(said, tool=name, phrases=evidence.claims.get(name, ()))
    return Cause(Kind.SAID_INSTEAD, name, evidence=claim) if claim else Cause(Kind.SKIPPED, name)


def _arguments(theirs: Sequence[ToolStep], ours: Sequence[ToolStep], edits: Sequence[Edit]) -> list[Cause]:
    """The steps that both sides made with other arguments."""
    pairs = [(edit.theirs[0], edit.ours[0]) for edit in edits if edit.op in (Op.SAME, Op.MOVED)]
    crosswise = [edit for edit in edits if edit.op is Op.SWAPPED]
    pairs += [(edit.theirs[k], edit.ours[1 - k]) for edit in crosswise for k in (0, 1)]
    return [
        Cause(Kind.ARGUMENTS, theirs[i].name, evidence=differing)
        for i, j in sorted(pairs)
        if (differing := arguments_differ(theirs[i].arguments, ours[j].arguments))
    ]


def arguments_differ(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """The names of the arguments that differ, in words; empty where none does. Spelling of plain values is no difference."""
    names = [
        name
        for name in sorted({*theirs, *ours})
        if _plain_value(theirs.get(name)) != _plain_value(ours.get(name))
    ]
    return ", ".join(names)


def _plain_value(value: Any) -> Any:
    """The value as compared: 2 and "2" are one, case and outer blanks do not matter, and neither does an empty one."""
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float | str):
        return " ".join(str(value).casefold().split())
    if isinstance(value, Mapping):
        plain = {key: _plain_value(one) for key, one in value.items()}
        return {key: one for key, one in plain.items() if one is not None} or None
    if isinstance(value, Sequence):
        return [_plain_value(one) for one in value]
    return value

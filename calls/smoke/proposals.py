"""What the prompt should say so that the drift goes away: a rule for each tool that differs, and taking them into the draft."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from assistants.linting.guardrails import ENDING, HEADING, guardrails, with_guardrails
from assistants.linting.page import lint_subject
from assistants.linting.subject import LintSubject
from assistants.models import Assistant
from assistants.services import instructions_replace
from assistants.snapshots import Snapshot, snapshot_take
from calls.smoke.causes import Cause, Kind

# The rules on every tool at all, which guardrails() adds at its end.
_GENERAL = 2


@dataclass(frozen=True, slots=True)
class Proposal:
    """One rule for the prompt, and what it is against."""

    kind: Kind
    tool: str
    pairs: int
    text: str


def proposals(causes: Iterable[Iterable[Cause]], snapshot: Snapshot) -> list[Proposal]:
    """The rules that would be against these causes, one list of causes for each pair; the most frequent cause first.

    Tools are named as the model knows them. What no prompt can mend, such as a server that is slow, has no rule.
    """
    counted: dict[tuple[Kind, str, str], int] = {}
    for one in causes:
        for key in {(cause.kind, cause.tool, cause.other) for cause in one if cause.counted}:
            counted[key] = counted.get(key, 0) + 1
    subject = lint_subject(snapshot)
    names = {tool.name_on_the_wire: tool.name for tool in snapshot.tools}
    found: dict[str, Proposal] = {}
    for (kind, tool, other), n in sorted(counted.items(), key=lambda one: (-one[1], one[0])):
        for text in _texts(kind, names.get(tool, tool), names.get(other, other), subject):
            known = found.get(text)
            found[text] = replace(known, pairs=known.pairs + n) if known else Proposal(kind, tool, n, text)
    return list(found.values())


def _texts(kind: Kind, tool: str, other: str, subject: LintSubject) -> list[str]:
    match kind:
        case Kind.SKIPPED:
            return _rules_of(tool, subject) or [f"Call {tool} whenever what you say depends on it."]
        case Kind.SAID_INSTEAD:
            told = f"Never say that something is done unless {tool} has answered and says so: call it first, then speak."
            return [*_rules_of(tool, subject), told]
        case Kind.EXTRA:
            return [
                f"Call {tool} only when the caller has asked for what it does, and not a second time for the same."
            ]
        case Kind.SWAPPED if other:
            return [f"Always call {other} before {tool}, and wait for its answer."]
        case Kind.SWAPPED:
            return [
                f"Call {tool} at the point of the conversation that your instructions name, not earlier and not later."
            ]
        case Kind.TIMED_OUT | Kind.ARGUMENTS:
            return []


def _rules_of(tool: str, subject: LintSubject) -> list[str]:
    """The usual rules on when to call this one tool."""
    only = replace(subject, tools=tuple(one for one in subject.tools if one.name == tool))
    return _lines(guardrails(only))[:-_GENERAL]


def _lines(block: str) -> list[str]:
    return [line.removeprefix("- ") for line in block.splitlines() if line.startswith("- ")]


def instructions_with(assistant: Assistant, rules: Sequence[str]) -> str:
    """The draft's prompt with the rules for all its tools and these at its end, in place of older ones."""
    subject = lint_subject(snapshot_take(assistant))
    lines = list(dict.fromkeys([*rules, *_lines(guardrails(subject))]))
    block = "\n".join([HEADING, *(f"- {line}" for line in lines), ENDING])
    return with_guardrails(subject.instructions, block)


def proposals_take(*, assistant: Assistant, rules: Sequence[str], reviewed: str) -> bool:
    """Put the rules into the prompt of the draft. False where it has them already.

    Raises ValidationError when the draft is no longer the one that was looked at, whose fingerprint is ``reviewed``.
    """
    return instructions_replace(
        assistant=assistant,
        reviewed=reviewed,
        by=lambda draft: instructions_with(draft, rules),
        then="take the rules",
    )

"""What the doctor found: one finding for each check, and the whole of them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How a check ended. A warning may wait; a failure costs calls."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do about it; ``facts`` are figures for scripts."""

    verdict: Verdict
    found: str
    what_to_do: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One check of a report."""

    name: str
    title: str
    verdict: Verdict
    found: str
    what_to_do: str
    took_ms: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The line as plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "verdict": str(self.verdict),
            "found": self.found,
            "what_to_do": self.what_to_do,
            "took_ms": self.took_ms,
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Line":
        """The line behind plain values. What an older release did not write is empty."""
        return cls(
            name=str(stored.get("name", "")),
            title=str(stored.get("title", "")),
            verdict=_verdict(stored.get("verdict")),
            found=str(stored.get("found", "")),
            what_to_do=str(stored.get("what_to_do", "")),
            took_ms=int(stored.get("took_ms") or 0),
            facts=stored.get("facts") or {},
        )


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one examination, in the order in which people read them."""

    at: datetime
    lines: tuple[Line, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed. Warnings do not count."""
        return not self.failed

    @property
    def failed(self) -> tuple[Line, ...]:
        """The lines that cost calls."""
        return tuple(line for line in self.lines if line.verdict is Verdict.FAILED)

    @property
    def warnings(self) -> tuple[Line, ...]:
        """The lines that may wait."""
        return tuple(line for line in self.lines if line.verdict is Verdict.WARNING)

    def summary(self) -> str:
        """The report in one sentence."""
        return summary(self.lines)


def summary(lines: Iterable[Line]) -> str:
    """How many checks ended how, in one sentence."""
    every = list(lines)
    counts = {verdict: sum(line.verdict is verdict for line in every) for verdict in Verdict}
    if counts[Verdict.FAILED]:
        words = f"{counts[Verdict.FAILED]} of {len(every)} checks failed"
    else:
        words = f"Nothing failed in {len(every)} checks"
    warnings = counts[Verdict.WARNING]
    return f"{words}, {warnings} warning{'' if warnings == 1 else 's'}." if warnings else f"{words}."


def ok(found: str, **facts: Any) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, found, facts=facts)


def warning(found: str, what_to_do: str, **facts: Any) -> Finding:
    """Something that may wait, but not for ever."""
    return Finding(Verdict.WARNING, found, what_to_do, facts)


def failed(found: str, what_to_do: str, **facts: Any) -> Finding:
    """Something that costs calls."""
    return Finding(Verdict.FAILED, found, what_to_do, facts)


def skipped(found: str, what_to_do: str = "") -> Finding:
    """Something that cannot be looked at here, and why."""
    return Finding(Verdict.SKIPPED, found, what_to_do)


def worst(findings: Iterable[Finding], *, all_well: str) -> Finding:
    """Several findings of one check as one: the worst verdict, everything that is not well, each with what to do."""
    every = list(findings)
    bad = [one for one in every if one.verdict in (Verdict.FAILED, Verdict.WARNING)]
    facts: dict[str, Any] = {}
    for one in every:
        facts.update(one.facts)
    if not bad:
        return Finding(Verdict.OK, all_well, facts=facts)
    verdict = Verdict.FAILED if any(one.verdict is Verdict.FAILED for one in bad) else Verdict.WARNING
    advice = list(dict.fromkeys(one.what_to_do for one in bad if one.what_to_do))
    return Finding(verdict, " ".join(one.found for one in bad), " ".join(advice), facts)


def _verdict(stored: object) -> Verdict:
    try:
        return Verdict(str(stored))
    except ValueError:
        return Verdict.SKIPPED

"""What an import did, object by object: for its page, for the command and for scripts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from assistants.models import ImportFinding, VapiObject
from assistants.vapi.drafts import Verdict

Action = Literal["created", "updated", "unchanged", "recreated"]


@dataclass(frozen=True, slots=True)
class Written:
    """What an import did with one object. ``changed`` names our settings; ``target`` is the id of our row, if any."""

    kind: str
    key: str
    name: str
    action: Action
    row: VapiObject
    target: str = ""
    changed: tuple[str, ...] = ()
    findings: tuple[ImportFinding, ...] = field(default=(), repr=False)

    @property
    def open_n(self) -> int:
        """How many decisions wait."""
        return sum(one.verdict == Verdict.DECISION and one.settled_at is None for one in self.findings)


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did, object by object, in the order of writing."""

    objects: tuple[Written, ...] = ()

    @property
    def open_n(self) -> int:
        """How many decisions wait in all."""
        return sum(written.open_n for written in self.objects)

    def counts(self) -> dict[str, int]:
        """How many leaves had each verdict."""
        return _counts(finding for written in self.objects for finding in written.findings)

    def to_json(self, *, with_findings: bool = False) -> dict[str, Any]:
        """The summary as it is stored with its run and printed for scripts."""
        return {
            "counts": self.counts(),
            "open": self.open_n,
            "objects": [_object_json(written, with_findings=with_findings) for written in self.objects],
        }


def _object_json(written: Written, *, with_findings: bool) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "kind": written.kind,
        "key": written.key,
        "name": written.name,
        "action": written.action,
        "row": written.row.pk,
        "target": written.target,
        "changed": list(written.changed),
        "counts": _counts(written.findings),
        "open": written.open_n,
    }
    if with_findings:
        shape["findings"] = [finding_json(finding) for finding in written.findings]
    return shape


def _counts(findings: Iterable[ImportFinding]) -> dict[str, int]:
    found = Counter(str(finding.verdict) for finding in findings)
    return {str(verdict): found[str(verdict)] for verdict in Verdict}


def finding_json(finding: ImportFinding) -> dict[str, Any]:
    """A finding for scripts, and for the report of a run that wrote nothing."""
    return {
        "path": finding.path,
        "verdict": str(finding.verdict),
        "code": finding.code,
        "source": finding.source,
        "field": finding.field,
        "ours": finding.ours,
        "reason": finding.reason,
        "settled": finding.settled_at is not None,
    }

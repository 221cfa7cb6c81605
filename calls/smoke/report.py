"""A run as its readers want it: the verdict, the pairs, the causes by frequency, and the same as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from assistants.models import Assistant
from assistants.snapshots import snapshot_read
from calls.models import SmokePair, SmokeRun
from calls.smoke.causes import TITLES, Cause, Kind
from calls.smoke.judging import run_verdict
from calls.smoke.proposals import Proposal, proposals
from calls.smoke.runs import minutes_spent
from calls.smoke.sequences import Edit, Op, ToolStep
from tools.adminkit import Tone

_DRAWN: Final = 400.0  # percent of the width for a rate of 1
FORMAT: Final = "tandem-smoke-test/1"
_ORDER: Final[dict[str, int]] = {
    SmokePair.Outcome.DRIFTED: 0,
    SmokePair.Outcome.ERRORED: 1,
    SmokePair.Outcome.REORDERED: 2,
    SmokePair.Outcome.SAME: 3,
}
TONES: Final[dict[str, Tone]] = {
    "pass": "good",
    "fail": "bad",
    "inconclusive": "warn",
    "errored": "warn",
    "same": "good",
    "reordered": "info",
    "drifted": "bad",
}
_OPS: Final = {
    Op.SAME: "",
    Op.DELETED: "missing",
    Op.INSERTED: "extra",
    Op.SUBSTITUTED: "another tool",
    Op.SWAPPED: "swapped",
    Op.MOVED: "moved",
}


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One line of two sequences side by side; a side without a tool there is None."""

    op: Op
    theirs: ToolStep | None
    ours: ToolStep | None

    @property
    def label(self) -> str:
        """What differs, in a word; empty where nothing does."""
        return _OPS[self.op]


@dataclass(frozen=True, slots=True)
class PairView:
    """One pair, read from its row; whatever odd thing stands there, it can be shown."""

    row: SmokePair
    causes: tuple[Cause, ...]
    theirs: tuple[ToolStep, ...]
    ours: tuple[ToolStep, ...]
    edits: tuple[Edit, ...]
    odd: bool = False

    @property
    def tone(self) -> Tone:
        """The colour of its outcome."""
        return TONES.get(self.row.outcome, "plain")

    @property
    def sentences(self) -> list[str]:
        """Why it is as it is, each cause in one sentence."""
        return [cause.sentence for cause in self.causes]

    @property
    def diff(self) -> list[DiffRow]:
        """Both sequences side by side."""
        rows: list[DiffRow] = []
        for edit in self.edits:
            left = [self.theirs[i] for i in edit.theirs if i < len(self.theirs)]
            right = [self.ours[j] for j in edit.ours if j < len(self.ours)]
            for n in range(max(len(left), len(right))):
                rows.append(  # noqa: PERF401  # two lists of different length
                    DiffRow(edit.op, left[n] if n < len(left) else None, right[n] if n < len(right) else None)
                )
        return rows

    def to_json(self) -> dict[str, Any]:
        """The pair as JSON-ready values."""
        row = self.row
        return {
            "position": row.position,
            "scenario": row.title,
            "scenario_version": row.scenario_version.number if row.scenario_version else None,
            "outcome": row.outcome or row.status,
            "strictly_same": row.strictly_same,
            "why": row.why,
            "vapi_call_id": str(row.reference_id) if row.reference_id else None,
            "call_id": str(row.call_id) if row.call_id else None,
            "expected": [step.to_json() for step in self.theirs],
            "called": [step.to_json() for step in self.ours],
            "edits": [edit.to_json() for edit in self.edits],
            "causes": [{**cause.to_json(), "sentence": cause.sentence} for cause in self.causes],
            "seconds": row.seconds,
            "latency_ms": row.latency_ms,
            "vapi_latency_ms": row.reference_latency_ms,
            "vapi_usd": float(row.reference_usd) if row.reference_usd is not None else None,
        }


@dataclass(frozen=True, slots=True)
class CauseCount:
    """How many pairs have one cause, and an example of each tool in a sentence."""

    kind: Kind
    pairs: int
    tools: list[tuple[str, int]]
    example: str

    @property
    def title(self) -> str:
        """The cause in words."""
        return TITLES[self.kind]


@dataclass(frozen=True, slots=True)
class Report:
    """All that a page, an export or a terminal shows of a run."""

    run: SmokeRun
    verdict: Mapping[str, Any]
    pairs: list[PairView]
    causes: list[CauseCount]
    proposals: list[Proposal]
    theirs_usd: Decimal | None
    minutes: float
    estimated_usd: Decimal | None

    @property
    def tone(self) -> Tone:
        """The colour of the verdict."""
        return TONES.get(str(self.verdict.get("outcome", "")), "plain")

    def to_json(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        run = self.run
        return {
            "format": FORMAT,
            "run": {
                "id": str(run.id),
                "number": run.did,
                "assistant": run.assistant.name,
                "version": run.assistant_version.number if run.assistant_version else None,
                "fingerprint": run.fingerprint,
                "purpose": run.purpose,
                "line": run.line,
                "simulated_model": run.simulated_model,
                "status": run.status,
                "stopped_because": run.stopped_because,
                "declared_orders": run.orders,
                "started_at": run.started_at.isoformat() if run.started_at else None,
                "finished_at": run.finished_at.isoformat() if run.finished_at else None,
            },
            "verdict": dict(self.verdict),
            "causes": [
                {"kind": one.kind.value, "pairs": one.pairs, "tools": dict(one.tools), "example": one.example}
                for one in self.causes
            ],
            "proposals": [
                {"kind": one.kind.value, "tool": one.tool, "pairs": one.pairs, "rule": one.text}
                for one in self.proposals
            ],
            "pairs": [pair.to_json() for pair in self.pairs],
        }


def report(run: SmokeRun) -> Report:
    """The report of a run, of what is compared so far where it is not done."""
    rows = run.pairs.select_related("scenario_version", "reference", "call")
    pairs = sorted(
        (pair_view(row) for row in rows), key=lambda one: (_ORDER.get(one.row.outcome, 4), one.row.position)
    )
    costs = [one.row.reference_usd for one in pairs if one.row.reference_usd is not None]
    minutes = minutes_spent(run)
    drifted = [one.causes for one in pairs if one.row.outcome == SmokePair.Outcome.DRIFTED]
    return Report(
        run=run,
        verdict=run.verdict or run_verdict(run).to_json(),
        pairs=pairs,
        causes=_cause_counts([one.causes for one in pairs if one.row.outcome != SmokePair.Outcome.ERRORED]),
        proposals=_proposals(run, drifted),
        theirs_usd=sum(costs, Decimal(0)) if costs else None,
        minutes=float(minutes),
        estimated_usd=minutes * run.usd_per_minute if run.usd_per_minute else None,
    )


def pair_view(row: SmokePair) -> PairView:
    """The pair of a row; one that no release ever wrote is shown without what cannot be read."""
    try:
        return PairView(
            row=row,
            causes=tuple(Cause.from_json(one) for one in row.causes),
            theirs=tuple(ToolStep.from_json(one) for one in row.expected),
            ours=tuple(ToolStep.from_json(one) for one in row.steps),
            edits=tuple(Edit.from_json(one) for one in row.edits),
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        return PairView(row, (), (), (), (), odd=True)


def _proposals(run: SmokeRun, causes: Sequence[Sequence[Cause]]) -> list[Proposal]:
    try:
        return proposals(causes, snapshot_read(run.snapshot))
    except (TypeError, AttributeError):
        return []


def _cause_counts(pairs: Iterable[Sequence[Cause]]) -> list[CauseCount]:
    counted: dict[Kind, dict[str, int]] = {}
    totals: dict[Kind, int] = {}
    examples: dict[Kind, str] = {}
    for causes in pairs:
        for kind in {cause.kind for cause in causes}:
            totals[kind] = totals.get(kind, 0) + 1
        for kind, tool in {(cause.kind, cause.tool) for cause in causes}:
            tools = counted.setdefault(kind, {})
            tools[tool] = tools.get(tool, 0) + 1
        for cause in causes:
            examples.setdefault(cause.kind, cause.sentence)
    return [
        CauseCount(kind, n, sorted(counted[kind].items(), key=lambda one: (-one[1], one[0])), examples[kind])
        for kind, n in sorted(totals.items(), key=lambda one: (one[0] is Kind.ARGUMENTS, -one[1], one[0]))
    ]


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One finished run of an assistant, for the line of its versions."""

    run: SmokeRun
    rate: float | None
    lower: float
    upper: float

    @property
    def tone(self) -> Tone:
        """The colour of its outcome."""
        return TONES.get(self.run.outcome, "plain")

    @property
    def left(self) -> float:
        """Where its interval begins, in percent of the width drawn, which is a rate of a quarter."""
        return round(min(97.0, self.lower * _DRAWN), 2)

    @property
    def width(self) -> float:
        """How wide its interval is; never so narrow that it could not be seen."""
        return round(max(3.0, min(100.0, self.upper * _DRAWN) - self.left), 2)

    @property
    def percent(self) -> str:
        """Its rate in words."""
        return "-" if self.rate is None else f"{self.rate * 100:.1f} %"

    @property
    def words(self) -> str:
        """Its interval in words."""
        return f"between {self.lower * 100:.1f} % and {self.upper * 100:.1f} %"


def trend(assistant: Assistant, *, limit: int = 20) -> list[TrendPoint]:
    """The assistant's finished smoke tests, the newest first."""
    runs = (
        SmokeRun.objects.filter(assistant=assistant, status=SmokeRun.Status.DONE)
        .select_related("assistant_version")
        .defer("snapshot")
        .order_by("-finished_at")[:limit]
    )
    return [
        TrendPoint(
            run, run.verdict.get("rate"), run.verdict.get("lower") or 0.0, run.verdict.get("upper") or 1.0
        )
        for run in runs
        if isinstance(run.verdict, dict)
    ]

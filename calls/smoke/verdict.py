"""The verdict of a smoke test: what its pairs prove, in figures and in one sentence. Pure.

Fail: the rate is over 5 %. Pass: the upper end of its 95 % interval is at most 5 %. Else inconclusive. Pairs that broke
are in no rate; too many of them, and there is no verdict but that. Where Vapi is shown to drift from itself, a failure
must be worse than that to be called one; a pass is never made easier.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from calls.smoke.causes import TITLES, Kind
from calls.smoke.statistics import LIMIT, Interval, clean_calls_needed, difference, wilson

Outcome = Literal["pass", "fail", "inconclusive", "errored"]

# A guess: with more than this share broken, those that remain are no fair sample.
MOST_ERRORED: Final = 0.1
# Fewer comparisons of Vapi with itself are no baseline. A guess, of the size at which one odd call is no rate yet.
FEWEST_BASELINE: Final = 10


@dataclass(frozen=True, slots=True)
class Counted:
    """So many of so many, and where the rate behind that lies."""

    hits: int
    n: int

    @property
    def rate(self) -> float | None:
        """The share, None of nothing."""
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        """Its 95 % interval."""
        return wilson(self.hits, self.n)


@dataclass(frozen=True, slots=True)
class PairResult:
    """What one pair adds to the verdict. ``outcome`` is that of the row: same, reordered, drifted, errored."""

    outcome: str
    strictly_same: bool
    causes: tuple[tuple[Kind, str], ...] = ()  # each with its tool
    latency_ms: int | None = None
    reference_latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run found."""

    outcome: Outcome
    counted: Counted
    strict: Counted
    errored: int
    reordered: int
    other_arguments: int
    baseline: Counted
    further: int | None
    causes: Mapping[str, int] = field(default_factory=dict)  # by kind, how many pairs
    tools: Mapping[str, int] = field(default_factory=dict)  # by tool, how many pairs
    latency_ms: int | None = None
    reference_latency_ms: int | None = None
    sentence: str = ""

    def to_json(self) -> dict[str, Any]:
        """The verdict as JSON-ready values, with the figures that follow from it."""
        interval, strict = self.counted.interval, self.strict.interval
        return {
            "outcome": self.outcome,
            "sentence": self.sentence,
            "compared": self.counted.n,
            "drifted": self.counted.hits,
            "rate": self.counted.rate,
            "lower": interval.lower,
            "upper": interval.upper,
            "strict": {
                **asdict(self.strict),
                "rate": self.strict.rate,
                "lower": strict.lower,
                "upper": strict.upper,
            },
            "baseline": {
                **asdict(self.baseline),
                "rate": self.baseline.rate,
                "lower": self.baseline.interval.lower,
                "upper": self.baseline.interval.upper,
            },
            "errored": self.errored,
            "reordered": self.reordered,
            "other_arguments": self.other_arguments,
            "further_clean_calls": self.further,
            "causes": dict(self.causes),
            "tools": dict(self.tools),
            "latency_ms": self.latency_ms,
            "reference_latency_ms": self.reference_latency_ms,
        }


def verdict_of(
    pairs: Sequence[PairResult], *, baseline: Counted = Counted(0, 0), reference: str = "Vapi"
) -> Verdict:
    """The verdict on these pairs; ``baseline`` counts how often Vapi's own calls of one scenario differ from each other.

    ``reference`` is what the calls were compared with, in a word.
    """
    compared = [pair for pair in pairs if pair.outcome != "errored"]
    errored = len(pairs) - len(compared)
    counted = Counted(sum(pair.outcome == "drifted" for pair in compared), len(compared))
    strict = Counted(sum(not pair.strictly_same for pair in compared), len(compared))
    outcome = _outcome(counted, errored, baseline)
    further = clean_calls_needed(counted.hits, counted.n) if outcome == "inconclusive" else None
    drifts = [
        {cause for cause in pair.causes if cause[0] is not Kind.ARGUMENTS}
        for pair in compared
        if pair.outcome == "drifted"
    ]
    found = Counter(cause for causes in drifts for cause in causes)
    causes = Counter(kind.value for causes in drifts for kind in {kind for kind, _ in causes})
    tools = Counter(tool for causes in drifts for tool in {tool for _, tool in causes})
    both = [
        (pair.latency_ms, pair.reference_latency_ms)
        for pair in compared
        if pair.latency_ms is not None and pair.reference_latency_ms is not None
    ]
    return Verdict(
        outcome=outcome,
        counted=counted,
        strict=strict,
        errored=errored,
        reordered=sum(pair.outcome == "reordered" for pair in compared),
        other_arguments=sum(Kind.ARGUMENTS in dict(pair.causes) for pair in compared),
        baseline=baseline,
        further=further,
        causes=dict(sorted(causes.items(), key=lambda one: (-one[1], one[0]))),
        tools=dict(sorted(tools.items(), key=lambda one: (-one[1], one[0]))),
        latency_ms=_median([ours for ours, _ in both]),
        reference_latency_ms=_median([theirs for _, theirs in both]),
        sentence=_sentence(outcome, counted, errored, len(pairs), baseline, further, found, reference),
    )


def is_noisy(baseline: Counted) -> bool:
    """Whether Vapi's own calls differ so often that a difference of ours may be Vapi's."""
    return baseline.n >= FEWEST_BASELINE and (baseline.rate or 0.0) > LIMIT


def _outcome(counted: Counted, errored: int, baseline: Counted) -> Outcome:
    total = counted.n + errored
    # What broke cannot save what differs too often even if all that broke had been the same.
    if not counted.n or (errored > MOST_ERRORED * total and counted.hits <= LIMIT * total):
        return "errored"
    rate = counted.rate or 0.0
    if rate > LIMIT:
        if is_noisy(baseline) and difference(counted.hits, counted.n, baseline.hits, baseline.n).lower <= 0:
            return "inconclusive"
        return "fail"
    return "pass" if counted.interval.upper <= LIMIT else "inconclusive"


def _sentence(
    outcome: Outcome,
    counted: Counted,
    errored: int,
    total: int,
    baseline: Counted,
    further: int | None,
    found: Counter[tuple[Kind, str]],
    reference: str,
) -> str:
    """The verdict in one sentence that somebody can act on."""
    if outcome == "errored":
        if not total:
            return "There was nothing to compare: write or draft a scenario first."
        return (
            f"No verdict: {errored} of {total} calls broke before they could be compared; read why at the first of them, "
            "put it right, and run the test again."
        )
    so_many = f"{counted.hits} of {counted.n} calls differ from {reference} ({_percent(counted.rate)})"
    if outcome == "pass":
        return f"Passed: {so_many}, and with 95 % confidence at most {_percent(counted.interval.upper)} do."
    if outcome == "fail":
        return f"Failed: {so_many}; {_what_to_fix(found)}"
    if (counted.rate or 0.0) > LIMIT:
        return (
            f"Inconclusive: {so_many}, but Vapi differs from itself in {baseline.hits} of {baseline.n} "
            f"({_percent(baseline.rate)}), so the difference may be Vapi's: declare which orders are lawful, or choose "
            "scenarios in which Vapi is steady."
        )
    more = (
        f"{further} further calls without a difference would make it pass"
        if further is not None
        else "no sensible number of further calls would decide it"
    )
    bound = f"it is only known to be below {_percent(counted.interval.upper)}"
    fix = f" To fix first: {_what_to_fix(found)}" if counted.hits else ""
    return f"Inconclusive: {so_many}, and {bound}; {more}.{fix}"


_FIXES: Final[dict[Kind, str]] = {
    Kind.SKIPPED: "the prompt must say when {tool} is to be called, for the new model skips it.",
    Kind.SAID_INSTEAD: "the prompt must say that {tool} is called before anything is said to be done.",
    Kind.EXTRA: "the prompt must say when {tool} is not to be called.",
    Kind.SWAPPED: "the prompt must say in which order {tool} is called, or declare the order lawful.",
    Kind.TIMED_OUT: "make {tool} answer in time, or raise its timeout.",
}


def _what_to_fix(found: Counter[tuple[Kind, str]]) -> str:
    """What to do about the most frequent cause."""
    if not found:
        return "look at the pairs below."
    kind, tool = min(found, key=lambda cause: (-found[cause], cause))
    return f"mostly {TITLES[kind].lower()}: {_FIXES[kind].format(tool=tool)}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"


def _median(values: Sequence[int]) -> int | None:
    if not values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else round((ordered[middle - 1] + ordered[middle]) / 2)

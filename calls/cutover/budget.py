"""The error budget of a number that was cut over: what the last calls burnt of it, and the one rollback by itself.

Looked at each minute, and after each call. It acts once per cutover; after that it says so and asks a person. Calls that
our assistant did not take do not count, and neither do those of a smoke test.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

from django.db.models import Q
from django.utils import timezone

from calls.cutover.states import WITH_US
from calls.models import STREAM_LOST, BudgetRule, BudgetTrip, Call, CallProblem, FallbackCall, PhoneNumber
from tools.models import ToolCall

logger = logging.getLogger(__name__)

ACTOR: Final = "budget"
# A stream begins within a second. A caller who has hung up by then has met nothing of ours.
STREAM_WITHIN: Final = timedelta(seconds=15)
# A rollback takes seconds; one that is still being tried then has died with its process.
TRYING_FOR: Final = timedelta(minutes=5)
IMPATIENT: Final = timedelta(seconds=3)
_TOOL_FAILED: Final = (ToolCall.Status.FAILED, ToolCall.Status.TIMED_OUT)
Kind = Literal["setup", "tools", "sound"]


# --- What was burnt (pure) ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """The budget: shares in percent over the last ``calls_n`` calls."""

    enabled: bool = True
    calls_n: int = 20
    least_calls_n: int = 5
    least_failures_n: int = 3
    setup_percent: int = 20
    tool_percent: int = 30
    sound_percent: int = 40
    sound_ms: int = 4000


@dataclass(frozen=True, slots=True)
class Sample:
    """One call: whether it was set up, and how its tools and its first sound went; None where it had none."""

    at: datetime
    set_up: bool
    tools_well: bool | None = None
    first_sound_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Burn:
    """One budget: so many of so many calls failed, and how many percent may."""

    kind: Kind
    failed: int
    of: int
    allowed_percent: int
    burnt: bool

    @property
    def percent(self) -> float:
        """The share that failed."""
        return 100 * self.failed / self.of if self.of else 0.0

    def words(self) -> str:
        """The budget in one sentence."""
        what = {
            "setup": "could not be set up, or broke off",
            "tools": "had a tool that failed",
            "sound": "had to wait too long for the first sound",
        }[self.kind]
        return (
            f"{self.failed} of {self.of} calls {what} ({self.percent:.0f} %; {self.allowed_percent} % may)."
        )


def burns(samples: Iterable[Sample], rule: Rule) -> tuple[Burn, ...]:
    """What the newest of these calls burnt of each budget. Never on one call, nor on fewer than the rule asks for."""
    last = sorted(samples, key=lambda one: one.at, reverse=True)[: rule.calls_n]
    tools = [one.tools_well for one in last if one.tools_well is not None]
    sounds = [one.first_sound_ms for one in last if one.first_sound_ms is not None]
    return (
        _burn("setup", [not one.set_up for one in last], rule.setup_percent, rule),
        _burn("tools", [not well for well in tools], rule.tool_percent, rule),
        _burn("sound", [ms > rule.sound_ms for ms in sounds], rule.sound_percent, rule),
    )


def _burn(kind: Kind, failures: Sequence[bool], allowed_percent: int, rule: Rule) -> Burn:
    failed, of = sum(failures), len(failures)
    enough = of >= rule.least_calls_n and failed >= max(2, rule.least_failures_n)
    return Burn(kind, failed, of, allowed_percent, enough and 100 * failed > allowed_percent * of)


# --- What happened --------------------------------------------------------------------------------------------


def rule_for(number: PhoneNumber) -> Rule:
    """The number's own rule, or that of all others, or the usual one."""
    rows = BudgetRule.objects.filter(Q(number=number) | Q(number=None))
    row = min(rows, key=lambda one: one.number_id is None, default=None)
    if row is None:
        return Rule()
    return Rule(
        enabled=row.enabled,
        calls_n=row.calls_n,
        least_calls_n=row.least_calls_n,
        least_failures_n=row.least_failures_n,
        setup_percent=row.setup_percent,
        tool_percent=row.tool_percent,
        sound_percent=row.sound_percent,
        sound_ms=row.sound_ms,
    )


def samples_of(number: PhoneNumber, *, since: datetime, most: int, now: datetime) -> list[Sample]:
    """The newest calls of a number that our stack took, or should have taken, since then."""
    calls = list(
        Call.objects.filter(
            phone_number=number,
            stack=Call.Stack.DIRECT,
            direction=Call.Direction.INBOUND,
            smoke_test=False,
            created_at__gte=since,
        )
        .order_by("-created_at")
        .only("id", "status", "created_at", "started_at", "ended_at", "ended_reason", "first_sound_ms")[:most]
    )
    ids = [call.id for call in calls]
    used = _tools_well([call.id for call in calls])
    unopened = set(
        CallProblem.objects.filter(call__in=ids, code="stream_error", benign=False).values_list(
            "call_id", flat=True
        )
    )
    samples = [
        Sample(
            call.created_at,
            set_up=set_up,
            tools_well=used.get(call.id),
            first_sound_ms=call.first_sound_ms,
        )
        for call in calls
        if (set_up := call_set_up(call, stream_error=call.id in unopened, now=now)) is not None
    ]
    missed = FallbackCall.objects.filter(number=number, at__gte=since).order_by("-at")[:most]
    return samples + [Sample(one.at, set_up=False) for one in missed if one.kind == FallbackCall.Kind.UNSEEN]


def call_set_up(call: Call, *, stream_error: bool, now: datetime) -> bool | None:
    """Whether a call was set up and did not break off by our fault; None while that is open, or for a caller who left at once."""
    if call.status == Call.Status.REFUSED:
        return False
    if "fault" in call.ended_reason or call.ended_reason in STREAM_LOST:
        return False
    if call.started_at is not None:
        return True
    if stream_error:
        return False
    until = call.ended_at or now
    if call.ended_at is not None:
        return None if until - call.created_at < IMPATIENT else False
    return False if until - call.created_at > STREAM_WITHIN else None


def _tools_well(call_ids: Sequence[Any]) -> dict[Any, bool]:
    """For each call that used tools whether all of them were answered."""
    well: dict[Any, bool] = {}
    rows = ToolCall.objects.filter(call_id__in=call_ids).exclude(
        status__in=[ToolCall.Status.REQUESTED, ToolCall.Status.SENT]
    )
    for call_id, status in rows.values_list("call_id", "status"):
        well[call_id] = well.get(call_id, True) and status not in _TOOL_FAILED
    return well


@dataclass(frozen=True, slots=True)
class BudgetState:
    """How a number's budget stands, for people: ``trip`` is what was done about it in this cutover."""

    rule: Rule
    burns: tuple[Burn, ...]
    trip: BudgetTrip | None

    @property
    def burnt(self) -> bool:
        """Whether more went wrong than may."""
        return any(one.burnt for one in self.burns)

    @property
    def asks(self) -> bool:
        """Whether a person has to decide."""
        return self.trip is not None and self.trip.seen_at is None


def budget_state(number: PhoneNumber, *, now: datetime | None = None) -> BudgetState:
    """How the number's budget stands in its present cutover; nothing is burnt where there is none."""
    now = now or timezone.now()
    rule = rule_for(number)
    latest = BudgetTrip.objects.filter(number=number).order_by("-at").first()
    if number.cut_over_at is None:
        return BudgetState(rule, burns([], rule), latest)
    samples = samples_of(number, since=number.cut_over_at, most=rule.calls_n, now=now)
    return BudgetState(rule, burns(samples, rule), latest)


# --- What is done ---------------------------------------------------------------------------------------------


class Outcome(Protocol):
    """What a rollback says of itself (`calls.cutover.services.Outcome`)."""

    @property
    def ok(self) -> bool:
        """Whether the number is back."""

    @property
    def message(self) -> str:
        """A sentence for people."""


RollBack = Callable[[PhoneNumber, str], Outcome]


def budget_check(
    number: PhoneNumber, *, roll_back: RollBack, now: datetime | None = None
) -> BudgetTrip | None:
    """Roll the number back when its budget is burnt, unless that was done in this cutover; the row about it, if it was now.

    ``roll_back`` gets the number and the reason. The row is written before: two checks at the same moment act once.
    """
    now = now or timezone.now()
    if number.state not in WITH_US or number.cut_over_at is None:
        return None
    state = budget_state(number, now=now)
    if not state.burnt or not state.rule.enabled:
        return None
    words = " ".join(one.words() for one in state.burns if one.burnt)
    trip, first = BudgetTrip.objects.get_or_create(
        number=number,
        cut_over_at=number.cut_over_at,
        defaults={
            "at": now,
            "words": words,
            "figures": {one.kind: asdict(one) for one in state.burns},
        },
    )
    if not first:
        _ask(trip, words, now)
        return None
    logger.error("error budget burnt; the number is rolled back", extra={"number_id": str(number.pk)})
    outcome = roll_back(number, f"Error budget burnt: {words}")
    trip.outcome = BudgetTrip.Outcome.ROLLED_BACK if outcome.ok else BudgetTrip.Outcome.ASKS
    trip.message = outcome.message
    trip.save(update_fields=["outcome", "message"])
    return trip


def _ask(trip: BudgetTrip, words: str, now: datetime) -> None:
    """The budget burns and the one rollback of this cutover is spent: from now on it is for a person."""
    message = "It burns again, and is not rolled back by itself a second time. Decide whether to roll back."
    spent = Q(outcome=BudgetTrip.Outcome.ROLLED_BACK)
    if trip.outcome == BudgetTrip.Outcome.TRYING:
        message = "Whoever rolled it back did not come to an end. Look at the number, and decide whether to roll back."
        spent = Q(outcome=BudgetTrip.Outcome.TRYING, at__lt=now - TRYING_FOR)
    BudgetTrip.objects.filter(spent, pk=trip.pk).update(
        outcome=BudgetTrip.Outcome.ASKS,
        message=message,
        words=words,
        seen_at=None,
        seen_by=None,
    )


def budgets_check(*, roll_back: RollBack, now: datetime | None = None) -> list[BudgetTrip]:
    """Check every number whose calls come to us; for the beat. Returns what was tripped now."""
    numbers = PhoneNumber.objects.filter(state__in=WITH_US, cut_over_at__isnull=False)
    found = [budget_check(number, roll_back=roll_back, now=now) for number in numbers.iterator()]
    return [one for one in found if one is not None]


def trips_open(*, number: PhoneNumber | None = None) -> list[BudgetTrip]:
    """What was tripped and nobody has looked at since, newest first."""
    rows = BudgetTrip.objects.filter(seen_at=None).select_related("number")
    return list(rows.filter(number=number) if number else rows)

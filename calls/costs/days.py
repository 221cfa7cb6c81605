"""What calls cost on each day, for the page of costs: summed up once, and remembered until something about the day has changed.

Unlike the figures that are kept for reports (``calls.reporting.keeping``) smoke tests are in these, and what calls that run have
cost so far: so they are summed up from the costs of calls themselves, but for the lines of days that are kept. Both count a call
for the same day (calls.models.counting).
"""

import logging
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import orjson
import redis
from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Q, Sum

from calls.models import Call, CallCost, CostLine
from calls.models.counting import COUNTS_ON
from calls.reporting.keeping import costs_believed
from tools import shared_state

logger = logging.getLogger(__name__)

_GOOD_FOR_S: Final = 40 * 86_400
# Of what is remembered; another one is not understood.
_FORM: Final = "1"


@dataclass(frozen=True, slots=True)
class Sums:
    """Calls of ours of one day, or of one assistant. ``unknown_n`` lines have no amount."""

    calls_n: int
    minutes: Decimal
    usd: Decimal
    unknown_n: int

    @property
    def usd_per_minute(self) -> Decimal | None:
        """What a minute cost; None without any."""
        return self.usd / self.minutes if self.minutes else None

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.calls_n + other.calls_n,
            self.minutes + other.minutes,
            self.usd + other.usd,
            self.unknown_n + other.unknown_n,
        )


NOTHING: Final = Sums(0, Decimal(0), Decimal(0), 0)
# Provider, kind and item of a line.
Thing = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class DayFigures:
    """A day: by assistant, and what the money was for, with how many lines of it have no amount."""

    assistants: Mapping[uuid.UUID | None, Sums]
    things: Mapping[Thing, tuple[Decimal, int]]


def days_figures(since: date, until: date) -> dict[date, DayFigures]:
    """The figures of every day that has any. Only of days that have changed since somebody asked are the calls read."""
    marks = _marks(since, until)
    found = _remembered(marks)
    missing = marks.keys() - found.keys()
    if missing:
        reckoned = _reckoned(missing)
        _remember({day: (marks[day], figures) for day, figures in reckoned.items()})
        found |= reckoned
    return found


def _marks(since: date, until: date) -> dict[date, str]:
    """A text for each day that differs once a call of it has other costs: written anew, used more, come or gone."""
    rows = (
        CallCost.objects.filter(day__gte=since, day__lte=until)
        .order_by()
        .values_list("day")
        .annotate(n=Count("pk"), at=Max("priced_at"), usd=Sum("total_usd"), unknown=Sum("unpriced_n"))
    )
    return {day: f"{_FORM} {n} {at} {usd} {unknown}" for day, n, at, usd, unknown in rows}


def _reckoned(days: Collection[date]) -> dict[date, DayFigures]:
    by_assistant: dict[date, dict[uuid.UUID | None, Sums]] = {day: {} for day in days}
    by_thing: dict[date, dict[Thing, tuple[Decimal, int]]] = {day: {} for day in days}
    lasted = ExpressionWrapper(F("call__ended_at") - F("call__started_at"), output_field=DurationField())
    costs = (
        CallCost.objects.filter(day__in=days)
        .order_by()
        .values_list("day", "assistant")
        .annotate(n=Count("pk"), lasted=Sum(lasted), usd=Sum("total_usd"), unknown=Sum("unpriced_n"))
    )
    for day, assistant_id, n, length, usd, unknown in costs:
        seconds = length.total_seconds() if length is not None else 0
        by_assistant[day][assistant_id] = Sums(n, Decimal(str(seconds)) / 60, usd, unknown)
    for day, thing, usd, unknown in _things(days):
        known_usd, known_unknown = by_thing[day].get(thing, (Decimal(0), 0))
        by_thing[day][thing] = (known_usd + usd, known_unknown + unknown)
    return {day: DayFigures(by_assistant[day], by_thing[day]) for day in days}


def _things(days: Collection[date]) -> Iterator[tuple[date, Thing, Decimal, int]]:
    """What the money of these days was for, in parts that are to be added up.

    Of a day whose figures are kept for reports they are taken from there, with the lines of its smoke tests, which are not in
    them; else every line of the day is read.
    """
    kept = (
        costs_believed()
        .filter(day__in=days, stack=Call.Stack.DIRECT)
        .order_by()
        .values_list("day", "provider", "kind", "item")
        .annotate(sum_usd=Sum("usd"), sum_unknown=Sum("unknown_n"))
    )
    believed = set()
    for day, provider, kind, item, usd, unknown in kept:
        believed.add(day)
        yield day, (provider, kind, item), usd, unknown
    smoke = Call.objects.alias(counts_on=COUNTS_ON).filter(smoke_test=True, counts_on__in=believed)
    yield from _lines(Q(call__in=smoke.values("pk")))
    yield from _lines(Q(call__cost__day__in=[day for day in days if day not in believed]))


def _lines(which: Q) -> Iterator[tuple[date, Thing, Decimal, int]]:
    lines = (
        CostLine.objects.filter(which, superseded_at__isnull=True, call__cost__isnull=False)
        .order_by()
        .values_list("call__cost__day", "provider", "kind", "item")
        .annotate(usd=Sum("amount_usd"), n=Count("pk"), known=Count("amount_usd"))
    )
    for day, provider, kind, item, usd, n, known in lines:
        yield day, (provider, kind, item), usd or Decimal(0), n - known


# --- Remembered -----------------------------------------------------------------------------------------------


def _name(day: date) -> str:
    return shared_state.key("costs", "day", day.isoformat())


def _remembered(marks: Mapping[date, str]) -> dict[date, DayFigures]:
    """What is known of days that have not changed; nothing while Redis is away."""
    if not marks:
        return {}
    days = list(marks)
    try:
        texts: Iterable[Any] = shared_state.store().mget([_name(day) for day in days])
    except redis.RedisError as exc:
        logger.info("costs of days are not remembered", extra={"reason": type(exc).__name__})
        return {}
    found = {}
    for day, text in zip(days, texts, strict=True):
        told = orjson.loads(text) if text else {}
        if told.get("mark") == marks[day]:
            found[day] = _read(told)
    return found


def _remember(figures: Mapping[date, tuple[str, DayFigures]]) -> None:
    try:
        with shared_state.store().pipeline(transaction=False) as pipe:
            for day, (mark, of_day) in figures.items():
                pipe.set(_name(day), orjson.dumps(_written(mark, of_day)), ex=_GOOD_FOR_S)
            pipe.execute()
    except redis.RedisError as exc:
        logger.info("costs of days are not remembered", extra={"reason": type(exc).__name__})


def _written(mark: str, figures: DayFigures) -> dict[str, Any]:
    return {
        "mark": mark,
        "assistants": [
            [str(key or ""), one.calls_n, str(one.minutes), str(one.usd), one.unknown_n]
            for key, one in figures.assistants.items()
        ],
        "things": [[*thing, str(usd), unknown_n] for thing, (usd, unknown_n) in figures.things.items()],
    }


def _read(told: Mapping[str, Any]) -> DayFigures:
    return DayFigures(
        {
            uuid.UUID(key) if key else None: Sums(calls_n, Decimal(minutes), Decimal(usd), unknown_n)
            for key, calls_n, minutes, usd, unknown_n in told["assistants"]
        },
        {
            (provider, kind, item): (Decimal(usd), unknown_n)
            for provider, kind, item, usd, unknown_n in told["things"]
        },
    )

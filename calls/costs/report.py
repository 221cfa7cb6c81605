"""What calls cost in a period, and what a month of so many minutes would: on our stack, and at Vapi."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db.models import Count, DurationField, ExpressionWrapper, F, QuerySet, Sum

from calls.costs.assumed import AssumedCall, assumed_lines
from calls.costs.pricing import PriceBook, total
from calls.costs.reckoning import price_book
from calls.costs.selectors import KINDS
from calls.costs.vapi_charge import vapi_rate
from calls.models import Call, CostLine, PhoneNumber
from calls.models.counting import COUNTS_AT, COUNTS_ON, between

# The figures of the article that this project began from: 50,000 minutes a month, in 2026.
ARTICLE: Final = {
    "minutes": 50_000,
    "vapi_usd": "5250",
    "realtime_usd": "3400",
    "note": "As the article gives them, for the model of its time, without Twilio.",
}
LEAST_MINUTES: Final = 10  # measured minutes from which a month is reckoned
NUMBER: Final = "local number, US"


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of cost in the period."""

    provider: str
    what: str
    item: str
    usd: Decimal
    unknown_n: int


@dataclass(frozen=True, slots=True)
class Month:
    """A month of so many minutes on one stack, and how it was reckoned."""

    stack: str
    usd_per_minute: Decimal
    usd: Decimal
    how: str


@dataclass(frozen=True, slots=True)
class CostReport:
    """Everything that the command prints."""

    begin: datetime
    end: datetime
    calls_n: int
    minutes: Decimal
    usd: Decimal
    rows: tuple[Row, ...]
    unpriced_calls_n: int
    vapi_calls_n: int
    vapi_minutes: Decimal
    vapi_usd: Decimal
    month_minutes: int
    months: tuple[Month, ...]
    numbers_n: int
    notes: tuple[str, ...]
    assumptions: dict[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @property
    def unknown_n(self) -> int:
        """Lines without an amount."""
        return sum(row.unknown_n for row in self.rows)

    @property
    def usd_per_minute(self) -> Decimal | None:
        """What a measured minute cost; None without any."""
        return self.usd / self.minutes if self.minutes else None

    @property
    def saving_percent(self) -> Decimal | None:
        """How much less a month costs here than at Vapi; None where one of the two is not known."""
        by_stack = {one.stack: one.usd for one in self.months}
        if not by_stack.get("vapi") or "direct" not in by_stack:
            return None
        return 100 * (1 - by_stack["direct"] / by_stack["vapi"])


def cost_report(*, begin: datetime, end: datetime, minutes: int, assumed: AssumedCall) -> CostReport:
    """The report on the calls that count for ``begin`` until before ``end`` (calls.models.counting)."""
    book = price_book()
    ours = _over(Call.Stack.DIRECT, begin, end).filter(cost__priced_at__isnull=False)
    theirs = _over(Call.Stack.VAPI, begin, end).filter(vapi_call__cost__isnull=False)
    rows = _rows(begin, end)
    measured, vapi = _figures(ours, "cost__total_usd"), _figures(theirs, "vapi_call__cost")
    waiting = _over(Call.Stack.DIRECT, begin, end).filter(cost__priced_at__isnull=True).count()
    numbers = PhoneNumber.objects.count()
    notes: list[str] = []
    if waiting:
        notes.append(f"{waiting} calls have no cost lines yet; they are not in the sums.")
    unknown = sum(row.unknown_n for row in rows)
    if unknown:
        notes.append(f"{unknown} lines have no amount, so what was measured is less than what it cost.")
    our_month, assumptions = _our_month(measured, minutes, numbers, book, end, assumed, notes)
    months = [*our_month, *_vapi_month(minutes, book, end, notes)]
    return CostReport(
        begin=begin,
        end=end,
        calls_n=measured[0],
        minutes=measured[1],
        usd=measured[2],
        rows=tuple(rows),
        unpriced_calls_n=waiting,
        vapi_calls_n=vapi[0],
        vapi_minutes=vapi[1],
        vapi_usd=vapi[2],
        month_minutes=minutes,
        months=tuple(months),
        numbers_n=numbers,
        notes=tuple(notes),
        assumptions=assumptions,
        sources=_sources(book, end),
    )


def _over(stack: str, begin: datetime, end: datetime) -> QuerySet[Call]:
    """Finished calls of a stack in the period, but smoke tests: what those cost is nobody's minute."""
    calls = Call.objects.alias(counts_at=COUNTS_AT, counts_on=COUNTS_ON).filter(between(begin, end))
    return calls.filter(stack=stack, smoke_test=False, started_at__isnull=False, ended_at__gt=F("started_at"))


def _figures(calls: QuerySet[Call], cost: str) -> tuple[int, Decimal, Decimal]:
    """How many, minutes, US dollars."""
    lasted = ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField())
    found = calls.order_by().aggregate(n=Count("pk"), lasted=Sum(lasted), usd=Sum(cost))
    seconds = found["lasted"].total_seconds() if found["lasted"] is not None else 0
    return found["n"], Decimal(str(seconds)) / 60, found["usd"] or Decimal(0)


def _rows(begin: datetime, end: datetime) -> list[Row]:
    lines = CostLine.objects.filter(
        superseded_at__isnull=True,
        call__in=_over(Call.Stack.DIRECT, begin, end).filter(cost__priced_at__isnull=False),
    )
    sums: dict[tuple[str, str, str], tuple[Decimal, int]] = defaultdict(lambda: (Decimal(0), 0))
    grouped = lines.order_by().values_list("provider", "kind", "item").annotate(
        usd=Sum("amount_usd"), n=Count("pk"), known=Count("amount_usd")
    )  # fmt: skip
    for provider, kind, item, usd, n, known in grouped:
        sums[provider, kind, item] = (usd or Decimal(0), n - known)
    return [
        Row(provider, KINDS.get(kind, kind), item, usd, unknown)
        for (provider, kind, item), (usd, unknown) in sorted(sums.items(), key=lambda one: -one[1][0])
    ]


def _our_month(
    measured: tuple[int, Decimal, Decimal],
    minutes: int,
    numbers: int,
    book: PriceBook,
    moment: datetime,
    assumed: AssumedCall,
    notes: list[str],
) -> tuple[list[Month], dict[str, Any]]:
    calls_n, measured_minutes, usd = measured
    rent = book.at(moment, provider="twilio", item=NUMBER, part="months")
    fixed = numbers * rent.usd / rent.per if rent is not None else Decimal(0)
    with_rent = (
        f" and {numbers} numbers at ${rent.usd.normalize():f} a month" if rent is not None and numbers else ""
    )
    if measured_minutes >= LEAST_MINUTES:
        each = usd / measured_minutes
        how = f"As the {calls_n} calls of the period ({measured_minutes:.1f} minutes) cost{with_rent}."
        return [Month("direct", each, each * minutes + fixed, how)], {}
    notes.append(
        f"Only {measured_minutes:.1f} minutes were measured, so a month is reckoned by the price list and assumptions."
    )
    lines = assumed_lines(assumed, book, moment)
    unpriced = [one.note for one in lines if one.usd is None]
    if unpriced:
        notes.append(f"A month cannot be reckoned: {' '.join(unpriced)}")
        return [], assumed.told()
    each = total(lines) / assumed.minutes
    return [
        Month("direct", each, each * minutes + fixed, f"By the price list and the assumptions{with_rent}.")
    ], (assumed.told())


def _vapi_month(minutes: int, book: PriceBook, moment: datetime, notes: list[str]) -> list[Month]:
    rate = vapi_rate(None, book=book, moment=moment)
    if rate is None:
        notes.append("There is no price of Vapi in the price list, and there are no calls of it to measure.")
        return []
    return [Month("vapi", rate.usd_per_minute, rate.usd_per_minute * minutes, rate.how)]


def _sources(book: PriceBook, moment: datetime) -> tuple[str, ...]:
    return tuple(sorted({row.source for row in book.in_force(moment) if row.source}))

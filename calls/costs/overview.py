"""What calls cost by day, by assistant and by what it was for: the figures of one page of the admin."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Count, DurationField, ExpressionWrapper, F, Sum
from django.utils import timezone

from assistants.models import Assistant
from calls.costs.reckoning import price_book
from calls.costs.selectors import KINDS
from calls.costs.vapi_charge import VapiRate, vapi_rate
from calls.models import CallCost, CostLine, Price


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


NOTHING = Sums(0, Decimal(0), Decimal(0), 0)


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day."""

    day: date
    sums: Sums


@dataclass(frozen=True, slots=True)
class AssistantRow:
    """An assistant, and what its minutes would have cost at Vapi."""

    assistant_id: uuid.UUID | None
    name: str
    sums: Sums
    rate: VapiRate | None

    @property
    def vapi_usd(self) -> Decimal | None:
        """At Vapi; None where no price of it is known."""
        return self.rate.usd_per_minute * self.sums.minutes if self.rate is not None else None


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What it was for."""

    provider: str
    what: str
    item: str
    usd: Decimal
    unknown_n: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The page."""

    since: date
    total: Sums
    days: tuple[DayRow, ...]
    assistants: tuple[AssistantRow, ...]
    items: tuple[ItemRow, ...]

    @property
    def vapi_usd(self) -> Decimal | None:
        """What all of it would have cost at Vapi; None where that is not known of some of it."""
        charges = [row.vapi_usd for row in self.assistants]
        known = [one for one in charges if one is not None]
        return sum(known, Decimal(0)) if known and len(known) == len(charges) else None


def costs_overview(*, today: date, days: int) -> Overview:
    """The costs of so many days until today, smoke tests included: they cost as well."""
    since = today - timedelta(days=days - 1)
    cells = _cells(since, today)
    by_day: dict[date, Sums] = defaultdict(lambda: NOTHING)
    by_assistant: dict[uuid.UUID | None, Sums] = defaultdict(lambda: NOTHING)
    for day, assistant_id, sums in cells:
        by_day[day] += sums
        by_assistant[assistant_id] += sums
    return Overview(
        since=since,
        total=sum(by_day.values(), NOTHING),
        days=tuple(DayRow(day, by_day[day]) for day in sorted(by_day, reverse=True)),
        assistants=tuple(_assistants(by_assistant)),
        items=tuple(_items(since, today)),
    )


def _cells(since: date, today: date) -> list[tuple[date, uuid.UUID | None, Sums]]:
    """Sums by day and assistant."""
    lasted = ExpressionWrapper(F("call__ended_at") - F("call__started_at"), output_field=DurationField())
    rows = (
        CallCost.objects.filter(day__gte=since, day__lte=today)
        .order_by()
        .values("day", "assistant")
        .annotate(n=Count("pk"), lasted=Sum(lasted), usd=Sum("total_usd"), unknown=Sum("unpriced_n"))
    )
    return [
        (
            row["day"],
            row["assistant"],
            Sums(
                row["n"],
                Decimal(str(row["lasted"].total_seconds() if row["lasted"] is not None else 0)) / 60,
                row["usd"],
                row["unknown"],
            ),
        )
        for row in rows
    ]


def _assistants(sums: dict[uuid.UUID | None, Sums]) -> Iterable[AssistantRow]:
    names = dict(Assistant.every.filter(pk__in=[pk for pk in sums if pk]).values_list("pk", "name"))
    book, now = price_book(), timezone.now()
    for assistant_id, of_it in sorted(sums.items(), key=lambda one: (-one[1].usd, str(one[0]))):
        name = names.get(assistant_id, "Gone") if assistant_id else "No assistant"
        yield AssistantRow(assistant_id, name, of_it, vapi_rate(assistant_id, book=book, moment=now))


def _items(since: date, today: date) -> Iterable[ItemRow]:
    rows = (
        CostLine.objects.filter(
            superseded_at__isnull=True, call__cost__day__gte=since, call__cost__day__lte=today
        )
        .order_by()
        .values_list("provider", "kind", "item")
        .annotate(usd=Sum("amount_usd"), n=Count("pk"), known=Count("amount_usd"))
    )
    for provider, kind, item, usd, n, known in sorted(rows, key=lambda row: -(row[3] or 0)):
        label = Price.Provider(provider).label
        yield ItemRow(label, KINDS.get(kind, kind), item, usd or Decimal(0), n - known)

"""What calls cost by day, by assistant and by what it was for: the figures of one page of the admin."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.utils import timezone

from assistants.models import Assistant
from calls.costs.days import NOTHING, Sums, Thing, days_figures
from calls.costs.reckoning import price_book
from calls.costs.selectors import KINDS
from calls.costs.vapi_charge import VapiRate, vapi_rate
from calls.models import Price


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
    figures = days_figures(since, today)
    by_assistant: dict[uuid.UUID | None, Sums] = defaultdict(lambda: NOTHING)
    by_thing: dict[Thing, tuple[Decimal, int]] = defaultdict(lambda: (Decimal(0), 0))
    for of_day in figures.values():
        for assistant_id, sums in of_day.assistants.items():
            by_assistant[assistant_id] += sums
        for thing, (usd, unknown_n) in of_day.things.items():
            by_thing[thing] = (by_thing[thing][0] + usd, by_thing[thing][1] + unknown_n)
    return Overview(
        since=since,
        total=sum(by_assistant.values(), NOTHING),
        days=tuple(
            DayRow(day, sum(figures[day].assistants.values(), NOTHING))
            for day in sorted(figures, reverse=True)
        ),
        assistants=tuple(_assistants(by_assistant)),
        items=tuple(_items(by_thing)),
    )


def _assistants(sums: dict[uuid.UUID | None, Sums]) -> Iterable[AssistantRow]:
    names = dict(Assistant.every.filter(pk__in=[pk for pk in sums if pk]).values_list("pk", "name"))
    book, now = price_book(), timezone.now()
    for assistant_id, of_it in sorted(sums.items(), key=lambda one: (-one[1].usd, str(one[0]))):
        name = names.get(assistant_id, "Gone") if assistant_id else "No assistant"
        yield AssistantRow(assistant_id, name, of_it, vapi_rate(assistant_id, book=book, moment=now))


def _items(things: Mapping[Thing, tuple[Decimal, int]]) -> Iterable[ItemRow]:
    for (provider, kind, item), (usd, unknown_n) in sorted(
        things.items(), key=lambda one: (-one[1][0], one[0])
    ):
        yield ItemRow(Price.Provider(provider).label, KINDS.get(kind, kind), item, usd, unknown_n)

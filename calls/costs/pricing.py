"""From quantities to lines. Pure: the price list is an argument.

A call is priced by the moment at which it came in, all of it: a price that changes in the middle of a call is the next
call's. Each line is rounded once, half to even, to ten places of a dollar (a token of the cheapest kind costs eight); the
sum of the lines is the call's cost and is not rounded again.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from calls.costs.usage import Reading

SMALLEST: Final = Decimal("1e-10")
LONGEST_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A row of the price list."""

    id: int
    usd: Decimal
    per: int
    valid_from: datetime
    source: str = ""


@dataclass(frozen=True, slots=True)
class Thing:
    """What is charged for, and for what: a provider, a kind of use, an item of the price list, a part of it."""

    provider: str
    kind: str
    item: str
    part: str


@dataclass(frozen=True, slots=True)
class Priced:
    """A line to be. ``usd`` is None where there is no price or no figure; ``note`` says why then."""

    thing: Thing
    quantity: Decimal | None
    price: PriceRow | None
    usd: Decimal | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """One report of use: of a model, for a kind of thing."""

    kind: str
    model: str
    reading: Reading = field(repr=False)


class PriceBook:
    """Prices by what they are for; of several in force the one that began last, and of those the one entered last."""

    def __init__(self, rows: Iterable[tuple[tuple[str, str, str], PriceRow]]) -> None:
        self._rows: dict[tuple[str, str, str], list[PriceRow]] = defaultdict(list)
        for key, row in rows:
            self._rows[key].append(row)
        for rows_of_key in self._rows.values():
            rows_of_key.sort(key=lambda row: (row.valid_from, row.id))

    def at(self, moment: datetime, *, provider: str, item: str, part: str) -> PriceRow | None:
        """The price in force at a moment; None where none is known."""
        known = [row for row in self._rows.get((provider, item, part), ()) if row.valid_from <= moment]
        return known[-1] if known else None

    def in_force(self, moment: datetime) -> list[PriceRow]:
        """Every price in force at a moment."""
        found = (self.at(moment, provider=one, item=item, part=part) for one, item, part in self._rows)
        return [row for row in found if row is not None]


def amount(quantity: Decimal, price: PriceRow) -> Decimal:
    """What so much costs, rounded once."""
    return (quantity * price.usd / price.per).quantize(SMALLEST, rounding=ROUND_HALF_EVEN)


def line(thing: Thing, quantity: Decimal, book: PriceBook, moment: datetime, *, note: str = "") -> Priced:
    """The line of one thing; without a price it says so and has no amount."""
    price = book.at(moment, provider=thing.provider, item=thing.item, part=thing.part)
    if price is None:
        unknown = f"No price known for {thing.item} ({thing.part.replace('_', ' ')})."
        return Priced(thing, quantity, None, None, unknown[:LONGEST_NOTE])
    return Priced(thing, quantity, price, amount(quantity, price), note)


def usage_lines(used: Iterable[Used], book: PriceBook, moment: datetime, *, provider: str) -> list[Priced]:
    """The lines of what models have used; what a server did not report is a line without an amount."""
    sums: dict[Thing, Decimal] = defaultdict(Decimal)
    silent: dict[tuple[str, str], int] = defaultdict(int)
    notes: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for one in used:
        where = (one.kind, one.model)
        if not one.reading.told:
            silent[where] += 1
        notes[where] |= dict.fromkeys(one.reading.notes)
        for part, quantity in one.reading.quantities.items():
            sums[Thing(provider, one.kind, one.model, part)] += quantity
    lines = [
        line(
            thing,
            sums[thing],
            book,
            moment,
            note=" ".join(sorted(notes[thing.kind, thing.item]))[:LONGEST_NOTE],
        )
        for thing in sorted(sums, key=_order)
    ]
    return lines + [
        Priced(
            Thing(provider, kind, model, "times"),
            Decimal(n),
            None,
            None,
            f"The server did not say what {n} of these used, so what they cost is not known.",
        )
        for (kind, model), n in sorted(silent.items())
    ]


def total(lines: Iterable[Priced]) -> Decimal:
    """What the lines cost together, as far as that is known."""
    return sum((one.usd for one in lines if one.usd is not None), Decimal(0))


def _order(thing: Thing) -> tuple[str, str, str, str]:
    return thing.provider, thing.kind, thing.item, thing.part

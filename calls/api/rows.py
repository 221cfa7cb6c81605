"""The rows of which a page of calls has the most, read as plain values: thousands of model instances would take a second."""

import uuid
from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from calls.models import CostLine
from transcripts.models import Utterance


class Said(NamedTuple):
    """What one side said in one turn; the columns of `Utterance`."""

    call_id: uuid.UUID
    speaker: str
    text: str
    heard_text: str
    began_ms: int
    ended_ms: int
    latency_ms: int | None
    assistant: str


class Priced(NamedTuple):
    """What one kind of thing cost; the columns of `CostLine`."""

    call_id: uuid.UUID
    kind: str
    item: str
    part: str
    quantity: Decimal | None
    amount_usd: Decimal | None


_SAID: Final = ("transcript__call_id", *Said._fields[1:])
Row = TypeVar("Row", Said, Priced)


def said_in(call_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Said]]:
    """What was said in each of these calls, in the order in which it began."""
    rows = Utterance.objects.filter(transcript__call_id__in=call_ids).order_by("began_ms", "id")
    return _by_call([Said._make(row) for row in rows.values_list(*_SAID)])


def priced_in(call_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Priced]]:
    """The cost lines of each of these calls that are in force."""
    rows = CostLine.objects.filter(call__in=call_ids, superseded_at=None)
    rows = rows.order_by("provider", "kind", "item", "part")
    return _by_call([Priced._make(row) for row in rows.values_list(*Priced._fields)])


def _by_call(rows: list[Row]) -> dict[uuid.UUID, list[Row]]:
    found: dict[uuid.UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.call_id].append(row)
    return found

"""What Vapi would have charged for a call: by what it did charge for comparable ones, or by its list."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import DurationField, ExpressionWrapper, F, QuerySet

from calls.costs.pricing import SMALLEST, PriceBook
from calls.models import Call, VapiCall

LEAST_CALLS: Final = 5  # fewer than that say more of themselves than of the next call
MOST_CALLS: Final = 500  # the newest; prices of years ago are no comparison
LIST_ITEM: Final = "everything"


@dataclass(frozen=True, slots=True)
class VapiRate:
    """US dollars for a minute at Vapi, and how that was found. ``calls_n`` is 0 where it is the list's."""

    usd_per_minute: Decimal
    how: str
    calls_n: int = 0

    def charge(self, seconds: int) -> Decimal:
        """What so long a call would have cost: Vapi counts seconds."""
        return (self.usd_per_minute * seconds / 60).quantize(SMALLEST)


def vapi_rate(assistant_id: uuid.UUID | None, *, book: PriceBook, moment: datetime) -> VapiRate | None:
    """The rate for an assistant's calls: its own calls at Vapi, else all of them, else the list; None without any."""
    if assistant_id is not None:
        own = _measured(VapiCall.objects.filter(call__assistant=assistant_id, call__stack=Call.Stack.VAPI))
        if own is not None:
            return VapiRate(own.rate, f"As {own.words} of this assistant at Vapi were charged.", own.calls_n)
    every = _measured(VapiCall.objects.filter(call__stack=Call.Stack.VAPI))
    if every is not None:
        return VapiRate(every.rate, f"As {every.words} at Vapi were charged.", every.calls_n)
    listed = book.at(moment, provider="vapi", item=LIST_ITEM, part="minutes")
    if listed is None:
        return None
    return VapiRate(listed.usd / listed.per, f"No calls at Vapi to compare with. {listed.source}".strip())


@dataclass(frozen=True, slots=True)
class _Measured:
    rate: Decimal
    calls_n: int
    minutes: Decimal

    @property
    def words(self) -> str:
        return f"the newest {self.calls_n} calls ({self.minutes:.1f} minutes)"


def _measured(rows: QuerySet[VapiCall]) -> _Measured | None:
    lasted = ExpressionWrapper(F("call__ended_at") - F("call__started_at"), output_field=DurationField())
    found = (
        rows.filter(cost__gt=0, call__started_at__isnull=False, call__ended_at__isnull=False)
        # No call ends before it starts. Of "later than" the planner would think that it holds for few, and would read them all.
        .exclude(call__ended_at=F("call__started_at"))
        .order_by("-call__created_at")
        .annotate(lasted=lasted)
        .values_list("cost", "lasted")[:MOST_CALLS]
    )
    return _rate([(cost, Decimal(str(length.total_seconds()))) for cost, length in found if cost is not None])


def _rate(calls: Sequence[tuple[Decimal, Decimal]]) -> _Measured | None:
    if len(calls) < LEAST_CALLS:
        return None
    minutes = sum((seconds for _, seconds in calls), Decimal(0)) / 60
    return _Measured(sum((cost for cost, _ in calls), Decimal(0)) / minutes, len(calls), minutes)

"""For which day a call counts: the one rule of reports, costs and spending limits.

A call that came in counts for when it came in. One that we placed may have been ordered days before: it counts for when its
conversation began; where none did, for when it was over; and until then for when it was ordered. The database has the same rule
as ``calls_day_of`` (a migration of ours), which the views for analysts use, and an index of calls by it.
"""

from datetime import UTC, date, datetime
from typing import Final, Protocol

from django.db.models import Case, F, Q, When
from django.db.models.functions import Coalesce, TruncDate

_OUTBOUND: Final = "outbound"
COUNTS_AT: Final = Case(
    When(direction=_OUTBOUND, then=Coalesce("started_at", "ended_at", "created_at")), default=F("created_at")
)
COUNTS_ON: Final = TruncDate(COUNTS_AT, tzinfo=UTC)


class Counted(Protocol):
    """What of a call decides it."""

    direction: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


def counts_at(call: Counted) -> datetime:
    """The moment that a call counts for."""
    if call.direction != _OUTBOUND:
        return call.created_at
    return call.started_at or call.ended_at or call.created_at


def counts_on(call: Counted) -> date:
    """The day that a call counts for, in UTC."""
    return counts_at(call).astimezone(UTC).date()


def between(begin: datetime, end: datetime) -> Q:
    """Calls that count for a moment from ``begin`` until before ``end``; the index of days finds them.

    For a queryset that is annotated with COUNTS_AT and COUNTS_ON by these names, in small letters.
    """
    days = (begin.astimezone(UTC).date(), end.astimezone(UTC).date())
    return Q(counts_on__range=days, counts_at__gte=begin, counts_at__lt=end)

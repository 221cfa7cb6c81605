"""Reports of use, kept: many in one stroke, as an outbox hands them over. What follows from them comes after the commit."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import orjson
from django.db import connection, transaction

from calls.costs.goodbye import goodbye_say
from calls.costs.limits import limits_check
from calls.costs.reckoning import call_reckon
from calls.costs.usage import better
from calls.models import LIVE, Call, CallUsage, SpendingLimit

_Key: TypeAlias = tuple[uuid.UUID, str, str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """What one response or one transcription used, as `usage_write` is told it."""

    call_id: uuid.UUID
    kind: str
    session: str
    item: str
    model: str
    status: str
    usage: Mapping[str, Any]
    at: datetime

    @property
    def key(self) -> _Key:
        """What it is a report on: there is one row for that."""
        return self.call_id, self.kind, self.session, self.item


def usages_keep(reports: Sequence[Report]) -> None:
    """Keep them, each once, however often and in whatever order they come; those of unknown calls are left out.

    Of two reports on the same thing the fuller one counts.
    """
    fullest: dict[_Key, Report] = {}
    for one in reports:
        known = fullest.get(one.key)
        if known is None or better(known.usage, one.usage) != known.usage:
            fullest[one.key] = one
    if fullest:
        with transaction.atomic(savepoint=False):
            _write(fullest)


def usages_settle(call_ids: Collection[uuid.UUID], *, now: datetime) -> None:
    """See to what reports on these calls change: the lines of those that are over, and the spending limits.

    Only once the reports are committed. Whoever ends a call then either sees them, or is seen here.
    """
    calls = Call.objects.filter(pk__in=call_ids).order_by("pk")
    # It came after the end of these, whose lines may be written.
    for call_id in calls.exclude(status__in=LIVE).values_list("pk", flat=True):
        call_reckon(call_id=call_id, now=now)
    if SpendingLimit.objects.exists():
        for call in calls:
            limits_check(call, now=now, tell=goodbye_say)


def _write(fullest: Mapping[_Key, Report]) -> None:
    rows = [fullest[key] for key in sorted(fullest)]
    with connection.cursor() as cursor:
        # One parameter for all rows, and those of unknown calls find none: models and a look beforehand cost several times that.
        cursor.execute(_INSERT, [orjson.dumps(rows, default=dict).decode()])
        kept = set(cursor.fetchall())
    left = {key: one for key, one in fullest.items() if key not in kept}
    if left:
        _write_fuller(left)


_INSERT: Final = """
INSERT INTO calls_callusage (call_id, kind, session, item, model, status, usage, at)
SELECT c.id, r.kind, r.session, r.item, r.model, r.status, r.usage, r.at
FROM json_populate_recordset(NULL::calls_callusage, %s::json) r JOIN calls_call c ON c.id = r.call_id
ON CONFLICT (call_id, kind, session, item) DO NOTHING
RETURNING call_id, kind, session, item
"""


def _write_fuller(reports: Mapping[_Key, Report]) -> None:
    # What was there before, or came from another worker at the same moment, may be less than we know.
    rows = CallUsage.objects.select_for_update().filter(
        call_id__in={one.call_id for one in reports.values()}, item__in={one.item for one in reports.values()}
    )
    for row in rows.order_by("pk"):
        told = reports.get((row.call_id, row.kind, row.session, row.item))
        if told is not None and (kept := better(row.usage, told.usage)) != row.usage:
            CallUsage.objects.filter(pk=row.pk).update(usage=dict(kept), status=told.status)

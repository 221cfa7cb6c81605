"""Many reports of use kept in one stroke, as an outbox hands them over: the same rows and the same limits as one by one."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from django.db import transaction

from calls.costs.goodbye import goodbye_say
from calls.costs.limits import limits_check
from calls.costs.reckoning import call_reckon, is_live
from calls.costs.usage import better
from calls.models import Call, CallUsage, SpendingLimit

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


def usages_keep(reports: Sequence[Report], *, now: datetime) -> None:
    """Keep them, each once, the fuller of two on the same thing; those of unknown calls are left out."""
    calls = Call.objects.in_bulk({one.call_id for one in reports})
    fullest: dict[_Key, Report] = {}
    for one in reports:
        known = fullest.get(one.key)
        if one.call_id in calls and (known is None or better(known.usage, one.usage) != known.usage):
            fullest[one.key] = one
    if not fullest:
        return
    with transaction.atomic():
        _write(fullest)
    for call in calls.values():
        if not is_live(call):
            # It came after the end of the call, whose lines may be written.
            call_reckon(call_id=call.pk, now=now)
    if SpendingLimit.objects.exists():
        for call in calls.values():
            limits_check(call, now=now, tell=goodbye_say)


def _write(fullest: Mapping[_Key, Report]) -> None:
    wanted = [fullest[key] for key in sorted(fullest)]
    CallUsage.objects.bulk_create(
        [
            CallUsage(
                call_id=one.call_id,
                kind=one.kind,
                session=one.session,
                item=one.item,
                model=one.model,
                status=one.status,
                usage=dict(one.usage),
                at=one.at,
            )
            for one in wanted
        ],
        ignore_conflicts=True,
    )
    # What was there before, or came from another worker at the same moment, may be less than we know.
    rows = CallUsage.objects.select_for_update().filter(
        call_id__in={one.call_id for one in wanted}, item__in={one.item for one in wanted}
    )
    for row in rows.order_by("pk"):
        told = fullest.get((row.call_id, row.kind, row.session, row.item))
        if told is not None and (kept := better(row.usage, told.usage)) != row.usage:
            CallUsage.objects.filter(pk=row.pk).update(usage=dict(kept), status=told.status)

"""Nothing left of calls but their times, counts and costs: by the table of what each column holds."""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Final

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from calls.choosing.keeping import transients_empty
from calls.costs.reckoning import call_reckon, calls_to_reckon
from calls.erasing import elsewhere
from calls.erasing.tables import TABLES, Table
from calls.history.writing import calls_stay_away
from calls.models import CallStripped, Recording
from calls.recordings.services import recording_delete
from calls.recordings.taking.services import takes_drop
from calls.warehouse.outbox import call_changed, calls_forget

BATCH: Final = 200
# A statement waits for a row of a call that is being written, but not for long: the next beat comes back to it.
_LOCK_TIMEOUT: Final = "2s"


def calls_strip(call_ids: Collection[uuid.UUID], *, why: CallStripped.Why) -> Counter[str]:
    """Delete what was said and sent in these calls, in batches, each of them at once; how many rows it were in which table.

    What there is no more of is not counted, so doing it again counts nothing. Raises OperationalError where a row is being
    written for too long: the batches before are done then.
    """
    counts: Counter[str] = Counter()
    listed = list(call_ids)
    for at in range(0, len(listed), BATCH):
        counts += _batch_strip(listed[at : at + BATCH], why=why)
    return counts


def _batch_strip(call_ids: Sequence[uuid.UUID], *, why: CallStripped.Why) -> Counter[str]:
    recordings = list(Recording.objects.filter(call_id__in=call_ids))
    with transaction.atomic():
        counts = rows_strip(call_ids, why=why)
    for recording in recordings:
        # A file, and Twilio: outside of the transaction. What fails is tried again by the beat of recordings.
        recording_delete(recording)
    counts["sound in the spool"] += takes_drop(call_ids)
    counts["live feeds"] += elsewhere.feeds_delete(call_ids)
    return +counts


def _price(call_ids: Sequence[uuid.UUID]) -> None:
    """Write what calls cost that nobody has reckoned yet: by their numbers and recordings, which go now."""
    unpriced = calls_to_reckon().filter(pk__in=call_ids).values_list("pk", flat=True)
    for call_id in list(unpriced):
        call_reckon(call_id=call_id, now=timezone.now())


def rows_strip(call_ids: Collection[uuid.UUID], *, why: CallStripped.Why) -> Counter[str]:
    """The rows alone, all at once, in the transaction of whoever calls."""
    listed, erased = list(call_ids), why == CallStripped.Why.ERASED
    counts: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    _price(listed)
    now = timezone.now()
    CallStripped.objects.bulk_create(
        [CallStripped(call_id=one, why=why, at=now) for one in listed], ignore_conflicts=True
    )
    if erased:
        # Erased stays erased, whatever its time is.
        known = CallStripped.objects.filter(call_id__in=listed).exclude(why=why)
        known.update(why=why, at=now)
    calls_stay_away(listed)
    # While Twilio's ids of the calls are still known.
    counts += elsewhere.rows_of_calls(listed, erased=erased)
    for label, table in TABLES.items():
        if table.calls:
            counts[_name(label)] += rows_clear(label, table, listed, erased=erased)
    counts["assistants_transient"] += transients_empty(listed)
    counts["calls_warehousedelivery"] += _warehouse_told(listed, erased=erased)
    counts["calls_recording"] += Recording.objects.filter(call_id__in=listed).update(
        state=Recording.State.DELETING, call=None, peaks=b""
    )
    return +counts


def _warehouse_told(call_ids: Sequence[uuid.UUID], *, erased: bool) -> int:
    """Have the warehouse forget these calls, or take them once more as they are now."""
    if erased:
        return calls_forget(call_ids)
    for call_id in call_ids:
        call_changed(call_id)
    return 0


def rows_clear(label: str, table: Table, call_ids: Sequence[uuid.UUID], *, erased: bool) -> int:
    """How many rows of a model had something of these calls and have it no more."""
    model: Any = apps.get_model(label)
    values = {**table.cleared, **(table.erased if erased else {})}
    rows = model._base_manager.filter(**{f"{table.calls}__in": call_ids})
    # A row that is as it is to be is not written again: in millions of them, that is what takes the time.
    return int(_holding(rows, values).update(**values))


def _holding(rows: QuerySet[Any], values: dict[str, Any]) -> QuerySet[Any]:
    something = Q()
    for name, empty in values.items():
        something |= Q(**{f"{name}__isnull": False}) if empty is None else ~Q(**{name: empty})
    return rows.filter(something)


def _name(label: str) -> str:
    return str(apps.get_model(label)._meta.db_table)

"""The outbox of the warehouse: which calls have to go there, who is sending them, and what became of it.

Every attempt has a revision of its own, greater than all before it and written down before anything is sent. So an attempt
that was cut off half way leaves rows behind that nothing will ever show, and the next one starts from nothing.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Min, Q, QuerySet
from django.utils import timezone

from calls.models import OVER, Call, WarehouseDelivery
from calls.selectors import calls_written, came_since

Task = WarehouseDelivery.Task
State = WarehouseDelivery.State
# Longer than a batch may take. Whoever takes longer has lost it, and what he still writes changes nothing.
LEASE: Final = timedelta(minutes=5)
# The transcript of a call that ended well is closed with it. Where nothing came of it in that time, nothing will.
TRANSCRIPT_WITHIN: Final = timedelta(minutes=10)
LOOK_AGAIN: Final = timedelta(seconds=20)
# Late changes: answers of slow tools, costs, analyses, what Twilio tells later.
LOOKS: Final = (timedelta(minutes=5), timedelta(hours=1), timedelta(hours=24))
MOST_ATTEMPTS: Final = 6
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
# Rows that were streamed in lately cannot be deleted: BigQuery says for up to 30 minutes, and for up to 90 in the worst case.
DELETABLE_AGAIN: Final = timedelta(minutes=30)
SWEPT: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours until its lease ends."""

    pk: int
    call_id: uuid.UUID
    task: str
    revision: int
    changes_n: int
    attempts_n: int
    looks_n: int
    sent_digest: str
    sent_revision: int
    hidden_at: datetime | None
    tried: bool  # whether somebody had it before, who may have sent some of it


@dataclass(frozen=True, slots=True)
class Standing:
    """How the outbox stands."""

    waiting: int
    erasing: int
    sent: int
    dead: int
    oldest_at: datetime | None
    last_sent_at: datetime | None
    last_error: str


def is_on() -> bool:
    """Whether calls go to a warehouse of their own."""
    return bool(settings.WAREHOUSE != "postgres")


# --- Putting in ----------------------------------------------------------------------------------------------


def call_changed(call_id: uuid.UUID) -> None:
    """Have the call sent, or sent again; to be called in the transaction that changes it. Nothing where no warehouse is used.

    Calling it too early does no harm: a call is sent when it is over and its transcript is closed.
    """
    if is_on():
        _put(Q(pk=call_id))


def calls_put(*, since: datetime, until: datetime) -> int:
    """Have all finished calls that came in between these moments sent again; how many."""
    return _put(Q(created_at__gte=since, created_at__lt=until))


def calls_sweep() -> int:
    """Have those finished calls of late sent that nobody has told of: calls that were refused, or closed late. How many."""
    untold = ~Q(pk__in=WarehouseDelivery.objects.values("call_id"))
    return _put(came_since(timezone.now() - SWEPT) & untold, again=False)


def calls_forget(call_ids: Collection[uuid.UUID]) -> int:
    """Have the warehouse delete these calls for good; how many of them may be there. They are never sent again.

    To be called in the transaction that deletes them here.
    """
    now = timezone.now()
    WarehouseDelivery.objects.filter(
        call_id__in=call_ids, revision=0
    ).delete()  # nobody ever began to send these
    there = WarehouseDelivery.objects.filter(call_id__in=call_ids).exclude(task=Task.ERASE)
    return there.update(
        task=Task.ERASE,
        state=State.WAITING,
        due_at=now,
        attempts_n=0,
        error="",
        sent_digest="",
        changes_n=F("changes_n") + 1,
    )


def deliveries_retry(pks: Iterable[int]) -> int:
    """Have these tried again from the start, those that were given up as well; how many."""
    rows = WarehouseDelivery.objects.filter(pk__in=list(pks)).exclude(state=State.ERASED)
    return rows.update(
        state=State.WAITING, due_at=timezone.now(), attempts_n=0, sent_digest="", changes_n=F("changes_n") + 1
    )


def _put(which: Q, *, again: bool = True) -> int:
    calls = Call.objects.filter(which, status__in=OVER).order_by().values_list("pk", flat=True)
    query, parameters = calls.query.sql_with_params()
    table = WarehouseDelivery._meta.db_table
    conflict = (
        "UPDATE SET state = 'waiting', due_at = now(), attempts_n = 0, looks_n = 0, changes_n = d.changes_n + 1 WHERE d.task = 'write'"
        if again
        else "NOTHING"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS d (call_id, task, state, due_at, revision, changes_n, attempts_n, looks_n, error, "  # noqa: S608 - of our own words
            "sent_revision, sent_digest, rows_n, created_at) "
            "SELECT c.id, 'write', 'waiting', now(), 0, 1, 0, 0, '', 0, '', 0, now() "
            f"FROM ({query}) AS c (id) ON CONFLICT (call_id) DO {conflict}",
            parameters,
        )
        return int(cursor.rowcount)


# --- Taking out ----------------------------------------------------------------------------------------------


def claim(*, most: int, now: datetime) -> list[Claimed]:
    """The deliveries that are due longest, ours for a while. Others who ask meanwhile get others."""
    with transaction.atomic():
        rows = list(
            WarehouseDelivery.objects.select_for_update(skip_locked=True)
            .filter(due_at__lte=now)
            .order_by("due_at")[:most]
        )
        tried = {row.pk for row in rows if row.revision}
        for row in rows:
            # By the clock, so that it grows even over a database that was put back from a backup.
            row.revision = max(row.revision + 1, round(now.timestamp() * 1000))
            row.due_at = now + LEASE
        WarehouseDelivery.objects.bulk_update(rows, ["revision", "due_at"])
    return [
        Claimed(
            row.pk,
            row.call_id,
            row.task,
            row.revision,
            row.changes_n,
            row.attempts_n,
            row.looks_n,
            row.sent_digest,
            row.sent_revision,
            row.hidden_at,
            row.pk in tried,
        )
        for row in rows
    ]


def complete(call_ids: Collection[uuid.UUID], *, now: datetime) -> set[uuid.UUID]:
    """Those of the calls that are over and all of which is in the tables, or will not be any more."""
    ended = dict(Call.objects.filter(pk__in=call_ids, status__in=OVER).values_list("pk", "ended_at"))
    written = calls_written(ended)
    return {
        call_id
        for call_id, ended_at in ended.items()
        if call_id in written or ended_at is None or now - ended_at > TRANSCRIPT_WITHIN
    }


def known(call_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the calls that exist."""
    return set(Call.objects.filter(pk__in=call_ids).values_list("pk", flat=True))


# --- What became of it ---------------------------------------------------------------------------------------


def sent(one: Claimed, *, digest: str, rows_n: int, now: datetime) -> None:
    """Write that the call has arrived, and when to look for late changes."""
    looks = 0 if digest != one.sent_digest else one.looks_n + 1
    _settle(
        one,
        state=State.SENT,
        due_at=now + LOOKS[looks] if looks < len(LOOKS) else None,
        looks_n=looks,
        attempts_n=0,
        error="",
        **(
            {"sent_revision": one.revision, "sent_digest": digest, "rows_n": rows_n, "sent_at": now}
            if digest != one.sent_digest
            else {}
        ),
    )


def not_yet(one: Claimed, *, now: datetime) -> None:
    """Write that the call is not over yet, or its transcript is not closed."""
    _settle(one, due_at=now + LOOK_AGAIN)


def at_once(one: Claimed, *, now: datetime) -> None:
    """Write that it was held up by others, and is to be tried again without them."""
    _settle(one, due_at=now)


def away(one: Claimed, *, why: str, pause: timedelta, now: datetime) -> None:
    """Write that the warehouse could not be reached: nothing that this call could do about it, so it does not count."""
    _settle(one, due_at=now + pause, error=why)


def refused(one: Claimed, *, why: str, now: datetime) -> None:
    """Write that the warehouse does not take it; after a few attempts it is given up until somebody looks at it."""
    attempts = one.attempts_n + 1
    pause = min(FIRST_PAUSE * 2**one.attempts_n, LONGEST_PAUSE)
    if attempts >= MOST_ATTEMPTS:
        _settle(one, state=State.DEAD, due_at=None, attempts_n=attempts, error=why)
    else:
        _settle(one, due_at=now + pause, attempts_n=attempts, error=why)


def hidden(one: Claimed, *, now: datetime) -> None:
    """Write that nobody sees an erased call any more; deleting it comes next."""
    _mine(one).update(hidden_at=now)


def deleted(one: Claimed, *, now: datetime) -> None:
    """Write that the warehouse has deleted what it had of the call.

    Whoever was sending it when it was erased may have been late. So it is deleted once more, and only then is it erased.
    """
    again_at = (one.hidden_at or now) + DELETABLE_AGAIN
    if now < again_at:
        _settle(one, due_at=again_at, error="", rows_n=0)
    else:
        _settle(one, state=State.ERASED, due_at=None, error="", rows_n=0)


def gone(one: Claimed, *, now: datetime) -> None:
    """The call was deleted here without a word: it is taken out there too, if it was ever sent."""
    if one.tried:
        _mine(one).update(task=Task.ERASE, state=State.WAITING, due_at=now)
    else:
        _mine(one).delete()


def _mine(one: Claimed) -> QuerySet[WarehouseDelivery]:
    return WarehouseDelivery.objects.filter(pk=one.pk, revision=one.revision)


def _settle(one: Claimed, **fields: object) -> None:
    """Write what became of an attempt, unless another one has begun; where the call changed meanwhile, it stays due."""
    if not _mine(one).filter(changes_n=one.changes_n).update(**fields):
        kept = {name: value for name, value in fields.items() if name not in ("state", "due_at", "looks_n")}
        _mine(one).update(**kept, due_at=timezone.now())


# --- How it stands -------------------------------------------------------------------------------------------


def standing() -> Standing:
    """How many calls wait, since when, and what failed last."""
    counts = WarehouseDelivery.objects.order_by().aggregate(
        waiting=Count("pk", filter=Q(state=State.WAITING, task=Task.WRITE)),
        erasing=Count("pk", filter=Q(state=State.WAITING, task=Task.ERASE)),
        sent=Count("pk", filter=Q(sent_revision__gt=0, task=Task.WRITE)),
        dead=Count("pk", filter=Q(state=State.DEAD)),
        oldest_at=Min("created_at", filter=Q(state=State.WAITING)),
    )
    newest = WarehouseDelivery.objects.filter(sent_at__isnull=False).order_by("-sent_at").first()
    failed = WarehouseDelivery.objects.exclude(error="").order_by("-due_at").first()
    return Standing(
        **counts,
        last_sent_at=newest.sent_at if newest else None,
        last_error=failed.error if failed else "",
    )

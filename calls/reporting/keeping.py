"""Figures of days that are over, kept, so that a report over months reads a row for a day and not every call of it.

The daily views (`sql/v_costs_daily.sql` and its neighbours) take a day from what is kept, or reckon it where it is "live":
not kept yet, or marked as changed since. So they are exact at any moment, and how far the keeping has come only decides how
quick they are. A day is reckoned by the view itself while it is live, so that its definition stands in one place.

Triggers mark days (`calls/migrations/0025_daily_figures.py`, by the rule of `0036_day_that_a_call_counts_for.py`), each transaction
with rows of its own. What is reckoned here begins with deleting the marks that are visible, so a writer that commits later leaves
its mark behind.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Final

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils import timezone

from calls.models import CallDay, CostDay, DayChanged, DaysKept, SpeedDay
from calls.reporting.building import view_files, views_current


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of figures: its view, the columns that its table has as the view does, and those that are made of them."""

    view: str
    columns: str
    made: Mapping[str, str] = field(default_factory=dict)


_KINDS: Final[Mapping[type[Model], _Kind]] = {
    CostDay: _Kind(
        "v_costs_daily",
        "day stack assistant_id did provider kind item calls_n usd unknown_n",
        {"vapi_name": "CASE WHEN assistant_id IS NULL THEN assistant END"},
    ),
    CallDay: _Kind(
        "v_calls_daily",
        "day stack assistant_id did outcome ended_reason calls_n answered_n timed_n seconds begun_minutes longest_s barge_ins_n "
        "tool_calls_n tool_errors_n vapi_cost_usd vapi_costed_s cost_usd costed_s",
    ),
    SpeedDay: _Kind(
        "v_latency_daily",
        "day stack assistant_id turns_n calls_n p50_ms p95_ms p99_ms silence_ms tools_ms model_ms first_sound_p50_ms",
        {
            "latencies": "coalesce((SELECT array_agg(t.latency_ms ORDER BY t.latency_ms) FROM reporting.v_answer_times t "
            "WHERE t.day = %(day)s AND t.stack = v.stack AND t.assistant_id IS NOT DISTINCT FROM v.assistant_id), '{}')"
        },
    ),
}
# Any number: whoever keeps days holds it.
_LOCK: Final = 7_305_519_042
# After midnight, until whoever looked at the clock before it has committed.
_SETTLING: Final = timedelta(minutes=10)
# A day that is still being changed, as by an import, is left alone until that is over; but not for ever.
_QUIET: Final = timedelta(minutes=2)
_PATIENCE: Final = timedelta(hours=1)
_USES: Final = re.compile(r"\breporting\.(v_\w+)")


def days_keep(*, seconds: float, patient: bool = True, until: date | None = None) -> int:
    """Reckon and keep what is due, for about so long; how many days that were.

    Days that changed come first, those that are still changing later (``patient``). ``until`` is the last day that may be kept,
    by default the last one to which no transaction that runs can add anything unmarked.
    """
    if not views_current() or not _definition_ensure():
        return 0
    began, done = monotonic(), 0
    while monotonic() - began < seconds:
        day = _next_changed(patient=patient) or _next_day(until or _last_settled())
        if day is None or not _day_keep(day):
            break
        done += 1
    return done


def days_forget() -> None:
    """Believe nothing that is kept: every figure is reckoned from the calls until days are kept again."""
    DaysKept.objects.update(until=None)


def days_waiting() -> int:
    """How many days are reckoned whenever somebody asks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM calls_days_live()")
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def costs_believed() -> QuerySet[CostDay]:
    """The kept costs of those days whose kept figures are what their calls sum up to now.

    All in one statement: between two, a day could be kept of which the first had read nothing, and be taken for one without costs.
    """
    day = OuterRef("day")
    kept = DaysKept.objects.filter(until__gte=day, definition=definition())
    return CostDay.objects.filter(Exists(kept), ~Exists(DayChanged.objects.filter(day=day)))


def definition() -> str:
    """A short text that differs when a view does of which figures are made."""
    texts = {one.name: one.text for one in view_files()}
    wanted, named = set[str](), [*(kind.view for kind in _KINDS.values()), "v_answer_times"]
    while named:
        name = named.pop()
        if name not in wanted and name in texts:
            wanted.add(name)
            named += _USES.findall(texts[name])
    # A new comment changes no figure.
    code = [re.sub(r"COMMENT ON .*", "", texts[name]) for name in sorted(wanted)]
    return hashlib.sha256("\0".join([*code, repr([*_KINDS.values()])]).encode()).hexdigest()


def _definition_ensure() -> bool:
    """Begin anew where figures were reckoned in another way; False where somebody else is at it."""
    current = definition()
    with transaction.atomic(), connection.cursor() as cursor:
        if not _hold(cursor):
            return False
        kept, is_new = DaysKept.objects.get_or_create(pk=1, defaults={"definition": current})
        if not is_new and kept.definition != current:
            kept.until, kept.definition = None, current
            kept.save()
    return True


def _hold(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
    (held,) = cursor.fetchone() or (False,)
    return bool(held)


def _next_changed(*, patient: bool) -> date | None:
    """The newest day that has changed, once it is quiet."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT q.day FROM calls_daychanged q WHERE q.day <= (SELECT k.until FROM calls_dayskept k)
            GROUP BY q.day
            HAVING NOT %s OR max(q.at) < %s OR min(q.at) < %s
            ORDER BY q.day DESC LIMIT 1
            """,
            [patient, now - _QUIET, now - _PATIENCE],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _next_day(last: date) -> date | None:
    """The first day after those that are kept, or of all calls; None where all are kept up to the last."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce((SELECT k.until + 1 FROM calls_dayskept k), (SELECT min(calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at)) FROM calls_call c))
            """
        )
        (day,) = cursor.fetchone() or (None,)
    return day if day is not None and day <= last else None


def _last_settled() -> date:
    """The last day that is over for everybody: a transaction that began on it would add to it without a mark."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT least(
                clock_timestamp(),
                (SELECT min(a.xact_start) FROM pg_stat_activity a
                 WHERE a.datname = current_database() AND a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid())
            )
            """
        )
        (moment,) = cursor.fetchone() or (None,)
    assert moment is not None
    settled: datetime = moment - _SETTLING
    return settled.astimezone(UTC).date() - timedelta(days=1)


def _day_keep(day: date) -> bool:
    """Reckon the day and keep its figures; False where somebody else is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not _hold(cursor):
            return False
        DayChanged.objects.filter(day=day).delete()
        # Seen by nobody else: it makes the day a live one for the views, which reckon it then.
        mark = DayChanged.objects.create(day=day, at=timezone.now())
        cursor.execute("UPDATE calls_dayskept SET until = %s WHERE until IS NULL OR until < %s", [day, day])
        for model, kind in _KINDS.items():
            model._default_manager.filter(day=day).delete()
            given = {name: name for name in kind.columns.split()} | dict(kind.made)
            names, values = ", ".join(given), ", ".join(given.values())
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({names}) SELECT {values} FROM reporting.{kind.view} v WHERE v.day = %(day)s",  # noqa: S608
                {"day": day},
            )
        mark.delete()
    return True

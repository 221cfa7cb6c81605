"""The answers: one statement of the database for each question, with a limit of rows and of time."""

import datetime as dt
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Avg, Count, DateTimeField, F, Func, Max, Min, QuerySet, Sum, Value
from django.db.models.expressions import Combinable
from psycopg.errors import QueryCanceled

from calls.analytics.asking import CONCURRENCY, Operation, Query, Span
from calls.analytics.columns import COLUMNS, GROUPS, variable_value
from calls.models import Call
from tools.access.lists import moment_text

ROWS_MAX: Final = 10_000
TIMEOUT_MS: Final = 10_000
# Of all the queries of a request: nobody waits for longer, and no key keeps the database busy with one.
TOGETHER_MS: Final = 20_000
_AGGREGATES: Final[dict[str, Any]] = {"sum": Sum, "avg": Avg, "count": Count, "min": Min, "max": Max}
# A call that runs when the time begins came in before, or was dialled that had been scheduled; none lasts longer.
_LASTS: Final = dt.timedelta(days=1)
_RUNNING: Final = """
    WITH ran AS (
        SELECT started_at, ended_at FROM calls_call
        WHERE NOT smoke_test AND started_at IS NOT NULL AND created_at >= %(from)s AND created_at < %(end)s
        UNION ALL
        SELECT c.started_at, c.ended_at FROM calls_placing p JOIN calls_call c ON c.id = p.call_id
        WHERE p.earliest_at IS NOT NULL AND p.claimed_at >= %(from)s AND p.claimed_at < %(end)s
            AND c.created_at < %(from)s AND NOT c.smoke_test AND c.started_at IS NOT NULL
    )
    SELECT at, n, d FROM (
        SELECT at, d, sum(d) OVER (ORDER BY at, d ROWS UNBOUNDED PRECEDING) AS n FROM (
            SELECT started_at AS at, 1 AS d FROM ran
            UNION ALL
            SELECT ended_at, -1 FROM ran WHERE ended_at IS NOT NULL
        ) AS changes
    ) AS running WHERE at >= %(start)s AND at < %(end)s
"""


class TooMuchError(Exception):
    """The answer would be too long, or take too long. The text is for people."""


def answer(query: Query, *, within_ms: int = TIMEOUT_MS) -> dict[str, Any]:
    """One answer in Vapi's shape. Raises TooMuchError."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {within_ms}")
            rows = _history(query) if query.is_history else _figures(query)
    except OperationalError as exc:
        if not isinstance(exc.__cause__, QueryCanceled):
            raise
        raise TooMuchError(
            f"The query {query.name} takes longer than {within_ms / 1000:.3g} s. Ask for a shorter time, or for less at once."
        ) from exc
    if len(rows) > ROWS_MAX:
        raise TooMuchError(
            f"The query {query.name} has more than {ROWS_MAX} rows. Ask for a shorter time, or for longer steps."
        )
    return {"name": query.name, "timeRange": _told_span(query.span), "result": rows}


def _told_span(span: Span) -> dict[str, str]:
    return {
        "start": moment_text(span.start),
        "end": moment_text(span.end),
        **({"step": span.step} if span.step else {}),
        "timezone": span.timezone,
    }


# --- Figures of many calls


def _figures(query: Query) -> list[dict[str, Any]]:
    """A row for each group in each step, the earliest first."""
    of_calls = [one for one in query.operations if one.column != CONCURRENCY]
    rows = _of_calls(query, of_calls) if of_calls else []
    together = [one for one in query.operations if one.column == CONCURRENCY]
    if together:
        rows = _joined(rows, _of_all_together(query.span, together), with_date=bool(query.span.step))
    return rows


def _of_calls(query: Query, operations: list[Operation]) -> list[dict[str, Any]]:
    groups: dict[str, Combinable] = {}
    names: dict[str, str] = {}
    if query.span.step:
        groups["g_date"], names["g_date"] = _step(query.span), "date"
    for number, name in enumerate(query.groups):
        groups[f"g{number}"], names[f"g{number}"] = GROUPS[name](), name
    for number, key in enumerate(query.variables):
        groups[f"v{number}"], names[f"v{number}"] = variable_value(key), key
    columns = {f"c{number}": COLUMNS[one.column]() for number, one in enumerate(operations)}
    figures = {f"o{n}": _AGGREGATES[one.operation](f"c{n}") for n, one in enumerate(operations)}
    names |= {f"o{number}": one.alias for number, one in enumerate(operations)}
    rows: Any = _calls(query.span).annotate(**groups, **columns).order_by()
    if groups:
        rows = rows.values(*groups).annotate(**figures).order_by(*groups)[: ROWS_MAX + 1]
    else:
        rows = [rows.aggregate(**figures)]
    return [{names[name]: _told(row[name]) for name in names} for row in rows]


def _calls(span: Span) -> QuerySet[Call]:
    # Counts, times and costs of an erased call stay; nobody was on the line of a smoke test.
    return Call.objects.filter(smoke_test=False, created_at__gte=span.start, created_at__lt=span.end)


def _step(span: Span) -> Combinable:
    given = (Value(span.step), F("created_at"), Value(span.timezone))
    return Func(*given, function="date_trunc", output_field=DateTimeField())


# --- How many at a time


def _of_all_together(span: Span, operations: list[Operation]) -> list[dict[str, Any]]:
    """Figures of how many calls ran at a time, of the moments at which one began: none is higher in between."""
    date = "date_trunc(%(step)s, at, %(timezone)s)" if span.step else "NULL::timestamptz"
    figures = ", ".join(f"{one.operation}(n)" for one in operations)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {date} AS date, {figures} FROM ({_RUNNING}) AS moments WHERE d = 1 GROUP BY 1 ORDER BY 1 LIMIT {ROWS_MAX + 1}",  # noqa: S608  # words of the tables above alone
            _given(span),
        )
        found = cursor.fetchall()
    names = [one.alias for one in operations]
    return [
        {**({"date": _told(date)} if span.step else {}), **dict(zip(names, map(_told, values), strict=True))}
        for date, *values in found
    ]


def _given(span: Span) -> dict[str, Any]:
    return {
        "from": span.start - _LASTS if span.start.year > 1 else span.start,
        "start": span.start,
        "end": span.end,
        "step": span.step,
        "timezone": span.timezone,
    }


def _joined(
    rows: list[dict[str, Any]], more: list[dict[str, Any]], *, with_date: bool
) -> list[dict[str, Any]]:
    """Rows of the same step made one; without steps there is one row of each."""
    found: dict[Any, dict[str, Any]] = {}
    for row in (*rows, *more):
        found.setdefault(row.get("date"), {}).update(row)
    return sorted(found.values(), key=lambda row: str(row.get("date"))) if with_date else list(found.values())


# --- Single values


def _history(query: Query) -> list[dict[str, Any]]:
    """A row for each call with its values, or for each change of how many ran; the earliest first."""
    if query.operations[0].column == CONCURRENCY:
        with connection.cursor() as cursor:
            cursor.execute(f"{_RUNNING} ORDER BY at, d LIMIT {ROWS_MAX + 1}", _given(query.span))
            changes = cursor.fetchall()
        names = [one.alias for one in query.operations]
        return [{"date": _told(at), **dict.fromkeys(names, _told(n))} for at, n, _ in changes]
    columns = {f"c{number}": COLUMNS[one.column]() for number, one in enumerate(query.operations)}
    rows = _calls(query.span).annotate(**columns).order_by("created_at", "pk")
    return [
        {
            "date": _told(row["created_at"]),
            **{one.alias: _told(row[f"c{n}"]) for n, one in enumerate(query.operations)},
        }
        for row in rows.values("created_at", *columns)[: ROWS_MAX + 1]
    ]


def _told(value: Any) -> Any:
    if isinstance(value, Decimal | float):
        return round(float(value), 6)
    if isinstance(value, dt.datetime):
        return moment_text(value)
    return str(value) if isinstance(value, UUID) else value


def answers(queries: list[Query]) -> list[Mapping[str, Any]]:
    """The answers in the order of the questions. Raises TooMuchError."""
    until = time.monotonic() + TOGETHER_MS / 1000
    # Nothing at all would be no limit.
    left = (max(1, int((until - time.monotonic()) * 1000)) for _ in queries)
    return [answer(query, within_ms=min(TIMEOUT_MS, ms)) for query, ms in zip(queries, left, strict=True)]

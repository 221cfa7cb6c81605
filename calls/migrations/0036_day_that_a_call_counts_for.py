"""A call that we placed counts for the day on which it ran, in every figure: reports counted it on the day of its order.

``calls_day_of`` is the rule (`calls.models.counting` tells it in words). The views use it, so do the triggers that mark days as
changed; what is kept of days is reckoned anew, since the views are others now.

Indices of a table of a million calls are built beside the calls that come in meanwhile, so this is no single transaction:
every step may be done again after one that failed.
"""

import datetime

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce, TruncDate

_COLUMNS = "direction, created_at, started_at, ended_at"
_DAY = "calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at)"
_ORDERED = "(c.created_at AT TIME ZONE 'UTC')::date"
_JOINED = "{rows} r JOIN calls_call c ON c.id = r.call_id"
_UTTERED = (
    "{rows} r JOIN transcripts_transcript t ON t.id = r.transcript_id AND r.latency_ms IS NOT NULL "
    "JOIN calls_call c ON c.id = t.call_id"
)
# Where the days of a changed row are found: its columns, and the rows between it and its call.
_TABLES = {
    "calls_call": (f"id, {_COLUMNS}", "{rows} c"),
    "calls_costline": ("call_id", _JOINED),
    "calls_callcost": ("call_id", _JOINED),
    "calls_vapicall": ("call_id", _JOINED),
    "tools_toolcall": ("call_id", _JOINED),
    "transcripts_utterance": ("transcript_id, latency_ms", _UTTERED),
}
_NAMES = {"insert": ("fresh",), "update": ("gone", "fresh"), "delete": ("gone",)}
_RULE = """
CREATE OR REPLACE FUNCTION calls_day_of(
    direction varchar, created_at timestamptz, started_at timestamptz, ended_at timestamptz
) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ((CASE WHEN direction = 'outbound' THEN coalesce(started_at, ended_at, created_at) ELSE created_at END)
        AT TIME ZONE 'UTC')::date
$$;
COMMENT ON FUNCTION calls_day_of IS 'The day, in UTC, that a call counts for: on which it came in; one that we placed, on which its conversation began, or where none did, on which it was over.';
"""


def _live(day: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION calls_days_live() RETURNS SETOF date LANGUAGE sql STABLE SECURITY DEFINER ROWS 3
SET search_path = public, pg_temp AS $$
    SELECT g.day::date FROM generate_series(
        (SELECT coalesce((SELECT k.until + 1 FROM calls_dayskept k), (SELECT min({day}) FROM calls_call c)))::timestamp,
        (SELECT max({day}) FROM calls_call c)::timestamp,
        interval '1 day'
    ) g (day)
    UNION
    SELECT q.day FROM calls_daychanged q WHERE q.day <= (SELECT k.until FROM calls_dayskept k)
$$;
"""


def _triggers(day: str, columns: str) -> str:
    parts = []
    for table, (own, source) in _TABLES.items():
        of_row = f"id, {columns}" if table == "calls_call" else own
        for event, names in _NAMES.items():
            rows = "(" + " UNION ALL ".join(f"SELECT {of_row} FROM {one}" for one in names) + ")"
            parts.append(
                f"""
CREATE OR REPLACE FUNCTION calls_days_{table}_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO calls_daychanged (day, at)
    SELECT DISTINCT {day}, statement_timestamp() FROM {source.format(rows=rows)}
    WHERE {day} < (clock_timestamp() AT TIME ZONE 'UTC')::date;
    RETURN NULL;
END $$;
"""
            )
    return "".join(parts)


# Costs that were kept under the day of the order.
_COSTS = f"""
UPDATE calls_callcost k SET day = {_DAY} FROM calls_call c
WHERE c.id = k.call_id AND c.direction = 'outbound' AND k.day <> {_DAY};
"""

# As in calls.models.counting at this time.
COUNTS_ON = TruncDate(
    models.Case(
        models.When(direction="outbound", then=Coalesce("started_at", "ended_at", "created_at")),
        default=models.F("created_at"),
    ),
    tzinfo=datetime.UTC,
)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("calls", "0035_machines_answered")]

    operations = [
        migrations.RunSQL(
            _RULE + _triggers(_DAY, _COLUMNS) + _live(_DAY) + _COSTS,
            _triggers(_ORDERED, "created_at") + _live(_ORDERED) + "DROP FUNCTION IF EXISTS calls_day_of;",
        ),
        migrations.AlterField(
            model_name="callcost",
            name="day",
            field=models.DateField(help_text="That the call counts for, in UTC (calls.models.counting)."),
        ),
        RemoveIndexConcurrently(model_name="call", name="call_by_day"),
        AddIndexConcurrently(model_name="call", index=models.Index(COUNTS_ON, name="call_by_day")),
        # Left behind, and of no use, where it was being built when that failed.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS call_smoke_by_day", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(COUNTS_ON, condition=models.Q(smoke_test=True), name="call_smoke_by_day"),
        ),
        RemoveIndexConcurrently(model_name="callcost", name="call_cost_by_day"),
        AddIndexConcurrently(
            model_name="callcost",
            index=models.Index(
                fields=["day", "assistant"],
                include=["total_usd", "unpriced_n", "priced_at"],
                name="call_cost_by_day",
            ),
        ),
    ]

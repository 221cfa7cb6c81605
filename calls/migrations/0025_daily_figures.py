"""Figures of whole days, and what tells that a day has changed: triggers on every table that the figures are made of.

A day is marked by whoever changes it after it was over, in the same transaction, with a row of its own. Days that go on
are not marked: nothing is kept of them until nobody can be writing to them unmarked (`calls.reporting.keeping`).
"""

import django.contrib.postgres.fields
from django.db import migrations, models

_CALL_DAY = "(c.created_at AT TIME ZONE 'UTC')::date"
# Where the days of a changed row are found: its columns, and the rows between it and its call.
_TABLES = {
    "calls_call": ("id, created_at", "{rows} c"),
    "calls_costline": ("call_id", "{rows} r JOIN calls_call c ON c.id = r.call_id"),
    "calls_callcost": ("call_id", "{rows} r JOIN calls_call c ON c.id = r.call_id"),
    "calls_vapicall": ("call_id", "{rows} r JOIN calls_call c ON c.id = r.call_id"),
    "tools_toolcall": ("call_id", "{rows} r JOIN calls_call c ON c.id = r.call_id"),
    "transcripts_utterance": (
        "transcript_id, latency_ms",
        "{rows} r JOIN transcripts_transcript t ON t.id = r.transcript_id AND r.latency_ms IS NOT NULL "
        "JOIN calls_call c ON c.id = t.call_id",
    ),
}
_EVENTS = {
    "insert": ("NEW TABLE AS fresh", ("fresh",)),
    "update": ("OLD TABLE AS gone NEW TABLE AS fresh", ("gone", "fresh")),
    "delete": ("OLD TABLE AS gone", ("gone",)),
}
_LIVE = """
CREATE FUNCTION calls_days_live() RETURNS SETOF date LANGUAGE sql STABLE SECURITY DEFINER ROWS 3
SET search_path = public, pg_temp AS $$
    SELECT g.day::date FROM generate_series(
        (SELECT coalesce(
            (SELECT k.until + 1 FROM calls_dayskept k),
            (SELECT min((c.created_at AT TIME ZONE 'UTC')::date) FROM calls_call c)
        ))::timestamp,
        (SELECT max((c.created_at AT TIME ZONE 'UTC')::date) FROM calls_call c)::timestamp,
        interval '1 day'
    ) g (day)
    UNION
    SELECT q.day FROM calls_daychanged q WHERE q.day <= (SELECT k.until FROM calls_dayskept k)
$$;
COMMENT ON FUNCTION calls_days_live() IS 'Days whose figures are reckoned whenever somebody asks: those that go on, and those that have changed since they were reckoned.';
"""


def _forward() -> str:
    parts = [_LIVE]
    for table, (columns, source) in _TABLES.items():
        for event, (referencing, names) in _EVENTS.items():
            name = f"calls_days_{table}_{event}"
            rows = "(" + " UNION ALL ".join(f"SELECT {columns} FROM {one}" for one in names) + ")"
            parts.append(
                f"""
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO calls_daychanged (day, at)
    SELECT DISTINCT {_CALL_DAY}, statement_timestamp() FROM {source.format(rows=rows)}
    WHERE c.created_at < date_trunc('day', clock_timestamp(), 'UTC');
    RETURN NULL;
END $$;
CREATE TRIGGER calls_days_{event} AFTER {event.upper()} ON {table} REFERENCING {referencing}
    FOR EACH STATEMENT EXECUTE FUNCTION {name}();
"""
            )
    return "".join(parts)


def _backward() -> str:
    parts = ["DROP FUNCTION calls_days_live();"]
    for table in _TABLES:
        for event in _EVENTS:
            parts.append(
                f"DROP TRIGGER calls_days_{event} ON {table}; DROP FUNCTION calls_days_{table}_{event}();"
            )
    return "\n".join(parts)


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0024_placing"),
        ("tools", "0006_tool_calls_by_moment"),
        ("transcripts", "0004_search"),
    ]
    operations = [
        migrations.CreateModel(
            name="DayChanged",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField(db_index=True)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="CallDay",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("stack", models.CharField(max_length=10)),
                ("assistant_id", models.UUIDField(null=True)),
                ("did", models.CharField(max_length=40)),
                ("outcome", models.CharField(max_length=40)),
                ("ended_reason", models.CharField(max_length=120)),
                ("calls_n", models.PositiveBigIntegerField()),
                ("answered_n", models.PositiveBigIntegerField()),
                ("timed_n", models.PositiveBigIntegerField()),
                ("seconds", models.DecimalField(decimal_places=3, max_digits=20)),
                ("begun_minutes", models.PositiveBigIntegerField()),
                ("longest_s", models.DecimalField(decimal_places=3, max_digits=12, null=True)),
                ("barge_ins_n", models.PositiveBigIntegerField()),
                ("tool_calls_n", models.PositiveBigIntegerField()),
                ("tool_errors_n", models.PositiveBigIntegerField()),
                ("vapi_cost_usd", models.DecimalField(decimal_places=25, max_digits=50, null=True)),
                ("vapi_costed_s", models.DecimalField(decimal_places=3, max_digits=20, null=True)),
                ("cost_usd", models.DecimalField(decimal_places=25, max_digits=50, null=True)),
                ("costed_s", models.DecimalField(decimal_places=3, max_digits=20, null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["day"], name="call_day")],
            },
        ),
        migrations.CreateModel(
            name="CostDay",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("stack", models.CharField(max_length=10)),
                ("assistant_id", models.UUIDField(null=True)),
                ("vapi_name", models.CharField(max_length=200, null=True)),
                ("did", models.CharField(max_length=40)),
                ("provider", models.CharField(max_length=10)),
                ("kind", models.CharField(max_length=20)),
                ("item", models.CharField(max_length=120)),
                ("calls_n", models.PositiveBigIntegerField()),
                ("usd", models.DecimalField(decimal_places=25, max_digits=50)),
                ("unknown_n", models.PositiveBigIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["day"], name="cost_day")],
            },
        ),
        migrations.CreateModel(
            name="DaysKept",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("until", models.DateField(null=True)),
                (
                    "definition",
                    models.CharField(
                        help_text="Of the views that the figures were reckoned by.", max_length=64
                    ),
                ),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="days_kept_once")],
            },
        ),
        migrations.CreateModel(
            name="SpeedDay",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("stack", models.CharField(max_length=10)),
                ("assistant_id", models.UUIDField(null=True)),
                ("turns_n", models.PositiveBigIntegerField()),
                ("calls_n", models.PositiveBigIntegerField()),
                ("p50_ms", models.PositiveIntegerField(null=True)),
                ("p95_ms", models.PositiveIntegerField(null=True)),
                ("p99_ms", models.PositiveIntegerField(null=True)),
                ("silence_ms", models.BigIntegerField()),
                ("tools_ms", models.BigIntegerField()),
                ("model_ms", models.BigIntegerField()),
                ("first_sound_p50_ms", models.PositiveIntegerField(null=True)),
                (
                    "latencies",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveIntegerField(), size=None
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["day"], name="speed_day")],
            },
        ),
        migrations.RunSQL(_forward(), _backward()),
    ]

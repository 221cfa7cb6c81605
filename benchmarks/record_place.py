"""A database with many calls in it: made once, kept where that is asked for, and gone on with where it was left."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from benchmarks.console import Progress
from benchmarks.place import ROOT
from config.embedded import ensure, leave

VAR = ROOT / "var" / "records"
REDIS_DATABASE = 1
# A call with its twenty turns, its tool calls and all indices.
BYTES_PER_CALL = 14_000
FREE_AT_LEAST = 5 * 1024**3
TURNS = 20
DAYS = 365
STEP = 20_000


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where the calls are: the variables of a process that uses them, and the folder of the server's data."""

    environment: dict[str, str]
    database_url: str
    data: Path


class TooFullError(Exception):
    """There is no room for so many calls."""


@contextlib.contextmanager
def record_place(calls: int, *, keep: bool) -> Iterator[RecordPlace]:
    """Services of their own under var/records with a database for so many calls. Sets up Django in this process.

    Without ``keep`` the folder is deleted afterwards. Raises TooFullError, and EmbeddedError where there are no services.
    """
    name = f"records_{calls}"
    VAR.mkdir(parents=True, exist_ok=True)
    _room_check(calls, VAR / name)
    services = ensure(VAR, disposable=True)
    spool = VAR / f"spool-{os.getpid()}"
    added = {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FIELD_ENCRYPTION_KEY": "kq3Wbk7TAVb2gVn1cSdd0RXkm8OcN1WD9OGjSDuKbJg=",
        "DATABASE_URL": services.database_url.replace("/tandem?", f"/{quote(name)}?"),
        "REDIS_URL": f"{services.redis_url.rpartition('/')[0]}/{REDIS_DATABASE}",
        "REDIS_KEY_PREFIX": name,
        "SPOOL_DIR": str(spool),
        "LOG_LEVEL": "WARNING",
        "PUBLIC_ORIGIN": "http://127.0.0.1:1",
        "OPENAI_API_KEY": "benchmark",
        "TWILIO_ACCOUNT_SID": f"AC{'b' * 32}",
        "TWILIO_AUTH_TOKEN": "benchmark",
        "TWILIO_API_URL": "http://127.0.0.1:1",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    os.environ.update(added)
    try:
        with psycopg.connect(services.database_url, autocommit=True) as admin:
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        _set_up()
        yield RecordPlace(dict(os.environ), added["DATABASE_URL"], services.data)
    finally:
        shutil.rmtree(spool, ignore_errors=True)
        if not keep:
            with psycopg.connect(services.database_url, autocommit=True) as admin:
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        leave(VAR)


def _room_check(calls: int, mark: Path) -> None:
    wanted = calls * BYTES_PER_CALL + FREE_AT_LEAST
    free = shutil.disk_usage(VAR).free
    if not mark.exists() and free < wanted:
        raise TooFullError(
            f"{calls} calls need {wanted / 1024**3:.0f} GiB of free disk under {VAR}, and there are {free / 1024**3:.0f}. "
            "Free some, or ask for fewer with --calls."
        )


def _set_up() -> None:
    import django  # noqa: PLC0415 - its settings are read from the environment made above
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    call_command("migrate", verbosity=0)


def calls_fill(calls: int, progress: Progress) -> float:
    """Seed what is missing to so many calls, without the indices that need not be there; the seconds that it took."""
    import time  # noqa: PLC0415

    from django.db import connection  # noqa: PLC0415

    from calls.models import Call  # noqa: PLC0415
    from calls.reporting.keeping import days_forget, days_keep  # noqa: PLC0415
    from calls.reporting.seeding import calls_analyze, calls_seed  # noqa: PLC0415

    there = Call.objects.filter(call_sid__startswith="CAseed").count()
    began = time.monotonic()
    if there < calls:
        _indices_drop()
        show = progress.step("seeding")
        days_forget()  # no trigger sees what is seeded
        with _unwatched():
            while there < calls:
                step = min(STEP, calls - there)
                calls_seed(step, turns=TURNS, days=DAYS, analyze=False)
                there += step
                show(f"{there:,} of {calls:,} calls")
        progress.line(f"{there:,} calls after {time.monotonic() - began:.0f} s; now the indices")
    _indices_make(progress)
    if connection.vendor == "postgresql" and time.monotonic() - began > 1:
        calls_analyze()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
    progress.step("figures of days")("")
    days_keep(seconds=float("inf"), patient=False)
    return time.monotonic() - began


@contextlib.contextmanager
def _unwatched() -> Iterator[None]:
    """Triggers and foreign keys do not look at what is seeded: half of the time is theirs, and it is right by how it is made."""
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield
        cursor.execute("RESET session_replication_role")


def _indices_drop() -> None:
    """Take away the indices that no constraint needs, and write down how they were."""
    from django.db import connection  # noqa: PLC0415

    from calls.reporting.seeding import SEEDED  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS benchmark_indices (name text PRIMARY KEY, definition text, statistics text[])"
        )
        cursor.execute(
            """
            SELECT c.relname, pg_get_indexdef(i.indexrelid),
                ARRAY(SELECT format('ALTER COLUMN %%s SET STATISTICS %%s', a.attnum, a.attstattarget)
                      FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget > 0)
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
            WHERE t.relname = ANY(%s) AND NOT i.indisunique
                AND NOT EXISTS (SELECT 1 FROM pg_constraint x WHERE x.conindid = i.indexrelid)
            """,
            [[model._meta.db_table for model in SEEDED]],
        )
        for name, definition, statistics in cursor.fetchall():
            cursor.execute(
                "INSERT INTO benchmark_indices VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [name, definition, statistics],
            )
            cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))


def _indices_make(progress: Progress) -> None:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('benchmark_indices')")
        if cursor.fetchone() == (None,):
            return
        cursor.execute("SELECT name, definition, statistics FROM benchmark_indices ORDER BY name")
        wanted = cursor.fetchall()
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for name, definition, statistics in wanted:
            progress.step("indices")(name)
            cursor.execute("SELECT to_regclass(%s)", [name])
            if cursor.fetchone() == (None,):
                cursor.execute(definition)
            for one in statistics:
                cursor.execute(sql.SQL("ALTER INDEX {} ").format(sql.Identifier(name)) + sql.SQL(one))
            cursor.execute("DELETE FROM benchmark_indices WHERE name = %s", [name])
        cursor.execute("RESET maintenance_work_mem")

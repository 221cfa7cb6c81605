"""PostgreSQL and Redis for the tests: real ones, private, with databases for each run and each of its workers.

A plugin loaded by `-p`, because pytest-django reads the settings before any conftest.py. Where DATABASE_URL and
REDIS_URL are set, those servers are used instead.
"""

import fcntl
import gc
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from celery import current_app
from django.conf import settings
from psycopg import sql

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"

from config.embedded import EmbeddedError, ensure
from config.embedded.place import find_place
from config.embedded.postgres import postgres_process
from config.local_environment import services_are_named

ROOT = Path(__file__).resolve().parents[1]
VAR = ROOT / "var" / "test"
SLOTS = 24  # runs at the same time, each with databases of its own
REDIS_DATABASES_PER_SLOT = 40  # one for each worker
_held: list[int] = []


def pytest_configure() -> None:
    """Nothing: all is done on import, before the settings are read."""


@pytest.hookimpl(optionalhook=True)
def pytest_worker_begins(number: int) -> None:
    """From now on in this process, which a run has forked: Redis databases and keys of its own."""
    settings.REDIS_KEY_PREFIX = os.environ["REDIS_KEY_PREFIX"] = f"tandem-test-{number}"
    if first := os.environ.get("TEST_REDIS_DATABASE"):
        place = settings.REDIS_URL.rpartition("/")[0]
        os.environ["REDIS_URL"] = f"{place}/{int(first) + number + 1}"
    settings.SPOOL_DIR = settings.SPOOL_DIR.with_name(str(os.getpid()))
    url = os.environ["REDIS_URL"]
    settings.REDIS_URL = settings.CELERY_BROKER_URL = url
    current_app.conf.update(broker_url=url)
    layer = settings.CHANNEL_LAYERS["default"]["CONFIG"]
    layer["prefix"] = f"{settings.REDIS_KEY_PREFIX}:asgi"
    layer["hosts"][0]["address"] = url


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the collector what lives until the end: 8,000 tests and all that they import, looked through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    if session.config.getoption("--workers", 0):
        _stand_back()


def _stand_back() -> None:
    """Have PostgreSQL work when nobody else wants the processor, as most workers do: those on the telephone cannot wait."""
    server = postgres_process(find_place(VAR)) if "TEST_TEMPLATE" in os.environ else None
    if server is not None:
        os.setpriority(os.PRIO_PROCESS, server.pid, 19)


def _take_slot() -> int:
    """A number that no other test run on this machine has, until this process ends."""
    folder = VAR / "run"
    folder.mkdir(parents=True, exist_ok=True)
    for slot in range(SLOTS):
        handle = os.open(folder / f"slot-{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        _held.append(handle)
        return slot
    raise SystemExit(f"{SLOTS} test runs are in progress already.")


def _template(database_url: str) -> str:
    """The name of a database on this server that holds all migrations, for tests to begin with a copy of.

    Migrating takes as long as some hundred tests. What a template is made of stands in its name; others are deleted.
    """
    name = f"tandem_template_{_migrations_digest()}"
    with (
        (VAR / "run" / "template.lock").open("w") as lock,
        psycopg.connect(database_url, autocommit=True) as db,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = db.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'tandem_template_%'"
        ).fetchall()
        if (name,) not in found:
            for (old,) in found:
                db.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(old)))
            being_made = f"{name}_being_made"
            db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(being_made)))
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "-v", "0"],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": database_url.replace("/tandem?", f"/{being_made}?")}
                | {"REDIS_URL": "redis://127.0.0.1:1/0"},
                check=True,
            )
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            db.execute(rename.format(sql.Identifier(being_made), sql.Identifier(name)))
    return name


def _migrations_digest() -> str:
    digest = hashlib.sha256()
    apps = ("assistants", "calls", "tools", "transcripts")
    paths = [path for app in apps for path in (ROOT / app / "migrations").glob("*.py")]
    for path in sorted([*paths, *(ROOT / "calls" / "reporting").rglob("*"), ROOT / "requirements.txt"]):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _start() -> None:
    os.environ["REDIS_KEY_PREFIX"] = "tandem-test-main"
    if services_are_named(os.environ):
        return
    slot = _take_slot()
    try:
        services = ensure(VAR, disposable=True)
    except EmbeddedError as exc:
        raise SystemExit(f"{exc}") from exc
    first = slot * REDIS_DATABASES_PER_SLOT
    os.environ["TEST_REDIS_DATABASE"] = str(first)
    os.environ["DATABASE_URL"] = services.database_url.replace("/tandem?", f"/tandem_{slot}?")
    os.environ["REDIS_URL"] = f"{services.redis_url.rpartition('/')[0]}/{first}"
    os.environ["TEST_TEMPLATE"] = _template(services.database_url)


_start()

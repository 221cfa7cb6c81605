"""PostgreSQL and Redis for the tests: real ones, private, with a database for each run and each worker.

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
from psycopg import sql

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"

from config.embedded import EmbeddedError, ensure
from config.local_environment import services_are_named

ROOT = Path(__file__).resolve().parents[1]
VAR = ROOT / "var" / "test"
SLOTS = 24  # runs at the same time, each with databases of its own
REDIS_DATABASES_PER_SLOT = 40  # one for each xdist worker
_held: list[int] = []


def pytest_configure() -> None:
    """Nothing: all is done on import, before the settings are read."""


def pytest_collection_finish() -> None:
    """Spare the collector what lives until the end: 8,000 tests and all that they import, looked through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


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
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker and not services_are_named(os.environ):
        slot = _take_slot()
        try:
            services = ensure(VAR, disposable=True)
        except EmbeddedError as exc:
            raise SystemExit(f"{exc}") from exc
        os.environ["TEST_REDIS_DATABASE"] = str(slot * REDIS_DATABASES_PER_SLOT)
        os.environ["DATABASE_URL"] = services.database_url.replace("/tandem?", f"/tandem_{slot}?")
        os.environ["REDIS_URL"] = services.redis_url
        os.environ["TEST_TEMPLATE"] = _template(services.database_url)
    first = os.environ.get("TEST_REDIS_DATABASE")
    if first is not None:
        # Workers inherit the URL, and take the databases after the first.
        number = int(first) + (int(worker.removeprefix("gw")) + 1 if worker else 0)
        os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{number}"
    os.environ["REDIS_KEY_PREFIX"] = f"tandem-test-{worker or 'main'}"


_start()

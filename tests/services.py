"""PostgreSQL and Redis for the tests: real ones, private, with a database for each run and each worker.

A plugin loaded by `-p`, because pytest-django reads the settings before any conftest.py. Where DATABASE_URL and
REDIS_URL are set, those servers are used instead.
"""

import fcntl
import os
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"

from config.embedded import EmbeddedError, ensure
from config.local_environment import services_are_named

VAR = Path(__file__).resolve().parents[1] / "var" / "test"
SLOTS = 24  # runs at the same time, each with databases of its own
REDIS_DATABASES_PER_SLOT = 40  # one for each xdist worker
_held: list[int] = []


def pytest_configure() -> None:
    """Nothing: all is done on import, before the settings are read."""


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
    first = os.environ.get("TEST_REDIS_DATABASE")
    if first is not None:
        # Workers inherit the URL, and take the databases after the first.
        number = int(first) + (int(worker.removeprefix("gw")) + 1 if worker else 0)
        os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{number}"
    os.environ["REDIS_KEY_PREFIX"] = f"tandem-test-{worker or 'main'}"


_start()

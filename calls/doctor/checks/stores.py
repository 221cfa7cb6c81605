"""What keeps and carries everything: the database, the broker with its queues, the beat, the spool on disk."""

import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from celery import current_app
from celery.exceptions import OperationalError as BrokerError
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from calls.doctor.report import Finding, failed, ok, warning, worst
from calls.lasting.journal import BROKEN, broken_bytes
from calls.models import UnwrittenRecord
from tools.shared_state import key

PING_TASK = "calls.doctor.tasks.ping"
PING_WITHIN_S = 6.0
QUEUES = {"tools": 500, "records": 5000, "messages": 10000}  # from when on a wait is worth a word, in ms
_WORKER_ADVICE = {
    "tools": "Tools are not asked while callers wait. Start a worker for it: celery -A config worker -P threads -Q tools",
    "messages": "Customers' servers are not told of calls; it waits in the database. Start a worker for it: celery -A config worker -P threads -Q messages",
    "records": "Nothing is written down; it waits in Redis. Start a worker for it: celery -A config worker -P threads -Q records",
}
_SLOW_DATABASE_MS = 100
_SLOW_REDIS_MS = 100
BEAT_KEY = ("doctor", "beat")
BEAT_SILENT_S = 180.0
# Entries leave the spool within a second or two when the broker takes them.
_SPOOL_OLD_S = 60.0
_SPOOL_MOST_BYTES = 64 * 1024 * 1024


# --- Database ------------------------------------------------------------------------------------------------


def database() -> Finding:
    """Whether PostgreSQL answers, quickly, and has the tables of this release."""
    try:
        with connection.cursor() as cursor:
            began = time.monotonic()  # the connection is not what is timed
            cursor.execute("SELECT 1")
        took_ms = round((time.monotonic() - began) * 1000)
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as exc:
        return failed(
            f"The database cannot be reached ({type(exc).__name__}).",
            "Look at PostgreSQL and at DATABASE_URL. Callers are given to the way back, or hear an apology.",
        )
    facts = {"took_ms": took_ms}
    if missing:
        names = ", ".join(f"{one.app_label}.{one.name}" for one, _ in missing[:5])
        return failed(
            f"{len(missing)} migrations are not applied: {names}.",
            "Run manage.py migrate, then restart all processes.",
            **facts,
        )
    if took_ms > _SLOW_DATABASE_MS:
        return warning(
            f"The database took {took_ms} ms for nothing.",
            "Callers hear it ring longer. Look at PostgreSQL's load and the way to it.",
            **facts,
        )
    return ok(f"PostgreSQL answers in {took_ms} ms, and all migrations are applied.", **facts)


# --- Redis ---------------------------------------------------------------------------------------------------


def redis_client(timeout_s: float) -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=2.0,
        retry=Retry(NoBackoff(), retries=0),
    )


def broker() -> Finding:
    """Whether Redis answers and can still be written to."""
    try:
        with redis_client(2.0) as client:
            client.ping()  # the connection is not what is timed
            began = time.monotonic()
            client.set(key("doctor", "broker"), "1", ex=60)
            took_ms = round((time.monotonic() - began) * 1000)
            memory: dict[str, Any] = client.info("memory")
    except (RedisError, OSError) as exc:
        return failed(
            f"Redis cannot be reached or written to ({type(exc).__name__}).",
            "Look at Redis and at REDIS_URL. Tools cannot be asked; what is said waits in the spool.",
        )
    most, used = memory.get("maxmemory") or 0, memory.get("used_memory") or 0
    findings = []
    if most and used > 0.9 * most:
        findings.append(
            warning(
                f"Redis is filled to {100 * used / most:.0f} %.",
                "Give it more memory, or look for what fills it.",
            )
        )
    if most and memory.get("maxmemory_policy", "noeviction") != "noeviction":
        findings.append(
            warning(
                "Redis throws away keys when it is full.",
                "Jobs would vanish. Set its maxmemory-policy to noeviction.",
            )
        )
    if took_ms > _SLOW_REDIS_MS:
        findings.append(warning(f"Redis took {took_ms} ms.", "Look at its load and the way to it."))
    findings.append(ok("", took_ms=took_ms))
    return worst(findings, all_well=f"Redis answers in {took_ms} ms.")


def queue(name: str) -> Finding:
    """How long a job waits in a queue: an empty one is sent and its answer waited for."""
    token = secrets.token_hex(8)
    place = key("doctor", "ping", token)
    try:
        with current_app.connection_for_write() as link:
            link.ensure_connection(max_retries=0)  # the connection is not what is timed
            began = time.monotonic()
            current_app.send_task(
                PING_TASK,
                kwargs={"token": token},
                queue=name,
                expires=PING_WITHIN_S,
                retry=False,
                connection=link,
            )
        with redis_client(PING_WITHIN_S + 2) as client:
            answered = client.blpop([place], timeout=PING_WITHIN_S)
            waiting = client.llen(name)
    except (RedisError, BrokerError, OSError) as exc:
        return failed(f"No job could be sent ({type(exc).__name__}).", "See the broker's own check.")
    waited_ms = round((time.monotonic() - began) * 1000)
    if answered is None:
        return failed(
            f"No worker took a job of queue {name} within {PING_WITHIN_S:g} s; {waiting} wait in it.",
            _WORKER_ADVICE.get(name, "Start a worker for it."),
            waiting=waiting,
        )
    facts = {"waited_ms": waited_ms, "waiting": waiting}
    if waited_ms > QUEUES.get(name, 1000):
        return warning(
            f"A job waited {waited_ms / 1000:.1f} s in queue {name}.",
            "Start more workers for this queue.",
            **facts,
        )
    return ok(f"A job was carried out after {waited_ms} ms.", **facts)


def ping_answer(token: str) -> None:
    """Tell whoever waits for it that a job was carried out."""
    place = key("doctor", "ping", token)
    with redis_client(2.0) as client:
        client.rpush(place, "1")
        client.expire(place, 60)


def beat_mark() -> None:
    """Note that the beat lives and its jobs are carried out."""
    with redis_client(2.0) as client:
        client.set(key(*BEAT_KEY), f"{time.time():.0f}", ex=24 * 3600)


def beat() -> Finding:
    """Whether the beat lives: the watch of numbers, the error budgets and schedules depend on it."""
    try:
        with redis_client(2.0) as client:
            marked = client.get(key(*BEAT_KEY))
    except (RedisError, OSError) as exc:
        return failed(f"Redis cannot be reached ({type(exc).__name__}).", "See the broker's own check.")
    advice = "Start exactly one beat: celery -A config beat. No number is watched and no schedule goes on without it."
    if not isinstance(marked, str) or not marked.isdecimal():
        return warning(
            "The beat has not been heard of yet.", f"It tells of itself a minute after it starts. {advice}"
        )
    silent_s = time.time() - int(marked)
    if silent_s > BEAT_SILENT_S:
        return failed(
            f"The beat has been silent for {silent_s / 60:.0f} minutes.", advice, silent_s=round(silent_s)
        )
    return ok("The beat lives.", silent_s=round(silent_s))


# --- Disk ----------------------------------------------------------------------------------------------------


def spool() -> Finding:
    """Whether what is said can be kept on disk, and whether anything waits there."""
    folder = Path(settings.SPOOL_DIR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".doctor-{secrets.token_hex(4)}"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
        waiting = list(_journals(folder))
    except OSError as exc:
        return failed(
            f"SPOOL_DIR cannot be written ({type(exc).__name__}).",
            "Give this process the right to write there, and free space. Words would be lost while the broker is away.",
        )
    broken = broken_bytes(folder)
    if broken:
        return warning(
            f"{broken / 1024:.0f} KiB of broken lines were put aside in {folder.name}/{BROKEN}.",
            "A process or the machine died in the middle of a line. Look at them, then delete the files; docs/reliability.md says more.",
            broken_bytes=broken,
        )
    return spool_told(waiting)


def unwritten() -> Finding:
    """Whether records were put aside that could not be written."""
    count = UnwrittenRecord.objects.count()
    if not count:
        return ok("Every record could be written.")
    oldest = UnwrittenRecord.objects.order_by("created_at").values_list("created_at", flat=True).first()
    since = f"{timezone.localtime(oldest):%d %b, %H:%M}" if oldest else "now"
    return warning(
        f"{count} records could not be written, the first at {since}.",
        "Open Records not written in the admin: the kind of error stands there. Write them again once its cause is gone.",
        records=count,
    )


def _journals(folder: Path) -> Iterator[tuple[int, float]]:
    for path in folder.glob("*.jsonl"):
        with contextlib.suppress(FileNotFoundError):  # its process has just ended
            found = path.stat()
            yield found.st_size, time.time() - found.st_mtime


def spool_told(journals: list[tuple[int, float]]) -> Finding:
    """What journals of so many bytes, last written so many seconds ago, mean. Empty ones belong to living processes."""
    full = [(size, age_s) for size, age_s in journals if size]
    stuck = [(size, age_s) for size, age_s in full if age_s > _SPOOL_OLD_S]
    size = sum(size for size, _ in full)
    facts = {"waiting_bytes": size}
    if stuck or size > _SPOOL_MOST_BYTES:
        return warning(
            f"{size / 1024:.0f} KiB wait in the spool, the oldest since {max(age for _, age in full) / 60:.0f} minutes.",
            "The broker does not take them; its own check says why. Nothing is lost as long as the folder stays.",
            **facts,
        )
    return ok("The spool can be written, and nothing is stuck in it.", **facts)

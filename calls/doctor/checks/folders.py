"""Where files are kept: room on the disks, and whether web and workers see the same recordings."""

import secrets
import shutil
import time
from pathlib import Path

from celery import current_app
from celery.exceptions import OperationalError as BrokerError
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from redis.exceptions import RedisError

from calls.doctor.checks.stores import redis_client, spool
from calls.doctor.report import Finding, Verdict, failed, ok, warning
from tools.shared_state import key

SEEN_TASK = "calls.doctor.tasks.recording_seen"
SEEN_WITHIN_S = 6.0
# An hour of a call with two channels has 110 MiB; a spool may have SPOOL_LIMIT_MB of each process.
RECORDINGS_FREE_MIB = 2048
_MIB = 1024 * 1024
_PROBE = ".doctor-"


def spool_with_room() -> Finding:
    """What the spool's own check finds, and whether there is room for what may have to wait there."""
    found = spool()
    if found.verdict is Verdict.FAILED:
        return found
    free = free_mib(Path(settings.SPOOL_DIR))
    if free < settings.SPOOL_LIMIT_MB:
        return warning(
            f"{free} MiB are free where SPOOL_DIR is, and a process may keep {settings.SPOOL_LIMIT_MB} MiB there. {found.found}",
            "Free space, or give SPOOL_DIR a larger disk: what is said while the broker is away would be lost.",
            **{**found.facts, "free_mib": free},
        )
    return Finding(found.verdict, found.found, found.what_to_do, {**found.facts, "free_mib": free})


def recordings() -> Finding:
    """Whether a recording can be kept, whether there is room for more, and whether a worker finds what was kept here.

    A worker fetches recordings, and the web process hands them out: both must see the same folder, on whatever machines they are.
    """
    storage = storages["recordings"]
    token = secrets.token_hex(16)
    name = f"{_PROBE}{token}"
    try:
        kept = storage.save(name, ContentFile(token.encode()))
    except Exception as exc:  # noqa: BLE001  # a bucket's client has errors of its own
        return failed(
            f"No recording can be kept ({type(exc).__name__}).",
            "Give web and workers the right to write to RECORDINGS_DIR, or look at the bucket and its keys.",
        )
    try:
        seen = _seen_by_a_worker(kept)
    finally:
        _forget(storage, kept)
    return recordings_told(seen, _room(storage))


def recordings_told(seen: bool | None, free: int | None) -> Finding:  # noqa: FBT001  # of three values
    """What it means that a worker saw what was kept here; None: no worker said so. ``free`` MiB; None: nobody knows."""
    facts = {} if free is None else {"free_mib": free}
    if seen is False:
        return failed(
            "What this process keeps as a recording, a worker does not find.",
            "RECORDINGS_DIR is another folder there: let web and workers share one, also over several machines, or set "
            "RECORDINGS_S3_BUCKET. Recordings would be kept where nobody can hear them.",
            **facts,
        )
    if free is not None and free < RECORDINGS_FREE_MIB:
        return warning(
            f"{free} MiB are free for recordings; an hour of a call needs about 110.",
            "Free space, give RECORDINGS_DIR a larger disk, or have recordings deleted sooner.",
            **facts,
        )
    if seen is None:
        return warning(
            "Recordings can be kept here; no worker said whether it finds them.",
            "See the check of queue records: a worker has to take its jobs.",
            **facts,
        )
    return ok("Recordings can be kept, and a worker finds them.", **facts)


def free_mib(folder: Path) -> int:
    """How much room there is where a folder is, or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free // _MIB


def recording_seen(*, name: str, token: str) -> None:
    """Tell whoever waits whether this process finds a file that the doctor has kept; for a worker."""
    found = name.rpartition("/")[2].startswith(_PROBE) and storages["recordings"].exists(name)
    place = key("doctor", "seen", token)
    with redis_client(2.0) as client:
        client.rpush(place, "yes" if found else "no")
        client.expire(place, 60)


def _seen_by_a_worker(name: str) -> bool | None:
    token = secrets.token_hex(8)
    try:
        current_app.send_task(
            SEEN_TASK,
            kwargs={"name": name, "token": token},
            queue="records",
            expires=SEEN_WITHIN_S,
            retry=False,
        )
        with redis_client(SEEN_WITHIN_S + 2) as client:
            answered = client.blpop([key("doctor", "seen", token)], timeout=SEEN_WITHIN_S)
    except (RedisError, BrokerError, OSError):
        return None
    if answered is None:
        return None
    said = answered[1]
    return (said.decode() if isinstance(said, bytes) else str(said)) == "yes"


def _forget(storage: Storage, name: str) -> None:
    for _ in range(2):
        try:
            storage.delete(name)
        except OSError:
            time.sleep(0.1)
        else:
            return


def _room(storage: Storage) -> int | None:
    """MiB that are free for recordings; None for a bucket, which has no end."""
    location = getattr(storage, "base_location", None)
    if settings.RECORDINGS_S3_BUCKET or not location:
        return None
    return free_mib(Path(str(location)))

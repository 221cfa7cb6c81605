"""One run of the import of calls: what it reads, page by page into rows, and where it goes on after whatever stopped it."""

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from assistants.imports.claiming import is_stuck, stuck, taken
from assistants.vapi.client import VapiClient
from assistants.vapi.documents import ExportError, storable
from calls.history.fetching import Place, pages_fetch
from calls.history.reading import CallRecord
from calls.history.sources import Read, bytes_read
from calls.history.writing import Written, calls_link, calls_write
from calls.models import VapiCall, VapiCallImport

Status = VapiCallImport.Status
LIVE: Final = (Status.WAITING, Status.RUNNING)
# A page takes two minutes at the very most to come, unless Vapi limits the rate.
SILENT: Final = timedelta(minutes=20)
BATCH: Final = 200
NOTES_KEPT: Final = 50
# In the cursor of a run whose files were read where a command ran, and are not kept here.
GONE: Final = "gone"

Tell = Callable[[VapiCallImport], None]


class RunLostError(Exception):
    """Somebody else has ended the run, or goes on with it."""


def run_request(
    *,
    source: str,
    date_from: datetime | None = None,
    date_to: datetime | None = None,
    assistant_ids: Iterable[str] = (),
    api_key: str = "",
    files: Iterable[tuple[str, bytes]] = (),
    elsewhere: bool = False,
    started_by: User | None = None,
) -> VapiCallImport:
    """A run that waits to be carried out. An open end becomes now, so that a run that goes on later knows where it ends.

    ``elsewhere``: it reads files that are not kept, so that it cannot go on later.
    """
    return VapiCallImport.objects.create(
        source=storable(source)[:400],
        date_from=date_from,
        date_to=date_to or timezone.now(),
        assistant_ids=[storable(one) for one in assistant_ids],
        api_key=api_key,
        content=_packed(files),
        cursor={GONE: True} if elsewhere else {},
        started_by=started_by,
        progress="Waiting for a worker.",
    )


def run_carry_out(run_id: Any, *, key: str = "", tell: Tell = lambda _: None) -> VapiCallImport | None:
    """Carry out a run that waits, or that nobody works on any more; None for one that goes on or is over.

    It ends as done, stopped or failed; whatever was read until then is written. ``key`` is used where the run has none.
    """
    run = taken(VapiCallImport.objects.all(), run_id, silent=SILENT)
    if run is None:
        return None
    try:
        if run.content:
            _files(run, tell)
        else:
            _api(run, key or run.api_key or settings.VAPI_API_KEY, tell)
    except ExportError as exc:
        _end(run, Status.FAILED, str(exc))
    except RunLostError:
        run.refresh_from_db()
    return run


def run_of_files(run: VapiCallImport, read: Iterable[Read], *, tell: Tell = lambda _: None) -> None:
    """Carry out a run here and now on what was read from files. Raises ExportError, after which the run has failed."""
    run.status, run.beat_at = Status.RUNNING, timezone.now()
    run.save(update_fields=["status", "beat_at"])
    try:
        _write_all(run, iter(read), tell, source=VapiCall.Source.FILES)
    except ExportError as exc:
        _end(run, Status.FAILED, str(exc))
        raise


def run_stop(run: VapiCallImport) -> None:
    """Have a run stop after its page; one that nobody has taken stops at once."""
    VapiCallImport.objects.filter(pk=run.pk, status=Status.WAITING).update(
        status=Status.STOPPED, progress="Stopped.", finished_at=timezone.now()
    )
    VapiCallImport.objects.filter(pk=run.pk, status=Status.RUNNING).update(stop_asked=True)


def run_again(run: VapiCallImport) -> bool:
    """Let a run wait once more that was stopped, has failed, or whose worker is gone. False where it goes on or is done."""
    now = timezone.now()
    resting = Q(status__in=[Status.STOPPED, Status.FAILED]) & ~Q(cursor__has_key=GONE)
    return bool(
        VapiCallImport.objects.filter(resting | stuck(silent=SILENT, now=now), pk=run.pk).update(
            status=Status.WAITING,
            stop_asked=False,
            beat_at=now,
            finished_at=None,
            error="",
            progress="Waiting for a worker.",
        )
    )


def run_fail(run_id: Any, error: str) -> None:
    """End a run with one message for people."""
    VapiCallImport.objects.filter(pk=run_id, status__in=LIVE).update(
        status=Status.FAILED, error=error, progress="", finished_at=timezone.now()
    )


def run_stuck(run: VapiCallImport, *, now: datetime) -> bool:
    """Whether nobody seems to work on a run that has not ended."""
    return is_stuck(run, silent=SILENT, now=now)


def run_can_go_on(run: VapiCallImport) -> bool:
    """Whether a run that rests can be taken up where it was. The files of a command are not kept."""
    return run.status in (Status.STOPPED, Status.FAILED) and not run.cursor.get(GONE)


# --- Reading -------------------------------------------------------------------------------------------------


def _api(run: VapiCallImport, key: str, tell: Tell) -> None:
    def told(text: str) -> None:
        run.progress = text[:200]
        VapiCallImport.objects.filter(pk=run.pk).update(progress=run.progress, beat_at=timezone.now())
        tell(run)

    with VapiClient(url=settings.VAPI_API_URL, key=key) as client:
        pages = pages_fetch(
            client,
            date_from=run.date_from,
            date_to=run.date_to,
            assistant_ids=run.assistant_ids,
            place=Place.from_json(run.cursor),
            tell=told,
        )
        for page in pages:
            cursor = page.next.to_json() if page.next is not None else run.cursor
            if not _page_write(run, page.read, source=VapiCall.Source.API, cursor=cursor, tell=tell):
                return
    _end(run, Status.DONE)


def _files(run: VapiCallImport, tell: Tell) -> None:
    read = (one for name, content in _unpacked(run.content) for one in bytes_read(content, name=name))
    done = int(run.cursor.get("read", 0))
    _write_all(run, islice(read, done, None), tell, source=VapiCall.Source.FILES, done=done)


def _write_all(
    run: VapiCallImport, read: Iterator[Read], tell: Tell, *, source: VapiCall.Source, done: int = 0
) -> None:
    while batch := tuple(islice(read, BATCH)):
        done += len(batch)
        if not _page_write(run, batch, source=source, cursor={**run.cursor, "read": done}, tell=tell):
            return
    _end(run, Status.DONE)


def _page_write(
    run: VapiCallImport,
    read: tuple[Read, ...],
    *,
    source: VapiCall.Source,
    cursor: dict[str, Any],
    tell: Tell,
) -> bool:
    """Write a page and the place behind it together; False where the run is to stop there."""
    records = [one for one in read if isinstance(one, CallRecord)]
    unreadable = [one for one in read if not isinstance(one, CallRecord)]
    notes = list(dict.fromkeys([*run.notes, *(f"{one.where}: {one.why}" for one in unreadable)]))[:NOTES_KEPT]
    with transaction.atomic():
        written = calls_write(records, source=source)
        now = timezone.now()
        kept = VapiCallImport.objects.filter(pk=run.pk, status=Status.RUNNING).update(
            cursor=cursor,
            notes=notes,
            beat_at=now,
            read_n=F("read_n") + len(read),
            unreadable_n=F("unreadable_n") + len(unreadable),
            **{f"{name}_n": F(f"{name}_n") + n for name, n in _counts(written).items()},
        )
        if not kept:
            transaction.set_rollback(True)
    if not kept:
        raise RunLostError
    run.refresh_from_db(fields=[*(f"{name}_n" for name in _counts(written)), "read_n", "unreadable_n"])
    run.cursor, run.notes = cursor, notes
    run.progress = _progress(run, records)
    VapiCallImport.objects.filter(pk=run.pk).update(progress=run.progress)
    tell(run)
    run.refresh_from_db(fields=["stop_asked"])
    if run.stop_asked:
        _end(run, Status.STOPPED)
        return False
    return True


def _progress(run: VapiCallImport, records: list[CallRecord]) -> str:
    made = [one.created_at for one in records if one.created_at is not None]
    back_to = f", back to {min(made):%Y-%m-%d %H:%M} UTC" if made else ""
    return f"{run.read_n:,} calls read{back_to}"


def _counts(written: Written) -> dict[str, int]:
    names = ("created", "completed", "unchanged", "running", "erased")
    return {name: getattr(written, name) for name in names}


def _end(run: VapiCallImport, status: Status, error: str = "") -> None:
    """End a run. What it needs to go on is kept until it is done, and not longer."""
    if status == Status.DONE:
        calls_link()
        run.api_key, run.content, run.progress = "", "", "Done."
    run.status, run.error, run.finished_at, run.stop_asked = status, error, timezone.now(), False
    fields = ["status", "error", "finished_at", "stop_asked", "progress", "api_key", "content"]
    run.save(update_fields=fields)


def _packed(files: Iterable[tuple[str, bytes]]) -> str:
    listed = [[name, base64.b64encode(content).decode()] for name, content in files]
    return base64.b64encode(zlib.compress(json.dumps(listed).encode())).decode() if listed else ""


def _unpacked(content: str) -> list[tuple[str, bytes]]:
    listed = json.loads(zlib.decompress(base64.b64decode(content)))
    return [(name, base64.b64decode(packed)) for name, packed in listed]

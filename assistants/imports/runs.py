"""One run of the importer: from where something is read, through translation, to rows. What fails changes nothing."""

import base64
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from assistants.imports.claiming import is_stuck, stuck, taken
from assistants.imports.summary import ImportSummary, Written
from assistants.imports.writing import import_apply, import_lock
from assistants.models import VapiImport
from assistants.selectors import translated
from assistants.vapi.client import Progress, VapiClient, export_fetch
from assistants.vapi.documents import ExportError, storable
from assistants.vapi.exports import Export, export_join, export_read

Tell = Callable[[Progress], None]
Status = VapiImport.Status

# A worker tells of itself with every answer of Vapi's, which may take two minutes to come; a large export takes minutes to write.
SILENT: Final = timedelta(minutes=10)
TELL_EVERY: Final = timedelta(seconds=1)
# A try that read this many leaves and more keeps only those that somebody must look at.
LEAVES_KEPT: Final = 5000
NOTHING_READ = (
    "There is no assistant, tool, squad or phone number in {source}, so there is nothing to import. "
    "Give what GET /assistant answers at Vapi."
)
AT_ONCE = (
    "Somebody else changed the same rows at the same moment, so nothing was imported. Start the import again."
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import read and did. ``notes`` tells people what was changed or left out in reading."""

    summary: ImportSummary
    notes: tuple[str, ...] = ()


def import_write(
    export: Export,
    *,
    run: VapiImport,
    author: User | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Translate an export and write it, all or nothing; with ``dry_run`` it is undone at the end.

    Raises ExportError for what cannot be imported.
    """
    if not export.items:
        raise ExportError(NOTHING_READ.format(source=run.source))
    try:
        with transaction.atomic():
            import_lock()
            summary = import_apply(translated(export), run=run, author=author, overwrite=overwrite)
            if dry_run:
                transaction.set_rollback(True)
    except IntegrityError as exc:
        raise ExportError(AT_ONCE) from exc
    return Imported(without_rows(summary) if dry_run else summary, (*export.notes, *_unknown(export)))


def _unknown(export: Export) -> list[str]:
    """Notes about assistants that were asked for by id and that Vapi does not know."""
    return [
        f"Vapi knows no assistant {one}. Check the id, or import without it."
        for one in export.unresolved.assistants
    ]


def without_rows(summary: ImportSummary) -> ImportSummary:
    """The summary of a try: what it made is gone again."""

    def told(one: Written) -> Written:
        made = one.action in ("created", "recreated")
        if one.action == "created":
            one.row.pk = None
        return replace(one, target="" if made else one.target)

    return ImportSummary(tuple(told(one) for one in summary.objects))


def api_read(*, key: str, assistant_ids: Iterable[str] = (), tell: Tell = lambda _: None) -> Export:
    """What the key's organisation has at Vapi, or only these assistants and what belongs to them. Raises ExportError."""
    ids = list(assistant_ids)
    with VapiClient(url=settings.VAPI_API_URL, key=key) as client:
        export = export_fetch(client, assistant_ids=ids or None, progress=tell)
    if ids and not export.assistants:
        raise ExportError(
            f"Vapi knows none of these assistants: {', '.join(export.unresolved.assistants)}. Check the ids, and that the "
            "key belongs to the organisation that owns them."
        )
    return export


# --- A run in the queue --------------------------------------------------------------------------------------


def run_request(
    *,
    source: str,
    files: Iterable[tuple[str, bytes]] = (),
    api_key: str = "",
    assistant_ids: Iterable[str] = (),
    dry_run: bool,
    overwrite: bool,
    started_by: User | None,
) -> VapiImport:
    """A run that waits for a worker. What it will read is kept encrypted until it ends."""
    return VapiImport.objects.create(
        source=storable(source)[:400],
        content=_packed(files),
        api_key=api_key,
        assistant_ids=[storable(one) for one in assistant_ids],
        dry_run=dry_run,
        overwrite=overwrite,
        started_by=started_by,
        progress="Waiting for a worker.",
    )


def run_carry_out(run_id: Any) -> None:
    """Carry out a run that waits, or whose worker has died. One that runs or has ended is left alone."""
    run = taken(VapiImport.objects.all(), run_id, silent=SILENT)
    if run is None:
        return
    reporter = _Reporter(run_id)
    try:
        export = _read(run, reporter)
        reporter.tell(Progress(0, None, "Translating and writing …"), at_once=True)
        imported = import_write(
            export, run=run, author=run.started_by, overwrite=run.overwrite, dry_run=run.dry_run
        )
    except ExportError as exc:
        run_fail(run_id, str(exc))
        return
    n = len(imported.summary.objects)
    VapiImport.objects.filter(pk=run_id, status=Status.RUNNING).update(
        status=Status.DONE,
        progress="Done.",
        done=n,
        total=n,
        summary=_summary_json(imported, dry_run=run.dry_run),
        content="",
        api_key="",
        finished_at=timezone.now(),
    )


def run_fail(run_id: Any, error: str) -> None:
    """End a run with one message for people; what it was to read is forgotten."""
    VapiImport.objects.filter(pk=run_id, status__in=[Status.WAITING, Status.RUNNING]).update(
        status=Status.FAILED, error=error, progress="", content="", api_key="", finished_at=timezone.now()
    )


def run_again(run: VapiImport) -> bool:
    """Let a run wait once more whose worker died or never came. Returns False where it goes on, or has ended."""
    now = timezone.now()
    return bool(
        VapiImport.objects.filter(stuck(silent=SILENT, now=now), pk=run.pk).update(
            status=Status.WAITING, beat_at=now, progress="Waiting for a worker."
        )
    )


def run_stuck(run: VapiImport, *, now: datetime) -> bool:
    """Whether nobody seems to work on a run that has not ended."""
    return is_stuck(run, silent=SILENT, now=now)


class _Reporter:
    """Writes how far a run is, once a second at most."""

    def __init__(self, run_id: Any) -> None:
        self._run_id = run_id
        self._told_at: datetime | None = None

    def tell(self, progress: Progress, *, at_once: bool = False) -> None:
        now = timezone.now()
        if not at_once and self._told_at and now - self._told_at < TELL_EVERY:
            return
        self._told_at = now
        VapiImport.objects.filter(pk=self._run_id).update(
            progress=progress.text[:200], done=progress.done, total=progress.total, beat_at=now
        )


def _read(run: VapiImport, reporter: _Reporter) -> Export:
    if run.content:
        return export_join(export_read(content, name=name) for name, content in _unpacked(run.content))
    key = run.api_key or settings.VAPI_API_KEY
    return api_read(key=key, assistant_ids=run.assistant_ids, tell=reporter.tell)


def _packed(files: Iterable[tuple[str, bytes]]) -> str:
    listed = [[name, base64.b64encode(content).decode()] for name, content in files]
    if not listed:
        return ""
    return base64.b64encode(zlib.compress(json.dumps(listed).encode())).decode()


def _unpacked(content: str) -> list[tuple[str, bytes]]:
    listed = json.loads(zlib.decompress(base64.b64decode(content)))
    return [(name, base64.b64decode(packed)) for name, packed in listed]


def _summary_json(imported: Imported, *, dry_run: bool) -> dict[str, Any]:
    """What a run keeps. A try has left no rows, so it keeps its findings too: of very many only those to look at."""
    shape = imported.summary.to_json(with_findings=dry_run)
    shape["notes"] = list(imported.notes)
    if dry_run and sum(shape["counts"].values()) > LEAVES_KEPT:
        shape["shortened"] = True
        for one in shape["objects"]:
            telling = [found for found in one["findings"] if found["verdict"] in ("decision", "dropped")]
            one["findings"] = telling[:LEAVES_KEPT]
    return shape

"""Calls that ran at Vapi into Tandem's tables, from Vapi's API or from files: the reference for drift, and an archive."""

import json
import sys
import uuid
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from assistants.vapi.documents import ExportError, storable
from calls.history import runs
from calls.history.sources import Read, path_read, stream_read
from calls.models import Recording, VapiCallImport
from calls.recordings.vapi import calls_to_fetch, recording_of_call_fetch
from tools.adminkit import clipped
from tools.commandkit import ExampleCommand

SOME_UNREADABLE = 3
STOPPED = 130
NOTES_SHOWN = 20
EXAMPLES = """\
examples:
  manage.py import_vapi_calls --api                            every call that Vapi still has, of VAPI_API_KEY's organisation
  manage.py import_vapi_calls --api --from 2026-06-01 --to 2026-06-30
  manage.py import_vapi_calls --api --assistant b2d7a6d4-…     calls of one assistant; may be given several times
  manage.py import_vapi_calls reports/                         saved end-of-call reports or GET /call answers, JSON or JSON lines
  curl -s -H "Authorization: Bearer $KEY" "https://api.vapi.ai/call?limit=1000" | manage.py import_vapi_calls -
  manage.py import_vapi_calls --api --recordings               with their sound, while Vapi still has it
  manage.py import_vapi_calls --resume                         go on with the newest run that was stopped or has failed

Importing the same calls again changes nothing; a fuller body completes a poorer one. Stop it with Ctrl-C at any time:
everything up to the last page is written.

exit status: 0 done, 3 done but something could not be read, 1 stopped by an error, 2 wrong usage, 130 stopped by you.
"""


class Command(ExampleCommand):
    help = (
        "Import calls that ran at Vapi: what was said, tool calls with arguments and results, cost, and why each ended. "
        "Vapi keeps calls for 14 days on some plans, so archive them first."
    )
    examples = EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path",
            nargs="?",
            metavar="PATH",
            help="a file or folder of JSON or JSON lines; - is standard input",
        )
        parser.add_argument(
            "--api", action="store_true", help="read from Vapi's API with the key in VAPI_API_KEY"
        )
        parser.add_argument(
            "--from",
            dest="date_from",
            metavar="DATE",
            help="calls made on this day or later; a day or a moment, UTC unless it says otherwise",
        )
        parser.add_argument(
            "--to",
            dest="date_to",
            metavar="DATE",
            help="calls made until the end of this day, or before this moment",
        )
        parser.add_argument(
            "--assistant",
            action="append",
            default=[],
            metavar="ID",
            help="only calls of this assistant (its id at Vapi); may be given several times",
        )
        parser.add_argument(
            "--resume",
            nargs="?",
            const="",
            metavar="RUN",
            help="go on with a run that was stopped or has failed: this one, or the newest",
        )
        parser.add_argument(
            "--recordings",
            action="store_true",
            help="then fetch the recordings of the calls of these days that are not here; Vapi's links expire",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        self._check(options)
        with self._progress(options) as tell:
            if options["path"]:
                run = self._from_files(options["path"], tell)
            else:
                run = self._from_api(options, tell)
        fetched = self._fetch_recordings(run, options) if options["recordings"] else None
        if options["json"]:
            self.stdout.write(json.dumps(_run_json(run) | (fetched or {}), indent=2))
        else:
            self._print(run)
            if fetched is not None:
                self.stdout.write(f"  {fetched['recordings']:>8,}  recordings fetched")
                if fetched["recordings_failed"]:
                    self.stdout.write(
                        f"  {fetched['recordings_failed']:>8,}  could not be; each says why under Recordings in the admin"
                    )
        if run.status == VapiCallImport.Status.FAILED:
            raise CommandError(f"{run.error}\nWhat was read until then is here. {_go_on(run)}")
        if run.unreadable_n:
            sys.exit(SOME_UNREADABLE)

    # --- Reading

    def _check(self, options: dict[str, Any]) -> None:
        chosen = [bool(options["path"]), bool(options["api"]), options["resume"] is not None]
        if sum(chosen) != 1:
            raise CommandError("Give one of PATH, --api and --resume; see --help.", returncode=2)
        narrowed = options["date_from"] or options["date_to"] or options["assistant"]
        if narrowed and not options["api"]:
            raise CommandError("--from, --to and --assistant go with --api.", returncode=2)

    def _from_api(self, options: dict[str, Any], tell: runs.Tell) -> VapiCallImport:
        run = self._resumed(options["resume"]) if options["resume"] is not None else _requested(options)
        try:
            done = runs.run_carry_out(run.pk, tell=tell)
        except KeyboardInterrupt:
            self._stopped(run)
        if done is None:
            raise CommandError(
                "Somebody else took the run in the same moment. See Imports of calls in the admin."
            )
        return done

    def _from_files(self, path: str, tell: runs.Tell) -> VapiCallImport:
        source = "Standard input" if path == "-" else f"Files: {path}"
        run = runs.run_request(source=source, elsewhere=True)
        try:
            runs.run_of_files(run, _read(path), tell=tell)
        except ExportError:
            pass  # it stands in the run
        except KeyboardInterrupt:
            self._stopped(run)
        return run

    def _resumed(self, chosen: str) -> VapiCallImport:
        """The run to go on with, waiting again. Raises CommandError."""
        rows = VapiCallImport.objects.order_by("-created_at")
        if chosen:
            try:
                run = rows.filter(pk=uuid.UUID(chosen)).first()
            except ValueError:
                run = None
        else:
            run = next((one for one in rows if runs.run_can_go_on(one)), None)
        if run is None:
            raise CommandError("There is no such run to go on with. Start one with --api.")
        if not runs.run_again(run):
            raise CommandError(
                "That run is done, is going on, or was of files that a command read. Start another."
            )
        self.stderr.write(f"Going on with {run.source}: {run.read_n:,} calls were read.")
        return run

    def _fetch_recordings(self, run: VapiCallImport, options: dict[str, Any]) -> dict[str, int]:
        """Fetch the sound of the run's days, one call after the other; how many came and how many did not."""
        counts = {"recordings": 0, "recordings_failed": 0}
        calls = calls_to_fetch(date_from=run.date_from, date_to=run.date_to).select_related("assistant")
        for call in calls.defer("assistant__instructions", "assistant__server_secret").iterator(
            chunk_size=100
        ):
            recording = recording_of_call_fetch(call)
            is_here = recording is not None and recording.state == Recording.State.STORED
            counts["recordings" if is_here else "recordings_failed"] += 1
            if options["verbosity"]:
                self.stderr.write(f"Recordings: {counts['recordings']:,} fetched.")
        return counts

    def _stopped(self, run: VapiCallImport) -> NoReturn:
        VapiCallImport.objects.filter(pk=run.pk, status__in=runs.LIVE).update(
            status=VapiCallImport.Status.STOPPED, progress="Stopped."
        )
        run.refresh_from_db()
        self.stderr.write(f"Stopped after {run.read_n:,} calls; they are here. {_go_on(run)}")
        sys.exit(STOPPED)

    # --- Telling

    @contextmanager
    def _progress(self, options: dict[str, Any]) -> Iterator[Callable[[VapiCallImport], None]]:
        """Something to tell how far it is, on standard error."""
        if options["verbosity"] == 0:
            yield lambda _: None
        elif sys.stderr.isatty() and not options["no_color"]:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("Reading …", total=None)
                yield lambda run: bar.update(task, description=run.progress)
        else:
            said: list[str] = []

            def tell(run: VapiCallImport) -> None:
                if run.progress not in said[-1:]:
                    said.append(run.progress)
                    self.stderr.write(run.progress)

            yield tell

    def _print(self, run: VapiCallImport) -> None:
        out = self.stdout.write
        out(self.style.MIGRATE_HEADING(f"{run.source}: {run.read_n:,} read"))
        for words, n in (
            ("new", run.created_n),
            ("completed by what this brought", run.completed_n),
            ("as before", run.unchanged_n),
            ("not over yet; import again later", run.running_n),
            ("deleted here before, and left out", run.erased_n),
            ("could not be read", run.unreadable_n),
        ):
            if n:
                out(f"  {n:>8,}  {words}")
        for note in run.notes[:NOTES_SHOWN]:
            out(self.style.WARNING(f"  {clipped(note, 160)}"))
        if len(run.notes) > NOTES_SHOWN:
            out(f"  … and {len(run.notes) - NOTES_SHOWN} more, under Imports of calls in the admin.")


def _requested(options: dict[str, Any]) -> VapiCallImport:
    ids = [storable(one) for one in options["assistant"]]
    try:
        date_from = moment_read(options["date_from"], end_of_day=False)
        date_to = moment_read(options["date_to"], end_of_day=True)
    except ValueError as exc:
        raise CommandError(str(exc), returncode=2) from exc
    if date_from and date_to and date_from >= date_to:
        raise CommandError("--from is not before --to.", returncode=2)
    source = f"Vapi's API: {', '.join(ids)}" if ids else "Vapi's API"
    return runs.run_request(source=source, date_from=date_from, date_to=date_to, assistant_ids=ids)


def moment_read(text: str | None, *, end_of_day: bool) -> datetime | None:
    """The moment that a date or an ISO moment names. Raises ValueError with a text for people."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{clipped(text, 40)} is no date. Write 2026-06-01, or 2026-06-01T14:30.") from None
    if len(text) == len("2026-06-01") and end_of_day:
        found += timedelta(days=1)
    return found.replace(tzinfo=found.tzinfo or UTC)


def _read(path: str) -> Iterator[Read]:
    if path == "-":
        return stream_read(sys.stdin.buffer, name="standard input")
    return path_read(Path(path))


def _go_on(run: VapiCallImport) -> str:
    if run.cursor.get(runs.GONE):
        return "Give the same files again: what is here already changes nothing."
    return f"Go on with: manage.py import_vapi_calls --resume {run.pk}"


def _run_json(run: VapiCallImport) -> dict[str, Any]:
    counts = ("read", "created", "completed", "unchanged", "running", "erased", "unreadable")
    return {
        "run": str(run.pk),
        "source": run.source,
        "status": run.status,
        **{name: getattr(run, f"{name}_n") for name in counts},
        "notes": run.notes,
        "error": run.error,
    }

"""Vapi's assistants, tools, squads and numbers into Tandem, from its API or from files, with a report on every setting."""

import errno
import getpass
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from assistants.imports.report import (
    ORDER,
    TITLES,
    counts_in_words,
    csv_text,
    path_in_words,
    source_in_words,
    written_rows,
)
from assistants.imports.runs import Imported, api_read, import_write, without_rows
from assistants.imports.summary import ImportSummary, Written
from assistants.models import Assistant, ImportFinding, VapiImport, VapiObject
from assistants.vapi.client import Progress
from assistants.vapi.documents import MAX_BYTES, ExportError, storable
from assistants.vapi.drafts import Verdict
from assistants.vapi.exports import Export, export_read, export_read_path
from calls.told import draft_session_update
from tools.adminkit import clipped, json_pretty
from tools.commandkit import ExampleCommand

NEEDS_A_DECISION = 3
STOPPED = 130
VALUE_SHOWN = 70
PLACES_SHOWN = 6
EXAMPLES = """\
examples:
  manage.py import_vapi assistants.json             a file as curl saved it; a folder of such files works too
  curl -s -H "Authorization: Bearer $KEY" https://api.vapi.ai/assistant | manage.py import_vapi -
  manage.py import_vapi --api                       all of VAPI_API_KEY's organisation
  manage.py import_vapi --assistant 5f0e…           one assistant and what belongs to it, from the API
  manage.py import_vapi export/ --dry-run           what would happen; nothing is written
  manage.py import_vapi export/ --csv report.csv    with a table of every setting, for a spreadsheet
  manage.py import_vapi --show-session "Front desk" what OpenAI will be told

exit status: 0 done, 3 done and something needs a decision, 1 nothing was imported, 2 wrong usage.
An import never publishes: callers hear nothing new until somebody publishes.
"""


class Command(ExampleCommand):
    help = (
        "Import assistants, tools, squads and phone numbers from Vapi, and report on every setting. "
        "Importing again updates what came before; what you changed here stays."
    )
    examples = EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", nargs="?", metavar="PATH", help="a JSON file or a folder of them; - is standard input"
        )
        parser.add_argument(
            "--api",
            action="store_true",
            help="read from Vapi's API with the key in VAPI_API_KEY (asked for on a terminal)",
        )
        parser.add_argument(
            "--assistant",
            action="append",
            default=[],
            metavar="ID",
            help="only this assistant and what belongs to it, from the API; may be given several times",
        )
        parser.add_argument("--dry-run", action="store_true", help="do everything, report, and undo it all")
        parser.add_argument(
            "--overwrite", action="store_true", help="take Vapi's value also where somebody changed ours"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object with every finding")
        parser.add_argument("--csv", metavar="FILE", help="also write every finding to a table")
        parser.add_argument(
            "--show-session",
            nargs="?",
            const="",
            metavar="NAME",
            help="print the session.update that OpenAI gets, of the imported assistants or of the one of this name; "
            "alone, it imports nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wants_api = bool(options["api"] or options["assistant"])
        if options["path"] and wants_api:
            raise CommandError("Give either a PATH or --api, not both.", returncode=2)
        if not options["path"] and not wants_api:
            if options["show_session"] is None:
                raise CommandError(
                    "What shall be imported? Give a PATH, - or --api; see --help.", returncode=2
                )
            self._print_sessions(_sessions(_imported_assistants(options["show_session"])))
            return
        try:
            if options["csv"]:
                _csv_check(Path(options["csv"]))
            self._import(options)
        except ExportError as exc:
            raise CommandError(f"{exc}\nNothing was imported.") from exc
        except KeyboardInterrupt:
            self.stderr.write("Stopped. Nothing was imported.")
            sys.exit(STOPPED)

    # --- Importing

    def _import(self, options: dict[str, Any]) -> None:
        dry_run = bool(options["dry_run"])
        with self._progress(options) as tell:
            export = self._read(options, tell)
            tell(Progress(0, None, "Translating and writing …"))
            with transaction.atomic():
                imported, sessions = self._write(export, options)
                if options["csv"]:
                    _csv_write(Path(options["csv"]), imported.summary)
                if dry_run:
                    transaction.set_rollback(True)
        summary = without_rows(imported.summary) if dry_run else imported.summary
        if options["json"]:
            self._print_json(Imported(summary, imported.notes), sessions, dry_run=dry_run)
        else:
            self._print_report(Imported(summary, imported.notes), options)
            self._print_sessions(sessions)
        if options["show_session"] and not sessions:
            name = storable(options["show_session"])
            self.stderr.write(
                self.style.WARNING(f"No session is shown: no assistant of this import is called {name} here.")
            )
        if summary.open_n:
            sys.exit(NEEDS_A_DECISION)

    def _write(self, export: Export, options: dict[str, Any]) -> tuple[Imported, dict[str, Any]]:
        run = VapiImport.objects.create(
            source=_source(options)[:400], status=VapiImport.Status.RUNNING, overwrite=options["overwrite"]
        )
        imported = import_write(export, run=run, overwrite=options["overwrite"])
        n = len(imported.summary.objects)
        run.summary = {**imported.summary.to_json(), "notes": list(imported.notes)}
        run.status, run.done, run.total = VapiImport.Status.DONE, n, n
        run.finished_at = timezone.now()
        run.save()
        sessions: dict[str, Any] = {}
        if options["show_session"] is not None:
            targets = [one.target for one in imported.summary.objects if one.kind == "assistant"]
            named = storable(options["show_session"])
            rows = Assistant.objects.filter(pk__in=targets)
            sessions = _sessions(list(rows.filter(name__iexact=named) if named else rows))
        return imported, sessions

    def _read(self, options: dict[str, Any], tell: Callable[[Progress], None]) -> Export:
        path = options["path"]
        if path == "-":
            return export_read(sys.stdin.buffer.read(MAX_BYTES + 1), name="standard input")
        if path:
            return export_read_path(Path(path))
        ids = [storable(one) for one in options["assistant"]]
        return api_read(key=_api_key(), assistant_ids=ids, tell=tell)

    @contextmanager
    def _progress(self, options: dict[str, Any]) -> Iterator[Callable[[Progress], None]]:
        """Something to tell how far it is: a bar on a terminal, else a line for each step. It goes to standard error."""
        if options["verbosity"] == 0:
            yield lambda _: None
        elif sys.stderr.isatty() and not options["no_color"]:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("Reading …", total=None)
                yield lambda one: bar.update(task, description=one.text, completed=one.done, total=one.total)
        else:
            said: list[str] = []

            def tell(one: Progress) -> None:
                if one.text not in said[-1:]:
                    said.append(one.text)
                    self.stderr.write(one.text)

            yield tell

    # --- Telling

    def _print_json(self, imported: Imported, sessions: dict[str, Any], *, dry_run: bool) -> None:
        shape = imported.summary.to_json(with_findings=True)
        shape |= {"dry_run": dry_run, "notes": list(imported.notes)}
        if sessions:
            shape["sessions"] = sessions
        self.stdout.write(json.dumps(shape, indent=2, ensure_ascii=False))

    def _print_report(self, imported: Imported, options: dict[str, Any]) -> None:
        summary = imported.summary
        out = self.stdout.write
        out(self.style.MIGRATE_HEADING(f"From {_source(options)}:"))
        for one in summary.objects:
            words = counts_in_words({str(v): _n(one, str(v)) for v in Verdict})
            out(f"  {one.action:10} {one.row.get_kind_display():13} {clipped(one.name, 60)}  ({words})")
        for note in imported.notes:
            out(self.style.WARNING(f"  Note: {note}"))
        verdicts = ORDER if options["verbosity"] >= 2 else ("decision", "dropped")
        for verdict in verdicts:
            whole = verdict == "decision" or options["verbosity"] >= 2
            self._print_verdict(summary, verdict, whole=whole)
        out("")
        counts = summary.counts()
        n = sum(counts.values())
        out(f"{n} setting{'' if n == 1 else 's'}: {counts_in_words(counts)}.")
        if options["verbosity"] < 2:
            out("With --verbosity 2 every one is listed; with --csv FILE they go to a table.")
        out(self._ending(summary, dry_run=options["dry_run"]))

    def _print_verdict(self, summary: ImportSummary, verdict: str, *, whole: bool) -> None:
        found = [(one, [f for f in one.findings if f.verdict == verdict]) for one in summary.objects]
        n = sum(len(findings) for _, findings in found)
        if not n:
            return
        self.stdout.write("")
        paint = self.style.ERROR if verdict == "decision" else self.style.MIGRATE_HEADING
        self.stdout.write(paint(f"{TITLES[verdict]}: {n}"))
        for one, findings in found:
            if findings:
                self.stdout.write(f"  {one.row.get_kind_display()} {clipped(one.name, 60)}")
            if whole:
                for finding in findings:
                    self._print_finding(finding)
            else:
                self._print_by_reason(findings)

    def _print_by_reason(self, findings: list[ImportFinding]) -> None:
        """Many settings share a reason: it is told once, with all of them before it."""
        places: dict[str, list[str]] = {}
        for finding in findings:
            places.setdefault(finding.reason, []).append(path_in_words(finding.path))
        for reason, listed in places.items():
            more = f" and {len(listed) - PLACES_SHOWN} more" if len(listed) > PLACES_SHOWN else ""
            self.stdout.write(f"    {'; '.join(listed[:PLACES_SHOWN])}{more}")
            self.stdout.write(f"      {reason}")

    def _print_finding(self, finding: ImportFinding) -> None:
        # What is about no single place has no value either.
        value = f": {clipped(source_in_words(finding), VALUE_SHOWN)}" if finding.path else ""
        ours = f" → {clipped(finding.ours, VALUE_SHOWN)}" if finding.ours else ""
        settled = "  (settled)" if finding.settled_at else ""
        self.stdout.write(f"    {path_in_words(finding.path)}{value}{ours}{settled}")
        if finding.reason:
            self.stdout.write(f"      {finding.reason}")

    def _ending(self, summary: ImportSummary, *, dry_run: bool) -> str:
        if dry_run:
            return "This was a try: everything was undone, nothing was imported."
        wait = ""
        if summary.open_n:
            waiting = "1 decision waits" if summary.open_n == 1 else f"{summary.open_n} decisions wait"
            wait = f"{waiting} under Imports from Vapi in the admin. "
        return (
            f"{wait}Nothing was published: callers hear nothing new until somebody publishes the assistants."
        )

    def _print_sessions(self, sessions: dict[str, Any]) -> None:
        for name, session in sessions.items():
            self.stderr.write(f"{name}:")
            self.stdout.write(json_pretty(session))


def _n(one: Written, verdict: str) -> int:
    return sum(finding.verdict == verdict for finding in one.findings)


def _source(options: dict[str, Any]) -> str:
    if options["path"] == "-":
        return "standard input"
    if options["path"]:
        return storable(str(options["path"]))
    ids = options["assistant"]
    return storable(f"Vapi's API: {', '.join(ids)}") if ids else "Vapi's API"


def _api_key() -> str:
    """The key of the environment, or typed without an echo. Never an argument: those can be read by anybody who lists processes."""
    if settings.VAPI_API_KEY:
        return str(settings.VAPI_API_KEY)
    if not sys.stdin.isatty():
        raise ExportError("VAPI_API_KEY is not set. Set it to the private key of your Vapi organisation.")
    return getpass.getpass("Private key of your Vapi organisation: ")


def _csv_check(path: Path) -> None:
    """Raises ExportError where no table can be written, before anything is read that may take minutes."""
    try:
        if path.exists() and not path.is_file():
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            return  # to open a pipe is to wait for whoever reads it
        was_there = os.path.lexists(path)
        with path.open("a"):
            pass
        if not was_there:
            path.unlink()
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _csv_write(path: Path, summary: ImportSummary) -> None:
    """Write the table; raises ExportError, which undoes the import."""
    try:
        path.write_text(csv_text(written_rows(summary.objects)), encoding="utf-8", newline="")
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _unwritable(path: Path, error: OSError) -> ExportError:
    return ExportError(
        f"{storable(str(path))} cannot be written ({error.strerror}). Give another place for the table."
    )


def _imported_assistants(name: str) -> list[Assistant]:
    """The assistants that were imported, or the one of this name, imported or not. Raises CommandError for none."""
    if name:
        found = list(Assistant.objects.filter(name__iexact=storable(name)))
        if not found:
            raise CommandError(f"There is no assistant called {storable(name)}.")
        return found
    imported = VapiObject.objects.filter(kind=VapiObject.Kind.ASSISTANT, assistant__isnull=False)
    found = list(Assistant.objects.filter(Q(pk__in=imported.values("assistant"))))
    if not found:
        raise CommandError("No assistant was imported from Vapi yet. Name one: --show-session NAME.")
    return found


def _sessions(assistants: list[Assistant]) -> dict[str, Any]:
    """What OpenAI gets at the beginning of a call, by the assistant's name."""
    found = {}
    for assistant in assistants:
        try:
            found[assistant.name] = draft_session_update(assistant)
        except ValueError as exc:
            raise CommandError(f"No session can be made of {assistant.name}: {exc}.") from exc
    return found

"""Whether everything that a call needs is there and answers."""

from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from calls.doctor.examining import examine
from calls.doctor.report import Line, Report, Verdict
from calls.doctor.services import CHECKS, report_keep

MARKS = {Verdict.OK: "ok", Verdict.WARNING: "warning", Verdict.FAILED: "FAILED", Verdict.SKIPPED: "-"}


class Command(BaseCommand):
    help = (
        "Look at credentials, clocks, public addresses, the Realtime API, queues, stores and keys, all at once, and say what "
        "to do about what is wrong. Exit status 0 when nothing failed (warnings do not count), else 1. "
        "Example: manage.py doctor --json"
    )
    requires_system_checks: list[str] = []  # it must be able to say what is wrong

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of prose")
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            metavar="CHECK",
            help="only this check, and keep no report; may be given several times. "
            f"One of {', '.join(check.name for check in CHECKS)}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = set(options["only"])
        unknown = wanted - {check.name for check in CHECKS}
        if unknown:
            raise CommandError(
                f"There is no check {', '.join(sorted(unknown))}. See manage.py doctor --help.", returncode=2
            )
        if not options["json"]:
            self.stdout.write("Looking at everything; this takes some seconds.", self.style.MIGRATE_LABEL)
        report = examine([check for check in CHECKS if not wanted or check.name in wanted])
        kept = not wanted and self._keep(report)
        if options["json"]:
            self._print_json(report, kept=kept)
        else:
            self._print(report)
        if not report.healthy:
            raise SystemExit(1)

    def _keep(self, report: Report) -> bool:
        try:
            report_keep(report, by_label="the command line")
        except DatabaseError:
            self.stderr.write("The report could not be kept: the database cannot be reached.")
            return False
        return True

    def _print_json(self, report: Report, *, kept: bool) -> None:
        content = {
            "at": report.at.isoformat(),
            "healthy": report.healthy,
            "summary": report.summary(),
            "kept": kept,
            "checks": [line.to_json() for line in report.lines],
        }
        self.stdout.write(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())

    def _print(self, report: Report) -> None:
        width = max(len(line.title) for line in report.lines)
        for line in report.lines:
            mark = self._styled(line)(f"{MARKS[line.verdict]:>8}")
            self.stdout.write(f"{mark}  {line.title:<{width}}  {line.found}")
            if line.what_to_do:
                self.stdout.write(f"{'':>8}  {'':<{width}}  → {line.what_to_do}")
        self.stdout.write("")
        self.stdout.write(report.summary(), self.style.SUCCESS if report.healthy else self.style.ERROR)

    def _styled(self, line: Line) -> Any:
        return {
            Verdict.OK: self.style.SUCCESS,
            Verdict.WARNING: self.style.WARNING,
            Verdict.FAILED: self.style.ERROR,
            Verdict.SKIPPED: self.style.NOTICE,
        }[line.verdict]

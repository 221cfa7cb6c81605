"""Prove, or not, that a number's assistant calls the same tools in the same order as it did at Vapi."""

import getpass
import signal
import sys
import threading
import uuid
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from calls.models import PhoneNumber, SmokeRun
from calls.smoke.benchmarks import eva_archive, tau2_lines
from calls.smoke.exports import report_html, report_json
from calls.smoke.lines import PlayError
from calls.smoke.planning import SQUAD, RunError, Wish, run_create, usual_line, usual_speed
from calls.smoke.playing import Tell, run_play
from calls.smoke.report import Report, report
from calls.smoke.runs import run_cancel, run_resume
from tools.commandkit import ExampleCommand

STATUS: Final = {"pass": 0, "fail": 1, "inconclusive": 2, "errored": 3}
WRONG_USAGE: Final = 4
STOPPED: Final = 130
_CANCELLED: Final = "Cancelled at the command line."
_PAIRS_SHOWN: Final = 10
EXAMPLES = """\
examples:
  manage.py smoke_test +14155550100 --runs 50            every scenario in turn, 50 calls, four side by side
  manage.py smoke_test +14155550100 --html report.html   with a report to hand on
  manage.py smoke_test +14155550100 --draft --runs 10    the draft, before it is published
  manage.py smoke_test +14155550100 --line telephone --vapi-number +14155550101 --vapi-tools-are-real --budget-minutes 200
                                                         both stacks over real telephone lines
  manage.py smoke_test --resume 3f6c…                    go on with a run that was cancelled or stopped

exit status: 0 passed, 1 failed, 2 inconclusive (the report says how many further calls would decide), 3 too many calls
broke for a verdict, 4 it could not be begun, 130 cancelled with Ctrl-C (what was found is kept; go on with --resume).
"""


class Command(ExampleCommand):
    help = (
        "Play scenarios to the assistant of a number, compare the tools that it calls with those that were called at Vapi, and "
        "say what that proves. No tool of a customer is reached: the scenarios answer."
    )
    examples = EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("did", nargs="?", help="the number, for example +14155550100")
        parser.add_argument("--runs", type=int, default=50, help="how many calls (default: 50)")
        parser.add_argument(
            "--scenario", action="append", default=[], help="only the scenario of this name; may be repeated"
        )
        parser.add_argument("--draft", action="store_true", help="test the draft instead of the live version")
        parser.add_argument(
            "--line",
            choices=SmokeRun.Line.values,
            help="what places the calls (default: the simulator where it plays the model too, else our own line)",
        )
        parser.add_argument(
            "--caller",
            choices=SmokeRun.Caller.values,
            default=SmokeRun.Caller.SCRIPT.value,
            help="who speaks: the words of the scenario, or a model that knows its goal (default: script)",
        )
        parser.add_argument(
            "--vapi-number",
            default="",
            help="play every scenario to Vapi too, at this number (telephone only)",
        )
        parser.add_argument(
            "--vapi-tools-are-real",
            action="store_true",
            help="needed with --vapi-number: you know that there the tools are really called",
        )
        parser.add_argument("--side-by-side", type=int, default=4, help="calls at a time (default: 4)")
        parser.add_argument(
            "--speed", type=float, help="times faster than life, in the simulator (default: 4)"
        )
        parser.add_argument(
            "--budget-minutes", type=int, help="place no further call after so many minutes of conversation"
        )
        parser.add_argument("--budget-usd", help="or after so many dollars, reckoned with --usd-per-minute")
        parser.add_argument(
            "--usd-per-minute", default="0", help="what a minute is reckoned at, your own estimate"
        )
        parser.add_argument("--resume", metavar="RUN", help="go on with this run")
        parser.add_argument("--json", action="store_true", help="print the report as JSON")
        parser.add_argument("--html", metavar="FILE", help="write the report as one HTML file")
        parser.add_argument(
            "--jsonl", metavar="FILE", help="write one JSON object a call, as tau2-bench does"
        )
        parser.add_argument("--eva", metavar="FILE", help="write a ZIP of audit logs, as EVA writes them")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = self._run(options)
            finished = self._play(run, quiet=bool(options["json"]))
        except (RunError, PlayError) as exc:
            raise CommandError(str(exc), returncode=WRONG_USAGE) from exc
        read = report(SmokeRun.objects.select_related("assistant", "assistant_version").get(pk=run.pk))
        self._write_files(read.run, options)
        if options["json"]:
            self.stdout.write(report_json(read.run))
        else:
            self._print(read)
        if not finished:
            sys.exit(STOPPED)
        sys.exit(STATUS.get(read.run.outcome, STATUS["errored"]))

    def _run(self, options: dict[str, Any]) -> SmokeRun:
        if options["resume"]:
            return self._resumed(options)
        if not options["did"]:
            raise CommandError("Say which number: manage.py smoke_test +14155550100", returncode=WRONG_USAGE)
        number = (
            PhoneNumber.objects.select_related("assistant__live_version").filter(did=options["did"]).first()
        )
        if number is not None and number.squad_id is not None:
            raise RunError(SQUAD)
        if number is None or number.assistant is None:
            what = "is not in Tandem" if number is None else "has no assistant"
            raise RunError(f"The number {options['did']} {what}. Look under Numbers in the admin.")
        scenarios = None
        if options["scenario"]:
            scenarios = list(number.assistant.scenarios.filter(name__in=options["scenario"]))
            missing = sorted(set(options["scenario"]) - {one.name for one in scenarios})
            if missing:
                known = ", ".join(number.assistant.scenarios.values_list("name", flat=True)) or "none"
                raise RunError(f"There is no scenario “{missing[0]}”. There are: {known}.")
        line = SmokeRun.Line(options["line"]) if options["line"] else usual_line()
        is_simulator = line == SmokeRun.Line.SIMULATOR
        return run_create(
            Wish(
                assistant=number.assistant,
                number=number,
                runs=options["runs"],
                draft=options["draft"],
                line=line,
                side_by_side=options["side_by_side"],
                speed=options["speed"] if options["speed"] and is_simulator else usual_speed(line),
                budget_minutes=options["budget_minutes"],
                budget_usd=_money(options["budget_usd"], "--budget-usd"),
                usd_per_minute=_money(options["usd_per_minute"], "--usd-per-minute") or Decimal(0),
                caller=SmokeRun.Caller(options["caller"]),
                vapi_number=options["vapi_number"],
                vapi_tools_are_real=options["vapi_tools_are_real"],
                scenarios=scenarios,
                author_label=f"command line: {_user()}",
            )
        )

    def _resumed(self, options: dict[str, Any]) -> SmokeRun:
        given = options["resume"]
        try:
            run = SmokeRun.objects.filter(pk=uuid.UUID(given)).first()
        except ValueError:
            run = None
        if run is None:
            raise RunError(f"There is no run {given}. The runs stand under Smoke tests in the admin.")
        if run.status == SmokeRun.Status.DONE:
            raise RunError("That run is done. Begin a new one.")
        run_resume(
            run.pk,
            budget_minutes=options["budget_minutes"],
            budget_usd=_money(options["budget_usd"], "--budget-usd"),
        )
        return run

    def _play(self, run: SmokeRun, *, quiet: bool) -> bool:
        """Whether the run was played to its end; Ctrl-C cancels it."""
        stop = threading.Event()
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, lambda *_: stop.set())
        try:
            with self._progress(quiet=quiet) as tell:
                run_play(run.pk, stop=stop, tell=tell)
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, before)
        if stop.is_set() and run_cancel(run.pk, why=_CANCELLED):
            self.stderr.write(f"Cancelled. Go on with: manage.py smoke_test --resume {run.pk}")
            return False
        return True

    @contextmanager
    def _progress(self, *, quiet: bool) -> Iterator[Tell]:
        console = Console(stderr=True)
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Bar(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
            shown = bar.add_task("Calling", total=None)

            def tell(counted: Mapping[str, int]) -> None:
                words = f"Calling  {counted['drifted']} differ, {counted['errored']} broke"
                bar.update(shown, total=counted["total"], completed=counted["judged"], description=words)

            yield tell

    def _write_files(self, run: SmokeRun, options: dict[str, Any]) -> None:
        renders: dict[str, Callable[[SmokeRun], str | bytes]] = {
            "html": report_html,
            "jsonl": tau2_lines,
            "eva": eva_archive,
        }
        for option, render in renders.items():
            if options[option]:
                content = render(run)
                try:
                    Path(options[option]).write_bytes(
                        content.encode() if isinstance(content, str) else content
                    )
                except OSError as exc:
                    self.stderr.write(f"{options[option]} could not be written: {exc.strerror}.")

    def _print(self, read: Report) -> None:
        run, verdict = read.run, read.verdict
        paint = {"pass": self.style.SUCCESS, "fail": self.style.ERROR}.get(run.outcome, self.style.WARNING)
        if run.status == SmokeRun.Status.DONE:
            self.stdout.write(paint(str(verdict["sentence"])))
        else:
            self.stdout.write(self.style.WARNING(f"So far: {verdict['sentence']} {run.stopped_because}"))
        if run.simulated_model:
            self.stdout.write(
                "The model was a simulated one: this proves the path of a call, not what a real model does."
            )
        strict, baseline = verdict["strict"], verdict["baseline"]
        self.stdout.write(
            f"  compared {verdict['compared']}, differ {verdict['drifted']}, broke {verdict['errored']}"
        )
        self.stdout.write(
            f"  strict order: {strict['hits']} of {strict['n']} differ; lawful reorders: {verdict['reordered']}"
        )
        self.stdout.write(f"  other arguments, beside the rate: {verdict['other_arguments']}")
        if baseline["n"]:
            self.stdout.write(f"  Vapi against itself: {baseline['hits']} of {baseline['n']} differ")
        if verdict["latency_ms"] and verdict["reference_latency_ms"]:
            ours, theirs = verdict["latency_ms"], verdict["reference_latency_ms"]
            self.stdout.write(f"  median answer on the same pairs: {ours} ms here, {theirs} ms at Vapi")
        for cause in read.causes:
            tools = ", ".join(f"{tool} {n}" for tool, n in cause.tools)
            self.stdout.write(f"  {cause.title}: {cause.pairs} ({tools})")
        for pair in [one for one in read.pairs if one.row.outcome in ("drifted", "errored")][:_PAIRS_SHOWN]:
            why = pair.row.why or " ".join(pair.sentences)
            self.stdout.write(f"  {pair.row.position:4} {pair.row.title}: {why}")
        for one in read.proposals:
            self.stdout.write(f"  proposed for the prompt: {one.text}")
        self.stdout.write(f"  run {run.pk}")


def _money(text: str | None, option: str) -> Decimal | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise RunError(f"{option} must be an amount such as 5 or 0.30.")
    return value


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"

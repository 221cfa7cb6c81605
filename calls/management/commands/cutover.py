"""Numbers from Vapi to Tandem and back, one at a time or all at once, from a terminal or a script."""

import getpass
import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from calls.cutover import printing
from calls.cutover.assignments import TableError, assignments_apply, assignments_try
from calls.cutover.calendar import due_days
from calls.cutover.gates import Gate, gates_for
from calls.cutover.history import COMMAND_LINE, Who
from calls.cutover.intention import TO_US
from calls.cutover.schedules import (
    ScheduleError,
    hours_of,
    schedule_cancel,
    schedule_create,
    schedule_pause,
    schedule_resume,
)
from calls.cutover.selectors import Plan, cutover_plan, numbers_listed
from calls.cutover.services import Outcome, change_accept, cutover_apply, rollback, rollback_all
from calls.cutover.syncing import numbers_sync
from calls.cutover.watch import numbers_verify
from calls.management.cutover_arguments import EXAMPLES, USAGE, arguments_add, override_read, weekdays_read
from calls.models import CutoverEvent, CutoverSchedule, NumberSnapshot, PhoneNumber
from tools.commandkit import ExampleCommand

DONE: Final = 0
FAILED: Final = 1
GATE: Final = 3
LATER: Final = 4
STOPPED: Final = 130
_CODES: Final = {"done": DONE, "already": DONE, "gate": GATE, "pending": LATER, "busy": LATER}


class Command(ExampleCommand):
    help = "Move numbers from Vapi to Tandem and back. Every write is compared before and after, and has a way back."
    examples = EXAMPLES

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments_add(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], int]] = {
            "list": self._list,
            "sync": self._sync,
            "verify": self._verify,
            "plan": self._plan,
            "apply": self._apply,
            "rollback": self._rollback,
            "accept": self._accept,
            "history": self._history,
            "assign": self._assign,
            "schedule": self._schedule,
        }
        try:
            code = actions[options["action"]](options)
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped. What was being written to a number is finished or undone by the worker within minutes.",
                returncode=STOPPED,
            ) from None
        if code:
            sys.exit(code)

    # --- Looking --------------------------------------------------------------------------------------------

    def _list(self, options: dict[str, Any]) -> int:
        numbers = numbers_listed(options["number"] or None)
        if options["state"]:
            numbers = numbers.filter(state=options["state"])
        rows = [printing.number_json(number) for number in numbers]
        if options["json"]:
            self._json({"numbers": rows})
            return DONE
        for row in rows:
            share = f" {row['canary_percent']} %" if row["state"] == "canary" else ""
            self.stdout.write(
                f"{row['did']:<17}{row['state']}{share:<6}  answered by {row['answered_by']:<12} {row['assistant'] or '-'}"
                + (f"  NOT MOVABLE: {row['not_movable_because']}" if row["not_movable_because"] else "")
            )
        self.stdout.write(f"{len(rows)} numbers." if rows else "No number. Run: manage.py cutover sync")
        return DONE

    def _sync(self, options: dict[str, Any]) -> int:
        with self._bar(options) as bar:
            task = bar.add_task("Reading", total=None)
            found = numbers_sync(
                progress=lambda text, done, _: bar.update(task, description=f"{text}: {done} numbers"),
                actor=Who(_label()),
            )
        self._told(options, printing.round_json(found), printing.round_lines(found))
        return DONE if found.complete else FAILED

    def _verify(self, options: dict[str, Any]) -> int:
        verified = numbers_verify()
        changed = list(
            PhoneNumber.objects.filter(state=PhoneNumber.State.CHANGED).values_list("did", flat=True)
        )
        fought = [printing.outcome_json(outcome) for outcome in verified.fought]
        lines = [*printing.round_lines(verified.round)]
        lines += [line for outcome in verified.fought for line in printing.outcome_lines(outcome)]
        lines.append(
            f"Not as we wrote them: {', '.join(changed)}" if changed else "Every number is as it should be."
        )
        told = {**printing.round_json(verified.round), "not_as_written": changed, "put_back": fought}
        self._told(options, told, lines)
        return FAILED if changed or not verified.round.complete else DONE

    def _plan(self, options: dict[str, Any]) -> int:
        plans: list[tuple[Plan, list[Gate]]] = []
        for number in _numbers(options["number"]):
            plan = cutover_plan(number, **_move(options, number))
            plans.append((plan, gates_for(number) if plan.kind in TO_US else []))
        self._told(
            options,
            {"plans": [printing.plan_json(plan, gates) for plan, gates in plans]},
            [line for plan, gates in plans for line in printing.plan_lines(plan, gates)],
        )
        if not all(plan.possible for plan, _ in plans):
            return FAILED
        return DONE if all(gate.passed for _, gates in plans for gate in gates) else GATE

    def _history(self, options: dict[str, Any]) -> int:
        number = _numbers(options["number"])[0]
        events = [printing.event_json(event) for event in CutoverEvent.objects.filter(number=number)]
        lines = []
        for event in events:
            lines.append(
                f"{event['at']}  {event['kind']}  {event['from_state']} → {event['to_state']}  {event['who']}: {event['why']}"
            )
            lines += [f"    {one['field']}: {one['before']} → {one['after']}" for one in event["differences"]]
        self._told(options, {"did": number.did, "events": events}, lines or ["Nothing yet."])
        return DONE

    # --- Moving ---------------------------------------------------------------------------------------------

    def _apply(self, options: dict[str, Any]) -> int:
        overrides = [override_read(text) for text in options["override"]]
        actor = _actor(options)

        def move(number: PhoneNumber) -> Outcome:
            return cutover_apply(
                number,
                **_move(options, number),
                reason=options["reason"],
                overrides=overrides,
                actor=actor,
                actor_label=_label(),
            )

        return self._each(options, _numbers(options["number"]), move)

    def _rollback(self, options: dict[str, Any]) -> int:
        if options["all"] == bool(options["number"]):
            raise CommandError("Give either numbers or --all.", returncode=USAGE)
        actor = _actor(options)
        if not options["all"]:
            return self._each(
                options,
                _numbers(options["number"]),
                lambda number: rollback(number, reason=options["reason"], actor=actor, actor_label=_label()),
            )
        with self._bar(options) as bar:
            task = bar.add_task("Numbers", total=None)

            def tell(outcome: Outcome, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)
                self._told_outcome(options, outcome)

            outcomes = rollback_all(
                reason=options["reason"], actor=actor, actor_label=_label(), progress=tell
            )
        return self._outcomes(options, outcomes)

    def _each(
        self, options: dict[str, Any], numbers: Sequence[PhoneNumber], work: Callable[[PhoneNumber], Outcome]
    ) -> int:
        """One after the other; one that does not go well does not keep the others."""
        outcomes = []
        with self._bar(options) as bar:
            for number in bar.track(numbers, description="Numbers"):
                outcomes.append(work(number))
                self._told_outcome(options, outcomes[-1])
        return self._outcomes(options, outcomes)

    def _told_outcome(self, options: dict[str, Any], outcome: Outcome) -> None:
        for line in [] if options["json"] else printing.outcome_lines(outcome):
            self.stdout.write(line)

    def _outcomes(self, options: dict[str, Any], outcomes: Sequence[Outcome]) -> int:
        if options["json"]:
            self._json({"outcomes": [printing.outcome_json(outcome) for outcome in outcomes]})
        elif not outcomes:
            self.stdout.write("No number is with us.")
        codes = {_CODES.get(outcome.result, FAILED) for outcome in outcomes}
        return next((code for code in (FAILED, GATE, LATER) if code in codes), DONE)

    def _accept(self, options: dict[str, Any]) -> int:
        actor = _actor(options)
        taken = {
            number.did: change_accept(number, reason=options["reason"], actor=actor, actor_label=_label())
            for number in _numbers(options["number"])
        }
        lines = [
            f"{did}: {'accepted' if done else 'there was no change to accept'}."
            for did, done in taken.items()
        ]
        self._told(options, {"accepted": taken}, lines)
        return DONE if all(taken.values()) else FAILED

    def _assign(self, options: dict[str, Any]) -> int:
        if not options["dry_run"] and not (options["reason"] or "").strip():
            raise CommandError("Say why with --reason, or try it with --dry-run.", returncode=USAGE)
        try:
            content = (
                sys.stdin.buffer.read() if options["path"] == "-" else Path(options["path"]).read_bytes()
            )
        except OSError as exc:
            raise CommandError(
                f"{options['path']} cannot be read: {exc.strerror}.", returncode=USAGE
            ) from exc
        try:
            if options["dry_run"]:
                found = assignments_try(content)
            else:
                found = assignments_apply(
                    content, reason=options["reason"], actor=_actor(options), actor_label=_label()
                )
        except TableError as exc:
            raise CommandError(f"{exc} Nothing was assigned.") from exc
        lines = [printing.assignment_line(line) for line in found.lines]
        counts = f"{len(found.changes)} to assign, {len(found.errors)} wrong, {len(found.lines)} in all."
        lines.append(counts + (" Assigned." if found.applied else " Nothing was assigned."))
        self._told(options, printing.assignments_json(found), lines)
        return FAILED if found.errors else DONE

    # --- Schedules ------------------------------------------------------------------------------------------

    def _schedule(self, options: dict[str, Any]) -> int:
        what = options["what"]
        if what == "list":
            schedules = list(CutoverSchedule.objects.all())
            lines = [line for one in schedules for line in _schedule_lines(one)] or ["No schedule."]
            self._told(options, {"schedules": [printing.schedule_json(one) for one in schedules]}, lines)
            return DONE
        if what == "create":
            return self._schedule_create(options)
        turns: dict[str, Callable[..., bool]] = {
            "pause": schedule_pause,
            "resume": schedule_resume,
            "cancel": schedule_cancel,
        }
        if len(options["id_or_number"]) != 1:
            raise CommandError(f"Give the id of one schedule to {what}; see: schedule list", returncode=USAGE)
        schedule = _one_schedule(options["id_or_number"][0])
        turned = turns[what](schedule, actor=_actor(options), actor_label=_label())
        schedule.refresh_from_db()
        lines = _schedule_lines(schedule)
        if not turned:
            lines.insert(0, f"It is “{schedule.get_status_display()}”, so there is nothing to {what}.")
        self._told(options, printing.schedule_json(schedule), lines)
        return DONE if turned else FAILED

    def _schedule_create(self, options: dict[str, Any]) -> int:
        if not options["reason"] or not options["timezone"]:
            raise CommandError("A schedule needs --reason and --timezone.", returncode=USAGE)
        numbers = _numbers(options["id_or_number"])
        try:
            schedule = schedule_create(
                numbers=numbers,
                name=options["name"] or "",
                reason=options["reason"],
                zone=options["timezone"],
                starts_on=options["starts_on"] or timezone.localdate(),
                kind="cutover" if options["canary"] is None else "canary",
                percent=100 if options["canary"] is None else options["canary"],
                weekdays=weekdays_read(options["days"]),
                from_time=options["from_time"],
                until_time=options["until_time"],
                per_day=options["per_day"],
                spacing_minutes=options["spacing"],
                overrides=[override_read(text) for text in options["override"]],
                actor=_actor(options),
                actor_label=_label(),
            )
        except ScheduleError as exc:
            raise CommandError(f"{exc} Nothing was scheduled.") from exc
        self._told(options, printing.schedule_json(schedule), _schedule_lines(schedule))
        return DONE

    # --- Printing -------------------------------------------------------------------------------------------

    def _told(self, options: dict[str, Any], plain: dict[str, Any], lines: Sequence[str]) -> None:
        if options["json"]:
            self._json(plain)
            return
        for line in lines:
            self.stdout.write(line)

    def _json(self, plain: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(plain, ensure_ascii=False, indent=2))

    @contextmanager
    def _bar(self, options: dict[str, Any]) -> Iterator[Bar]:
        """A bar on a terminal; nothing anywhere else."""
        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        quiet = options["json"] or not console.is_terminal
        with Bar(*columns, console=console, transient=True, disable=quiet) as bar:
            yield bar


# --- Rows by their names ---------------------------------------------------------------------------------------


def _numbers(dids: Sequence[str]) -> list[PhoneNumber]:
    """The numbers, in the order given. Raises CommandError when one is not here."""
    found = {number.did: number for number in numbers_listed(list(dids))}
    if missing := [did for did in dids if did not in found]:
        raise CommandError(
            f"Not in Tandem: {', '.join(missing)}. Write numbers as +14155550100, and read them first: manage.py cutover sync",
            returncode=USAGE,
        )
    return [found[did] for did in dict.fromkeys(dids)]


def _move(options: dict[str, Any], number: PhoneNumber) -> dict[str, Any]:
    if options["canary"] is not None:
        return {"kind": "canary", "percent": options["canary"]}
    if options["restore"]:
        return {"kind": "restore", "target": _snapshot(options["restore"], number)}
    return {"kind": "rollback" if options["rollback"] else "cutover"}


def _snapshot(text: str, number: PhoneNumber) -> NumberSnapshot:
    try:
        return NumberSnapshot.objects.get(pk=text, number=number)
    except (NumberSnapshot.DoesNotExist, ValidationError) as exc:
        raise CommandError(f"{number.did} has no snapshot {text}.", returncode=USAGE) from exc


def _one_schedule(text: str) -> CutoverSchedule:
    try:
        return CutoverSchedule.objects.get(pk=text)
    except (CutoverSchedule.DoesNotExist, ValidationError) as exc:
        raise CommandError(f"There is no schedule {text}; see: schedule list", returncode=USAGE) from exc


def _schedule_lines(schedule: CutoverSchedule) -> list[str]:
    lines = [
        f"{schedule.pk}  {schedule.name}: {schedule.get_status_display()}. {schedule.stopped_because}".rstrip()
    ]
    items = list(schedule.items.select_related("number"))
    waiting = [item for item in items if item.status == "waiting"]
    due = iter(due_days(hours_of(schedule), now=timezone.now(), count=len(waiting)))
    for item in items:
        at = next(due, None) if item.status == "waiting" else item.started_at
        when = f" {at:%Y-%m-%d %H:%M} UTC" if at else ""
        lines.append(f"  {item.number.did}: {item.get_status_display()}{when} {item.message}".rstrip())
    return lines


def _actor(options: dict[str, Any]) -> User | None:
    if not options.get("as_user"):
        return None
    try:
        return User.objects.get(username=options["as_user"])
    except User.DoesNotExist as exc:
        raise CommandError(f"There is no user {options['as_user']}.", returncode=USAGE) from exc


def _label() -> str:
    try:
        return f"{COMMAND_LINE} ({getpass.getuser()})"
    except (KeyError, OSError):
        return COMMAND_LINE

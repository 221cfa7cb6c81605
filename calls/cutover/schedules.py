"""Moving numbers one after the other: so many a day, on the days and in the hours that somebody chose.

A schedule stops by itself as soon as one number does not go well, or one that it has moved has gone back since.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from calls.cutover.calendar import Hours, next_due
from calls.cutover.history import SCHEDULE, Who, event_write, who
from calls.cutover.rest import Twilio, TwilioRest
from calls.cutover.selectors import cutover_plan, kind_of
from calls.cutover.services import Outcome, cutover_apply, outcome_of
from calls.cutover.states import WITH_US
from calls.models import (
    OPEN,
    CutoverEvent,
    CutoverOperation,
    CutoverSchedule,
    CutoverScheduleItem,
    PhoneNumber,
)

Status = CutoverSchedule.Status
ItemStatus = CutoverScheduleItem.Status

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Longer than one number takes: a worker that is still at it is not overtaken.
STUCK_AFTER: Final = timedelta(minutes=10)


class ScheduleError(Exception):
    """What was asked for makes no schedule. The text is for people."""


def hours_of(schedule: CutoverSchedule) -> Hours:
    """The days and hours of a schedule."""
    return Hours(
        zone=ZoneInfo(schedule.timezone),
        starts_on=schedule.starts_on,
        weekdays=frozenset(schedule.weekdays),
        from_time=schedule.from_time,
        until_time=schedule.until_time,
        per_day=schedule.per_day,
        spacing=timedelta(minutes=schedule.spacing_minutes),
    )


def schedule_create(
    *,
    numbers: Sequence[PhoneNumber],
    name: str,
    reason: str,
    zone: str,
    starts_on: date,
    kind: str = CutoverSchedule.Kind.CUTOVER,
    percent: int = 100,
    weekdays: Sequence[int] = (0, 1, 2, 3, 4),
    from_time: clock_time = clock_time(10),
    until_time: clock_time = clock_time(16),
    per_day: int = 1,
    spacing_minutes: int = 60,
    actor: User | None = None,
    actor_label: str = "",
    overrides: Sequence[Mapping[str, str]] = (),
) -> CutoverSchedule:
    """A schedule that begins by itself, with its numbers in the order given. Raises ScheduleError."""
    actor_is = who(actor, actor_label)
    try:
        kind, percent = kind_of(kind, percent)
    except ValueError as exc:
        raise ScheduleError(str(exc)) from exc
    if percent < 1:
        raise ScheduleError("A share of nothing moves nobody. Give at least 1 percent.")
    _check_hours(zone, weekdays, from_time, until_time, per_day)
    _check_numbers(numbers, reason)
    try:
        with transaction.atomic():
            schedule = CutoverSchedule.objects.create(
                name=name.strip()[:120] or f"{len(numbers)} numbers from {starts_on:%Y-%m-%d}",
                kind=kind,
                percent=percent,
                per_day=per_day,
                spacing_minutes=spacing_minutes,
                starts_on=starts_on,
                weekdays=sorted(set(weekdays)),
                from_time=from_time,
                until_time=until_time,
                timezone=zone,
                reason=reason.strip(),
                overrides=[dict(one) for one in overrides],
                created_by=actor_is.user,
                created_by_label=actor_is.label,
            )
            CutoverScheduleItem.objects.bulk_create(
                CutoverScheduleItem(schedule=schedule, number=number, position=position)
                for position, number in enumerate(numbers)
            )
            for number in numbers:
                _told(number, f"Put on the schedule “{schedule.name}”. {reason}", actor_is)
    except IntegrityError as exc:
        taken = PhoneNumber.objects.filter(
            pk__in=[number.pk for number in numbers],
            schedule_items__status__in=[ItemStatus.WAITING, ItemStatus.RUNNING],
        )
        names = ", ".join(taken.values_list("did", flat=True)[:5])
        raise ScheduleError(f"Already on another schedule: {names}. Cancel that one first.") from exc
    return schedule


def _check_numbers(numbers: Sequence[PhoneNumber], reason: str) -> None:
    if not numbers:
        raise ScheduleError("Choose at least one number.")
    if len({number.pk for number in numbers}) != len(numbers):
        raise ScheduleError("A number is named twice.")
    if not reason.strip():
        raise ScheduleError("Say why: the reason stands in the history of each number.")
    for number in numbers:
        if obstacles := cutover_plan(number, kind="cutover", fresh=False).obstacles:
            raise ScheduleError(f"{number.did}: {obstacles[0]}")


def _check_hours(
    zone: str,
    weekdays: Sequence[int],
    from_time: clock_time,
    until_time: clock_time,
    per_day: int,
) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ScheduleError(f"There is no time zone “{zone}”. Write it as Europe/Berlin.") from exc
    if not weekdays or not set(weekdays) <= set(range(7)):
        raise ScheduleError("Choose at least one day of the week.")
    if from_time >= until_time:
        raise ScheduleError("The hours must begin before they end, on the same day.")
    if per_day < 1:
        raise ScheduleError("At least one number a day has to be moved.")


# --- By people ------------------------------------------------------------------------------------------------


def schedule_pause(schedule: CutoverSchedule, *, actor: User | None = None, actor_label: str = "") -> bool:
    """Move no further number until it is resumed. Whether it was running."""
    return _turned(schedule, (Status.RUNNING,), Status.PAUSED, "Paused", who(actor, actor_label))


def schedule_resume(schedule: CutoverSchedule, *, actor: User | None = None, actor_label: str = "") -> bool:
    """Go on with one that was paused, or that stopped by itself. Whether it was.

    The number that did not go well is tried again.
    """
    with transaction.atomic():
        turned = _turned(
            schedule, (Status.PAUSED, Status.STOPPED), Status.RUNNING, "Resumed", who(actor, actor_label)
        )
        if turned:
            failed = CutoverScheduleItem.objects.filter(schedule=schedule, status=ItemStatus.FAILED)
            failed.update(status=ItemStatus.WAITING, message="", started_at=None, finished_at=None)
    return turned


def schedule_cancel(schedule: CutoverSchedule, *, actor: User | None = None, actor_label: str = "") -> bool:
    """Give up the numbers that have not been moved; those that have been stay. Whether there was anything to cancel."""
    actor_is = who(actor, actor_label)
    with transaction.atomic():
        froms = (Status.RUNNING, Status.PAUSED, Status.STOPPED)
        turned = _turned(schedule, froms, Status.CANCELLED, "Cancelled", actor_is)
        if turned:
            CutoverScheduleItem.objects.filter(schedule=schedule, status=ItemStatus.WAITING).update(
                status=ItemStatus.DROPPED, message="The schedule was cancelled.", finished_at=timezone.now()
            )
    return turned


def _turned(schedule: CutoverSchedule, froms: tuple[Status, ...], to: Status, word: str, actor: Who) -> bool:
    """Whether the schedule was in one of those states, and now is in that one. Told to each number that waits."""
    with transaction.atomic():
        columns: dict[str, Any] = {"status": to, "stopped_because": ""}
        if to == Status.CANCELLED:
            columns["finished_at"] = timezone.now()
        found = CutoverSchedule.objects.filter(pk=schedule.pk, status__in=froms)
        if not found.update(**columns):
            return False
        waiting = CutoverScheduleItem.objects.filter(
            schedule=schedule, status__in=[ItemStatus.WAITING, ItemStatus.FAILED]
        ).select_related("number")
        for item in waiting:
            _told(item.number, f"{word}: the schedule “{schedule.name}”.", actor)
    schedule.refresh_from_db()
    return True


def _told(number: PhoneNumber, reason: str, actor: Who) -> None:
    event_write(number, CutoverEvent.Kind.SCHEDULE, actor=actor, reason=reason)


# --- By the beat ----------------------------------------------------------------------------------------------


def schedules_run(
    *,
    now: datetime | None = None,
    twilio: Twilio | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> list[Outcome]:
    """Move whatever is due, at most one number of each schedule."""
    outcomes = []
    for schedule in CutoverSchedule.objects.filter(status=Status.RUNNING):
        outcome = _run(schedule, now or timezone.now(), twilio or TwilioRest(), pause)
        if outcome is not None:
            outcomes.append(outcome)
    return outcomes


def _run(
    schedule: CutoverSchedule, now: datetime, twilio: Twilio, pause: Callable[[float], None]
) -> Outcome | None:
    running = schedule.items.filter(status=ItemStatus.RUNNING).select_related("number", "operation").first()
    if running is not None:
        return _look_again(schedule, running, now)
    if why := _why_to_stop(schedule):
        _stop(schedule, why)
        return None
    item = schedule.items.filter(status=ItemStatus.WAITING).select_related("number").first()
    if item is None:
        _done(schedule)
        return None
    moved_at = [at for at in schedule.items.values_list("started_at", flat=True) if at is not None]
    due = next_due(hours_of(schedule), now=now, moved_at=moved_at)
    if due is None or due > now:
        return None
    mine = CutoverScheduleItem.objects.filter(pk=item.pk, status=ItemStatus.WAITING)
    if not mine.update(status=ItemStatus.RUNNING, started_at=now):
        return None  # another worker was quicker
    number = PhoneNumber.objects.select_related("assistant", "squad", "snapshot").get(pk=item.number_id)
    outcome = cutover_apply(
        number,
        kind=schedule.kind,
        percent=schedule.percent,
        reason=f"{schedule.reason} (schedule “{schedule.name}” by {schedule.created_by_label})",
        actor_label=SCHEDULE,
        overrides=schedule.overrides,
        twilio=twilio,
        pause=pause,
    )
    _settle(schedule, item, outcome)
    return outcome


def _settle(schedule: CutoverSchedule, item: CutoverScheduleItem, outcome: Outcome) -> None:
    """Write what became of one number; where it did not go well, the schedule stops."""
    if outcome.result == "pending":
        CutoverScheduleItem.objects.filter(pk=item.pk).update(
            operation=outcome.operation, message=outcome.message
        )
        return
    if outcome.result == "busy":  # somebody is just doing something else with it: later
        CutoverScheduleItem.objects.filter(pk=item.pk, status=ItemStatus.RUNNING).update(
            status=ItemStatus.WAITING, started_at=None, message=outcome.message
        )
        return
    CutoverScheduleItem.objects.filter(pk=item.pk, status=ItemStatus.RUNNING).update(
        status=ItemStatus.DONE if outcome.ok else ItemStatus.FAILED,
        operation=outcome.operation,
        message=outcome.message,
        finished_at=timezone.now(),
    )
    if not outcome.ok:
        _stop(schedule, f"{outcome.number.did}: {outcome.message}")
    elif not schedule.items.filter(status=ItemStatus.WAITING).exists():
        _done(schedule)


def _look_again(schedule: CutoverSchedule, item: CutoverScheduleItem, now: datetime) -> Outcome | None:
    """What became of a number whose move was not over the last time, or whose worker died."""
    operation = item.operation or _operation_since(item)
    if operation is not None:
        if operation.status in OPEN:
            return None
        outcome = outcome_of(operation)
    elif item.started_at is None or now - item.started_at < STUCK_AFTER:
        return None
    else:
        outcome = Outcome(item.number, "failed", "The process that was to move it ended before it began.")
    _settle(schedule, item, outcome)
    return outcome


def _operation_since(item: CutoverScheduleItem) -> CutoverOperation | None:
    if item.started_at is None:
        return None
    return CutoverOperation.objects.filter(
        number_id=item.number_id, actor_label=SCHEDULE, created_at__gte=item.started_at
    ).first()


def _why_to_stop(schedule: CutoverSchedule) -> str:
    """Why no further number should be moved; empty when all is well with those that were."""
    for item in schedule.items.filter(status=ItemStatus.DONE).select_related("number"):
        if item.number.state not in WITH_US:
            return (
                f"{item.number.did}, which this schedule has moved, is “{item.number.get_state_display()}” now. "
                "Settle that before more numbers follow."
            )
    return ""


def _stop(schedule: CutoverSchedule, why: str) -> None:
    running = CutoverSchedule.objects.filter(pk=schedule.pk, status=Status.RUNNING)
    if not running.update(status=Status.STOPPED, stopped_because=why):
        return
    waiting = CutoverScheduleItem.objects.filter(
        schedule=schedule, status__in=[ItemStatus.WAITING, ItemStatus.FAILED]
    ).select_related("number")
    for item in waiting:
        _told(item.number, f"The schedule “{schedule.name}” stopped by itself. {why}", Who(SCHEDULE))


def _done(schedule: CutoverSchedule) -> None:
    CutoverSchedule.objects.filter(pk=schedule.pk, status=Status.RUNNING).update(
        status=Status.DONE, finished_at=timezone.now()
    )

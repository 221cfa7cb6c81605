"""What the list of numbers shows of each, all by the database: one query, however many numbers there are."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Exists, IntegerField, JSONField, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, JSONObject
from django.utils import timezone

from calls.cutover.calendar import next_due
from calls.cutover.schedules import hours_of
from calls.models import (
    BudgetTrip,
    Call,
    CallProblem,
    CutoverEvent,
    CutoverNumber,
    CutoverOperation,
    CutoverSchedule,
    CutoverScheduleItem,
    PhoneNumber,
    SmokeRun,
)
from calls.smoke.selectors import finished_runs

DAY: Final = timedelta(hours=24)
# Beyond so many a date is a guess, and only the place in the schedule is told.
DATES_AHEAD: Final = 60
_HEAVY: Final = (
    "assistant__instructions",
    "assistant__server_secret",
    "assistant__server_headers",
    "config",
    "expected",
)
_WAITS: Final = (CutoverScheduleItem.Status.WAITING, CutoverScheduleItem.Status.RUNNING)


def with_facts(numbers: QuerySet[CutoverNumber]) -> QuerySet[CutoverNumber]:
    """The numbers with what a row tells: the last day's calls, the drift verdict, the last change, the schedule."""
    events = CutoverEvent.objects.filter(number=OuterRef("pk")).order_by("-at", "-id")
    runs = (
        finished_runs()
        .filter(number=OuterRef("pk"), purpose=SmokeRun.Purpose.SMOKE_TEST)
        .order_by("-finished_at")
    )
    waits = CutoverScheduleItem.objects.filter(number=OuterRef("pk"), status__in=_WAITS)
    return (
        numbers.select_related("assistant", "squad")
        .prefetch_related("squad__squadmember_set__assistant")
        .defer(*_HEAVY)
        .annotate(
            day=Subquery(_day(timezone.now()), output_field=JSONField()),
            last_at=Subquery(events.values("at")[:1]),
            last_kind=Subquery(events.values("kind")[:1]),
            last_who=Subquery(events.values("actor_label")[:1]),
            drift=Subquery(
                runs.values(
                    found=JSONObject(
                        id="pk",
                        outcome="outcome",
                        at="finished_at",
                        simulated="simulated_model",
                        verdict="verdict",
                        version="assistant_version",
                    )
                )[:1],
                output_field=JSONField(),
            ),
            drift_outcome=Subquery(runs.values("outcome")[:1]),
            waits_in=Subquery(waits.values("schedule")[:1]),
        )
        .annotate(
            calls_n=Coalesce(Cast(KT("day__calls"), IntegerField()), 0),
            errors_n=Coalesce(Cast(KT("day__errors"), IntegerField()), 0),
        )
    )


def _day(now: datetime) -> QuerySet[Any]:
    """Calls and errors of one number's last day, on each stack, as JSON."""
    problem = Exists(CallProblem.objects.filter(call=OuterRef("pk"), benign=False))
    ours = Q(stack=Call.Stack.DIRECT)
    theirs = Q(stack=Call.Stack.VAPI)
    ours_bad = ours & (Q(status=Call.Status.REFUSED) | Q(wrong=True))
    theirs_bad = theirs & (Q(ended_reason__contains="error") | Q(ended_reason__contains="fault"))
    return (
        Call.objects.filter(phone_number=OuterRef("pk"), created_at__gte=now - DAY, smoke_test=False)
        .annotate(wrong=problem)
        .order_by()
        .values("phone_number")
        .annotate(
            found=JSONObject(
                calls=Count("pk"),
                errors=Count("pk", filter=ours_bad | theirs_bad),
                ours=Count("pk", filter=ours),
                ours_errors=Count("pk", filter=ours_bad),
                theirs=Count("pk", filter=theirs),
                theirs_errors=Count("pk", filter=theirs_bad),
            )
        )
        .values("found")
    )


def has_problem() -> Q:
    """Numbers that somebody should look at: changed behind our back, gone, a burnt budget, a move that did not go well."""
    trips = BudgetTrip.objects.filter(number=OuterRef("pk"), seen_at=None)
    newest = (
        CutoverOperation.objects.filter(number=OuterRef("pk")).order_by("-created_at").values("status")[:1]
    )
    stopped = CutoverScheduleItem.objects.filter(
        number=OuterRef("pk"),
        status=CutoverScheduleItem.Status.FAILED,
        schedule__status=CutoverSchedule.Status.STOPPED,
    )
    unanswered = Q(state__in=(PhoneNumber.State.OURS, PhoneNumber.State.CANARY)) & (
        Q(assistant=None, squad=None) | Q(enabled=False)
    )
    failed = (
        CutoverOperation.Status.FAILED,
        CutoverOperation.Status.ROLLED_BACK,
        CutoverOperation.Status.UNDOING,
    )
    return (
        Q(state=PhoneNumber.State.CHANGED)
        | Q(missing_at__isnull=False)
        | unanswered
        | Q(Exists(trips))
        | Q(Exists(stopped))
        | Q(
            pk__in=PhoneNumber.objects.annotate(newest=Subquery(newest))
            .filter(newest__in=failed)
            .values("pk")
        )
    )


def due_dates(schedule_ids: Iterable[Any]) -> dict[Any, tuple[CutoverSchedule, int, datetime | None]]:
    """For each number that waits in one of these schedules, by its id: the schedule, its place in it, and when.

    No date where the schedule does not run, or where it is too far away. Two queries.
    """
    wanted = set(schedule_ids)
    if not wanted:
        return {}
    schedules = list(CutoverSchedule.objects.filter(pk__in=wanted))
    items: dict[Any, list[CutoverScheduleItem]] = defaultdict(list)
    for item in CutoverScheduleItem.objects.filter(schedule__in=wanted).order_by("position"):
        items[item.schedule_id].append(item)
    found: dict[Any, tuple[CutoverSchedule, int, datetime | None]] = {}
    for schedule in schedules:
        waiting = [item for item in items[schedule.pk] if item.status in _WAITS]
        dates = schedule_dates(schedule, items[schedule.pk], now=timezone.now())
        for place, item in enumerate(waiting, 1):
            found[item.number_id] = (schedule, place, dates.get(item.pk))
    return found


def schedule_dates(
    schedule: CutoverSchedule, items: Iterable[CutoverScheduleItem], *, now: datetime
) -> dict[int, datetime]:
    """When each item that waits is moved if all goes well, by its id; the first `DATES_AHEAD`, none where it does not run."""
    if schedule.status != CutoverSchedule.Status.RUNNING:
        return {}
    listed = list(items)
    moved = [item.started_at for item in listed if item.started_at is not None]
    waiting = [item for item in listed if item.status == CutoverScheduleItem.Status.WAITING]
    hours, at = hours_of(schedule), now
    dates: dict[int, datetime] = {}
    for item in waiting[:DATES_AHEAD]:
        due = next_due(hours, now=at, moved_at=moved)
        if due is None:
            break
        dates[item.pk], at = due, due
        moved.append(due)
    return dates

"""The page of one number: where it stands, what it is like at Twilio, what can be done, and all that was done."""

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from calls.cutover.budget import budget_state
from calls.cutover.changes import voice_config
from calls.cutover.gates import TITLES, gates_for
from calls.cutover.looking import is_with_us, unexpected
from calls.cutover.results import StackResult, stack_results
from calls.cutover.screen.forms import ReasonForm
from calls.cutover.screen.rights import CUT_OVER, require, rights
from calls.cutover.screen.rows import due_dates
from calls.cutover.screen.words import (
    OPERATION_TONES,
    at_twilio,
    change_rows,
    config_rows,
    state_badge,
    state_words,
    verdict_badge,
)
from calls.cutover.selectors import obstacle
from calls.cutover.services import change_accept
from calls.models import (
    OPEN,
    BudgetTrip,
    CutoverEvent,
    CutoverNumber,
    CutoverOperation,
    CutoverScheduleItem,
    FallbackCall,
    NumberSnapshot,
    PhoneNumber,
    SmokeRun,
)
from calls.smoke.selectors import finished_runs
from tools.adminkit import badge, clipped, json_pretty, moment, ms_text, object_link

State = PhoneNumber.State
EVENTS_PER_PAGE: Final = 25
_SHOWN: Final = 10
# Of other events what differed is just what was written.
_DIFFER: Final = (
    CutoverEvent.Kind.CHANGED,
    CutoverEvent.Kind.REFUSED,
    CutoverEvent.Kind.FAILED,
    CutoverEvent.Kind.UNDONE,
)
WEEK: Final = timedelta(days=7)


def number_url(number: PhoneNumber) -> str:
    """Where a number's cutover is shown."""
    return reverse("admin:calls_cutovernumber_change", args=[number.pk])


def _number(number_id: uuid.UUID) -> CutoverNumber:
    number = (
        CutoverNumber.objects.select_related("assistant", "squad", "snapshot").filter(pk=number_id).first()
    )
    if number is None:
        raise Http404("There is no such number (any more).")
    return number


def number_page(request: HttpRequest, number_id: uuid.UUID) -> HttpResponse:
    """Everything about one number."""
    require(request)
    number = _number(number_id)
    with_us = is_with_us(number)
    changed = number.state == State.CHANGED
    context = {
        **admin.site.each_context(request),
        **rights(request),
        "opts": CutoverNumber._meta,
        "title": f"Cutover: {number}",
        "number": number,
        "state": state_badge(number),
        "facts": _facts(number),
        "not_movable": obstacle(number),
        "with_us": with_us,
        "is_canary": number.state == State.CANARY,
        "changed": change_rows(one.as_json() for one in unexpected(number, number.config)) if changed else [],
        "is_changed": changed,
        "was": state_words(number.state_before_change) if changed else "",
        "was_canary": number.state_before_change == State.CANARY,
        "open_operation": CutoverOperation.objects.filter(number=number, status__in=OPEN).first(),
        "gates": gates_for(number),
        "stacks": _stacks(number),
        "config_rows": config_rows(number.config),
        "config_raw": json_pretty(number.config),
        "snapshots": _snapshots(number),
        "operations": _operations(number),
        "events": _events(request, number),
        "schedules": _schedules(number),
        "verdicts": _verdicts(number),
        "budget": budget_state(number),
        "trips": list(BudgetTrip.objects.filter(number=number).select_related("seen_by")[:_SHOWN]),
        "fallbacks_n": FallbackCall.objects.filter(number=number, at__gte=timezone.now() - WEEK).count(),
        "next_share": min(99, max(10, number.canary_percent * 2)) if number.state == State.CANARY else 10,
        "list_url": reverse("admin:calls_cutovernumber_changelist"),
        "edit_url": reverse("admin:calls_phonenumber_change", args=[number.pk]),
    }
    return TemplateResponse(request, "admin/cutover/number.html", context)


def _facts(number: CutoverNumber) -> list[tuple[str, Any]]:
    if number.squad is not None:
        answers: Any = object_link("assistants_squad", number.squad.pk, f"{number.squad.name} (squad)")
    elif number.assistant is not None:
        answers = object_link("assistants_assistant", number.assistant.pk, number.assistant.name)
    else:
        answers = badge("Nobody", "warn")
    facts = [
        ("Stands", state_badge(number)),
        ("At Twilio", at_twilio(number)),
        ("With us answers", answers),
        ("Account", number.account_sid or "-"),
        ("Seen at Twilio", moment(number.config_seen_at) if number.config_seen_at else "Never"),
    ]
    if number.cut_over_at:
        facts.append(("With us since", moment(number.cut_over_at)))
    if number.snapshot is not None:
        facts.append(("A rollback goes back to", format_snapshot(number.snapshot)))
    if number.missing_at:
        facts.append(("Gone from its account since", moment(number.missing_at)))
    return facts


def format_snapshot(snapshot: NumberSnapshot) -> str:
    """A snapshot in a few words: when, and who answered then."""
    rows = {field: value for _, field, value in config_rows(snapshot.config)}
    went = rows["trunk_sid"] or rows["voice_application_sid"] or rows["voice_url"] or "nobody"
    return f"{timezone.localtime(snapshot.taken_at):%d %b %Y, %H:%M:%S}: calls went to {clipped(went, 120)}"


def _snapshots(number: PhoneNumber) -> list[dict[str, Any]]:
    return [
        {
            "pk": str(one.pk),
            "taken": moment(one.taken_at),
            "words": format_snapshot(one),
            "rows": config_rows(one.config),
            "raw": json_pretty(one.config),
            "current": one.pk == number.snapshot_id,
        }
        for one in number.snapshots.all()[:_SHOWN]
    ]


def _operations(number: PhoneNumber) -> list[dict[str, Any]]:
    return [
        {
            "what": f"{one.get_kind_display()} {one.percent} %"
            if one.kind == CutoverOperation.Kind.CANARY
            else one.get_kind_display(),
            "status": badge(one.get_status_display(), OPERATION_TONES.get(one.status, "plain")),
            "at": moment(one.created_at),
            "who": one.actor_label,
            "reason": one.reason,
            "error": one.error,
            "steps": [_step(step) for step in one.steps if isinstance(step, dict)],
            "differences": change_rows(one.differences),
            "writes": one.writes,
        }
        for one in number.operations.defer("seen", "before", "after", "wanted")[:_SHOWN]
    ]


def _step(step: dict[str, Any]) -> tuple[str, str]:
    return str(step.get("step", "?")).replace("_", " "), str(step.get("at", ""))[11:19]


def _events(request: HttpRequest, number: PhoneNumber) -> Any:
    events = CutoverEvent.objects.filter(number=number).order_by("-at", "-id")
    page = Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    rows: Any = page
    rows.object_list = [_event(one) for one in page.object_list]
    return rows


def _event(event: CutoverEvent) -> dict[str, Any]:
    moved = event.from_state != event.to_state
    fields = sorted({*event.before, *event.after})
    return {
        "kind": event.get_kind_display(),
        "at": moment(event.at),
        "who": event.actor_label,
        "why": event.reason,
        "states": f"{state_words(event.from_state)} → {state_words(event.to_state)}" if moved else "",
        "changes": change_rows(
            {"field": name, "before": event.before.get(name), "after": event.after.get(name)}
            for name in fields
            if event.before.get(name) != event.after.get(name)
        ),
        "differences": change_rows(event.differences) if event.kind in _DIFFER else [],
        "overrides": [
            (TITLES.get(str(one.get("gate")), one.get("gate")), one.get("reason"))
            for one in event.overrides
            if isinstance(one, dict)
        ],
    }


def _stacks(number: PhoneNumber) -> list[dict[str, Any]]:
    """The last week's calls on both stacks, side by side, a figure a row; nothing without calls."""
    now = timezone.now()
    ours, theirs = stack_results([number], since=now - WEEK, until=now)[number.pk]
    if not ours.calls and not theirs.calls:
        return []
    told: tuple[tuple[str, Callable[[StackResult], str]], ...] = (
        ("Calls", lambda one: str(one.calls)),
        ("Answered", lambda one: str(one.answered)),
        ("Broke off", lambda one: str(one.broke_off)),
        ("Mean length", lambda one: "-" if one.mean_duration_s is None else f"{one.mean_duration_s:.0f} s"),
        ("Tool calls", lambda one: str(one.tool_calls)),
        ("Tool errors", lambda one: str(one.tool_errors)),
        ("First sound, median", lambda one: ms_text(one.first_sound_ms)),
        ("First sound, 95 %", lambda one: ms_text(one.first_sound_p95_ms)),
    )
    return [{"title": title, "ours": tell(ours), "theirs": tell(theirs)} for title, tell in told]


def _schedules(number: PhoneNumber) -> list[dict[str, Any]]:
    items = list(
        CutoverScheduleItem.objects.filter(number=number)
        .select_related("schedule")
        .order_by("-schedule__created_at")[:_SHOWN]
    )
    waits = [item.schedule_id for item in items if item.status in ("waiting", "running")]
    dates = due_dates(waits)
    return [
        {
            "link": object_link("calls_cutoverschedule", item.schedule_id, clipped(item.schedule.name, 60)),
            "status": item.get_status_display(),
            "schedule_status": item.schedule.get_status_display(),
            "when": moment(
                item.finished_at or item.started_at or (dates[number.pk][2] if number.pk in dates else None)
            ),
            "message": item.message,
        }
        for item in items
    ]


def _verdicts(number: PhoneNumber) -> list[dict[str, Any]]:
    runs = (
        finished_runs()
        .filter(number=number.pk, purpose=SmokeRun.Purpose.SMOKE_TEST)
        .select_related("assistant_version")
        .defer("snapshot")
        .order_by("-finished_at")[:_SHOWN]
    )
    return [
        {
            "badge": verdict_badge(run.outcome, simulated=run.simulated_model),
            "link": object_link("calls_smokerun", run.pk, "Report"),
            "at": moment(run.finished_at),
            "sentence": str(run.verdict.get("sentence", "")) if isinstance(run.verdict, dict) else "",
            "version": f"Version {run.assistant_version.number}" if run.assistant_version else "A draft",
        }
        for run in runs
    ]


# --- Accepting a change ---------------------------------------------------------------------------------------


def accept_page(request: HttpRequest, number_id: uuid.UUID) -> HttpResponse:
    """Ask why a change behind our back is taken for right, and take it."""
    user = require(request, CUT_OVER)
    number = _number(number_id)
    found = unexpected(number, number.config)
    form = ReasonForm(request.POST or None)
    # What was accepted must be what was shown: somebody may have changed it once more.
    shown = _fingerprint(number)
    if request.method == "POST" and form.is_valid():
        if request.POST.get("shown") != shown:
            messages.warning(request, "It was changed once more since this page was shown. Look at it again.")
            return HttpResponseRedirect(request.path)
        if change_accept(number, reason=form.cleaned_data["reason"], actor=user):
            messages.success(request, "Accepted. The number stands where Twilio has it now.")
        else:
            messages.info(request, "There was nothing to accept any more.")
        return HttpResponseRedirect(number_url(number))
    if number.state != State.CHANGED:
        messages.info(request, "There is nothing to accept: the number is as it should be.")
        return HttpResponseRedirect(number_url(number))
    context = {
        **admin.site.each_context(request),
        "opts": CutoverNumber._meta,
        "title": f"Accept the change of {number.did}",
        "number": number,
        "changes": change_rows(one.as_json() for one in found),
        "form": form,
        "shown": shown,
        "answers": number.get_answered_by_display(),
        "back_url": number_url(number),
    }
    return TemplateResponse(request, "admin/cutover/accept.html", context)


def _fingerprint(number: PhoneNumber) -> str:
    """Stands for the voice fields that the page showed."""
    told = json.dumps(voice_config(number.config), sort_keys=True)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]

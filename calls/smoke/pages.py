"""The pages of smoke tests: beginning one, its report, one pair, and what can be done there."""

import uuid
from collections.abc import Callable
from typing import Any, Final

from celery.exceptions import OperationalError as BrokerError
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import content_disposition_header

from assistants.models import Assistant
from assistants.snapshots import snapshot_take
from calls.models import Call, PhoneNumber, SmokePair, SmokeRun
from calls.page.timeline import call_lines
from calls.privacy.access import call_opened
from calls.smoke import runs
from calls.smoke.benchmarks import eva_archive, tau2_lines
from calls.smoke.exports import report_html, report_json
from calls.smoke.forms import StartForm
from calls.smoke.planning import SQUAD, RunError, Wish, run_create, usual_line, usual_speed
from calls.smoke.proposals import instructions_with, proposals_take
from calls.smoke.publishing import check_begin
from calls.smoke.report import Report, pair_view, report, trend
from calls.smoke.tasks import smoke_run_play
from tools.adminkit import moment, ms_text, object_link

JUDGED: Final = Q(pairs__status=SmokePair.Status.JUDGED)
_QUEUE_AWAY: Final = (
    "The queue of jobs could not be reached, so nothing plays the run yet. Press “Go on” in a minute."
)
_EXPORTS: Final[dict[str, tuple[Callable[[SmokeRun], str | bytes], str]]] = {
    "json": (report_json, "application/json; charset=utf-8"),
    "html": (report_html, "text/html; charset=utf-8"),
    "jsonl": (tau2_lines, "application/x-ndjson; charset=utf-8"),
    "zip": (eva_archive, "application/zip"),
}


def may_run(request: HttpRequest) -> bool:
    """Whether this user may begin, cancel and continue smoke tests."""
    return request.user.has_perm("calls.run_smoketest")


def may_see(request: HttpRequest) -> bool:
    """Whether this user may read smoke tests."""
    return request.user.has_perm("calls.view_smokerun")


def _run(request: HttpRequest, run_id: uuid.UUID, *, acts: bool = False) -> SmokeRun:
    if not may_see(request) or (acts and not may_run(request)):
        raise PermissionDenied
    return get_object_or_404(SmokeRun.objects.select_related("assistant", "assistant_version"), pk=run_id)


def start_page(request: HttpRequest) -> HttpResponse:
    """The page that begins a smoke test."""
    if not may_run(request):
        raise PermissionDenied
    numbers = PhoneNumber.objects.filter(assistant__isnull=False, squad__isnull=True)
    initial = {"number": request.GET.get("number"), "line": usual_line().value}
    form = StartForm(request.POST or None, numbers=numbers, initial=initial)
    refused = ""
    if request.method == "POST" and form.is_valid():
        try:
            return _started(request, form.cleaned_data)
        except RunError as exc:
            refused = str(exc)
    context = {
        **admin.site.each_context(request),
        "opts": SmokeRun._meta,
        "title": "Begin a smoke test",
        "form": form,
        "refused": refused,
        "has_numbers": numbers.exists(),
        "squads": "" if not PhoneNumber.objects.filter(squad__isnull=False).exists() else SQUAD,
    }
    return TemplateResponse(request, "admin/smoke/start.html", context)


def _started(request: HttpRequest, wanted: dict[str, Any]) -> HttpResponse:
    number, author = wanted["number"], request.user
    assert not author.is_anonymous
    run = run_create(
        Wish(
            assistant=number.assistant,
            number=number,
            runs=wanted["runs"],
            draft=wanted["draft"],
            line=SmokeRun.Line(wanted["line"]),
            speed=usual_speed(SmokeRun.Line(wanted["line"])),
            budget_minutes=wanted["budget_minutes"],
            budget_usd=wanted["budget_usd"],
            usd_per_minute=wanted["usd_per_minute"],
            caller=SmokeRun.Caller(wanted["caller"] or SmokeRun.Caller.SCRIPT),
            vapi_number=wanted["vapi_number"],
            vapi_tools_are_real=wanted["vapi_tools_are_real"],
            author=author,
        )
    )
    return play_and_show(request, run)


def check_page(request: HttpRequest, assistant_id: uuid.UUID) -> HttpResponse:
    """Check the draft of an assistant before it is published."""
    author = request.user
    if not may_run(request) or author.is_anonymous:
        raise PermissionDenied
    assistant = get_object_or_404(Assistant, pk=assistant_id)
    try:
        run = check_begin(assistant=assistant, author=author)
    except RunError as exc:
        messages.error(request, str(exc))
        return HttpResponseRedirect(reverse("admin:assistants_assistant_publish", args=[assistant_id]))
    return play_and_show(request, run)


def play_and_show(request: HttpRequest, run: SmokeRun) -> HttpResponse:
    """Have a worker play the run, and show its page."""
    runs.run_begin(run.pk)
    try:
        smoke_run_play.delay(run_id=str(run.pk))
    except BrokerError:
        messages.error(request, _QUEUE_AWAY)
    return HttpResponseRedirect(run_url(run.pk))


def run_url(run_id: uuid.UUID) -> str:
    """The page of a run."""
    return reverse("admin:calls_smokerun_change", args=[run_id])


def run_context(request: HttpRequest, run: SmokeRun) -> dict[str, Any]:
    """What the page of a run shows."""
    read = report(run)
    counted = runs.progress(run)
    live = run.status in runs.LIVE
    return {
        "report": read,
        "verdict": read.verdict,
        "counted": counted,
        "live": live,
        "may_run": may_run(request),
        "may_change": request.user.has_perm("assistants.change_assistant"),
        "can_resume": run.status in (SmokeRun.Status.CANCELLED, SmokeRun.Status.STOPPED),
        "facts": _facts(run, read),
        "figures": _figures(read),
        "trend": trend(run.assistant),
        "draft_fingerprint": snapshot_take(run.assistant).fingerprint() if read.proposals else "",
        "drafted": bool(read.proposals) and _has_rules(run, read),
    }


def _has_rules(run: SmokeRun, read: Report) -> bool:
    rules = [one.text for one in read.proposals]
    return instructions_with(run.assistant, rules) == run.assistant.instructions


def _facts(run: SmokeRun, read: Report) -> list[tuple[str, Any]]:
    version = run.assistant_version
    tested = (
        object_link("assistants_assistantversion", version.pk, f"Version {version.number}")
        if version
        else "The draft"
    )
    spent = f"{read.minutes:.1f} min of conversation"
    if read.estimated_usd is not None:
        spent += f", some {read.estimated_usd:.2f} USD by the estimate of {run.usd_per_minute} a minute"
    return [
        ("Assistant", object_link("assistants_assistant", run.assistant_id, run.assistant.name)),
        ("Tested", tested),
        ("Line", _line_text(run)),
        ("Caller", run.get_caller_display()),
        (
            "Model",
            "Simulated: the path of a call is proved, not what a real model does"
            if run.simulated_model
            else "Real",
        ),
        ("Begun", moment(run.started_at)),
        ("Done", moment(run.finished_at)),
        ("By", run.started_by_label or "-"),
        ("Spent", spent),
    ]


def _line_text(run: SmokeRun) -> str:
    """The line, and over the telephone which numbers call which."""
    if run.line != SmokeRun.Line.TELEPHONE:
        return run.get_line_display()
    callers = ", ".join(str(one) for one in run.test_numbers)
    at_vapi = f"; to Vapi at {run.vapi_number}" if run.vapi_number else ""
    return f"{run.get_line_display()}, from {callers}{at_vapi}"


def _figures(read: Report) -> list[tuple[str, str, str]]:
    """Name, figure, and what stands under it."""
    verdict = read.verdict
    figures = [
        (
            "Drift",
            _percent(verdict.get("rate")),
            f"{verdict.get('drifted', 0)} of {verdict.get('compared', 0)} calls; {_interval(verdict)}",
        )
    ]
    strict = verdict.get("strict") or {}
    figures.append(
        (
            "Strict order",
            _percent(strict.get("rate")),
            f"{strict.get('hits', 0)} of {strict.get('n', 0)}, no declared order taken into account",
        )
    )
    baseline = verdict.get("baseline") or {}
    if baseline.get("n"):
        figures.append(
            (
                "Vapi against itself",
                _percent(baseline.get("rate")),
                f"{baseline['hits']} of {baseline['n']} pairs of its own calls",
            )
        )
    figures.append(("Other arguments", str(verdict.get("other_arguments", 0)), "calls, beside the rate"))
    figures.append(("Broke", str(verdict.get("errored", 0)), "calls, in no rate"))
    ours, theirs = verdict.get("latency_ms"), verdict.get("reference_latency_ms")
    if ours is not None and theirs is not None:
        figures.append(("Median answer", ms_text(ours), f"{ms_text(theirs)} at Vapi, on the same pairs"))
    if read.theirs_usd is not None:
        figures.append(("Vapi charged", f"{read.theirs_usd:.2f} USD", "for its calls of these pairs"))
    return figures


def _percent(share: Any) -> str:
    return f"{share * 100:.1f} %" if isinstance(share, int | float) else "-"


def _interval(verdict: Any) -> str:
    if not verdict.get("compared"):
        return "nothing is compared yet"
    return f"95 % between {_percent(verdict.get('lower'))} and {_percent(verdict.get('upper'))}"


def state_page(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """How far a run is: what its page asks while it waits."""
    run = _run(request, run_id)
    counted = runs.progress(run)
    words = f"{counted['judged']} of {counted['total']} calls compared, {counted['drifted']} differ, {counted['errored']} broke"
    return JsonResponse({**counted, "live": run.status in runs.LIVE, "text": words})


def cancel_page(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Cancel a run; what was found is kept."""
    run = _run(request, run_id, acts=True)
    if runs.run_cancel(run.pk, why=f"Cancelled by {request.user.get_username()}."):
        messages.success(request, "Cancelled. What was found so far is kept, and the run can go on later.")
    return HttpResponseRedirect(run_url(run.pk))


def resume_page(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Go on with a run that was cancelled or stopped, or that nobody plays."""
    run = _run(request, run_id, acts=True)
    more = request.POST.get("budget_minutes", "")
    minutes = int(more) if more.isdecimal() and 0 < int(more[:9]) < 1_000_000 else None
    if runs.run_resume(run.pk, budget_minutes=minutes) or run.status in runs.LIVE:
        return play_and_show(request, run)
    return HttpResponseRedirect(run_url(run.pk))


def rules_page(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Take the proposed rules into the draft."""
    run = _run(request, run_id)
    if not request.user.has_perm("assistants.change_assistant"):
        raise PermissionDenied
    rules = [one.text for one in report(run).proposals]
    back = reverse("admin:assistants_assistant_change", args=[run.assistant_id])
    try:
        taken = proposals_take(
            assistant=run.assistant, rules=rules, reviewed=request.POST.get("reviewed", "")
        )
    except ValidationError as exc:
        messages.error(request, " ".join(exc.messages))
        back = run_url(run.pk)
    else:
        words = "The rules stand at the end of the prompt now. Callers hear them once you publish."
        messages.success(request, words if taken else "The prompt has these rules already.")
    return HttpResponseRedirect(back)


def export_page(request: HttpRequest, run_id: uuid.UUID, form: str) -> HttpResponse:
    """The report as a file."""
    run = _run(request, run_id)
    if form not in _EXPORTS:
        raise Http404("There is no such form of a report.")
    render, kind = _EXPORTS[form]
    name = f"smoke-test-{run.did.lstrip('+') or run.assistant.name}-{run.created_at:%Y-%m-%d-%H%M}.{form}"
    answer = HttpResponse(render(run), content_type=kind)
    disposition = content_disposition_header(as_attachment=True, filename=name)
    assert disposition is not None
    answer["Content-Disposition"] = disposition
    return answer


def pair_page(request: HttpRequest, pair_id: uuid.UUID) -> HttpResponse:
    """One pair: both sequences, and what was said in both calls, side by side."""
    if not may_see(request):
        raise PermissionDenied
    row = get_object_or_404(
        SmokePair.objects.select_related("run__assistant", "scenario_version__scenario", "reference", "call"),
        pk=pair_id,
    )
    context = {
        **admin.site.each_context(request),
        "opts": SmokeRun._meta,
        "title": f"{row.position}. {row.title}",
        "row": row,
        "pair": pair_view(row),
        "run_url": run_url(row.run_id),
        "legs": row.legs.all(),
        "theirs": _lines(request, row.reference),
        "ours": _lines(request, row.call),
        "may_read": request.user.has_perm("calls.view_call"),
    }
    return TemplateResponse(request, "admin/smoke/pair.html", context)


def _lines(request: HttpRequest, call: Call | None) -> list[Any]:
    if call is None or not request.user.has_perm("calls.view_call"):
        return []
    call_opened(call_id=call.pk, user=request.user, what="report")
    return call_lines(call)

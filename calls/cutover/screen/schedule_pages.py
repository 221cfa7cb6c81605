"""Making a schedule: the numbers that were chosen, the days and hours, and the dates that come of it."""

import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from calls.cutover.calendar import due_days
from calls.cutover.schedules import ScheduleError, hours_of, schedule_create
from calls.cutover.screen.forms import OverridesForm, ScheduleForm, gates_named
from calls.cutover.screen.previews import preview_counts
from calls.cutover.screen.rights import CUT_OVER, OVERRIDE, allowed, require, rights
from calls.cutover.screen.rows import DATES_AHEAD
from calls.models import CutoverNumber, CutoverPreview, CutoverSchedule, PhoneNumber


def schedule_start_url(preview: CutoverPreview) -> str:
    """Where the numbers of a preview are put on a schedule."""
    return reverse("admin:calls_cutovernumber_schedule", args=[preview.pk])


def schedule_start_page(request: HttpRequest, preview_id: uuid.UUID) -> HttpResponse:
    """The form of a schedule. One button shows the dates, the other begins it."""
    user = require(request, CUT_OVER)
    preview = CutoverPreview.objects.filter(pk=preview_id, user=user).first()
    if preview is None:
        messages.info(request, "It was begun already, or is too old: choose the numbers again.")
        return HttpResponseRedirect(reverse("admin:calls_cutoverschedule_changelist"))
    movable = list(
        preview.items.filter(possible=True).order_by("position").values_list("number__did", flat=True)
    )
    form = ScheduleForm(request.POST or None, initial=_initial(movable))
    overrides = OverridesForm(request.POST or None, gates=gates_named() if allowed(request, OVERRIDE) else {})
    if any(key.startswith("override_") for key in request.POST):
        require(request, OVERRIDE)
    dates: list[tuple[str, datetime]] = []
    refused = ""
    if request.method == "POST" and form.is_valid() and overrides.is_valid():
        numbers, refused = _numbers(preview, form.cleaned_data["numbers"])
        if not refused and "begin" in request.POST:
            try:
                return _begun(request, preview, form.cleaned_data, numbers, overrides.overrides())
            except ScheduleError as exc:
                refused = str(exc)
        elif not refused:
            dates = _dates(form.cleaned_data, numbers)
    barred = preview.items.filter(possible=False).select_related("number").order_by("position")
    context = {
        **admin.site.each_context(request),
        **rights(request),
        "opts": CutoverNumber._meta,
        "title": "Put numbers on a schedule",
        "form": form,
        "overrides_form": overrides,
        "refused": refused,
        "dates": dates,
        "dates_more": max(0, len(form.cleaned_data.get("numbers", [])) - len(dates)) if dates else 0,
        "zone": form.cleaned_data.get("zone", "") if dates else "",
        "counts": preview_counts(preview),
        "barred": [(one.number, one.told.get("obstacles", [])) for one in barred[:50]],
        "zones": sorted(available_timezones()),
        "list_url": reverse("admin:calls_cutovernumber_changelist"),
    }
    return TemplateResponse(request, "admin/cutover/schedule_start.html", context)


def _initial(dids: list[str]) -> dict[str, Any]:
    zone = timezone.get_default_timezone_name()
    return {
        "numbers": "\n".join(dids),
        "starts_on": timezone.localdate(),
        "weekdays": ["0", "1", "2", "3", "4"],
        "zone": zone,
        "kind": "cutover",
        "percent": 10,
    }


def _numbers(preview: CutoverPreview, dids: list[str]) -> tuple[list[PhoneNumber], str]:
    """The numbers in the order in which they are written, or what is wrong with that."""
    chosen = {
        item.number.did: item.number
        for item in preview.items.filter(possible=True).select_related("number__assistant", "number__squad")
    }
    strange = [did for did in dids if did not in chosen]
    if strange:
        return [], f"Not among the numbers that were chosen, or not movable: {', '.join(strange[:5])}."
    return [chosen[did] for did in dids], ""


def _dates(wanted: dict[str, Any], numbers: list[PhoneNumber]) -> list[tuple[str, datetime]]:
    """The first dates, on the clock of the schedule's own time zone."""
    schedule = CutoverSchedule(
        timezone=wanted["zone"],
        starts_on=wanted["starts_on"],
        weekdays=wanted["weekdays"],
        from_time=wanted["from_time"],
        until_time=wanted["until_time"],
        per_day=wanted["per_day"],
        spacing_minutes=wanted["spacing_minutes"],
    )
    due = due_days(hours_of(schedule), now=timezone.now(), count=min(len(numbers), DATES_AHEAD))
    zone = ZoneInfo(wanted["zone"])
    return [(number.did, at.astimezone(zone)) for number, at in zip(numbers, due, strict=False)]


def _begun(
    request: HttpRequest,
    preview: CutoverPreview,
    wanted: dict[str, Any],
    numbers: list[PhoneNumber],
    overrides: list[dict[str, str]],
) -> HttpResponse:
    user = require(request, CUT_OVER)
    with transaction.atomic():
        # Pressed twice, the second finds nothing to begin.
        if not CutoverPreview.objects.select_for_update().filter(pk=preview.pk).exists():
            messages.info(request, "It was begun already.")
            return HttpResponseRedirect(reverse("admin:calls_cutoverschedule_changelist"))
        schedule = schedule_create(
            numbers=numbers,
            name=wanted["name"],
            reason=wanted["reason"],
            zone=wanted["zone"],
            starts_on=wanted["starts_on"],
            kind=wanted["kind"],
            percent=wanted["percent"] if wanted["kind"] == "canary" else 100,
            weekdays=wanted["weekdays"],
            from_time=wanted["from_time"],
            until_time=wanted["until_time"],
            per_day=wanted["per_day"],
            spacing_minutes=wanted["spacing_minutes"],
            actor=user,
            overrides=overrides,
        )
        preview.delete()
    messages.success(request, "The schedule runs. It moves the first number by itself when its time comes.")
    return HttpResponseRedirect(reverse("admin:calls_cutoverschedule_change", args=[schedule.pk]))

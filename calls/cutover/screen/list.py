"""The list of all numbers: where each stands, how its calls went, and what to do with those that are chosen."""

import re
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from calls.cutover.screen.answerer import answerer_shown
from calls.cutover.screen.rows import due_dates, has_problem
from calls.cutover.screen.words import at_twilio, state_badge, verdict_badge
from calls.models import CutoverEvent, CutoverNumber, PhoneNumber, TwilioAccount
from tools.adminkit import badge, clipped, moment, object_link

_PHONE_LIKE = re.compile(r"\+?[\d\s().\-/]{3,24}")


def search_term(typed: str) -> str:
    """The search term; when it looks like a telephone number, without spaces, brackets and dashes."""
    stripped = typed.strip()
    return re.sub(r"[^\d+]", "", stripped) if _PHONE_LIKE.fullmatch(stripped) else typed


# --- Filters --------------------------------------------------------------------------------------------------


class AccountFilter(admin.SimpleListFilter):
    """By the Twilio account that a number is in."""

    title = "account"
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        used = PhoneNumber.objects.exclude(account_sid="").order_by().values_list("account_sid", flat=True)
        labels = dict(TwilioAccount.objects.values_list("sid", "label"))
        return [(sid, clipped(labels.get(sid) or sid, 40)) for sid in sorted(used.distinct())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(account_sid=self.value()) if self.value() else queryset


class ProblemFilter(admin.SimpleListFilter):
    """Numbers that somebody should look at."""

    title = "open problem"
    parameter_name = "problem"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "With a problem"), ("no", "Without")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "yes":
                return queryset.filter(has_problem())
            case "no":
                return queryset.exclude(has_problem())
            case _:
                return queryset


class AssistantFilter(admin.SimpleListFilter):
    """By who answers once a number is ours."""

    title = "assistant"
    parameter_name = "assistant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        used = PhoneNumber.objects.order_by()
        assistants = (
            used.filter(assistant__isnull=False).values_list("assistant", "assistant__name").distinct()
        )
        squads = used.filter(squad__isnull=False).values_list("squad", "squad__name").distinct()
        named = [(str(pk), clipped(name, 40)) for pk, name in assistants]
        named += [(str(pk), f"{clipped(name, 40)} (squad)") for pk, name in squads]
        return [("none", "Nobody"), *sorted(named, key=lambda one: one[1].casefold())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if not chosen:
            return queryset
        if chosen == "none":
            return queryset.filter(assistant=None, squad=None)
        known = {pk for pk, _ in self.lookup_choices}
        if chosen not in known:
            return queryset.none()
        return queryset.filter(assistant=chosen) | queryset.filter(squad=chosen)


# --- Rows -----------------------------------------------------------------------------------------------------


class NumberList(ChangeList):
    """A page of numbers, with the dates of those that wait in a schedule."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        dates = due_dates(row.waits_in for row in rows if row.waits_in)
        for row in rows:
            row.due = dates.get(row.pk)
        self.result_list = rows


class Columns:
    """The columns of the list. None of them asks the database."""

    @admin.display(description="number", ordering="did")
    def title(self, number: CutoverNumber) -> SafeString:
        label = (
            format_html('<span class="t-under">{}</span>', clipped(number.label, 60)) if number.label else ""
        )
        url = reverse("admin:calls_cutovernumber_change", args=[number.pk])
        return format_html('<a class="t-link t-nowrap" href="{}">{}</a>{}', url, number.did, label)

    @admin.display(description="stands", ordering="state")
    def stands(self, number: CutoverNumber) -> SafeString:
        off = badge("Switched off", "warn") if not number.enabled else ""
        return format_html(
            '{} {}<span class="t-under">{}</span>', state_badge(number), off, at_twilio(number)
        )

    @admin.display(description="assistant or squad", ordering="assistant__name")
    def answers(self, number: CutoverNumber) -> SafeString | str:
        return answerer_shown(number, nobody="Nobody", longest=60)

    @admin.display(description="calls, 24 h", ordering="calls_n")
    def calls_label(self, number: Any) -> SafeString | str:
        day = number.day or {}
        if not day.get("theirs"):
            return str(day.get("ours", 0))
        return format_html(
            '<span class="t-nowrap">Tandem {}</span><span class="t-under t-nowrap">Vapi {}</span>',
            day["ours"],
            day["theirs"],
        )

    @admin.display(description="errors, 24 h", ordering="errors_n")
    def errors_label(self, number: Any) -> SafeString | str:
        day = number.day or {}
        ours = day.get("ours_errors", 0)
        told = badge(ours, "bad") if ours else "0"
        if not day.get("theirs"):
            return told
        return format_html(
            '<span class="t-nowrap">Tandem {}</span><span class="t-under t-nowrap">Vapi {}</span>',
            told,
            day["theirs_errors"],
        )

    @admin.display(description="drift", ordering="drift_outcome")
    def drift_label(self, number: Any) -> SafeString | str:
        found = number.drift
        if not found:
            return "Not tested"
        rate = (found.get("verdict") or {}).get("rate")
        share = f"{rate * 100:.1f} %, " if isinstance(rate, int | float) else ""
        return format_html(
            '<a class="t-link" href="{}">{}</a><span class="t-under t-nowrap">{}{}</span>',
            reverse("admin:calls_smokerun_change", args=[found["id"]]),
            verdict_badge(found["outcome"], simulated=bool(found.get("simulated"))),
            share,
            _day_of(found.get("at")),
        )

    @admin.display(description="last change", ordering="last_at")
    def last_change(self, number: Any) -> SafeString | str:
        if number.last_at is None:
            return "None"
        kind = dict(CutoverEvent.Kind.choices).get(number.last_kind, number.last_kind)
        return format_html(
            '{}<span class="t-under">{}, {}</span>',
            kind,
            clipped(number.last_who, 30),
            moment(number.last_at),
        )

    @admin.display(description="scheduled", ordering="waits_in")
    def scheduled(self, number: Any) -> SafeString | str:
        if number.due is None:
            return "-"
        schedule, place, at = number.due
        when = moment(at) if at else format_html("{}. in line", place)
        link = object_link("calls_cutoverschedule", schedule.pk, clipped(schedule.name, 40))
        status = "" if at or schedule.status == "running" else badge(schedule.get_status_display(), "warn")
        return format_html('{} {}<span class="t-under">{}</span>', when, status, link)


def _day_of(text: Any) -> str:
    """The day of a moment that went through JSON; nothing where that is no moment."""
    at = parse_datetime(text) if isinstance(text, str) else None
    return f"{timezone.localtime(at):%d %b}" if at is not None and timezone.is_aware(at) else ""

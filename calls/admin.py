"""Calls, which ops staff read. The pages of everything else are registered from here."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, Exists, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from calls.analysis import admin as analysis_admin  # noqa: F401  # registers its pages
from calls.choosing.facts import chosen_facts, squad_fact
from calls.costs import admin as costs_admin  # noqa: F401  # registers its pages
from calls.cutover import budget_admin  # noqa: F401  # registers its pages
from calls.cutover.handover_facts import handover_facts
from calls.cutover.screen import admin as cutover_admin  # noqa: F401  # registers its pages
from calls.doctor import admin as doctor_admin  # noqa: F401  # registers its page
from calls.erasing import admin as erasing_admin  # noqa: F401  # registers its pages
from calls.history import admin as history_admin  # noqa: F401  # registers its pages
from calls.lasting import admin as unwritten_admin  # noqa: F401  # registers its pages
from calls.live import admin as live_admin  # noqa: F401  # registers its pages
from calls.messages import admin as messages_admin  # noqa: F401  # registers its pages
from calls.models import LIVE, Call, CallProblem
from calls.naming import call_title, caller_of
from calls.numbers import admin as numbers_admin  # noqa: F401  # registers its pages
from calls.page import order_admin, problem_admin, recording_admin  # noqa: F401  # they register their pages
from calls.page.context import page_parts
from calls.page.endings import GOOD, ending_words
from calls.page.search_page import search_page
from calls.page.socket import socket_facts
from calls.page.timeline import call_told
from calls.page.told_page import told_draft_page, told_version_page
from calls.placing import admin as placing_admin  # noqa: F401  # registers its pages
from calls.privacy.access import call_opened
from calls.searching import calls_matching, transcript_lost
from calls.smoke import admin as smoke_admin  # noqa: F401  # registers its pages
from calls.warehouse import admin as warehouse_admin  # noqa: F401  # registers its pages
from tools.adminkit import (
    HistoryAdmin,
    SinceFilter,
    Tone,
    badge,
    clipped,
    duration_text,
    moment,
    ms_text,
    object_link,
    unbroken,
)

STATUS_TONES: dict[str, Tone] = {
    Call.Status.SCHEDULED: "plain",
    Call.Status.QUEUED: "info",
    Call.Status.RINGING: "info",
    Call.Status.IN_PROGRESS: "info",
    Call.Status.FORWARDING: "info",
    Call.Status.ENDED: "plain",
    Call.Status.REFUSED: "bad",
}


def status_badge(call: Call) -> SafeString:
    """How a call stands, as a coloured label."""
    words = "No assistant" if call.status == Call.Status.REFUSED else call.get_status_display()
    return badge(words, STATUS_TONES.get(call.status, "plain"), title=call.get_status_display())


def ended_because(call: Call) -> SafeString | str:
    """Why a call ended, in plain words over Vapi's."""
    if not call.ended_reason:
        return "-"
    words = ending_words(call.ended_reason)
    tone = "" if call.ended_reason in GOOD else "t-warn"
    return format_html(
        '<span class="{}">{}</span><span class="t-under">{}</span>', tone, words, call.ended_reason
    )


def _went_wrong() -> Exists:
    return Exists(CallProblem.objects.filter(call=OuterRef("pk"), benign=False))


class ProblemFilter(admin.SimpleListFilter):
    """Calls in which something went wrong that somebody might have noticed."""

    title = "problems"
    parameter_name = "problems"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "With problems"), ("no", "Without")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "yes":
                return queryset.filter(_went_wrong())
            case "no":
                return queryset.exclude(_went_wrong())
            case _:
                return queryset


@admin.register(Call)
class CallAdmin(HistoryAdmin):
    """Calls, the newest first."""

    page_template = "admin/tandem/call.html"
    list_display = [
        "came_in", "did", "caller_text", "ran_on", "status_label", "problems_label", "duration", "first_sound",
        "vapi_cost",
    ]  # fmt: skip
    list_fullwidth = True
    always_sortable = ["came_in"]
    list_filter = ["status", SinceFilter, ProblemFilter, "stack", "smoke_test", "assistant"]
    search_fields = ["id", "call_sid", "did", "caller", "assistant__name"]
    search_help_text = (
        "By number, caller, assistant, call id, call SID, or words that were said (more under What was said)."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        problems = CallProblem.objects.filter(call=OuterRef("pk"), benign=False).order_by().values("call")
        queryset: QuerySet[Call] = super().get_queryset(request)
        return (
            queryset.select_related("assistant", "version", "phone_number", "squad")
            .defer("assistant__instructions", "assistant__server_secret", "version__snapshot")
            .annotate(
                problems_n=Coalesce(
                    Subquery(problems.annotate(n=Count("pk")).values("n")), 0, output_field=IntegerField()
                ),
                vapi_usd=F("vapi_call__cost"),
                vapi_row=F("vapi_call__pk"),
                vapi_assistant=F("vapi_call__assistant_name"),
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Call], search_term: str
    ) -> tuple[QuerySet[Call], bool]:
        return (queryset.filter(calls_matching(search_term)) if search_term.strip() else queryset), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page; where only a call's words are here, for its row was lost, the page of those."""
        answer = super().change_view(request, object_id, form_url, extra_context)
        lost = transcript_lost(object_id) if isinstance(answer, HttpResponseRedirect) else None
        if lost is None:
            return answer
        return HttpResponseRedirect(reverse("admin:transcripts_transcript_change", args=[lost]))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # The list of versions links to the calls of one; as a filter of its own it would list every version.
        return lookup == "version__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="came in", ordering="created_at")
    def came_in(self, call: Call) -> SafeString | str:
        return moment(call.created_at)

    @admin.display(description="caller", ordering="caller")
    def caller_text(self, call: Call) -> str:
        return clipped(caller_of(call), 24)

    @admin.display(description="assistant", ordering="assistant__name")
    def ran_on(self, call: Any) -> SafeString | str:
        name = self._assistant_name(call)
        return format_html("{} {}", name, badge("Vapi")) if call.stack == Call.Stack.VAPI else name

    def _assistant_name(self, call: Any) -> str:
        if call.assistant is None:
            return clipped(call.vapi_assistant or "", 60) or "-"
        return f"{call.assistant.name}, {call.version}" if call.version else call.assistant.name

    @admin.display(description="status", ordering="status")
    def status_label(self, call: Call) -> SafeString:
        ended = clipped(call.ended_reason, 60)
        return format_html('{}<span class="t-under">{}</span>', status_badge(call), ended)

    @admin.display(description="duration")
    def duration(self, call: Call) -> SafeString:
        return unbroken(duration_text(call.duration_s))

    @admin.display(description="problems", ordering="problems_n")
    def problems_label(self, call: Any) -> SafeString | str:
        return badge(call.problems_n, "bad") if call.problems_n else "-"

    @admin.display(description="first sound", ordering="first_sound_ms")
    def first_sound(self, call: Call) -> SafeString:
        return unbroken(ms_text(call.first_sound_ms))

    @admin.display(description="cost at Vapi", ordering="vapi_usd")
    def vapi_cost(self, call: Any) -> str:
        return "-" if call.vapi_usd is None else f"${call.vapi_usd:.4f}"

    # --- The page

    def page_title(self, obj: Call) -> str:
        return f"{call_title(obj)}, {timezone.localtime(obj.created_at):%d %b %Y, %H:%M}"

    def page_context(self, request: HttpRequest, obj: Call) -> dict[str, Any]:
        call_opened(call_id=obj.pk, user=request.user, what="page")
        told = call_told(obj)
        live = obj.status in LIVE
        return {
            **page_parts(request, obj, told),
            "facts_left": self._who(obj),
            "facts_right": [*self._how(obj), *self._at_vapi(obj)],
            "lines": told.lines,
            "silence": "Nothing is written down yet."
            if live
            else "Nothing was said, or nothing was written down.",
            "problems": obj.problems.order_by("at", "id"),
        }

    def _who(self, call: Call) -> Sequence[tuple[str, object]]:
        number = (
            object_link("calls_phonenumber", call.phone_number_id, call.phone_number)
            if call.phone_number_id
            else call.did or "-"
        )
        return [
            ("Called number", number),
            ("Caller", caller_of(call)),
            ("Direction", call.get_direction_display()),
            *chosen_facts(call),
            *self._squad(call),
            ("Stack", call.get_stack_display()),
            *socket_facts(call),
            ("Call id", call.id),
            ("Twilio's call SID", call.call_sid or "-"),
        ]

    def _squad(self, call: Call) -> Sequence[tuple[str, object]]:
        """The squad that answered, and the assistants that had the call, in their order."""
        parts = call.parts.select_related("assistant", "version").only(
            "call", "n", "assistant__name", "version__number"
        )
        had = [
            object_link(
                "assistants_assistantversion",
                part.version_id,
                f"{part.assistant.name}, version {part.version.number}",
            )
            for part in parts
        ]
        return [
            *squad_fact(call),
            *([("Had the call", format_html_join("; then ", "{}", ((one,) for one in had)))] if had else []),
        ]

    def _how(self, call: Call) -> Sequence[tuple[str, object]]:
        return [
            ("Status", status_badge(call)),
            ("Ended because", ended_because(call)),
            ("Came in", moment(call.created_at)),
            ("Stream began", moment(call.started_at) if call.started_at else "Never"),
            ("Ended", moment(call.ended_at)),
            ("Duration", duration_text(call.duration_s)),
            ("First sound", ms_text(call.first_sound_ms)),
            ("Caller interrupted", f"{call.barge_ins} times" if call.barge_ins != 1 else "once"),
            ("Audio frames", f"{call.frames_in:,} received, {call.frames_dropped:,} dropped"),
            *handover_facts(call),
        ]

    def _at_vapi(self, call: Any) -> Sequence[tuple[str, object]]:
        if call.vapi_row is None:
            return []
        return [
            ("Cost at Vapi", self.vapi_cost(call)),
            (
                "At Vapi",
                object_link("calls_vapicall", call.vapi_row, "Cost, analysis, latencies, recordings"),
            ),
        ]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("said/", wrap(require_safe(search_page)), name="calls_call_said"),
            path("told/draft/<uuid:assistant_id>/", wrap(told_draft_page), name="calls_call_told"),
            path("told/version/<int:version_id>/", wrap(told_version_page), name="calls_call_told_version"),
            *super().get_urls(),
        ]

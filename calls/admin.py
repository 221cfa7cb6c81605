"""Numbers, which ops staff assign, and calls with their problems, which they read."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, F, ForeignKey, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from assistants.models import Assistant, AssistantVersion
from assistants.snapshots import Snapshot, snapshot_read, snapshot_take
from assistants.squads import ways_now
from calls import unwritten_admin  # noqa: F401  # registers its pages
from calls.analysis import admin as analysis_admin  # noqa: F401  # registers its pages
from calls.bridge.plan import session_payload
from calls.choosing.facts import chosen_facts, squad_fact
from calls.costs import admin as costs_admin  # noqa: F401  # registers its pages
from calls.cutover import budget_admin  # noqa: F401  # registers its pages
from calls.cutover.handover_facts import handover_facts
from calls.cutover.screen import admin as cutover_admin  # noqa: F401  # registers its pages
from calls.cutover.screen.by_hand import answering_of, assigned_note, fields_barred
from calls.doctor import admin as doctor_admin  # noqa: F401  # registers its page
from calls.erasing import admin as erasing_admin  # noqa: F401  # registers its pages
from calls.forms import PhoneNumberForm
from calls.history import admin as history_admin  # noqa: F401  # registers its pages
from calls.live import admin as live_admin  # noqa: F401  # registers its pages
from calls.messages import admin as messages_admin  # noqa: F401  # registers its pages
from calls.models import LIVE, Call, CallProblem, PhoneNumber
from calls.number_server_admin import NumberServerInline
from calls.page import recording_admin, search_page  # noqa: F401  # the first registers its pages
from calls.page.context import page_parts
from calls.page.endings import GOOD, ending_words
from calls.page.socket import socket_facts
from calls.placing import admin as placing_admin  # noqa: F401  # registers its pages
from calls.plans import plan_from_snapshot
from calls.privacy.access import call_opened
from calls.searching import calls_matching, calls_named, phone_search_term, transcript_lost
from calls.smoke import admin as smoke_admin  # noqa: F401  # registers its pages
from calls.timeline import call_told
from calls.warehouse import admin as warehouse_admin  # noqa: F401  # registers its pages
from tools.adminkit import (
    HistoryAdmin,
    ModelAdmin,
    SinceFilter,
    Tone,
    badge,
    clipped,
    duration_text,
    json_pretty,
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


class PhoneSearchMixin:
    """Searching finds numbers however they are written."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found: tuple[QuerySet[Any], bool] = super().get_search_results(  # type: ignore[misc]  # ModelAdmin's
            request, queryset, phone_search_term(search_term)
        )
        return found


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


class AssignedFilter(admin.SimpleListFilter):
    """Numbers that an assistant answers, and those that nobody does."""

    title = "answered"
    parameter_name = "answered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "By an assistant"), ("no", "No assistant")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PhoneNumber]) -> QuerySet[PhoneNumber]:
        if self.value() not in ("yes", "no"):
            return queryset
        nobody = {"assistant__isnull": True, "squad__isnull": True}
        return queryset.filter(**nobody) if self.value() == "no" else queryset.exclude(**nobody)


@admin.register(PhoneNumber)
class PhoneNumberAdmin(PhoneSearchMixin, ModelAdmin[PhoneNumber]):
    """Numbers. A change is in force for the next call."""

    form = PhoneNumberForm
    change_form_template = "admin/calls/phonenumber/change_form.html"
    fields = ["did", "label", "assistant", "squad", "enabled"]
    autocomplete_fields = ["assistant", "squad"]
    inlines = [NumberServerInline]
    list_display = ["did", "label", "answers", "enabled", "last_call", "calls_24h"]
    list_filter = ["enabled", AssignedFilter, "assistant"]
    search_fields = ["did", "label", "assistant__name"]
    search_help_text = "By any part of the number, its label, or its assistant."
    list_per_page = 50

    def get_fields(self, request: HttpRequest, obj: PhoneNumber | None = None) -> Any:
        # What only a cutover asks for is shown once the number was found at Twilio.
        moved = ("hand_over_by", "fight_once") if obj is not None and obj.twilio_sid else ()
        return [*self.fields, *moved]

    def get_readonly_fields(self, request: HttpRequest, obj: PhoneNumber | None = None) -> Any:
        return fields_barred(request)

    def save_model(self, request: HttpRequest, obj: PhoneNumber, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        before = answering_of(obj.pk) if change else None
        super().save_model(request, obj, form, change)
        if before is not None:
            assigned_note(request, obj, before)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PhoneNumber]:
        calls = Call.objects.filter(phone_number=OuterRef("pk"), smoke_test=False)
        recent = calls.filter(created_at__gte=timezone.now() - timedelta(hours=24))
        return (
            super()
            .get_queryset(request)
            .select_related("assistant", "squad")
            .prefetch_related("squad__squadmember_set__assistant")
            .defer("assistant__instructions", "assistant__server_secret")
            .annotate(
                last_call_at=Subquery(calls.order_by("-created_at").values("created_at")[:1]),
                recent=Coalesce(
                    Subquery(recent.order_by().values("phone_number").annotate(n=Count("pk")).values("n")),
                    0,
                    output_field=IntegerField(),
                ),
            )
        )

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "assistant":
            kwargs["queryset"] = Assistant.objects.defer("instructions", "server_secret")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="answers", ordering="assistant__name")
    def answers(self, number: PhoneNumber) -> SafeString | str:
        squad, assistant = number.squad, number.assistant
        if squad is not None:
            first = next(iter(squad.squadmember_set.all()), None)
            link = object_link("assistants_squad", squad.pk, f"{squad.name} (squad)")
            if first is None:
                return format_html("{} {}", link, badge("No members", "warn"))
            assistant = first.assistant
        elif assistant is None:
            return badge("No assistant", "warn")
        else:
            link = object_link("assistants_assistant", assistant.pk, assistant.name)
        if assistant.live_version_id is None:
            return format_html("{} {}", link, badge("Never published", "warn"))
        return link if assistant.enabled else format_html("{} {}", link, badge("Switched off", "warn"))

    @admin.display(description="last call", ordering="last_call_at")
    def last_call(self, number: Any) -> SafeString | str:
        return moment(number.last_call_at) if number.last_call_at else "Never"

    @admin.display(description="calls, 24 h", ordering="recent")
    def calls_24h(self, number: Any) -> SafeString | str:
        if not number.recent:
            return "0"
        url = reverse("admin:calls_call_changelist")
        return format_html(
            '<a class="t-link" href="{}?q={}&since=day">{}</a>', url, number.did[1:], number.recent
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
        return clipped(call.caller, 24) or "Withheld"

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
        return f"Call from {obj.caller or 'a withheld number'}, {timezone.localtime(obj.created_at):%d %b %Y, %H:%M}"

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
            ("Caller", call.caller or "Withheld"),
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

    # --- What OpenAI is told. Here, because assistants know nothing of calls.

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("said/", wrap(require_safe(search_page.search_page)), name="calls_call_said"),
            path("told/draft/<uuid:assistant_id>/", wrap(self.told_draft_view), name="calls_call_told"),
            path(
                "told/version/<int:version_id>/", wrap(self.told_version_view), name="calls_call_told_version"
            ),
            *super().get_urls(),
        ]

    def told_draft_view(self, request: HttpRequest, assistant_id: Any) -> HttpResponse:
        """The session that the draft would make."""
        assistant = (
            Assistant.objects.select_related("model", "transcription_model")
            .defer("server_secret")
            .filter(pk=assistant_id)
            .first()
        )
        if assistant is None:
            raise Http404("There is no such assistant.")
        if not request.user.has_perm("assistants.view_assistant"):
            raise PermissionDenied
        return self._told(
            request,
            snapshot_take(assistant),
            title=f"What OpenAI will be told: {assistant.name}, draft",
            back_url=reverse("admin:assistants_assistant_change", args=[assistant.pk]),
        )

    def told_version_view(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """The session of a published version."""
        version = AssistantVersion.objects.filter(pk=version_id).select_related("assistant").defer(
            "assistant__server_secret"
        ).first()  # fmt: skip
        if version is None:
            raise Http404("There is no such version.")
        if not request.user.has_perm("assistants.view_assistantversion"):
            raise PermissionDenied
        try:
            snapshot = snapshot_read(version.snapshot)
        except TypeError:
            snapshot = None
        return self._told(
            request,
            snapshot,
            title=f"What OpenAI is told: {version.assistant.name}, version {version.number}",
            back_url=reverse("admin:assistants_assistantversion_change", args=[version.pk]),
        )

    def _told(
        self, request: HttpRequest, snapshot: Snapshot | None, *, title: str, back_url: str
    ) -> HttpResponse:
        unreadable, session = "", ""
        if snapshot is None:
            unreadable = "No session can be made of it: it has not the shape that this release knows."
        else:
            try:
                session = json_pretty(
                    session_payload(plan_from_snapshot(snapshot, ways_now(snapshot)), floor_open=True)
                )
            except ValueError as exc:
                unreadable = f"No session can be made of it: {exc}."
        context = {
            **self.admin_site.each_context(request),
            "opts": Assistant._meta,
            "title": title,
            "explanation": "The settings of the Realtime session, as they stand once the first message is over.",
            "session": session,
            "unreadable": unreadable,
            "model": snapshot.model if snapshot else "",
            "back_url": back_url,
        }
        return TemplateResponse(request, "admin/tandem/told.html", context)


class HappenedSinceFilter(SinceFilter):
    column = "at"


@admin.register(CallProblem)
class CallProblemAdmin(HistoryAdmin):
    """What went wrong, in any call."""

    page_template = "admin/tandem/problem.html"
    list_display = ["happened", "source", "code", "message_text", "benign_label", "call_link"]
    list_filter = ["source", "benign", HappenedSinceFilter, "code"]
    search_fields = ["code", "message"]
    search_help_text = "By code, message, call id, call SID, or the beginning or end of a number."
    always_sortable = ["happened"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallProblem]:
        # Of a page of them; joined, all calls would be read to order or to search all problems.
        return super().get_queryset(request).prefetch_related("call")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CallProblem], search_term: str
    ) -> tuple[QuerySet[CallProblem], bool]:
        named = calls_named(search_term)
        if named is None:
            return super().get_search_results(request, queryset, search_term)
        calls, sure = named
        in_calls = Exists(Call.objects.filter(calls, pk=OuterRef("call_id")))
        if sure:
            return queryset.filter(in_calls), False
        # A few digits may be an error's code as well.
        text = search_term.strip()
        return queryset.filter(Q(in_calls) | Q(code__icontains=text) | Q(message__icontains=text)), False

    @admin.display(description="when", ordering="at")
    def happened(self, problem: CallProblem) -> SafeString | str:
        return moment(problem.at)

    @admin.display(description="in words")
    def message_text(self, problem: CallProblem) -> str:
        return clipped(problem.message) or "-"

    @admin.display(description="weight", ordering="benign")
    def benign_label(self, problem: CallProblem) -> SafeString:
        return badge("Harmless") if problem.benign else badge("Problem", "bad")

    @admin.display(description="call")
    def call_link(self, problem: CallProblem) -> SafeString:
        call = problem.call
        return object_link("calls_call", call.pk, f"{call.caller or 'Withheld'} to {call.did or '-'}")

    def page_title(self, obj: CallProblem) -> str:
        return obj.code

    def page_context(self, request: HttpRequest, obj: CallProblem) -> dict[str, Any]:
        facts = [
            ("Call", self.call_link(obj)),
            ("When", moment(obj.at)),
            ("From", obj.get_source_display()),
            ("Code", obj.code),
            ("In words", obj.message or "-"),
            ("Weight", self.benign_label(obj)),
        ]
        return {"facts": facts}

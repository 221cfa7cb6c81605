"""Imports of calls as they ran, and what Vapi told of each call."""

from typing import Any

from celery.exceptions import OperationalError as BrokerError
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from assistants.imports.forms import MOST_MIB
from calls.history import recorder_admin  # noqa: F401  # registers its page
from calls.history.forms import CallImportForm
from calls.history.runs import LIVE, run_again, run_can_go_on, run_fail, run_request, run_stop, run_stuck
from calls.history.tasks import vapi_calls_import
from calls.history.writing import calls_erase
from calls.models import Call, VapiCall, VapiCallImport
from calls.searching import numbers_found
from tools.adminkit import HistoryAdmin, SinceFilter, Tone, badge, clipped, json_pretty, moment, object_link
from tools.jsontext import text_clean

RUN = "calls.run_vapicallimport"
STATUS_TONES: dict[str, Tone] = {
    VapiCallImport.Status.WAITING: "info",
    VapiCallImport.Status.RUNNING: "info",
    VapiCallImport.Status.DONE: "good",
    VapiCallImport.Status.STOPPED: "warn",
    VapiCallImport.Status.FAILED: "bad",
}
QUEUE_AWAY = "The queue of jobs could not be reached, so nothing was imported. Go on in a minute."
NO_WORKER = "Nobody seems to work on it. See that a worker runs for the queue “records”, then let it go on."


def status_badge(run: VapiCallImport) -> SafeString:
    """How a run stands, as a coloured label."""
    if run_stuck(run, now=timezone.now()):
        return badge("Stuck", "warn", title=NO_WORKER)
    return badge(run.get_status_display(), STATUS_TONES.get(run.status, "plain"))


def require(request: HttpRequest, *, post: bool) -> None:
    """Raises PermissionDenied unless the person may import, by POST where that is due."""
    if not request.user.has_perm(RUN) or (post and request.method != "POST"):
        raise PermissionDenied


@admin.register(VapiCallImport)
class VapiCallImportAdmin(HistoryAdmin):
    """Runs of the import of calls. Starting one is the way to add a row."""

    page_template = "admin/calls/vapicallimport/run.html"
    list_display = ["started", "source_text", "status_label", "calls_n", "new_n", "started_by"]
    list_display_links = ["started", "source_text"]
    list_filter = ["status"]
    search_fields = ["source", "started_by__username"]
    search_help_text = "By source or by who started it."

    def get_queryset(self, request: HttpRequest) -> QuerySet[VapiCallImport]:
        queryset: QuerySet[VapiCallImport] = super().get_queryset(request)
        return queryset.select_related("started_by").defer("content", "api_key")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(RUN)

    @admin.display(description="started", ordering="created_at")
    def started(self, run: VapiCallImport) -> SafeString | str:
        return moment(run.created_at)

    @admin.display(description="from", ordering="source")
    def source_text(self, run: VapiCallImport) -> str:
        return clipped(run.source)

    @admin.display(description="status", ordering="status")
    def status_label(self, run: VapiCallImport) -> SafeString:
        return status_badge(run)

    @admin.display(description="calls read", ordering="read_n")
    def calls_n(self, run: VapiCallImport) -> str:
        return f"{run.read_n:,}"

    @admin.display(description="new", ordering="created_n")
    def new_n(self, run: VapiCallImport) -> str:
        return f"{run.created_n:,}"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:run_id>/state/", wrap(self.state_view), name="calls_vapicallimport_state"),
            path("<uuid:run_id>/again/", wrap(self.again_view), name="calls_vapicallimport_again"),
            path("<uuid:run_id>/stop/", wrap(self.stop_view), name="calls_vapicallimport_stop"),
            *super().get_urls(),
        ]

    # --- Starting one

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require(request, post=False)
        posted = request.method == "POST"
        form = CallImportForm(request.POST, request.FILES) if posted else CallImportForm()
        if posted and form.is_valid():
            user: Any = request.user
            return self._enqueue(run_request(**form.wanted(), started_by=user))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Import calls from Vapi",
            "form": form,
            "most_mib": MOST_MIB,
        }
        return TemplateResponse(request, "admin/calls/vapicallimport/start.html", context)

    def _enqueue(self, run: VapiCallImport) -> HttpResponse:
        try:
            vapi_calls_import.delay(run_id=str(run.pk))
        except BrokerError:
            run_fail(run.pk, QUEUE_AWAY)
        return self._to(run)

    def _to(self, run: VapiCallImport) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:calls_vapicallimport_change", args=[run.pk]))

    # --- One run

    def _run(self, request: HttpRequest, run_id: Any) -> VapiCallImport:
        run = self.get_queryset(request).filter(pk=run_id).first()
        if run is None:
            raise Http404("There is no such import.")
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        return run

    def page_title(self, obj: VapiCallImport) -> str:
        return f"Import of calls: {clipped(obj.source, 100)}"

    def page_context(self, request: HttpRequest, obj: VapiCallImport) -> dict[str, Any]:
        return {
            "facts": [
                ("Status", status_badge(obj)),
                ("From", obj.source),
                *_days(obj),
                ("Started", moment(obj.created_at)),
                ("By", obj.started_by or "A command"),
                ("Ended", moment(obj.finished_at) if obj.finished_at else "Not yet"),
            ],
            "live": obj.status in LIVE,
            "stuck": NO_WORKER if run_stuck(obj, now=timezone.now()) else "",
            "may_run": request.user.has_perm(RUN),
            "can_go_on": run_can_go_on(obj),
            "counts": [
                ("New", obj.created_n, "calls that were not here yet"),
                ("Completed", obj.completed_n, "were here, and this told more of them"),
                ("As before", obj.unchanged_n, "nothing new was told"),
                ("Not over yet", obj.running_n, "import again when they have ended"),
                ("Left out", obj.erased_n, "their records were deleted here"),
                ("Unreadable", obj.unreadable_n, "neither a call nor an end-of-call report"),
            ],
            "calls_url": f"{reverse('admin:calls_call_changelist')}?stack__exact={Call.Stack.VAPI}",
        }

    def state_view(self, request: HttpRequest, run_id: Any) -> HttpResponse:
        """How far a run is, for the script of its page."""
        run = self._run(request, run_id)
        live = run.status in LIVE and not run_stuck(run, now=timezone.now())
        return JsonResponse({"live": live, "text": run.progress})

    def again_view(self, request: HttpRequest, run_id: Any) -> HttpResponse:
        """Go on with a run that rests, or whose worker has died."""
        run = self._run(request, run_id)
        require(request, post=True)
        if run_again(run):
            return self._enqueue(run)
        messages.info(request, "It goes on, is done already, or was of files that a command read.")
        return self._to(run)

    def stop_view(self, request: HttpRequest, run_id: Any) -> HttpResponse:
        """Stop a run after its page."""
        run = self._run(request, run_id)
        require(request, post=True)
        run_stop(run)
        messages.info(request, "It stops after the page that it reads now. It can go on from there later.")
        return self._to(run)


class CallMadeSinceFilter(SinceFilter):
    column = "call__created_at"


@admin.register(VapiCall)
class VapiCallAdmin(HistoryAdmin):
    """What Vapi told of its calls beside what was said and done. Deleting here deletes the whole record of a call."""

    page_template = "admin/calls/vapicall/call.html"
    actions = ["erase"]  # type: ignore[assignment]  # others of this kind have none
    list_display = ["made", "vapi_id", "assistant_label", "ended", "cost_label", "source", "noted"]
    list_filter = [CallMadeSinceFilter, "source"]
    search_fields = ["vapi_id", "call__did", "call__caller", "assistant_name", "assistant_id"]
    search_help_text = "By Vapi's id, the beginning or end of a number, or assistant."
    ordering = ["-call__created_at", "-id"]
    always_sortable = ["made"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[VapiCall]:
        queryset: QuerySet[VapiCall] = super().get_queryset(request)
        return queryset.select_related("call").defer("ranks")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[VapiCall], search_term: str
    ) -> tuple[QuerySet[VapiCall], bool]:
        term = text_clean(search_term.strip())
        if not term:
            return queryset, False
        found = Q(vapi_id=term) | Q(assistant_id=term)
        calls = numbers_found(term, stack=Call.Stack.VAPI)
        return queryset.filter(
            found | (Q(assistant_name__icontains=term) if calls is None else Q(call__in=calls))
        ), False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("calls.delete_vapicall")

    def get_actions(self, request: HttpRequest) -> Any:
        found = super().get_actions(request)
        found.pop("delete_selected", None)  # it would leave transcripts and tool calls behind
        return found

    @admin.action(
        description="Delete the whole record: call, transcript, tool calls. It stays away",
        permissions=["delete"],
    )
    def erase(self, request: HttpRequest, queryset: QuerySet[VapiCall]) -> None:
        n = calls_erase(queryset.select_related(None).order_by())
        messages.success(
            request,
            f"{n} call{'' if n == 1 else 's'} deleted, with all that was said. No import brings it back.",
        )

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        raise PermissionDenied  # the action deletes everything; this page would not

    @admin.display(description="made", ordering="call__created_at")
    def made(self, row: VapiCall) -> SafeString | str:
        return moment(row.call.created_at)

    @admin.display(description="assistant at Vapi", ordering="assistant_name")
    def assistant_label(self, row: VapiCall) -> str:
        return clipped(row.assistant_name or row.assistant_id, 60) or "-"

    @admin.display(description="ended because", ordering="call__ended_reason")
    def ended(self, row: VapiCall) -> str:
        return clipped(row.call.ended_reason, 60) or "-"

    @admin.display(description="cost", ordering="cost")
    def cost_label(self, row: VapiCall) -> str:
        return dollars(row.cost)

    @admin.display(description="notes")
    def noted(self, row: VapiCall) -> SafeString | str:
        return badge(len(row.notes), "warn") if row.notes else "-"

    def page_title(self, obj: VapiCall) -> str:
        return f"What Vapi told of call {obj.vapi_id}"

    def page_context(self, request: HttpRequest, obj: VapiCall) -> dict[str, Any]:
        names = [
            clipped(one.get("assistantName") or one.get("assistantId", ""), 60) for one in obj.activations
        ]
        return {
            "facts": [
                ("Call", object_link("calls_call", obj.call_id, "What was said and done")),
                ("Assistant", obj.assistant_name or obj.assistant_id or "-"),
                ("Version at Vapi", obj.assistant_version or "-"),
                ("Squad", ", then ".join(names) if len(names) > 1 else obj.squad_id or "-"),
                ("Type", obj.call_type or "-"),
                ("Twilio's call SID", obj.call_sid or "-"),
                ("Cost", dollars(obj.cost)),
                ("First learnt from", obj.get_source_display()),
                ("Imported", moment(obj.imported_at)),
                ("Completed", moment(obj.completed_at) if obj.completed_at else "Never"),
            ],
            "transfers": obj.transfers,
            "recordings": list(obj.recordings.items()),
            "pieces": [
                (title, json_pretty(value))
                for title, value in (
                    ("Analysis", obj.analysis),
                    ("Structured outputs", obj.structured_outputs),
                    ("Cost, by part", obj.cost_breakdown),
                    ("Latencies and interruptions", obj.metrics),
                )
                if value
            ],
        }


def _days(run: VapiCallImport) -> list[tuple[str, object]]:
    if not run.source.startswith("Vapi"):
        return []
    return [
        ("Calls made from", moment(run.date_from) if run.date_from else "The oldest"),
        ("Calls made until", moment(run.date_to)),
    ]


def dollars(amount: Any) -> str:
    """An amount for people, or a dash."""
    return "-" if amount is None else f"${amount:.4f}"

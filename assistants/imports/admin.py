"""Imports from Vapi as they ran: starting one, how far it is, what came of it."""

from typing import Any

from celery.exceptions import OperationalError as BrokerError
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from assistants.imports.forms import MOST_MIB, ImportForm
from assistants.imports.pages import (
    LeafRow,
    RunObject,
    csv_response,
    leaf_row,
    require,
    run_findings,
    run_objects,
)
from assistants.imports.report import MEANING, ORDER, TITLES, csv_text
from assistants.imports.runs import run_again, run_fail, run_request, run_stuck
from assistants.imports.tasks import vapi_import_run
from assistants.models import (
    VapiImport,
)
from tools.adminkit import HistoryAdmin, Tone, badge, clipped, moment

RUN = "assistants.run_vapiimport"
STATUS_TONES: dict[str, Tone] = {
    VapiImport.Status.WAITING: "info",
    VapiImport.Status.RUNNING: "info",
    VapiImport.Status.DONE: "good",
    VapiImport.Status.FAILED: "bad",
}
QUEUE_AWAY = "The queue of jobs could not be reached, so nothing was imported. Try again in a minute."
NO_WORKER = "Nobody seems to work on it. See that a worker runs for the queue “records”, then start it again."


def status_badge(run: VapiImport) -> SafeString:
    """How a run stands, as a coloured label."""
    if run_stuck(run, now=timezone.now()):
        return badge("Stuck", "warn", title=NO_WORKER)
    return badge(run.get_status_display(), STATUS_TONES.get(run.status, "plain"))


@admin.register(VapiImport)
class VapiImportAdmin(HistoryAdmin):
    """Runs of the importer. Starting one is the way to add a row."""

    page_template = "admin/assistants/vapiimport/run.html"
    list_display = ["started", "source_text", "status_label", "did", "open_label", "started_by"]
    list_display_links = ["started", "source_text"]
    list_filter = ["status", "dry_run"]
    search_fields = ["source", "started_by__username"]
    search_help_text = "By source or by who started it."

    def get_queryset(self, request: HttpRequest) -> QuerySet[VapiImport]:
        queryset: QuerySet[VapiImport] = super().get_queryset(request)
        return queryset.select_related("started_by").defer("content", "api_key")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(RUN)

    @admin.display(description="started", ordering="created_at")
    def started(self, run: VapiImport) -> SafeString | str:
        return moment(run.created_at)

    @admin.display(description="from", ordering="source")
    def source_text(self, run: VapiImport) -> str:
        return clipped(run.source)

    @admin.display(description="status", ordering="status")
    def status_label(self, run: VapiImport) -> SafeString:
        label = status_badge(run)
        return format_html("{} {}", label, badge("Try")) if run.dry_run else label

    @admin.display(description="objects")
    def did(self, run: VapiImport) -> str:
        objects = run.summary.get("objects")
        return str(len(objects)) if objects else "-"

    @admin.display(description="decisions then")
    def open_label(self, run: VapiImport) -> SafeString | str:
        n = run.summary.get("open")
        return badge(n, "warn") if n else "-"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:run_id>/state/", wrap(self.state_view), name="assistants_vapiimport_state"),
            path("<uuid:run_id>/again/", wrap(self.again_view), name="assistants_vapiimport_again"),
            path("<uuid:run_id>/csv/", wrap(self.csv_view), name="assistants_vapiimport_csv"),
            *super().get_urls(),
        ]

    # --- Starting one

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        require(request, RUN)
        posted = request.method == "POST"
        form = ImportForm(request.POST, request.FILES) if posted else ImportForm()
        if posted and form.is_valid():
            return self._start(request, form)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Import from Vapi",
            "form": form,
            "most_mib": MOST_MIB,
        }
        return TemplateResponse(request, "admin/assistants/vapiimport/start.html", context)

    def _start(self, request: HttpRequest, form: ImportForm) -> HttpResponse:
        user: Any = request.user
        run = run_request(
            source=form.source(),
            files=form.contents(),
            api_key=form.cleaned_data["api_key"],
            assistant_ids=form.cleaned_data["assistant_ids"],
            dry_run="try" in request.POST,
            overwrite=form.cleaned_data["overwrite"],
            started_by=user,
        )
        return self._enqueue(run)

    def _enqueue(self, run: VapiImport) -> HttpResponse:
        try:
            vapi_import_run.delay(run_id=str(run.pk))
        except BrokerError:
            run_fail(run.pk, QUEUE_AWAY)
        return HttpResponseRedirect(reverse("admin:assistants_vapiimport_change", args=[run.pk]))

    # --- One run

    def _run(self, request: HttpRequest, run_id: Any) -> VapiImport:
        run = self.get_queryset(request).filter(pk=run_id).first()
        if run is None:
            raise Http404("There is no such import.")
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        return run

    def page_title(self, obj: VapiImport) -> str:
        return f"{'Try' if obj.dry_run else 'Import'}: {clipped(obj.source, 100)}"

    def page_context(self, request: HttpRequest, obj: VapiImport) -> dict[str, Any]:
        stuck = run_stuck(obj, now=timezone.now())
        facts = [
            ("Status", status_badge(obj)),
            ("From", obj.source),
            ("Started", moment(obj.created_at)),
            ("By", obj.started_by or "A command"),
            ("Ended", moment(obj.finished_at) if obj.finished_at else "Not yet"),
            ("Changes made here", "Overwritten by Vapi's" if obj.overwrite else "Kept"),
        ]
        objects = run_objects(obj)
        counts = obj.summary.get("counts", {})
        return {
            "facts": facts,
            "live": obj.status in (VapiImport.Status.WAITING, VapiImport.Status.RUNNING),
            "done": obj.status == VapiImport.Status.DONE,
            "failed": obj.status == VapiImport.Status.FAILED,
            "stuck": NO_WORKER if stuck else "",
            "may_run": request.user.has_perm(RUN),
            "objects": objects,
            "open_n": sum(one.open_n for one in objects),
            "decisions": _decisions(obj, objects),
            "counts": [(TITLES[key], counts.get(key, 0), MEANING[key], key) for key in ORDER],
            "leaves_n": sum(counts.values()),
            "notes": obj.summary.get("notes", []),
            "read_again": any(one.read_again for one in objects),
        }

    def state_view(self, request: HttpRequest, run_id: Any) -> HttpResponse:
        """How far a run is, for the script of its page."""
        run = self._run(request, run_id)
        live = run.status in (VapiImport.Status.WAITING, VapiImport.Status.RUNNING)
        stuck = run_stuck(run, now=timezone.now())
        state = {"live": live and not stuck, "text": run.progress, "done": run.done, "total": run.total}
        return JsonResponse(state)

    def again_view(self, request: HttpRequest, run_id: Any) -> HttpResponse:
        """Start a run again whose worker has died."""
        run = self._run(request, run_id)
        require(request, RUN)
        if request.method != "POST":
            raise PermissionDenied
        if run_again(run):
            return self._enqueue(run)
        messages.info(request, "It goes on, or has ended already.")
        return HttpResponseRedirect(reverse("admin:assistants_vapiimport_change", args=[run.pk]))

    def csv_view(self, request: HttpRequest, run_id: Any) -> HttpResponse:
        """Every finding of a run as a table."""
        run = self._run(request, run_id)
        rows = ((owner, finding) for _, owner, finding in run_findings(run))
        return csv_response(csv_text(rows), f"vapi import {run.created_at:%Y-%m-%d}")


def _decisions(run: VapiImport, objects: list[RunObject]) -> list[tuple[RunObject, list[LeafRow]]]:
    """What waits for a decision, object by object."""
    found: dict[int, list[LeafRow]] = {}
    for key, _, finding in run_findings(run, verdict="decision"):
        if finding.settled_at is None:
            found.setdefault(key, []).append(leaf_row(finding))
    return [(one, found[one.found_by]) for one in objects if one.found_by in found]

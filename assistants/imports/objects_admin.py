"""Imported objects: the report on every setting, what to decide, and what changed at Vapi since."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString

from assistants.imports.findings import finding_reopen, finding_settle, secrets_settle
from assistants.imports.pages import (
    READING_ORDER,
    changed_leaves,
    csv_response,
    difference_rows,
    leaf_row,
    require,
    verdict_tabs,
)
from assistants.imports.report import MEANING, ORDER, TITLES, csv_text
from assistants.imports.watch import changes_take, compare
from assistants.models import (
    Assistant,
    ImportFinding,
    VapiObject,
    VapiWatch,
)
from assistants.selectors import OPEN, findings_counted
from assistants.vapi.documents import ExportError
from tools.adminkit import HistoryAdmin, badge, clipped, moment, object_link

SETTLE = "assistants.change_importfinding"
PAGE = 100


class DecisionsFilter(admin.SimpleListFilter):
    """Objects about which somebody has yet to decide something."""

    title = "decisions"
    parameter_name = "decisions"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Waiting"), ("none", "None waiting")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("open", "none"):
            return queryset
        return queryset.filter(is_open=self.value() == "open")


class AtVapiFilter(admin.SimpleListFilter):
    """Objects that somebody has edited or deleted at Vapi since."""

    title = "at Vapi since"
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("changed", "Changed"), ("gone", "Deleted"), ("same", "As imported")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "changed":
                return queryset.filter(seen__isnull=False)
            case "gone":
                return queryset.filter(gone=True)
            case "same":
                return queryset.filter(seen__isnull=True, gone=False)
            case _:
                return queryset


@admin.register(VapiObject)
class VapiObjectAdmin(HistoryAdmin):
    """Imported objects, each with the report on every setting of it."""

    page_template = "admin/assistants/vapiobject/report.html"
    list_before_template = "admin/assistants/vapiobject/watch.html"
    list_display = ["name_text", "kind", "here", "open_label", "at_vapi", "imported"]
    list_filter = ["kind", DecisionsFilter, AtVapiFilter]
    search_fields = ["name", "key", "assistant__name", "tool__name", "squad__name"]
    search_help_text = "By name here or at Vapi, or by id at Vapi."
    ordering = ["kind", "name", "id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[VapiObject]:
        queryset: QuerySet[VapiObject] = super().get_queryset(request)
        return findings_counted(queryset)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows = changelist.result_list.select_related("assistant", "tool", "squad").prefetch_related(
            Prefetch("tool__assistants", queryset=Assistant.objects.only("id", "name"))
        )
        changelist.result_list = rows.defer(
            "raw",
            "base",
            "seen_with",
            *(f"assistant__{name}" for name in HEAVY),
            *(f"tool__{name}" for name in HEAVY_TOOL),
        )
        return changelist

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        watch = VapiWatch.objects.first()
        extra = {"watch": watch, **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, extra)
        return response

    @admin.display(description="name at Vapi", ordering="name")
    def name_text(self, row: VapiObject) -> str:
        return clipped(str(row), 60)

    @admin.display(description="here")
    def here(self, row: VapiObject) -> SafeString | str:
        link = ours_link(row)
        if row.tool is None:
            return link
        # Tools that stand inside assistants are often called the same.
        users = ", ".join(assistant.name for assistant in row.tool.assistants.all())
        return format_html('{}<span class="t-under">{}</span>', link, clipped(users) or "used by nobody")

    @admin.display(description="decisions", ordering="open_n")
    def open_label(self, row: Any) -> SafeString | str:
        return badge(f"{row.open_n} waiting", "warn") if row.open_n else "-"

    @admin.display(description="at Vapi since")
    def at_vapi(self, row: VapiObject) -> SafeString | str:
        if row.gone:
            return badge("Deleted", "warn")
        if row.seen is None:
            return "-"
        url = reverse("admin:assistants_vapiobject_changes", args=[row.pk])
        return format_html('<a class="t-link" href="{}">{}</a>', url, "Changed")

    @admin.display(description="imported", ordering="imported_at")
    def imported(self, row: VapiObject) -> SafeString | str:
        return moment(row.imported_at)

    def get_urls(self) -> list[URLPattern]:
        routes: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("<int:pk>/settle/", self.settle_view, "settle"),
            ("<int:pk>/reopen/", self.reopen_view, "reopen"),
            ("<int:pk>/secrets/", self.secrets_view, "secrets"),
            ("<int:pk>/csv/", self.csv_view, "csv"),
            ("<int:pk>/changes/", self.changes_view, "changes"),
        ]
        wrap = self.admin_site.admin_view
        own = [path(route, wrap(view), name=f"assistants_vapiobject_{name}") for route, view, name in routes]
        return [*own, *super().get_urls()]

    # --- The report

    def _object(self, request: HttpRequest, pk: int) -> VapiObject:
        row = VapiObject.objects.select_related("assistant", "tool", "squad").filter(pk=pk).first()
        if row is None:
            raise Http404("There is no such object.")
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def page_title(self, obj: VapiObject) -> str:
        return f"{obj.get_kind_display()} from Vapi: {clipped(str(obj), 100)}"

    def page_context(self, request: HttpRequest, obj: VapiObject) -> dict[str, Any]:
        verdict, words = request.GET.get("verdict", ""), request.GET.get("q", "").strip()
        findings = obj.findings.select_related("settled_by")
        counted = dict(findings.order_by().values_list("verdict").annotate(n=Count("pk")))
        if verdict in TITLES:
            findings = findings.filter(verdict=verdict)
        if words:
            findings = findings.filter(
                Q(path__icontains=words)
                | Q(source__icontains=words)
                | Q(ours__icontains=words)
                | Q(reason__icontains=words)
                | Q(field__icontains=words)
            )
        # What somebody has to decide comes first, then what was lost.
        ordered = findings.order_by(*READING_ORDER)
        page = Paginator(ordered, PAGE).get_page(request.GET.get("page"))
        for finding in page:
            finding.vapi_object = obj
        return {
            "facts": [
                ("At Vapi", f"{obj.get_kind_display()}, {obj.key}"),
                ("Here", ours_link(obj)),
                ("Imported", moment(obj.imported_at)),
                ("By", object_link("assistants_vapiimport", obj.last_import_id, "This import")),
                ("At Vapi since", _since(obj)),
            ],
            "tabs": verdict_tabs(counted, chosen=verdict, words=words),
            "verdict": verdict,
            "words": words,
            "found": page,
            "rows": [leaf_row(finding) for finding in page],
            "open_n": obj.findings.filter(OPEN).count(),
            "may_settle": request.user.has_perm(SETTLE),
            "meaning": [(TITLES[key], MEANING[key], key) for key in ORDER],
            "secret_waits": obj.findings.filter(OPEN, code__startswith="missing_").exists(),
            "query": request.GET.urlencode(),
        }

    def _back(self, request: HttpRequest, pk: int) -> HttpResponse:
        url = request.POST.get("next", "")
        if not url_has_allowed_host_and_scheme(url, allowed_hosts=None):
            url = reverse("admin:assistants_vapiobject_change", args=[pk])
        return HttpResponseRedirect(url)

    def _finding(self, request: HttpRequest, pk: int) -> ImportFinding | None:
        number = request.POST.get("finding", "")
        found = ImportFinding.objects.filter(vapi_object=pk, pk=number).first() if number.isdigit() else None
        if found is None:
            messages.warning(request, "This was imported again meanwhile. Look at it once more.")
        return found

    def _may_settle(self, request: HttpRequest, pk: int) -> VapiObject:
        row = self._object(request, pk)
        require(request, SETTLE)
        if request.method != "POST":
            raise PermissionDenied
        return row

    def settle_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Settle one decision."""
        self._may_settle(request, pk)
        author: Any = request.user
        finding = self._finding(request, pk)
        if finding and finding_settle(
            finding=finding, author=author, note=request.POST.get("note", "").strip()
        ):
            messages.success(request, "Settled. It stays so as long as nothing about it changes at Vapi.")
        return self._back(request, pk)

    def reopen_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Undo the settling of one decision."""
        self._may_settle(request, pk)
        finding = self._finding(request, pk)
        if finding and finding_reopen(finding=finding):
            messages.success(request, "It waits for a decision again.")
        return self._back(request, pk)

    def secrets_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Settle the decisions about secrets that have been entered since."""
        row = self._may_settle(request, pk)
        n = secrets_settle([row])
        if n:
            messages.success(request, f"{n} settled: what was missing has been entered.")
        else:
            messages.info(request, "Nothing that was missing has been entered yet.")
        return self._back(request, pk)

    def csv_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Every finding of an object as a table."""
        row = self._object(request, pk)
        findings = row.findings.select_related("settled_by")
        return csv_response(csv_text((row, finding) for finding in findings), f"vapi {row.kind} {row}")

    # --- What changed at Vapi since

    def changes_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What differs at Vapi, with what was imported and what stands here; posted, some of it is taken over."""
        row = self._object(request, pk)
        may_change = row.kind in CHANGES and request.user.has_perm(CHANGES[row.kind])
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            return self._take(request, row)
        trouble, found = "", None
        try:
            found = compare(row)
        except ExportError as exc:
            trouble = str(exc)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "row": row,
            "title": f"Changed at Vapi: {clipped(str(row), 100)}",
            "found": found,
            "differences": difference_rows(found) if found else [],
            "leaves": changed_leaves(found) if found else [],
            "trouble": trouble,
            "may_change": may_change,
            "here": ours_link(row),
            "watch": VapiWatch.objects.first(),
            "tools": _changed_tools(row),
        }
        return TemplateResponse(request, "admin/assistants/vapiobject/changes.html", context)

    def _take(self, request: HttpRequest, row: VapiObject) -> HttpResponse:
        chosen = set(request.POST.getlist("field"))
        ignoring = "ignore" in request.POST
        seen_only = "seen" in request.POST
        here = HttpResponseRedirect(reverse("admin:assistants_vapiobject_changes", args=[row.pk]))
        if not chosen and not seen_only:
            messages.warning(request, "Nothing was chosen.")
            return here
        try:
            left = changes_take(
                row=row, take=() if ignoring or seen_only else chosen, ignore=chosen if ignoring else ()
            )
        except ExportError as exc:
            messages.error(request, str(exc))
            return here
        ours: Any = row.assistant or row.tool
        if seen_only:
            messages.success(request, "Noted as seen.")
        elif ignoring:
            messages.success(request, "Ignored: what stands here stays, until it changes at Vapi again.")
        else:
            self.log_change(request, ours, f"Taken over from Vapi: {', '.join(sorted(chosen))}.")
            messages.success(
                request, "Taken over into the draft. Callers hear nothing new until somebody publishes."
            )
        if left.differences:
            return here
        return HttpResponseRedirect(reverse("admin:assistants_vapiobject_change", args=[row.pk]))


CHANGES = {"assistant": "assistants.change_assistant", "tool": "tools.change_tool"}
HEAVY = ("instructions", "server_secret", "server_headers")
HEAVY_TOOL = ("parameters", "server_secret", "server_headers")


def ours_link(row: VapiObject) -> SafeString | str:
    """What an imported object became, as a link to its page."""
    for name, ours in (
        ("assistants_assistant", row.assistant),
        ("tools_tool", row.tool),
        ("assistants_squad", row.squad),
    ):
        if ours is not None:
            return object_link(name, ours.pk, clipped(str(ours), 60))
    if row.kind == VapiObject.Kind.PHONE_NUMBER:
        return "Under Numbers, where Tandem can take it"
    return badge("Deleted here", "warn")


def _since(row: VapiObject) -> SafeString | str:
    if row.gone:
        return badge("Deleted there", "warn")
    if row.seen is not None:
        url = reverse("admin:assistants_vapiobject_changes", args=[row.pk])
        return format_html('{} <a class="t-link" href="{}">See what</a>', badge("Changed there", "warn"), url)
    return f"Unchanged, last looked at {row.seen_at:%d %b, %H:%M}" if row.seen_at else "Not looked at yet"


def _changed_tools(row: VapiObject) -> list[VapiObject]:
    """The tools of an assistant that have changed at Vapi, too."""
    if row.assistant_id is None:
        return []
    return list(
        VapiObject.objects.filter(
            kind=VapiObject.Kind.TOOL, tool__assistants=row.assistant_id, seen__isnull=False
        ).defer("raw", "base")
    )

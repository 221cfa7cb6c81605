"""Tools, which ops staff edit, and the ledger of their calls, which nobody does."""

import functools
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from tools import kinds  # register their pages
from tools.access import admin as access_admin  # noqa: F401  # register their pages
from tools.adminkit import (
    HistoryAdmin,
    SecretAdmin,
    SinceFilter,
    Tone,
    badge,
    clipped,
    json_pretty,
    moment,
    ms_text,
    object_link,
    unbroken,
)
from tools.auth import admin as credential_admin  # noqa: F401  # register their pages
from tools.auth.pages import hosts_remind
from tools.breaker_pages import breakers_page
from tools.captures import admin as capture_admin  # noqa: F401  # register their pages
from tools.formparts import has_headers, headers_state
from tools.forms import ToolForm
from tools.mcp.pages import mcp_page
from tools.models import Tool, ToolCall
from tools.opened import opened_tell
from tools.schemas import SchemaError, flatten
from tools.tool_shapes import tool_problems
from tools.trials.page import trial_page

STATUS_TONES: dict[str, Tone] = {
    ToolCall.Status.REQUESTED: "info",
    ToolCall.Status.SENT: "info",
    ToolCall.Status.ANSWERED: "good",
    ToolCall.Status.FAILED: "bad",
    ToolCall.Status.TIMED_OUT: "bad",
    ToolCall.Status.REFUSED: "warn",
}
WENT_WRONG = (ToolCall.Status.FAILED, ToolCall.Status.TIMED_OUT, ToolCall.Status.REFUSED)


def status_badge(tool_call: ToolCall) -> SafeString:
    """How a tool call stands, as a coloured label."""
    return badge(tool_call.get_status_display(), STATUS_TONES.get(tool_call.status, "plain"))


_KIND = Tool.Kind
# Fields of the form that stand for a column of another name.
_COLUMNS = {
    "new_secret": "server_secret",
    "clear_secret": "server_secret",
    "new_headers": "server_headers",
    "clear_headers": "server_headers",
}


def _shown_for(used_by: Iterable[str]) -> str:
    # Where everything is read-only, the page's script knows no kind.
    return " || ".join(
        ["typeof kind === 'undefined'", *(f"kind == '{_KIND(kind).value}'" for kind in used_by)]
    )


# In the browser only; without its script every field is shown.
_SHOWN_FOR = {
    name: _shown_for(sorted(used_by))
    for name in (*_COLUMNS, *(one.name for one in Tool._meta.fields if one.name not in _COLUMNS.values()))
    if (used_by := kinds.users(_COLUMNS.get(name, name))) is not None
}


# What is in force for the next request, whatever was published.
_AT_ONCE = {*_COLUMNS, "credential"}


class InUseFilter(admin.SimpleListFilter):
    """Tools that some assistant offers, or none."""

    title = "used by an assistant"
    parameter_name = "in_use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Tool]) -> QuerySet[Tool]:
        used = Tool.objects.filter(assistants__isnull=False).values("pk")
        match self.value():
            case "yes":
                return queryset.filter(pk__in=used)
            case "no":
                return queryset.exclude(pk__in=used)
            case _:
                return queryset


@admin.register(Tool)
class ToolAdmin(SecretAdmin):
    """Tools. A change reaches callers when an assistant that offers the tool is published again."""

    form = ToolForm
    list_display = ["name", "kind_label", "used_by", "calls_24h", "went_wrong_24h", "changed"]
    readonly_fields = ["vapi_type"]
    conditional_fields = _SHOWN_FOR
    list_filter = ["kind", InUseFilter]
    search_fields = ["name", "description", "server_url", "assistants__name"]
    # Bulk deletion would stop at the first tool in use without saying which.
    actions = None
    change_form_template = "admin/tools/tool/change_form.html"
    warn_unsaved_form = True
    fieldsets = [
        ("What it is", {"fields": ["kind", "vapi_type", "name", "wire_name", "description"]}),
        ("Settings of this kind", {"classes": ["t-by-kind"], "fields": ["settings"]}),
        ("Arguments", {"fields": ["parameters", "static_parameters"]}),
        (
            "Server",
            {
                "classes": ["t-by-kind"],
                "description": "Whom the tool asks, and how they know that it is us.",
                "fields": [
                    "server_url",
                    "new_secret",
                    "new_headers",
                    "clear_headers",
                    "credential",
                    "encrypted_paths",
                    "timeout_s",
                    "backoff_plan",
                    "legacy_form",
                    "asynchronous",
                    "duplicates",
                ],
            },
        ),
        ("In the call", {"fields": ["messages", "variable_extraction", "rejection_plan"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tool]:
        recent = (
            ToolCall.objects.filter(
                tool=OuterRef("pk"), requested_at__gte=timezone.now() - timedelta(hours=24)
            )
            .order_by()
            .values("tool")
        )
        users = Tool.objects.filter(pk=OuterRef("pk"), assistants__isnull=False).order_by("assistants__name")
        queryset: QuerySet[Tool] = super().get_queryset(request).defer("server_headers")
        return queryset.annotate(
            recent=Coalesce(
                Subquery(recent.annotate(n=Count("pk")).values("n")), 0, output_field=IntegerField()
            ),
            wrong=Coalesce(
                Subquery(recent.annotate(n=Count("pk", filter=Q(status__in=WENT_WRONG))).values("n")),
                0,
                output_field=IntegerField(),
            ),
            used_by_names=ArraySubquery(users.values("assistants__name")),
        )

    @admin.display(description="kind", ordering="kind")
    def kind_label(self, tool: Tool) -> SafeString | str:
        why = kinds.why_not(tool.kind)
        label = tool.get_kind_display()
        return format_html("{} {}", label, badge("Not run here", "warn", title=why)) if why else label

    @admin.display(description="changed", ordering="updated_at")
    def changed(self, tool: Tool) -> SafeString | str:
        return moment(tool.updated_at)

    @admin.display(description="used by")
    def used_by(self, tool: Any) -> str:
        return clipped(", ".join(tool.used_by_names)) or "-"

    @admin.display(description="calls, 24 h", ordering="recent")
    def calls_24h(self, tool: Any) -> SafeString | str:
        if not tool.recent:
            return "0"
        url = reverse("admin:tools_toolcall_changelist")
        return format_html(
            '<a class="t-link" href="{}?tool={}&since=day">{}</a>', url, tool.name, tool.recent
        )

    @admin.display(description="went wrong", ordering="wrong")
    def went_wrong_24h(self, tool: Any) -> SafeString | str:
        if not tool.wrong:
            return "0"
        query = {"tool": tool.name, "since": "day", "status__in": ",".join(WENT_WRONG)}
        url = f"{reverse('admin:tools_toolcall_changelist')}?{urlencode(query)}"
        return format_html('<a href="{}">{}</a>', url, badge(tool.wrong, "bad"))

    # --- The editor

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            headers = ["headers_state"]
        else:
            headers = ["new_headers", *(["clear_headers"] if obj is not None and has_headers(obj) else [])]
        left_out = [] if obj is not None and obj.vapi_type else ["vapi_type"]
        return [
            (title, {**options, "fields": _with_headers(options["fields"], headers, left_out)})
            for title, options in super().get_fieldsets(request, obj)
        ]

    @admin.display(description="server headers")
    def headers_state(self, tool: Tool) -> str:
        return headers_state(tool)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002  # Django's signature
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            # As saved: the form may have written something wrong into the other one.
            saved = Tool.objects.defer("server_secret", "server_headers").get(pk=obj.pk)
            context |= {
                "saved": saved,
                "shown": _what_the_model_sees(saved),
                "why_not": kinds.why_not(saved.kind),
                "faults": _faults(saved),
                "may_test": self.has_change_permission(request, obj),
                "may_publish": request.user.has_perm("assistants.publish_assistant"),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        hosts_remind(request, obj)
        if change and set(form.changed_data) - _AT_ONCE:
            for assistant in obj.assistants.filter(live_version__isnull=False).only("name").order_by("name"):
                messages.info(request, _reaches_callers(request, assistant))

    # --- Test requests

    def get_urls(self) -> list[URLPattern]:
        test = path(
            "<path:object_id>/test/",
            self.admin_site.admin_view(self.test_view),
            name="tools_tool_test",
        )
        listed = path(
            "<path:object_id>/mcp/", self.admin_site.admin_view(self.mcp_view), name="tools_tool_mcp"
        )
        return [test, listed, *super().get_urls()]

    def mcp_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page of an MCP server's own tools."""
        tool: Any = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, tool):
            raise PermissionDenied
        if tool is None or tool.kind != _KIND.MCP:
            messages.warning(request, "There is no such MCP server (any more).")
            return HttpResponseRedirect(reverse("admin:tools_tool_changelist"))
        return mcp_page(
            request, tool=tool, site=self.admin_site, noted=functools.partial(self.log_change, request, tool)
        )

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page of a test request."""
        tool: Any = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, tool):
            raise PermissionDenied
        if tool is None:
            messages.warning(request, "There is no such tool (any more).")
            return HttpResponseRedirect(reverse("admin:tools_tool_changelist"))
        return trial_page(
            request, tool=tool, site=self.admin_site, noted=functools.partial(self.log_change, request, tool)
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        tool: Any = self.get_object(request, unquote(object_id))
        reasons = _why_kept(tool) if tool is not None else []
        if reasons and self.has_delete_permission(request, tool):
            messages.error(request, f"{tool.name} cannot be deleted: {' '.join(reasons)}")
            return HttpResponseRedirect(reverse("admin:tools_tool_change", args=[tool.pk]))
        return super().delete_view(request, object_id, extra_context)


def _with_headers(fields: list[str], headers: list[str], left_out: list[str]) -> list[str]:
    kept = [name for name in fields if name not in ("clear_headers", *left_out)]
    return [one for name in kept for one in (headers if name == "new_headers" else [name])]


def _reaches_callers(request: HttpRequest, assistant: Any) -> SafeString:
    """When callers of this assistant get a change that was just saved."""
    if not request.user.has_perm("assistants.publish_assistant"):
        return format_html("Callers get this change when {} is published again.", assistant.name)
    return format_html(
        'Callers get this change when {} is published again: <a class="t-link" href="{}">publish it…</a>',
        assistant.name,
        reverse("admin:assistants_assistant_publish", args=[assistant.pk]),
    )


def _faults(tool: Tool) -> list[tuple[str, str]]:
    """What is wrong with the stored parts, each with the name of its field."""
    labels = ToolForm.Meta.labels
    return [(labels.get(name, name), problem) for name, problem in tool_problems(tool)]


def _what_the_model_sees(tool: Tool) -> dict[str, Any] | None:
    """The saved arguments as the model is shown them, and each change in a sentence."""
    try:
        flattened = flatten(tool.parameters)
    except SchemaError:
        return None
    changed = flattened.parameters != tool.parameters
    return {"parameters": json_pretty(flattened.parameters), "notes": flattened.notes, "changed": changed}


def _why_kept(tool: Any) -> list[str]:
    reasons = []
    if tool.used_by_names:
        reasons.append(f"it is offered by {', '.join(tool.used_by_names)}. Take it out there first.")
    if tool.calls.exists():
        reasons.append("Recorded tool calls point to it; taken out of every assistant, it is out of use.")
    return reasons


def _never_told(tool_call: ToolCall) -> str:
    return "Never: the call had ended" if tool_call.orphaned else "Not yet"


def _steps(tool_call: ToolCall) -> list[tuple[str, str]]:
    """How long each part of the way took, from the model's request to what the model was told."""
    moments = [
        ("Waiting for a worker", tool_call.requested_at, tool_call.sent_at),
        ("At the server", tool_call.sent_at, tool_call.answered_at),
        ("Back to the model", tool_call.answered_at, tool_call.told_at),
        ("All of it", tool_call.requested_at, tool_call.told_at),
    ]
    return [
        (name, ms_text(max(0, round((end - begin).total_seconds() * 1000))) if begin and end else "-")
        for name, begin, end in moments
    ]


class ToolNameFilter(admin.SimpleListFilter):
    """Tool calls by name. The names come from the tools: reading them off the ledger would read all of it."""

    title = "tool"
    parameter_name = "tool"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = Tool.objects.order_by("name").values_list("name", flat=True).distinct()
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ToolCall]) -> QuerySet[ToolCall]:
        return queryset.filter(name=self.value()) if self.value() else queryset


TEXT_SEARCHED = timedelta(days=30)


class RequestedSinceFilter(SinceFilter):
    column = "requested_at"


@admin.register(ToolCall)
class ToolCallAdmin(HistoryAdmin):
    """The ledger of tool calls."""

    page_template = "admin/tandem/tool_call.html"
    list_display = ["requested", "name", "status_label", "took", "http", "error_text", "call_link"]
    list_filter = ["status", ToolNameFilter, RequestedSinceFilter, "orphaned"]
    search_fields = ["name", "item_id", "call_id", "error"]
    search_help_text = "By the id of a call; by tool, error or the id of a tool call in the last 30 days."
    ordering = ["-requested_at", "-id"]
    always_sortable = ["requested"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ToolCall], search_term: str
    ) -> tuple[QuerySet[ToolCall], bool]:
        try:
            return queryset.filter(call_id=uuid.UUID(search_term.strip())), False
        except ValueError:
            # A part of a text is found by reading all of them, so not in millions.
            recent = (
                queryset.filter(requested_at__gte=timezone.now() - TEXT_SEARCHED) if search_term else queryset
            )
            return super().get_search_results(request, recent, search_term)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolCall]:
        return (
            super()
            .get_queryset(request)
            .select_related("tool")
            .defer("tool__server_secret", "tool__server_headers", "tool__parameters")
        )

    def get_urls(self) -> list[URLPattern]:
        page = functools.partial(breakers_page, site=self.admin_site)
        return [
            path("breakers/", self.admin_site.admin_view(page), name="tools_breakers"),
            *super().get_urls(),
        ]

    @admin.display(description="requested", ordering="requested_at")
    def requested(self, tool_call: ToolCall) -> SafeString | str:
        return moment(tool_call.requested_at)

    @admin.display(description="status", ordering="status")
    def status_label(self, tool_call: ToolCall) -> SafeString:
        return status_badge(tool_call)

    @admin.display(description="took")
    def took(self, tool_call: ToolCall) -> SafeString:
        return unbroken(ms_text(tool_call.duration_ms))

    @admin.display(description="HTTP", ordering="http_status")
    def http(self, tool_call: ToolCall) -> int | str:
        return tool_call.http_status or "-"

    @admin.display(description="error")
    def error_text(self, tool_call: ToolCall) -> str:
        return clipped(tool_call.error) or "-"

    @admin.display(description="call")
    def call_link(self, tool_call: ToolCall) -> SafeString:
        return object_link("calls_call", tool_call.call_id, unbroken("Open the call"))

    def page_title(self, obj: ToolCall) -> str:
        return obj.name

    def page_context(self, request: HttpRequest, obj: ToolCall) -> dict[str, Any]:
        opened_tell(call_id=obj.call_id, user=request.user, what="tool_call")
        tool: object = (
            object_link("tools_tool", obj.tool_id, obj.tool) if obj.tool_id else "Unknown or deleted"
        )
        if obj.tool is not None and obj.tool.transient is not None:
            tool = f"{obj.tool}, which a program sent along with calls"
        facts = [
            ("Call", self.call_link(obj)),
            ("Tool", tool),
            ("Status", status_badge(obj)),
            ("Why", obj.error or "-"),
            ("Requested", moment(obj.requested_at)),
            ("Sent", moment(obj.sent_at) if obj.sent_at else "Never"),
            ("Answered", moment(obj.answered_at) if obj.answered_at else "Never"),
            ("Took", ms_text(obj.duration_ms)),
            ("HTTP status", obj.http_status or "-"),
            ("Model told", moment(obj.told_at) if obj.told_at else _never_told(obj)),
            ("OpenAI's id", obj.item_id),
        ]
        if obj.came_late:
            facts.append(("Late", "The answer came after the model had been told that there was none."))
        attempts = list(obj.attempts.all())
        return {
            "facts": facts,
            "arguments": json_pretty(obj.arguments),
            "steps": _steps(obj),
            "attempts": attempts,
            "unfinished": obj.attempts_begun > len(attempts) and obj.status != ToolCall.Status.SENT,
            "spoken": json_pretty(obj.message) if obj.message else "",
            "learnt": json_pretty(obj.variables) if obj.variables else "",
        }

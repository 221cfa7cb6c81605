"""Tools, which ops staff edit, and the ledger of their calls, which nobody does."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

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
from tools.forms import ToolForm
from tools.models import Tool, ToolCall

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
    list_filter = ["kind", InUseFilter]
    search_fields = ["name", "description", "server_url", "assistants__name"]
    # Bulk deletion would stop at the first tool in use without saying which.
    actions = None
    change_form_template = "admin/tools/tool/change_form.html"
    warn_unsaved_form = True
    fieldsets = [
        ("What it is", {"fields": ["kind", "name", "description"]}),
        ("Arguments", {"fields": ["parameters"]}),
        ("Webhook", {"fields": ["server_url", "new_secret", "timeout_s"]}),
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
        queryset: QuerySet[Tool] = super().get_queryset(request)
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
    def kind_label(self, tool: Tool) -> str:
        return tool.get_kind_display()

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
        return badge(tool.wrong, "bad") if tool.wrong else "0"

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        tool: Any = self.get_object(request, unquote(object_id))
        reasons = _why_kept(tool) if tool is not None else []
        if reasons and self.has_delete_permission(request, tool):
            messages.error(request, f"{tool.name} cannot be deleted: {' '.join(reasons)}")
            return HttpResponseRedirect(reverse("admin:tools_tool_change", args=[tool.pk]))
        return super().delete_view(request, object_id, extra_context)


def _why_kept(tool: Any) -> list[str]:
    reasons = []
    if tool.used_by_names:
        reasons.append(f"it is offered by {', '.join(tool.used_by_names)}. Take it out there first.")
    if tool.calls.exists():
        reasons.append("Recorded tool calls point to it; taken out of every assistant, it is out of use.")
    return reasons


def _never_told(tool_call: ToolCall) -> str:
    return "Never: the call had ended" if tool_call.orphaned else "Not yet"


class ToolNameFilter(admin.SimpleListFilter):
    """Tool calls by name. The names come from the tools: reading them off the ledger would read all of it."""

    title = "tool"
    parameter_name = "tool"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = Tool.objects.order_by("name").values_list("name", flat=True).distinct()
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ToolCall]) -> QuerySet[ToolCall]:
        return queryset.filter(name=self.value()) if self.value() else queryset


class RequestedSinceFilter(SinceFilter):
    column = "requested_at"


@admin.register(ToolCall)
class ToolCallAdmin(HistoryAdmin):
    """The ledger of tool calls."""

    page_template = "admin/tandem/tool_call.html"
    list_display = ["requested", "name", "status_label", "took", "http", "error_text", "call_link"]
    list_filter = ["status", ToolNameFilter, RequestedSinceFilter, "orphaned"]
    search_fields = ["name", "item_id", "call_id", "error"]
    search_help_text = "By tool, error, or the id of a call or tool call."
    ordering = ["-requested_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolCall]:
        return (
            super()
            .get_queryset(request)
            .select_related("tool")
            .defer("tool__server_secret", "tool__parameters")
        )

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
        tool = object_link("tools_tool", obj.tool_id, obj.tool) if obj.tool_id else "Unknown or deleted"
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
        return {"facts": facts, "arguments": json_pretty(obj.arguments)}

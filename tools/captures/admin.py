"""Capture points and what came in on them."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tools.adminkit import (
    HistoryAdmin,
    ModelAdmin,
    SinceFilter,
    badge,
    clipped,
    json_pretty,
    moment,
    ms_text,
    object_link,
)
from tools.captures.store import token_renew
from tools.encryption import SecretUnreadableError
from tools.jsontext import json_read
from tools.models import Capture, CapturePoint


@admin.register(CapturePoint)
class CapturePointAdmin(ModelAdmin[CapturePoint]):
    """Where Vapi's tools may point for a while. The address is shown once, when it is made."""

    list_display = ["tool", "state", "captured", "kept", "made"]
    fields = ["tool", "enabled", "keep_count", "keep_days"]
    autocomplete_fields = ["tool"]
    list_select_related = ["tool"]
    actions = ["renew"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CapturePoint]:
        queryset: QuerySet[CapturePoint] = super().get_queryset(request)
        return queryset.defer("tool__server_secret", "tool__server_headers").annotate(
            captured_n=Count("captures")
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["tool"] if obj is not None else []

    def save_model(self, request: HttpRequest, obj: CapturePoint, form: ModelForm[Any], change: bool) -> None:  # noqa: FBT001  # Django's signature
        token = "" if change else token_renew(obj)
        super().save_model(request, obj, form, change)
        if token:
            self._show(request, obj, token)

    @admin.action(description="Make a new address; the old one ends", permissions=["change"])
    def renew(self, request: HttpRequest, queryset: QuerySet[CapturePoint]) -> None:
        for point in queryset.select_related("tool"):
            token = token_renew(point)
            point.save(update_fields=["token_hash"])
            self._show(request, point, token)

    def _show(self, request: HttpRequest, point: CapturePoint, token: str) -> None:
        url = f"{settings.PUBLIC_ORIGIN}{reverse('capture', args=[token])}"
        text = format_html(
            "Enter this as the server URL of {} at Vapi. It is shown only now: <code>{}</code>",
            point.tool.name,
            url,
        )
        messages.warning(request, text)

    @admin.display(description="state", ordering="enabled")
    def state(self, point: CapturePoint) -> SafeString:
        return badge("Open", "good") if point.enabled else badge("Closed")

    @admin.display(description="requests", ordering="captured_n")
    def captured(self, point: Any) -> SafeString:
        url = reverse("admin:tools_capture_changelist")
        return format_html(
            '<a class="t-link" href="{}?point__id__exact={}">{}</a>', url, point.pk, point.captured_n
        )

    @admin.display(description="keeps")
    def kept(self, point: CapturePoint) -> str:
        return f"{point.keep_count} requests, {point.keep_days} days"

    @admin.display(description="made", ordering="created_at")
    def made(self, point: CapturePoint) -> SafeString | str:
        return moment(point.created_at)


class ReceivedSinceFilter(SinceFilter):
    column = "received_at"


@admin.register(Capture)
class CaptureAdmin(HistoryAdmin):
    """Requests that Vapi sent to a capture point."""

    page_template = "admin/tandem/capture.html"
    list_display = ["received", "tool", "http", "took", "error_text"]
    list_filter = ["point", ReceivedSinceFilter]
    ordering = ["-received_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Capture]:
        queryset: QuerySet[Capture] = super().get_queryset(request)
        # Bodies are opened only on the page of one request.
        secrets = ("point__tool__server_secret", "point__tool__server_headers")
        return queryset.select_related("point__tool").defer(*secrets, "body", "answer")

    @admin.display(description="received", ordering="received_at")
    def received(self, capture: Capture) -> SafeString | str:
        return moment(capture.received_at)

    @admin.display(description="tool")
    def tool(self, capture: Capture) -> str:
        return capture.point.tool.name

    @admin.display(description="HTTP", ordering="http_status")
    def http(self, capture: Capture) -> int | str:
        return capture.http_status or "-"

    @admin.display(description="took", ordering="elapsed_ms")
    def took(self, capture: Capture) -> str:
        return ms_text(capture.elapsed_ms)

    @admin.display(description="error")
    def error_text(self, capture: Capture) -> str:
        return clipped(capture.error) or "-"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().change_view(request, object_id, form_url, extra_context)
        except SecretUnreadableError as exc:
            messages.error(request, str(exc))
            return HttpResponseRedirect(reverse("admin:tools_capture_changelist"))

    def page_context(self, request: HttpRequest, obj: Capture) -> dict[str, Any]:
        facts = [
            ("Tool", object_link("tools_tool", obj.point.tool_id, obj.point.tool)),
            ("Received", moment(obj.received_at)),
            ("HTTP status", obj.http_status or "-"),
            ("Why", obj.error or "-"),
            ("Took", ms_text(obj.elapsed_ms)),
        ]
        return {"facts": facts, "body": _pretty(obj.body), "answer": _pretty(obj.answer)}


def _pretty(text: str) -> str:
    value = json_read(text)
    return text if value is None else json_pretty(value)

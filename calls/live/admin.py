"""Running calls in the admin: the list of them, and each to read along and to intervene in."""

import logging
import uuid
from http import HTTPStatus
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from calls.live.bodies import LONGEST, order_asked
from calls.live.control import order_by
from calls.live.entering import Entrant
from calls.live.selectors import MOST_SHOWN, calls_running, last_lines
from calls.models import LIVE, Call, LiveCall
from calls.naming import call_title, caller_of
from calls.transfers import destinations_read
from tools.access.bodies import body_read
from tools.access.errors import ApiError
from tools.adminkit import HistoryAdmin, clipped, moment, object_link

logger = logging.getLogger(__name__)

VIEW: Final = "calls.view_call"
CONTROL: Final = "calls.control_call"
_STATUSES: Final = {
    Call.Status.RINGING: ("Ringing", "info"),
    Call.Status.IN_PROGRESS: ("In progress", "good"),
    Call.Status.FORWARDING: ("Being transferred", "warn"),
}
_WHO: Final = {"user": "Caller", "assistant": "Assistant"}


@admin.register(LiveCall)
class LiveCallAdmin(HistoryAdmin):
    """A list that keeps itself up to date, and a page for each call."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("state/", wrap(require_GET(self.state)), name="calls_livecall_state"),
            path("<uuid:call_id>/order/", wrap(require_POST(self.order)), name="calls_livecall_order"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Live calls",
            "state": _state(),
            "state_url": reverse("admin:calls_livecall_state"),
            "most": MOST_SHOWN,
        }
        return TemplateResponse(request, "admin/live/list.html", context)

    def state(self, request: HttpRequest) -> HttpResponse:
        """The list, for the page that looks again and again."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(_state(), headers={"Cache-Control": "no-store"})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        call = _call(object_id)
        began = call.started_at or call.created_at
        context = {
            **self.admin_site.each_context(request),
            "title": f"{call_title(call)}, live",
            "row": call,
            "live": call.status in LIVE,
            "facts": [
                ("Assistant", call.assistant.name if call.assistant else "-"),
                ("Called number", call.did or "-"),
                ("Caller", caller_of(call)),
                ("Began", moment(began)),
                ("Record", object_link("calls_call", call.pk, "The call's page")),
            ],
            "began_ms": round(began.timestamp() * 1000),
            "may_control": request.user.has_perm(CONTROL),
            "order_url": reverse("admin:calls_livecall_order", args=[call.pk]),
            "destinations": _destinations(call),
            "members": [one.assistant.name for one in call.members.select_related("assistant")],
            "longest": LONGEST,
        }
        return TemplateResponse(request, "admin/live/call.html", context)

    def order(self, request: HttpRequest, call_id: uuid.UUID) -> HttpResponse:
        """An order in the words of Vapi's live call control; what became of it, for people."""
        if not (isinstance(request.user, User) and request.user.has_perm(VIEW)):
            raise PermissionDenied
        if not request.user.has_perm(CONTROL):
            return _told("You may read along, but not intervene: that takes the right to control calls.", 403)
        try:
            body = body_read(request)
        except ApiError as exc:
            return _told(str(exc.message), exc.status)
        asked = order_asked(body)
        if isinstance(asked, list):
            return _told(" ".join(f"{one[0].upper()}{one[1:]}." for one in asked), HTTPStatus.BAD_REQUEST)
        call = _call(str(call_id))
        if call.status not in LIVE:
            return _told("The call is over.", HTTPStatus.BAD_REQUEST)
        outcome = order_by(call_id, asked, by=Entrant(user=request.user).by)
        _log(request.user, call, asked["type"], outcome.result.value)
        return _told("Done.", HTTPStatus.OK) if outcome.taken else _told(outcome.why, HTTPStatus.BAD_REQUEST)


def _told(text: str, status: int) -> JsonResponse:
    return JsonResponse({"text": text}, status=status, headers={"Cache-Control": "no-store"})


def _log(user: User, call: Call, kind: str, result: str) -> None:
    """Who intervened, and how; what was said stands in the call's transcript alone."""
    LogEntry.objects.log_actions(
        user.pk,
        Call.objects.filter(pk=call.pk),
        CHANGE,
        change_message=f"Live: {kind.removeprefix('call.')}, {result}.",
        single_object=True,
    )
    logger.info(
        "call control",
        extra={"call_id": str(call.pk), "by": f"user {user.pk}", "order": kind, "result": result},
    )


def _call(object_id: str) -> Call:
    try:
        call_id = uuid.UUID(object_id)
    except ValueError as exc:
        raise Http404 from exc
    found = Call.objects.select_related("assistant", "version").filter(pk=call_id).first()
    if found is None:
        raise Http404
    return found


def _destinations(call: Call) -> list[str]:
    """The numbers and addresses that this call's assistant knows for transfers."""
    tools = call.version.snapshot.get("tools") if call.version else None
    found = [
        one.name
        for tool in (tools if isinstance(tools, list) else [])
        if isinstance(tool, dict) and isinstance(tool.get("settings"), dict)
        for one in destinations_read(tool["settings"], language="en")
    ]
    return list(dict.fromkeys(found))


def _state() -> dict[str, Any]:
    calls = list(calls_running().annotate(private=F("version__snapshot__hipaa")))
    lines = last_lines([call.pk for call in calls if not call.private])
    return {
        "calls": [_line(call, (lines or {}).get(call.pk)) for call in calls],
        "words": lines is not None,
    }


def _line(call: Call, last: dict[str, Any] | None) -> dict[str, Any]:
    status, tone = _STATUSES[Call.Status(call.status)]
    began = call.started_at or call.created_at
    return {
        "id": str(call.pk),
        "url": reverse("admin:calls_livecall_change", args=[call.pk]),
        "assistant": call.assistant.name if call.assistant else "-",
        "did": call.did or "-",
        "label": call.phone_number.label if call.phone_number else "",
        "caller": clipped(caller_of(call), 24),
        "status": "Smoke test" if call.smoke_test else status,
        "tone": "plain" if call.smoke_test else tone,
        "seconds": max(0, round((timezone.now() - began).total_seconds())),
        "who": _WHO.get(last["role"], "") if last else "",
        "last": clipped(last["transcript"], 160) if last else "",
    }

"""Which tool servers are left alone just now: seen by ops, and asked again at their word."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods
from redis.exceptions import RedisError

from tools import breaker
from tools.adminkit import badge, moment

_WORDS = {
    "connect_timeout": "no connection in time",
    "connection_failed": "connection refused or failed",
    "connection_lost": "connection closed without an answer",
    "http_error": "HTTP 502, 503 or 504",
    "name_unknown": "host name unknown",
    "timeout": "no answer in time",
    "tls_failed": "TLS failed",
}
_AWAY = (
    "Redis could not be reached, so nothing is known of the tool servers now. Requests go out all the same."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One host as the page shows it."""

    host: str
    state: SafeString
    failures: int
    last: str
    at: SafeString | str


@require_http_methods(["GET", "HEAD", "POST"])
def breakers_page(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
    """The hosts with failures behind them; a POST of ``host`` has that one asked again at once."""
    if not request.user.has_perm("tools.view_toolcall"):
        raise PermissionDenied
    if request.method == "POST":
        return _close(request)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": "Tool servers in trouble",
        "rows": [],
        "opens_after": breaker.FAILURES_TO_OPEN,
        "open_s": round(breaker.OPEN_S),
        "may_close": request.user.has_perm("tools.change_tool"),
    }
    try:
        context["rows"] = [_row(one) for one in breaker.breakers_list()]
    except RedisError:
        messages.error(request, _AWAY)
    return TemplateResponse(request, "admin/tandem/breakers.html", context)


def _close(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("tools.change_tool"):
        raise PermissionDenied
    host = request.POST.get("host", "")
    try:
        breaker.breaker_close(host)
    except RedisError:
        messages.error(request, _AWAY)
    else:
        messages.success(request, f"{host} is asked again from now on.")
    return HttpResponseRedirect(reverse("admin:tools_breakers"))


def _row(one: breaker.Breaker) -> Row:
    state = badge("Left alone", "bad") if one.is_open(time.time()) else badge("Asked", "warn")
    if one.open_until and not one.is_open(time.time()):
        state = badge("Being tried", "info", title="One request goes out; its end decides.")
    last = _WORDS.get(one.last_code, one.last_code)
    return Row(one.host, state, one.failures, last, moment(datetime.fromtimestamp(one.failed_at, UTC)))

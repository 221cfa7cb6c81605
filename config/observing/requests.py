"""Each HTTP request: an id, a log line, a count, and a span where it concerns a call. Never its query, path or body."""

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from tools.observing import metrics, tracing
from tools.observing.context import observed, observing

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUIET = frozenset({"healthz", "readyz", "metrics"})
Respond = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def request_observed(get_response: Respond) -> Respond:
    """The middleware, in the colour of what it wraps."""
    if iscoroutinefunction(get_response):
        respond_later = cast(Callable[[HttpRequest], Awaitable[HttpResponseBase]], get_response)

        async def later(request: HttpRequest) -> HttpResponseBase:
            seen = _Seen(request)
            with seen.context():
                return seen.answered(await respond_later(request))

        return later

    respond = cast(Callable[[HttpRequest], HttpResponseBase], get_response)

    def now(request: HttpRequest) -> HttpResponseBase:
        seen = _Seen(request)
        with seen.context():
            return seen.answered(respond(request))

    return now


class _Seen:
    """One request from when it came."""

    def __init__(self, request: HttpRequest) -> None:
        given = request.headers.get(HEADER, "")
        self._request = request
        self._id = given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        self._began_ns = time.time_ns()
        self._clock = time.perf_counter()

    def context(self) -> AbstractContextManager[None]:
        return observing(request_id=self._id)

    def answered(self, response: HttpResponseBase) -> HttpResponseBase:
        """Tell of the request, now that its answer is there."""
        took_s = time.perf_counter() - self._clock
        route = route_name(self._request)
        method = self._request.method if self._request.method in METHODS else metrics.OTHER
        response.headers[HEADER] = self._id
        status = response.status_code
        group = "admin" if route.startswith("admin:") else route
        metrics.HTTP_REQUESTS.labels(method, group, metrics.status_class(status)).inc()
        metrics.HTTP_SECONDS.labels(group).observe(took_s)
        level = logging.DEBUG if route in QUIET else logging.INFO
        ms = round(took_s * 1000, 1)
        logger.log(level, "request", extra={"method": method, "route": route, "status": status, "ms": ms})
        call_id = observed().get("call_id")
        if call_id:
            tracing.span_write(
                call_id,
                key=f"request:{self._id}",
                name=f"{method} {route}",
                began=self._began_ns,
                kind=tracing.Kind.SERVER,
                error=str(status) if status >= 500 else "",
                facts={
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": status,
                    "request_id": self._id,
                },
            )
        return response


def route_name(request: HttpRequest) -> str:
    """The name of the route, never the path: that may hold a token. ``none`` where no route was found."""
    match = request.resolver_match
    return match.view_name if match is not None else "none"

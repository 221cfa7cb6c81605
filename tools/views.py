"""The capture proxy: one tool of Vapi's points here for a few days instead of at its server."""

import logging

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tools.captures import store as capture

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def capture_proxy(request: HttpRequest, token: str) -> HttpResponse:
    """The tool server's own answer. What came and what went is kept; a caller's request never waits for that to succeed."""
    point = capture.point_of(token)
    if point is None:
        return HttpResponseNotFound()
    received = capture.received_now(request.body, request.headers.items())
    handed_back = capture.hand_on(point, received)
    try:
        capture.capture_write(point, received, handed_back)
    except DatabaseError as exc:
        # The exception's text may hold the row.
        logger.error(  # noqa: TRY400
            "a capture could not be kept",
            extra={"tool": point.tool.name, "cause": type(exc).__name__},
        )
    response = HttpResponse(handed_back.body, status=handed_back.http_status)
    del response.headers["Content-Type"]
    for name, value in handed_back.headers.items():
        response.headers[name] = value
    return response

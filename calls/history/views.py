"""The address of a recorder, to which Vapi sends its server messages."""

import logging

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from calls.history import recorder
from tools.captures.store import received_now

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def vapi_events(request: HttpRequest, token: str) -> HttpResponse:
    """The answer of the server that stood here before the recorder, or one that leaves everything to Vapi."""
    try:
        point = recorder.point_of(token)
    except (OperationalError, InterfaceError):
        return JsonResponse({"message": "The database is away.", "statusCode": 503}, status=503)
    if point is None:
        return HttpResponseNotFound()
    # Not request.body: its limit is one for forms.
    body = b"" if _declared(request) > recorder.MAX_BODY else request.read(recorder.MAX_BODY + 1)
    if _declared(request) > recorder.MAX_BODY or len(body) > recorder.MAX_BODY:
        logger.warning("a message of Vapi's was too large", extra={"recorder": point.id})
        return JsonResponse({"message": "The message is too large.", "statusCode": 413}, status=413)
    handed_back = recorder.message_answer(point, received_now(body, request.headers.items()))
    response = HttpResponse(handed_back.body, status=handed_back.http_status)
    del response.headers["Content-Type"]
    for name, value in handed_back.headers.items():
        response.headers[name] = value
    return response


def _declared(request: HttpRequest) -> int:
    try:
        return int(request.headers.get("Content-Length") or 0)
    except ValueError:
        return 0

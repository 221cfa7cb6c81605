"""`POST /call` of programs that bring their own line, and what is said to those that ask for a web call."""

import logging
from http import HTTPStatus
from typing import Any, Final

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from calls.api.selectors import records_of
from calls.api.views import call_told
from calls.concurrency.room import room
from calls.idempotency import GONE
from calls.live.entering import CONTROLS, key_entrant
from calls.websocket_calls.services import Made, bypass_call_create, websocket_call_create
from tools.access.asking import request_address
from tools.access.errors import ApiError, database_away, error_response
from tools.access.other_origins import for_any_origin
from tools.access.views import Answer
from tools.models import ApiKey

logger = logging.getLogger(__name__)

NO_WEB_CALLS: Final = (
    "Web calls are not served: Vapi's web SDK joins a WebRTC room at Daily, and there is none here. Let your server ask "
    'POST /call for a call with "transport": {"provider": "vapi.websocket"}, and give the browser its '
    "transport.websocketCallUrl."
)


def websocket_call(body: dict[str, Any], key: ApiKey, *, idempotency_key: str) -> Answer:
    """A call for a program's own socket."""
    made = websocket_call_create(body, key, idempotency_key=idempotency_key)
    return _answer(made, subscriptionLimits=room(now=timezone.now()).document())


def bypass_call(body: dict[str, Any], key: ApiKey, *, idempotency_key: str) -> Answer:
    """A call for a Twilio flow of somebody else's."""
    return _answer(bypass_call_create(body, key, idempotency_key=idempotency_key))


def _answer(made: Made, **more: Any) -> Answer:
    records = records_of([made.call.pk])
    if not records:
        raise ApiError(HTTPStatus.GONE, GONE)
    return Answer({**call_told(records[0]), **made.told, **more}, HTTPStatus.CREATED)


@for_any_origin("POST")
@csrf_exempt  # a key is sent by programs, never by a browser of its own accord
def web_call(request: HttpRequest) -> HttpResponse:
    """Tell whoever has a key what to use instead; Vapi's web clients come with public ones."""
    response = error_response(_why_not(request))
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response["Allow"] = "POST"
    response["Cache-Control"] = "no-store"
    return response


def _why_not(request: HttpRequest) -> ApiError:
    if request.method != "POST":
        return ApiError(HTTPStatus.METHOD_NOT_ALLOWED, f"Cannot {request.method} {request.path}")
    try:
        key_entrant(
            request.headers.get("Authorization", ""),
            CONTROLS,
            address=request_address(request),
            public_too=True,
        )
    except ApiError as exc:
        return exc
    except OperationalError:
        logger.exception("the database does not answer a request of the api")
        return database_away()
    return ApiError(HTTPStatus.BAD_REQUEST, [NO_WEB_CALLS])

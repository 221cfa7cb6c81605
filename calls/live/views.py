"""`POST /call/{id}/control`: orders for a running call, as Vapi's live call control takes them."""

import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from calls.live.bodies import order_asked
from calls.live.control import Outcome, Result, order_by
from calls.live.entering import CONTROLS, Entrant, allowed, key_entrant, knows_address, wants_key
from calls.live.flood import order_count
from calls.live.monitors import control_plan, with_control_plan
from calls.live.orders import END
from calls.models import AHEAD, LIVE, Call
from tools.access.asking import request_address
from tools.access.bodies import body_read
from tools.access.errors import ApiError, error_response
from tools.access.failures import refusal
from tools.access.keys import NO_KEY
from tools.jsontext import json_text

logger = logging.getLogger(__name__)

_STATUSES = {
    Result.REFUSED: HTTPStatus.BAD_REQUEST,
    Result.NOBODY: HTTPStatus.BAD_REQUEST,
    Result.AWAY: HTTPStatus.SERVICE_UNAVAILABLE,
}

_DATABASE_AWAY = (
    "The database does not answer, so nobody knows whether you may do this. Nothing was ordered; try again."
)
_TRY_AGAIN_S = 5


@csrf_exempt  # a key or the call's own address is sent by programs, never by a browser of its own accord
def control(
    request: HttpRequest, given: str, call_off: Callable[[uuid.UUID], bool] | None = None
) -> HttpResponse:
    """Answers 200 only when the call's own process has taken the order.

    ``call_off`` ends a call that nobody has answered yet, and has no process; whether there was one to end.
    """
    entrant: Entrant | None = None
    kind = ""
    try:
        entrant = _entrant(request, given)
        call = _call(given, entrant)
        message = _message(request)
        kind = message["type"]
        if kind != END or call_off is None or not call_off(call.pk):
            _live_require(call)
            order_count(call.pk)
            _outcome_raise(order_by(call.pk, message, by=entrant.by))
        response = HttpResponse(json_text({}), content_type="application/json")
    except ApiError as exc:
        response = error_response(exc)
        if exc.status == HTTPStatus.METHOD_NOT_ALLOWED:
            response["Allow"] = "POST"
    except DatabaseError:
        logger.exception("an order for a call was not given", extra={"call_id": str(_uuid(given) or "")})
        away = ApiError(HTTPStatus.SERVICE_UNAVAILABLE, _DATABASE_AWAY, retry_after_s=_TRY_AGAIN_S)
        response = error_response(away)
    response["Cache-Control"] = "no-store"
    logger.info(
        "call control",
        extra={
            # What is no id may be anything, a number among it.
            "call_id": str(_uuid(given) or ""),
            "by": entrant.label if entrant else "",
            "order": kind,
            "status": response.status_code,
        },
    )
    return response


def _entrant(request: HttpRequest, given: str) -> Entrant:
    if request.method != "POST":
        raise ApiError(HTTPStatus.METHOD_NOT_ALLOWED, f"Cannot {request.method} {request.path}")
    authorization = request.headers.get("Authorization", "")
    if authorization:
        return key_entrant(authorization, CONTROLS, address=request_address(request), public_too=True)
    call_id = _uuid(given)
    if call_id is None or not knows_address(call_id, request.GET.get("token", "")):
        raise refusal(NO_KEY, why="no key", address=request_address(request))
    return Entrant()


def _call(given: str, entrant: Entrant) -> Call:
    """The call, if the assistant that has it lets this entrant control it."""
    call_id = _uuid(given)
    call = (
        with_control_plan(Call.objects.filter(pk=call_id))
        .select_related("version")
        .only("status", "version__snapshot")
        .first()
        if call_id is not None
        else None
    )
    if call is None:
        raise ApiError(HTTPStatus.NOT_FOUND, f"Couldn't Get Call. `id` {given[:60]} Does Not Exist.")
    plan = control_plan(call)
    if not allowed(plan, "control"):
        raise ApiError(HTTPStatus.FORBIDDEN, "Live control is switched off for the assistant of this call.")
    if entrant.key is None and wants_key(plan, "control"):
        raise ApiError(HTTPStatus.UNAUTHORIZED, NO_KEY)
    return call


def _message(request: HttpRequest) -> dict[str, Any]:
    asked = order_asked(body_read(request))
    if isinstance(asked, list):
        raise ApiError(HTTPStatus.BAD_REQUEST, asked)
    return asked


def _live_require(call: Call) -> None:
    if call.status in AHEAD:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"Couldn't Control Call. `id` {call.pk} Has Not Begun.")
    if call.status not in LIVE:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"Couldn't Control Call. `id` {call.pk} Has Ended.")


def _outcome_raise(outcome: Outcome) -> None:
    if not outcome.taken:
        raise ApiError(_STATUSES[outcome.result], outcome.why)


def _uuid(given: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(given)
    except ValueError:
        return None

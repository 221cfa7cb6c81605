"""What programs that were written for Vapi ask for: calls to be placed, and to be called off."""

import uuid
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from calls.api.selectors import records_of
from calls.api.views import Ahead, call_read, call_rename, call_told, calls_erase, calls_list
from calls.concurrency.room import room
from calls.idempotency import GONE
from calls.live.views import control as live_control
from calls.models import CallRequest
from calls.placing.bodies import transport_of
from calls.placing.cancelling import call_cancel, call_delete, calls_cancellable
from calls.placing.services import Orderer, Placed, calls_place
from calls.placing.tasks import calls_hang_up, have_done
from calls.placing.telling import placed_tell
from calls.websocket_calls.views import bypass_call, websocket_call
from tools.access.bodies import body_read
from tools.access.errors import ApiError
from tools.access.other_origins import for_any_origin
from tools.access.views import Answer, api_view
from tools.models import ApiKey

IDEMPOTENCY: Final = "Idempotency-Key"


def _place(request: HttpRequest, key: ApiKey) -> Answer:
    """Have calls placed. They are dialled by a worker: what is answered here is true already, and nothing is dialled twice."""
    body = body_read(request)
    transport = transport_of(body)
    idempotency_key = request.headers.get(IDEMPOTENCY, "").strip()
    if transport == "vapi.websocket":
        return websocket_call(body, key, idempotency_key=idempotency_key)
    if transport == "bypass":
        return bypass_call(body, key, idempotency_key=idempotency_key)
    orderer = Orderer(f"API key {key}", key=key)
    placed = calls_place(body, orderer, now=timezone.now(), idempotency_key=idempotency_key)
    if not placed.again:
        placed_tell(placed)
    return Answer(_told(placed, body), HTTPStatus.CREATED, tuple(map(str, placed.call_ids)))


def _told(placed: Placed, body: dict[str, Any]) -> dict[str, Any]:
    calls = [call_told(record) for record in records_of(placed.call_ids)]
    limits = room(now=timezone.now()).document()
    if not placed.request.batch:
        if not calls:
            raise ApiError(HTTPStatus.GONE, GONE)
        return {**calls[0], "subscriptionLimits": limits}
    return {"subscriptionLimits": limits, "results": calls, "errors": _errors(placed.request, body)}


def _errors(request: CallRequest, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Who of a batch is not called, and why. The customers stand in the body, which is the same each time."""
    customers = body["customers"]
    return [{"customer": customers[one["position"]], "error": one["error"]} for one in request.errors]


def _delete(request: HttpRequest, key: ApiKey, given: str) -> Answer:
    """Call off what nobody has answered yet; erase what is over."""
    now = timezone.now()
    answer, called_off = calls_erase(
        request, key, given, ahead=Ahead(calls_cancellable, lambda call_id: call_delete(call_id, now=now))
    )
    if called_off:
        have_done(calls_hang_up)
    return answer


def call_off(call_id: uuid.UUID) -> bool:
    """Whether a call was called off that nobody had answered yet."""
    if not calls_cancellable([call_id]) or not call_cancel(call_id, now=timezone.now()):
        return False
    have_done(calls_hang_up)
    return True


@for_any_origin("POST")
@csrf_exempt  # as the view behind it: no browser sends a key of its own accord
def control(request: HttpRequest, given: str) -> HttpResponse:
    """Orders for a running call; ending one goes for a call that still rings, too."""
    return live_control(request, given, call_off=call_off)


calls = api_view("call", GET=calls_list, POST=_place)
phone = api_view("call", POST=_place)
call = api_view("call", GET=call_read, PATCH=call_rename, DELETE=_delete)

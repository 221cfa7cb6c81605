"""What programs that were written for Vapi ask for: calls."""

import logging
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest

from calls.api.documents import call_document
from calls.api.selectors import Record, call_id_of, record_of, records_page
from calls.erasing.erasing import StillTalkingError, call_erase
from calls.models import LIVE, Call
from calls.privacy.access import call_opened, calls_opened
from calls.tool_context import organisation_id
from tools.access.bodies import body_read
from tools.access.errors import ApiError
from tools.access.views import Answer, api_view
from tools.models import ApiKey

logger = logging.getLogger(__name__)

NAME_MAX = 40
MOST_ERASED = 100
_GOES_ON = "Couldn't Delete Call. `id` {} Has Not Ended. End it first, by its control URL."


def _calls(request: HttpRequest, key: ApiKey) -> Answer:
    records = records_page(request.GET.dict())
    calls_opened(call_ids=[record.call.pk for record in records], key=key, what="api")
    return Answer([_document(record) for record in records])


def _call(_request: HttpRequest, key: ApiKey, given: str) -> Answer:
    record = record_of(given)
    call_opened(call_id=record.call.pk, key=key, what="api")
    return Answer(_document(record))


def _name(request: HttpRequest, key: ApiKey, given: str) -> Answer:
    call_id = call_id_of(given)
    body = body_read(request)
    problems = [f"property {name} should not exist" for name in body if name != "name"]
    name = body.get("name") or ""
    if not isinstance(name, str):
        problems.append("name must be a string")
    elif len(name) > NAME_MAX:
        problems.append(f"name must be shorter than or equal to {NAME_MAX} characters")
    elif "\x00" in name:
        problems.append("name must not hold a null character")
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    if "name" in body:
        Call.objects.filter(pk=call_id).update(name=name)
    return _call(request, key, given)


def _erase(request: HttpRequest, key: ApiKey, given: str) -> Answer:
    """Erase the call, and those whose ids stand in the body. None of them, if one is unknown or goes on."""
    more = body_read(request).get("ids") or []
    if not isinstance(more, list) or not all(isinstance(one, str) and "\x00" not in one for one in more):
        raise ApiError(HTTPStatus.BAD_REQUEST, ["each value in ids must be a string"])
    if len(more) > MOST_ERASED:
        raise ApiError(HTTPStatus.BAD_REQUEST, [f"ids must contain no more than {MOST_ERASED} elements"])
    told = _document(record_of(given))
    call_ids = list(dict.fromkeys(call_id_of(one) for one in (given, *more)))
    running = Call.objects.filter(pk__in=call_ids, status__in=LIVE).values_list("pk", flat=True).first()
    if running is not None:
        raise ApiError(HTTPStatus.BAD_REQUEST, _GOES_ON.format(running))
    for call_id in call_ids:
        try:
            call_erase(call_id, by=f"API key {key}")
        except StillTalkingError as exc:
            raise ApiError(HTTPStatus.BAD_REQUEST, _GOES_ON.format(call_id)) from exc
        except OperationalError as exc:
            # Somebody is writing to its rows; the client libraries try again.
            logger.warning("a call could not be erased", extra={"call_id": str(call_id)})
            raise ApiError(
                HTTPStatus.SERVICE_UNAVAILABLE, f"Couldn't Delete Call. `id` {call_id} Is In Use; Try Again."
            ) from exc
    return Answer(told)


def _document(record: Record) -> dict[str, Any]:
    return call_document(
        record,
        org_id=organisation_id(settings.VAPI_ORG_ID, settings.PUBLIC_ORIGIN),
        public_origin=settings.PUBLIC_ORIGIN,
    )


calls = api_view("call", GET=_calls)
call = api_view("call", GET=_call, PATCH=_name, DELETE=_erase)

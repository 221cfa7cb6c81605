"""What programs that were written for Vapi ask for: calls."""

import logging
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest

from calls.api.documents import call_document
from calls.api.encoding import calls_json
from calls.api.records import Record
from calls.api.rows import records_reading
from calls.api.selectors import call_id_of, heads_page, record_of
from calls.erasing.erasing import StillTalkingError, call_erase
from calls.models import AHEAD, LIVE, Call
from calls.privacy.access import call_opened, calls_opened
from tools.access.bodies import body_read
from tools.access.errors import ApiError
from tools.access.organisation import organisation_id
from tools.access.views import Answer
from tools.models import ApiKey

logger = logging.getLogger(__name__)

NAME_MAX = 40
MOST_ERASED = 100
_GOES_ON = "Couldn't Delete Call. `id` {} Has Not Ended. End it first, by its control URL."


@dataclass(frozen=True, slots=True)
class Ahead:
    """Calls that nobody has answered yet: which of these are, and calling one off; whether it still could be."""

    among: Callable[[Collection[uuid.UUID]], set[uuid.UUID]]
    call_off: Callable[[uuid.UUID], bool]


def calls_list(request: HttpRequest, key: ApiKey) -> Answer:
    """The calls that were asked for."""
    heads = heads_page(request.GET.dict())
    calls_opened(call_ids=heads, key=key, what="api")
    with records_reading(heads) as records:
        return Answer(calls_json(records, org_id=organisation_id(), public_origin=settings.PUBLIC_ORIGIN))


def call_read(_request: HttpRequest, key: ApiKey, given: str) -> Answer:
    """One call."""
    record = record_of(given)
    call_opened(call_id=record.call.id, key=key, what="api")
    return Answer(_document(record))


def call_rename(request: HttpRequest, key: ApiKey, given: str) -> Answer:
    """The call under its new name."""
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
    return call_read(request, key, given)


def calls_erase(
    request: HttpRequest, key: ApiKey, given: str, *, ahead: Ahead | None = None
) -> tuple[Answer, int]:
    """Erase the call, and those whose ids stand in the body, and call off those that nobody has answered yet; how many were called off.

    None of them, if one is unknown or goes on.
    """
    more = body_read(request).get("ids") or []
    if not isinstance(more, list) or not all(isinstance(one, str) and "\x00" not in one for one in more):
        raise ApiError(HTTPStatus.BAD_REQUEST, ["each value in ids must be a string"])
    if len(more) > MOST_ERASED:
        raise ApiError(HTTPStatus.BAD_REQUEST, [f"ids must contain no more than {MOST_ERASED} elements"])
    told = _document(record_of(given))
    call_ids = list(dict.fromkeys(call_id_of(one) for one in (given, *more)))
    coming = ahead.among(call_ids) if ahead is not None else set()
    running = Call.objects.filter(pk__in=set(call_ids) - coming, status__in=(*AHEAD, *LIVE))
    if still := running.values_list("pk", flat=True).first():
        raise ApiError(HTTPStatus.BAD_REQUEST, _GOES_ON.format(still))
    for call_id in coming:
        if ahead is not None and not ahead.call_off(call_id):
            raise ApiError(HTTPStatus.BAD_REQUEST, _GOES_ON.format(call_id))
    if coming:
        told = _document(record_of(given))
    _erased([one for one in call_ids if one not in coming], key)
    return Answer(told, changed=tuple(dict.fromkeys((given, *more)))), len(coming)


def _erased(call_ids: list[uuid.UUID], key: ApiKey) -> None:
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


def call_told(record: Record) -> dict[str, Any]:
    """The call as programs read it."""
    return _document(record)


def _document(record: Record) -> dict[str, Any]:
    return call_document(record, org_id=organisation_id(), public_origin=settings.PUBLIC_ORIGIN)

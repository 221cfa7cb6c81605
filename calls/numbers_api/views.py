"""What programs that were written for Vapi ask for: phone numbers."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from calls.numbers_api.changing import number_change, number_create, number_delete
from calls.numbers_api.documents import Documents
from calls.numbers_api.selectors import Line, line_of, lines_page
from calls.tool_context import organisation_id
from tools.access.bodies import body_read
from tools.access.views import Answer, api_view
from tools.models import ApiKey

RESOURCE = "phone-number"


def _list(request: HttpRequest, _: ApiKey) -> Answer:
    return Answer(_told(lines_page(request.GET.dict())))


def _create(request: HttpRequest, key: ApiKey) -> Answer:
    return Answer(_shown(number_create(body_read(request), key=key)), HTTPStatus.CREATED)


def _read(_request: HttpRequest, _: ApiKey, given: str) -> Answer:
    return Answer(_shown(given))


def _change(request: HttpRequest, key: ApiKey, given: str) -> Answer:
    number_change(given, body_read(request), key=key)
    return Answer(_shown(given))


def _delete(_request: HttpRequest, key: ApiKey, given: str) -> Answer:
    before = _shown(given)
    number_delete(given, key=key)
    return Answer(before)


def _shown(given: str) -> dict[str, Any]:
    return _told([line_of(given)])[0]


def _told(lines: list[Line]) -> list[dict[str, Any]]:
    documents = Documents(lines, org_id=organisation_id(settings.VAPI_ORG_ID, settings.PUBLIC_ORIGIN))
    return [documents.document(line) for line in lines]


numbers = api_view(RESOURCE, GET=_list, POST=_create)
number = api_view(RESOURCE, GET=_read, PATCH=_change, DELETE=_delete)

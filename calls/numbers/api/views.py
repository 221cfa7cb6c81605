"""What programs that were written for Vapi ask for: phone numbers."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from calls.numbers.api.changing import number_change, number_create, number_delete
from calls.numbers.api.documents import Documents
from calls.numbers.api.pages import numbers_page
from calls.numbers.api.selectors import Line, line_of, lines_page
from tools.access.organisation import organisation_id
from tools.access.resources import Resource
from tools.access.views import Answer, api_view
from tools.models import ApiKey


def _page(query: Mapping[str, str]) -> list[dict[str, Any]]:
    return _told(lines_page(query))


def _shown(given: str) -> dict[str, Any]:
    return _told([line_of(given)])[0]


def _told(lines: list[Line]) -> list[dict[str, Any]]:
    documents = Documents(lines, org_id=organisation_id())
    return [documents.document(line) for line in lines]


def _paged(request: HttpRequest, _: ApiKey) -> Answer:
    page = numbers_page(request.GET.dict())
    return Answer({"results": _told(page.lines), "metadata": page.metadata})


numbers = Resource(
    "phone-number",
    page=_page,
    shown=_shown,
    create=number_create,
    change=number_change,
    delete=number_delete,
)
paged = api_view(numbers.name, GET=_paged)

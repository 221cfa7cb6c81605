"""What programs that were written for Vapi ask for: assistants, tools and squads."""

from collections.abc import Mapping
from typing import Any

from assistants.api.changing import object_change, object_create, object_delete
from assistants.api.documents import Documents
from assistants.api.selectors import page_of, row_of
from assistants.api.squad_changing import squad_change, squad_create, squad_delete
from assistants.api.squad_documents import squad_document, squad_row, squads_page
from tools.access.organisation import organisation_id
from tools.access.resources import Resource
from tools.models import ApiKey


def resource(kind: str) -> Resource:
    """Assistants, or tools."""

    def page(query: Mapping[str, str]) -> list[dict[str, Any]]:
        documents = Documents(organisation_id())
        return [documents.document(row) for row in page_of(kind, query)]

    def shown(given: str) -> dict[str, Any]:
        return Documents(organisation_id()).document(row_of(kind, given))

    def create(body: Mapping[str, Any], *, key: ApiKey) -> str:
        return str(object_create(kind, body, key=key).pk)

    def change(given: str, body: Mapping[str, Any], *, key: ApiKey) -> None:
        object_change(kind, given, body, key=key)

    def delete(given: str, *, key: ApiKey) -> None:
        object_delete(kind, given, key=key)

    return Resource(kind, page=page, shown=shown, create=create, change=change, delete=delete)


def _squads_page(query: Mapping[str, str]) -> list[dict[str, Any]]:
    return [squad_document(row, org_id=organisation_id()) for row in squads_page(query)]


def _squad_shown(given: str) -> dict[str, Any]:
    return squad_document(squad_row(given), org_id=organisation_id())


def _squad_create(body: Mapping[str, Any], *, key: ApiKey) -> str:
    return str(squad_create(body, key=key).pk)


assistants = resource("assistant")
tools = resource("tool")
squads = Resource(
    "squad",
    page=_squads_page,
    shown=_squad_shown,
    create=_squad_create,
    change=squad_change,
    delete=squad_delete,
)

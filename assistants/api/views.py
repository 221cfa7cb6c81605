"""What programs that were written for Vapi ask for: assistants, tools and squads."""

import uuid
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from assistants.api.changing import object_change, object_create, object_delete
from assistants.api.documents import Documents
from assistants.api.selectors import page_of, row_of
from assistants.api.squad_changing import squad_change, squad_create, squad_delete
from assistants.api.squad_documents import squad_document, squad_row, squads_page
from tools.access.bodies import body_read
from tools.access.views import Answer, Handler, api_view
from tools.models import ApiKey


def collection(kind: str) -> Any:
    """The view of ``/{kind}``: the list, and making one."""

    def get(request: HttpRequest, _: ApiKey) -> Answer:
        documents = _documents()
        return Answer([documents.document(row) for row in page_of(kind, request.GET.dict())])

    def post(request: HttpRequest, key: ApiKey) -> Answer:
        made = object_create(kind, body_read(request), key=key)
        return Answer(_shown(kind, str(made.pk)), HTTPStatus.CREATED)

    return api_view(kind, GET=get, POST=post)


def single(kind: str) -> Any:
    """The view of ``/{kind}/{id}``."""

    def get(_request: HttpRequest, _: ApiKey, given: str) -> Answer:
        return Answer(_shown(kind, given))

    def patch(request: HttpRequest, key: ApiKey, given: str) -> Answer:
        object_change(kind, given, body_read(request), key=key)
        return Answer(_shown(kind, given))

    def delete(_request: HttpRequest, key: ApiKey, given: str) -> Answer:
        before = _shown(kind, given)
        object_delete(kind, given, key=key)
        return Answer(before)

    handlers: dict[str, Handler] = {"GET": get, "PATCH": patch, "DELETE": delete}
    return api_view(kind, **handlers)


def _squads(request: HttpRequest, _: ApiKey) -> Answer:
    return Answer([squad_document(row, org_id=_org_id()) for row in squads_page(request.GET.dict())])


def _squad_post(request: HttpRequest, key: ApiKey) -> Answer:
    made = squad_create(body_read(request), key=key)
    return Answer(_squad_shown(str(made.pk)), HTTPStatus.CREATED)


def _squad_get(_request: HttpRequest, _: ApiKey, given: str) -> Answer:
    return Answer(_squad_shown(given))


def _squad_patch(request: HttpRequest, key: ApiKey, given: str) -> Answer:
    squad_change(given, body_read(request), key=key)
    return Answer(_squad_shown(given))


def _squad_delete(_request: HttpRequest, key: ApiKey, given: str) -> Answer:
    before = _squad_shown(given)
    squad_delete(given, key=key)
    return Answer(before)


squads = api_view("squad", GET=_squads, POST=_squad_post)
squad = api_view("squad", GET=_squad_get, PATCH=_squad_patch, DELETE=_squad_delete)


def _squad_shown(given: str) -> dict[str, Any]:
    return squad_document(squad_row(given), org_id=_org_id())


def _shown(kind: str, given: str) -> dict[str, Any]:
    return _documents().document(row_of(kind, given))


def _documents() -> Documents:
    return Documents(_org_id())


def _org_id() -> str:
    return settings.VAPI_ORG_ID or str(uuid.uuid5(uuid.NAMESPACE_URL, settings.PUBLIC_ORIGIN))

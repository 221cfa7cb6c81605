"""The two views of what programs list, make, read, change and delete: of all of a kind, and of one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse

from tools.access.bodies import body_read
from tools.access.views import Answer, api_view
from tools.models import ApiKey


@dataclass(frozen=True, slots=True)
class Resource:
    """What can be done to the objects of one path. Each raises ApiError; ``name`` is that of the scopes.

    ``page`` gives the documents that a query asks for, ``shown`` the document of one id. ``create`` returns the id.
    """

    name: str
    page: Callable[[Mapping[str, str]], list[dict[str, Any]]]
    shown: Callable[[str], dict[str, Any]]
    create: Callable[..., str]
    change: Callable[..., object]
    delete: Callable[..., object]

    def collection(self) -> Callable[..., HttpResponse]:
        """The view of the path itself: the list, and making one."""

        def get(request: HttpRequest, _: ApiKey) -> Answer:
            return Answer(self.page(request.GET.dict()))

        def post(request: HttpRequest, key: ApiKey) -> Answer:
            made = self.create(body_read(request), key=key)
            return Answer(self.shown(made), HTTPStatus.CREATED)

        return api_view(self.name, GET=get, POST=post)

    def single(self) -> Callable[..., HttpResponse]:
        """The view of the path with an id behind it. What is deleted is answered as it was."""

        def get(_request: HttpRequest, _: ApiKey, given: str) -> Answer:
            return Answer(self.shown(given))

        def patch(request: HttpRequest, key: ApiKey, given: str) -> Answer:
            self.change(given, body_read(request), key=key)
            return Answer(self.shown(given))

        def delete(_request: HttpRequest, key: ApiKey, given: str) -> Answer:
            before = self.shown(given)
            self.delete(given, key=key)
            return Answer(before)

        return api_view(self.name, GET=get, PATCH=patch, DELETE=delete)

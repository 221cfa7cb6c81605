"""The one place where a request of the API is let in, counted, carried out and logged."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import TooManyFieldsSent
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tools.access.asking import request_address
from tools.access.errors import ApiError, database_away, error_response
from tools.access.keys import key_authenticate, scope_require
from tools.access.uses import use_count
from tools.access.written import write_note
from tools.jsontext import json_text
from tools.models import ApiKey

logger = logging.getLogger(__name__)

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client is answered; ``value`` may be JSON text already, as bytes.

    ``changed`` are the ids of what was changed, where that is not the one thing that the route names or that was made.
    """

    value: Any
    status: int = HTTPStatus.OK
    changed: tuple[str, ...] = ()


# Given the request, its key, and what the route names. Raises ApiError.
Handler = Callable[..., Answer]


def api_view(resource: str, **handlers: Handler) -> Callable[..., HttpResponse]:
    """A view of one route: ``handlers`` by method. A key needs the scope of the resource, for reading or for writing.

    Where ``resource`` is a whole scope, such as ``analytics:read``, that is what every method needs.
    """

    @csrf_exempt  # a key is sent by programs, never by a browser of its own accord
    def view(request: HttpRequest, **named: Any) -> HttpResponse:
        key: ApiKey | None = None
        try:
            key = _let_in(request)
            scope = _scope(resource, request.method or "")
            scope_require(key, scope)
            response = _carried_out(request, key, handlers, named, writes=scope.endswith(":write"))
        except ApiError as exc:
            response = error_response(exc)
        except TooManyFieldsSent:
            response = error_response(
                ApiError(HTTPStatus.BAD_REQUEST, "The query has too many parameters to be read.")
            )
        response["Cache-Control"] = "no-store"
        route = request.resolver_match.route if request.resolver_match else ""
        logger.info(
            "api request",
            extra={
                "api_key": key.prefix if key else "",
                "method": request.method,
                "route": route,
                "status": response.status_code,
            },
        )
        return response

    return view


def _let_in(request: HttpRequest) -> ApiKey:
    """Whose request it is, counted. Raises ApiError: 503 where nobody can be asked for keys, since certainly nothing is done then."""
    try:
        key = key_authenticate(request.headers.get("Authorization", ""), address=request_address(request))
        use_count(key)
    except OperationalError as exc:
        logger.exception("the database does not answer a request of the api")
        raise database_away() from exc
    return key


def _scope(resource: str, method: str) -> str:
    return resource if ":" in resource else f"{resource}:{'read' if method in _READING else 'write'}"


def _carried_out(
    request: HttpRequest,
    key: ApiKey,
    handlers: Mapping[str, Handler],
    named: Mapping[str, Any],
    *,
    writes: bool,
) -> HttpResponse:
    allowed = ", ".join(sorted({*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"}))
    if request.method == "OPTIONS":
        return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Allow": allowed})
    handler = handlers.get("GET" if request.method == "HEAD" else request.method or "")
    if handler is None:
        response = error_response(
            ApiError(HTTPStatus.METHOD_NOT_ALLOWED, f"Cannot {request.method} {request.path}")
        )
        response["Allow"] = allowed
        return response
    if any("\x00" in str(value) for value in named.values()):
        # No database can look for it.
        raise ApiError(HTTPStatus.NOT_FOUND, "There is nothing whose `id` holds a null character.")
    answer = handler(request, key, **named)
    if writes:
        made = answer.value.get("id", "") if isinstance(answer.value, Mapping) else ""
        write_note(
            key,
            method=request.method or "",
            route=request.resolver_match.route if request.resolver_match else "",
            changed=answer.changed or (named.get("given") or made,),
            status=answer.status,
        )
    content = answer.value if isinstance(answer.value, bytes) else json_text(answer.value)
    return HttpResponse(content, status=answer.status, content_type="application/json")

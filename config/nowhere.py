"""What is answered where nothing is, or nothing works: to people a page, to programs an error as Vapi's."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from tools.access.errors import ApiError, error_response


@csrf_exempt  # nothing is done for anybody
def nowhere(request: HttpRequest) -> HttpResponse:
    """404 in JSON: whoever asks for a path outside of the admin is a program."""
    return error_response(ApiError(HTTPStatus.NOT_FOUND, f"Cannot {request.method} {request.path[:200]}"))


async def no_socket(
    _scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Refuse a WebSocket that leads nowhere, before it is open: the client sees 403."""
    await receive()  # websocket.connect
    await send({"type": "websocket.close"})


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400 for a request that Django itself cannot make sense of, such as one with thousands of parameters."""
    if _is_of_people(request):
        return defaults.bad_request(request, exception)
    return error_response(
        ApiError(
            HTTPStatus.BAD_REQUEST, "The request cannot be read. Look at its host, parameters and length."
        )
    )


def broken(request: HttpRequest) -> HttpResponseBase:
    """500 for what went wrong here; the log says what it was, under the id that is told."""
    if _is_of_people(request):
        return defaults.server_error(request)
    return error_response(
        ApiError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Something broke here, and nothing may have been done. The log has it, under the X-Request-ID of this answer.",
        )
    )


def _is_of_people(request: HttpRequest) -> bool:
    return request.path.startswith("/admin/")

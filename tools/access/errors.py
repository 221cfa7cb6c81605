"""What a request is refused with, in the form of Vapi's errors."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from django.http import HttpResponse

from tools.jsontext import json_text

_DATABASE_AWAY: Final = (
    "The database does not answer, so nobody knows whose key that is. Nothing was done; try again."
)
_TRY_AGAIN_S: Final = 5


class ApiError(Exception):
    """A request that is refused. ``message`` is one sentence, or one for each thing that is wrong."""

    def __init__(self, status: int, message: str | Sequence[str], *, retry_after_s: int = 0) -> None:
        super().__init__(status)
        self.status = status
        self.message: str | list[str] = message if isinstance(message, str) else list(message)
        self.retry_after_s = retry_after_s


def database_away() -> ApiError:
    """What a request is answered whose key nobody can look for: certainly nothing is done then."""
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, _DATABASE_AWAY, retry_after_s=_TRY_AGAIN_S)


def error_response(error: ApiError) -> HttpResponse:
    """The answer that tells a client of an error."""
    body = {"message": error.message, "error": HTTPStatus(error.status).phrase, "statusCode": error.status}
    response = HttpResponse(json_text(body), status=error.status, content_type="application/json")
    if error.retry_after_s:
        response["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response

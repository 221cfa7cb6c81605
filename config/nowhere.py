"""What is answered where nothing is: to people a page, to programs an error as Vapi's."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tools.access.errors import ApiError, error_response


@csrf_exempt  # nothing is done for anybody
def nowhere(request: HttpRequest) -> HttpResponse:
    """404 in JSON: whoever asks for a path outside of the admin is a program."""
    return error_response(ApiError(HTTPStatus.NOT_FOUND, f"Cannot {request.method} {request.path[:200]}"))

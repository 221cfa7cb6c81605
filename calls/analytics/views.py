"""What programs that were written for Vapi ask for: figures of calls."""

from http import HTTPStatus

from django.http import HttpRequest
from django.utils import timezone

from calls.analytics.answering import TooMuchError, answers
from calls.analytics.asking import QueryProblemsError, queries_read
from tools.access.bodies import body_read
from tools.access.errors import ApiError
from tools.access.views import Answer, api_view
from tools.models import ApiKey


def _figures(request: HttpRequest, _: ApiKey) -> Answer:
    try:
        return Answer(answers(queries_read(body_read(request), now=timezone.now())))
    except QueryProblemsError as exc:
        raise ApiError(HTTPStatus.BAD_REQUEST, exc.problems) from exc
    except TooMuchError as exc:
        raise ApiError(HTTPStatus.BAD_REQUEST, str(exc)) from exc


# A body that asks is no writing.
analytics = api_view("analytics:read", POST=_figures)

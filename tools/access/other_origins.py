"""Pages of other origins: which routes they may ask from a browser, and what a browser wants to hear before it lets them.

Only routes that a public key, or an address that is a secret itself, opens: what opens with a private key is no business of
a browser. No cookie counts at these routes, so any origin will do, and credentials are not allowed.
"""

import functools
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

View = Callable[..., HttpResponseBase]

# The name of the header of a key is not among what * stands for.
_HEADERS: Final = "*, Authorization"
_TOLD: Final = "Accept-Ranges, Content-Length, Content-Range, Retry-After"
_GOOD_FOR_S: Final = 600


def for_any_origin(*methods: str) -> Callable[[View], View]:
    """The view, open to pages of any origin by these methods. A browser's question beforehand is answered without a key."""
    allowed = ", ".join(methods)

    def opened(view: View) -> View:
        @functools.wraps(view)
        def asked(request: HttpRequest, *args: Any, **named: Any) -> HttpResponseBase:
            if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
                response: HttpResponseBase = HttpResponse(status=HTTPStatus.NO_CONTENT)
                response["Access-Control-Allow-Methods"] = allowed
                response["Access-Control-Allow-Headers"] = _HEADERS
                response["Access-Control-Max-Age"] = str(_GOOD_FOR_S)
            else:
                response = view(request, *args, **named)
                response["Access-Control-Expose-Headers"] = _TOLD
            response["Access-Control-Allow-Origin"] = "*"
            return response

        return asked

    return opened

"""The one place where a Twilio webhook is told from anybody's request."""

import functools
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from calls.twilio.signatures import ALGORITHM_HEADER, http_signature_valid, request_tokens

logger = logging.getLogger(__name__)

Parts = ParamSpec("Parts")
LARGEST_BODY = 64 * 1024


def twilio_webhook(
    view: Callable[Concatenate[HttpRequest, Parts], HttpResponse],
) -> Callable[Concatenate[HttpRequest, Parts], HttpResponse]:
    """The view for POSTs that Twilio signed with an auth token of their account; all others get 403, 405 or 413."""

    @csrf_exempt
    @require_POST
    @functools.wraps(view)
    def checked(request: HttpRequest, /, *args: Parts.args, **parts: Parts.kwargs) -> HttpResponse:
        declared = request.headers.get("Content-Length") or "0"
        if not declared.isdecimal():
            return HttpResponse("Content-Length is no number.", status=400)
        if int(declared) > LARGEST_BODY:
            return HttpResponse("The body is larger than any webhook of Twilio.", status=413)
        body = request.body  # before POST is parsed, or it could not be read any more
        if not http_signature_valid(
            url=settings.PUBLIC_ORIGIN + request.get_full_path(),
            params=request.POST,
            body=body,
            signature=request.headers.get("X-Twilio-Signature", ""),
            tokens=request_tokens(request.POST.get("AccountSid", "")),
            algorithm_header=request.headers.get(ALGORITHM_HEADER, ""),
        ):
            match = request.resolver_match
            # Not the path: that of a smoke test holds what lets its stream in.
            route = match.view_name if match is not None else ""
            logger.warning("webhook without a valid signature refused", extra={"route": route})
            return HttpResponseForbidden(
                "The request is not signed with the auth token of its Twilio account for this address. Check TWILIO_AUTH_TOKEN "
                "(for another account: its token under Twilio accounts), and that PUBLIC_ORIGIN is exactly the origin in the "
                "number's webhook URL."
            )
        return view(request, *args, **parts)

    return checked

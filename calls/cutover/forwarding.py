"""Telling the old provider how a call ended that was handed to it: the number's status callback is ours now.

The old provider believes nobody but Twilio, so the request is signed as Twilio would: with the account's token, for
the old provider's own address.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.utils import timezone
from twilio.request_validator import RequestValidator

from calls.cutover.fallback import without_fragment
from calls.models import CallHandover
from calls.twilio.accounts import auth_tokens_for
from tools.clients import HttpAnswer, HttpRequest, ToolError, http_send

logger = logging.getLogger(__name__)

WITHIN_S: Final = 10.0
Pairs = Sequence[tuple[str, str]]
Send = Callable[[HttpRequest], HttpAnswer]


class NotDeliveredError(Exception):
    """The word has certainly not reached the old provider, so it may be sent once more."""


def request_signed(url: str, method: str, pairs: Pairs, *, auth_token: str) -> HttpRequest:
    """The request that Twilio would make. A name that comes twice is signed with both values."""
    url = without_fragment(url)
    validator = RequestValidator(auth_token)
    if method == "GET":
        query = urlencode(list(pairs))
        url = f"{url}{'&' if urlsplit(url).query else '?'}{query}"
        signature, body = validator.compute_signature(url, {}), None
    else:
        form = {name: [value for key, value in pairs if key == name] for name, _ in pairs}
        params = {name: values[0] if len(values) == 1 else values for name, values in form.items()}
        signature, body = validator.compute_signature(url, _Form(params)), urlencode(list(pairs)).encode()
    headers = {"X-Twilio-Signature": signature.encode(), "User-Agent": b"TwilioProxy/1.1"}
    if body is not None:
        headers["Content-Type"] = b"application/x-www-form-urlencoded; charset=UTF-8"
    return HttpRequest(method, url, body, headers)


class _Form(dict[str, object]):
    """A form as the library reads one: its distinct values of a name, and their names."""

    def getlist(self, name: str) -> list[object]:
        value = self[name]
        return list(value) if isinstance(value, list) else [value]


def status_forward(*, call_id: uuid.UUID, pairs: Pairs, send: Send | None = None) -> bool:
    """Pass on how a handed-over call ended, once; whether it was done now. Raises NotDeliveredError where it was not."""
    handover = CallHandover.objects.select_related("call").filter(pk=call_id).first()
    if handover is None or not handover.status_callback:
        return False
    mine = CallHandover.objects.filter(pk=call_id)
    token = (*auth_tokens_for(handover.call.account_sid), settings.TWILIO_AUTH_TOKEN)[0]
    try:
        request = request_signed(
            handover.status_callback, handover.status_callback_method, pairs, auth_token=token
        )
    except ValueError:
        mine.update(forward_error="The old provider's status callback is no web address.")
        return False
    if not mine.filter(forwarding_at=None).update(forwarding_at=timezone.now()):
        return False
    try:
        answer = (send or _send)(request)
    except ToolError as exc:
        mine.update(forward_error=exc.why[:200])
        if not exc.sent:
            mine.update(forwarding_at=None)
            raise NotDeliveredError(exc.why) from exc
        return False
    mine.update(
        forwarded_at=timezone.now(),
        forward_status=answer.http_status,
        forward_error="" if answer.http_status < 300 else f"It answered {answer.http_status}.",
    )
    logger.info(
        "end of a handed-over call passed on",
        extra={"call_id": str(call_id), "status": answer.http_status},
    )
    return True


def _send(request: HttpRequest) -> HttpAnswer:
    return http_send(request, timeout_s=WITHIN_S, send_within_s=WITHIN_S)

"""A call that web answered and whose stream never came: the old provider takes it, where it can take one that rings no more.

The fallback URL is of no use then, for Twilio has had its document. Vapi's own address wants ringing calls only, so Vapi is
asked for a document (provider bypass); any other old address is redirected to. A caller who has been talking to us stays ours:
the old provider would begin from the beginning.
"""

import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from calls.cutover.bypass import BypassError, Order, Reply, ask
from calls.cutover.canary import MOST_ANSWERS, OldRoute, redirect_document, route_of, why_no_bypass
from calls.cutover.changes import answered_by
from calls.models import Call, CallHandover

logger = logging.getLogger(__name__)

# Nobody rings any more and no limit of ours is behind the address: Twilio would wait 15 s.
BYPASS_WITHIN_S: Final = 4.0
WHY: Final = "Its stream never came, so it was given to the old provider."


def rescue_document(*, call_sid: str, asks: Callable[[Order], Reply] = ask) -> str:
    """The document that gives such a call to the old provider; empty where it cannot, or where somebody has talked.

    Asked again, it says the same, but not for ever: an old address may send the call back to us. The call stays ours in
    the figures, as one that we failed to set up.
    """
    call = (
        Call.objects.select_related("phone_number__snapshot")
        .filter(
            call_sid=call_sid,
            stack=Call.Stack.DIRECT,
            direction=Call.Direction.INBOUND,  # whom we have called, the old provider does not know
            started_at=None,
            smoke_test=False,
            phone_number__cut_over_at__isnull=False,
            phone_number__snapshot__isnull=False,
        )
        .first()
    )
    if call is None or call.phone_number is None or call.phone_number.snapshot is None:
        return ""
    done = CallHandover.objects.filter(pk=call.pk).first()
    if done is not None:
        again = CallHandover.objects.filter(pk=call.pk, answers_n__lt=MOST_ANSWERS)
        return done.document if again.update(answers_n=F("answers_n") + 1) else ""
    route = route_of(call.phone_number.snapshot)
    if route is None:
        return ""
    bypass = _is_vapis(route)
    try:
        document, vapi_call_id = (
            _asked(call, asks) if bypass else (redirect_document(route.url, route.method), "")
        )
    except BypassError as exc:
        logger.warning(
            "a call without a stream could not be given to the old provider",
            extra={"call_id": str(call.id), "why": str(exc)},
        )
        return ""
    return _kept(call, route, document, vapi_call_id, bypass=bypass)


def _asked(call: Call, asks: Callable[[Order], Reply]) -> tuple[str, str]:
    number = call.phone_number
    assert number is not None
    if why := why_no_bypass(number, call.caller):
        raise BypassError(why)
    reply = asks(Order(call.did, call.caller, number.vapi_id, within_s=BYPASS_WITHIN_S))
    return reply.document, reply.call_id


def _kept(call: Call, route: OldRoute, document: str, vapi_call_id: str, *, bypass: bool) -> str:
    """The document, or that of another request of Twilio's which was quicker."""
    with transaction.atomic():
        handover, _ = CallHandover.objects.get_or_create(
            call=call,
            defaults={
                "how": CallHandover.How.BYPASS if bypass else CallHandover.How.REDIRECT,
                "url": route.url,
                "method": route.method,
                "document": document,
                "provider_call_id": vapi_call_id[:64],
                "problem": WHY,
                "answers_n": 1,
                "at": timezone.now(),
            },
        )
    return handover.document


def _is_vapis(route: OldRoute) -> bool:
    config = {"voice_url": route.url}
    if answered_by(config, origin=settings.PUBLIC_ORIGIN) == "vapi":
        return True
    # Vapi may be somewhere else than at vapi.ai: in a test, or in its region for the EU.
    return urlsplit(route.url).netloc == urlsplit(settings.VAPI_API_URL).netloc

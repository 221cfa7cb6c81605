"""The webhook of smoke tests. A call that is none of them hears the apology."""

import logging

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from calls import services, twiml
from calls.decorators import twilio_webhook
from calls.smoke.answering import smoke_call_start

logger = logging.getLogger(__name__)


@twilio_webhook
def smoke_voice(request: HttpRequest, marker: str) -> HttpResponse:
    """What to do with a call that a smoke test has placed: connect it to our stream, on what the run tests."""
    form = request.POST
    try:
        answered = smoke_call_start(
            marker=marker,
            call_sid=form.get("CallSid", "")[:64],
            account_sid=form.get("AccountSid", "")[:64],
            did=form.get("To", "")[:40],
            caller=form.get("From", "")[:80],
        )
    except DatabaseError:
        logger.exception("a call of a smoke test could not be written down")
        answered = None
    if answered is None:
        logger.warning("call without a smoke test refused")
        return _document(twiml.apology_document(services.DEFAULT_APOLOGY, "en"))
    return _document(
        twiml.stream_document(
            public_origin=settings.PUBLIC_ORIGIN,
            media_origin=settings.MEDIA_ORIGIN,
            call_id=str(answered.call.id),
            token=answered.token,
        )
    )


def _document(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/xml")

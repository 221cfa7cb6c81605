"""The webhooks of smoke tests. A call that is none of them hears the apology, or nothing."""

import logging

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from calls import services
from calls.models import SmokeLeg
from calls.smoke.answering import smoke_call_start
from calls.smoke.leg_documents import caller_document
from calls.smoke.legs import leg_answered, leg_ended, leg_over, leg_token
from calls.smoke.markers import leg_marker_make, leg_marker_read
from calls.twilio import twiml
from calls.twilio.webhooks import twilio_webhook

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


@twilio_webhook
def smoke_leg(request: HttpRequest, marker: str) -> HttpResponse:
    """What to do with the caller's end of a call that was answered: connect the played caller. Asked again when their stream ended."""
    leg_id = leg_marker_read(marker)
    try:
        leg = leg_answered(leg_id, call_sid=request.POST.get("CallSid", "")[:64]) if leg_id else None
        document = _caller_document(leg) if leg is not None else ""
    except DatabaseError:
        logger.exception("the caller's end of a smoke test could not be looked up")
        document = ""
    return _document(document or twiml.hang_up_document())


def _caller_document(leg: SmokeLeg) -> str:
    if leg.ended_because:
        return ""  # the caller has hung up
    if leg.token_used_at is not None:
        leg_over(leg, why="The stream of the played caller broke off. See the log of the media server.")
        return ""
    return caller_document(
        public_origin=settings.PUBLIC_ORIGIN,
        media_origin=settings.MEDIA_ORIGIN,
        leg_id=str(leg.pk),
        marker=leg_marker_make(leg.pk),
        token=leg_token(leg),
        keys=leg.keys,
    )


@twilio_webhook
def smoke_leg_status(request: HttpRequest, marker: str) -> HttpResponse:
    """Twilio's word on the life of the caller's end. Only its end matters."""
    leg_id = leg_marker_read(marker)
    try:
        leg = SmokeLeg.objects.filter(pk=leg_id).first() if leg_id else None
        if leg is not None:
            leg_ended(leg, request.POST.get("CallStatus", ""))
    except DatabaseError:
        logger.exception("the end of a smoke test's call could not be written")
    return HttpResponse(status=204)


def _document(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/xml")

"""Twilio's webhooks. None of them ever answers 500: the caller would hear a machine's error message."""

import logging

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from calls import services, twiml
from calls.decorators import twilio_webhook
from calls.groups import call_group

logger = logging.getLogger(__name__)

FINAL = {"completed", "busy", "no-answer", "failed", "canceled"}


def _document(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/xml")


@twilio_webhook
def voice(request: HttpRequest) -> HttpResponse:
    """What to do with an inbound call: connect it to our stream, or apologise and hang up."""
    form = request.POST
    call_sid = form.get("CallSid", "")[:64]
    if not call_sid:
        return _document(twiml.apology_document(services.DEFAULT_APOLOGY, "en"))
    try:
        decision = services.call_start(
            call_sid=call_sid,
            account_sid=form.get("AccountSid", "")[:64],
            did=form.get("To", "")[:40],
            caller=form.get("From", "")[:80],
        )
    except DatabaseError:
        logger.exception("inbound call refused: the database cannot be reached", extra={"call_sid": call_sid})
        return _document(twiml.apology_document(services.DEFAULT_APOLOGY, "en"))
    match decision:
        case services.Answered(call, token):
            logger.info("inbound call answered", extra={"call_id": str(call.id), "call_sid": call_sid})
            return _document(
                twiml.stream_document(
                    public_origin=settings.PUBLIC_ORIGIN,
                    media_origin=settings.MEDIA_ORIGIN,
                    call_id=str(call.id),
                    token=token,
                )
            )
        case services.Refused(call, apology, language):
            logger.warning(
                "inbound call refused", extra={"call_id": str(call.id), "reason": call.refused_because}
            )
            return _document(twiml.apology_document(apology, language))


@twilio_webhook
def status(request: HttpRequest) -> HttpResponse:
    """Twilio's word on the life of a call. Only the end matters, and only for what the bridge could not see."""
    if request.POST.get("CallStatus") in FINAL:
        _over(request.POST.get("CallSid", ""), "call.in-progress.twilio-completed-call")
    return HttpResponse(status=204)


@twilio_webhook
def stream_status(request: HttpRequest) -> HttpResponse:
    """Twilio's word on a media stream: the only sign of a handshake that never reached us."""
    if "error" in request.POST.get("StreamEvent", ""):
        logger.warning(
            "media stream failed at Twilio",
            extra={
                "call_sid": request.POST.get("CallSid", ""),
                "error": request.POST.get("StreamError", "")[:200],
            },
        )
        try:
            services.stream_failed(
                call_sid=request.POST.get("CallSid", ""),
                stream_sid=request.POST.get("StreamSid", ""),
                error=request.POST.get("StreamError", ""),
            )
        except DatabaseError:
            logger.exception("a media stream's failure could not be written down")
    return HttpResponse(status=204)


@twilio_webhook
def after(request: HttpRequest) -> HttpResponse:
    """What the caller hears when the stream has ended and the line is still open.

    A conversation that ended as it should is hung up; one that broke off gets an apology first.
    """
    if request.POST.get("CallStatus") in FINAL:
        return _document(twiml.hang_up_document())  # nobody is on the line any more
    try:
        ending = services.call_after_stream(call_sid=request.POST.get("CallSid", ""))
    except DatabaseError:
        logger.exception("the end of a stream could not be looked up")
        return _document(twiml.apology_document(services.DEFAULT_APOLOGY, "en"))
    if ending is None:
        return _document(twiml.hang_up_document())
    return _document(twiml.apology_document(ending.apology, ending.language))


def _over(call_sid: str, reason: str) -> None:
    try:
        call = services.call_over(call_sid=call_sid, ended_reason=reason)
    except DatabaseError:
        logger.exception("the end of a call could not be written", extra={"call_sid": call_sid})
        return
    layer = get_channel_layer()
    if call is None or layer is None:
        return
    try:
        # A bridge whose socket was never closed would otherwise talk to nobody until its watchdog.
        async_to_sync(layer.group_send)(call_group(call.id), {"type": "call.over", "reason": reason})
    except (RedisError, OSError):
        logger.warning("the bridge could not be told that its call is over", extra={"call_id": str(call.id)})

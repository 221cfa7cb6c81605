"""Twilio's webhooks of calls that we have placed. None of them ever answers 500: the callee would hear a machine's error message."""

import logging
import uuid

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone

from calls.groups import over_tell
from calls.messages.services import status_changed
from calls.placing.progress import FINAL, Heard, answer_told, machine_told, status_told
from calls.placing.tasks import calls_hang_up, have_done, machine_answered, placings_dial
from calls.recorder import process_outbox
from calls.twilio import twiml
from calls.twilio.webhooks import twilio_webhook
from tools.observing.context import call_observed

logger = logging.getLogger(__name__)


@twilio_webhook
def outbound_voice(request: HttpRequest, call_id: uuid.UUID) -> HttpResponse:
    """What whoever has picked up gets: our stream. A call that nobody wants any more is hung up."""
    form = request.POST
    call_observed(call_id)
    try:
        answered = answer_told(
            call_id,
            call_sid=form.get("CallSid", "")[:64],
            account_sid=form.get("AccountSid", "")[:64],
            at=timezone.now(),
        )
    except DatabaseError:
        logger.exception("a call that was answered could not be looked up", extra={"call_id": str(call_id)})
        answered = None
    if answered is None:
        logger.warning("a call that nobody wants was hung up", extra={"call_id": str(call_id)})
        return _document(twiml.hang_up_document())
    call, token = answered
    logger.info("outbound call answered", extra={"call_id": str(call.pk), "call_sid": call.call_sid})
    return _document(
        twiml.stream_document(
            public_origin=settings.PUBLIC_ORIGIN,
            media_origin=settings.MEDIA_ORIGIN,
            call_id=str(call.pk),
            token=token,
        )
    )


@twilio_webhook
def outbound_status(request: HttpRequest, call_id: uuid.UUID) -> HttpResponse:
    """Twilio's word on the life of a call that we have placed."""
    form = request.POST
    call_observed(call_id)
    try:
        heard = status_told(
            call_id,
            call_sid=form.get("CallSid", "")[:64],
            account_sid=form.get("AccountSid", "")[:64],
            status=form.get("CallStatus", "")[:20],
            sip_code=form.get("SipResponseCode", "")[:3],
            at=timezone.now(),
        )
        if heard is not None:
            _follow(heard)
    except DatabaseError:
        # What is lost here, Twilio is asked about later.
        logger.exception("the status of a call could not be written", extra={"call_id": str(call_id)})
    if form.get("CallStatus") in FINAL:
        _length_told(form)
    return HttpResponse(status=204)


@twilio_webhook
def outbound_machine(request: HttpRequest, call_id: uuid.UUID) -> HttpResponse:
    """Twilio's word on who has picked up: a person, or a machine."""
    form = request.POST
    try:
        is_one = machine_told(
            call_id,
            call_sid=form.get("CallSid", "")[:64],
            account_sid=form.get("AccountSid", "")[:64],
            answered_by=form.get("AnsweredBy", "")[:30],
            at=timezone.now(),
        )
    except DatabaseError:
        logger.exception("who has answered could not be written", extra={"call_id": str(call_id)})
        is_one = False
    if is_one:
        have_done(machine_answered, call_id=str(call_id))
    return HttpResponse(status=204)


def _follow(heard: Heard) -> None:
    """Do what follows from what has become true."""
    call_id = heard.call.pk
    if heard.unwanted:
        have_done(calls_hang_up)
    if heard.rings:
        status_changed(call_id, "ringing", timezone.now())
    if heard.over:
        logger.info("outbound call over", extra={"call_id": str(call_id), "reason": heard.over})
        over_tell(call_id, heard.over)
        have_done(placings_dial)  # there is room for one more


def _length_told(form: QueryDict) -> None:
    """Twilio's count of the seconds is what it charges by."""
    seconds = form.get("CallDuration", "")
    if seconds.isdecimal() and len(seconds) < 7:
        process_outbox().put(
            "calls.costs.tasks.carrier_call_write",
            {"call_sid": form.get("CallSid", "")[:64], "duration_s": int(seconds)},
        )


def _document(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/xml")

"""Twilio's webhooks. None of them ever answers 500: the caller would hear a machine's error message."""

import logging
import time
import uuid

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone

from calls import forwarding, services
from calls.costs.refusing import Spent, call_refuse_if_spent
from calls.cutover import canary, fallback
from calls.cutover.rescue import rescue_document
from calls.doctor.proof import proof_for
from calls.groups import over_tell
from calls.lines.after import GoesOn, call_after_stream
from calls.messages.asking import Forwarded, ToAsk, assistant_requested
from calls.models import Call, CallTransfer
from calls.observing.webhooks import voice_decided, voice_undecided
from calls.recorder import process_outbox
from calls.selectors import Whisper, whisper_for
from calls.testers import Told, decision_for_tester
from calls.transfers import destination_read
from calls.twilio import twiml
from calls.twilio.webhooks import twilio_webhook
from tools.observing.context import call_observed

logger = logging.getLogger(__name__)

# The operator has said hello by then and hears silence; a summary that takes longer is not worth it. A guess.
SUMMARY_PATIENCE_S = 2.0
SUMMARY_PAUSE_S = 0.2
# A process that was killed needs a moment to come back; the caller hears silence meanwhile.
RECONNECT_PAUSE_S = 1
WAY_BACK = fallback.MARK.partition("=")[0]  # in the query of a voice URL with a fallback
FINAL = {"completed", "busy", "no-answer", "failed", "canceled"}


def _document(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/xml")


@twilio_webhook
def voice(request: HttpRequest) -> HttpResponse:
    """What to do with an inbound call: connect it to our stream, hand it to the old provider, or apologise and hang up."""
    # Where a URL has a fallback, Twilio waits for two seconds and a half: a server that is to be asked may take longer.
    return _voice(request, may_wait=WAY_BACK not in request.GET)


@twilio_webhook
def voice_asked(request: HttpRequest) -> HttpResponse:
    """The same, once more, for a call whose server has to be asked who is to take it."""
    return _voice(request, may_wait=True)


def _voice(request: HttpRequest, *, may_wait: bool) -> HttpResponse:
    form = request.POST
    call_sid = form.get("CallSid", "")[:64]
    if not call_sid:
        return _document(twiml.apology_document(services.DEFAULT_APOLOGY, "en"))
    try:
        decision = _decision(form, call_sid, may_wait=may_wait)
    except DatabaseError:
        voice_undecided()
        logger.exception(
            "inbound call not decided: the database cannot be reached", extra={"call_sid": call_sid}
        )
        if WAY_BACK in request.GET:
            # Twilio takes any failure of ours to the number's fallback URL, where somebody answers.
            return HttpResponse("The database cannot be reached.", status=503, content_type="text/plain")
        return _document(twiml.apology_document(services.DEFAULT_APOLOGY, "en"))
    voice_decided(decision)
    return _document(_told(decision, query=request.GET.urlencode()))


Decision = canary.Handed | Told | Spent | services.Answered | services.Refused | Forwarded | ToAsk


def _told(decision: Decision, *, query: str) -> str:
    """The document of a decision. ``query`` is that of the address at which we were asked."""
    match decision:
        case Spent(call, sentence, language, forward_to):
            logger.warning(
                "inbound call not answered: the day's limit is spent", extra={"call_id": str(call.id)}
            )
            if forward_to:
                return twiml.forward_document(forward_to, otherwise=sentence, language=language)
            return twiml.apology_document(sentence, language)
        case canary.Handed(call, document):
            logger.info(
                "inbound call handed over", extra={"call_id": str(call.id), "call_sid": call.call_sid}
            )
            return document
        case Told(document):
            return document
        case ToAsk():
            return twiml.ask_again_document(f"{settings.PUBLIC_ORIGIN}/twilio/voice/asked?{query}")
        case Forwarded(call, transfer_id, destination, caller_id, words):
            logger.info("inbound call forwarded as its server said", extra={"call_id": str(call.id)})
            return twiml.dial_document(
                destination,
                public_origin=settings.PUBLIC_ORIGIN,
                transfer_id=str(transfer_id),
                caller_id=caller_id,
                words=words,
            )
        case services.Answered(call, token):
            logger.info("inbound call answered", extra={"call_id": str(call.id), "call_sid": call.call_sid})
            return _stream(call.id, token)
        case services.Refused(call, apology, language):
            logger.warning(
                "inbound call refused", extra={"call_id": str(call.id), "reason": call.refused_because}
            )
            return twiml.apology_document(apology, language)


def _decision(form: QueryDict, call_sid: str, *, may_wait: bool) -> Decision:
    """Who takes the call. One that comes with an error of Twilio's has failed elsewhere, so it goes nowhere else again."""
    account_sid, did = form.get("AccountSid", "")[:64], form.get("To", "")[:40]
    caller = form.get("From", "")[:80]
    tested = decision_for_tester(call_sid=call_sid, account_sid=account_sid, did=did, caller=caller)
    if tested is not None:
        return tested
    if fallback.error_seen(form, now=timezone.now()):
        logger.warning("inbound call came by a fallback", extra={"call_sid": call_sid})
        canary.call_take_back(call_sid=call_sid, why="It came back with an error of Twilio's.")
    else:
        handed = canary.call_hand_over(call_sid=call_sid, account_sid=account_sid, did=did, caller=caller)
        if handed is not None:
            return handed
    spent = call_refuse_if_spent(call_sid=call_sid, account_sid=account_sid, did=did, caller=caller)
    if spent is not None:
        return spent
    asked = assistant_requested(
        call_sid=call_sid, account_sid=account_sid, did=did, caller=caller, may_wait=may_wait
    )
    if asked is not None:
        return asked
    decision = services.call_start(call_sid=call_sid, account_sid=account_sid, did=did, caller=caller)
    if decision.call.stack == Call.Stack.VAPI:
        # Another webhook of the same call was decided between our two looks, or the share was changed since.
        handed = canary.handed_before(decision.call)
        return handed or services.call_start(
            call_sid=call_sid, account_sid=account_sid, did=did, caller=caller
        )
    return decision


@twilio_webhook
def check(request: HttpRequest) -> HttpResponse:
    """The doctor's own webhook: signed like Twilio's, and answered with what only this installation can know."""
    return HttpResponse(proof_for(request.POST.get("nonce", "")), content_type="text/plain")


@twilio_webhook
def status(request: HttpRequest) -> HttpResponse:
    """Twilio's word on the life of a call. Only the end matters, and only for what the bridge could not see."""
    if request.POST.get("CallStatus") in FINAL:
        _ended(request.POST)
        _length_told(request.POST)
    return HttpResponse(status=204)


def _length_told(form: QueryDict) -> None:
    """Twilio's count of the seconds is what it charges by."""
    seconds = form.get("CallDuration", "")
    if seconds.isdecimal() and len(seconds) < 7:
        process_outbox().put(
            "calls.costs.tasks.carrier_call_write",
            {"call_sid": form.get("CallSid", "")[:64], "duration_s": int(seconds)},
        )


def _ended(form: QueryDict) -> None:
    call_sid = form.get("CallSid", "")[:64]
    try:
        handover = canary.handed_over_ended(call_sid=call_sid, form=form)
        unseen = handover is None and fallback.unseen_ended(form, now=timezone.now())
    except DatabaseError:
        logger.exception("the end of a call could not be written", extra={"call_sid": call_sid})
        return
    if unseen:
        logger.warning("a call of ours ended that never reached us", extra={"call_sid": call_sid})
    elif handover is None:
        _over(call_sid, services.CARRIER_COMPLETED)
    elif handover.status_callback:
        pairs = [[name, value] for name, values in form.lists() for value in values]
        process_outbox().put("calls.tasks.status_forward", {"call_id": str(handover.pk), "pairs": pairs})


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
        ending = call_after_stream(call_sid=request.POST.get("CallSid", ""))
    except DatabaseError:
        logger.exception("the end of a stream could not be looked up")
        return _document(twiml.apology_document(services.DEFAULT_APOLOGY, "en"))
    match ending:
        case None:
            return _document(twiml.hang_up_document())
        case services.Refused():
            return _document(_rescued(ending.call) or twiml.apology_document(ending.apology, ending.language))
        case GoesOn(call_id=call_id, token=token):
            call_observed(call_id)
            logger.warning("a lost stream is opened anew", extra={"call_id": str(call_id)})
            return _document(_stream(call_id, token, pause_s=RECONNECT_PAUSE_S))
        case CallTransfer():
            # Twilio's order may have been lost. Where it was not, it overtakes this document.
            return _document(_dial(ending, pause_s=2))


def _rescued(call: Call) -> str:
    """The old provider's document for a call whose stream never came; empty where there is none."""
    try:
        document = rescue_document(call_sid=call.call_sid)
    except DatabaseError:
        logger.exception("the old provider could not be looked up", extra={"call_id": str(call.id)})
        return ""
    if document:
        logger.warning("a call without a stream goes to the old provider", extra={"call_id": str(call.id)})
    return document


def _dial(transfer: CallTransfer, *, pause_s: int = 0) -> str:
    """The document of a transfer once more."""
    destination = destination_read(transfer.destination, language="en")
    if destination is None:
        return twiml.hang_up_document()
    return twiml.dial_document(
        destination,
        public_origin=settings.PUBLIC_ORIGIN,
        transfer_id=str(transfer.id),
        caller_id=transfer.caller_id,
        pause_s=pause_s,
    )


@twilio_webhook
def transfer_whisper(request: HttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """What an operator hears who has picked up, before the caller is connected. An empty document connects at once."""
    child_sid = request.POST.get("CallSid", "")[:64]
    logger.info("operator picked up", extra={"transfer_id": str(transfer_id), "child_sid": child_sid})
    try:
        whisper = _whisper(transfer_id)
    except DatabaseError:
        logger.exception("an operator could not be told of the call")
        whisper = None
    if whisper is None:
        return _document(twiml.nothing_document())
    return _document(twiml.whisper_document(whisper.text, whisper.language, waits=whisper.waits))


def _whisper(transfer_id: uuid.UUID) -> Whisper | None:
    """The words for the operator; a summary that is late is waited for, a little."""
    patience = SUMMARY_PATIENCE_S
    while True:
        whisper = whisper_for(transfer_id=transfer_id, now=timezone.now())
        if whisper is None or not whisper.pending or patience <= 0:
            break
        time.sleep(SUMMARY_PAUSE_S)
        patience -= SUMMARY_PAUSE_S
    if whisper is not None:
        missing = "The summary did not come in time; the operator heard the usual words."
        forwarding.transfer_whispered(
            transfer_id=transfer_id, problem=missing if whisper.lacks_summary else ""
        )
    return whisper


@twilio_webhook
def transfer_ended(request: HttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    """What follows when somebody was dialled: the end, the words for that, or the assistant again."""
    form = request.POST
    seconds = form.get("DialCallDuration", "")
    try:
        following = forwarding.transfer_ended(
            transfer_id=transfer_id,
            call_sid=form.get("CallSid", ""),
            dial_status=form.get("DialCallStatus", "")[:20] or "failed",
            child_sid=form.get("DialCallSid", "")[:64],
            duration_s=int(seconds) if seconds.isdecimal() and len(seconds) < 7 else None,
            gone=form.get("CallStatus") in FINAL,
        )
    except DatabaseError:
        logger.exception("the end of a transfer could not be written")
        return _document(twiml.apology_document(services.DEFAULT_APOLOGY, "en"))
    logger.info(
        "transfer ended",
        extra={"transfer_id": str(transfer_id), "dial_status": form.get("DialCallStatus", "")[:20]},
    )
    match following:
        case forwarding.Over(words=""):
            return _document(twiml.hang_up_document())
        case forwarding.Over(words=words, language=language):
            return _document(twiml.apology_document(words, language))
        case forwarding.Again(transfer=transfer):
            return _document(_dial(transfer))
        case forwarding.Back(call_id=call_id, token=token):
            return _document(_stream(call_id, token))


def _stream(call_id: uuid.UUID, token: str, *, pause_s: int = 0) -> str:
    return twiml.stream_document(
        public_origin=settings.PUBLIC_ORIGIN,
        media_origin=settings.MEDIA_ORIGIN,
        call_id=str(call_id),
        token=token,
        pause_s=pause_s,
    )


def _over(call_sid: str, reason: str) -> None:
    try:
        call = services.call_over(call_sid=call_sid, ended_reason=reason)
    except DatabaseError:
        logger.exception("the end of a call could not be written", extra={"call_sid": call_sid})
        return
    if call is not None:
        call_observed(call.id)
        over_tell(call.id, reason)

"""Calls from test numbers: to our assistant as a smoke test's, to Vapi by its provider bypass, or to nobody."""

import logging
from dataclasses import dataclass

from django.conf import settings

from calls.cutover.bypass import BypassError, Order, ask
from calls.cutover.canary import why_no_bypass
from calls.models import PhoneNumber, SmokeLeg
from calls.services import DEFAULT_APOLOGY, Answered
from calls.smoke.legs import AtVapi, Unplaced, call_from_tester, leg_over, vapi_told
from calls.twilio import twiml

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """The call is told what to do by this document."""

    document: str


def decision_for_tester(*, call_sid: str, account_sid: str, did: str, caller: str) -> Told | Answered | None:
    """What becomes of a call from a test number; None for every other call."""
    found = call_from_tester(call_sid=call_sid, account_sid=account_sid, did=did, caller=caller)
    match found:
        case AtVapi():
            return Told(_vapi_document(found))
        case Unplaced(call):
            logger.warning("call from a test number refused", extra={"call_id": str(call.id)})
            return Told(twiml.apology_document(DEFAULT_APOLOGY, "en"))
        case _:
            return found


def _vapi_document(end: AtVapi) -> str:
    """Vapi's document for this end; a hang-up, and the leg is told why, where there is none."""
    if end.document:
        return end.document
    number = PhoneNumber.objects.filter(did=end.did).first()
    why = why_no_bypass(number, end.caller) if number is not None else "The number is not in Tandem."
    if not why and number is not None:
        within_s = settings.VOICE_ANSWER_WITHIN_MS / 1000 * 2
        try:
            reply = ask(Order(end.did, end.caller, number.vapi_id, within_s=within_s))
        except BypassError as exc:
            why = str(exc)
        else:
            return vapi_told(end.leg_id, document=reply.document, vapi_call_id=reply.call_id)
    logger.warning("a call of a smoke test could not be given to Vapi", extra={"leg_id": str(end.leg_id)})
    leg_over(SmokeLeg(pk=end.leg_id), why=f"The call could not be given to Vapi. {why}")
    return twiml.hang_up_document()

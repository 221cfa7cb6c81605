"""What Twilio says of calls that we have placed, in whatever order it comes, and as often as it comes."""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from calls.models import AHEAD, OVER, Call, Placing
from calls.placing.deeds import machine_put_off
from calls.placing.endings import call_close, reason_of_status
from calls.placing.machines import is_machine
from calls.services import CARRIER_COMPLETED, call_over, token_mint

logger = logging.getLogger(__name__)

FINAL: Final = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
_UNBEGUN: Final = (*AHEAD, Call.Status.RINGING)
State = Placing.State


@dataclass(frozen=True, slots=True)
class Heard:
    """What has become true of a call by what Twilio said: nothing, that it rings, or that it is over.

    ``unwanted``: the telephone call goes on although nobody wants it any more, and is to be hung up.
    """

    call: Call
    rings: bool = False
    over: str = ""  # why, in Vapi's words, where it was not over before
    unwanted: bool = False


def status_told(
    call_id: uuid.UUID, *, call_sid: str, account_sid: str, status: str, sip_code: str = "", at: datetime
) -> Heard | None:
    """What has become true by one of Twilio's status callbacks; None for a call that we have not placed."""
    with transaction.atomic():
        found = _found(call_id, account_sid)
        if found is None:
            return None
        call, placing = found
        _known_by(call, placing, call_sid)
        if status in FINAL:
            return Heard(call, over=_ended(call, status, sip_code, at))
        if call.status in OVER:
            return Heard(call, unwanted=_called_off(placing))
        if status not in ("ringing", "in-progress"):
            return Heard(call)
        if status == "in-progress":
            Placing.objects.filter(pk=call.pk, answered_at__isnull=True).update(answered_at=at)
        rings = Call.objects.filter(pk=call.pk, status__in=AHEAD).update(status=Call.Status.RINGING)
        return Heard(call, rings=bool(rings))


def answer_told(
    call_id: uuid.UUID, *, call_sid: str, account_sid: str, at: datetime
) -> tuple[Call, str] | None:
    """The call that somebody has answered, and the token of its stream; None where it is to be hung up: nobody wants it any more,
    or it is not the one that was placed.
    """
    with transaction.atomic():
        found = _found(call_id, account_sid)
        if found is None:
            return None
        call, placing = found
        _known_by(call, placing, call_sid)
        if call.call_sid != call_sid or call.status in OVER or placing.state != State.PLACED:
            return None
        Placing.objects.filter(pk=call.pk, answered_at__isnull=True).update(answered_at=at)
        if call.status in AHEAD:
            Call.objects.filter(pk=call.pk, status__in=AHEAD).update(status=Call.Status.RINGING)
            call.status = Call.Status.RINGING
        return call, token_mint(call)


def placing_placed(call_id: uuid.UUID, call_sid: str, *, certain: bool = True) -> bool:
    """Write Twilio's id of a call that was ordered; whether it is to be hung up, because it was called off meanwhile.

    An id that is not ``certain``, because it was found by looking, is not taken where Twilio has told the right one meanwhile.
    """
    with transaction.atomic():
        placing = Placing.objects.select_for_update(of=("self",)).get(pk=call_id)
        call = Call.objects.select_for_update(of=("self",)).get(pk=call_id)
        if not certain and placing.state != State.DIALLING:
            return False
        if not _known_by(call, placing, call_sid):
            return False
        return placing.hang_up


def machine_told(
    call_id: uuid.UUID, *, call_sid: str, account_sid: str, answered_by: str, at: datetime
) -> bool:
    """Whether Twilio says for the first time that this has answered a call, and it is a machine: something is to be done then."""
    with transaction.atomic():
        found = _found(call_id, account_sid)
        if found is None or found[0].call_sid != call_sid or found[0].status in OVER:
            return False
        news = Placing.objects.filter(pk=call_id).exclude(answered_by=answered_by)
        if not answered_by or not news.update(answered_by=answered_by[:30]):
            return False
        is_one = is_machine(answered_by, found[1].machine.get("types"))
        if is_one:
            machine_put_off(found[0], now=at)
        return is_one


def _found(call_id: uuid.UUID, account_sid: str) -> tuple[Call, Placing] | None:
    """Both rows, held; None where the account is not the one that the call was placed from."""
    # Always in this order, or two of these would wait for each other.
    placing = Placing.objects.select_for_update(of=("self",)).filter(pk=call_id).first()
    call = Call.objects.select_for_update(of=("self",)).filter(pk=call_id).first()
    if placing is None or call is None or call.account_sid != account_sid:
        return None
    return call, placing


def _known_by(call: Call, placing: Placing, call_sid: str) -> bool:
    """Note Twilio's id of a call; whether it is its id now.

    What comes to the call's own address names it for certain, even where Twilio had said that it placed none. An id that was
    found by looking may have been another's.
    """
    if not call_sid:
        return False
    if call.call_sid != call_sid:
        if call.call_sid and call.started_at is not None:
            return False
        if call.call_sid:
            logger.warning("a call has another SID than was believed", extra={"call_id": str(call.pk)})
        try:
            with transaction.atomic():
                Call.objects.filter(pk=call.pk).update(call_sid=call_sid)
        except IntegrityError:
            logger.warning("the SID of a call is that of another", extra={"call_id": str(call.pk)})
            return False
        call.call_sid = call_sid
    if placing.state not in (State.PLACED, State.OVER):
        Placing.objects.filter(pk=placing.pk).update(state=State.PLACED)
        placing.state = State.PLACED
    return True


def _ended(call: Call, status: str, sip_code: str, at: datetime) -> str:
    """Why the call is over that was not until now; empty where it was."""
    Placing.objects.filter(pk=call.pk).update(hang_up=False, state=State.OVER)
    if call.status in OVER:
        return ""
    if call.started_at is None:
        reason = reason_of_status(status, sip_code)
        return reason if call_close(call, reason, at=at, among=_UNBEGUN) else ""
    call_over(call_sid=call.call_sid, ended_reason=CARRIER_COMPLETED)
    return CARRIER_COMPLETED


def _called_off(placing: Placing) -> bool:
    """Whether a call that is over for us rings or talks at Twilio, and so is to be hung up; late news of one that is over there is none."""
    if placing.state == State.OVER:
        return False
    Placing.objects.filter(pk=placing.pk).update(hang_up=True)
    return True

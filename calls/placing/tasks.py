"""Celery's side of calls that we place, on queue `records`. Each task may run twice, and beside itself."""

import logging
import time
import uuid
from typing import Any, Final

from celery import shared_task
from celery.exceptions import OperationalError as BrokerError
from django.utils import timezone

from calls.clients import TwilioRefusedError
from calls.concurrency.room import room
from calls.groups import over_tell
from calls.live.control import Result, call_end, call_say
from calls.messages.services import status_changed
from calls.models import AHEAD, Call
from calls.placing.deeds import machine_done, machine_is_done, machine_order, machine_put_off, machines_due
from calls.placing.dialling import Dialled, placing_dial, placings_find, placings_hang_up, placings_look
from calls.placing.endings import VOICEMAIL, call_close
from calls.placing.machines import message_for
from calls.placing.telephone import TwilioTelephone
from calls.placing.turns import placing_refuse, placing_take, placings_due, placings_give_up
from tools.tasks import PrivateTask

logger = logging.getLogger(__name__)

# Of one task; the next one goes on.
DIALS_FOR_S: Final = 40.0
_MACHINE_TRIES: Final = 8


@shared_task(name="calls.placing.tasks.placings_dial", base=PrivateTask, ignore_result=True)
def placings_dial() -> None:
    """Dial whoever's turn it is, one after the other, until there is nobody left or no room.

    An account from which Twilio takes no more calls at the moment is left alone until the next run.
    """
    telephone, until = TwilioTelephone(), time.monotonic() + DIALS_FOR_S
    busy: set[str] = set()
    while time.monotonic() < until:
        placing = placing_take(now=timezone.now(), without=busy)
        if placing is None:
            return
        if placing_refuse(placing, now=timezone.now()):
            continue
        # Before Twilio can tell that it rings; of most calls whoever has ordered them has told so already.
        queued_at = timezone.now() if placing.earliest_at is not None else placing.call.created_at
        status_changed(placing.pk, "queued", queued_at)
        outcome = placing_dial(placing, telephone)
        logger.info("call dialled", extra={"call_id": str(placing.pk), "outcome": outcome.value})
        if outcome is Dialled.LATER:
            busy.add(placing.call.account_sid)
    have_done(placings_dial)


@shared_task(name="calls.placing.tasks.placings_go_on", ignore_result=True)
def placings_go_on() -> None:
    """Close what has waited for too long, find what was lost, hang up what was called off, and dial; for the beat, every few seconds."""
    telephone = TwilioTelephone()
    for call in placings_give_up(now=timezone.now()):
        logger.warning("a call was not placed in time", extra={"call_id": str(call.pk)})
    placings_find(telephone, now=timezone.now())
    for heard in placings_look(telephone, now=timezone.now()):
        logger.warning("a call was closed late", extra={"call_id": str(heard.call.pk), "reason": heard.over})
        over_tell(heard.call.pk, heard.over)
    placings_hang_up(telephone)
    for call_id in machines_due(now=timezone.now()):
        have_done(machine_answered, call_id=str(call_id))
    if placings_due(now=timezone.now()).exists() and room(now=timezone.now()).left:
        placings_dial()


@shared_task(name="calls.placing.tasks.calls_hang_up", ignore_result=True)
def calls_hang_up() -> None:
    """Hang up the calls that were called off."""
    placings_hang_up(TwilioTelephone())


@shared_task(
    bind=True,
    name="calls.placing.tasks.machine_answered",
    base=PrivateTask,
    ignore_result=True,
    max_retries=None,
)
def machine_answered(self: PrivateTask, *, call_id: str) -> None:
    """Leave the message on an answering machine, or just end the call; once, however often somebody comes to do it."""
    call = Call.objects.select_related("version", "phone_number").filter(pk=uuid.UUID(call_id)).first()
    if call is None or call.status in (*AHEAD, Call.Status.ENDED):
        return
    if machine_is_done(call):
        machine_done(call)
        return
    machine_put_off(call, now=timezone.now())
    message = message_for(call)
    order_id = machine_order(call)
    outcome = (
        call_say(call.pk, message, end_after=True, reason=VOICEMAIL, interrupt=True, order_id=order_id)
        if message
        else call_end(call.pk, VOICEMAIL, order_id=order_id)
    )
    if outcome.taken:
        machine_done(call)
        return
    if outcome.result is not Result.REFUSED and self.request.retries < _MACHINE_TRIES:
        # Its stream is not open yet.
        raise self.retry(countdown=1)
    logger.warning("an answering machine was hung up on", extra={"call_id": call_id, "why": outcome.why})
    machine_done(call)
    call_close(call, VOICEMAIL, at=timezone.now(), among=(Call.Status.RINGING,))
    try:
        TwilioTelephone().hang_up(call.call_sid, account_sid=call.account_sid)
    except TwilioRefusedError as exc:
        logger.warning("a call could not be hung up", extra={"call_id": call_id, "why": str(exc)})


def have_done(task: Any, **arguments: Any) -> None:
    """Have a task done soon. Without the broker the beat does it, or whoever comes next."""
    try:
        task.delay(**arguments)
    except BrokerError:
        logger.warning("the broker could not be reached", extra={"task": task.name})

"""Dialling: a call is ordered from Twilio once. It is ordered again only where Twilio itself has said that it placed none.

Where the answer was lost, nobody knows. Then Twilio's callbacks tell, which come to the call's own address, or its list of
calls; and where both are silent the call is closed, and nobody is called a second time.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from calls.clients import TwilioRefusedError
from calls.dialling.ordering import CallOrder, NeverSentError, NotPlacedError, UnsureError
from calls.models import LIVE, OVER, Call, Placing
from calls.placing.endings import FAILED, call_close, call_unplaced, reason_of_error
from calls.placing.progress import FINAL, Heard, placing_placed, status_told
from calls.placing.telephone import Telephone

logger = logging.getLogger(__name__)

State = Placing.State
Clock = Callable[[], datetime]

EVENTS: Final = ("initiated", "ringing", "answered", "completed")
# Twilio answers within some hundred milliseconds, and is waited for no longer than its client's time limit.
FIND_AFTER: Final = timedelta(seconds=15)
LOST_AFTER: Final = timedelta(minutes=2)
# Longer than anybody lets it ring; a callback that has not come by then is asked for.
LOOK_AFTER: Final = timedelta(seconds=90)
LOOK_AGAIN_AFTER: Final = timedelta(seconds=60)
UNKNOWN_AFTER: Final = timedelta(minutes=10)
_PAUSE_S: Final = 1.0
_PAUSE_MOST_S: Final = 30.0
_MOST: Final = 50


class Dialled(Enum):
    """What became of dialling."""

    PLACED = "placed"
    LATER = "later"
    REFUSED = "refused"
    UNSURE = "unsure"
    UNWANTED = "unwanted"


def placing_dial(placing: Placing, telephone: Telephone, *, clock: Clock = timezone.now) -> Dialled:
    """Order a call that has been taken from its place in the queue."""
    call = placing.call
    if Call.objects.filter(pk=call.pk, status__in=OVER).exists():
        return Dialled.UNWANTED
    try:
        call_sid = telephone.order(order_for(placing), account_sid=call.account_sid)
    except NotPlacedError as exc:
        return _not_placed(placing, exc, now=clock())
    except NeverSentError as exc:
        logger.warning("twilio could not be reached", extra={"call_id": str(call.pk), "why": str(exc)})
        return _later(placing, now=clock())
    except UnsureError as exc:
        logger.warning(
            "it is not known whether a call was placed", extra={"call_id": str(call.pk), "why": str(exc)}
        )
        return Dialled.UNSURE
    if placing_placed(call.pk, call_sid):
        placing_hang_up(Placing.objects.select_related("call").get(pk=call.pk), telephone)
        return Dialled.UNWANTED
    return Dialled.PLACED


def order_for(placing: Placing) -> CallOrder:
    """What is asked of Twilio. The call's own id stands in every address that Twilio is given."""
    place = f"{settings.PUBLIC_ORIGIN}/twilio/outbound/{placing.pk}"
    machine = dict(placing.machine.get("options") or {})
    if machine:
        machine |= {
            "async_amd_status_callback": f"{place}/machine",
            "async_amd_status_callback_method": "POST",
        }
    extension = str(placing.customer.get("extension") or "")
    return CallOrder(
        to=placing.call.caller,
        caller=placing.call.did,
        url=place,
        status_url=f"{place}/status",
        rings_s=placing.rings_s,
        events=EVENTS,
        # The other end's exchange needs a moment before it listens to keys.
        digits=f"ww{extension}" if extension else "",
        machine=machine,
    )


def _not_placed(placing: Placing, exc: NotPlacedError, *, now: datetime) -> Dialled:
    Placing.objects.filter(pk=placing.pk).update(error_code=str(exc.code or exc.status))
    if exc.later:
        return _later(placing, now=now)
    why = f"Twilio refused to place the call (error {exc.code or exc.status}): {_WHY.get(exc.code, _SEE)}"
    logger.warning(
        "twilio refused to place a call", extra={"call_id": str(placing.pk), "code": exc.code or exc.status}
    )
    call_unplaced(
        placing.call, reason_of_error(exc.code), why, at=now, code=f"twilio_{exc.code or exc.status}"
    )
    return Dialled.REFUSED


def _later(placing: Placing, *, now: datetime) -> Dialled:
    """Put a call back that was certainly not placed; the others wait for it no longer than it waits itself."""
    pause = min(_PAUSE_MOST_S, _PAUSE_S * 2 ** min(placing.attempts, 10))
    Placing.objects.filter(pk=placing.pk, state=State.DIALLING).update(
        state=State.WAITING, due_at=now + timedelta(seconds=pause)
    )
    return Dialled.LATER


# What was lost on the way ------------------------------------------------------------------------------------


def placings_find(telephone: Telephone, *, now: datetime) -> int:
    """How many calls were found, or closed, whose order was not answered, or whose worker died over it."""
    doubtful = (
        Placing.objects.select_related("call")
        .filter(state=State.DIALLING, claimed_at__lt=now - FIND_AFTER)
        .filter(~Q(call__status__in=OVER) | Q(hang_up=True))
        .order_by("claimed_at")
    )
    return sum(_find(placing, telephone, now) for placing in doubtful[:_MOST])


def _find(placing: Placing, telephone: Telephone, now: datetime) -> bool:
    call, since = placing.call, placing.claimed_at
    assert since is not None  # of everything that is dialled
    own = Call.objects.filter(caller=call.caller, did=call.did, created_at__gt=now - timedelta(days=7))
    known = frozenset(own.exclude(call_sid="").values_list("call_sid", flat=True))
    try:
        seen = telephone.seen(
            to=call.caller, caller=call.did, account_sid=call.account_sid, since=since, known=known
        )
    except UnsureError:
        if now - since < UNKNOWN_AFTER:
            return False
        seen = []
    if seen:
        if placing_placed(call.pk, seen[0]):
            placing_hang_up(Placing.objects.select_related("call").get(pk=call.pk), telephone)
        return True
    if now - since < LOST_AFTER:
        return False
    Placing.objects.filter(pk=placing.pk).update(state=State.PLACED, hang_up=False)
    why = (
        "Twilio's answer to the order was lost, and neither a callback nor its list of calls tells of the call. It was not ordered "
        "again, because it might have been placed."
    )
    return call_unplaced(call, FAILED, why, at=now, code="order_lost") or placing.hang_up


def placings_look(telephone: Telephone, *, now: datetime) -> list[Heard]:
    """What Twilio says of calls that have rung for suspiciously long: a callback of theirs may have been lost."""
    silent = (
        Placing.objects.select_related("call")
        .filter(state=State.PLACED, call__status__in=(Call.Status.QUEUED, Call.Status.RINGING))
        .filter(claimed_at__lt=now - LOOK_AFTER)
        .filter(Q(looked_at__isnull=True) | Q(looked_at__lt=now - LOOK_AGAIN_AFTER))
        .exclude(call__call_sid="")
        .order_by("claimed_at")
    )
    heard = []
    for placing in silent[:_MOST]:
        call = placing.call
        try:
            state = telephone.state(call.call_sid, account_sid=call.account_sid)
        except TwilioRefusedError:
            break  # the next run goes on
        Placing.objects.filter(pk=placing.pk).update(looked_at=now)
        if state is None:
            claimed_at = placing.claimed_at or now
            if now - claimed_at > UNKNOWN_AFTER and call_close(
                call, FAILED, at=now, among=(Call.Status.QUEUED, *LIVE)
            ):
                heard.append(Heard(call, over=FAILED))
        elif state.status in FINAL:
            told = status_told(
                call.pk, call_sid=call.call_sid, account_sid=call.account_sid, status=state.status, at=now
            )
            heard += [told] if told is not None else []
    return heard


# Hanging up --------------------------------------------------------------------------------------------------


def placing_hang_up(placing: Placing, telephone: Telephone) -> bool:
    """Whether a call that was called off is not on the line any more."""
    call = placing.call
    if not call.call_sid:
        return False
    try:
        telephone.hang_up(call.call_sid, account_sid=call.account_sid)
    except TwilioRefusedError as exc:
        logger.warning("a call could not be hung up", extra={"call_id": str(call.pk), "why": str(exc)})
        return False
    Placing.objects.filter(pk=placing.pk).update(hang_up=False)
    return True


def placings_hang_up(telephone: Telephone) -> int:
    """How many calls were hung up that were called off."""
    unwanted = Placing.objects.select_related("call").filter(hang_up=True).exclude(call__call_sid="")
    return sum(placing_hang_up(placing, telephone) for placing in unwanted[:_MOST])


_SEE: Final = "see its documentation."
_WHY: Final[dict[int, str]] = {
    20003: "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or the account's under Twilio accounts.",
    20005: "the account is not active.",
    21205: "PUBLIC_ORIGIN is no address that Twilio can reach.",
    21210: "the number that calls is not verified, or not one of the account's.",
    21211: "the number to be called is none.",
    21212: "the number that calls is none of the account's.",
    21215: "calls to that country are not switched on for the account.",
    21216: "calls to that number are blocked.",
    21219: "a trial account calls only numbers that were verified.",
    21609: "PUBLIC_ORIGIN is no address that Twilio can reach.",
    22005: "too many calls wait at Twilio already.",
}

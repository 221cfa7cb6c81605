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
from django.db import transaction
from django.db.models import F, Q
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
# No call lasts longer at Twilio.
NEVER_LONGER: Final = timedelta(hours=24)
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
        # Twilio has nothing of it that could be looked for, or hung up: what is found would be another's.
        Placing.objects.filter(pk=call.pk).update(state=State.OVER, hang_up=False)
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
    code = f"twilio_{exc.code or exc.status}"
    call_unplaced(placing.call, reason_of_error(exc.code), why, at=now, code=code, ordered=True)
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
    found, silent = 0, set[str]()
    for placing in doubtful[:_MOST]:
        account_sid = placing.call.account_sid
        try:
            seen = [] if account_sid in silent else _seen(placing, telephone)
        except UnsureError:
            # Each question may take seconds; the next run asks again.
            silent.add(account_sid)
            seen = []
        patience = UNKNOWN_AFTER if account_sid in silent else LOST_AFTER
        found += _found(placing, seen, telephone) or (
            now - _since(placing) >= patience and _give_up(placing, now)
        )
    return found


def _since(placing: Placing) -> datetime:
    assert placing.claimed_at is not None  # of everything that is dialled
    return placing.claimed_at


def _seen(placing: Placing, telephone: Telephone) -> list[str]:
    """The calls in Twilio's list that this one may be. Raises UnsureError."""
    call, since = placing.call, _since(placing)
    own = Call.objects.filter(caller=call.caller, did=call.did, placing__claimed_at__gt=since - NEVER_LONGER)
    known = frozenset(own.exclude(call_sid="").values_list("call_sid", flat=True))
    return telephone.seen(
        to=call.caller, caller=call.did, account_sid=call.account_sid, since=since, known=known
    )


def _found(placing: Placing, seen: list[str], telephone: Telephone) -> bool:
    """Whether the call is known by Twilio's id now: one of those that were seen, or what was told meanwhile."""
    if not seen:
        return False
    if placing_placed(placing.pk, seen[0], certain=False):
        placing_hang_up(Placing.objects.select_related("call").get(pk=placing.pk), telephone)
    return not Placing.objects.filter(pk=placing.pk, state=State.DIALLING).exists()


def _give_up(placing: Placing, now: datetime) -> bool:
    """Whether an order is lost for good, which is written; nothing is where Twilio has told of the call just now."""
    with transaction.atomic():
        if Placing.objects.select_for_update(of=("self",)).get(pk=placing.pk).state != State.DIALLING:
            return False
        Placing.objects.filter(pk=placing.pk).update(state=State.PLACED, hang_up=False)
        why = (
            "Twilio's answer to the order was lost, and neither a callback nor its list of calls tells of the call. "
            "It was not ordered again, because it might have been placed."
        )
        call_unplaced(placing.call, FAILED, why, at=now, code="order_lost", ordered=True)
    return True


def placings_look(telephone: Telephone, *, now: datetime) -> list[Heard]:
    """What Twilio says of calls that have rung for suspiciously long: a callback of theirs may have been lost."""
    silent = (
        Placing.objects.select_related("call")
        .filter(state=State.PLACED, call__status__in=(Call.Status.QUEUED, Call.Status.RINGING))
        .filter(claimed_at__lt=now - LOOK_AFTER)
        .filter(Q(looked_at__isnull=True) | Q(looked_at__lt=now - LOOK_AGAIN_AFTER))
        .exclude(call__call_sid="")
        .order_by(F("looked_at").asc(nulls_first=True), "claimed_at")
    )
    heard = []
    for placing in silent[:_MOST]:
        call = placing.call
        Placing.objects.filter(pk=placing.pk).update(looked_at=now)
        try:
            state = telephone.state(call.call_sid, account_sid=call.account_sid)
        except TwilioRefusedError as exc:
            if exc.unsure:
                break  # each question may take seconds; the next run begins with others
            state = None  # an account that is not ours any more: nobody tells of this call
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


def placing_hang_up(placing: Placing, telephone: Telephone, *, clock: Clock = timezone.now) -> bool:
    """Whether a call that was called off is not on the line any more."""
    try:
        return _hung_up(placing, telephone, at=clock())
    except TwilioRefusedError:
        return False


def _hung_up(placing: Placing, telephone: Telephone, *, at: datetime) -> bool:
    """Whether there is a call, which is over now. Raises TwilioRefusedError."""
    call = placing.call
    if not call.call_sid:
        return False
    Placing.objects.filter(pk=placing.pk).update(looked_at=at)
    try:
        telephone.hang_up(call.call_sid, account_sid=call.account_sid)
    except TwilioRefusedError as exc:
        logger.warning("a call could not be hung up", extra={"call_id": str(call.pk), "why": str(exc)})
        raise
    Placing.objects.filter(pk=placing.pk).update(hang_up=False)
    return True


def placings_hang_up(telephone: Telephone, *, clock: Clock = timezone.now) -> int:
    """How many calls were hung up that were called off. Those that cannot be do not keep the others."""
    unwanted = (
        Placing.objects.select_related("call")
        .filter(hang_up=True, claimed_at__gt=clock() - NEVER_LONGER)
        .exclude(call__call_sid="")
        .order_by(F("looked_at").asc(nulls_first=True), "claimed_at")
    )
    done = 0
    for placing in unwanted[:_MOST]:
        try:
            done += _hung_up(placing, telephone, at=clock())
        except TwilioRefusedError as exc:
            if exc.unsure:
                break  # each order may take seconds; the next run begins with others
    return done


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

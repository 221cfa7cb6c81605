"""The telephone calls of smoke tests as rows: placed, recognised at their other end, answered, and over.

Who calls is told by the number alone, so from one test number to one number only one call may ring at a time: the database
sees to that. Nobody else may call from a test number: what nobody placed is refused, so that no call of a test can ever reach
the real tools because it came late.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from calls.models import Call, SmokeLeg, SmokePair, SmokeRun
from calls.services import Answered, token_mint

logger = logging.getLogger(__name__)

# The longest call of a smoke test, as Twilio is told, and how long it rings.
LONGEST_S: Final = 420
RINGS_S: Final = 30
# Twilio places one outbound call a second, and lets others wait; a leg that nobody accounts for after this is lost.
LOST_AFTER: Final = timedelta(seconds=LONGEST_S + 180)
_REFUSED: Final = (
    "It came from a test number, and no smoke test had placed it. Test numbers are for smoke tests only."
)
_LIVE: Final = (SmokeLeg.Status.PLACING, SmokeLeg.Status.TALKING)


@dataclass(frozen=True, slots=True)
class AtVapi:
    """The other end of a call that is to be taken by Vapi."""

    leg_id: uuid.UUID
    did: str
    caller: str
    document: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A call from a test number that no smoke test has placed. It reaches nobody."""

    call: Call


def leg_claim(pair: SmokePair, *, stack: SmokeLeg.Stack, to: str, numbers: Sequence[str]) -> SmokeLeg | None:
    """The leg of a pair in our hands, with the first test number that is free; None while none is."""
    for number in numbers:
        try:
            with transaction.atomic():
                held = SmokePair.objects.select_for_update().filter(pk=pair.pk, attempts=pair.attempts)
                now = timezone.now()
                # The pair is in hand for another call from now on.
                if not held.exclude(status=SmokePair.Status.JUDGED).update(placed_at=now):
                    return None
                SmokeRun.objects.filter(pk=pair.run_id).update(moved_at=now)
                return SmokeLeg.objects.create(
                    pair=pair,
                    attempt=pair.attempts,
                    stack=stack,
                    from_number=number,
                    to_number=to,
                    placed_at=now,
                )
        except IntegrityError:
            continue
    return None


# The other end ----------------------------------------------------------------------------------------------


def call_from_tester(
    *, call_sid: str, account_sid: str, did: str, caller: str
) -> Answered | AtVapi | Unplaced | None:
    """What becomes of a call that comes in from a test number; None for every other call.

    A webhook that Twilio repeats gets the same.
    """
    if caller not in settings.SMOKE_TEST_NUMBERS:
        return None
    with transaction.atomic():
        legs = SmokeLeg.objects.select_for_update(of=("self",)).select_related("pair__run", "pair__call")
        leg = legs.filter(far_sid=call_sid).first() or (
            legs.filter(
                from_number=caller,
                to_number=did,
                holds_line=True,
                far_sid="",
                status=SmokeLeg.Status.PLACING,
                attempt=F("pair__attempts"),
                pair__run__status=SmokeRun.Status.RUNNING,
            ).first()
        )
        if leg is None:
            return Unplaced(_refused_call(call_sid, account_sid, did, caller))
        SmokeLeg.objects.filter(pk=leg.pk).update(far_sid=call_sid)
        if leg.stack == SmokeLeg.Stack.VAPI:
            return AtVapi(leg.pk, did, caller, leg.document)
        # Accounted for: the next one may ring.
        SmokeLeg.objects.filter(pk=leg.pk).update(holds_line=False)
        call = leg.pair.call
        if call is None:
            call = pair_call_create(
                leg.pair, call_sid=call_sid, account_sid=account_sid, did=did, caller=caller
            )
        return Answered(call, token_mint(call))


def pair_call_create(pair: SmokePair, *, call_sid: str, account_sid: str, did: str, caller: str) -> Call:
    """The call of a pair, begun. Its row says that it is of a smoke test, so all its tools are answered by the scenario."""
    call = Call.objects.create(
        smoke_test=True,
        call_sid=call_sid,
        account_sid=account_sid,
        did=did,
        caller=caller,
        phone_number_id=pair.run.number_id,
        assistant_id=pair.run.assistant_id,
        version_id=pair.run.assistant_version_id,
    )
    SmokePair.objects.filter(pk=pair.pk).update(call=call, status=SmokePair.Status.CONNECTED)
    SmokeRun.objects.filter(pk=pair.run_id).update(moved_at=timezone.now())
    return call


def _refused_call(call_sid: str, account_sid: str, did: str, caller: str) -> Call:
    call, _ = Call.objects.get_or_create(
        call_sid=call_sid,
        defaults={
            "smoke_test": True,
            "account_sid": account_sid,
            "did": did,
            "caller": caller,
            "status": Call.Status.REFUSED,
            "refused_because": _REFUSED,
            "ended_reason": "call-start-error-neither-assistant-nor-server-set",
            "ended_at": timezone.now(),
        },
    )
    return call


def vapi_told(leg_id: uuid.UUID, *, document: str, vapi_call_id: str) -> str:
    """The document for the other end: the first one that Vapi gave."""
    SmokeLeg.objects.filter(pk=leg_id, document="").update(document=document, vapi_call_id=vapi_call_id[:100])
    return SmokeLeg.objects.values_list("document", flat=True).get(pk=leg_id)


# The caller's end -------------------------------------------------------------------------------------------


def leg_placed(leg: SmokeLeg, *, call_sid: str) -> None:
    """Note Twilio's id of the call."""
    SmokeLeg.objects.filter(pk=leg.pk, call_sid="").update(call_sid=call_sid)


def leg_answered(leg_id: uuid.UUID, *, call_sid: str) -> SmokeLeg | None:
    """The leg, which somebody has answered: it talks now. None where it must not: it is over, or others than us answered.

    Twilio asks again after keys were pressed, and when it repeats itself.
    """
    with transaction.atomic():
        leg = (
            SmokeLeg.objects.select_for_update(of=("self",))
            .select_related("pair__run")
            .filter(pk=leg_id)
            .first()
        )
        if leg is None or leg.status not in _LIVE or leg.pair.attempts != leg.attempt:
            return None
        if leg.pair.run.status != SmokeRun.Status.RUNNING or leg.call_sid not in ("", call_sid):
            return None
        if leg.stack == SmokeLeg.Stack.DIRECT and not leg.far_sid:
            leg_over(leg, why=_answered_by_others(leg))
            return None
        leg.status, leg.call_sid = SmokeLeg.Status.TALKING, call_sid
        leg.answered_at = leg.answered_at or timezone.now()
        leg.save(update_fields=["status", "call_sid", "answered_at"])
        SmokeRun.objects.filter(pk=leg.pair.run_id).update(moved_at=timezone.now())
        return leg


def _answered_by_others(leg: SmokeLeg) -> str:
    return (
        f"The call to {leg.to_number} was answered, but it did not come to this installation as a call of the smoke test, so "
        "it was ended before a word was said. The number must be answered by Tandem (see Cutover), and the network must "
        f"show {leg.from_number} as the caller."
    )


def leg_over(leg: SmokeLeg, *, why: str = "") -> bool:
    """Whether the leg was live and is over now, well or, with ``why``, not."""
    over = SmokeLeg.objects.filter(pk=leg.pk, status__in=_LIVE)
    status = SmokeLeg.Status.FAILED if why else SmokeLeg.Status.OVER
    return bool(over.update(status=status, why=why, over_at=timezone.now(), holds_line=False))


_NOT_ANSWERED: Final = {
    "busy": "The call was not answered: the line was busy.",
    "no-answer": f"The call was not answered within {RINGS_S} s.",
    "failed": "The call could not be placed: Twilio could not reach the number.",
    "canceled": "The call was cancelled before it was answered.",
}


def leg_ended(leg: SmokeLeg, status: str) -> bool:
    """Whether a leg was live of which Twilio says that it ended so, in the words of CallStatus."""
    if status in _NOT_ANSWERED:
        return leg_over(leg, why=_NOT_ANSWERED[status])
    if status != "completed":
        return False
    never = (
        ""
        if leg.answered_at
        else "The call ended as soon as it was answered, before the caller was connected."
    )
    return leg_over(leg, why=never)


# The caller's stream -----------------------------------------------------------------------------------------


def leg_token(leg: SmokeLeg) -> str:
    """What opens the caller's stream, once for each time that it is connected."""
    return salted_hmac("calls.smoke.leg", f"{leg.pk}:{leg.turn}", algorithm="sha256").hexdigest()


def leg_stream_claim(leg_id: uuid.UUID, *, call_sid: str, token: str) -> SmokeLeg | None:
    """The leg whose stream this is; None where the token is not good, or was used."""
    leg = SmokeLeg.objects.select_related("pair__run").filter(pk=leg_id, call_sid=call_sid).first()
    if leg is None or not constant_time_compare(token, leg_token(leg)):
        return None
    unused = SmokeLeg.objects.filter(
        pk=leg.pk, status=SmokeLeg.Status.TALKING, turn=leg.turn, token_used_at__isnull=True
    )
    return leg if unused.update(token_used_at=timezone.now(), keys="") else None


def leg_presses(leg_id: uuid.UUID, *, keys: str, turn: int) -> None:
    """Note the keys that Twilio is to press, and with which turn the caller goes on after that."""
    SmokeLeg.objects.filter(pk=leg_id, status=SmokeLeg.Status.TALKING).update(
        keys=keys, turn=turn, token_used_at=None
    )


def leg_caller_left(
    leg_id: uuid.UUID,
    *,
    ended_because: str,
    goal_reached: bool | None = None,
    said_never: Sequence[str] = (),
    broke: str = "",
) -> None:
    """Note how the call ended for the caller; ``broke``: their part could not be played to its end."""
    SmokeLeg.objects.filter(pk=leg_id).update(
        ended_because=ended_because[:200], goal_reached=goal_reached, said_never=list(said_never)
    )
    if broke:
        leg_over(SmokeLeg(pk=leg_id), why=broke)


# What is left behind -----------------------------------------------------------------------------------------


def leg_wanted(leg_id: uuid.UUID) -> bool:
    """Whether the call of this leg is still to go on."""
    return SmokeLeg.objects.filter(
        pk=leg_id,
        status__in=_LIVE,
        attempt=F("pair__attempts"),
        pair__run__status=SmokeRun.Status.RUNNING,
        pair__status__in=[SmokePair.Status.PLACED, SmokePair.Status.CONNECTED],
    ).exists()


def legs_unwanted(*, now: datetime) -> QuerySet[SmokeLeg]:
    """The legs that are live as far as we know, and that nobody waits for any more: to be hung up."""
    return SmokeLeg.objects.filter(status__in=_LIVE).filter(
        ~Q(attempt=F("pair__attempts"))
        | ~Q(pair__run__status=SmokeRun.Status.RUNNING)
        | ~Q(pair__status__in=[SmokePair.Status.PLACED, SmokePair.Status.CONNECTED])
        | Q(placed_at__lt=now - LOST_AFTER)
    )

"""Whose turn it is: calls wait in their order until one more may be placed, and each is taken by one worker, once."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from calls.costs.limits import day_limit_spent
from calls.costs.refusing import ENDED_REASON as NO_MONEY
from calls.models import AHEAD, LIVE, Call, Placing
from calls.placing.endings import call_unplaced
from calls.placing.guards import why_not_from
from calls.placing.locks import TURNS, locked

# Vapi's word for a call that found no room.
NO_ROOM: Final = "call.start.error-subscription-concurrency-limit-reached"
TOO_LATE: Final = timedelta(seconds=1)
State = Placing.State


@dataclass(frozen=True, slots=True)
class Room:
    """How many calls may be placed at a time, and how many of them are on the line or on their way."""

    limit: int
    taken: int

    @property
    def left(self) -> int:
        """How many more may be placed now."""
        return max(0, self.limit - self.taken)


def room() -> Room:
    """What is left of the concurrency."""
    return Room(settings.OUTBOUND_CONCURRENCY, calls_on_line().count())


def calls_on_line() -> QuerySet[Placing]:
    """Calls that Twilio has, or may have: each takes one place."""
    under_way = Q(call__status=Call.Status.QUEUED) & ~Q(state=State.WAITING)
    return Placing.objects.filter(Q(call__status__in=LIVE) | under_way)


def placings_due(*, now: datetime) -> QuerySet[Placing]:
    """Those whose time has come, the first first."""
    waiting = Placing.objects.filter(state=State.WAITING, call__status__in=AHEAD, due_at__lte=now)
    return waiting.order_by("due_at", "request_id", "position")


def placing_take(*, now: datetime) -> Placing | None:
    """The next one, in the hands of whoever called this; None while there is none, or no room for it.

    From now on it is ordered from Twilio, as far as anybody knows: nobody takes it again.
    """
    with transaction.atomic():
        locked(TURNS)
        found = placings_due(now=now)
        if not found.exists() or not room().left:
            return None
        placing = (
            found.exclude(call__phone_number__in=_numbers_taken())
            .select_for_update(of=("self",), skip_locked=True)
            .select_related("call__phone_number", "call__assistant")
            .first()
        )
        if placing is None:
            return None
        placing.state, placing.claimed_at, placing.attempts = State.DIALLING, now, placing.attempts + 1
        placing.save(update_fields=["state", "claimed_at", "attempts"])
        Call.objects.filter(pk=placing.pk, status=Call.Status.SCHEDULED).update(status=Call.Status.QUEUED)
        _follow_live(placing)
        return placing


def _numbers_taken() -> list[uuid.UUID | None]:
    """The numbers from which as many calls are placed as may be."""
    most = settings.OUTBOUND_CONCURRENCY_PER_NUMBER
    if not most:
        return []
    counted = calls_on_line().order_by().values("call__phone_number").annotate(n=Count("pk"))
    return list(
        counted.filter(n__gte=most, call__phone_number__isnull=False).values_list(
            "call__phone_number", flat=True
        )
    )


def _follow_live(placing: Placing) -> None:
    """Let a call that was scheduled run on what is published by now."""
    assistant = placing.call.assistant
    if not placing.follows_live or assistant is None or assistant.live_version_id is None:
        return
    if placing.call.version_id != assistant.live_version_id and not placing.call.members.exists():
        Call.objects.filter(pk=placing.pk).update(version=assistant.live_version_id)
        placing.call.version_id = assistant.live_version_id


def placing_refuse(placing: Placing, *, now: datetime) -> bool:
    """Whether this call must not be placed after all, which is written then."""
    call = placing.call
    number = call.phone_number
    if call.assistant is None or not call.assistant.enabled:
        return call_unplaced(call, "assistant-not-valid", "The assistant was switched off.", at=now)
    if number is None or (why := why_not_from(number)):
        return call_unplaced(
            call,
            "twilio-failed-to-connect-call",
            why if number is not None else "The number is gone.",
            at=now,
        )
    limit = day_limit_spent(call.assistant, now=now)
    if limit is not None:
        spent = f"The ${limit.day_usd} that may be spent in a day are spent ({limit})."
        return call_unplaced(call, NO_MONEY, spent, at=now)
    return False


def placings_give_up(*, now: datetime) -> list[Call]:
    """The calls that have waited for longer than they may, closed."""
    late = (
        Placing.objects.filter(state=State.WAITING, call__status__in=AHEAD, give_up_at__lt=now - TOO_LATE)
        .select_related("call")
        .order_by("give_up_at")
    )
    why = "There was no room for the call until the last moment at which it may be placed."
    return [one.call for one in late[:500] if call_unplaced(one.call, NO_ROOM, why, at=now)]

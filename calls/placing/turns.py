"""Whose turn it is: calls wait in their order until one more may be placed, and each is taken by one worker, once."""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet

from assistants.snapshots import snapshot_read
from calls.concurrency.locks import TURNS, locked
from calls.concurrency.room import NO_ROOM, placings_on_line, room
from calls.costs.limits import day_limit_spent
from calls.costs.refusing import ENDED_REASON as NO_MONEY
from calls.models import AHEAD, Call, Placing
from calls.placing.endings import FAILED, call_unplaced
from calls.placing.guards import why_not_from
from calls.placing.machines import machine_options, rings_for

TOO_LATE: Final = timedelta(seconds=1)
_ATTEMPTS_COUNTED: Final = 10_000  # more of them no column holds
_SILENT: Final = "It could not be reached."
State = Placing.State


def placings_due(*, now: datetime) -> QuerySet[Placing]:
    """Those whose time has come, and has not passed; the first first."""
    waiting = Placing.objects.filter(
        state=State.WAITING, call__status__in=AHEAD, due_at__lte=now, give_up_at__gte=now - TOO_LATE
    )
    return waiting.order_by("due_at", "request_id", "position")


def placing_take(*, now: datetime, without: Collection[str] = ()) -> Placing | None:
    """The next one, in the hands of whoever called this; None while there is none, or no room for it.

    From now on it is ordered from Twilio, as far as anybody knows: nobody takes it again. ``without``: Twilio accounts
    that take no call at the moment.
    """
    with transaction.atomic():
        locked(TURNS)
        found = placings_due(now=now)
        if not found.exists() or not room(now=now).left:
            return None
        placing = (
            found.exclude(call__phone_number__in=_numbers_taken())
            .exclude(call__account_sid__in=without)
            .select_for_update(of=("self",), skip_locked=True)
            .select_related("call__phone_number", "call__assistant")
            .first()
        )
        if placing is None:
            return None
        placing.state, placing.claimed_at = State.DIALLING, now
        placing.attempts = min(placing.attempts + 1, _ATTEMPTS_COUNTED)
        _follow_live(placing)
        placing.save(update_fields=["state", "claimed_at", "attempts", "machine", "rings_s"])
        _follow_number(placing.call)
        Call.objects.filter(pk=placing.pk, status=Call.Status.SCHEDULED).update(status=Call.Status.QUEUED)
        return placing


def _numbers_taken() -> list[uuid.UUID | None]:
    """The numbers from which as many calls are placed as may be."""
    most = settings.OUTBOUND_CONCURRENCY_PER_NUMBER
    if not most:
        return []
    counted = placings_on_line().order_by().values("call__phone_number").annotate(n=Count("pk"))
    return list(
        counted.filter(n__gte=most, call__phone_number__isnull=False).values_list(
            "call__phone_number", flat=True
        )
    )


def _follow_live(placing: Placing) -> None:
    """Let a call that was scheduled run on what is published by now, and ring as that says."""
    assistant = placing.call.assistant
    live = assistant.live_version if placing.follows_live and assistant is not None else None
    if live is None or placing.call.version_id == live.pk or placing.call.members.exists():
        return
    Call.objects.filter(pk=placing.pk).update(version=live)
    placing.call.version = live
    snapshot = snapshot_read(live.snapshot)
    placing.rings_s = rings_for(snapshot)
    placing.machine = machine_options(snapshot, extension=str(placing.customer.get("extension") or ""))


def _follow_number(call: Call) -> None:
    """Have a call ordered from the Twilio account in which its number is by now."""
    account_sid = call.phone_number.account_sid if call.phone_number is not None else ""
    if account_sid and account_sid != call.account_sid:
        Call.objects.filter(pk=call.pk).update(account_sid=account_sid)
        call.account_sid = account_sid


def placing_refuse(placing: Placing, *, now: datetime) -> bool:
    """Whether this call must not be placed after all, which is written then."""
    call = placing.call
    number = call.phone_number
    if call.assistant is None or not call.assistant.enabled:
        return call_unplaced(call, "assistant-not-valid", "The assistant was switched off.", at=now)
    if number is None or (why := why_not_from(number)):
        return call_unplaced(call, FAILED, why if number is not None else "The number is gone.", at=now)
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
    return [one.call for one in late[:500] if _give_up(one, now)]


def _give_up(placing: Placing, now: datetime) -> bool:
    """Whether a call was closed for which it is too late; it says what it had waited for."""
    if not placing.attempts:
        why = "There was no room for the call until the last moment at which it may be placed."
        return call_unplaced(placing.call, NO_ROOM, why, at=now)
    said = f"The last time it answered with error {placing.error_code}." if placing.error_code else _SILENT
    why = f"Twilio took no order for the call until the last moment at which it may be placed. {said}"
    return call_unplaced(placing.call, FAILED, why, at=now)

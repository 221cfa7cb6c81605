"""Calls that go on in another media stream: the one before ended so that Twilio could press keys, or was lost.

A call goes on by a token for one more stream. It is given once for each break, and the same one however often it is
asked for, since Twilio repeats its requests.
"""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from calls.models import STREAM_LOST, Call, CallBreak, CallProblem
from calls.services import problem_write, token_awaited, token_renew
from tools.jsontext import json_clean

Status = Call.Status
# A process that was killed is back within a few seconds, or a balancer has found another one; whoever hears nothing for
# longer has hung up. A guess.
RECONNECT_FOR = timedelta(seconds=20)
# Twilio presses them before it opens the stream: calls.bridge.keys.MOST half seconds, and the order itself.
KEYS_TAKE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Begun:
    """A break that is written down; ``token`` opens the stream that comes after it."""

    break_id: uuid.UUID
    token: str = field(repr=False)


def keys_begin(*, call_id: uuid.UUID, asked: dict[str, Any], history: list[dict[str, Any]]) -> Begun | None:
    """The break in which Twilio presses keys, written down before it is ordered; None when the call is not going on.

    ``asked`` is the tool call: ``tool_call_id``, ``name`` and ``arguments``.
    """
    with transaction.atomic():
        call = Call.objects.select_for_update(of=("self",)).filter(pk=call_id).first()
        if call is None or call.status != Status.IN_PROGRESS or call.token_used_at is None:
            return None
        row = CallBreak.objects.create(
            call=call,
            kind=CallBreak.Kind.KEYS,
            asked=json_clean(asked),
            history=json_clean(history),
            began_at=timezone.now(),
        )
        return Begun(row.id, token_renew(call_id=call_id, since=row.began_at))


def keys_refused(*, break_id: uuid.UUID) -> None:
    """Twilio has not pressed the keys: the stream goes on as it was, and no other one may come."""
    row = CallBreak.objects.get(pk=break_id)
    CallBreak.objects.filter(pk=break_id).update(refused=True, history=[], asked={})
    unused = Call.objects.filter(pk=row.call_id, token_minted_at=row.began_at, token_used_at__isnull=True)
    unused.update(token_used_at=timezone.now())


def stream_awaited(*, call: Call) -> str:
    """The token of the stream that is to come after a break or a transfer; empty where none is, or not any more.

    Nothing changes by asking: Twilio may ask what follows the stream before, while its document with this token waits.
    """
    goes_on = call.status in (Status.IN_PROGRESS, Status.FORWARDING) and call.started_at is not None
    if not goes_on or call.token_minted_at is None:
        return ""
    pressed = call.breaks.filter(kind=CallBreak.Kind.KEYS, refused=False, began_at=call.token_minted_at)
    return token_awaited(call, within=RECONNECT_FOR + (KEYS_TAKE if pressed.exists() else timedelta()))


def session_lost(*, call_id: uuid.UUID, history: list[dict[str, Any]]) -> Begun | None:
    """The break of a call whose session was lost while its stream is still there; None when it is not to go on."""
    call = Call.objects.filter(pk=call_id, status=Status.IN_PROGRESS).first()
    return lost_begin(call=call, history=history) if call is not None else None


def lost_begin(*, call: Call, history: list[dict[str, Any]] | None = None) -> Begun | None:
    """The break of a call whose stream was lost, so that it goes on in another; None when that was tried before.

    Asked for again within a little while, as by a stream that could not be opened yet, it is the same one. Without a
    ``history`` the call goes on with what is written down of it.
    """
    now = timezone.now()
    try:
        with transaction.atomic():
            row, created = CallBreak.objects.get_or_create(
                call=call,
                kind=CallBreak.Kind.LOST,
                refused=False,
                defaults={"began_at": now, "history": json_clean(history or [])},
            )
    except IntegrityError:
        return None  # two webhooks at once: the other one decides
    if created:
        _tell(row)
    if now - row.began_at > RECONNECT_FOR:
        return None
    Call.objects.filter(pk=call.pk, status=Status.ENDED, ended_reason__in=STREAM_LOST).update(
        status=Status.IN_PROGRESS, ended_at=None, ended_reason=""
    )
    call.refresh_from_db(fields=["token_minted_at", "token_used_at"])
    if call.token_minted_at == row.began_at and call.token_used_at is not None:
        return None  # the stream after the break has come, and was lost as well
    return Begun(row.id, token_renew(call_id=call.pk, since=row.began_at))


def _tell(row: CallBreak) -> None:
    problem_write(
        call_id=row.call_id,
        key=f"lost:{row.id}",
        source=CallProblem.Source.TANDEM,
        code="stream_lost",
        message="The conversation broke off in the middle; the call was to go on in another stream.",
        benign=False,
        at=row.began_at,
    )

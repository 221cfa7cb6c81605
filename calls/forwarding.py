"""Writing transfers: asked for, dialled or refused, told to the operator, ended; and what the caller hears then.

Each step is one conditional UPDATE and may come twice: Twilio repeats its requests, and they overtake each other.
"""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from calls.models import LIVE, Call, CallProblem, CallTransfer
from calls.services import DEFAULT_APOLOGY, problem_write, token_renew
from calls.transfers import Destination, caller_id_shown, destination_read
from tools.jsontext import json_clean, text_clean

FORWARDED = "assistant-forwarded-call"
CALLER_LEFT = "customer-ended-call-during-transfer"
# What the call ends with where nobody picked up and nothing else was to follow, in Vapi's words.
_NOT_REACHED = {
    "busy": "call.forwarding.operator-busy",
    "no-answer": "call.forwarding.operator-no-answer",
}
_FAILED = "call.in-progress.error-transfer-failed"
_TALKED = ("completed", "answered")
Status = Call.Status


@dataclass(frozen=True, slots=True)
class Begun:
    """A transfer that is written down and may now be ordered."""

    transfer_id: uuid.UUID
    destination: Destination
    caller_id: str


@dataclass(frozen=True, slots=True)
class Over:
    """The call is over: hang up, after these words if there are any."""

    words: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Back:
    """The call goes back to its assistant; ``token`` opens its media stream once."""

    call_id: uuid.UUID
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Again:
    """The same is dialled once more, with our own number shown."""

    transfer: CallTransfer


def transfer_begin(
    *,
    call_id: uuid.UUID,
    tool_call_id: str,
    stored: dict[str, Any],
    history: list[dict[str, Any]],
    language: str,
) -> Begun | None:
    """The transfer, written down before it is ordered; None when the call is not in progress any more.

    ``stored`` is the destination in Vapi's words, with its templates rendered.
    """
    destination = destination_read(stored, language=language)
    if destination is None:
        return None
    now = timezone.now()
    with transaction.atomic():
        call = Call.objects.select_for_update(of=("self",)).filter(pk=call_id).first()
        if call is None or call.status != Status.IN_PROGRESS:
            return None
        caller_id = caller_id_shown(destination, caller=call.caller, did=call.did)
        row, _ = CallTransfer.objects.get_or_create(
            call=call,
            tool_call_id=tool_call_id,
            defaults={
                "address": destination.address,
                "caller_id": caller_id,
                "mode": destination.mode,
                "destination": json_clean(stored),
                "history": json_clean(history),
                "summary_due_at": (
                    now + timedelta(seconds=destination.summary.within_s) if destination.summary else None
                ),
                "requested_at": now,
            },
        )
        Call.objects.filter(pk=call_id).update(status=Status.FORWARDING)
        for number, fault in enumerate(destination.faults):
            _problem(row, f"fault:{number}", "transfer_not_as_set", fault, benign=True)
    return Begun(row.id, destination, caller_id)


def transfer_dialled(*, transfer_id: uuid.UUID) -> None:
    """Twilio has taken the order."""
    CallTransfer.objects.filter(pk=transfer_id, dialled_at__isnull=True).update(dialled_at=timezone.now())


def transfer_refused(*, transfer_id: uuid.UUID, why: str, caller_gone: bool) -> None:
    """Twilio has not taken the order: the call goes on where it was, or is over."""
    row = CallTransfer.objects.filter(pk=transfer_id, ended_at__isnull=True).first()
    if row is None:
        return
    now = timezone.now()
    CallTransfer.objects.filter(pk=transfer_id).update(ended_at=now, error=text_clean(why))
    forwarding = Call.objects.filter(pk=row.call_id, status=Status.FORWARDING)
    if caller_gone:
        forwarding.update(status=Status.ENDED, ended_at=now, ended_reason="customer-ended-call")
    else:
        forwarding.update(status=Status.IN_PROGRESS)
        _problem(row, "refused", "transfer_refused", why)


def transfer_summary_write(*, transfer_id: uuid.UUID, summary: str) -> None:
    """Keep what the operator is to be told, unless they have heard something else already."""
    CallTransfer.objects.filter(pk=transfer_id, whispered_at__isnull=True).update(
        summary=text_clean(summary)[:3000]
    )


def transfer_whispered(*, transfer_id: uuid.UUID, problem: str = "") -> None:
    """The operator has picked up and is being told of the call; ``problem`` says what they are not told."""
    row = CallTransfer.objects.filter(pk=transfer_id).first()
    if row is None:
        return
    CallTransfer.objects.filter(pk=transfer_id, whispered_at__isnull=True).update(whispered_at=timezone.now())
    if problem:
        _problem(row, "summary", "transfer_without_summary", problem)


def transfer_ended(
    *,
    transfer_id: uuid.UUID,
    call_sid: str,
    dial_status: str,
    child_sid: str,
    duration_s: int | None,
    gone: bool,
) -> Over | Back | Again:
    """What follows when the dialling has ended: ``gone`` says that the caller is not on the line any more."""
    with transaction.atomic():
        row = (
            CallTransfer.objects.select_for_update(of=("self",))
            .select_related("call", "call__version")
            .filter(pk=transfer_id, call__call_sid=call_sid)
            .first()
        )
        if row is None:
            return Over()
        now = timezone.now()
        if not row.dial_status:
            # Whatever we were told of the order: it was carried out.
            Call.objects.filter(pk=row.call_id, status=Status.IN_PROGRESS).update(status=Status.FORWARDING)
            row.ended_at, row.dial_status, row.error = now, dial_status, ""
            row.child_sid, row.duration_s = child_sid, duration_s
            row.dialled_at = row.dialled_at or row.requested_at
            row.save(
                update_fields=["ended_at", "dial_status", "error", "child_sid", "duration_s", "dialled_at"]
            )
        if row.dial_status in _TALKED or gone:
            return _over(row, _reason(row, FORWARDED if row.dial_status in _TALKED else CALLER_LEFT))
        return _not_reached(row)


def _not_reached(row: CallTransfer) -> Over | Back | Again:
    if row.dial_status == "failed" and row.caller_id not in (row.call.caller, row.call.did):
        # Twilio dials for nobody who shows a number that it has not verified, and says no more than that.
        why = "It was not dialled with the number that is set to be shown; once more with our own."
        _problem(row, "caller_id", "transfer_caller_id", why, benign=True)
        row.caller_id, row.dial_status, row.ended_at = row.call.did, "", None
        row.save(update_fields=["caller_id", "dial_status", "ended_at"])
        return Again(row)
    reason = _NOT_REACHED.get(row.dial_status, _FAILED)
    _problem(
        row,
        "dial",
        "transfer_not_answered",
        f"Twilio says of the dialled leg: {row.dial_status}.",
        benign=True,
    )
    language = _language(row.call)
    destination = destination_read(row.destination, language=language)
    fallback = destination.fallback if destination else None
    if fallback is not None and fallback.ends_call:
        return _over(row, _reason(row, reason), words=fallback.message, language=language)
    if row.call.version_id is None:
        return _over(row, _reason(row, reason), words=DEFAULT_APOLOGY)  # there is no assistant to go back to
    if row.call.status not in LIVE:
        return Over()
    now = timezone.now()
    if row.resumed_at is None:
        CallTransfer.objects.filter(pk=row.pk).update(resumed_at=now)
    elif row.call.token_used_at is not None:
        return Over()  # asked a second time, after the stream has come and gone
    return Back(row.call_id, token_renew(call_id=row.call_id, since=row.resumed_at or now))


def _over(row: CallTransfer, reason: str, *, words: str = "", language: str = "en") -> Over:
    now = timezone.now()
    CallTransfer.objects.filter(pk=row.pk).update(
        history=[], **({"summary": ""} if _keeps_nothing(row.call) else {})
    )
    # The status callback may have ended the call before us, and did not know how the dialling went.
    known = Q(status=Status.FORWARDING) | Q(status=Status.ENDED, ended_reason=FORWARDED)
    rows = Call.objects.filter(known, pk=row.call_id)
    rows.filter(ended_at__isnull=True).update(ended_at=now)
    rows.update(status=Status.ENDED, ended_reason=reason)
    return Over(words, language)


def _reason(row: CallTransfer, reason: str) -> str:
    """Why the call is over. Where no assistant ever had it, that stands there since its server, or its number, sent it on."""
    return reason if row.call.version_id is not None else row.call.ended_reason or reason


def _keeps_nothing(call: Call) -> bool:
    return bool(call.version and call.version.snapshot.get("hipaa"))


def _language(call: Call) -> str:
    return str(call.version.snapshot.get("language", "en")) if call.version else "en"


def _problem(row: CallTransfer, key: str, code: str, message: str, *, benign: bool = False) -> None:
    problem_write(
        call_id=row.call_id,
        key=f"transfer:{row.id}:{key}"[:80],
        source=CallProblem.Source.TWILIO if code != "transfer_not_as_set" else CallProblem.Source.TOOL,
        code=code,
        message=message,
        benign=benign,
        at=timezone.now(),
    )

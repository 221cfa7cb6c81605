"""Writing calls: answered or refused, opened by its stream, ended, and what went wrong in it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from assistants.models import Assistant
from calls.models import LIVE, Call, CallProblem, CallTransfer, PhoneNumber
from calls.selectors import phone_number_for_did
from tools.jsontext import text_clean

TOKEN_LIVES = timedelta(seconds=60)
DEFAULT_APOLOGY = Assistant._meta.get_field("apology").get_default()
HUNG_UP = "assistant-ended-call"
MODEL_FAILED = "call.in-progress.error-providerfault-openai-llm-failed"
WORKER_DIED = "call.in-progress.error-vapifault-worker-died"
SHUT_DOWN = "worker-shutdown"


@dataclass(frozen=True, slots=True)
class Answered:
    """The call goes to an assistant; ``token`` opens its media stream once."""

    call: Call
    token: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No assistant answers; the caller hears ``apology`` in ``language`` (two letters)."""

    call: Call
    apology: str
    language: str


def call_start(*, call_sid: str, account_sid: str, did: str, caller: str) -> Answered | Refused:
    """The decision on an inbound call, written down. The same call SID always gets the same one.

    A webhook that Twilio repeats within the token's life gets the same token, so both documents are good and
    whichever stream comes first uses it up.
    """
    number = phone_number_for_did(did)
    reason, ended_reason = _why_not(number)
    assistant = number.assistant if number else None
    with transaction.atomic():
        call, _ = Call.objects.select_for_update(of=("self",)).get_or_create(
            call_sid=call_sid,
            defaults={
                "account_sid": account_sid,
                "did": did,
                "caller": caller,
                "phone_number": number,
                "assistant": assistant,
                "version": assistant.live_version if assistant and not reason else None,
                "status": Call.Status.REFUSED if reason else Call.Status.RINGING,
                "refused_because": reason,
                "ended_reason": ended_reason,
                "ended_at": timezone.now() if reason else None,
            },
        )
        if call.status == Call.Status.REFUSED or call.version_id is None:
            return _refused(call)
        return Answered(call, _token_mint(call))


def _why_not(number: PhoneNumber | None) -> tuple[str, str]:
    """Why no assistant can answer, in plain words and in Vapi's; two empty texts when one can."""
    neither = "call-start-error-neither-assistant-nor-server-set"
    if number is None:
        return "The number is not in Tandem. Add it under Numbers, or point it elsewhere at Twilio.", neither
    if not number.enabled:
        return "The number is switched off.", "assistant-not-valid"
    if number.assistant is None:
        return "The number has no assistant. Choose one under Numbers.", neither
    if not number.assistant.enabled:
        return "The assistant is switched off.", "assistant-not-valid"
    if number.assistant.live_version is None:
        return "The assistant was never published. Publish it.", "assistant-not-valid"
    if not settings.OPENAI_API_KEY:
        return "OPENAI_API_KEY is not set, so no assistant can answer.", "assistant-not-valid"
    return "", ""


def _refused(call: Call) -> Refused:
    assistant = call.assistant
    return Refused(
        call, assistant.apology if assistant else DEFAULT_APOLOGY, assistant.language if assistant else "en"
    )


def _token_mint(call: Call) -> str:
    now = timezone.now()
    if call.token_minted_at is None or (
        call.token_used_at is None and now - call.token_minted_at > TOKEN_LIVES
    ):
        call.token_minted_at = now
        call.save(update_fields=["token_minted_at"])
    return _token(call.id, call.token_minted_at)


def _token(call_id: uuid.UUID, minted_at: datetime) -> str:
    # Derived, not stored: whoever reads the table cannot open a stream, and a repeated webhook gets the same one.
    return salted_hmac("calls.stream", f"{call_id}:{minted_at.isoformat()}", algorithm="sha256").hexdigest()


def stream_claim(*, call_id: uuid.UUID, call_sid: str, account_sid: str, stream_sid: str, token: str) -> bool:
    """Whether this stream may carry the call: the token is the call's, is fresh, and was unused until now."""
    call = Call.objects.filter(pk=call_id, call_sid=call_sid, account_sid=account_sid).first()
    if call is None or call.token_minted_at is None:
        return False
    if not constant_time_compare(token, _token(call.id, call.token_minted_at)):
        return False
    now = timezone.now()
    unused = Call.objects.filter(
        pk=call_id,
        # A call that comes back from a transfer has begun before, and its clock goes on.
        status__in=[Call.Status.RINGING, Call.Status.FORWARDING],
        token_used_at__isnull=True,
        token_minted_at=call.token_minted_at,
        token_minted_at__gte=now - TOKEN_LIVES,
    )
    return bool(
        unused.update(
            token_used_at=now,
            started_at=Coalesce("started_at", Value(now)),
            status=Call.Status.IN_PROGRESS,
            stream_sid=stream_sid,
        )
    )


def token_renew(*, call_id: uuid.UUID, since: datetime) -> str:
    """A token for one more stream of a call that was away; the same one until it is used or ``since`` is another."""
    away = Call.objects.filter(pk=call_id, status=Call.Status.FORWARDING)
    away.exclude(token_minted_at=since).update(token_minted_at=since, token_used_at=None, ended_reason="")
    return _token(call_id, since)


def call_forwarded(*, call_id: uuid.UUID, facts: Mapping[str, Any]) -> bool:
    """Write the facts of a conversation that ended in a transfer: the call itself goes on. Whether it is known."""
    counted = {name: Greatest(name, Value(count)) for name, count in facts.items() if count is not None}
    return bool(Call.objects.filter(pk=call_id).update(**counted))


def call_finish(
    *, call_id: uuid.UUID, ended_at: datetime, ended_reason: str, facts: Mapping[str, Any]
) -> bool:
    """Write how the conversation ended; whether the call is known. The bridge knows best: it overrides the carrier.

    ``facts`` are the columns ``barge_ins``, ``frames_in``, ``frames_dropped`` and ``first_sound_ms``.
    """
    call = Call.objects.filter(pk=call_id).first()
    if call is None:
        return False
    if call.started_at is not None:
        ended_at = max(ended_at, call.started_at)
    Call.objects.filter(pk=call_id).update(
        status=Call.Status.ENDED, ended_at=ended_at, ended_reason=ended_reason, **facts
    )
    _transfers_over(call)
    return True


def _transfers_over(call: Call) -> None:
    """Nobody comes back to a call that is over, so nobody needs to be reminded of it."""
    call.transfers.exclude(history=[]).update(history=[])


def call_over(*, call_sid: str, ended_reason: str) -> Call | None:
    """The call that Twilio says is over, closed unless the bridge has closed it; None for one we never had."""
    call = Call.objects.filter(call_sid=call_sid).first()
    if call is not None:
        if call.status == Call.Status.FORWARDING and call.token_used_at is not None:
            # How the dialling went is not known here; whoever learns it corrects this.
            ended_reason = "assistant-forwarded-call"
        live = Call.objects.filter(pk=call.pk, status__in=LIVE)
        live.update(status=Call.Status.ENDED, ended_at=timezone.now(), ended_reason=ended_reason)
        _transfers_over(call)
    return call


def call_leaving(*, call_id: uuid.UUID, reason: str) -> None:
    """Write why our side is about to close the stream, so that what Twilio asks next finds it."""
    live = Call.objects.filter(pk=call_id, status__in=[Call.Status.RINGING, Call.Status.IN_PROGRESS])
    live.update(ended_reason=reason)


def call_after_stream(*, call_sid: str) -> Refused | CallTransfer | None:
    """What to say when a stream has ended and the line is still open; None: nothing, just hang up.

    A call that is being transferred is to be dialled: whether Twilio has had the order is not known here.

    A call that nobody has declared over is one whose bridge died in the middle of it.
    """
    call = (
        Call.objects.select_related("assistant")
        .only("status", "token_used_at", "ended_reason", "assistant__apology", "assistant__language")
        .filter(call_sid=call_sid)
        .first()
    )
    if call is None:
        return None
    if call.status == Call.Status.FORWARDING and call.token_used_at is not None:
        return call.transfers.filter(ended_at__isnull=True).last()
    live = Call.objects.filter(pk=call.pk, status__in=[Call.Status.RINGING, Call.Status.IN_PROGRESS])
    if not call.ended_reason:
        # The bridge's own word may still be on its way; it overrides this.
        live.update(status=Call.Status.ENDED, ended_at=timezone.now(), ended_reason=WORKER_DIED)
        return _refused(call)
    broke_off = "fault" in call.ended_reason or call.ended_reason == SHUT_DOWN
    return _refused(call) if broke_off else None


def stream_failed(*, call_sid: str, stream_sid: str, error: str) -> None:
    """Write that Twilio could not open, or lost, the stream of a call."""
    call = Call.objects.filter(call_sid=call_sid).first()
    if call is not None:
        problem_write(
            call_id=call.id,
            key=f"stream:{stream_sid}"[:80],
            source=CallProblem.Source.TWILIO,
            code="stream_error",
            message=error,
            benign=call.status == Call.Status.ENDED,
            at=timezone.now(),
        )


def problem_write(
    *, call_id: uuid.UUID, key: str, source: str, code: str, message: str, benign: bool, at: datetime
) -> bool:
    """Write a problem of a call once, however often it is delivered; whether the call is known."""
    if not Call.objects.filter(pk=call_id).exists():
        return False
    CallProblem.objects.get_or_create(
        call_id=call_id,
        key=key,
        defaults={
            "source": source,
            "code": text_clean(code)[:120],
            "message": text_clean(message)[:2000],
            "benign": benign,
            "at": at,
        },
    )
    return True

"""Writing calls: answered or refused, opened by its stream, ended, and what went wrong in it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from assistants.models import Assistant
from calls.models import (
    LIVE,
    STREAM_LOST,
    Call,
    CallBreak,
    CallProblem,
    CallTransfer,
    CallVariables,
    PhoneNumber,
)
from calls.models.counting import COUNTS_ON
from calls.orders.rows import COMES_BACK_WITHIN, orders_forget
from calls.passing.telling import call_hushed
from calls.resumptions import sessions_before
from calls.selectors import phone_number_for_did
from calls.squads import Sharing, members_freeze
from calls.warehouse.outbox import call_changed
from tools.jsontext import text_clean
from tools.orders import ToolRefusal
from tools.services import tool_call_refuse, tool_call_told

TOKEN_LIVES = timedelta(seconds=60)
# Whoever looks for calls that were left finds those of so long ago: each run looks at all of them.
LEFT_FOR = timedelta(days=1)
DEFAULT_APOLOGY = Assistant._meta.get_field("apology").get_default()
HUNG_UP = "assistant-ended-call"
MODEL_FAILED = "call.in-progress.error-providerfault-openai-llm-failed"
WORKER_DIED = "call.in-progress.error-vapifault-worker-died"
CARRIER_COMPLETED = "call.in-progress.twilio-completed-call"


@dataclass(frozen=True, slots=True)
class Answered:
    """The call goes to an assistant; ``token`` opens its media stream once."""

    call: Call
    token: str = field(repr=False)


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
    assistant = number.answering if number else None
    squad = number.squad if number else None
    with transaction.atomic():
        call, made = Call.objects.select_for_update(of=("self",)).get_or_create(
            call_sid=call_sid,
            defaults={
                "account_sid": account_sid,
                "did": did,
                "caller": caller,
                "phone_number": number,
                "assistant": assistant,
                "squad": squad,
                "version": assistant.live_version if assistant and not reason else None,
                "status": Call.Status.REFUSED if reason else Call.Status.RINGING,
                "refused_because": reason,
                "ended_reason": ended_reason,
                "ended_at": timezone.now() if reason else None,
            },
        )
        if call.status == Call.Status.REFUSED or call.version_id is None:
            return refused(call)
        if made and assistant is not None:
            members_freeze([Sharing(call, assistant, squad)])
        return Answered(call, token_mint(call))


def _why_not(number: PhoneNumber | None) -> tuple[str, str]:
    """Why no assistant can answer, in plain words and in Vapi's; two empty texts when one can."""
    neither = "call-start-error-neither-assistant-nor-server-set"
    if number is None:
        return "The number is not in Tandem. Add it under Numbers, or point it elsewhere at Twilio.", neither
    if not number.enabled:
        return "The number is switched off.", "assistant-not-valid"
    assistant = number.answering
    if assistant is None and number.squad is not None:
        return f"The squad {number.squad.name} has no members. Add some, or choose an assistant.", neither
    if assistant is None:
        return "The number has no assistant. Choose one under Numbers.", neither
    if not assistant.enabled:
        return "The assistant is switched off.", "assistant-not-valid"
    if assistant.live_version is None:
        return "The assistant was never published. Publish it.", "assistant-not-valid"
    if not settings.OPENAI_API_KEY:
        return "OPENAI_API_KEY is not set, so no assistant can answer.", "assistant-not-valid"
    return "", ""


def refused(call: Call) -> Refused:
    """What the caller hears of whom no assistant serves, in the assistant's words where there is one."""
    assistant = call.assistant
    return Refused(
        call, assistant.apology if assistant else DEFAULT_APOLOGY, assistant.language if assistant else "en"
    )


def token_mint(call: Call) -> str:
    """The token for the call's first stream; the same one as long as it is fresh and unused."""
    now = timezone.now()
    if call.token_minted_at is None or (
        call.token_used_at is None and now - call.token_minted_at > TOKEN_LIVES
    ):
        call.token_minted_at = now
        call.save(update_fields=["token_minted_at"])
    return _token(call.id, call.token_minted_at)


def token_awaited(call: Call, *, within: timedelta) -> str:
    """The token of the stream that the call waits for; empty where that has come, or did not within so long."""
    if call.token_minted_at is None or call.token_used_at is not None:
        return ""
    late = timezone.now() - call.token_minted_at > within
    return "" if late else _token(call.id, call.token_minted_at)


def _token(call_id: uuid.UUID, minted_at: datetime) -> str:
    # Derived, not stored: whoever reads the table cannot open a stream, and a repeated webhook gets the same one.
    return salted_hmac("calls.stream", f"{call_id}:{minted_at.isoformat()}", algorithm="sha256").hexdigest()


def tokens_equal(token: str, awaited: str) -> bool:
    """Whether somebody brings the token that is awaited; it takes the same time wherever they differ."""
    return constant_time_compare(token, awaited)


def stream_claim(
    *,
    call_id: uuid.UUID,
    call_sid: str,
    account_sid: str,
    stream_sid: str,
    token: str,
    lives: timedelta = TOKEN_LIVES,
) -> bool:
    """Whether this stream may carry the call: the token is the call's, is fresh, and was unused until now."""
    call = Call.objects.filter(pk=call_id, call_sid=call_sid, account_sid=account_sid).first()
    if call is None or call.token_minted_at is None:
        return False
    if not constant_time_compare(token, _token(call.id, call.token_minted_at)):
        return False
    now = timezone.now()
    unused = Call.objects.filter(
        pk=call_id,
        # A call that comes back from a transfer or a break has begun before, and its clock goes on.
        status__in=LIVE,
        token_used_at__isnull=True,
        token_minted_at=call.token_minted_at,
        token_minted_at__gte=now - lives,
    )
    claimed = unused.update(
        token_used_at=now,
        started_at=Coalesce("started_at", Value(now)),
        status=Call.Status.IN_PROGRESS,
        stream_sid=stream_sid,
    )
    if claimed:
        # Whoever has opened the stream has read it; what is left tells of keys that nobody knows to be pressed.
        CallBreak.objects.filter(call_id=call_id).exclude(history=[]).update(history=[], asked={})
    return bool(claimed)


def token_renew(*, call_id: uuid.UUID, since: datetime) -> str:
    """A token for one more stream of a call that was away; the same one until it is used or ``since`` is another."""
    away = Call.objects.filter(pk=call_id, status__in=[Call.Status.FORWARDING, Call.Status.IN_PROGRESS])
    away.exclude(token_minted_at=since).update(token_minted_at=since, token_used_at=None, ended_reason="")
    return _token(call_id, since)


def call_forwarded(*, call_id: uuid.UUID, facts: Mapping[str, Any]) -> bool:
    """Write the facts of a conversation that ended in a transfer: the call itself goes on. Whether it is known."""
    counted = {name: Greatest(name, Value(count)) for name, count in facts.items() if count is not None}
    return bool(Call.objects.filter(pk=call_id).update(**counted))


def call_finish(
    *, call_id: uuid.UUID, ended_at: datetime, ended_reason: str, facts: Mapping[str, Any], session: int = 0
) -> bool:
    """Write how the conversation ended; whether the call is known. The bridge knows best: it overrides the carrier.

    ``facts`` are the columns ``barge_ins``, ``frames_in``, ``frames_dropped``, ``tool_calls_made`` and ``first_sound_ms``.
    ``session`` counts the media streams of the call: where a later one has it by now, this one's end is not the call's.
    """
    call = Call.objects.filter(pk=call_id).first()
    if call is None:
        return False
    if session < sessions_before(call):
        return call_forwarded(call_id=call_id, facts=facts)
    if call.started_at is not None:
        ended_at = max(ended_at, call.started_at)
    with transaction.atomic():
        Call.objects.filter(pk=call_id).update(
            status=Call.Status.ENDED, ended_at=ended_at, ended_reason=ended_reason, **facts
        )
        call_changed(call_id)
    call.refresh_from_db(fields=["status", "ended_reason"])
    if not call.may_come_back:
        _nobody_comes_back(call)
    return True


def _nobody_comes_back(call: Call) -> None:
    """A call that is over goes on in no other session: nobody needs to be reminded of it, or told of keys."""
    call.transfers.exclude(history=[]).update(history=[])
    for row in call.breaks.filter(kind=CallBreak.Kind.KEYS).exclude(history=[]):
        _keys_over(row)
    call.breaks.exclude(history=[]).update(history=[], asked={})
    orders_forget(call)
    given = CallVariables.objects.filter(pk=call.pk)
    if given.values_list("call__version__snapshot__hipaa", flat=True).first() is True:
        given.update(values={}, secret_values="")


def calls_left(*, now: datetime) -> int:
    """How many calls have lost their stream, never came back, and nobody has told of their end: nobody comes back to them now."""
    hipaa = KeyTextTransform("hipaa", "version__snapshot")
    lost = Call.objects.annotate(counts_on=COUNTS_ON, hipaa=hipaa).filter(
        status=Call.Status.ENDED,
        ended_reason__in=STREAM_LOST,
        ended_at__lt=now - COMES_BACK_WITHIN,
        counts_on__gte=(now - LEFT_FOR).astimezone(UTC).date(),
    )
    of_call = {"call": OuterRef("pk")}
    given = CallVariables.objects.filter(**of_call).exclude(values={}, secret_values="")
    kept = (
        Exists(CallTransfer.objects.filter(**of_call).exclude(history=[]))
        | Exists(CallBreak.objects.filter(**of_call).exclude(history=[]))
        | Q(Exists(given), hipaa="true")
    )
    left = list(lost.filter(kept))
    for call in left:
        _nobody_comes_back(call)
    return len(left)


def _keys_over(row: CallBreak) -> None:
    """End the tool call that had keys pressed, unless the session after it has done so."""
    tool_call_id, at = row.asked["tool_call_id"], timezone.now()
    tool_call_refuse(
        refusal=ToolRefusal(
            row.call_id, tool_call_id, row.asked["name"], "", row.asked["arguments"], row.began_at
        ),
        at=at,
        reason="The call did not come back from Twilio: the keys may have been pressed, or not all of them.",
        output="",
    )
    tool_call_told(call_id=row.call_id, item_id=tool_call_id, at=at, output="", orphaned=True)


def call_over(*, call_sid: str, ended_reason: str, ended_at: datetime | None = None) -> Call | None:
    """The call that Twilio says is over, closed unless the bridge has closed it; None for one we never had.

    ``ended_at`` is when it ended, where that is known to be before now.
    """
    call = Call.objects.filter(call_sid=call_sid).first()
    if call is not None:
        if call.status == Call.Status.FORWARDING and call.token_used_at is not None:
            # How the dialling went is not known here; whoever learns it corrects this.
            ended_reason = "assistant-forwarded-call"
        elif call.status == Call.Status.FORWARDING and call.version_id is None and call.ended_reason:
            ended_reason = call.ended_reason  # it was forwarded before any assistant had it
        live = Call.objects.filter(pk=call.pk, status__in=LIVE)
        with transaction.atomic():
            closed = live.update(
                status=Call.Status.ENDED,
                ended_at=Greatest(Value(ended_at or timezone.now()), "started_at"),
                ended_reason=ended_reason,
            )
            call_changed(call.pk)
        if closed and call.started_at is not None:
            call_hushed(call.pk)
        _nobody_comes_back(call)
    return call


def call_leaving(*, call_id: uuid.UUID, reason: str) -> None:
    """Write why our side is about to close the stream, so that what Twilio asks next finds it."""
    live = Call.objects.filter(pk=call_id, status__in=[Call.Status.RINGING, Call.Status.IN_PROGRESS])
    live.update(ended_reason=reason)


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

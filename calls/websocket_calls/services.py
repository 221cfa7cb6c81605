"""Calls that are not ours to dial, written down; their tokens; and those that nobody came to, or that nobody ended."""

import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from calls import services
from calls.api.documents import transport_document
from calls.choosing.services import choice_pin, choose
from calls.concurrency.locks import ORDERS, TURNS, locked
from calls.concurrency.room import OVER_LIMIT, room
from calls.costs.limits import day_limit_spent
from calls.idempotency import GONE, body_digest, idempotency_key_require, request_known
from calls.models import LIVE, Call, CallProblem, CallRequest, PhoneNumber, SocketCall
from calls.recordings.taking.services import CUT_SHORT
from calls.services import TOKEN_LIVES, WORKER_DIED, token_awaited, token_mint
from calls.twilio import twiml
from calls.twilio.accounts import account_known
from calls.warehouse.outbox import call_changed
from calls.websocket_calls.bodies import Asked, bypass_asked, socket_asked
from tools.access.errors import ApiError
from tools.models import ApiKey

Body = Mapping[str, Any]

# Whoever embeds the document in a flow of their own may first say something there.
BYPASS_TOKEN_LIVES: Final = timedelta(minutes=10)
NEVER_CONNECTED: Final = "call.in-progress.error-vapifault-transport-never-connected"
NO_CALL_RECEIVED: Final = "phone-call-provider-bypass-enabled-but-no-call-received"
_GRACE: Final = timedelta(seconds=15)
_MINUTE: Final = timedelta(minutes=1)
# From the longest that an assistant lets a call last: the goodbye, and the end that is still on its way into the rows.
_MARGIN: Final = timedelta(minutes=3)
_LONGEST: Final = timedelta(hours=1)  # as calls.reaping has it


@dataclass(frozen=True, slots=True)
class Made:
    """A call, and what only its maker is told, while it waits: the address of its socket, or the document to embed."""

    call: Call
    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Order:
    """What a program asks for, and with which keys."""

    body: Body
    key: ApiKey
    idempotency_key: str


# --- Made -----------------------------------------------------------------------------------------------------


def websocket_call_create(body: Body, key: ApiKey, *, idempotency_key: str = "") -> Made:
    """A call for a program that brings a socket. Raises ApiError 400, and RefusedError where nobody is to speak.

    It takes a place on the line at once. Where there is none it is refused: whoever has asked waits for the address.
    With an idempotency key the same body gets the same call, for good, and its address as long as that opens it.
    """
    order = _Order(body, key, idempotency_key)
    call = _known(order)
    if call is None:
        asked = socket_asked(body)
        call = _create(
            order,
            asked,
            kind=SocketCall.Kind.WEBSOCKET,
            encoding=asked.form.encoding,
            sample_rate=asked.form.rate,
        )
    token = _token(call, within=TOKEN_LIVES)
    if not token:
        return Made(call, {})
    address = f"{settings.MEDIA_ORIGIN}/media/{call.pk}/transport?token={token}"
    return Made(call, {"transport": {**transport_document(call.socket), "websocketCallUrl": address}})


def bypass_call_create(body: Body, key: ApiKey, *, idempotency_key: str = "") -> Made:
    """A call for a Twilio flow of somebody else's. Raises ApiError 400, and RefusedError where nobody is to speak.

    With an idempotency key as above.
    """
    order = _Order(body, key, idempotency_key)
    call = _known(order)
    if call is None:
        asked = bypass_asked(body)
        number = _number(asked.phone_number_id) if asked.phone_number_id else None
        call = _create(order, asked, kind=SocketCall.Kind.BYPASS, number=number)
    token = _token(call, within=BYPASS_TOKEN_LIVES)
    if not token:
        return Made(call, {})
    document = twiml.bypass_document(media_origin=settings.MEDIA_ORIGIN, call_id=str(call.pk), token=token)
    return Made(call, {"phoneCallProviderDetails": {"twiml": document}})


def _known(order: _Order) -> Call | None:
    """The call that this request made before; None where it is new. Raises ApiError, 410 where the call is no more."""
    idempotency_key_require(order.idempotency_key)
    if not order.idempotency_key:
        return None
    own = CallRequest.objects.filter(key=order.key)
    request = request_known(own, idempotency_key=order.idempotency_key, digest=body_digest(order.body))
    if request is None:
        return None
    row = SocketCall.objects.select_related("call").filter(request=request).first()
    if row is None:
        raise ApiError(HTTPStatus.GONE, GONE)
    return row.call


def _token(call: Call, *, within: timedelta) -> str:
    """What opens the call; empty where nothing does any more. It is not renewed: its place on the line is not kept for longer."""
    return token_awaited(call, within=within) if call.status in LIVE else ""


def _create(order: _Order, asked: Asked, *, number: PhoneNumber | None = None, **carried: Any) -> Call:
    key = order.key
    if not settings.OPENAI_API_KEY:
        raise ApiError(HTTPStatus.BAD_REQUEST, ["Couldn't Start Call. OPENAI_API_KEY is not set."])
    choice = choose(order.body, actor=f"API key {key}", customer=asked.overrides)
    if asked.customer.keys() - {"number"}:
        given = choice.variables.get("customer")
        own = given if isinstance(given, Mapping) else {}
        choice = replace(choice, variables={**choice.variables, "customer": {**asked.customer, **own}})
    _often_require(key, timezone.now())
    limit = day_limit_spent(choice.assistant, now=timezone.now())
    if limit is not None:
        why = f"Couldn't Start Call. The ${limit.day_usd} that may be spent in a day are spent."
        raise ApiError(HTTPStatus.BAD_REQUEST, [why])
    with transaction.atomic():
        request = None
        if order.idempotency_key:
            # One order at a time: whether this one is known is not to change meanwhile.
            locked(ORDERS)
            known = _known(order)
            if known is not None:
                return known
            request = _request(order)
        if carried["kind"] == SocketCall.Kind.WEBSOCKET:
            _room_require()
        call = Call.objects.create(
            **choice.columns(),
            status=Call.Status.RINGING,
            caller=str(asked.customer.get("number") or ""),
            did=number.did if number is not None else "",
            phone_number=number,
            name=asked.name,
        )
        SocketCall.objects.create(
            call=call,
            key=key,
            customer=dict(asked.customer),
            metadata=asked.metadata,
            request=request,
            **carried,
        )
        choice_pin(call, choice)
        # Before anybody else sees the call: two who are given it are given one token.
        token_mint(call)
    return call


def _request(order: _Order) -> CallRequest:
    return CallRequest.objects.create(
        key=order.key,
        by_label=f"API key {order.key}"[:200],
        idempotency_key=order.idempotency_key,
        digest=body_digest(order.body),
    )


def _room_require() -> None:
    """Raises ApiError 400 where as many calls as may be are on the line. Nobody else takes of the room until the transaction ends."""
    locked(TURNS)
    found = room(now=timezone.now())
    if not found.left:
        more = f"{found.taken} of {found.limit} calls are on the line or about to be (OUTBOUND_CONCURRENCY). Ask again when one is over."
        raise ApiError(HTTPStatus.BAD_REQUEST, [OVER_LIMIT, more])


def _often_require(key: ApiKey, now: datetime) -> None:
    most = settings.OUTBOUND_CALLS_PER_MINUTE
    recent = SocketCall.objects.filter(key=key, call__created_at__gt=now - _MINUTE).count()
    if most and recent >= most:
        raise ApiError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"Too many calls: this key may have {most} made in a minute (OUTBOUND_CALLS_PER_MINUTE).",
            retry_after_s=int(_MINUTE.total_seconds()),
        )


def _number(given: str) -> PhoneNumber:
    named = Q(vapi_id=given)
    with contextlib.suppress(ValueError):  # an id that only Vapi ever gave
        named |= Q(pk=uuid.UUID(given))
    number = PhoneNumber.objects.filter(named).first()
    if number is None:
        why = f"Couldn't Get Phone Number. `phoneNumberId` {given[:60]} Does Not Exist."
        raise ApiError(HTTPStatus.BAD_REQUEST, [why])
    return number


# --- Claimed --------------------------------------------------------------------------------------------------


def socket_awaited(call_id: uuid.UUID, token: str) -> SocketCall | None:
    """How the call is carried whose socket this token opens; None where it opens none, or not any more."""
    row = (
        SocketCall.objects.select_related("call")
        .filter(pk=call_id, kind=SocketCall.Kind.WEBSOCKET, call__status__in=LIVE)
        .first()
    )
    if row is None:
        return None
    awaited = token_awaited(row.call, within=TOKEN_LIVES)
    return row if awaited and services.tokens_equal(token, awaited) else None


def bypass_awaited(call_id: uuid.UUID) -> bool:
    """Whether a stream of somebody else's flow is still to come for this call."""
    row = (
        SocketCall.objects.select_related("call")
        .filter(pk=call_id, kind=SocketCall.Kind.BYPASS, call__status__in=LIVE)
        .first()
    )
    return row is not None and bool(token_awaited(row.call, within=BYPASS_TOKEN_LIVES))


def bypass_claim(
    *, call_id: uuid.UUID, call_sid: str, account_sid: str, stream_sid: str, token: str, signed: bool
) -> bool:
    """Whether this stream may carry the call; if so, the call is from now on the one of that SID at Twilio.

    A stream of an account that is known here was ``signed`` by Twilio. One that was not, and says so, is somebody else who would
    have us transfer or record a call that is not theirs.

    One telephone call may be led to us more than once; only the first of ours bears its SID then.
    """
    if not signed and account_known(account_sid):
        return False
    with transaction.atomic():
        row = Call.objects.select_for_update().filter(pk=call_id, call_sid="").first()
        if row is None:
            return False
        claimed = services.stream_claim(
            call_id=call_id,
            call_sid="",
            account_sid="",
            stream_sid=stream_sid,
            token=token,
            lives=BYPASS_TOKEN_LIVES,
        )
        if claimed:
            _sid_keep(call_id, call_sid, account_sid)
    return claimed


def _sid_keep(call_id: uuid.UUID, call_sid: str, account_sid: str) -> None:
    own = Call.objects.filter(pk=call_id)
    try:
        with transaction.atomic():
            own.update(call_sid=call_sid, account_sid=account_sid)
    except IntegrityError:
        own.update(account_sid=account_sid)


# --- Over -----------------------------------------------------------------------------------------------------


def socket_calls_close(*, now: datetime) -> list[tuple[uuid.UUID, str]]:
    """Close the calls that nobody came to, and those whose process died; their ids, each with its reason."""
    closed = []
    for call_id, reason in [*_never_begun(now), *_never_ended(now)]:
        if _close(call_id, reason, now):
            closed.append((call_id, reason))
    return closed


def _never_begun(now: datetime) -> list[tuple[uuid.UUID, str]]:
    waits = Call.objects.filter(status=Call.Status.RINGING, token_used_at=None)
    found = []
    for kind, lives, reason in (
        (SocketCall.Kind.WEBSOCKET, TOKEN_LIVES, NEVER_CONNECTED),
        (SocketCall.Kind.BYPASS, BYPASS_TOKEN_LIVES, NO_CALL_RECEIVED),
    ):
        late = waits.filter(socket__kind=kind, created_at__lt=now - lives - _GRACE)
        found += [(pk, reason) for pk in late.values_list("pk", flat=True)]
    return found


def _never_ended(now: datetime) -> list[tuple[uuid.UUID, str]]:
    goes_on: QuerySet[Call] = Call.objects.filter(socket__isnull=False, status=Call.Status.IN_PROGRESS)
    # Whoever found the sound of a call under way without its process knows that nobody has the call any more.
    alone = CallProblem.objects.filter(call=OuterRef("pk"), code=CUT_SHORT)
    rows = goes_on.values_list("pk", "started_at", "version__snapshot__max_duration_s", Exists(alone))
    found = []
    for pk, started_at, longest_s, is_alone in rows:
        longest = min(timedelta(seconds=longest_s), _LONGEST) if isinstance(longest_s, int) else _LONGEST
        if is_alone or (started_at is not None and started_at < now - longest - _MARGIN):
            found.append((pk, WORKER_DIED))
    return found


def _close(call_id: uuid.UUID, reason: str, now: datetime) -> bool:
    with transaction.atomic():
        closed = Call.objects.filter(pk=call_id, status__in=LIVE).update(
            status=Call.Status.ENDED, ended_at=now, ended_reason=reason
        )
        if closed:
            call_changed(call_id)
    if closed and reason == WORKER_DIED:
        services.problem_write(
            call_id=call_id,
            key="reaped",
            source=CallProblem.Source.TANDEM,
            code="end_not_reported",
            message="Nothing told of the end of this call, and it goes on no longer: the process that had it is gone.",
            benign=False,
            at=now,
        )
    return bool(closed)

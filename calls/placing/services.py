"""Taking orders for calls: read, checked and written down. Who dials them comes later (calls.placing.dialling).

An order is taken once. A client library that repeats a request, because an answer was lost on its way, is given the calls that
the first one had made.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from assistants.snapshots import snapshot_read
from assistants.vapi.hiding import cleaned
from assistants.vapi.overrides import merged
from calls.choosing.services import Choice, RefusedError, choices_pin, choose, choose_each
from calls.concurrency.locks import ORDERS, locked
from calls.costs.limits import day_limit_spent
from calls.idempotency import body_digest, idempotency_key_require, request_known
from calls.models import OVER, Call, CallRequest, PhoneNumber, Placing
from calls.placing.bodies import Asked, Customer, body_asked
from calls.placing.guards import calls_allowed, number_named, why_not_called
from calls.placing.machines import machine_options, rings_for
from tools.access.errors import ApiError
from tools.access.keys import INVALID_KEY
from tools.models import ApiKey

Body = Mapping[str, Any]

# Client libraries repeat a request after a second or two; a proxy may have waited a minute before it gave one up.
AGAIN_WITHIN: Final = timedelta(seconds=10)
AGAIN_WHILE_ON: Final = timedelta(minutes=2)
_TWICE: Final = "customer stands in this batch already, in the same words. They are called once."


@dataclass(frozen=True, slots=True)
class Orderer:
    """Who has calls placed: a program by its key, or somebody in the admin."""

    label: str
    key: ApiKey | None = None
    user: User | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """The calls of a request, in its order; ``again``: it was known, and nothing new was made."""

    request: CallRequest
    call_ids: tuple[uuid.UUID, ...]
    again: bool


@dataclass(frozen=True, slots=True)
class _Wish:
    """One call to be made."""

    position: int
    customer: Customer
    choice: Choice


def calls_place(body: Body, orderer: Orderer, *, now: datetime, idempotency_key: str = "") -> Placed:
    """The calls that this body asks for, written down and waiting for their turn. Raises ApiError.

    The same body of the same key is the same request for some seconds, and for two minutes as long as its calls go on; with an
    idempotency key it is for good.
    """
    idempotency_key_require(idempotency_key)
    digest = body_digest(body)
    known = _known(orderer, digest, idempotency_key, now)
    if known is not None:
        return known
    asked, number, wishes, errors = _read(body, orderer, now)
    with transaction.atomic():
        # One order at a time: whether this one is known, and how many calls were placed, is not to change meanwhile.
        locked(ORDERS)
        known = _known(orderer, digest, idempotency_key, now)
        if known is not None:
            return known
        _key_require(orderer)
        calls_allowed(orderer.key, len(wishes), now=now, due_at=asked.earliest_at or now)
        request = CallRequest.objects.create(
            key=orderer.key,
            user=orderer.user,
            by_label=orderer.label[:200],
            idempotency_key=idempotency_key,
            digest=digest,
            batch=asked.batch,
            errors=errors,
        )
        ids = _write(request, asked, number, wishes, now=now)
    return Placed(request, tuple(ids), again=False)


def _key_require(orderer: Orderer) -> None:
    """Raises ApiError where the key was revoked since the request came in: whoever revokes it calls off what it has ordered."""
    if orderer.key is not None and not ApiKey.objects.filter(pk=orderer.key.pk, revoked_at=None).exists():
        raise ApiError(HTTPStatus.UNAUTHORIZED, INVALID_KEY)


# Known already ----------------------------------------------------------------------------------------------


def _known(orderer: Orderer, digest: str, idempotency_key: str, now: datetime) -> Placed | None:
    """What was made of this request before; None where it is new. Raises ApiError for a key that was used otherwise."""
    if idempotency_key:
        return _placed_before(request_known(_of(orderer), idempotency_key=idempotency_key, digest=digest))
    going_on = Q(placings__call__isnull=False) & ~Q(placings__call__status__in=OVER)
    recent = Q(created_at__gt=now - AGAIN_WITHIN) | (Q(created_at__gt=now - AGAIN_WHILE_ON) & going_on)
    same = _of(orderer).filter(recent, digest=digest, idempotency_key="")
    return _placed_before(same.order_by("-created_at").first())


def _of(orderer: Orderer) -> QuerySet[CallRequest]:
    if orderer.key is not None:
        return CallRequest.objects.filter(key=orderer.key)
    return CallRequest.objects.filter(key=None, user=orderer.user)


def _placed_before(request: CallRequest | None) -> Placed | None:
    if request is None:
        return None
    ids = request.placings.order_by("position").values_list("call_id", flat=True)
    return Placed(request, tuple(ids), again=True)


# Reading ----------------------------------------------------------------------------------------------------


def _read(
    body: Body, orderer: Orderer, now: datetime
) -> tuple[Asked, PhoneNumber, list[_Wish], list[dict[str, Any]]]:
    """What is asked for, the number to call from, the calls to be made, and why others are not. Raises ApiError."""
    problems: list[str] = []
    asked: Asked | None = None
    base: Choice | None = None
    try:
        asked = body_asked(body, now=now)
    except ApiError as exc:
        problems += _sentences(exc)
    try:
        base = choose(body, actor=orderer.label)
    except RefusedError as exc:
        problems += exc.messages
    if problems or asked is None or base is None:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    number = number_named(asked.phone_number_id, asked.phone_number)
    _able_require(base, asked, now)
    wishes: list[_Wish] = []
    errors: list[dict[str, Any]] = []
    wished = _wished(body, base, number, asked.customers, orderer)
    for position, (customer, found) in enumerate(zip(asked.customers, wished, strict=True)):
        if isinstance(found, Choice):
            wishes.append(_Wish(position, customer, found))
        elif asked.batch:
            errors.append({"position": position, "error": " ".join(found)})
        else:
            raise ApiError(HTTPStatus.BAD_REQUEST, found)
    return asked, number, wishes, errors


def _twins(customers: Collection[Customer]) -> set[int]:
    """The positions of those who stand in the same words further up: nobody's telephone rings twice for one wish."""
    seen: set[str] = set()
    found = set()
    for position, customer in enumerate(customers):
        digest = body_digest(customer.given)
        if digest in seen and not customer.problems:
            found.add(position)
        seen.add(digest)
    return found


def _wished(
    body: Body, base: Choice, number: PhoneNumber, customers: Sequence[Customer], orderer: Orderer
) -> list[Choice | list[str]]:
    """What the call to each customer runs on, or why there is none."""
    twins = _twins(customers)
    wished: list[Choice | list[str]] = [
        [_TWICE] if position in twins else _why_not(customer, number) or base
        for position, customer in enumerate(customers)
    ]
    own = [n for n, found in enumerate(wished) if found is base and _has_settings(customers[n])]
    chosen = choose_each(body, [customers[n].given for n in own], actor=orderer.label)
    chosen_by = dict(zip(own, chosen, strict=True))
    for n, found in enumerate(wished):
        if found is base:
            wished[n] = _chosen(chosen_by.get(n) or base, customers[n], own=n in chosen_by)
    return wished


def _why_not(customer: Customer, number: PhoneNumber) -> list[str]:
    """Why nobody calls this customer; nothing where somebody may."""
    if customer.problems:
        return list(customer.problems)
    why = why_not_called(customer.number, caller=number.did)
    return [why] if why else []


def _overrides(customer: Customer) -> list[Body]:
    return [customer.given.get(name) or {} for name in ("squadOverrides", "assistantOverrides")]


def _has_settings(customer: Customer) -> bool:
    """Whether more than the values of the call is a customer's own."""
    return any(one.keys() - {"variableValues"} for one in _overrides(customer))


def _chosen(found: Choice | RefusedError, customer: Customer, *, own: bool) -> Choice | list[str]:
    """What the call to this customer runs on, with their values in it: what was chosen for them, or for everybody."""
    if isinstance(found, RefusedError):
        return found.messages
    values: dict[str, Any] = dict(found.variables)
    for one in () if own else _overrides(customer):
        given = one.get("variableValues")
        if given is not None and not isinstance(given, Mapping):
            return ["customer.assistantOverrides.variableValues must be an object"]
        values = merged(values, cleaned(given or {}))
    return _with_customer(replace(found, variables=values), customer)


def _with_customer(choice: Choice, customer: Customer) -> Choice:
    """Templates see what was given of the customer; their number they know anyway."""
    if customer.told.keys() == {"number"}:
        return choice
    given = choice.variables.get("customer")
    own = given if isinstance(given, Mapping) else {}
    return replace(choice, variables={**choice.variables, "customer": {**customer.told, **own}})


def _able_require(choice: Choice, asked: Asked, now: datetime) -> None:
    """Raises ApiError where no call could be held now, whoever it is for."""
    if not settings.OPENAI_API_KEY:
        raise ApiError(HTTPStatus.BAD_REQUEST, ["Couldn't Start Call. OPENAI_API_KEY is not set."])
    if not settings.TWILIO_ACCOUNT_SID:
        raise ApiError(HTTPStatus.BAD_REQUEST, ["Couldn't Start Call. TWILIO_ACCOUNT_SID is not set."])
    limit = day_limit_spent(choice.assistant, now=now)
    if limit is not None and (asked.earliest_at is None or asked.earliest_at <= now):
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            [f"Couldn't Start Call. The ${limit.day_usd} that may be spent in a day are spent."],
        )


def _sentences(exc: ApiError) -> Iterator[str]:
    if isinstance(exc.message, str):
        yield exc.message
    else:
        yield from exc.message


# Writing ----------------------------------------------------------------------------------------------------


def _write(
    request: CallRequest, asked: Asked, number: PhoneNumber, wishes: Collection[_Wish], *, now: datetime
) -> list[uuid.UUID]:
    """Write the calls down, however many there are, in a few statements; their ids in the order of the wishes."""
    due_at = max(asked.earliest_at or now, now)
    calls = Call.objects.bulk_create(
        Call(
            direction=Call.Direction.OUTBOUND,
            status=Call.Status.SCHEDULED if due_at > now else Call.Status.QUEUED,
            account_sid=number.account_sid or settings.TWILIO_ACCOUNT_SID,
            did=number.did,
            caller=wish.customer.number,
            phone_number=number,
            name=asked.name,
            **wish.choice.columns(),
        )
        for wish in wishes
    )
    if len(calls) > 1:
        _spread(calls)
    made = list(zip(calls, wishes, strict=True))
    choices_pin([(call, wish.choice) for call, wish in made])
    snapshots = {wish.choice.version.pk: wish.choice.version.snapshot for wish in wishes}
    read = {pk: snapshot_read(snapshot) for pk, snapshot in snapshots.items()}
    Placing.objects.bulk_create(
        Placing(
            call=call,
            request=request,
            position=wish.position,
            earliest_at=asked.earliest_at,
            latest_at=asked.latest_at,
            due_at=due_at,
            give_up_at=asked.latest_at or due_at + timedelta(minutes=settings.OUTBOUND_WAIT_MINUTES),
            follows_live=due_at > now and not asked.pinned and _is_live(wish.choice),
            customer=wish.customer.told,
            metadata=asked.metadata,
            machine=machine_options(read[wish.choice.version.pk], extension=wish.customer.extension),
            rings_s=rings_for(read[wish.choice.version.pk]),
        )
        for call, wish in made
    )
    return [call.pk for call in calls]


def _spread(calls: Collection[Call]) -> None:
    """Let each call be made a millisecond after the one before: programs read lists page by page, and cut them by those."""
    for number, call in enumerate(calls, 1 - len(calls)):
        call.created_at += timedelta(milliseconds=number)
    Call.objects.bulk_update(calls, ["created_at"])


def _is_live(choice: Choice) -> bool:
    """Whether the call runs on what anybody's would, so that a later publication goes for it too."""
    live = choice.assistant.live_version_id
    return choice.squad is None and choice.version.pk == live

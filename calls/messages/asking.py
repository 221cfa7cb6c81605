"""Who is to take a call on a number to which nobody is assigned: its server is asked while the caller hears it ring.

The call's row comes before the request, so that whoever is asked knows the call by its id, and a webhook that Twilio repeats asks
nobody twice. While the server thinks, nothing is held that other callers need.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from assistants.models import VapiObject
from calls.api.documents import call_document
from calls.api.selectors import record_of
from calls.choosing.services import FIELDS, Choice, RefusedError, choice_pin, choose
from calls.costs.limits import day_limit_spent
from calls.costs.refusing import ENDED_REASON as SPENT
from calls.messages.bodies import call_at_first, number_told
from calls.messages.kinds import ASSISTANT_REQUEST
from calls.messages.outbox import Result
from calls.messages.sending import ask
from calls.messages.servers import Server, number_server, organisation_server
from calls.models import Call, CallProblem, CallTransfer, PhoneNumber, ServerMessage, SpendingLimit
from calls.selectors import phone_number_for_did
from calls.services import DEFAULT_APOLOGY, Answered, Refused, problem_write, token_mint
from calls.transfers import Destination, caller_id_shown, destination_read
from tools.access.errors import ApiError
from tools.access.organisation import organisation_id
from tools.breaker import host_of
from tools.clients import HttpAnswer, http_send
from tools.envelope import epoch_ms
from tools.jsontext import json_clean, json_text, text_clean
from tools.sealing import seal, unseal

logger = logging.getLogger(__name__)

# Vapi's, fixed, whatever the server's own timeout is: Twilio waits for fifteen, and nobody listens to ringing for long.
WINDOW_S: Final = 7.5
# For another webhook of the same call, until the first one has its answer and has written it down.
_OTHERS_WITHIN: Final = timedelta(seconds=WINDOW_S + 1.5)
_LOOK_EVERY_S: Final = 0.2
_KEY: Final = "assistant-request"
_LONGEST_SAID: Final = 1000
_LANGUAGE: Final = "en"

FAILED: Final = "assistant-request-failed"
RETURNED_ERROR: Final = "assistant-request-returned-error"
UNSPEAKABLE: Final = "assistant-request-returned-unspeakable-error"
NO_ASSISTANT: Final = "assistant-request-returned-no-assistant"
INVALID: Final = "assistant-request-returned-invalid-assistant"
FORWARDED: Final = "assistant-request-returned-forwarding-phone-number"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The caller is connected to somebody else at once, after these words."""

    call: Call
    transfer_id: uuid.UUID
    destination: Destination
    caller_id: str
    words: str


@dataclass(frozen=True, slots=True)
class ToAsk:
    """A server is to be asked, which takes longer than whoever wants to know now may wait."""


Asks = Callable[..., HttpAnswer | Result]
Decided = Answered | Refused | Forwarded


@dataclass(frozen=True, slots=True)
class _No:
    """Why no assistant came of it, in Vapi's words and in plain ones; ``said`` is what the caller hears."""

    reason: str
    why: str
    said: str = ""
    language: str = _LANGUAGE


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """The call goes to another number or address, in Vapi's words."""

    stored: dict[str, Any]


def assistant_requested(
    *, call_sid: str, account_sid: str, did: str, caller: str, may_wait: bool = True, asks: Asks = ask
) -> Decided | ToAsk | None:
    """What a call's server says is to become of it, written down; None where nobody is to be asked.

    The same call gets the same answer. Blocks for the length of the window, without a connection to the database.
    """
    number = phone_number_for_did(did)
    if number is None or not number.enabled or number.assistant_id or number.squad_id:
        return None
    server = number_server(number.pk) or organisation_server()
    if server is None or not settings.OPENAI_API_KEY:
        return None
    if not may_wait:
        return ToAsk()
    call, made = Call.objects.get_or_create(
        call_sid=call_sid,
        defaults={
            "account_sid": account_sid,
            "did": did,
            "caller": caller,
            "phone_number": number,
            "status": Call.Status.RINGING,
        },
    )
    if call.stack != Call.Stack.DIRECT:
        return None
    if not made:
        return _as_decided(call)
    return _ask_and_decide(call, number, server, asks)


# --- Asking ---------------------------------------------------------------------------------------------------


def _ask_and_decide(call: Call, number: PhoneNumber, server: Server, asks: Asks) -> Decided:
    row = ServerMessage.objects.create(
        call=call,
        kind=ASSISTANT_REQUEST,
        key=_KEY,
        at=timezone.now(),
        state=ServerMessage.State.SENT,
        server_from=server.whose,
        host=host_of(server.url)[:255],
        attempts_n=1,
        tried_at=timezone.now(),
    )
    body = json_text(request_body(row)).encode()
    _let_go()
    answer = asks(body, server.url, server.auth, message_id=row.public_id, timeout_s=WINDOW_S, send=http_send)
    try:
        return _decide(call, number, row, answer)
    except ApiError:
        # What the same words had become for earlier calls was deleted with those in this very moment.
        return _decide(call, number, row, answer)


def _decide(call: Call, number: PhoneNumber, row: ServerMessage, answer: HttpAnswer | Result) -> Decided:
    """Raises ApiError where what the call was to run on was deleted meanwhile; nothing is written then."""
    outcome = _outcome(answer)
    if isinstance(outcome, _No) and not outcome.said:
        outcome = _fallback(number, outcome)
    return _written(call, row, answer, outcome)


def request_body(row: ServerMessage) -> dict[str, Any]:
    """The body that asks who is to take a call."""
    record = record_of(str(row.call_id))
    org_id = organisation_id()
    document = call_document(record, org_id=org_id, public_origin=settings.PUBLIC_ORIGIN)
    customer = document.get("customer")
    return {
        "message": {
            "timestamp": epoch_ms(row.at),
            "type": ASSISTANT_REQUEST,
            "call": {**call_at_first(document, record.call), "assistantId": None},
            "phoneNumber": number_told(document, record.call, org_id),
            **({"customer": customer} if customer else {}),
        }
    }


def _let_go() -> None:
    """Give the connection back, which others need more while a server thinks."""
    if not connection.in_atomic_block:
        connection.close()


def _outcome(answer: HttpAnswer | Result) -> Choice | _Elsewhere | _No:
    if isinstance(answer, Result):
        return _No(FAILED, f"The server was asked who is to take the call. {answer.why}")
    if not 200 <= answer.http_status < 300:
        return _No(
            FAILED, f"The server was asked who is to take the call, and answered {answer.http_status}."
        )
    try:
        given = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, Mapping):
        return _No(NO_ASSISTANT, "The server's answer to who is to take the call is no JSON object.")
    # Vapi's first documents put the answer into an envelope, and some servers still do.
    inner = given.get("messageResponse")
    return _chosen(inner if isinstance(inner, Mapping) else given)


def _chosen(given: Mapping[str, Any]) -> Choice | _Elsewhere | _No:
    error = given.get("error")
    if error is not None:
        said = text_clean(error).strip() if isinstance(error, str) else ""
        if not said:
            return _No(UNSPEAKABLE, "The server answered with an error that cannot be spoken: it is no text.")
        return _No(RETURNED_ERROR, "The server had an error spoken to the caller.", said[:_LONGEST_SAID])
    destination = given.get("destination")
    if destination is not None:
        if destination_read(destination, language=_LANGUAGE) is None:
            return _No(INVALID, "The server named a destination that cannot be dialled.")
        return _Elsewhere(dict(destination))
    wanted = {name: given[name] for name in FIELDS if given.get(name) is not None}
    try:
        return _affordable(choose(wanted, actor="assistant-request"))
    except RefusedError as exc:
        if exc.nothing:
            return _No(NO_ASSISTANT, "The server's answer names no assistant, squad, destination or error.")
        return _No(INVALID, f"The server's answer cannot be carried out: {' '.join(exc.messages)[:1500]}")


def _affordable(choice: Choice) -> Choice | _Elsewhere | _No:
    """The choice, or what callers get instead once the day's money is spent: who would answer is not known any sooner."""
    limit = day_limit_spent(choice.assistant, now=timezone.now())
    if limit is None:
        return choice
    why = f"The ${limit.day_usd} that may be spent in a day are spent ({limit})."
    if limit.when_day == SpendingLimit.WhenDay.FORWARD:
        return _Elsewhere({"type": "number", "number": limit.forward_to, "fallback": SPENT, "why": why})
    return _No(SPENT, why, limit.refusal_sentence, choice.assistant.language)


def _fallback(number: PhoneNumber, no: _No) -> _Elsewhere | _No:
    """Where callers of this number go when nobody was found for them, as at Vapi; by default nowhere."""
    stored = fallback_destination(number)
    if destination_read(stored, language=_LANGUAGE) is None:
        return no
    logger.warning("a caller goes to the fallback of a number", extra={"reason": no.reason})
    why = f"{no.why} The caller was connected to the number's fallback destination."
    return _Elsewhere({**stored, "fallback": no.reason, "why": why})


def fallback_destination(number: PhoneNumber) -> dict[str, Any]:
    """The number's `fallbackDestination` in Vapi's words, as a program left it or an import brought it; empty: none."""
    keys = [key for key in (number.vapi_id, str(number.pk)) if key]
    found = (
        VapiObject.objects.filter(kind=VapiObject.Kind.PHONE_NUMBER, key__in=keys)
        .select_related("client_document")
        .first()
    )
    if found is None:
        return {}
    left = getattr(found, "client_document", None)
    raw = left.raw if left is not None else found.raw
    given = raw.get("fallbackDestination") if isinstance(raw, Mapping) else None
    return dict(given) if isinstance(given, Mapping) else {}


# --- Written down ---------------------------------------------------------------------------------------------


def _written(
    call: Call, row: ServerMessage, answer: HttpAnswer | Result, outcome: Choice | _Elsewhere | _No
) -> Decided:
    """The outcome, unless the call was closed meanwhile, whose caller is gone then."""
    error = answer.why[:300] if isinstance(answer, Result) else ""
    ServerMessage.objects.filter(pk=row.pk).update(
        http_status=answer.http_status,
        elapsed_ms=answer.elapsed_ms,
        error=error,
        state=ServerMessage.State.DEAD if error else ServerMessage.State.SENT,
        sent_at=None if error else timezone.now(),
        facts=_outcome_told(outcome),
    )
    with transaction.atomic():
        now = Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
        if not _is_open(now):
            # Somebody has closed it: the caller is gone, and hears none of it.
            return Refused(now, DEFAULT_APOLOGY, _LANGUAGE)
        match outcome:
            case Choice():
                return _answered(now, outcome)
            case _Elsewhere(stored=stored):
                return _forwarded(now, stored)
            case _No():
                return _refused(now, outcome)


def _outcome_told(outcome: Choice | _Elsewhere | _No) -> dict[str, Any]:
    """What another webhook of the call has to know; words for the caller are sealed."""
    if isinstance(outcome, _No):
        said = {"said": seal(outcome.said), "language": outcome.language} if outcome.said else {}
        return {"outcome": outcome.reason, **said}
    return {"outcome": "assistant" if isinstance(outcome, Choice) else "destination"}


def _answered(call: Call, choice: Choice) -> Answered:
    for name, value in choice.columns().items():
        setattr(call, name, value)
    call.save(update_fields=list(choice.columns()))
    choice_pin(call, choice)
    return Answered(call, token_mint(call))


def _forwarded(call: Call, stored: dict[str, Any]) -> Decided:
    fallback, why = stored.pop("fallback", ""), stored.pop("why", "")
    destination = destination_read(stored, language=_LANGUAGE)
    assert destination is not None  # it was read before
    now = timezone.now()
    transfer, _ = CallTransfer.objects.get_or_create(
        call=call,
        tool_call_id=_KEY,
        defaults={
            "address": destination.address,
            "caller_id": caller_id_shown(destination, caller=call.caller, did=call.did),
            "mode": destination.mode,
            "destination": json_clean(stored),
            "requested_at": now,
            "dialled_at": now,
        },
    )
    Call.objects.filter(pk=call.pk).update(status=Call.Status.FORWARDING, ended_reason=fallback or FORWARDED)
    if fallback:
        _problem(call, _No(fallback, why))
    return _forward(call, transfer, destination)


def _forward(call: Call, transfer: CallTransfer, destination: Destination) -> Forwarded:
    return Forwarded(call, transfer.pk, destination, transfer.caller_id, destination.message or "")


def _refused(call: Call, no: _No) -> Refused:
    call.status, call.refused_because = Call.Status.REFUSED, text_clean(no.why)
    call.ended_reason, call.ended_at = no.reason, timezone.now()
    call.save(update_fields=["status", "refused_because", "ended_reason", "ended_at"])
    _problem(call, no)
    return Refused(call, no.said or DEFAULT_APOLOGY, no.language)


def _problem(call: Call, no: _No) -> None:
    if no.reason == SPENT:
        return  # the limit has alerts of its own
    problem_write(
        call_id=call.pk,
        key=_KEY,
        source=CallProblem.Source.TOOL,
        code=no.reason.replace("-", "_"),
        message=no.why,
        benign=no.reason == RETURNED_ERROR,
        at=timezone.now(),
    )


# --- Another webhook of the same call ---------------------------------------------------------------------------


def _as_decided(call: Call) -> Decided | None:
    """What was decided on the call, once it is; None where it was decided otherwise than by asking."""
    row = ServerMessage.objects.filter(call=call, key=_KEY).first()
    if row is None:
        return None
    while _is_open(call) and timezone.now() - row.at < _OTHERS_WITHIN:
        _let_go()
        time.sleep(_LOOK_EVERY_S)
        call.refresh_from_db()
    if call.version_id is not None:
        return Answered(call, token_mint(call))
    transfer = CallTransfer.objects.filter(call=call, tool_call_id=_KEY).first()
    destination = destination_read(transfer.destination, language=_LANGUAGE) if transfer is not None else None
    if transfer is not None and destination is not None:
        return _forward(call, transfer, destination)
    if _is_open(call):
        # Whoever asked is gone with the answer.
        return _refused(
            call, _No(FAILED, "The process that asked the server who is to take the call has ended.")
        )
    row.refresh_from_db()
    said = row.facts.get("said")
    language = row.facts.get("language", _LANGUAGE)
    return Refused(call, str(unseal(said)) if said else DEFAULT_APOLOGY, language)


def _is_open(call: Call) -> bool:
    return call.status == Call.Status.RINGING and call.version_id is None

"""Which stack takes a call of a number whose calls are shared, and how the other ones get to the old provider.

The share goes by a hash of the number and the caller: who calls again meets the same stack while the share stays, and
raising it only moves callers from the old stack to ours. A caller without a number is drawn anew for each call. The
decision is a row before it is an answer, so that a webhook that Twilio repeats gets the same document.
"""

import hashlib
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from twilio.twiml.voice_response import VoiceResponse

from calls.cutover.bypass import BypassError, Order, Reply, ask
from calls.cutover.changes import is_ours, value_of
from calls.models import Call, CallHandover, NumberSnapshot, PhoneNumber, SnapshotRoute

logger = logging.getLogger(__name__)

_PARTS: Final = 10_000  # a share is kept to a hundredth of a percent
# What Twilio gives for a withheld number: words, or their digits on a keypad (ANONYMOUS, RESTRICTED, UNKNOWN, BLOCKED,
# UNAVAILABLE). The digits look like numbers of somebody.
_WITHHELD: Final = {"+266696687", "+7378742833", "+8656696", "+2562533", "+86282452253"}
_WORDS: Final = {"anonymous", "restricted", "unknown", "blocked", "unavailable", "private", "withheld"}
_TELEPHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
# Twilio asks again for a call that we were slow to answer, up to five times where a URL says so.
MOST_ANSWERS: Final = 6
_ANOTHER_LOOK_S: Final = 0.1


# --- The choice (pure) ----------------------------------------------------------------------------------------


def stack_for(*, did: str, caller: str, call_sid: str, percent: int) -> Literal["direct", "vapi"]:
    """Who takes a call, where our assistant is to answer so many percent of them."""
    return "direct" if _position(did, caller, call_sid) < percent * (_PARTS // 100) else "vapi"


def withheld(caller: str) -> bool:
    """Whether nothing tells this caller from others."""
    word = caller.strip().lower().removeprefix("sip:").partition("@")[0]
    return not word or caller.strip() in _WITHHELD or word in _WORDS


def _position(did: str, caller: str, call_sid: str) -> int:
    who = f"call:{call_sid}" if withheld(caller) else f"caller:{caller.strip()}"
    digest = hashlib.sha256(f"{did}\n{who}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % _PARTS


# --- The old provider -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OldRoute:
    """Where the old provider takes calls, and where it wants to hear of their end."""

    url: str
    method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"


def route_from(config: Mapping[str, Any], application: Mapping[str, Any] | None = None) -> OldRoute | None:
    """Where calls went by a number's configuration, or by its TwiML application; None where no URL took them."""
    if value_of(config, "trunk_sid"):
        return None
    source = config
    if value_of(config, "voice_application_sid"):
        if application is None:
            return None
        source = application
    url = value_of(source, "voice_url")
    if not url:
        return None
    return OldRoute(
        url=url,
        method=value_of(source, "voice_method"),
        status_callback=value_of(source, "status_callback"),
        status_callback_method=value_of(source, "status_callback_method"),
    )


def obstacle(config: Mapping[str, Any], application: Mapping[str, Any] | None = None) -> str:
    """Why the calls of such a number cannot be shared, in plain words; empty when they can."""
    if value_of(config, "trunk_sid"):
        return (
            "A SIP trunk answers this number. Its calls cannot be shared: only a web address can be handed a ringing call. "
            "Cut it over whole, outside of busy hours; rolling back works as usual."
        )
    if value_of(config, "voice_application_sid") and application is None:
        return "The TwiML application that answers this number could not be read at Twilio, so its calls cannot be shared."
    route = route_from(config, application)
    if route is None:
        return "Nobody answers this number now, so there is nobody to hand the other calls to. Cut it over whole."
    if not _is_web_address(route.url):
        return "The old provider's voice URL is no web address, so no call can be handed to it."
    if is_ours(route.url, origin=settings.PUBLIC_ORIGIN):
        return "The number is answered by Tandem already: calls handed over would come straight back."
    return ""


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()


def route_keep(snapshot: NumberSnapshot, application: Mapping[str, Any], *, now: datetime) -> OldRoute | None:
    """Keep where calls of a snapshot went whose number was answered by a TwiML application."""
    route = route_from(snapshot.config, application)
    if route is not None:
        SnapshotRoute.objects.update_or_create(
            snapshot=snapshot,
            defaults={
                "url": route.url,
                "method": route.method,
                "status_callback": route.status_callback,
                "status_callback_method": route.status_callback_method,
                "found_at": now,
            },
        )
    return route


def route_of(snapshot: NumberSnapshot) -> OldRoute | None:
    """Where the old provider of a snapshot takes calls; None where it cannot be handed any."""
    if value_of(snapshot.config, "voice_application_sid") and not value_of(snapshot.config, "trunk_sid"):
        kept = SnapshotRoute.objects.filter(pk=snapshot.pk).first()
        route = (
            OldRoute(kept.url, kept.method, kept.status_callback, kept.status_callback_method)
            if kept
            else None
        )
    else:
        route = route_from(snapshot.config)
    if route is None or not _is_web_address(route.url) or is_ours(route.url, origin=settings.PUBLIC_ORIGIN):
        return None
    return route


# --- One call -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Handed:
    """The call goes to the old provider; ``document`` is what Twilio is told."""

    call: Call
    document: str


def call_hand_over(
    *,
    call_sid: str,
    account_sid: str,
    did: str,
    caller: str,
    asks: Callable[[Order], Reply] = ask,
) -> Handed | None:
    """The document that gives a call to the old provider; None where our assistant takes it.

    A call that was decided before keeps its stack and its document, whatever the share is now.
    """
    number = (
        PhoneNumber.objects.select_related("snapshot")
        .only(
            "did",
            "canary_percent",
            "hand_over_by",
            "vapi_id",
            "assistant_id",
            "snapshot__id",
            "snapshot__config",
        )
        .filter(did=did)
        .first()
    )
    if number is None or number.snapshot is None or number.canary_percent >= 100:
        return None
    known = Call.objects.filter(call_sid=call_sid).first()
    if known is not None:
        return handed_before(known, asks=asks)
    if stack_for(did=did, caller=caller, call_sid=call_sid, percent=number.canary_percent) == "direct":
        return None
    route = route_of(number.snapshot)
    if route is None:
        # Refused when it was planned; it became so since. A caller who is answered is better than one who is not.
        logger.warning("a call could not be handed over: its old provider has no URL")
        return None
    call = _written(number, route, call_sid=call_sid, account_sid=account_sid, caller=caller)
    return handed_before(call, asks=asks)


def handed_before(call: Call, *, asks: Callable[[Order], Reply] = ask) -> Handed | None:
    """The document of a call that was given to the old provider; None for one that our assistant took."""
    handover = CallHandover.objects.filter(pk=call.pk).first()
    if call.stack != Call.Stack.VAPI or handover is None:
        return None
    if handover.answers_n >= MOST_ANSWERS:
        # The old address sends the call back to us: somebody's own gate, or a provider that has been moved too.
        call_take_back(
            call_sid=call.call_sid, why="The old provider sent the call back to us again and again."
        )
        return None
    CallHandover.objects.filter(pk=call.pk).update(answers_n=F("answers_n") + 1)
    if handover.how == CallHandover.How.BYPASS and not handover.document:
        handover = _bypassed(call, handover, asks)
    if handover.how == CallHandover.How.BYPASS:
        return Handed(call, handover.document)
    return Handed(call, redirect_document(handover.url, handover.method))


def call_take_back(*, call_sid: str, why: str) -> bool:
    """Let our assistant take a call that was handed to the old provider and came back; whether there was one."""
    call = (
        Call.objects.select_related("phone_number__assistant", "phone_number__squad")
        .filter(call_sid=call_sid, stack=Call.Stack.VAPI)
        .first()
    )
    if call is None or not CallHandover.objects.filter(pk=call.pk).update(problem=why):
        return False
    number = call.phone_number
    assistant = number.answering if number is not None and number.enabled else None
    version_id = assistant.live_version_id if assistant and assistant.enabled else None
    taken = Call.objects.filter(pk=call.pk, stack=Call.Stack.VAPI)
    return bool(taken.update(stack=Call.Stack.DIRECT, assistant=assistant, version_id=version_id))


def _written(number: PhoneNumber, route: OldRoute, *, call_sid: str, account_sid: str, caller: str) -> Call:
    """The call and how it is handed over, as rows; those of the first webhook where two came at once."""
    now = timezone.now()
    bypass = number.hand_over_by == PhoneNumber.HandOverBy.BYPASS
    problem = "" if not bypass else why_no_bypass(number, caller)
    how = CallHandover.How.BYPASS if bypass and not problem else CallHandover.How.REDIRECT
    with transaction.atomic():
        call, created = Call.objects.get_or_create(
            call_sid=call_sid,
            defaults={
                "stack": Call.Stack.VAPI,
                "account_sid": account_sid,
                "did": number.did,
                "caller": caller,
                "phone_number": number,
                "assistant_id": number.assistant_id,
            },
        )
        if created:
            CallHandover.objects.create(
                call=call,
                how=how,
                url=route.url,
                method=route.method,
                status_callback=route.status_callback,
                status_callback_method=route.status_callback_method,
                problem=problem,
                at=now,
            )
    return call


def redirect_document(url: str, method: str) -> str:
    """Have Twilio ask another address what to do with the call: at the first ring it rings on, as if it were first asked there."""
    response = VoiceResponse()
    response.redirect(url, method=method)
    return str(response)


# --- Provider bypass ------------------------------------------------------------------------------------------


def why_no_bypass(number: PhoneNumber, caller: str) -> str:
    """Why Vapi cannot be asked for the document of such a call; empty when it can."""
    if not settings.VAPI_API_KEY:
        return "VAPI_API_KEY is not set, so Vapi was not asked for a document."
    if not number.vapi_id:
        return "Vapi's id of the number is not known (import its phone numbers), so Vapi was not asked for a document."
    if withheld(caller) or not _TELEPHONE.fullmatch(caller):
        return "Provider bypass wants the caller's number, and this caller has none."
    return ""


def _bypassed(call: Call, handover: CallHandover, asks: Callable[[Order], Reply]) -> CallHandover:
    """The handover with Vapi's document, or turned into a redirect. Vapi is asked once: by whoever comes first."""
    unasked = CallHandover.objects.filter(pk=handover.pk, asked_at=None)
    if not unasked.update(asked_at=timezone.now()):
        return _awaited(handover.pk)
    number = call.phone_number
    order = Order(
        did=call.did,
        caller=call.caller,
        phone_number_id=number.vapi_id if number else "",
        within_s=settings.VOICE_ANSWER_WITHIN_MS / 1000 * 0.6,
    )
    waiting = CallHandover.objects.filter(pk=handover.pk, how=CallHandover.How.BYPASS, document="")
    try:
        reply = asks(order)
    except BypassError as exc:
        logger.warning("provider bypass failed; the call is redirected", extra={"call_id": str(call.id)})
        waiting.update(how=CallHandover.How.REDIRECT, problem=f"{exc} The call was redirected instead.")
    else:
        # Whoever waited too long for this has redirected the call by now, and that stays.
        waiting.update(document=reply.document, provider_call_id=reply.call_id[:64])
    handover.refresh_from_db()
    return handover


def _awaited(handover_id: uuid.UUID) -> CallHandover:
    """The handover once somebody else's question to Vapi was answered, or as a redirect when that takes too long."""
    until = time.monotonic() + settings.VOICE_ANSWER_WITHIN_MS / 1000 * 0.7
    while True:
        handover = CallHandover.objects.get(pk=handover_id)
        if handover.document or handover.how == CallHandover.How.REDIRECT:
            return handover
        if time.monotonic() > until:
            waiting = CallHandover.objects.filter(pk=handover_id, document="")
            waiting.update(
                how=CallHandover.How.REDIRECT, problem="Vapi was asked and nobody heard the answer in time."
            )
            handover.refresh_from_db()
            return handover
        time.sleep(_ANOTHER_LOOK_S)


# --- The end of a handed-over call ----------------------------------------------------------------------------


def handed_over_ended(*, call_sid: str, form: Mapping[str, Any]) -> CallHandover | None:
    """Write how a call ended that was handed over, by Twilio's word; None for any other call.

    How long it was talked is Twilio's count; our own clock saw nothing of it.
    """
    handover = (
        CallHandover.objects.select_related("call")
        .filter(call__call_sid=call_sid, call__stack=Call.Stack.VAPI)
        .first()
    )
    if handover is None or not call_sid:
        return None
    now = timezone.now()
    status, seconds = str(form.get("CallStatus") or ""), str(form.get("CallDuration") or "")
    talked_s = int(seconds) if seconds.isdecimal() and len(seconds) < 7 else 0
    answered = status == "completed" and talked_s > 0
    live = Call.objects.filter(pk=handover.pk, ended_at__isnull=True)
    live.update(
        status=Call.Status.ENDED,
        ended_at=now,
        started_at=now - timedelta(seconds=talked_s) if answered else None,
        ended_reason="call.in-progress.twilio-completed-call" if answered else f"twilio-{status}"[:120],
    )
    return handover

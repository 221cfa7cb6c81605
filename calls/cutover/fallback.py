"""The way back: where Twilio takes a call when we do not answer in time, and the signs that it did.

Twilio takes the number's fallback URL after any failure of the voice URL: no connection, no answer in time, a status that
is no success, a document that is none. Without more it waits 15 s before that, and the caller hears it ring. The limits are
set in the fragment of the voice URL ("connection overrides"): Twilio keeps it to itself, so it is neither sent nor signed.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from django.conf import settings

from calls.cutover.changes import VOICE_PATH, is_ours, value_of
from calls.models import Call, FallbackCall, PhoneNumber

# A lost packet is sent again after a second, so a connection may take that long; the second try is for a host that is
# just being replaced. Both in vain take two seconds, a connection and a silent server three and a half.
CONNECT_MS: Final = 1000
RETRIES: Final = 1
MARK: Final = "back=1"
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_LONGEST_TOTAL_MS: Final = 15_000
# Twilio counts how long a call was talked, not how long it rang before; its word on the end may also be late. A guess.
RINGS_FOR: Final = timedelta(seconds=15)


# --- What is written to the number ----------------------------------------------------------------------------


def voice_url(origin: str, *, has_way_back: bool = True) -> str:
    """Our voice webhook as a number has it.

    With a way back it says so, because whoever cannot answer then rather fails (`calls.views.voice`), and has Twilio wait
    for a short time only. Without one every limit of ours would be a call lost.
    """
    if not has_way_back:
        return f"{origin}{VOICE_PATH}"
    read_ms: int = settings.VOICE_ANSWER_WITHIN_MS
    total_ms = min(read_ms + CONNECT_MS, _LONGEST_TOTAL_MS)
    return f"{origin}{VOICE_PATH}?{MARK}#ct={CONNECT_MS}&rt={read_ms}&tt={total_ms}&rc={RETRIES}"


def fallback_for(
    config: Mapping[str, Any], *, route: tuple[str, str] | None = None, origin: str | None = None
) -> tuple[str, str]:
    """Where callers are taken when we are down, and by which method; an empty URL: nowhere.

    ``config`` is the number as it was at the old provider. VOICE_FALLBACK names another place for all numbers: a URL,
    or a telephone number. ``route`` is the URL and method of the number's TwiML application, where it has one. Our own
    webhook is no way back from itself, nor is a trunk, which has no URL.
    """
    chosen: str = settings.VOICE_FALLBACK
    if _NUMBER.fullmatch(chosen):
        return number_url(chosen), "GET"
    if chosen:
        return chosen, "POST"
    url, method = route or old_url(config)
    if not url or is_ours(url, origin=settings.PUBLIC_ORIGIN if origin is None else origin):
        return "", "POST"
    return url, method


def old_url(config: Mapping[str, Any]) -> tuple[str, str]:
    """The voice URL that a configuration really uses, and its method; empty where a trunk or an application answers."""
    if value_of(config, "trunk_sid") or value_of(config, "voice_application_sid"):
        return "", "POST"
    return value_of(config, "voice_url"), value_of(config, "voice_method")


def number_url(number: str) -> str:
    """A document that dials a telephone number, from a place that is there when we are not: Twilio's own Twimlets.

    They come without a promise; a TwiML Bin of the account is better, and its URL can be given instead.
    """
    return f"https://twimlets.com/forward?PhoneNumber={quote(number, safe='')}&Timeout=30"


def without_fragment(url: str) -> str:
    """The URL as Twilio requests and signs it."""
    return urlunsplit(urlsplit(url)._replace(fragment=""))


# --- Signs that it was taken ----------------------------------------------------------------------------------


def error_seen(form: Mapping[str, Any], *, now: datetime) -> bool:
    """Write down that a call came with an error of Twilio's: another URL failed before. Whether it had one."""
    code = str(form.get("ErrorCode") or "")[:20]
    if not code:
        return False
    _keep(
        FallbackCall.Kind.ERROR,
        form,
        now=now,
        error_code=code,
        error_url=_shown(str(form.get("ErrorUrl") or "")),
    )
    return True


def unseen_ended(form: Mapping[str, Any], *, now: datetime) -> bool:
    """Write down that a call ended which never reached us although its number is ours; whether it was so.

    A number's status callback comes at the end of every call, also of one that the fallback URL answered. One that was
    already going on when the number came to us is the old provider's.
    """
    call_sid = str(form.get("CallSid") or "")[:64]
    number = PhoneNumber.objects.filter(did=str(form.get("To") or "")[:40]).first()
    ours = (PhoneNumber.State.CANARY, PhoneNumber.State.OURS)
    if not call_sid or number is None or number.state not in ours:
        return False
    if str(form.get("Direction") or "inbound") != "inbound":
        return False
    if _began_before(number, form, now) or Call.objects.filter(call_sid=call_sid).exists():
        return False
    _keep(FallbackCall.Kind.UNSEEN, form, now=now, number=number)
    return True


def _began_before(number: PhoneNumber, form: Mapping[str, Any], now: datetime) -> bool:
    seconds = str(form.get("CallDuration") or "")
    talked_s = int(seconds) if seconds.isdecimal() and len(seconds) < 7 else 0
    began_by = now - timedelta(seconds=talked_s) - RINGS_FOR
    return number.cut_over_at is not None and began_by < number.cut_over_at


def _keep(kind: FallbackCall.Kind, form: Mapping[str, Any], *, now: datetime, **fields: Any) -> None:
    did = str(form.get("To") or "")[:40]
    number = fields.pop("number", None) or PhoneNumber.objects.filter(did=did).first()
    FallbackCall.objects.get_or_create(
        call_sid=str(form.get("CallSid") or "")[:64],
        kind=kind,
        error_code=fields.pop("error_code", ""),
        defaults={"number": number, "did": did, "at": now, **fields},
    )


def _shown(url: str) -> str:
    """An address without what may be secret in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, host, parts.path, "", ""))[:500]

"""Twilio and OpenAI: whether they know us, and what time it is there."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit, urlunsplit

import requests
from django.conf import settings
from django.utils.crypto import constant_time_compare
from twilio.base.exceptions import TwilioException, TwilioRestException

from calls.clients import twilio_client
from calls.doctor.report import Finding, failed, ok, skipped, warning, worst
from calls.models import TwilioAccount
from calls.twilio.accounts import auth_tokens_for

TIMEOUT_S = 5.0
_OPENAI_HOSTS = ("api.openai.com", ".api.openai.com")
# A second or two are the network's and the header's own; more is a clock that nobody keeps.
CLOCK_WARNS_S = 5.0
CLOCK_FAILS_S = 30.0
_MOST_ACCOUNTS = 20


# --- Twilio --------------------------------------------------------------------------------------------------


def twilio_accounts() -> Finding:
    """Whether Twilio takes the credentials of every account, and signs with the token that we expect."""
    if not settings.TWILIO_ACCOUNT_SID or not settings.TWILIO_AUTH_TOKEN:
        return failed(
            "TWILIO_ACCOUNT_SID or TWILIO_AUTH_TOKEN is not set.",
            "Copy both from the first page of Twilio's console. Without them no webhook is believed and no call can be ended.",
        )
    others = TwilioAccount.objects.filter(enabled=True).exclude(pk=settings.TWILIO_ACCOUNT_SID)
    sids = list(others.order_by("pk").values_list("pk", flat=True)[:_MOST_ACCOUNTS])
    findings = [_account(settings.TWILIO_ACCOUNT_SID, own=True)]
    findings += [_account(sid, own=False) for sid in sids]
    words = "The account is active and takes our credentials."
    return worst(findings, all_well=words if not sids else f"{len(sids) + 1} accounts take our credentials.")


def _account(sid: str, *, own: bool) -> Finding:
    name = f"account …{sid[-4:]}"
    try:
        account = twilio_client(sid).api.v2010.accounts(sid).fetch()
    except TwilioRestException as exc:
        if exc.status in (401, 403):
            where = "TWILIO_AUTH_TOKEN" if own else "the account's credentials under Twilio accounts"
            return failed(
                f"Twilio refuses our credentials for {name} ({exc.status}).",
                f"Compare {where} with Twilio's console: it may have been rotated there.",
            )
        return failed(
            f"Twilio answered {exc.status} for {name}.",
            "Try again; Twilio's status page tells of outages.",
        )
    except (TwilioException, requests.RequestException) as exc:
        return failed(
            f"Twilio could not be reached for {name} ({type(exc).__name__}).",
            "Look whether this machine may reach TWILIO_API_URL, and at Twilio's status page.",
        )
    if account.status != "active":
        return failed(
            f"{name.capitalize()} is {account.status}.",
            "Callers are turned away until Twilio opens it again.",
        )
    return _signs_with(account.auth_token, sid, name, own=own)


def _signs_with(primary: str | None, sid: str, name: str, *, own: bool) -> Finding:
    """Twilio tells an account's primary token to its owner, and signs with that one only."""
    if primary and not any(constant_time_compare(primary, token) for token in auth_tokens_for(sid)):
        where = "into TWILIO_AUTH_TOKEN and restart" if own else "under Twilio accounts"
        return failed(
            f"Twilio signs with another auth token than the ones we have for {name}.",
            f"Every webhook of it is refused. Put the primary token of Twilio's console {where}.",
        )
    if own and primary and not constant_time_compare(primary, settings.TWILIO_AUTH_TOKEN):
        return warning(
            f"Twilio signs with what is our TWILIO_AUTH_TOKEN_SECONDARY for {name}.",
            "The token was rotated: make it TWILIO_AUTH_TOKEN, and empty the secondary one.",
        )
    return ok("")


# --- OpenAI --------------------------------------------------------------------------------------------------


def openai_key() -> Finding:
    """Whether OpenAI knows our key. Another Realtime server shows that by the handshake alone."""
    if not settings.OPENAI_API_KEY:
        return failed(
            "OPENAI_API_KEY is not set.", "Every caller hears an apology. Set it and restart all processes."
        )
    origin = _http_origin(settings.OPENAI_REALTIME_URL)
    host = urlsplit(origin).hostname or ""
    if not (host == _OPENAI_HOSTS[0] or host.endswith(_OPENAI_HOSTS[1])):
        return skipped(
            "Another Realtime server is used; the Realtime handshake shows whether it takes our key."
        )
    try:
        answer = requests.get(
            f"{origin}/v1/models",
            headers={"Authorization": f"Bearer {settings.OPENAI_API_KEY}"},
            timeout=TIMEOUT_S,
        )
    except requests.RequestException as exc:
        return failed(
            f"OpenAI could not be reached ({type(exc).__name__}).",
            "Look whether this machine may reach api.openai.com, and at OpenAI's status page.",
        )
    return _key_told(answer.status_code)


def _key_told(status: int) -> Finding:
    if status == 200:
        return ok("OpenAI takes our key.")
    if status in (401, 403):
        # A restricted key may be barred from the list of models and still be good for Realtime.
        words = "does not know our key" if status == 401 else "does not let our key list models"
        tell = failed if status == 401 else warning
        return tell(
            f"OpenAI {words} ({status}).",
            "Compare OPENAI_API_KEY with the project's keys; the Realtime handshake is what counts.",
        )
    return warning(f"OpenAI answered {status}.", "Try again; OpenAI's status page tells of outages.")


def _http_origin(websocket_url: str) -> str:
    parts = urlsplit(websocket_url)
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, "", "", ""))


# --- Clocks --------------------------------------------------------------------------------------------------


def clock() -> Finding:
    """Whether our clock is right, by the dates in others' answers."""
    origins = {
        "Twilio": settings.TWILIO_API_URL,
        "OpenAI": _http_origin(settings.OPENAI_REALTIME_URL),
    }
    ahead = {who: by for who, origin in origins.items() if (by := _ahead_s(origin)) is not None}
    if not ahead:
        return warning(
            "Nobody told the time.", "Twilio and OpenAI could not be reached; their own checks say why."
        )
    return clock_told(ahead)


def clock_told(ahead_s: dict[str, float]) -> Finding:
    """What it means that our clock is ahead of others' by so much. A single one may be wrong itself, so the nearest counts."""
    who, by = min(ahead_s.items(), key=lambda one: abs(one[1]))
    facts = {"ahead_s": round(by, 1)}
    words = f"Our clock is {abs(by):.0f} s {'ahead of' if by > 0 else 'behind'} {who}'s."
    what = "Let this machine keep its time by NTP (chrony or systemd-timesyncd). Times of calls and expiries are wrong."
    if abs(by) >= CLOCK_FAILS_S:
        return failed(words, what, **facts)
    if abs(by) >= CLOCK_WARNS_S:
        return warning(words, what, **facts)
    return ok(f"Our clock and {who}'s agree to {CLOCK_WARNS_S:.0f} s.", **facts)


def _ahead_s(origin: str) -> float | None:
    """By how much our clock is ahead of a server's; None where it does not say. The header has whole seconds."""
    began = time.time()
    try:
        answer = requests.head(origin, timeout=TIMEOUT_S, allow_redirects=False)
        there = parsedate_to_datetime(answer.headers["Date"])
    except (requests.RequestException, KeyError, ValueError, TypeError):
        return None
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    middle = datetime.fromtimestamp((began + time.time()) / 2, UTC)
    return (middle - there).total_seconds() - 0.5

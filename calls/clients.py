"""Connections to the outside: the Realtime API's socket, and Twilio's REST."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
import websockets
from django.conf import settings
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from websockets.asyncio.client import connect

from assistants.realtime import realtime_opening
from calls.sockets.realtime import RealtimeSocket
from calls.twilio import twiml
from calls.twilio.accounts import credentials_for

# Appends are dropped by us long before this: sending must never wait, for the reader of the caller does it.
WRITE_LIMIT = 1024 * 1024
OPEN_WITHIN_S = 8.0
TWILIO_TIMEOUT_S = 5.0

ALREADY_OVER = {20404, 21220}
TOO_MANY = 429


class RealtimeRefusedError(Exception):
    """The Realtime server could not be reached, or refused the socket. ``code`` is for the problem row."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TwilioRefusedError(Exception):
    """Twilio's REST did not do what was asked. The text is fit for a problem row; ``unsure``: it may have been done."""

    def __init__(self, why: str, *, unsure: bool = False) -> None:
        super().__init__(why)
        self.unsure = unsure


class CallGoneError(TwilioRefusedError):
    """The telephone call was over before it could be changed."""


async def realtime_connect(model: str, *, request_id: str) -> RealtimeSocket:
    """An open socket to the Realtime API. Tries once more when the server is only busy. Raises RealtimeRefusedError."""
    try:
        return await _connect(model, request_id)
    except RealtimeRefusedError as exc:
        if exc.code in ("http_401", "http_403", "http_404"):
            raise
    await asyncio.sleep(0.5)
    return await _connect(model, request_id)


async def _connect(model: str, request_id: str) -> RealtimeSocket:
    try:
        socket = await connect(
            **realtime_opening(model, request_id=request_id),
            create_connection=RealtimeSocket,
            write_limit=WRITE_LIMIT,
            open_timeout=OPEN_WITHIN_S,
            ping_interval=20,
            ping_timeout=60,  # with 20 s a busy moment of ours would drop healthy calls
        )
    except websockets.InvalidStatus as exc:
        raise RealtimeRefusedError(f"http_{exc.response.status_code}") from exc
    except (OSError, ssl.SSLError, TimeoutError, websockets.WebSocketException) as exc:
        raise RealtimeRefusedError(f"connect_{type(exc).__name__}") from exc
    assert isinstance(socket, RealtimeSocket)
    return socket


class _RootedHttpClient(TwilioHttpClient):  # type: ignore[misc]  # the library has no types
    """Twilio's HTTP client for another root than api.twilio.com, and with a time limit, which it lacks."""

    def __init__(self, root: str, timeout_s: float) -> None:
        super().__init__(timeout=timeout_s)
        self._root = urlsplit(root)
        if self.session is not None:
            self.session.trust_env = self._root.scheme == "https"

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        asked = urlsplit(url)
        if asked.netloc == "api.twilio.com":
            url = urlunsplit((self._root.scheme, self._root.netloc, asked.path, asked.query, ""))
        return super().request(method, url, *args, **kwargs)


def twilio_client(account_sid: str, *, timeout_s: float | None = None) -> Client:
    """Twilio's REST for this account, with its own credentials, or ours: those may act on subaccounts."""
    credentials = credentials_for(account_sid)
    return Client(
        credentials.username,
        credentials.password,
        account_sid or settings.TWILIO_ACCOUNT_SID,
        http_client=_RootedHttpClient(settings.TWILIO_API_URL, timeout_s or TWILIO_TIMEOUT_S),
    )


def hang_up(*, call_sid: str, account_sid: str) -> None:
    """End a telephone call. One that is over already is as good. Blocks; raises TwilioRefusedError."""
    _update_call(call_sid, account_sid, status="completed")


def apologise(*, call_sid: str, account_sid: str, text: str, language: str) -> None:
    """Have Twilio say a sentence on a live call and end it; the media stream ends with it. Raises TwilioRefusedError."""
    _update_call(call_sid, account_sid, twiml=twiml.apology_document(text, language))


def redirect(*, call_sid: str, account_sid: str, document: str) -> None:
    """Put a live call on another document; its media stream ends with that. Raises CallGoneError, TwilioRefusedError."""
    if not _update_call(call_sid, account_sid, twiml=document):
        raise CallGoneError("The call was over already.")


@dataclass(frozen=True, slots=True)
class CallState:
    """Twilio's word on a call: its status, and when it ended."""

    status: str
    ended_at: datetime | None


def call_state(*, call_sid: str, account_sid: str) -> CallState | None:
    """What Twilio knows of a call; None for one that it does not know. Blocks; raises TwilioRefusedError."""
    found = _fetch_call(call_sid, account_sid)
    if found is None:
        return None
    # The library gives a moment that it cannot read back as the text that it was.
    ended_at = found.end_time if isinstance(found.end_time, datetime) else None
    return CallState(str(found.status), ended_at)


def call_price(*, call_sid: str, account_sid: str) -> Decimal | None:
    """What Twilio charged for the line of a call, in US dollars; None where it does not say so yet, or not in dollars.

    Blocks; raises TwilioRefusedError.
    """
    found = _fetch_call(call_sid, account_sid)
    if found is None or found.price is None or str(found.price_unit).upper() != "USD":
        return None
    try:
        charged = Decimal(str(found.price))
    except InvalidOperation:
        return None
    return abs(charged) if charged.is_finite() else None  # Twilio writes it as a debit, below nothing


def _fetch_call(call_sid: str, account_sid: str) -> Any:
    """The call as Twilio has it; None for one that it does not know. Raises TwilioRefusedError."""
    try:
        return twilio_client(account_sid).calls(call_sid).fetch()
    except TwilioRestException as exc:
        if exc.status == 404:
            return None
        why = f"Twilio answered {exc.status}, error {exc.code}."
        raise TwilioRefusedError(why, unsure=exc.status >= 500 or exc.status == TOO_MANY) from exc
    except (TwilioException, requests.RequestException) as exc:
        why = f"Twilio could not be reached: {type(exc).__name__}."
        raise TwilioRefusedError(why, unsure=True) from exc


def _update_call(call_sid: str, account_sid: str, **change: str) -> bool:
    """Whether the call was there to be changed. Raises TwilioRefusedError."""
    client = twilio_client(account_sid)
    for last in (False, True):
        try:
            client.calls(call_sid).update(**change)
        except TwilioRestException as exc:
            if exc.code in ALREADY_OVER or exc.status == 404:
                return False
            if exc.status != TOO_MANY or last:
                why = f"Twilio answered {exc.status}, error {exc.code}."
                raise TwilioRefusedError(why, unsure=exc.status >= 500) from exc
        except (TwilioException, requests.RequestException) as exc:
            why = f"Twilio could not be reached: {type(exc).__name__}."
            raise TwilioRefusedError(why, unsure=True) from exc
        else:
            return True
    raise AssertionError("the last attempt returns or raises")

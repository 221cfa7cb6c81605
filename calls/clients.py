"""Connections to the outside: the Realtime API's socket, and Twilio's REST."""

import asyncio
import ssl
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import requests
import websockets
from django.conf import settings
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from websockets.asyncio.client import ClientConnection, connect

from calls import twiml

# Events with audio of 3 MB were seen; the default limit of 1 MiB would end the call in the middle of an answer.
LARGEST_EVENT = 16 * 1024 * 1024
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
    """Twilio's REST did not do what was asked. The text is fit for a problem row."""


async def realtime_connect(model: str) -> ClientConnection:
    """An open socket to the Realtime API. Tries once more when the server is only busy. Raises RealtimeRefusedError."""
    try:
        return await _connect(model)
    except RealtimeRefusedError as exc:
        if exc.code in ("http_401", "http_403", "http_404"):
            raise
    await asyncio.sleep(0.5)
    return await _connect(model)


async def _connect(model: str) -> ClientConnection:
    url = f"{settings.OPENAI_REALTIME_URL}?{urlencode({'model': model})}"
    try:
        return await connect(
            url,
            additional_headers={"Authorization": f"Bearer {settings.OPENAI_API_KEY}"},
            compression=None,  # base64 hardly shrinks, and every frame would pay for trying
            max_size=LARGEST_EVENT,
            write_limit=WRITE_LIMIT,
            open_timeout=OPEN_WITHIN_S,
            ping_interval=20,
            ping_timeout=60,  # with 20 s a busy moment of ours would drop healthy calls
            proxy=True if url.startswith("wss://") else None,
        )
    except websockets.InvalidStatus as exc:
        raise RealtimeRefusedError(f"http_{exc.response.status_code}") from exc
    except (OSError, ssl.SSLError, TimeoutError, websockets.WebSocketException) as exc:
        raise RealtimeRefusedError(f"connect_{type(exc).__name__}") from exc


class _RootedHttpClient(TwilioHttpClient):  # type: ignore[misc]  # the library has no types
    """Twilio's HTTP client for another root than api.twilio.com, and with a time limit, which it lacks."""

    def __init__(self, root: str) -> None:
        super().__init__(timeout=TWILIO_TIMEOUT_S)
        self._root = urlsplit(root)
        if self.session is not None:
            self.session.trust_env = self._root.scheme == "https"

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        asked = urlsplit(url)
        if asked.netloc == "api.twilio.com":
            url = urlunsplit((self._root.scheme, self._root.netloc, asked.path, asked.query, ""))
        return super().request(method, url, *args, **kwargs)


def twilio_client(account_sid: str) -> Client:
    """Twilio's REST for this account; our own credentials may act on subaccounts."""
    return Client(
        settings.TWILIO_ACCOUNT_SID,
        settings.TWILIO_AUTH_TOKEN,
        account_sid or settings.TWILIO_ACCOUNT_SID,
        http_client=_RootedHttpClient(settings.TWILIO_API_URL),
    )


def hang_up(*, call_sid: str, account_sid: str) -> None:
    """End a telephone call. One that is over already is as good. Blocks; raises TwilioRefusedError."""
    _update_call(call_sid, account_sid, status="completed")


def apologise(*, call_sid: str, account_sid: str, text: str, language: str) -> None:
    """Have Twilio say a sentence on a live call and end it; the media stream ends with it. Raises TwilioRefusedError."""
    _update_call(call_sid, account_sid, twiml=twiml.apology_document(text, language))


def _update_call(call_sid: str, account_sid: str, **change: str) -> None:
    client = twilio_client(account_sid)
    for last in (False, True):
        try:
            client.calls(call_sid).update(**change)
        except TwilioRestException as exc:
            if exc.code in ALREADY_OVER or exc.status == 404:
                return
            if exc.status != TOO_MANY or last:
                raise TwilioRefusedError(f"Twilio answered {exc.status}, error {exc.code}.") from exc
        except (TwilioException, requests.RequestException) as exc:
            raise TwilioRefusedError(f"Twilio could not be reached: {type(exc).__name__}.") from exc
        else:
            return

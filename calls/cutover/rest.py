"""Numbers and accounts at Twilio's REST: read in pages, read singly, and written in one POST.

Too many requests (429) were not carried out, so they are repeated; so is reading after any trouble. Writing is never
repeated: whether it was carried out is found out by reading.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from calls.clients import TwilioRefusedError, twilio_client

T = TypeVar("T")

PAGE_SIZE: Final = 1000
PAGE_WITHIN_S: Final = 30.0  # a thousand numbers are over a megabyte
ANSWER_WITHIN_S: Final = 8.0
# Twilio's own advice for 429: 100 ms, doubled each time, a tenth more or less, at most five times.
BUSY_TRIES: Final = 6
READ_TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.1
JITTER: Final = 0.1
TOO_MANY: Final = 429
NOT_FOUND: Final = 404
_PARAMETERS: Final[dict[str, str]] = {
    "voice_url": "VoiceUrl",
    "voice_method": "VoiceMethod",
    "voice_fallback_url": "VoiceFallbackUrl",
    "voice_fallback_method": "VoiceFallbackMethod",
    "status_callback": "StatusCallback",
    "status_callback_method": "StatusCallbackMethod",
    "voice_application_sid": "VoiceApplicationSid",
    "trunk_sid": "TrunkSid",
}


class NotThereError(TwilioRefusedError):
    """The account does not have this number, or this account cannot be reached with these credentials."""


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """An account as Twilio lists it."""

    sid: str
    name: str
    owner_sid: str
    status: str
    auth_token: str = field(repr=False)


class Twilio(Protocol):
    """What a cutover needs of Twilio. Everything raises TwilioRefusedError, with ``unsure`` where it may have been done."""

    def fetch(self, *, account_sid: str, sid: str) -> dict[str, Any]:
        """The number's resource as it is now."""

    def application(self, *, account_sid: str, sid: str) -> dict[str, Any]:
        """The resource of a TwiML application."""

    def write(self, *, account_sid: str, sid: str, fields: Mapping[str, str]) -> None:
        """Set these fields in one request; an empty text clears."""

    def pages(self, *, account_sid: str) -> Iterator[list[dict[str, Any]]]:
        """All numbers of an account, a page at a time."""

    def accounts(self) -> list[FoundAccount]:
        """The environment's account and its subaccounts."""


class TwilioRest:
    """Twilio's REST by its own library; the resources are given as they came, for a snapshot is to be complete."""

    def __init__(self, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause

    def fetch(self, *, account_sid: str, sid: str) -> dict[str, Any]:
        """See Twilio."""
        return self._one(account_sid, f"IncomingPhoneNumbers/{sid}", sid)

    def application(self, *, account_sid: str, sid: str) -> dict[str, Any]:
        """See Twilio."""
        return self._one(account_sid, f"Applications/{sid}", sid)

    def _one(self, account_sid: str, path: str, sid: str) -> dict[str, Any]:
        client = twilio_client(account_sid, timeout_s=ANSWER_WITHIN_S)
        resource = self._read(lambda: client.api.v2010.fetch("GET", f"/Accounts/{account_sid}/{path}.json"))
        if not isinstance(resource, dict) or resource.get("sid") != sid:
            raise TwilioRefusedError("Twilio answered with something else than was asked for.", unsure=True)
        return resource

    def write(self, *, account_sid: str, sid: str, fields: Mapping[str, str]) -> None:
        """See Twilio."""
        client = twilio_client(account_sid, timeout_s=ANSWER_WITHIN_S)
        uri = f"/Accounts/{account_sid}/IncomingPhoneNumbers/{sid}.json"
        form = {_PARAMETERS[field]: value for field, value in fields.items()}
        self._tried(lambda: client.api.v2010.update("POST", uri, data=form), again=_was_not_done)

    def pages(self, *, account_sid: str) -> Iterator[list[dict[str, Any]]]:
        """See Twilio."""
        client = twilio_client(account_sid, timeout_s=PAGE_WITHIN_S)
        uri: str | None = f"/Accounts/{account_sid}/IncomingPhoneNumbers.json"
        params: dict[str, object] = {"PageSize": PAGE_SIZE}
        while uri:
            page = self._page(client, uri, params)
            yield _rows(page, "incoming_phone_numbers")
            uri, params = _next(page)

    def accounts(self) -> list[FoundAccount]:
        """See Twilio."""
        client = twilio_client("", timeout_s=PAGE_WITHIN_S)
        found = []
        uri: str | None = "/Accounts.json"
        params: dict[str, object] = {"PageSize": PAGE_SIZE}
        while uri:
            page = self._page(client, uri, params)
            found += [
                FoundAccount(
                    sid=str(row.get("sid") or ""),
                    name=str(row.get("friendly_name") or ""),
                    owner_sid=str(row.get("owner_account_sid") or ""),
                    status=str(row.get("status") or "active"),
                    auth_token=str(row.get("auth_token") or ""),
                )
                for row in _rows(page, "accounts")
            ]
            uri, params = _next(page)
        return found

    def _page(self, client: Client, uri: str, params: dict[str, object]) -> dict[str, Any]:
        page = self._read(lambda: client.api.v2010.fetch("GET", uri, params=params))
        if not isinstance(page, dict):
            raise TwilioRefusedError("Twilio answered with something that is not a list.", unsure=True)
        return page

    def _read(self, request: Callable[[], Any]) -> Any:
        return self._tried(request, again=may_pass)

    def _tried(self, request: Callable[[], T], *, again: Callable[[TwilioRefusedError], bool]) -> T:
        pause_s = FIRST_PAUSE_S
        troubles = 0
        for left in range(BUSY_TRIES - 1, -1, -1):
            try:
                return _translated(request)
            except TwilioRefusedError as exc:
                troubles += not isinstance(exc, BusyError)
                if not left or troubles == READ_TRIES or not again(exc):
                    raise
            self._pause(pause_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311  # no secret
            pause_s *= 2
        raise AssertionError("the last attempt returns or raises")


class BusyError(TwilioRefusedError):
    """Too many requests at once: nothing was done."""


def _translated(request: Callable[[], T]) -> T:
    """The answer, or what went wrong as a sentence; never Twilio's own text, which repeats what was sent."""
    try:
        return request()
    except TwilioRestException as exc:
        if exc.status == TOO_MANY:
            raise BusyError("Twilio had too many requests at once (429). Try again in a minute.") from exc
        if exc.status == NOT_FOUND:
            raise NotThereError(
                "Twilio does not have this number in this account, or our credentials may not see it (404). Read the numbers again."
            ) from exc
        raise TwilioRefusedError(_refusal(exc.status, exc.code), unsure=exc.status >= 500) from exc
    except (TwilioException, requests.RequestException) as exc:
        raise TwilioRefusedError(f"Twilio could not be reached: {type(exc).__name__}.", unsure=True) from exc
    except ValueError as exc:
        raise TwilioRefusedError("Twilio's answer could not be read.", unsure=True) from exc


_REFUSALS: Final[dict[int, str]] = {
    20003: "the credentials are not valid for this account. Check TWILIO_AUTH_TOKEN, or the account's under Twilio accounts",
    20005: "the account is not active",
    21402: "a URL is not valid",
    21403: "a method is neither GET nor POST",
    21405: "there is a fallback URL but no voice URL",
    21420: "the TwiML application does not exist any more",
    21609: "the status callback is not a public URL",
}


def _refusal(status: int, code: int | None) -> str:
    why = _REFUSALS.get(code or 0, "")
    return f"Twilio answered {status}" + (f", error {code}" if code else "") + (f": {why}." if why else ".")


def may_pass(trouble: TwilioRefusedError) -> bool:
    """Whether the same may work in a minute: too much at once, no answer, or an error of Twilio's own."""
    return trouble.unsure or isinstance(trouble, BusyError)


def _was_not_done(trouble: TwilioRefusedError) -> bool:
    return isinstance(trouble, BusyError)


def _rows(page: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = page.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TwilioRefusedError("Twilio answered with something that is not a list.", unsure=True)
    return rows


def _next(page: Mapping[str, Any]) -> tuple[str | None, dict[str, object]]:
    """Where the next page is, without the version that the library puts in front again."""
    uri = page.get("next_page_uri")
    if not uri:
        return None, {}
    parts = urlsplit(str(uri))
    return parts.path.removeprefix("/2010-04-01"), dict(parse_qsl(parts.query, keep_blank_values=True))

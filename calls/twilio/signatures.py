"""Twilio's request signature, checked against our public origin and never against what a request says of itself.

A proxy may change scheme, host and port, and a client may forge the headers that tell of it. Neither matters
here: the address that Twilio signed is the one it was given, and that is ``PUBLIC_ORIGIN``.
"""

import functools
import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.db import Error as DatabaseError
from twilio.request_validator import HMAC_SHA1, RequestValidator, get_signature_algorithm

from calls.twilio.accounts import auth_tokens_every, auth_tokens_for

# Sent with the newer shared keys; it names the algorithm of the signature.
ALGORITHM_HEADER = "X-Twilio-Webhooks-Signature-Settings"


# For how long a token that was changed in the admin is remembered; the environment's are never looked up.
REMEMBERED_S = 15.0
_MOST_ACCOUNTS = 500
_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")


def request_tokens(account_sid: str) -> Sequence[str]:
    """The tokens that a webhook of this account may be signed with.

    ``account_sid`` is what an unchecked request says of itself. It only chooses among our tokens, and the signature covers
    it. An account that we do not know is tried with the environment's tokens, as long as any other and as vainly.
    While the database is away only the environment's account and those remembered can be told from strangers.
    """
    ours = tuple(settings.TWILIO_AUTH_TOKENS)
    if account_sid == settings.TWILIO_ACCOUNT_SID or not _ACCOUNT_SID.fullmatch(account_sid):
        return ours
    try:
        return _remembered(account_sid, ours, _moment())
    except DatabaseError:
        return ours


def upgrade_tokens() -> Sequence[str]:
    """The tokens that a media stream may be signed with: every account's, because an upgrade does not say whose it is.

    Asks the database now and then, so not for the event loop.
    """
    ours = tuple(settings.TWILIO_AUTH_TOKENS)
    try:
        return _every(ours, _moment())
    except DatabaseError:
        return ours


@functools.lru_cache(maxsize=_MOST_ACCOUNTS)
def _remembered(account_sid: str, _ours: tuple[str, ...], _moment: int) -> tuple[str, ...]:
    return auth_tokens_for(account_sid)


@functools.lru_cache(maxsize=2)
def _every(ours: tuple[str, ...], _moment: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ours, *auth_tokens_every())))


def _moment() -> int:
    return int(time.monotonic() // REMEMBERED_S)


def http_signature_valid(
    *,
    url: str,
    params: Any,
    body: bytes,
    signature: str,
    tokens: Sequence[str],
    algorithm_header: str = "",
) -> bool:
    """Whether one of our auth tokens signed this request. ``url`` is the public one; ``params`` a QueryDict or pairs.

    The kind is chosen by the URL, not by the caller: with ``bodySHA256`` in it the raw body is what counts.
    """
    if not signature:
        return False
    signed: Any = params
    try:
        # Read as the library reads it, which otherwise takes the text for a form: an empty one counts as none.
        if "bodySHA256" in parse_qs(urlsplit(url).query):
            signed = body.decode()
    except ValueError:  # no address, or no text
        return False
    algorithm = get_signature_algorithm(algorithm_header) if algorithm_header else None
    return any(_valid(token, url, signed, signature, algorithm) for token in tokens)


def websocket_signature_valid(*, origin: str, path: str, signature: str, tokens: Sequence[str]) -> bool:
    """Whether one of our auth tokens signed the upgrade of ``path`` under ``origin`` (https, or wss).

    Twilio signs the ``wss`` address, by its own note perhaps with a slash at the end, and with or without the port.
    """
    if not signature:
        return False
    base = origin.replace("https://", "wss://", 1).replace("http://", "ws://", 1)
    bare = path.rstrip("/")
    candidates = [base + bare, base + bare + "/"]
    if base.startswith("wss://") and ":" not in base.removeprefix("wss://"):
        candidates += [f"{base}:443{bare}", f"{base}:443{bare}/"]
    return any(_valid(token, url, {}, signature, None) for token in tokens for url in candidates)


def _valid(token: str, url: str, signed: Any, signature: str, algorithm: str | None) -> bool:
    try:
        return bool(RequestValidator(token).validate(url, signed, signature, algorithm or HMAC_SHA1))
    except ValueError:
        return False  # an algorithm that does not exist, or an address that is none

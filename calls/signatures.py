"""Twilio's request signature, checked against our public origin and never against what a request says of itself.

A proxy may change scheme, host and port, and a client may forge the headers that tell of it. Neither matters
here: the address that Twilio signed is the one it was given, and that is ``PUBLIC_ORIGIN``.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from twilio.request_validator import HMAC_SHA1, RequestValidator, get_signature_algorithm

# Sent with the newer shared keys; it names the algorithm of the signature.
ALGORITHM_HEADER = "X-Twilio-Webhooks-Signature-Settings"


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

"""Twilio's request signature, after the vendor's page "Webhooks security"."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit


def sign(url: str, form: Iterable[tuple[str, str]] = (), *, auth_token: str) -> str:
    """The X-Twilio-Signature of a request: HMAC-SHA1 over the URL and the sorted form, in base64.

    A GET and a WebSocket upgrade have no form. A repeated name contributes its distinct values, sorted.
    """
    text = signed_url(url) + "".join(name + value for name, value in sorted(set(form)))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def signed_url(url: str) -> str:
    """The URL as Twilio signs it: without fragment and user, over https also without port."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https":
        host = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))

"""HTTP requests that Twilio makes: form-encoded, signed for the public URL, sent to loopback."""

import asyncio
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

import requests

from simulator.signature import sign
from simulator.twiml import is_loopback

_TIMEOUT_S: Final = (5.0, 15.0)  # Twilio's own: connect, whole exchange
_POOL: Final = ThreadPoolExecutor(max_workers=64, thread_name_prefix="twilio-http")
_WEBSOCKET: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_HTTP: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class UnreachableError(ValueError):
    """A URL that stands for no server on this machine."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` 0 means that nothing did, and `body` then holds the reason."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Origins:
    """Which loopback server stands behind which public origin (`scheme://host[:port]`)."""

    local_of: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        voice_url: str,
        *,
        public_origin: str | None = None,
        media_origin: str | None = None,
        media_origin_public: str | None = None,
    ) -> "Origins":
        """The origins of one call. Without `media_origin` streams go where the webhooks go."""
        local = _origin(voice_url)
        known: dict[str, str] = {}
        if public_origin:
            known[_key(public_origin)] = local
        if media_origin and (media_origin_public or public_origin):
            known["media:" + _key(media_origin_public or public_origin or "")] = _origin(media_origin)
        return cls(known)

    def local(self, url: str) -> str:
        """The loopback URL behind a public one. Raises UnreachableError if there is none."""
        parts = urlsplit(url)
        websocket = parts.scheme in {"ws", "wss"}
        key = _key(url)
        origin = (self.local_of.get("media:" + key) if websocket else None) or self.local_of.get(key)
        if origin is None:
            if not is_loopback(parts.hostname or ""):
                raise UnreachableError(
                    f"{url} is neither on loopback nor behind a public origin of this call"
                )
            return url
        local = urlsplit(origin)
        scheme = (_WEBSOCKET if websocket else _HTTP)[local.scheme]
        return urlunsplit((scheme, local.netloc, parts.path, parts.query, ""))

    def public(self, url: str) -> str:
        """The public form of a loopback URL: what signatures are made for."""
        origin = _origin(url)
        for key, local in self.local_of.items():
            if local == origin and not key.startswith("media:"):
                return key + url[len(origin) :]
        return url


async def send(
    url: str, form: Mapping[str, str], *, origins: Origins, auth_token: str, method: str = "POST"
) -> Answer:
    """Request a public URL as Twilio does; redirects are not followed. Raises UnreachableError."""
    pairs = list(form.items())
    if method == "GET" and pairs:
        url = f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(pairs)}"
    target = origins.local(url)
    signature = sign(url, pairs if method == "POST" else (), auth_token=auth_token)
    body = urlencode(pairs) if method == "POST" else None
    headers = {
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
        "X-Twilio-Signature": signature,
        "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
    }
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_POOL, _request, method, target, headers, body)


def _request(method: str, url: str, headers: dict[str, str], body: str | None) -> Answer:
    with requests.Session() as session:
        session.trust_env = False  # loopback needs no proxy
        try:
            answer = session.request(
                method, url, headers=headers, data=body, timeout=_TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            return Answer(0, "", f"{type(error).__name__}: {error}".encode())
        return Answer(answer.status_code, answer.headers.get("Content-Type", ""), answer.content)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _key(url: str) -> str:
    """Origin with the HTTP scheme, so that wss://host and https://host are the same server."""
    parts = urlsplit(url)
    return f"{_HTTP.get(parts.scheme, parts.scheme)}://{parts.netloc}"

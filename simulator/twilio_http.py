"""HTTP requests that Twilio makes: form-encoded, signed for the public URL, sent to loopback.

Connection overrides, retries and HTTP redirects are as Twilio's pages have them: two tries to connect of 5 s each and 15 s in all unless the
URL's fragment says otherwise; after 301, 302 and 303 the request goes on as GET without its fields.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

import requests

from simulator import overrides
from simulator.overrides import Overrides
from simulator.signature import sign
from simulator.twiml import is_loopback

_POOL: Final = ThreadPoolExecutor(max_workers=64, thread_name_prefix="twilio-http")
_WEBSOCKET: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_HTTP: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_MEDIA: Final = "media:"  # before the key of an origin whose sockets go elsewhere than its requests
_MOST_REDIRECTS: Final = 10


class UnreachableError(ValueError):
    """A URL that stands for no server on this machine."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{url} is neither on loopback nor behind a public origin of this call")
        self.url = url


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` 0 means that nothing did; `body` then holds the reason, and `error` Twilio's code."""

    status: int
    content_type: str
    body: bytes
    error: str = ""
    url: str = ""  # that was requested last, after redirects
    location: str = ""
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Origins:
    """Which loopback server stands behind which public origin (`scheme://host[:port]`, perhaps with the start of a path)."""

    local_of: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        voice_url: str | None = None,
        *,
        public_origin: str | None = None,
        media_origin: str | None = None,
        media_origin_public: str | None = None,
    ) -> "Origins":
        """The origins of one call. Without `media_origin` streams go where the webhooks go."""
        known: dict[str, str] = {}
        if voice_url and public_origin:
            known[_key(public_origin)] = _origin(voice_url)
        if media_origin and (media_origin_public or public_origin):
            known[_MEDIA + _key(media_origin_public or public_origin or "")] = _origin(media_origin)
        return cls(known)

    def but(self, more: Mapping[str, str]) -> "Origins":
        """These origins and others: `{"https://voice.example.com": "http://127.0.0.1:8000"}`; `wss://` is for streams only.

        A path in front of both sides is exchanged: `https://api.vapi.ai/twilio` may stand for `http://127.0.0.1:8002/old`.
        """
        known = dict(self.local_of)
        for public, local in more.items():
            websocket = urlsplit(public).scheme in {"ws", "wss"}
            known[(_MEDIA if websocket else "") + _key(public) + _path(public)] = (
                _key(local) if websocket else _origin(local)
            ) + _path(local)
        return Origins(known)

    def local(self, url: str) -> str:
        """The loopback URL behind a public one. Raises UnreachableError if there is none."""
        parts = urlsplit(url)
        websocket = parts.scheme in {"ws", "wss"}
        wanted = _key(url) + parts.path
        found = (self._longest(_MEDIA + wanted) if websocket else None) or self._longest(wanted)
        if found is None:
            if not is_loopback(parts.hostname or ""):
                raise UnreachableError(url)
            return url
        key, origin = found
        local = urlsplit(origin)
        path = local.path + parts.path[len(_path(key.removeprefix(_MEDIA))) :]
        scheme = (_WEBSOCKET if websocket else _HTTP)[local.scheme]
        return urlunsplit((scheme, local.netloc, path, parts.query, ""))

    def public(self, url: str) -> str:
        """The public form of a loopback URL: what signatures are made for."""
        origin = _origin(url)
        for key, local in self.local_of.items():
            if local == origin and not key.startswith(_MEDIA) and not _path(key):
                return key + url[len(origin) :]
        return url

    def _longest(self, wanted: str) -> tuple[str, str] | None:
        fitting = [key for key in self.local_of if wanted == key or wanted.startswith(f"{key}/")]
        key = max(fitting, key=len, default=None)
        return None if key is None else (key, self.local_of[key])


async def send(
    url: str,
    form: Mapping[str, str],
    *,
    origins: Origins,
    auth_token: str,
    method: str = "POST",
    follow: bool = False,
    note: Callable[[str, str], None] | None = None,
) -> Answer:
    """Request a public URL as Twilio does, with redirects if `follow`; `note` hears of bad connection overrides.

    Raises UnreachableError.
    """
    try:
        bare, limits = overrides.split(url)
    except overrides.OverrideError as error:
        if note is not None:
            note(str(error.code), f"{url}: {error.why}")
        bare, limits = url.partition("#")[0], Overrides()
    exchange = _Exchange(origins, auth_token, limits)
    answer = await exchange.ask(bare, list(form.items()), method)
    redirects = 0
    while follow and answer.status in {301, 302, 303, 307}:
        redirects += 1
        if redirects > _MOST_REDIRECTS:
            return _failed("11215", f"more than {_MOST_REDIRECTS} redirects", answer.url)
        if not answer.location:
            return _failed("11216", f"{answer.status} without a Location", answer.url)
        target = urljoin(answer.url, answer.location)
        if answer.status == 307:
            answer = await exchange.ask(target, list(form.items()), method)
        else:
            answer = await exchange.ask(target, [], "GET")
    return answer


class _Exchange:
    """One request with all that follows from it; the time limit and the idempotency token are for the whole."""

    def __init__(self, origins: Origins, auth_token: str, limits: Overrides) -> None:
        self._origins = origins
        self._auth_token = auth_token
        self._limits = limits
        self._token = str(uuid.uuid4())
        self._until = time.monotonic() + limits.total_ms / 1000
        self._retries = limits.retries
        self._tries = 0

    async def ask(self, url: str, pairs: list[tuple[str, str]], method: str) -> Answer:
        """The answer to a request, tried again as the limits allow."""
        while True:
            answer = await self._once(url, pairs, method)
            what = _kind(answer)
            if not what or not self._retries or not self._limits.retries_after(what):
                return answer
            if time.monotonic() >= self._until:
                return answer
            self._retries -= 1

    async def _once(self, url: str, pairs: list[tuple[str, str]], method: str) -> Answer:
        self._tries += 1
        asked = url
        if method == "GET" and pairs:
            asked = f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(pairs)}"
        if (urlsplit(url).hostname or "").endswith(".invalid"):
            return _failed("11210", f"{url}: no such host", url, self._tries)
        self._origins.local(url)  # complains about the URL without its fields
        target = self._origins.local(asked)
        headers = {
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "X-Twilio-Signature": sign(asked, pairs if method == "POST" else (), auth_token=self._auth_token),
            "I-Twilio-Idempotency-Token": self._token,
        }
        body = urlencode(pairs) if method == "POST" else None
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        left = self._until - time.monotonic()
        if left <= 0:
            return _failed("11203", f"{url}: no answer within {self._limits.total_ms} ms", url, self._tries)
        limits = (min(self._limits.connect_ms / 1000, left), min(self._limits.read_ms / 1000, left))
        work = asyncio.get_running_loop().run_in_executor(
            _POOL, _request, method, target, headers, body, limits
        )
        try:
            answer = await asyncio.wait_for(work, left)
        except TimeoutError:
            return _failed("11203", f"{url}: no answer within {self._limits.total_ms} ms", url, self._tries)
        return Answer(
            answer.status,
            answer.content_type,
            answer.body,
            answer.error,
            url,
            answer.location,
            self._tries,
        )


def _kind(answer: Answer) -> str:
    """What a retry policy calls this outcome; empty for a success."""
    if answer.status:
        return f"{answer.status // 100}xx" if answer.status >= 400 else ""
    return "rt" if answer.error == "11203" else "ct"


def _failed(code: str, why: str, url: str, tries: int = 1) -> Answer:
    return Answer(0, "", why.encode(), code, url, tries=tries)


def _request(
    method: str, url: str, headers: dict[str, str], body: str | None, limits: tuple[float, float]
) -> Answer:
    with requests.Session() as session:
        session.trust_env = False  # loopback needs no proxy
        try:
            answer = session.request(
                method, url, headers=headers, data=body, timeout=limits, allow_redirects=False
            )
        except requests.RequestException as error:
            return Answer(0, "", f"{type(error).__name__}: {error}".encode(), _code(error))
        content_type = answer.headers.get("Content-Type", "")
        location = answer.headers.get("Location", "")
        return Answer(answer.status_code, content_type, answer.content, location=location)


def _code(error: requests.RequestException) -> str:
    """Twilio's code for a request that got no answer."""
    if isinstance(error, requests.ConnectTimeout):
        return "11201"
    if isinstance(error, requests.Timeout):
        return "11203"
    if isinstance(error, requests.exceptions.SSLError):
        return "11220"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.InvalidHeader):
        return "11206"
    if isinstance(error, requests.ConnectionError):
        return "11202" if "refused" in str(error).lower() else "11205"
    return "11200"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _path(url: str) -> str:
    return urlsplit(url).path.rstrip("/")


def _key(url: str) -> str:
    """Origin with the HTTP scheme, so that wss://host and https://host are the same server."""
    parts = urlsplit(url)
    return f"{_HTTP.get(parts.scheme, parts.scheme)}://{parts.netloc}"

"""One GET at Vapi's REST: waits, attempts, limits, and one clear message where it cannot succeed.

Nothing here writes to Vapi. The key stands in one header and nowhere else: not in messages, logs or a repr.
"""

import ipaddress
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from assistants.vapi.documents import MAX_BYTES, Document, ExportError, documents_read, too_large

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 30.0
ANSWER_TIMEOUT_S: Final = 120.0  # for a whole answer, however slowly it drips
ATTEMPTS: Final = 4
MAX_WAIT_S: Final = 120.0  # at once, whatever Retry-After says
MAX_WAITING_S: Final = 900.0  # for one answer, in all
_CHUNK: Final = 64 * 1024
_SAID: Final = 200
_KEY: Final = re.compile(r"[\x21-\x7e]+")


class VapiError(ExportError):
    """Vapi could not be read. The text is for people; `permanent` is False where trying later may help."""

    def __init__(self, text: str, *, permanent: bool, http_status: int | None = None) -> None:
        super().__init__(text)
        self.permanent = permanent
        self.http_status = http_status


class TooLargeError(VapiError):
    """One answer is larger than what is taken. A shorter list may fit."""


class _PassingError(Exception):
    """An attempt failed in a way that another one may not. `wait_s` is what the server asked for."""

    def __init__(
        self, why: str, *, http_status: int | None = None, wait_s: float | None = None, limited: bool = False
    ) -> None:
        super().__init__(why)
        self.why = why
        self.http_status = http_status
        self.wait_s = wait_s
        self.limited = limited


class _Bearer(AuthBase):
    """The key as a header. Set as `auth`, or requests would let an entry of .netrc take its place."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class _Session(requests.Session):
    """A session that ignores redirects altogether: requests, told not to follow, still reads their whole body."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class VapiClient:
    """Reads JSON from Vapi. Raises VapiError when created with a key or an address that cannot be right."""

    def __init__(self, *, url: str, key: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = _checked_url(url)
        self._key = _checked_key(key)
        self._sleep = sleep
        self._session = _Session()
        self._session.auth = _Bearer(self._key)
        self._session.headers["Accept"] = "application/json"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        tell: Callable[[str], None],
    ) -> Document | None:
        """What Vapi answers, as a value that can be stored, with notes of what was changed for that; None for 404.

        Waits where Vapi limits the rate, and tries again a few times after a failure that may pass; `tell` is told
        both. Raises VapiError.
        """
        attempt, failed, waited_s = 1, 0, 0.0
        while True:
            try:
                return self._attempt(path, params)
            except _PassingError as exc:
                wait_s = _wait(exc, attempt)
                failed += not exc.limited
                exhausted = waited_s + wait_s > MAX_WAITING_S if exc.limited else failed >= ATTEMPTS
                if exhausted:
                    raise self._given_up(path, exc, waited_s) from exc
                logger.info("vapi asked again", extra={"path": path, "http_status": exc.http_status})
                tell(f"{exc.why}; trying again in {wait_s:.0f} s")
                self._sleep(wait_s)
                waited_s += wait_s
                attempt += 1

    def _given_up(self, path: str, error: _PassingError, waited_s: float) -> VapiError:
        if error.limited:
            text = (
                f"GET {path}: {error.why}, still after waiting {waited_s / 60:.0f} minutes. Try again later."
            )
        else:
            text = f"GET {path}: {error.why}, {ATTEMPTS} times. {self._check_address()} Try again later."
        return VapiError(text, permanent=False, http_status=error.http_status)

    def _attempt(self, path: str, params: Mapping[str, str | int] | None) -> Document | None:
        try:
            response = self._session.get(
                f"{self._url}{path}",
                params=params,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                allow_redirects=False,
                stream=True,
            )
        except requests.exceptions.SSLError as exc:
            raise VapiError(
                f"GET {path}: the certificate of {self._host} is not valid. {self._check_address()}",
                permanent=True,
            ) from exc
        except requests.Timeout as exc:
            raise _PassingError(f"{self._host} did not answer in time") from exc
        except requests.ConnectionError as exc:
            raise _PassingError(f"no connection to {self._host}") from exc
        except requests.RequestException as exc:
            raise VapiError(
                f"GET {path}: {type(exc).__name__}. {self._check_address()}", permanent=True
            ) from exc
        with closing(response):
            content = self._content(path, response)
        return self._understood(path, response, content)

    def _content(self, path: str, response: requests.Response) -> bytes:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        parts: list[bytes] = []
        size = 0
        try:
            # read1 gives what is there: a chunk that drips in could outlast any deadline.
            while part := response.raw.read1(_CHUNK, decode_content=True):
                parts.append(part)
                size += len(part)
                if size > MAX_BYTES:
                    raise TooLargeError(str(too_large(f"The answer to GET {path}")), permanent=True)
                if time.monotonic() > deadline:
                    raise _PassingError(f"the answer of {self._host} took too long")
        except ReadTimeoutError as exc:
            raise _PassingError(f"{self._host} stopped in the middle of its answer") from exc
        except (ProtocolError, OSError) as exc:
            raise _PassingError(f"the answer of {self._host} ended in the middle") from exc
        except HTTPError as exc:
            raise VapiError(f"GET {path}: the answer cannot be decoded.", permanent=True) from exc
        return b"".join(parts)

    def _understood(self, path: str, response: requests.Response, content: bytes) -> Document | None:
        status = response.status_code
        if status == requests.codes.too_many:
            wait_s = _retry_after(response.headers.get("Retry-After"))
            raise _PassingError("Vapi limits the rate", http_status=status, wait_s=wait_s, limited=True)
        if status >= 500 or status == requests.codes.request_timeout:
            raise _PassingError(f"{self._host} answered {status}", http_status=status)
        if _is_html(response, content):
            raise VapiError(
                f"GET {path}: {self._host} answered with an HTML page, not with JSON ({status}). "
                f"{self._check_address()}",
                permanent=True,
                http_status=status,
            )
        if status == requests.codes.not_found and not self._said(content).startswith(": Cannot GET"):
            return None
        if status != requests.codes.ok:
            raise VapiError(self._refusal(path, status, content), permanent=True, http_status=status)
        return _document(path, content)

    def _refusal(self, path: str, status: int, content: bytes) -> str:
        match status:
            case 401:
                return (
                    "Vapi does not accept the key (401). VAPI_API_KEY must be the private key of the organisation, not the "
                    "public one: in Vapi's dashboard under Organisation, API Keys. Copy it again; the EU's keys need "
                    "VAPI_API_URL=https://api.eu.vapi.ai"
                )
            case 403:
                return (
                    f"GET {path}: the key may not read this (403). Use a private key that is not restricted, of the "
                    "organisation that owns the assistants."
                )
            case 404:
                return f"GET {path}: there is no such path at {self._host} (404). {self._check_address()}"
            case _ if 300 <= status < 400:
                return f"GET {path}: {self._host} redirects ({status}), and that is not followed. {self._check_address()}"
            case _:
                return f"GET {path}: Vapi refused ({status}){self._said(content)}."

    def _said(self, content: bytes) -> str:
        """What Vapi said in an error, for people; without the key, should a proxy repeat what it was sent."""
        try:
            value = documents_read(content, name="answer")[0].value
        except ExportError:
            return ""
        message = value.get("message") if isinstance(value, dict) else None
        if isinstance(message, list):
            message = "; ".join(str(line) for line in message)
        if not isinstance(message, str) or not message.strip():
            return ""
        return f": {message.strip().replace(self._key, '[key]')[:_SAID].rstrip('.')}"

    def _check_address(self) -> str:
        return f"Check VAPI_API_URL ({self._url}); Vapi's own is https://api.vapi.ai, without anything behind it."

    @property
    def _host(self) -> str:
        return urlsplit(self._url).netloc


# --- One answer ----------------------------------------------------------------------------------------------


def _checked_key(key: str) -> str:
    key = key.strip()
    if not key:
        raise VapiError(
            "VAPI_API_KEY is not set. Put the private key of your Vapi organisation there (dashboard, API Keys), or "
            "import from files instead.",
            permanent=True,
        )
    if not _KEY.fullmatch(key):
        # As a header it would be refused with a message that quotes it.
        raise VapiError(
            "VAPI_API_KEY holds a blank, a line break or a letter that no key has. Copy it again.",
            permanent=True,
        )
    return key


def _checked_url(url: str) -> str:
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if (
        not host
        or parts.scheme not in ("http", "https")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise VapiError(
            "VAPI_API_URL is not an address. Write https://api.vapi.ai, or leave it empty.", permanent=True
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise VapiError(
            "VAPI_API_URL begins with http:, so the key could be read on the way. Write https.",
            permanent=True,
        )
    return text


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wait(error: _PassingError, attempt: int) -> float:
    asked = error.wait_s if error.wait_s is not None else float(2 ** min(attempt - 1, 6))
    return min(max(asked, 0.5), MAX_WAIT_S)


def _retry_after(text: str | None) -> float | None:
    """Seconds, whether given so or as a date; None for nothing and for nonsense."""
    if not text:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip()):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()


def _is_html(response: requests.Response, content: bytes) -> bool:
    declared = response.headers.get("Content-Type", "").lower()
    return "html" in declared or content.lstrip()[:1] == b"<"


def _document(path: str, content: bytes) -> Document:
    try:
        documents = documents_read(content, name=f"The answer to GET {path}")
    except ExportError as exc:
        # A broken answer of a server that means well is mostly a broken connection.
        raise _PassingError(f"an answer that is no JSON came ({exc})") from exc
    return documents[0]

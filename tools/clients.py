"""The request to a customer's tool server: one attempt, one deadline, no private addresses.

It is known at every moment whether the request can have left: before its first byte stands a gate that opens once,
and a gate closed in time means "certainly not carried out".

Connections are kept for the worker's next request, for a moment only: a server that ends an idle connection while a
request is on its way to it would leave an outcome unknown that need not be.
"""

import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import requests
from requests_hardened.ip_filter import InvalidIPAddress
from urllib3.exceptions import HTTPError, NameResolutionError
from urllib3.util import parse_url
from urllib3.util.ssl_match_hostname import CertificateError

from tools.connections import Gate, GateClosedError, Steps, exchange_session, here, ms_since

__all__ = ["BODY_MAX_BYTES", "HttpAnswer", "HttpRequest", "Steps", "ToolError", "http_send"]

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
BODY_MAX_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
# How long a closed exchange may take to wind up before its thread is left to itself (it may sit in the resolver).
_WIND_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent: these exact bytes, these headers beside the usual ones."""

    method: str
    url: str
    body: bytes | None = field(repr=False)
    headers: Mapping[str, bytes] = field(repr=False)
    # A redirect is not followed; as an answer it is of use only to who hands it on.
    redirects_answer: bool = False
    # Told each part of the answer as it comes in; True ends the reading, for streams that go on after what was asked.
    enough: Callable[[bytes], bool] | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer. ``elapsed_ms`` runs from the start of the attempt to the last byte."""

    http_status: int
    content_type: str
    body: bytes = field(repr=False)
    elapsed_ms: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    steps: Steps = field(default_factory=Steps)


class ToolError(Exception):
    """No usable answer came.

    ``why`` is a clause for people and for the model, without URLs and secrets. ``sent`` is False only where the
    request certainly never left. ``http_status`` is that of an answer which began but is unusable.
    ``late`` marks a deadline that passed, ours or the one for sending.
    """

    def __init__(
        self,
        *,
        code: str,
        why: str,
        sent: bool,
        http_status: int | None = None,
        late: bool = False,
        steps: Steps | None = None,
    ) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.sent = sent
        self.http_status = http_status
        self.late = late
        self.steps = steps or Steps()


def http_send(request: HttpRequest, *, timeout_s: float, send_within_s: float) -> HttpAnswer:
    """The server's answer, whatever its status, redirects excepted.

    ``timeout_s`` bounds the whole exchange, from resolving the name to the last byte of the answer.
    ``send_within_s`` is how long the request may still be let out. Raises ToolError.
    """
    return _Exchange(request, timeout_s=timeout_s, send_within_s=send_within_s).run()


EXPECTED = (requests.RequestException, HTTPError, OSError, ValueError, GateClosedError)


class _Exchange:
    """One request, in a thread of its own, so that nothing it waits for can outlast the deadline."""

    def __init__(self, request: HttpRequest, *, timeout_s: float, send_within_s: float) -> None:
        self._request = request
        self._timeout_s = timeout_s
        self._started = time.monotonic()
        self._gate = Gate(send_before=self._started + send_within_s)
        self._http_status: int | None = None
        self._answer: HttpAnswer | None = None
        self._error: Exception | None = None
        self._done = threading.Event()

    def run(self) -> HttpAnswer:
        """The answer. Raises ToolError."""
        threading.Thread(target=self._attempt, name="tool-webhook", daemon=True).start()
        in_time = self._done.wait(self._timeout_s)
        self._gate.close()
        if not in_time:
            self._done.wait(_WIND_UP_S)
        if self._answer is not None:
            return self._answer
        self._gate.steps.whole_ms = ms_since(self._started)
        if not in_time or self._error is None:
            error = self._deadline_error()
        else:
            error = self._tool_error(self._error)
        error.steps = self._gate.steps
        raise error from self._error

    def _attempt(self) -> None:
        here.gate = self._gate
        try:
            self._answer = self._ask()
        except Exception as exc:  # noqa: BLE001  # the end of a thread: whatever it was, the waiting side sorts it
            self._error = exc
        finally:
            self._done.set()

    def _ask(self) -> HttpAnswer:
        # A read waits longer than the whole may take, so that it is always the deadline that ends it.
        timeouts = (CONNECT_TIMEOUT_S, self._timeout_s + CONNECT_TIMEOUT_S)
        request = self._request
        with exchange_session(timeouts).request(
            request.method,
            request.url,
            data=request.body,
            headers=dict(request.headers),
            stream=True,
            allow_redirects=False,
            timeout=timeouts,
        ) as response:
            self._gate.steps.first_byte_ms = ms_since(self._gate.sent_at)
            return self._read(response)

    def _read(self, response: requests.Response) -> HttpAnswer:
        self._http_status = response.status_code
        if 300 <= response.status_code < 400 and not self._request.redirects_answer:
            why = f"the tool's server redirected it{_target(response)}, and redirects are not followed"
            raise ToolError(code="redirected", why=why, sent=True, http_status=response.status_code)
        body = bytearray()
        for chunk in self._parts(response):
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                why = f"the answer was too large (over {BODY_MAX_BYTES // 1024} KiB)"
                raise ToolError(code="answer_too_large", why=why, sent=True, http_status=response.status_code)
            if self._request.enough is not None and self._request.enough(chunk):
                break
        self._gate.steps.whole_ms = ms_since(self._started)
        return HttpAnswer(
            http_status=response.status_code,
            content_type=response.headers.get("Content-Type", ""),
            body=bytes(body),
            elapsed_ms=round(self._gate.steps.whole_ms),
            headers=response.headers,
            steps=self._gate.steps,
        )

    def _parts(self, response: requests.Response) -> Iterator[bytes]:
        """The body in large pieces, or as it comes in where somebody waits for a part of it."""
        if self._request.enough is None:
            yield from response.iter_content(_CHUNK_BYTES)
            return
        while part := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            yield part

    def _deadline_error(self) -> ToolError:
        if self._gate.sent:
            why = f"no complete answer came within {round(self._timeout_s, 1):g} seconds"
            return ToolError(code="timeout", why=why, sent=True, http_status=self._http_status, late=True)
        why = f"no connection was made within {round(self._timeout_s, 1):g} seconds"
        return ToolError(code="connect_timeout", why=why, sent=False, late=True)

    def _tool_error(self, exc: Exception) -> ToolError:
        if isinstance(exc, ToolError):
            return exc
        if not isinstance(exc, EXPECTED):
            # The frames alone: an exception's text may hold the URL or the body.
            frames = "".join(traceback.format_tb(exc.__traceback__))
            logger.error(
                "webhook attempt failed for no known reason",
                extra={"cause": type(exc).__name__, "frames": frames},
            )
        if not self._gate.sent:
            code, why = _unsent_reason(exc)
            return ToolError(code=code, why=why, sent=False, late=isinstance(exc, GateClosedError))
        if self._http_status is not None:
            why = "the connection broke off in the middle of the answer"
            return ToolError(code="answer_incomplete", why=why, sent=True, http_status=self._http_status)
        return ToolError(code="connection_lost", why="the connection was closed without an answer", sent=True)


def _target(response: requests.Response) -> str:
    """Where a redirect points, without user, query and fragment, which may hold secrets."""
    try:
        url = parse_url(response.headers.get("Location", ""))
    except (HTTPError, ValueError):
        return ""
    named = "".join([f"{url.scheme}://" if url.scheme else "", url.netloc or "", url.path or ""])
    return f" to {named[:200]}" if named else ""


def _unsent_reason(exc: Exception) -> tuple[str, str]:
    """Code and clause for a request that never left. Messages of exceptions hold URLs, so only their kinds are used."""
    match exc:
        case GateClosedError():
            return "expired", "it was taken up too late"
        case InvalidIPAddress():
            return "forbidden_address", "its address is private, and webhooks may not go there"
        case requests.Timeout():  # of the connection or of the TLS handshake
            return "connect_timeout", f"no connection was made within {CONNECT_TIMEOUT_S:g} seconds"
        case _:
            pass
    causes = _causes(exc)
    for cause in reversed(causes):  # the innermost knows best
        match cause:
            case ssl.SSLCertVerificationError():
                return "tls_failed", f"its TLS certificate was not accepted ({cause.verify_message})"
            case CertificateError():
                return "tls_failed", "its TLS certificate is for another host"
            case ssl.SSLError() | requests.exceptions.SSLError():
                return "tls_failed", "the TLS handshake failed"
            case socket.gaierror() | NameResolutionError() | UnicodeError():
                return "name_unknown", "its host name cannot be resolved"
            case _:
                continue
    if isinstance(exc, ValueError):  # InvalidURL, InvalidSchema, MissingSchema, InvalidHeader
        return "url_invalid", "its URL or secret is not valid for HTTP"
    told = [
        cause.strerror for cause in causes if isinstance(cause, OSError) and cause.errno and cause.strerror
    ]
    return "connection_failed", f"the connection failed ({told[0]})" if told else "the connection failed"


def _causes(exc: BaseException | None) -> list[BaseException]:
    """The exception and what lies behind it, outermost first; requests and urllib3 also keep causes in `args`."""
    found: list[BaseException] = []
    waiting = [exc]
    while waiting:
        one = waiting.pop(0)
        if one is None or any(one is known for known in found):
            continue
        found.append(one)
        inner = [arg for arg in one.args if isinstance(arg, BaseException)]
        reason = getattr(one, "reason", None)
        waiting += [
            *inner,
            reason if isinstance(reason, BaseException) else None,
            one.__cause__,
            one.__context__,
        ]
    return found

"""The webhook POST to a customer's tool server: one attempt, one deadline, no private addresses.

It is known at every moment whether the request can have left: between the connection and the first byte stands a gate
that opens once, and a gate closed in time means "certainly not carried out".
"""

import functools
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError
from urllib3.util import parse_url
from urllib3.util.ssl_ import create_urllib3_context
from urllib3.util.ssl_match_hostname import CertificateError

from tools.encryption import SecretUnreadableError, decrypt

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
BODY_MAX_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
# How long a closed exchange may take to wind up before its thread is left to itself (it may sit in the resolver).
_WIND_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer. ``elapsed_ms`` runs from the start of the attempt to the last byte."""

    http_status: int
    content_type: str
    body: bytes = field(repr=False)
    elapsed_ms: int


class ToolError(Exception):
    """No usable answer came.

    ``why`` is a clause for people and for the model, without URLs and secrets. ``sent`` is False only where the
    request certainly never left. ``http_status`` is that of an answer which began but is unusable.
    ``late`` marks a deadline that passed, ours or the one for sending.
    """

    def __init__(
        self, *, code: str, why: str, sent: bool, http_status: int | None = None, late: bool = False
    ) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.sent = sent
        self.http_status = http_status
        self.late = late


def webhook_post(
    *,
    url: str,
    body: bytes,
    secret_token: str,
    idempotency_key: str,
    timeout_s: float,
    send_within_s: float,
) -> HttpAnswer:
    """The server's answer to these exact bytes, whatever its status, redirects excepted.

    ``timeout_s`` bounds the whole exchange, from resolving the name to the last byte of the answer.
    ``send_within_s`` is how long the request may still be let out. Raises ToolError.
    """
    try:
        headers = _headers(secret_token=secret_token, idempotency_key=idempotency_key)
    except (SecretUnreadableError, ImproperlyConfigured) as exc:
        why = "the webhook's secret cannot be decrypted"
        raise ToolError(code="secret_unreadable", why=why, sent=False) from exc
    exchange = _Exchange(
        url=url, body=body, headers=headers, timeout_s=timeout_s, send_within_s=send_within_s
    )
    return exchange.run()


def _headers(*, secret_token: str, idempotency_key: str) -> dict[str, str | bytes]:
    headers: dict[str, str | bytes] = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/plain, */*",
        "Idempotency-Key": idempotency_key,
    }
    if secret_token:
        # As bytes, or a letter outside Latin-1 would raise deep inside http.client.
        headers["X-Vapi-Secret"] = decrypt(secret_token).encode()
    return headers


class _GateClosedError(Exception):
    """The request came to the gate too late, and was not let out."""


EXPECTED = (requests.RequestException, HTTPError, OSError, ValueError, _GateClosedError)


class _Gate:
    """Lets the request out once, unless it is closed or too late; closing also ends the exchange on its socket."""

    def __init__(self, *, send_before: float) -> None:
        self._send_before = send_before
        self._lock = threading.Lock()
        self._closed = False
        self._socket: socket.socket | None = None
        self.sent = False

    def let_out(self) -> None:
        """Note that the request leaves now. Raises _GateClosedError when it may not."""
        with self._lock:
            if self._closed or time.monotonic() >= self._send_before:
                raise _GateClosedError
            self.sent = True

    def watch(self, sock: socket.socket) -> None:
        """Take note of the connection. A duplicate, because TLS takes the original over."""
        with self._lock:
            self._socket = sock.dup()
            if self._closed:
                self._hang_up()

    def close(self) -> None:
        """Let nothing out any more, and wake whoever reads or writes on the connection."""
        with self._lock:
            self._closed = True
            self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is None:
            return
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other side was faster
            pass
        self._socket.close()
        self._socket = None


class _GatedAdapter(IPFilterAdapter):  # type: ignore[misc]  # the package ships no types
    """The address filter, with the gate told of each connection and one TLS context for all."""

    def __init__(self, *, gate: _Gate, is_https_proto: bool, allow_loopback: bool) -> None:
        super().__init__(is_https_proto=is_https_proto, allow_loopback=allow_loopback)
        self._gate = gate

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(request, verify, cert)
        if self._is_https_proto:
            pool_kwargs["ssl_context"] = _tls_context()
        return host_params, pool_kwargs

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # requests would load the authorities again for every connection, which costs 40 ms.
        conn.cert_reqs = "CERT_REQUIRED"

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        pool: HTTPConnectionPool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        pool.ConnectionCls = _watched(pool.ConnectionCls, self._gate)
        return pool


class _Session(HTTPSession):  # type: ignore[misc]  # the package ships no types
    """A session that ignores redirects altogether: requests, told not to follow, still reads their whole body."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _watched(connection_class: Any, gate: _Gate) -> Any:
    class WatchedConnection(connection_class):  # type: ignore[misc]  # plain or TLS, known only here
        def _new_conn(self) -> socket.socket:
            sock: socket.socket = super()._new_conn()
            gate.watch(sock)
            return sock

        def connect(self) -> None:
            super().connect()
            gate.let_out()  # the last step before the first byte of the request

    return WatchedConnection


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Certificates checked against certifi's authorities."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.load_verify_locations(cafile=DEFAULT_CA_BUNDLE_PATH)
    return context


class _Exchange:
    """One POST, in a thread of its own, so that nothing it waits for can outlast the deadline."""

    def __init__(
        self,
        *,
        url: str,
        body: bytes,
        headers: Mapping[str, str | bytes],
        timeout_s: float,
        send_within_s: float,
    ) -> None:
        self._url = url
        self._body = body
        self._headers = headers
        self._timeout_s = timeout_s
        self._started = time.monotonic()
        self._gate = _Gate(send_before=self._started + send_within_s)
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
        if not in_time or self._error is None:
            raise self._deadline_error() from self._error
        raise self._tool_error(self._error) from self._error

    def _attempt(self) -> None:
        try:
            self._answer = self._post()
        except Exception as exc:  # noqa: BLE001  # the end of a thread: whatever it was, the waiting side sorts it
            self._error = exc
        finally:
            self._done.set()

    def _post(self) -> HttpAnswer:
        allow_loopback = bool(settings.DEBUG or getattr(settings, "WEBHOOK_ALLOW_LOOPBACK", False))
        # A read waits longer than the whole may take, so that it is always the deadline that ends it.
        timeouts = (CONNECT_TIMEOUT_S, self._timeout_s + CONNECT_TIMEOUT_S)
        config = Config(
            ip_filter_enable=True,
            ip_filter_allow_loopback_ips=allow_loopback,
            never_redirect=True,
            default_timeout=timeouts,
            user_agent_override="Tandem",
        )
        with _Session(config) as session:
            session.trust_env = (
                False  # a proxy would resolve the name by itself, and .netrc is nobody's wish here
            )
            for scheme in ("http", "https"):
                adapter: HTTPAdapter = _GatedAdapter(
                    gate=self._gate, is_https_proto=scheme == "https", allow_loopback=allow_loopback
                )
                session.mount(f"{scheme}://", adapter)
            with session.post(
                self._url,
                data=self._body,
                headers=self._headers,
                stream=True,
                allow_redirects=False,
                timeout=timeouts,
            ) as response:
                return self._read(response)

    def _read(self, response: requests.Response) -> HttpAnswer:
        self._http_status = response.status_code
        if 300 <= response.status_code < 400:
            why = f"the tool's server redirected it{_target(response)}, and redirects are not followed"
            raise ToolError(code="redirected", why=why, sent=True, http_status=response.status_code)
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                why = f"the answer was too large (over {BODY_MAX_BYTES // 1024} KiB)"
                raise ToolError(code="answer_too_large", why=why, sent=True, http_status=response.status_code)
        return HttpAnswer(
            http_status=response.status_code,
            content_type=response.headers.get("Content-Type", ""),
            body=bytes(body),
            elapsed_ms=round((time.monotonic() - self._started) * 1000),
        )

    def _deadline_error(self) -> ToolError:
        if self._gate.sent:
            why = f"no complete answer came within {self._timeout_s:g} seconds"
            return ToolError(code="timeout", why=why, sent=True, http_status=self._http_status, late=True)
        why = f"no connection was made within {self._timeout_s:g} seconds"
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
            return ToolError(code=code, why=why, sent=False, late=isinstance(exc, _GateClosedError))
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
        case _GateClosedError():
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

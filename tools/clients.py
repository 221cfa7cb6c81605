"""The request to a customer's tool server: one attempt, one deadline, no private addresses.

It is known at every moment whether the request can have left: before its first byte stands a gate that opens once,
and a gate closed in time means "certainly not carried out".

Connections are kept for the worker's next request, for a moment only: a server that ends an idle connection while a
request is on its way to it would leave an outcome unknown that need not be.
"""

import functools
import ipaddress
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError
from urllib3.util import parse_url
from urllib3.util.ssl_ import create_urllib3_context
from urllib3.util.ssl_match_hostname import CertificateError

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
BODY_MAX_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
# How long a closed exchange may take to wind up before its thread is left to itself (it may sit in the resolver).
_WIND_UP_S = 0.5
# The usual servers end a connection that was idle for 5 s (Node) or more.
IDLE_MAX_S = 2.5
_HOSTS_KEPT = 100
_CONNECTIONS_KEPT = 32

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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


@dataclass(slots=True)
class Steps:
    """How long each step of an attempt took, in milliseconds; None for a step that was not reached or not needed.

    ``first_byte_ms`` runs from the request's first byte to the head of the answer, ``whole_ms`` from the start of all.
    """

    resolve_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    whole_ms: float | None = None


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


class _GateClosedError(Exception):
    """The request came to the gate too late, and was not let out."""


class _AddressError(InvalidIPAddress):  # type: ignore[misc]  # the package ships no types
    """The name leads to an address that webhooks may not reach."""


EXPECTED = (requests.RequestException, HTTPError, OSError, ValueError, _GateClosedError)


class _Line:
    """A connection's own socket once more, so that an exchange can be ended from outside, TLS or not.

    It belongs to one gate at a time: who is late may not cut off the next request on a connection that was kept.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock.dup()
        self._lock = threading.Lock()
        self._owner: _Gate | None = None

    def take(self, owner: "_Gate") -> None:
        with self._lock:
            self._owner = owner

    def hang_up(self, owner: "_Gate") -> None:
        """Wake whoever reads or writes on the connection, if it still is this owner's."""
        with self._lock:
            if self._owner is owner:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:  # the other side was faster
                    pass

    def leave(self) -> None:
        with self._lock:
            self._owner = None

    def close(self) -> None:
        with self._lock:
            self._owner = None
            self._socket.close()


class _Gate:
    """Lets the request out once, unless it is closed or too late; closing also ends the exchange on its connection."""

    def __init__(self, *, send_before: float) -> None:
        self._send_before = send_before
        self._lock = threading.Lock()
        self._closed = False
        self._line: _Line | None = None
        self.sent = False
        self.sent_at = 0.0
        self.steps = Steps()

    def let_out(self) -> None:
        """Note that the request leaves now. Raises _GateClosedError when it may not."""
        with self._lock:
            if self._closed or time.monotonic() >= self._send_before:
                raise _GateClosedError
            self.sent = True
            self.sent_at = time.monotonic()

    def watch(self, line: _Line) -> None:
        """Take note of the connection."""
        with self._lock:
            self._line = line
            line.take(self)
            if self._closed:
                line.hang_up(self)

    def close(self) -> None:
        """Let nothing out any more, and wake whoever reads or writes on the connection."""
        with self._lock:
            self._closed = True
            if self._line is not None:
                self._line.hang_up(self)


# Each exchange has a thread of its own, in which urllib3 finds its gate here.
_here = threading.local()


class _WatchedConnection(HTTPConnection):
    """A connection that tells the gate of its exchange what it does."""

    kept_since = 0.0
    _line: _Line | None = None
    _asked = False

    def _new_conn(self) -> socket.socket:
        gate: _Gate = _here.gate
        started = time.monotonic()
        sock = super()._new_conn()
        gate.steps.connect_ms = _ms_since(started)
        self._line = _Line(sock)
        gate.watch(self._line)
        return sock

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self._asked = False
        super().putrequest(*args, **kwargs)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not self._asked:
            gate: _Gate = _here.gate
            assert self._line is not None
            gate.watch(self._line)
            gate.let_out()  # the last step before the first byte of the request
            self._asked = True
        super().send(data)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        super().close()

    def leave(self) -> None:
        """Nobody's any more, until the next request."""
        self.kept_since = time.monotonic()
        if self._line is not None:
            self._line.leave()


class _WatchedTlsConnection(_WatchedConnection, HTTPSConnection):
    """The same, over TLS."""

    def connect(self) -> None:
        gate: _Gate = _here.gate
        started = time.monotonic()
        super().connect()
        gate.steps.tls_ms = max(0.0, _ms_since(started) - (gate.steps.connect_ms or 0.0))


class _Kept:
    """What a pool of ours does beside urllib3's: it keeps connections for a moment only."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn: Any = super()._get_conn(timeout)  # type: ignore[misc]  # a pool's method
        if conn.sock is not None and time.monotonic() - conn.kept_since > IDLE_MAX_S:
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.leave()
        super()._put_conn(conn)  # type: ignore[misc]  # a pool's method


class _Pool(_Kept, HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _TlsPool(_Kept, HTTPSConnectionPool):
    ConnectionCls = _WatchedTlsConnection


class _SafeAdapter(IPFilterAdapter):  # type: ignore[misc]  # the package ships no types
    """The address filter, with what the settings open and a second look at what it let through.

    The address that was looked at is the one that is connected to: it takes the name's place in the pool's key.
    """

    def __init__(self, *, is_https_proto: bool, allow_loopback: bool, allowed: tuple[Network, ...]) -> None:
        self._allowed = allowed
        super().__init__(is_https_proto=is_https_proto, allow_loopback=allow_loopback)

    def init_poolmanager(self, *_: Any, **kwargs: Any) -> None:
        super().init_poolmanager(_HOSTS_KEPT, _CONNECTIONS_KEPT, block=False)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        started = time.monotonic()
        host_params, pool_kwargs = self._resolved(request, verify, cert)
        _here.gate.steps.resolve_ms = _ms_since(started)
        if self._is_https_proto:
            pool_kwargs["ssl_context"] = _tls_context()
        return host_params, pool_kwargs

    def _resolved(
        self, request: requests.PreparedRequest, verify: Any, cert: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        if self._allowed:
            opened = self._opened(request)
            if opened is not None:
                return self._pinned(opened, request, verify, cert)
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(request, verify, cert)
        address = ipaddress.ip_address(host_params["host"].strip("[]"))
        if not (self._allow_loopback and address.is_loopback) and address_forbidden(address):
            raise _AddressError(address)
        return host_params, pool_kwargs

    def _opened(self, request: requests.PreparedRequest) -> Address | None:
        """The address of the request's host, if it is in a network that the settings open."""
        url = parse_url(request.url or "")
        found = socket.getaddrinfo((url.host or "").strip("[]"), url.port, type=socket.SOCK_STREAM)
        address = ipaddress.ip_address(found[0][4][0])
        return address if any(address in network for network in self._allowed) else None

    def _pinned(
        self, address: Address, request: requests.PreparedRequest, verify: Any, cert: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the filter would give for this address, which it must not judge."""
        host_params, pool_kwargs = HTTPAdapter.build_connection_pool_key_attributes(
            self, request, verify, cert
        )
        name = host_params["host"]
        port = f":{host_params['port']}" if host_params["port"] else ""
        request.headers["Host"] = (f"[{name}]" if ":" in name else name) + port
        params: dict[str, Any] = {**host_params}
        pool: dict[str, Any] = {**pool_kwargs}
        if self._is_https_proto:
            pool |= {"assert_hostname": name, "server_hostname": name}
        params["host"] = f"[{address}]" if address.version == 6 else str(address)
        return params, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # requests would load the authorities again for every connection, which costs 40 ms.
        conn.cert_reqs = "CERT_REQUIRED"


# Forms of IPv6 in which an IPv4 address travels, and what is_global calls global although no webhook belongs there.
_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
    )
)


def address_forbidden(address: Address) -> bool:
    """Whether webhooks may not go there: whatever is not plainly an address of the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return True
        if address.ipv4_mapped is not None:
            return address_forbidden(address.ipv4_mapped)
    return (
        not address.is_global
        or address.is_multicast
        or address.is_reserved
        or any(address in network for network in _NEVER)
    )


class _Session(HTTPSession):  # type: ignore[misc]  # the package ships no types
    """A session that ignores redirects altogether: requests, told not to follow, still reads their whole body."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _session(timeouts: tuple[float, float]) -> requests.Session:
    """A session of one exchange, over the worker's connections. It is not closed, for that would close them."""
    allow_loopback = bool(settings.DEBUG or getattr(settings, "WEBHOOK_ALLOW_LOOPBACK", False))
    config = Config(
        ip_filter_enable=False,  # by the adapters below
        ip_filter_allow_loopback_ips=allow_loopback,
        never_redirect=True,
        default_timeout=timeouts,
        user_agent_override=None,
    )
    session: requests.Session = _Session(config)
    # A proxy would resolve the name by itself, and .netrc is nobody's wish here.
    session.trust_env = False
    session.headers = requests.structures.CaseInsensitiveDict(
        {"User-Agent": "Tandem", "Accept-Encoding": "gzip, deflate"}
    )
    # One customer's cookies are not another's.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    allowed = tuple(settings.TOOL_ALLOWED_NETWORKS)
    for scheme in ("http", "https"):
        session.mount(f"{scheme}://", _adapter(scheme, allowed, allow_loopback=allow_loopback))
    return session


@functools.cache
def _adapter(scheme: str, allowed: tuple[Network, ...], *, allow_loopback: bool) -> _SafeAdapter:
    return _SafeAdapter(is_https_proto=scheme == "https", allow_loopback=allow_loopback, allowed=allowed)


def _ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 3)


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Certificates checked against certifi's authorities."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.load_verify_locations(cafile=DEFAULT_CA_BUNDLE_PATH)
    return context


class _Exchange:
    """One request, in a thread of its own, so that nothing it waits for can outlast the deadline."""

    def __init__(self, request: HttpRequest, *, timeout_s: float, send_within_s: float) -> None:
        self._request = request
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
        self._gate.steps.whole_ms = _ms_since(self._started)
        if not in_time or self._error is None:
            error = self._deadline_error()
        else:
            error = self._tool_error(self._error)
        error.steps = self._gate.steps
        raise error from self._error

    def _attempt(self) -> None:
        _here.gate = self._gate
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
        with _session(timeouts).request(
            request.method,
            request.url,
            data=request.body,
            headers=dict(request.headers),
            stream=True,
            allow_redirects=False,
            timeout=timeouts,
        ) as response:
            self._gate.steps.first_byte_ms = _ms_since(self._gate.sent_at)
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
        self._gate.steps.whole_ms = _ms_since(self._started)
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

"""The connections of a worker to customers' servers: kept for a moment, to public addresses only, ended from outside.

Before the first byte of a request stands a gate that opens once; each connection tells the gate of its exchange what it
does, and the gate can end it.
"""

import functools
import ipaddress
import socket
import ssl
import threading
import time
from dataclasses import dataclass
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
from urllib3.util import parse_url
from urllib3.util.ssl_ import create_urllib3_context

# The usual servers end a connection that was idle for 5 s (Node) or more.
IDLE_MAX_S = 2.5
_HOSTS_KEPT = 100
_CONNECTIONS_KEPT = 32

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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


class GateClosedError(Exception):
    """The request came to the gate too late, and was not let out."""


class AddressError(InvalidIPAddress):  # type: ignore[misc]  # the package ships no types
    """The name leads to an address that webhooks may not reach."""


class _Line:
    """A connection's own socket once more, so that an exchange can be ended from outside, TLS or not.

    It belongs to one gate at a time: who is late may not cut off the next request on a connection that was kept.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock.dup()
        self._lock = threading.Lock()
        self._owner: Gate | None = None

    def take(self, owner: "Gate") -> None:
        with self._lock:
            self._owner = owner

    def hang_up(self, owner: "Gate") -> None:
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


class Gate:
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
        """Note that the request leaves now. Raises GateClosedError when it may not."""
        with self._lock:
            if self._closed or time.monotonic() >= self._send_before:
                raise GateClosedError
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
here = threading.local()


class _WatchedConnection(HTTPConnection):
    """A connection that tells the gate of its exchange what it does."""

    kept_since = 0.0
    _line: _Line | None = None
    _asked = False

    def _new_conn(self) -> socket.socket:
        gate: Gate = here.gate
        started = time.monotonic()
        sock = super()._new_conn()
        gate.steps.connect_ms = ms_since(started)
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
            gate: Gate = here.gate
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
        gate: Gate = here.gate
        started = time.monotonic()
        super().connect()
        gate.steps.tls_ms = max(0.0, ms_since(started) - (gate.steps.connect_ms or 0.0))


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
        here.gate.steps.resolve_ms = ms_since(started)
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
            raise AddressError(address)
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


def exchange_session(timeouts: tuple[float, float]) -> requests.Session:
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


def ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 3)


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Certificates checked against certifi's authorities."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.load_verify_locations(cafile=DEFAULT_CA_BUNDLE_PATH)
    return context

"""The web server takes in no body that is too long, whoever sends it and however."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from assistants.vapi.documents import MAX_BYTES
from calls.history.recorder import MAX_BODY
from config.web_server import (
    MOST_BYTES,
    MOST_BYTES_OF_FILES,
    BoundedFactory,
    BoundedRequest,
    SocketFactory,
    SocketProtocol,
    web_server,
)

# After the module above, which decides about Twisted's reactor.
from twisted.internet.error import CannotListenError, ConnectionDone  # isort: skip
from twisted.internet.testing import StringTransport  # isort: skip
from twisted.python.failure import Failure  # isort: skip


class Behind:
    """As much of daphne's server as a request needs; what got through to the application."""

    proxy_forwarded_address_header = None
    root_path = ""
    request_buffer_size = 65536
    server_name = ""

    def __init__(self) -> None:
        self.reached: list[str] = []

    def protocol_connected(self, request: Any) -> None: ...

    def protocol_disconnected(self, request: Any) -> None: ...

    def create_application(self, request: Any, scope: dict[str, Any]) -> None:
        self.reached.append(f"{scope['path']} {len(request.content.read())}")
        request.content.close()


def send(*pieces: bytes) -> tuple[bytes, list[str], bool]:
    """What is answered, what the application was asked, and whether the connection is closed."""
    behind, transport = Behind(), StringTransport()  # type: ignore[no-untyped-call]
    factory = BoundedFactory(behind)
    factory.timeOut = None
    connection = factory.buildProtocol(None)
    connection.makeConnection(transport)
    for piece in pieces:
        connection.dataReceived(piece)
    answer: bytes = transport.value()  # type: ignore[no-untyped-call]
    closed = transport.disconnecting
    connection.connectionLost(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]
    return answer, behind.reached, closed


def head(path: bytes, header: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: here\r\n%b\r\n\r\n" % (path, header)


def chunks(size: int) -> list[bytes]:
    whole = [b"%x\r\n%b\r\n" % (0x100000, b"x" * 0x100000)] * (size // 0x100000)
    return [*whole, b"%x\r\n%b\r\n" % (size % 0x100000 or 1, b"x" * (size % 0x100000 or 1)), b"0\r\n\r\n"]


def test_what_is_within_the_limit_gets_through() -> None:
    assert send(head(b"/assistant", b"Content-Length: 2"), b"{}")[:2] == (b"", ["/assistant 2"])
    chunked = send(head(b"/call", b"Transfer-Encoding: chunked"), *chunks(3 * 0x100000))
    assert chunked[:2] == (b"", [f"/call {3 * 0x100000 + 1}"])


@pytest.mark.parametrize(
    ("path", "length"),
    [(b"/assistant", MOST_BYTES + 1), (b"/admin/", MOST_BYTES_OF_FILES + 1), (b"/", 10**18)],
)
def test_a_body_that_is_declared_too_long_is_not_waited_for(path: bytes, length: int) -> None:
    answer, reached, closed = send(head(path, b"Content-Length: %d" % length), b"{", b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 413 Request Entity Too Large\r\n")
    assert answer.endswith(b'"statusCode":413}')
    assert answer.count(b"HTTP/1.1") == 1
    assert (reached, closed) == ([], True)


def test_who_asks_beforehand_is_not_told_to_go_on() -> None:
    asks = b"Expect: 100-continue\r\nContent-Length: %d"
    assert send(head(b"/call", asks % MOST_BYTES))[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
    answer, _, closed = send(head(b"/call", asks % (MOST_BYTES + 1)))
    assert (answer.count(b"HTTP/1.1"), answer[:12], closed) == (1, b"HTTP/1.1 413", True)


@pytest.mark.parametrize(("view", "most"), [("admin:index", MAX_BYTES), ("vapi-events", MAX_BODY)])
def test_what_may_be_larger_behind_gets_through(view: str, most: int) -> None:
    path = reverse(view, args=["token"] if view == "vapi-events" else [])
    assert send(head(path.encode(), b"Content-Length: %d" % most))[0] == b""


def test_a_body_that_grows_too_long_is_broken_off() -> None:
    answer, reached, closed = send(head(b"/call", b"Transfer-Encoding: chunked"), *chunks(MOST_BYTES + 2))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert (reached, closed) == ([], True)


def test_no_log_shows_the_query_of_a_request() -> None:
    request = BoundedRequest.__new__(BoundedRequest)
    request.method, request.uri = b"GET", b"/call/x/listen?token=secret"
    assert "secret" not in f"{request!r} {request}"


@pytest.mark.parametrize("code", [None, 1008, 1009, 1011, 1012, 1013, 4404])
def test_a_socket_is_closed_with_the_code_that_was_meant(code: int | None) -> None:
    socket = SocketProtocol()
    sent: list[bytes] = []
    socket.state, socket.closeHandshakeTimeout = SocketProtocol.STATE_OPEN, 0
    socket.sendFrame = lambda **frame: sent.append(frame["payload"])

    socket.serverClose(code)
    socket.serverClose(1000)

    assert sent == [(code or 1000).to_bytes(2, "big")]


def test_connections_are_such_ones() -> None:
    assert SocketFactory.protocol is SocketProtocol


def test_a_server_that_could_not_listen_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    server = web_server(None, host="127.0.0.1", port=8000)
    assert not server.failure

    def run() -> None:
        taken = CannotListenError("127.0.0.1", 8000, OSError(98, "Address already in use"))  # type: ignore[no-untyped-call]
        server.listen_error(Failure(taken))  # type: ignore[no-untyped-call]

    monkeypatch.setattr(server, "run", run)
    # Not the application itself: it would tell of this process, every two seconds, until the last test.
    monkeypatch.setattr("config.management.commands.web.import_string", lambda _: None)
    monkeypatch.setattr("config.management.commands.web.web_server", lambda *_, **__: server)

    with pytest.raises(CommandError, match=r"Nothing is served: .*127\.0\.0\.1:8000.*in use.*--port"):
        call_command("web")

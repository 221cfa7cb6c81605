"""Tool servers on loopback, as bad as real ones."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

T = TypeVar("T")

# Longer than any test: what waits for a test's end waits for that, and not for seconds.
RUNAWAY_S = 600.0


@dataclass
class ToolServer:
    """A running server: where it is, what it was sent, and whether a behaviour should go on."""

    url: str = ""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)
    asked: int = 0  # times that `reaching` had it asked

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]


Behaviour = Callable[[BaseHTTPRequestHandler, ToolServer], None]


@contextmanager
def serve(
    behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, keep_alive: bool = False
) -> Iterator[ToolServer]:
    """A server on a free port that behaves like this to every request. It hangs up after each, unless told to keep alive."""
    server = ToolServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                return  # whoever asked gave up in the middle; nobody was asked anything
            server.requests.append((dict(self.headers.items()), body))
            server.paths.append(self.path)
            server.methods.append(self.command)
            try:
                behaviour(self, server)
            except (OSError, ValueError):
                server.hung_up.set()
            if not keep_alive or behaviour is silent:
                self.close_connection = True

        def end_headers(self) -> None:
            if not keep_alive:
                # Untold, the client would send its next request down a connection that is about to close.
                self.send_header("Connection", "close")
            super().end_headers()

        do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815  # the names in the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name in the base class
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    httpd = Quiet(("127.0.0.1", 0), Handler)
    scheme = "http"
    if tls is not None:
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
        scheme = "https"
    server.url = f"{scheme}://127.0.0.1:{httpd.server_port}/vapi"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def reaching(server: ToolServer, ask: Callable[[float], T], *, first_s: float = 1.0) -> T:
    """What comes of asking with so many seconds of time; with ever more of them, until a request has reached the server.

    A busy machine may need all of the first merely to connect. A request that was given up before the server took it up
    may still be taken up afterwards: there are as many requests as `asked`, or fewer.
    """
    for timeout_s in (first_s, 10 * first_s):
        server.asked += 1
        found = ask(timeout_s)
        if server.requests:
            return found
    server.asked += 1
    return ask(60 * first_s)


def answering(
    body: bytes | str,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Behaviour:
    """Answers at once."""
    content = body.encode() if isinstance(body, str) else body

    def behave(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
        handler.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(content)),
            **(headers or {}),
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return behave


def booking(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Answers as a customer's server does: loops over toolCallList and echoes the ids."""
    calls = server.bodies[-1]["message"]["toolCallList"]
    results = [
        {"toolCallId": call["id"], "result": f"Booked {call['function']['arguments']['slot']}."}
        for call in calls
    ]
    answering(json.dumps({"results": results}))(handler, server)


def silent(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Takes the request and never answers."""
    server.stopping.wait(RUNAWAY_S)


def trickling_headers(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Sends a byte of the headers now and then, so that no single read times out."""
    _trickle(handler, server, b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 10_000)


def trickling_body(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Sends the headers at once and then a byte now and then."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n")
    _trickle(handler, server, b'{"results": [' + b" " * 10_000)


def _trickle(handler: BaseHTTPRequestHandler, server: ToolServer, content: bytes) -> None:
    for n in range(len(content)):
        handler.wfile.write(content[n : n + 1])
        handler.wfile.flush()
        if server.stopping.wait(0.05):
            return


def half_a_body(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Promises a thousand bytes and sends twenty."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    handler.wfile.write(b'{"results": [{"toolC')


def closing(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Takes the request and hangs up."""


def endless(handler: BaseHTTPRequestHandler, server: ToolServer) -> None:
    """Answers without end and without saying so before; notes when the other side hangs up."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
    # Some megabytes alone could all be under way before anybody hangs up.
    while not server.stopping.is_set():
        handler.wfile.write(b"x" * 65_536)
        time.sleep(0.001)


def refused_url() -> str:
    """A URL on loopback at which nobody listens, nor can: the port is taken for as long as this process lives."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    taken.detach()  # open, and nobody's to close
    return f"http://127.0.0.1:{port}/vapi"


@contextmanager
def deaf() -> Iterator[str]:
    """The URL of a server that takes connections and never says a word, not even of TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/vapi"

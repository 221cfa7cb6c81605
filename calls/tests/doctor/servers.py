"""Servers that answer the doctor as a test says: by HTTP, and by WebSocket."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_websocket

from tests.loopback import serving

Answer = Callable[[BaseHTTPRequestHandler, dict[str, str]], tuple[int, str]]


@contextmanager
def web(answer: Answer, **headers: str) -> Iterator[str]:
    """A server that answers like this; its origin."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, text = answer(self, form)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text.encode())

        do_GET = do_HEAD = do_POST  # noqa: N815  # the names of the base class

    with serving(Handler) as url:
        yield url


@contextmanager
def sockets(behave: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    """A WebSocket server; its origin."""
    with serve_websocket(behave, "127.0.0.1", 0, compression=None, **options) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join(10)

"""The web server: daphne, taught four things.

It takes in a whole body before anybody is asked who sent it: there is a limit now, for what would fill memory and disk (what is
behind it refuses smaller bodies in words of its own). It leaves forms to Django, which reads them in a thread and counts their fields.
Its log shows no queries. And it closes WebSockets with the codes it is told.
"""

from io import BytesIO
from typing import Any, Final

from daphne import server as daphne_server
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.abstract import FileDescriptor

from tools.jsontext import json_text

# A body of the API has 2 MB. Files for the importer, and Vapi's messages that a recorder hands on, have 20 MB.
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_BYTES_OF_FILES: Final = 24 * 1024 * 1024
_FOR_FILES: Final = (b"/admin/", b"/vapi/events/")
# Of an answer, at a time: with Twisted's 128 KiB the loop goes round a hundred times for a page of a thousand calls.
MOST_SENT_AT_ONCE: Final = 2 * 1024 * 1024


class BoundedRequest(WebRequest):  # type: ignore[misc]  # daphne has no types
    """A request whose body is refused as soon as it is too long, whether it said so beforehand or not."""

    content: Any
    _received = 0
    _refused = False

    def __init__(self, *args: Any, **named: Any) -> None:
        # Twisted would take forms apart on the loop, for nobody: 4 MB of semicolons in the head of one part keep it for minutes,
        # and whoever calls meanwhile.
        super().__init__(*args, **named, parsePOSTFormSubmission=False)

    def gotLength(self, length: int | None) -> None:  # noqa: N802  # Twisted's name
        """The headers are read; ``length`` is None where the body comes in chunks."""
        if length is not None and length > self._most():
            self._refuse()
        super().gotLength(0 if self._refused else length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """A piece of the body."""
        if self._refused:
            return
        self._received += len(data)
        if self._received > self._most():
            self.content.close()
            self.content = BytesIO()
            self._refuse()
            return
        super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802  # Twisted's name
        """The body is there: what is behind us is asked, unless the answer was given."""
        if not self._refused:
            super().requestReceived(command, path, version)

    def __repr__(self) -> str:
        """Without the address: the log shows it where an answer takes too long, and a query may hold a token."""
        return f"<{type(self).__name__}>"

    def _most(self) -> int:
        path: bytes = self.channel._path or b""
        return MOST_BYTES_OF_FILES if path.startswith(_FOR_FILES) else MOST_BYTES

    def _refuse(self) -> None:
        self._refused = True
        # Nobody who asks beforehand is to be told to go on.
        self.requestHeaders.removeHeader(b"Expect")
        told = f"request entity too large: {self._most()} bytes at most"
        body = json_text({"message": told, "error": "Request Entity Too Large", "statusCode": 413}).encode()
        # The rest of the body is not waited for.
        self.channel.transport.write(
            b"HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        self.channel.loseConnection()


class BoundedFactory(HTTPFactory):  # type: ignore[misc]  # daphne has no types
    """Connections whose requests are such ones."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802  # Twisted's name
        """The protocol of one connection."""
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol


class SocketProtocol(WebSocketProtocol):  # type: ignore[misc]  # daphne has no types
    """A WebSocket that is closed with the code that was meant: autobahn lets applications have 1000 and 3000 to 4999 alone."""

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802  # daphne's name
        """Close it, once."""
        self.sendCloseFrame(code=1000 if code is None else code)


class SocketFactory(WebSocketFactory):  # type: ignore[misc]  # daphne has no types
    """Connections that are such ones."""

    protocol = SocketProtocol


class WebServer(Server):  # type: ignore[misc]  # daphne has no types
    """Daphne with these connections. ``failure`` is why it could not listen, once it has given up; empty otherwise."""

    failure = ""

    def listen_error(self, failure: Any) -> None:
        """Give up, and say why to whoever has started this: daphne itself would end as if it had served."""
        self.failure = failure.getErrorMessage()
        self.stop()

    def run(self) -> None:
        """Serve until told to stop."""
        # It takes its factories from the module, and offers no other way.
        daphne_server.HTTPFactory = BoundedFactory
        daphne_server.WebSocketFactory = SocketFactory
        FileDescriptor.SEND_LIMIT = MOST_SENT_AT_ONCE
        super().run()


def web_server(application: Any, *, host: str, port: int) -> WebServer:
    """The server of admin, webhooks and API, ready to run."""
    return WebServer(
        application,
        endpoints=[f"tcp:port={port}:interface={host.strip('[]').replace(':', chr(92) + ':')}"],
        server_name="",
        verbosity=0,
    )

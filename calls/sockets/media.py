"""The media server's side of a WebSocket: uvicorn's own, with a short way for whole text messages.

ASGI hands every message over through a queue and a task, with the socket paused meanwhile. An application that finds
``EXTENSION`` in its scope may have them told where they are read, and send where it stands. All else stays ASGI: ``receive``
then brings nothing but the end, and ``send`` is for accepting and closing.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from calls.sockets.frames import Hear, at_rest, framed, parser_known, texts_taken

EXTENSION: Final = "tandem.short_way"
# What is taken from uvicorn's class that is documented nowhere.
_KEEPS: Final = frozenset(
    {"conn", "queue", "read_paused", "writable", "close_sent", "disconnected", "transport"}
)
_DOES: Final = frozenset({"run_asgi", "receive", "send_receive_event_to_app"})


class ShortWay(Protocol):
    """What the extension's ``socket`` can do."""

    writable: asyncio.Event  # cleared while the other side takes nothing

    def listen(self, hear: Hear) -> None:
        """Have text messages told to ``hear`` from now on, those first that came before."""

    def leave(self) -> None:
        """Tell nobody any more; messages are left to ``receive`` again."""

    def put(self, text: str) -> None:
        """Send this. A socket that is closed takes nothing any more; ``receive`` tells of it."""


def short_way(scope: Mapping[str, Any]) -> ShortWay | None:
    """The short way to the socket of this scope, where its server has one."""
    offered = (scope.get("extensions") or {}).get(EXTENSION)
    return offered["socket"] if offered is not None else None


def libraries_known() -> None:
    """Look before anybody calls whether the installed libraries are such as this is written for. Raises RuntimeError."""
    theirs = WebSocketsSansIOProtocol
    gone = {*(_KEEPS - set(theirs.__init__.__code__.co_names)), *(_DOES - set(vars(theirs)))}
    if gone or not parser_known():
        raise RuntimeError(
            "The media server does not know the installed releases of uvicorn and websockets "
            f"({', '.join(sorted(gone)) or 'the parser'} is another): install those that requirements.txt names."
        )


class MediaSocket(WebSocketsSansIOProtocol):
    """One socket."""

    _hear: Hear | None = None
    _broke: Exception | None = None

    async def run_asgi(self) -> None:
        """The application's whole work with this socket."""
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = {"socket": self}
        await super().run_asgi()

    def listen(self, hear: Hear) -> None:
        """Have text messages told to ``hear`` from now on, those first that came before."""
        self._hear = hear
        waiting: list[Mapping[str, Any]] = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        for message in waiting:
            text = message.get("text")
            if text is None:
                self.queue.put_nowait(message)  # type: ignore[arg-type]  # as it was
            else:
                self._tell([text.encode()])
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def leave(self) -> None:
        """Tell nobody any more."""
        self._hear = None

    def put(self, text: str) -> None:
        """Send this."""
        if not self.close_sent and not self.disconnected and not self.transport.is_closing():
            self.transport.write(framed(text))

    def _tell(self, texts: list[bytes]) -> None:
        hear = self._hear
        if hear is None:
            return
        try:
            for text in texts:
                hear(text)
        except Exception as exc:  # noqa: BLE001 - the application learns of it where it waits: in receive
            self._hear, self._broke = None, exc
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1011})

    async def receive(self) -> Any:
        """The next message for the application. Raises what it has raised itself over one that it was told."""
        message = await super().receive()
        if self._broke is not None:
            raise self._broke
        return message

    # What the server calls ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the network."""
        if self._hear is not None and at_rest(self.conn):
            texts, data = texts_taken(data, masked=True)
            self._tell(texts)
            if not data:
                return
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        super().connection_lost(exc)
        self._hear = None  # who held us, too

    def send_receive_event_to_app(self) -> None:
        """A message that was not whole in one read is complete."""
        super().send_receive_event_to_app()
        if self._hear is not None:
            self.listen(self._hear)

"""The socket to the Realtime API: the client of ``websockets``, with a short way for whole text messages.

The library gives every message to a queue and a task, and sends each in a context of its own. Here a message is heard where it is
read, and is sent where it is put, so that a frame of audio costs no task and no waiting. All else is the library's: the
handshake, TLS, proxies, pings, fragments, closing.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import CLOSED, OPEN, Event

from calls.sockets.frames import Hear, Keys, at_rest, framed_masked, texts_taken


class RealtimeSocket(ClientConnection):
    """One open socket; ``paused`` while the other side takes nothing, and much waits for it already.

    ``recv`` and ``send`` of the library are not to be used beside this.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._hear: Hear | None = None
        self._early: list[bytes] = []
        self._fragments = bytearray()
        self._keys = Keys()
        self._gives_up: asyncio.TimerHandle | None = None
        self._flows: Callable[[], None] | None = None

    def listen(self, hear: Hear, *, flows: Callable[[], None]) -> None:
        """Have messages told to ``hear`` from now on, those first that came before; ``flows`` when what stuck flows again."""
        self._flows = flows
        early, self._early = self._early, []
        self._hear = hear
        for text in early:
            hear(text)

    def put(self, text: str) -> None:
        """Send this. A socket that is closing takes nothing any more; whoever waits for its end learns of that."""
        if self.protocol.state is OPEN:
            self.transport.write(framed_masked(text, self._keys.draw()))

    def pause(self) -> None:
        """Read nothing more for now: whoever sends it has to wait."""
        if self.protocol.state is OPEN:
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.protocol.state is not CLOSED:
            self.transport.resume_reading()

    async def ended(self) -> ConnectionClosed:
        """How the socket was closed, once it is."""
        await self.wait_closed()
        return self.close_exc

    # What the library calls -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the network."""
        if self._hear is not None and at_rest(self.protocol):
            texts, data = texts_taken(data, masked=False)
            for text in texts:
                self._hear(text)
            if not data:
                return
        super().data_received(data)
        if self.close_deadline is not None and self._gives_up is None:
            # Who says goodbye and does not leave is not waited for. The library looks at that only when something is sent by it.
            self._gives_up = self.loop.call_at(self.close_deadline, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        super().connection_lost(exc)
        if self._gives_up is not None:
            self._gives_up.cancel()

    def process_event(self, event: Event) -> None:
        """What the parser has found."""
        if self.response is None or not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        self._fragments += event.data
        if event.fin:
            whole, self._fragments = bytes(self._fragments), bytearray()
            self._told(whole)

    def _told(self, text: bytes) -> None:
        if self._hear is None:
            self._early.append(text)
        else:
            self._hear(text)

    def resume_writing(self) -> None:
        """The other side takes something again."""
        super().resume_writing()
        if self._flows is not None:
            self._flows()

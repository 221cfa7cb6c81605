"""One socket to the Realtime API: what it is given goes out in order, what it hears is passed on, until it is closed."""

import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

import websockets
from websockets.asyncio.client import ClientConnection

from calls import clients
from calls.observing import realtime as observing

# Frames that wait because the model's socket is stuck; two seconds. Older ones are dropped: late audio is no use.
MOST_FRAMES_WAITING = 100
Hear = Callable[[int, bytes], Awaitable[None]]


class RealtimeLink:
    """The socket of the session of this number. Nobody but ``flush`` sends, so that nothing overtakes anything."""

    def __init__(self, session: int, model: str) -> None:
        self.session = session
        self._model = model
        self._waiting: deque[str] = deque()
        self._socket: ClientConnection | None = None
        self._busy = False
        self._closed = False

    async def run(self, hear: Hear) -> str:
        """Connect, and pass on what is heard until the socket is gone; why it is gone, for a problem row."""
        try:
            with observing.connecting(self.session):
                self._socket = await clients.realtime_connect(self._model)
            if self._closed:
                await self._socket.close()
            await self.flush()
            while True:
                await hear(self.session, await self._socket.recv(decode=False))
        except clients.RealtimeRefusedError as exc:
            return exc.code
        except websockets.ConnectionClosed as exc:
            code = f"closed_{exc.rcvd.code}" if exc.rcvd is not None else "connection_closed"
            if not self._closed:
                observing.lost(code)
            return code

    @property
    def waiting(self) -> bool:
        """Whether something is to be sent."""
        return bool(self._waiting)

    def put(self, text: str) -> None:
        """Have this sent."""
        self._waiting.append(text)

    def put_frame(self, text: str) -> bool:
        """Have audio sent; False where too much of it waits already."""
        if len(self._waiting) >= MOST_FRAMES_WAITING:
            return False
        self._waiting.append(text)
        return True

    async def flush(self) -> None:
        """Send what waits, in order; whoever finds somebody at it leaves it to them."""
        if self._busy or self._socket is None:
            return
        self._busy = True
        try:
            while self._waiting:
                await self._socket.send(self._waiting.popleft())
        except websockets.ConnectionClosed:
            self._waiting.clear()  # the reader learns of it too, and says so
        finally:
            self._busy = False

    async def close(self) -> None:
        """Close the socket, also one that is only about to be opened."""
        self._closed = True
        if self._socket is not None:
            with contextlib.suppress(websockets.ConnectionClosed):
                await self._socket.close()

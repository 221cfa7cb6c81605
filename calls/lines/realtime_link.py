"""One socket to the Realtime API: what it is given goes out in order, what it hears is passed on, until it is closed."""

import uuid
from collections import deque
from collections.abc import Callable

from calls import clients
from calls.observing import realtime as observing
from calls.sockets.realtime import RealtimeSocket

# Frames that wait because the model's socket is stuck; two seconds. Those that come then are dropped: late audio is no use.
MOST_FRAMES_WAITING = 100
Hear = Callable[[int, bytes], None]


class RealtimeLink:
    """The socket of a call's session of this number. What cannot go out yet waits, and nothing overtakes it."""

    def __init__(self, session: int, model: str, *, call_id: uuid.UUID) -> None:
        self.session = session
        self._model = model
        self._request_id = f"{call_id}-{session}"
        self._waiting: deque[str] = deque()
        self._socket: RealtimeSocket | None = None
        self._hear: Hear | None = None
        self._broke: Exception | None = None
        self._rests = False
        self._closed = False

    async def run(self, hear: Hear) -> str:
        """Connect, and pass on what is heard until the socket is gone; why it is gone, for a problem row.

        Raises what ``hear`` has raised.
        """
        try:
            with observing.connecting(self.session):
                socket = await clients.realtime_connect(self._model, request_id=self._request_id)
        except clients.RealtimeRefusedError as exc:
            return exc.code
        self._socket, self._hear = socket, hear
        try:
            if self._closed:
                await socket.close()
            self._flush()
            socket.listen(self._heard, flows=self._flush)
            over = await socket.ended()
        finally:
            self._hear = None
        if self._broke is not None:
            raise self._broke
        code = f"closed_{over.rcvd.code}" if over.rcvd is not None else "connection_closed"
        if not self._closed:
            observing.lost(code)
        return code

    def _heard(self, text: bytes) -> None:
        if self._hear is None:
            return
        try:
            self._hear(self.session, text)
        except Exception as exc:  # noqa: BLE001 - it belongs to whoever runs this, and not to the loop, which reads
            assert self._socket is not None
            self._hear, self._broke = None, exc
            self._socket.transport.abort()

    def put(self, text: str) -> None:
        """Send this, as soon as there is a socket that takes something."""
        if self._socket is None or self._waiting or self._socket.paused:
            self._waiting.append(text)
        else:
            self._socket.put(text)

    def put_frame(self, text: str) -> bool:
        """Send audio; False where too much of it waits already."""
        if len(self._waiting) >= MOST_FRAMES_WAITING:
            return False
        self.put(text)
        return True

    def _flush(self) -> None:
        """Send what waits, in order."""
        while self._waiting and self._socket is not None and not self._socket.paused:
            self._socket.put(self._waiting.popleft())

    def pause(self) -> bool:
        """Read nothing more for now. False where somebody has asked for that already, and is to ``resume``."""
        if self._socket is None or self._rests:
            return False
        self._rests = True
        self._socket.pause()
        return True

    def resume(self) -> None:
        """Read on."""
        self._rests = False
        if self._socket is not None:
            self._socket.resume()

    def drop(self) -> None:
        """Hear nothing more, and have the socket gone at once."""
        self._closed, self._hear = True, None
        if self._socket is not None:
            self._socket.transport.abort()

    async def close(self) -> None:
        """Close the socket, also one that is only about to be opened."""
        self._closed = True
        if self._socket is not None:
            await self._socket.close()

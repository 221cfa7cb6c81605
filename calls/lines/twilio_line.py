"""The caller's side of a telephone call: one media stream of Twilio."""

import asyncio
from collections import deque
from collections.abc import Sequence

from calls.bridge import commands as do
from calls.bridge import twilio
from calls.lines.line import SOCKET_GONE, ASGIMessage, Send
from calls.sockets.media import ShortWay


class TwilioLine:
    """Twilio holds what is to be played, and says by its marks how far it has come."""

    def __init__(self, send: Send, short_way: ShortWay | None = None) -> None:
        self.is_open = True
        self._send = send
        self._short_way = short_way
        self._stream_sid = ""
        self._texts: deque[str] = deque()
        self._sending = asyncio.Lock()

    @property
    def waiting(self) -> bool:
        """Whether something is to be sent, or was sent and is not taken."""
        if self._short_way is not None:
            return not self._short_way.writable.is_set()
        return bool(self._texts)

    def read(self, message: ASGIMessage) -> Sequence[twilio.Message]:
        """The message in a frame. Raises RemoteProtocolError."""
        parsed = twilio.parse(message.get("text") or message.get("bytes") or "")
        if type(parsed) is twilio.Start and not self._stream_sid:
            self._stream_sid = parsed.stream_sid
        return (parsed,)

    def put(self, command: do.Play | do.Mark | do.Clear) -> None:
        """Have Twilio do this, after all that was put before."""
        texts = twilio.texts(self._stream_sid, command)
        if self._short_way is None:
            self._texts += texts
        elif self.is_open:
            for text in texts:
                self._short_way.put(text)

    async def flush(self) -> None:
        """Send what is queued, in order; whoever finds somebody at it waits for them."""
        if self._short_way is not None:
            await self._short_way.writable.wait()
            return
        async with self._sending:
            try:
                while self._texts:
                    text = self._texts.popleft()
                    if self.is_open:
                        await self._send({"type": "websocket.send", "text": text})
            except SOCKET_GONE:
                self._texts.clear()  # the reader learns of it too, and says so to the conversation

    async def close(self, code: int) -> None:
        """Close the stream, once."""
        if self.is_open:
            self.is_open = False
            try:
                await self._send({"type": "websocket.close", "code": code})
            except SOCKET_GONE:
                return

    def gone(self, code: int) -> Sequence[twilio.Message]:
        """Twilio says it by ``Stop`` when the caller has hung up; a socket that just closes tells nothing of them."""
        return ()

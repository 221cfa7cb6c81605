"""What is heard in a call, for those who listen to it: nothing is copied while nobody does.

The two sides are laid on one clock. What the caller says comes in real time; what the assistant says comes faster than
it is spoken, and is let out as Twilio plays it.
"""

import asyncio
import contextlib
import uuid
from base64 import b64decode
from collections.abc import Callable
from typing import Final

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer
from redis.exceptions import RedisError

from calls.bridge import commands as do
from calls.bridge.audio import MULAW, AudioFormat

# Sent by whoever listens, again and again: the sound is copied for as long as that.
LISTEN: Final = "call.listen"
LISTENED_S: Final = 25.0
PIECE_MS: Final = 100
MOST_LATE_S: Final = 1.0
# More of the caller than this has come late all at once, and is of no use to anybody who listens now.
_MOST_CALLER_MS: Final = 10 * PIECE_MS
_MOST_ASSISTANT_MS: Final = 120_000


def listeners_group(call_id: uuid.UUID) -> str:
    """The group of everybody who listens to a call."""
    return f"listen.{call_id}"


class Tap:
    """Sends both sides of a call to its listeners, a piece at a time, until nobody renews it or it is stopped."""

    def __init__(
        self,
        call_id: uuid.UUID,
        layer: BaseChannelLayer,
        loop: asyncio.AbstractEventLoop,
        closed: Callable[[], None],
        audio: AudioFormat = MULAW,
    ) -> None:
        self._audio = audio
        self._piece = PIECE_MS * audio.bytes_per_ms
        self._most_assistant = _MOST_ASSISTANT_MS * audio.bytes_per_ms
        self._group = listeners_group(call_id)
        self._layer = layer
        self._loop = loop
        self._closed = closed
        self._caller = bytearray()
        self._assistant = bytearray()
        self._until = 0.0
        self.over = False

    def renew(self) -> None:
        """Somebody listens."""
        self._until = self._loop.time() + LISTENED_S

    def stop(self) -> None:
        """There is nothing more to be heard."""
        self.over = True

    def from_caller(self, payload: str) -> None:
        """A frame of the caller."""
        self._caller += _decoded(payload)
        if len(self._caller) > _MOST_CALLER_MS * self._audio.bytes_per_ms:
            del self._caller[: -self._piece]

    def to_caller(self, command: do.Play | do.Mark | do.Clear) -> None:
        """Sound of the assistant, or that what the line holds of it is not to be heard."""
        match command:
            case do.Play(payload=payload) if len(self._assistant) < self._most_assistant:
                self._assistant += _decoded(payload)
            case do.Clear():
                self._assistant.clear()
            case _:
                pass

    async def run(self) -> None:
        """Until nobody listens."""
        due = self._loop.time()
        try:
            while not self.over and self._loop.time() < self._until:
                due += PIECE_MS / 1000
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                due += self._skipped(self._loop.time() - due)
                await self._send()
        finally:
            self.over = True
            self._closed()

    def _skipped(self, late_s: float) -> float:
        """The seconds that are left out where Redis, or this process, stood still: nobody wants to listen to the past."""
        if late_s < MOST_LATE_S:
            return 0.0
        pieces = round(late_s * 1000) // PIECE_MS
        for side in (self._caller, self._assistant):
            del side[: pieces * self._piece]
        return pieces * PIECE_MS / 1000

    async def _send(self) -> None:
        piece = {
            "type": "call.audio",
            "encoding": self._audio.session["type"],
            "caller": self._taken(self._caller),
            "assistant": self._taken(self._assistant),
        }
        with contextlib.suppress(RedisError, OSError, ChannelFull):  # a gap is all that comes of it
            await self._layer.group_send(self._group, piece)

    def _taken(self, sound: bytearray) -> bytes:
        """The next piece of this side, filled up with silence."""
        piece = bytes(sound[: self._piece])
        del sound[: self._piece]
        return piece + bytes([self._audio.silent]) * (self._piece - len(piece))


def _decoded(payload: str) -> bytes:
    """The sound; none of what is no base64: the line looks at its length alone, and a listener is no reason to break it."""
    try:
        return b64decode(payload)
    except ValueError:
        return b""

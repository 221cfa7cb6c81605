"""What a client sends, made into frames as a telephone sends them: 20 ms each, with their time in the stream. Pure.

A client may send pieces of any length, all at once or late. What comes faster than it can have been spoken is taken for a
while, because programs send files; then it is dropped.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Final

from calls.bridge import twilio

FRAME_MS: Final = 20
# So far ahead of the clock sound may be that was sent in a burst; a sentence, read from a file.
MOST_AHEAD_MS: Final = 10_000
# From a client that goes on like that.
MOST_DROPPED_MS: Final = 60_000
# So far behind it the client has sent nothing, rather than late: over a socket nothing is lost.
_PAUSED_MS: Final = 500

Convert = Callable[[bytes], bytes]


class Intake:
    """The frames of one client, with their time since ``began``.

    ``convert`` makes of its sound, ``bytes_per_s`` as it comes, what the model takes, ``bytes_per_ms`` of it.
    """

    def __init__(
        self, convert: Convert | None, *, began: float, sample_bytes: int, bytes_per_s: int, bytes_per_ms: int
    ) -> None:
        self._convert = convert
        self._began = began
        self._sample_bytes = sample_bytes
        self._bytes_per_s = bytes_per_s
        self._bytes_per_ms = bytes_per_ms
        self._frame = FRAME_MS * bytes_per_ms
        self._odd = b""  # the beginning of a sample whose rest is to come
        self._rest = bytearray()
        self._at_ms: int | None = None  # where the next frame begins; None before the first
        self.dropped_ms = 0.0

    @property
    def floods(self) -> bool:
        """Whether far more was sent than anybody can have spoken."""
        return self.dropped_ms > MOST_DROPPED_MS

    def take(self, sound: bytes, now: float) -> list[twilio.Media]:
        """The frames that are complete by now."""
        sound = self._odd + sound
        whole = len(sound) - len(sound) % self._sample_bytes
        self._odd, sound = sound[whole:], sound[:whole]
        clock_ms = round((now - self._began) * 1000)
        if self._at_ms is not None and self._at_ms - clock_ms >= MOST_AHEAD_MS:
            # Making frames of it first would let a flood take the time of other calls.
            self.dropped_ms += len(sound) * 1000 / self._bytes_per_s
            return []
        self._rest += self._convert(sound) if self._convert is not None else sound
        return self._frames(clock_ms)

    def _frames(self, clock_ms: int) -> list[twilio.Media]:
        waiting_ms = len(self._rest) // self._bytes_per_ms
        at_ms = self._at_ms
        if at_ms is None or clock_ms - waiting_ms - at_ms > _PAUSED_MS:
            at_ms = max(at_ms or 0, clock_ms - waiting_ms)
        frames = []
        while len(self._rest) >= self._frame:
            piece = bytes(self._rest[: self._frame])
            del self._rest[: self._frame]
            if at_ms - clock_ms >= MOST_AHEAD_MS:
                self.dropped_ms += FRAME_MS
                continue
            frames.append(twilio.Media(b64encode(piece).decode(), at_ms))
            at_ms += FRAME_MS
        self._at_ms = at_ms
        return frames

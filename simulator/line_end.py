"""Two calls joined at the telephone network: what one end hears is what the other end says.

Twilio's outbound leg, whose callee is a number of ours, and the inbound leg at that number. Neither has a caller who acts; each hands on what
its own server plays, after a delay of two frames that evens out when the two were served.
"""

from typing import Final

from simulator import clips
from simulator.caller import HangUp, Press
from simulator.clips import Voice
from simulator.clock import Clock
from simulator.ear import Ear
from simulator.ulaw import BYTES_PER_MS, SILENCE

_FRAME: Final = 160
_AHEAD: Final = 2 * _FRAME
_PATIENCE: Final = 5  # frames that a rest too short for a frame waits for more


class LineEnd:
    """The far end of one call's line. `voice` is how Twilio's <Say> on this call sounds at the other end."""

    def __init__(self, voice: Voice, clock: Clock) -> None:
        self.ear = Ear()
        self.tool_call_at_ms: float | None = None
        self.other: LineEnd | None = None
        self._voice = voice
        self._clock = clock  # of both calls
        self._sound = bytearray()  # from the other call, not yet handed to this one's server
        self._since_ms = 0.0  # when the first of it sounded
        self._keys: list[str] = []
        self._flowing = False
        self._waited = 0

    def begin(self, now_ms: float) -> None:
        """A server listens from now on; what has sounded before is lost."""
        if self._sound:
            del self._sound[: int(self._clock.now_ms() - self._since_ms) * BYTES_PER_MS]

    def listen(self, audio: bytes, *, at_ms: float) -> None:
        """Hand on what this call's server plays."""
        self.ear.hear(audio, at_ms=at_ms)
        if self.other is not None:
            self.other._take(audio)

    def spoken_to(self, text: str) -> None:
        """Hand on what Twilio says on this call."""
        if self.other is not None:
            self.other._take(clips.clip_of(text, self._voice).audio)

    def keyed_to(self, digits: str) -> None:
        """Hand on the keys that Twilio plays on this call."""
        if self.other is not None:
            self.other._keys += [digit for digit in digits if digit not in "wW"]

    def act(self, now_ms: float) -> list[Press | HangUp]:
        """The keys that came over the line."""
        keys, self._keys = self._keys, []
        return [Press(key) for key in keys]

    def next_frame(self, now_ms: float) -> bytes | None:
        """The next 20 ms that came over the line, None while it is silent."""
        if not self._flowing and len(self._sound) < _AHEAD and self._waited < _PATIENCE:
            self._waited += bool(self._sound)
            return None
        self._waited = 0
        self._flowing = len(self._sound) > _FRAME
        if not self._sound:
            return None
        frame = bytes(self._sound[:_FRAME])
        del self._sound[:_FRAME]
        return frame.ljust(_FRAME, SILENCE)

    def _take(self, audio: bytes) -> None:
        if not self._sound:
            self._since_ms = self._clock.now_ms()
        self._sound += audio

    def leave(self, now_ms: float) -> None:
        """The line is gone."""
        self._sound.clear()


def join(near: LineEnd, far: LineEnd) -> None:
    """Make each hear the other."""
    near.other, far.other = far, near

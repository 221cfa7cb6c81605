"""How sound goes to a client that tells nothing of what it has played: at the pace of speech, a little ahead. Pure.

It is as if the client played what it gets as soon as it gets it. What was sent and is not due yet is at most the lead, which
is all that an interruption cannot take back. Positions are bytes since the beginning of the call.
"""

from collections import deque
from typing import Final

FRAME_MS: Final = 20
# Ahead of the clock, so that a late moment of ours is no gap for the listener.
LEAD_MS: Final = 120


class Pacer:
    """The queue of one listener, and the clock of what they have heard of it."""

    def __init__(self, bytes_per_ms: int) -> None:
        self._bytes_per_s = bytes_per_ms * 1000
        self._frame = FRAME_MS * bytes_per_ms
        self._lead = LEAD_MS * bytes_per_ms
        self._queue: deque[bytes | str] = deque()  # sound, and names of marks
        self._sounds = 0  # pieces of sound in it
        self._taken = 0
        self._sent = 0
        self._base = 0.0  # when the position was 0, by the clock of what has been heard
        self._passed: deque[tuple[str, int]] = deque()  # marks whose sound was taken, and where they stand
        self.queued = 0  # bytes

    def play(self, sound: bytes) -> None:
        """Have this heard, after all that is queued."""
        if sound:
            self._queue.append(sound)
            self._sounds += 1
            self.queued += len(sound)

    def mark(self, name: str) -> None:
        """Have it told when all that is queued so far was heard."""
        if self._sounds:
            self._queue.append(name)
        else:
            self._passed.append((name, self._taken))

    def clear(self) -> list[str]:
        """Drop what was not sent yet; the marks that nobody waits for any more."""
        names = [name for name, _ in self._passed] + [one for one in self._queue if isinstance(one, str)]
        self._queue.clear()
        self._passed.clear()
        self._sounds = self.queued = 0
        return names

    def take(self, now: float) -> bytes:
        """The next frame, if one is due; ``sent`` tells that it is out."""
        if not self._sounds or now < self._due_at():
            return b""
        frame = bytearray()
        while self._queue and len(frame) < self._frame:
            first = self._queue.popleft()
            if isinstance(first, str):
                self._passed.append((first, self._taken + len(frame)))
                continue
            wanted = self._frame - len(frame)
            frame += first[:wanted]
            if len(first) > wanted:
                self._queue.appendleft(first[wanted:])
            else:
                self._sounds -= 1
        self._taken += len(frame)
        self.queued -= len(frame)
        while not self._sounds and self._queue:
            self._passed.append((str(self._queue.popleft()), self._taken))
        return bytes(frame)

    def sent(self, now: float) -> float:
        """What was taken is with the client; the moment from which on it is heard."""
        if (now - self._base) * self._bytes_per_s > self._sent:
            # It had nothing left to play, so this is heard from now on.
            self._base = now - self._sent / self._bytes_per_s
        begins = self._base + self._sent / self._bytes_per_s
        self._sent = self._taken
        return begins

    def position(self, now: float) -> int:
        """Bytes that were heard, by the clock, and never more than were sent."""
        return min(self._sent, max(0, round((now - self._base) * self._bytes_per_s)))

    def reached(self, now: float) -> list[str]:
        """The marks up to which everything was heard, each once."""
        names = []
        position = self.position(now)
        while self._passed and self._passed[0][1] <= position:
            names.append(self._passed.popleft()[0])
        return names

    def next_at(self, now: float) -> float | None:
        """When there is something to do; None: not before something else is queued."""
        moments = [self._due_at()] if self._sounds else []
        if self._passed:
            # A hair later than it is reached, because the clock is rounded.
            moments.append(self._base + (self._passed[0][1] + 1) / self._bytes_per_s)
        return max(now, min(moments)) if moments else None

    def _due_at(self) -> float:
        return self._base + (self._sent + self._frame - self._lead) / self._bytes_per_s

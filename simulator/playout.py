"""What Twilio holds for one stream: a queue of audio and marks, played in real time.

Pure and in virtual time: every method is told the time, in milliseconds of the stream's clock. Rules: Twilio's
"Media Streams WebSocket messages". A mark is echoed when all audio before it has been played, at once when
there is none; `clear` drops the audio and echoes every pending mark, in order; ten minutes are held at most.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from simulator.ulaw import BYTES_PER_MS

CAP_MS: Final = 600_000


@dataclass(slots=True)
class Passage:
    """Audio that was heard without a gap. `start_ms` is when its first byte sounded."""

    start_ms: float
    audio: bytearray

    @property
    def end_ms(self) -> float:
        """When the byte after its last one would sound."""
        return self.start_ms + len(self.audio) / BYTES_PER_MS


class Playout:
    """The queue of one stream. Every method first plays up to `now_ms`, which never goes back."""

    def __init__(self, *, cap_ms: int = CAP_MS) -> None:
        self.heard: list[Passage] = []
        self.queued_bytes = 0
        self._cap_bytes = cap_ms * BYTES_PER_MS
        self._queue: deque[bytes | str] = deque()  # audio, or the name of a mark
        self._offset = 0  # bytes of the first audio in the queue that have been played
        self._taken: tuple[int, int] = (0, 0)  # passage and byte up to which `take_heard` has given

    def play(self, audio: bytes, *, now_ms: float) -> tuple[bool, list[str]]:
        """Queue audio. Return False if the cap refused it, and the marks reached by now."""
        reached = self.advance(now_ms)
        if not audio:
            return True, reached
        if self.queued_bytes + len(audio) > self._cap_bytes:
            return False, reached
        if not self.queued_bytes and not (self.heard and self.heard[-1].end_ms >= now_ms):
            self.heard.append(Passage(start_ms=now_ms, audio=bytearray()))
        self._queue.append(audio)
        self.queued_bytes += len(audio)
        return True, reached

    def mark(self, name: str, *, now_ms: float) -> list[str]:
        """Queue a mark. Return the marks reached by now, with this one if nothing is before it."""
        reached = self.advance(now_ms)
        if not self._queue:
            return [*reached, name]
        self._queue.append(name)
        return reached

    def clear(self, *, now_ms: float) -> list[str]:
        """Drop what is not yet played. Return the marks reached by now, then every pending one."""
        reached = self.advance(now_ms)
        reached += [entry for entry in self._queue if isinstance(entry, str)]
        self._queue.clear()
        self.queued_bytes = self._offset = 0
        return reached

    def advance(self, now_ms: float) -> list[str]:
        """Play up to `now_ms`. Return the marks reached, in order."""
        reached: list[str] = []
        if not self._queue:
            return reached
        passage = self.heard[-1]
        due = int((now_ms - passage.start_ms) * BYTES_PER_MS + 1e-6) - len(passage.audio)
        while self._queue:
            entry = self._queue[0]
            if isinstance(entry, str):
                reached.append(entry)
                self._queue.popleft()
                continue
            if due <= 0:
                break
            piece = entry[self._offset : self._offset + due]
            passage.audio += piece
            due -= len(piece)
            self.queued_bytes -= len(piece)
            self._offset += len(piece)
            if self._offset == len(entry):
                self._queue.popleft()
                self._offset = 0
        return reached

    def next_mark_at_ms(self) -> float | None:
        """When the first pending mark will be reached, None without one."""
        ahead = -self._offset
        for entry in self._queue:
            if isinstance(entry, str):
                return self.heard[-1].end_ms + ahead / BYTES_PER_MS
            ahead += len(entry)
        return None

    def take_heard(self) -> list[tuple[float, bytes]]:
        """What has been heard since the last time this was asked: pieces with the time of their first byte."""
        index, offset = self._taken
        pieces: list[tuple[float, bytes]] = []
        for passage in self.heard[index:]:
            if len(passage.audio) > offset:
                pieces.append((passage.start_ms + offset / BYTES_PER_MS, bytes(passage.audio[offset:])))
            offset = 0
        if self.heard:
            self._taken = (len(self.heard) - 1, len(self.heard[-1].audio))
        return pieces

    @property
    def heard_bytes(self) -> int:
        """How much has been heard in all."""
        return sum(len(passage.audio) for passage in self.heard)

"""What Twilio holds, and what the caller has heard of it.

Twilio plays one queue in order and returns each mark when everything before it was played, or at once when
the queue is cleared. The two look alike, so mark names carry a generation that is raised before every clear.
Positions are bytes since the beginning of the generation; of mu-law, 8 are a millisecond.
"""

from collections import deque
from dataclasses import dataclass

from calls.bridge.audio import MULAW, AudioFormat

# One mark every 200 ms: fine enough for truncation, and far from one per frame, which delays audio at Twilio.
MARK_EVERY_MS = 200
# An echo can be lost with a packet; then what is queued counts as played this long after its time.
LOST_ECHO_S = 2.0


@dataclass(slots=True)
class _Item:
    item_id: str
    begins: int
    ends: int


class Playback:
    """The queue at Twilio, known by what was sent, by its marks and by the clock between them."""

    def __init__(self, audio: AudioFormat = MULAW) -> None:
        self._bytes_per_s = audio.bytes_per_s
        self._mark_every = MARK_EVERY_MS * audio.bytes_per_ms
        self._generation = 1
        self._marks_sent = 0
        self._items: list[_Item] = []
        self._heard: dict[str, int] = {}
        self._pending: deque[tuple[str, int]] = deque()
        self._sent = 0
        self._marked = 0  # position of the newest mark sent
        self._played = 0  # position of the newest mark returned
        self._played_at = 0.0

    def add(self, item_id: str, n_bytes: int, *, now: float) -> None:
        """Note that audio of an item was passed to Twilio."""
        if self._ran_empty(now):
            # This plays from now on, not from the last echo on; echoes that are still to come tell nothing more.
            self._pending.clear()
            self._settle(self._sent, now)
        if not self._items or self._items[-1].item_id != item_id:
            self._items.append(_Item(item_id, self._sent, self._sent))
        self._sent += n_bytes
        self._items[-1].ends = self._sent

    def mark_due(self, *, flush: bool = False) -> str | None:
        """The name of a mark to send now, or None: every 200 ms of audio, and at the end of an item (``flush``)."""
        unmarked = self._sent - self._marked
        if unmarked < (1 if flush else self._mark_every):
            return None
        self._marks_sent += 1
        name = f"g{self._generation}:{self._marks_sent}"
        self._marked = self._sent
        self._pending.append((name, self._sent))
        return name

    def echo(self, name: str, *, now: float) -> None:
        """Note a returned mark. Unknown ones, and those of a cleared generation, change nothing."""
        position = next((at for pending, at in self._pending if pending == name), None)
        if position is not None:
            while self._pending and self._pending[0][1] <= position:
                self._pending.popleft()
            self._settle(position, now)

    def _ran_empty(self, now: float) -> bool:
        """Whether Twilio has nothing left to play; an echo under way says when that was, so it is waited for."""
        if self._played == self._sent or self._overdue(now):
            return True
        return not self._pending and self.position(now) == self._sent

    def _settle(self, position: int, now: float) -> None:
        self._played = position
        self._played_at = now
        while self._items and self._items[0].ends <= position:
            item = self._items.pop(0)
            self._heard[item.item_id] = self._heard.get(item.item_id, 0) + item.ends - item.begins

    def position(self, now: float) -> int:
        """Bytes of this generation that the caller has heard: to the last echo, and by the clock from there on.

        Never past the next mark, for its echo would have come, and never past what was sent.
        """
        bound = self._pending[0][1] if self._pending else self._sent
        if self._overdue(now):
            return self._sent
        return min(self._played + round((now - self._played_at) * self._bytes_per_s), bound)

    def _overdue(self, now: float) -> bool:
        return now >= self.gives_up_at()

    def holds_audio(self, now: float) -> bool:
        """Whether Twilio may still have audio to play."""
        return self._played < self._sent and not self._overdue(now)

    def remaining_s(self, now: float) -> float:
        """Seconds until what is queued has been played."""
        return (self._sent - self.position(now)) / self._bytes_per_s

    def gives_up_at(self) -> float:
        """When what is queued counts as played even if its marks never return."""
        return self._played_at + (self._sent - self._played) / self._bytes_per_s + LOST_ECHO_S

    def heard_bytes(self, item_id: str, *, now: float) -> int:
        """Bytes of an item that the caller has heard, in this generation and before."""
        position = self.position(now)
        queued = sum(max(0, min(position, i.ends) - i.begins) for i in self._items if i.item_id == item_id)
        return self._heard.get(item_id, 0) + queued

    def interrupt(self, *, now: float) -> list[str]:
        """Start a new generation; return the items that still had audio queued, in their order.

        Whoever calls this must send ``clear``. The marks that it shakes loose belong to the old generation.
        """
        position = self.position(now)
        cut = list(dict.fromkeys(item.item_id for item in self._items if item.ends > position))
        for item in self._items:
            heard = max(0, min(position, item.ends) - item.begins)
            self._heard[item.item_id] = self._heard.get(item.item_id, 0) + heard
        self._generation += 1
        self._items.clear()
        self._pending.clear()
        self._sent = self._marked = self._played = 0
        self._played_at = now
        return cut

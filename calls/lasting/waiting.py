"""What waits for the broker, and what the broker was given and nobody has called done. No thread, no disk, no clock."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from calls.lasting.entries import Entry, Marker
from calls.lasting.sorting import Sorting

# Many records in one message cost a worker a tenth of what they cost one by one.
GATHER_S = 0.5
GATHER_MOST: Final = 200
GATHER_MOST_BYTES: Final = 256 * 1024
# A worker that was killed gives nothing back before CELERY_VISIBILITY_TIMEOUT, and a message may be lost for good.
AGAIN_AFTER_S = 60.0
AGAIN_AT_MOST_S = 3600.0
# A task that no worker knows is never done. By then, an hour later, no deployment is under way any more.
GATHER_AFTER_TRIES: Final = 6


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to the broker now; ``number`` is 0 for what was never there."""

    entries: list[Entry]
    number: int = 0
    gathered: bool = False


@dataclass(slots=True)
class _Handed:
    """A message that is with the broker, and of which nobody has said that it is done."""

    entries: list[Entry]
    due_at: float
    tries: int = 1


class Waiting:
    """The queue. Not for several threads at once: the outbox holds its lock around each call."""

    def __init__(self, sorting: Sorting) -> None:
        self._sorting = sorting
        self._waiting: deque[Entry | Marker] = deque()
        self._ahead: deque[Entry] = deque()
        self._handed: dict[int, _Handed] = {}

    def __bool__(self) -> bool:
        """Whether something waits to be handed over."""
        return bool(self._waiting or self._ahead)

    @property
    def waiting_n(self) -> int:
        """How many wait to be handed over."""
        return sum(isinstance(one, Entry) for one in self._waiting) + len(self._ahead)

    @property
    def unconfirmed_n(self) -> int:
        """How many are with the broker."""
        return sum(len(one.entries) for one in self._handed.values())

    @property
    def messages_n(self) -> int:
        """In how many messages."""
        return len(self._handed)

    def oldest_s(self, now: float) -> float:
        """For how long the oldest of all is not done."""
        first = [next((one for one in self._waiting if isinstance(one, Entry)), None), *list(self._ahead)[:1]]
        first += [one.entries[0] for one in self._handed.values()]
        return max((now - one.at for one in first if one is not None), default=0.0)

    def put(self, news: Iterable[Entry | Marker]) -> None:
        """Let these wait; those that somebody waits for overtake the others."""
        for one in news:
            if isinstance(one, Entry) and one.task in self._sorting.ahead:
                self._ahead.append(one)
            else:
                self._waiting.append(one)

    def next(self, now: float, *, closing: bool) -> Message | None:
        """What goes to the broker now, still where it was; None while more may be gathered."""
        while self._waiting and isinstance(first := self._waiting[0], Marker):
            self._waiting.popleft()
            first.published.set()
        if self._ahead:
            return Message([self._ahead[0]])
        gathered = self._gathered(now, closing=closing)
        return Message(gathered, gathered=self._may_gather(gathered[0])) if gathered else None

    def _may_gather(self, entry: Entry) -> bool:
        return bool(self._sorting.gathering) and entry.task in self._sorting.together

    def _gathered(self, now: float, *, closing: bool) -> list[Entry]:
        gathered: list[Entry] = []
        size = 0
        for one in self._waiting:
            if isinstance(one, Marker) or not self._may_gather(one):
                return gathered or ([one] if isinstance(one, Entry) else [])
            gathered.append(one)
            size += one.size
            if len(gathered) >= GATHER_MOST or size >= GATHER_MOST_BYTES:
                return gathered
        ripe = gathered and (closing or now - gathered[0].at >= GATHER_S)
        return gathered if ripe else []

    def ripe_s(self, now: float) -> float | None:
        """In how many seconds what is gathered is handed over; None where nothing is."""
        first = self._waiting[0] if self._waiting else None
        return first.at + GATHER_S - now if isinstance(first, Entry) else None

    def due_again(self, now: float) -> Message | None:
        """A message that nobody has called done for too long.

        One that was tried for an hour goes to whoever takes records of every kind, and knows what to do with a strange one.
        """
        for number, one in self._handed.items():
            if one.due_at <= now:
                strange = bool(self._sorting.gathering) and one.tries >= GATHER_AFTER_TRIES
                return Message(one.entries, number, gathered=strange or self._may_gather(one.entries[0]))
        return None

    def sent(self, message: Message, number: int, now: float) -> None:
        """The broker has taken it, for the first time or once more."""
        if message.number:
            handed = self._handed.pop(number)
            wait_s = min(AGAIN_AFTER_S * 2**handed.tries, AGAIN_AT_MOST_S)
            handed.tries, handed.due_at = handed.tries + 1, now + wait_s
            # At the end, so that those before it get their turn.
            self._handed[number] = handed
            return
        self.take_out(message)
        self._handed[number] = _Handed(message.entries, now + AGAIN_AFTER_S)

    def take_out(self, message: Message) -> None:
        """It waits no longer."""
        if message.number:
            self._handed.pop(message.number)
        elif self._ahead and message.entries[0] is self._ahead[0]:
            self._ahead.popleft()
        else:
            for _ in message.entries:
                self._waiting.popleft()

    def put_back(self, message: Message, left: list[Entry]) -> None:
        """Of a message that waits these entries are left."""
        self.take_out(message)
        if message.number and left:
            self._handed[message.number] = _Handed(left, 0.0)
        elif left and left[0].task in self._sorting.ahead:
            self._ahead.extendleft(reversed(left))
        else:
            self._waiting.extendleft(reversed(left))

    def done(self, number: int) -> list[Entry]:
        """The entries of a message that is done; none where that was known."""
        handed = self._handed.pop(number, None)
        return handed.entries if handed is not None else []

    def all_again(self) -> None:
        """The broker has lost what it was given."""
        for handed in self._handed.values():
            handed.due_at = 0.0

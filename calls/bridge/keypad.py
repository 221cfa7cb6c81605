"""Keys that the caller presses: collected until they are complete, then a message to the model."""

from calls.bridge import realtime
from calls.bridge.keys import KEYS
from calls.bridge.limits import MOST_KEYS
from calls.bridge.line import Line, Timer
from calls.bridge.plan import Plan
from calls.bridge.utterances import Utterances


class Keypad:
    """The keys of one entry. An end key or a pause completes it."""

    def __init__(self, line: Line, plan: Plan, utterances: Utterances, *, entries: int = 0) -> None:
        self._line = line
        self._plan = plan
        self._utterances = utterances
        self._keys = ""
        self._began_ms = 0
        self.entries = entries  # of the whole call, so that their ids differ

    @property
    def pending(self) -> bool:
        """Whether the caller is in the middle of an entry."""
        return bool(self._keys)

    def takes(self, key: str) -> bool:
        """Whether a key means anything here."""
        return self._plan.keypad_enabled and key in KEYS

    def press(self, key: str, now: float) -> bool:
        """Note a key; whether it completes the entry."""
        if not self._keys:
            self._began_ms = self._line.elapsed_ms(now)
        self._keys += key
        if key in self._plan.keypad_delimiters or len(self._keys) >= MOST_KEYS:
            return True
        self._line.arm(Timer.KEYPAD, now + self._plan.keypad_timeout_s)
        return False

    def complete(self, now: float) -> None:
        """Tell the model which keys were pressed, as words of the caller."""
        self._line.disarm(Timer.KEYPAD)
        text = self._text()
        item_id = self._write(now)
        event_id = self._line.event_id()
        self._line.to_realtime(realtime.message(event_id, "user", text, item_id=item_id))

    def settle(self, now: float) -> None:
        """Tell the model what was pressed so far, if anything was: nothing is added to it any more."""
        if self._keys:
            self.complete(now)

    def line_gone(self, now: float) -> None:
        """The caller is gone: the model need not know any more, but the transcript does."""
        if self._keys:
            self._write(now)

    def _text(self) -> str:
        # Apart, each key is one word to the model; run together it would read out numbers and miscount zeros.
        return f"The caller pressed these keys: {' '.join(self._keys)}"

    def _write(self, now: float) -> str:
        self.entries += 1
        item_id = f"keys_{self.entries}"
        self._utterances.keyed(item_id, self._text(), self._began_ms, now)
        self._keys = ""
        return item_id

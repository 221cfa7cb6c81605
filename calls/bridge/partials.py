"""Words before they are final, for those who want to know them at once."""

from calls.bridge import realtime
from calls.bridge.commands import PartialText, Speaker
from calls.bridge.line import Line
from calls.bridge.speech import Utterance


class Partials:
    """What each side has said so far, told while anybody wants it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.for_readers = False  # somebody reads along
        self.for_server = False  # a server wants words before they are final
        self._words: dict[str, str] = {}  # of the caller so far, by item

    @property
    def _wanted(self) -> bool:
        return self.for_readers or self.for_server

    def caller(self, event: realtime.CallerTextDelta) -> None:
        """The caller has said more."""
        if self._wanted:
            words = self._words[event.item_id] = self._words.get(event.item_id, "") + event.delta
            self._line.put(PartialText(event.item_id, Speaker.CALLER, words))

    def caller_known(self, item_id: str) -> None:
        """All that the caller has said in this item is known."""
        self._words.pop(item_id, None)

    def assistant(self, utterance: Utterance, *, whole: bool) -> None:
        """The assistant says more, or no more."""
        if self._wanted and not utterance.written and utterance.text_final is whole:
            text, who = utterance.text, Speaker.ASSISTANT
            self._line.put(PartialText(utterance.item_id, who, text, utterance.assistant, whole))

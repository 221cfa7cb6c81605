"""What was said and done in a call, in its order, for an assistant that takes the call over in a session of its own."""

from collections.abc import Iterable
from dataclasses import dataclass

from calls.bridge.commands import Speaker
from calls.bridge.plan import Keeps, Remark, Taker
from calls.bridge.playback import Playback
from calls.bridge.speech import Utterance, spoken


@dataclass(frozen=True, slots=True)
class Exchange:
    """A tool call and what the model was told of it."""

    call_id: str
    name: str
    arguments: str
    output: str


Memorable = Remark | Exchange


class Memory:
    """Utterances as they begin, tool calls as they are answered; a place in it is how many entries stand before."""

    def __init__(self, playback: Playback, earlier: Iterable[Remark]) -> None:
        self._playback = playback
        # What systems said was for the one who had the call then.
        self._entries: list[Utterance | Memorable] = [
            one for one in earlier if one.role != "system" or one.lasts
        ]
        self._part_began = 0

    def said(self, utterance: Utterance) -> None:
        """Somebody begins to speak."""
        self._entries.append(utterance)

    def noted(self, remark: Remark) -> None:
        """A message was put into the conversation from outside; it is for whoever has the call, then and later."""
        self._entries.append(remark)

    def done(self, exchange: Exchange) -> None:
        """A tool call was answered."""
        self._entries.append(exchange)

    def part_begins(self) -> None:
        """Another assistant has the call from here on."""
        self._part_began = len(self._entries)

    def known(self, taker: Taker, now: float) -> tuple[list[Memorable], int]:
        """What the taker may read of all that is over, and the place where that ends."""
        if taker.keeps is Keeps.LAST:
            return [], 0  # which they are is known only when it takes over
        until = next((n for n, one in enumerate(self._entries) if _goes_on(one)), len(self._entries))
        return self._read(taker, 0, until, now), until

    def rest(self, taker: Taker, since: int, now: float) -> list[Memorable]:
        """What the taker may read of all that was said and done from that place on, as far as it was heard."""
        found = self._read(taker, since, len(self._entries), now)
        if taker.keeps is not Keeps.LAST:
            return found
        return found[-taker.last :] if taker.last else []

    def wordless(self) -> list[Utterance]:
        """What the caller has said and is not written down yet."""
        return [
            one
            for one in self._entries
            if isinstance(one, Utterance) and one.speaker is Speaker.CALLER and not one.text_final
        ]

    def _read(self, taker: Taker, since: int, until: int, now: float) -> list[Memorable]:
        if taker.keeps is Keeps.NONE:
            return []
        if taker.keeps is Keeps.PREVIOUS:
            since = max(since, self._part_began)
        found = [self._memorable(one, now) for one in self._entries[since:until]]
        tools_too = taker.keeps in (Keeps.ALL, Keeps.LAST)
        return [one for one in found if one is not None and (tools_too or isinstance(one, Remark))]

    def _memorable(self, entry: Utterance | Memorable, now: float) -> Memorable | None:
        if not isinstance(entry, Utterance):
            return entry
        said = spoken(entry, heard_bytes=self._playback.heard_bytes(entry.item_id, now=now))
        role = "user" if entry.speaker is Speaker.CALLER else "assistant"
        return Remark(role, said.heard_text) if said.heard_text else None


def _goes_on(entry: Utterance | Memorable) -> bool:
    return isinstance(entry, Utterance) and not entry.written

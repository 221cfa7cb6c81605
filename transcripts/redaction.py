"""What is not to be written down of a conversation while it goes on: also a number that is said over several turns. Pure."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tools.redaction.numbers import Part, open_tail
from tools.redaction.redact import KINDS, Span, apart, redactor, replaced, spans_in
from tools.redaction.tokens import Token, tokens_of

__all__ = ["KINDS", "SpokenRedactor", "redactor"]

# Turns of both sides that are looked at together. A number that is said more slowly than that is not found.
TURNS: Final = 16
# What may still turn out to be a part of a card's number: it is shown once the call is over and it was not.
OPEN_KIND: Final = "number"


@dataclass(slots=True)
class _Turn:
    key: str
    speaker: str
    text: str = field(repr=False)
    tokens: Sequence[Token] = field(repr=False)
    spans: list[Span] = field(default_factory=list, repr=False)
    tail: list[Span] = field(default_factory=list, repr=False)  # digits that the next turn may make a number


class SpokenRedactor:
    """The turns of one call, as they may be written down.

    A turn that ends in the middle of digits has them replaced by ``[number]`` at first: the next turn may make them a
    card's. ``settled`` tells how it came out.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        self._kinds = frozenset(kinds)
        self._near: deque[_Turn] = deque(maxlen=TURNS)
        self._turns: dict[str, _Turn] = {}

    def look_for(self, kinds: Iterable[str]) -> None:
        """Look for these kinds as well from the next turn on."""
        self._kinds |= frozenset(kinds)

    def said(self, key: str, speaker: str, text: str) -> str:
        """The next turn as it may be written down at once."""
        if not self._kinds:
            return text
        turn = _Turn(key, speaker, text, tokens_of(text))
        self._turns[key] = turn
        self._near.append(turn)
        parts = [Part(one.text, one.tokens, speaks=one.speaker == speaker) for one in self._near]
        spans = spans_in(parts, self._kinds)
        for number, one in enumerate(self._near):
            if one.speaker == speaker:
                # What only an earlier look has found stays found: its beginning may have left the window.
                news = [replace(span, part=0) for span in spans if span.part == number]
                one.spans = _in_order(apart(news, one.spans))
        turn.tail = [replace(span, part=0) for span in _open(parts)]
        return replaced(text, _in_order(apart(turn.spans, turn.tail)))

    def settled(self, key: str, speaker: str, text: str) -> str:
        """A turn as it may be written down once the call is over."""
        if not self._kinds:
            return text
        turn = self._turns.get(key)
        if turn is None or turn.text != text:
            return self.said(key, speaker, text)
        turn.tail = []
        return replaced(text, turn.spans)

    def heard(self, key: str, text: str, heard: str, *, written: str) -> str:
        """The part of a turn that was really heard: ``written`` where that is all of it. No number is shown by being cut short."""
        turn = self._turns.get(key)
        if heard == text or not self._kinds or turn is None:
            return written if heard == text else heard
        if not text.startswith(heard):
            return redactor(self._kinds)(heard)
        spans = [
            Span(one.part, one.start, min(one.end, len(heard)), one.kind)
            for one in _in_order(apart(turn.spans, turn.tail))
            if one.start < len(heard)
        ]
        return replaced(heard, spans)


def _open(parts: Sequence[Part]) -> list[Span]:
    units = open_tail(parts)
    return [Span(units[0].part, units[0].start, units[-1].end, OPEN_KIND)] if units else []


def _in_order(spans: Sequence[Span]) -> list[Span]:
    return sorted(spans, key=lambda one: one.start)

"""How long callers waited for each answer, and for what. Pure.

An answer's time runs from the end of the caller's speech to the first sound sent back. First comes the silence after
which a turn counts as over, a setting; then whatever tools were asked, and last the model with the line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

# A bar is drawn in these units.
WIDTH: Final = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the assistant: when it began, in ms of the call, and how long the caller had waited for it."""

    began_ms: int
    waited_ms: int
    words: str


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a tool was asked and the model waited for it, in ms of the call."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar."""

    kind: str
    ms: int
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One answer for the page: its pieces from the left, in the order in which they happened."""

    answer: Answer
    pieces: tuple[Piece, ...]
    silence_ms: int | None
    tool_ms: int
    rest_ms: int


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All answers of a call. The widest bar is the longest wait."""

    bars: tuple[Bar, ...]
    median_ms: int
    p95_ms: int
    longest_ms: int


def waterfall(
    answers: Sequence[Answer], tools: Iterable[Span], *, silence_ms: int | None
) -> Waterfall | None:
    """The waits of a call, None where there was none. ``silence_ms``: None where turns end by what was said."""
    if not answers:
        return None
    waits = sorted(one.waited_ms for one in answers)
    longest = max(1, waits[-1])
    spans = list(tools)
    bars = tuple(_bar(one, spans, silence_ms=silence_ms, longest=longest) for one in answers)
    return Waterfall(bars, _of(waits, 0.5), _of(waits, 0.95), waits[-1])


def _of(waits: Sequence[int], share: float) -> int:
    """The wait that so many stayed within: one that really was."""
    return waits[max(0, ceil(share * len(waits)) - 1)]


def _bar(answer: Answer, tools: Iterable[Span], *, silence_ms: int | None, longest: int) -> Bar:
    begin = answer.began_ms - answer.waited_ms
    silence_ends = begin + min(silence_ms or 0, answer.waited_ms)
    cuts: list[tuple[str, int, int]] = [("silence", begin, silence_ends)]
    at = silence_ends
    for span in _merged(tools, silence_ends, answer.began_ms):
        cuts += [("model", at, span.from_ms), ("tool", span.from_ms, span.to_ms)]
        at = span.to_ms
    cuts.append(("model", at, answer.began_ms))
    pieces = tuple(
        Piece(kind, to - since, (since - begin) * WIDTH // longest, max(1, (to - since) * WIDTH // longest))
        for kind, since, to in cuts
        if to > since
    )
    tool_ms = sum(piece.ms for piece in pieces if piece.kind == "tool")
    return Bar(
        answer,
        pieces,
        silence_ms=silence_ends - begin if silence_ms is not None else None,
        tool_ms=tool_ms,
        rest_ms=answer.began_ms - silence_ends - tool_ms,
    )


def _merged(spans: Iterable[Span], begin: int, end: int) -> list[Span]:
    """What of the spans lies between, those that overlap as one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda one: one.from_ms):
        since, to = max(span.from_ms, begin), min(span.to_ms, end)
        if to <= since:
            continue
        if merged and since <= merged[-1].to_ms:
            merged[-1] = Span(merged[-1].from_ms, max(merged[-1].to_ms, to))
        else:
            merged.append(Span(since, to))
    return merged

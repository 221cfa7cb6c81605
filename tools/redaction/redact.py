"""Text without the numbers and addresses that are not to be written down, and what callers say over several turns. Pure."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tools.redaction import emails, numbers
from tools.redaction.numbers import CARD, PHONE, SSN, Part
from tools.redaction.tokens import Role, Token, tokens_of

EMAIL: Final = "email"
KINDS: Final = (CARD, SSN, EMAIL, PHONE)
_DEEPEST: Final = 50


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of one turn that is not to be written down."""

    part: int
    start: int
    end: int
    kind: str


def mark(kind: str) -> str:
    """What stands in place of it."""
    return f"[{kind}]"


def spans_in(parts: Sequence[Part], kinds: frozenset[str]) -> list[Span]:
    """What is not to be written down of what one side said, in its order."""
    addresses = [Span(part, start, end, EMAIL) for part, start, end in emails.addresses_in(parts)]
    rest = _without(parts, addresses) if addresses else parts
    found = addresses if EMAIL in kinds else []
    found = [*found, *_numbers(rest, kinds, over_turns=True)]
    if len(parts) > 1:
        # Two numbers that were asked for one after the other are no single one.
        found = apart(found, _numbers(rest, kinds, over_turns=False))
    return sorted(found, key=lambda one: (one.part, one.start))


def _numbers(parts: Sequence[Part], kinds: frozenset[str], *, over_turns: bool) -> list[Span]:
    return [
        span
        for run in numbers.runs_of(parts, over_turns=over_turns)
        for number in numbers.found_in(run)
        if number.kind in kinds
        for span in _spans_of(number)
    ]


def apart(first: Sequence[Span], more: Iterable[Span]) -> list[Span]:
    """The first spans, and of the others those that overlap none of them."""
    added = [
        one
        for one in more
        if all(one.part != old.part or one.end <= old.start or one.start >= old.end for old in first)
    ]
    return [*first, *added]


def _without(parts: Sequence[Part], addresses: Sequence[Span]) -> list[Part]:
    """The parts with nothing but a break where an address stands: its digits are no other number's."""
    left = list(parts)
    for number in dict.fromkeys(one.part for one in addresses):
        tokens: list[Token] = []
        spans = iter([one for one in addresses if one.part == number])
        span = next(spans, None)
        for token in left[number].tokens:
            while span is not None and token.start >= span.end:
                span = next(spans, None)
            inside = span is not None and token.start >= span.start
            tokens.append(replace(token, role=Role.BREAK) if inside else token)
        left[number] = replace(left[number], tokens=tokens)
    return left


def _spans_of(found: numbers.Found) -> list[Span]:
    """One span for each turn that a number was said in."""
    spans: list[Span] = []
    for part in dict.fromkeys(unit.part for unit in found.units):
        own = [unit for unit in found.units if unit.part == part]
        spans.append(Span(part, own[0].start, own[-1].end, found.kind))
    return spans


def replaced(text: str, spans: Iterable[Span]) -> str:
    """The text with marks in place of the spans, which are in order."""
    pieces, at = [], 0
    for span in spans:
        if span.end <= at:
            continue
        pieces += [text[at : max(at, span.start)], mark(span.kind)]
        at = span.end
    return "".join([*pieces, text[at:]])


def redactor(kinds: Iterable[str]) -> Callable[[str], str]:
    """What replaces numbers and addresses of these kinds in a text; for no kind it leaves everything as it is."""
    wanted = frozenset(kinds)
    return functools.partial(_redacted, kinds=wanted) if wanted else str


def _redacted(text: str, *, kinds: frozenset[str]) -> str:
    spans = spans_in([Part(text, tokens_of(text))], kinds)
    return replaced(text, spans) if spans else text


def value_redacted(value: Any, kinds: Iterable[str]) -> Any:
    """The JSON value with marks in its texts and numbers; what an object's key says of a value counts as said before it."""
    wanted = frozenset(kinds)
    return _value(value, "", wanted, _DEEPEST) if wanted else value


def _value(value: Any, key: str, kinds: frozenset[str], deeper: int) -> Any:
    if deeper == 0:
        return None  # nothing that anybody's model or server has written
    match value:
        case str():
            return _said_of(value, key, kinds)
        case bool() | None:
            return value
        case int() | float():
            text = str(value)
            kept = _said_of(text, key, kinds)
            return value if kept == text else kept
        case Mapping():
            return {
                _said_of(name, "", kinds): _value(one, name, kinds, deeper - 1) for name, one in value.items()
            }
        case list() | tuple():
            return [_value(one, key, kinds, deeper - 1) for one in value]
        case _:
            return value


def _said_of(text: str, key: str, kinds: frozenset[str]) -> str:
    """The text redacted, as it would be if somebody had asked for it by the key's words."""
    hint = _key_words(key)
    parts = [Part(hint, tokens_of(hint), speaks=False), Part(text, tokens_of(text))]
    return replaced(text, spans_in(parts, kinds))


@functools.lru_cache(maxsize=4096)
def _key_words(key: str) -> str:
    """The words of a name: phoneNumber, phone_number."""
    words = "".join(f" {sign}" if sign.isupper() else sign for sign in key[:200])
    return words.replace("_", " ")

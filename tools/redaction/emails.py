"""E-mail addresses, written and spoken: john.smith@example.com, john dot smith at example dot com. Pure, and linear."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tools.redaction import words
from tools.redaction.numbers import Part
from tools.redaction.tokens import Role, Token

_LOCAL_MAX: Final = 64
_LABELS_MAX: Final = 8
_PLAIN_WORDS_MAX: Final = 3
_HINT_BACK: Final = 12
_LOCAL_SIGNS: Final = frozenset(".%+-_'")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token with its turn, and what stands between it and the token before."""

    token: Token
    part: int
    gap: str

    @property
    def is_named(self) -> bool:
        return self.token.role in (Role.WORD, Role.NUMBER, Role.FILLER)

    @property
    def is_spelt(self) -> bool:
        return self.token.role is Role.NUMBER or (len(self.token.text) == 1 and self.is_named)


def addresses_in(parts: Sequence[Part]) -> Iterator[tuple[int, int, int]]:
    """Turn, beginning and end of every piece of an address of the side that speaks."""
    pieces, hints = _pieces(parts)
    for at, piece in enumerate(pieces):
        written = piece.token.text == "@"
        if not written and not (piece.token.role is Role.WORD and piece.token.text in words.AT):
            continue
        last = _domain_end(pieces, at, glued=written)
        if last <= at:
            continue
        first, start = _local_start(pieces, at, parts)
        if start < 0 or not (written or _is_meant(pieces, first, at, hinted=hints[at])):
            continue
        yield from _spans(pieces[first : last + 1], start)


def _pieces(parts: Sequence[Part]) -> tuple[list[_Piece], list[bool]]:
    """What the side that speaks said, and for each piece whether there was talk of mail shortly before."""
    pieces: list[_Piece] = []
    hints: list[bool] = []
    since = _HINT_BACK + 1
    for number, part in enumerate(parts):
        before: Token | None = None
        for token in part.tokens:
            since = 0 if token.text in words.MAIL else since + 1
            if part.speaks:
                gap = part.text[before.end : token.start] if before is not None else "\n"
                pieces.append(_Piece(token, number, gap))
                hints.append(since <= _HINT_BACK)
                before = token
    return pieces, hints


def _domain_end(pieces: Sequence[_Piece], at: int, *, glued: bool) -> int:
    """The last piece of the domain that begins behind this at; the at itself where there is none."""
    found, dotted, spot = at, False, at + 1
    for _ in range(_LABELS_MAX):
        if spot >= len(pieces) or not pieces[spot].is_named:
            break
        text = pieces[spot].token.text
        if dotted and (text in words.DOMAINS or (glued and pieces[spot].gap == "." and len(text) > 1)):
            found = spot
        if spot + 1 >= len(pieces):
            break
        after = pieces[spot + 1]
        if after.gap in (".", "-"):
            dotted, spot = dotted or after.gap == ".", spot + 1
        elif after.token.text in words.JOINS:
            dotted, spot = dotted or after.token.text in words.DOT, spot + 2
        else:
            break
    return found


def _local_start(pieces: Sequence[_Piece], at: int, parts: Sequence[Part]) -> tuple[int, int]:
    """The first piece of what stands before the at, and where it begins; -1 where nothing does."""
    if pieces[at].token.text == "@" and not pieces[at].gap.strip(" ") and pieces[at].gap:
        pass  # written apart, as it is spoken
    elif pieces[at].token.text == "@":
        return _written_start(pieces, at, parts)
    first = at - 1
    if first < 0 or not pieces[first].is_named:
        return at, -1
    while first > 0 and at - first < _LOCAL_MAX:
        if (pieces[first].gap in (".", "-", "_") and pieces[first - 1].is_named) or (
            pieces[first].is_spelt and pieces[first - 1].is_spelt and pieces[first].gap.strip(" ,\n") == ""
        ):
            first -= 1
        elif first > 1 and pieces[first - 1].token.text in words.JOINS and pieces[first - 2].is_named:
            first -= 2
        else:
            break
    first = _led(pieces, first)
    return first, pieces[first].token.start


def _written_start(pieces: Sequence[_Piece], at: int, parts: Sequence[Part]) -> tuple[int, int]:
    text, end = parts[pieces[at].part].text, pieces[at].token.start
    start = end
    while (
        start > 0
        and end - start < _LOCAL_MAX
        and (text[start - 1].isalnum() or text[start - 1] in _LOCAL_SIGNS)
    ):
        start -= 1
    if start == end:
        return at, -1
    first = at
    while first > 0 and pieces[first - 1].part == pieces[at].part and pieces[first - 1].token.end > start:
        first -= 1
    return first, start


def _led(pieces: Sequence[_Piece], first: int) -> int:
    """Where the address begins, when a few plain words of it follow words that announce one: it's john smith at …"""
    for back in range(1, _PLAIN_WORDS_MAX + 1):
        spot = first - back
        if spot < 0 or pieces[spot + 1].gap != " " or pieces[spot].token.role is Role.BREAK:
            return first
        if pieces[spot].token.text in words.LEADS:
            return spot + 1
    return first


def _is_meant(pieces: Sequence[_Piece], first: int, at: int, *, hinted: bool) -> bool:
    """Whether a spoken at is the one of an address: people also book at example dot com."""
    if hinted or pieces[at + 1].token.text in words.PROVIDERS:
        return True
    local = pieces[first:at]
    joined = any(one.token.text in words.JOINS or one.gap in (".", "_") for one in local[1:])
    return joined or all(one.is_spelt for one in local)


def _spans(pieces: Sequence[_Piece], start: int) -> Iterator[tuple[int, int, int]]:
    """The address, one span for each turn that it was said in."""
    for part in dict.fromkeys(piece.part for piece in pieces):
        own = [piece.token for piece in pieces if piece.part == part]
        yield part, (start if part == pieces[0].part else own[0].start), own[-1].end

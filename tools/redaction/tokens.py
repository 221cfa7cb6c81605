"""A text as numbers and words: written digits and spoken ones alike, each with its place. Pure, and linear in the text."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from tools.redaction import words


class Role(Enum):
    """What a token is for whoever looks for numbers."""

    NUMBER = 1  # ``text`` is its digits
    WORD = 2  # ``text`` is the word in small letters without accents
    FILLER = 3  # a word that may stand within a number
    PLUS = 4
    BREAK = 5  # nothing goes on beyond it


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a text. ``written``: with digits, not with words."""

    role: Role
    text: str
    start: int
    end: int
    written: bool = False


_PIECE: Final = re.compile(
    r"""
      (?P<mark>\[(?:card|ssn|email|phone|number)\])
    | (?P<apart>
          \b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b
        | (?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d]|\.\d)
        | (?<![\d.])\d{1,3}\.\d{5,12}(?!\d)
        | (?<![\d./-])\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?Z?)?(?!\d|[./-]\d)
        | (?<![\d./-])\d{1,2}(?P<between>[./-])\d{1,2}(?P=between)(?:19|20)\d{2}(?!\d|[./-]\d)
        | (?<![\d:])\d{1,2}:\d{2}(?::\d{2})?(?![\d:])
      )
    | (?P<digits>\d+)
    | (?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)
    | (?P<plus>\+)
    | (?P<sign>[@_$€£\#%&=*<>{}|\\])
    """,  # noqa: RUF001 - people write both apostrophes
    re.VERBOSE,
)  # fmt: skip
# Glued to letters it is a name of something; a card number would be too long for one.
_GLUED_MAX: Final = 12
_AMOUNT_SIGNS: Final = "$€£"


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text, spoken numbers already put together."""
    return _joined(_scanned(text), text)


def _scanned(text: str) -> list[Token]:
    found: list[Token] = []
    for match in _PIECE.finditer(text):
        start, end = match.span()
        piece = match.group()
        if match["digits"]:
            role = Role.BREAK if _is_part_of_word(text, start, end) else Role.NUMBER
            found.append(Token(role, _ascii(piece), start, end, written=True))
        elif match["word"]:
            found.append(Token(Role.WORD, words.plain(piece), start, end))
        elif match["plus"]:
            found.append(Token(Role.PLUS, piece, start, end))
        else:
            found.append(Token(Role.BREAK, piece, start, end))
    return found


def _ascii(digits: str) -> str:
    return digits if digits.isascii() else "".join(str(unicodedata.decimal(one)) for one in digits)


def _is_part_of_word(text: str, start: int, end: int) -> bool:
    if end - start > _GLUED_MAX:
        return False
    before, after = text[start - 1 : start], text[end : end + 1]
    return (
        before.isalpha()
        or before == "_"
        or after.isalpha()
        or after == "_"
        or (before in _AMOUNT_SIGNS and bool(before))
    )


# --- Spoken numbers ------------------------------------------------------------------------------------------


def _joined(scanned: Sequence[Token], text: str) -> list[Token]:
    """The tokens with words of numbers made digits, by the longest reading at each place."""
    found: list[Token] = []
    at = 0
    while at < len(scanned):
        number, after = _number_at(scanned, at, text)
        if number is None:
            found.append(_worded(scanned[at]))
            at += 1
            continue
        if after < len(scanned) and scanned[after].text in words.AMOUNTS:
            number = Token(Role.BREAK, number.text, number.start, number.end)
        found.append(number)
        at = after
    return found


def _worded(token: Token) -> Token:
    return replace(token, role=_word_role(token.text)) if token.role is Role.WORD else token


def _word_role(word: str) -> Role:
    if word in words.PLUS:
        return Role.PLUS
    if word in words.FILLERS:
        return Role.FILLER
    return Role.BREAK if word in words.THOUSANDS else Role.WORD


def _number_at(scanned: Sequence[Token], at: int, text: str) -> tuple[Token | None, int]:
    """The number that begins with this token, and the place behind it."""
    token = scanned[at]
    if token.role is Role.NUMBER:
        return _hundreds(token, scanned, at + 1)
    if token.role is not Role.WORD:
        return None, at
    if token.text in words.REPEATS:
        return _repeated(scanned, at)
    if token.text not in words.NUMBERS:
        return None, at
    digits, after = _compound(scanned, at, text)
    number = Token(Role.NUMBER, digits, token.start, scanned[after - 1].end)
    return _hundreds(number, scanned, after)


def _hundreds(number: Token, scanned: Sequence[Token], after: int) -> tuple[Token, int]:
    """One eight hundred, as the beginning of a telephone number is read."""
    if len(number.text) == 1 and after < len(scanned) and scanned[after].text in words.HUNDREDS:
        return Token(Role.NUMBER, f"{number.text}00", number.start, scanned[after].end), after + 1
    return number, after


def _repeated(scanned: Sequence[Token], at: int) -> tuple[Token | None, int]:
    """Double five."""
    if at + 1 >= len(scanned):
        return None, at
    token, what = scanned[at], scanned[at + 1]
    spoken = what.role is Role.WORD and what.text in words.DIGITS
    digit = words.NUMBERS[what.text] if spoken else what.text
    if not (spoken or what.role is Role.NUMBER) or len(digit) != 1:
        return None, at
    return Token(Role.NUMBER, digit * words.REPEATS[token.text], token.start, what.end), at + 2


def _compound(scanned: Sequence[Token], at: int, text: str) -> tuple[str, int]:
    """The digits of the words from here on that make one number, and the place behind them."""
    first = scanned[at].text
    value = int(words.NUMBERS[first])
    after = at + 1
    if first == "quatre" and _word(scanned, after) in words.FRENCH_TWENTIES:
        return _french(80, scanned, after + 1)
    if first == words.FRENCH_SIXTY:
        return _french(60, scanned, after)
    if first == "dix" and _ones(_word(scanned, after)) in (7, 8, 9):
        return str(10 + _ones(_word(scanned, after))), after + 1
    if first not in words.TENS:
        return str(value), after
    more = _after_and(scanned, after)
    ones = _ones(_word(scanned, more))
    # Thirty and one are two numbers in English, and one in others.
    told_apart = more > after and scanned[after].text == "and"
    if ones and not told_apart and _near(scanned, at, more, text):
        return str(value + ones), more + 1
    return str(value), after


def _french(base: int, scanned: Sequence[Token], after: int) -> tuple[str, int]:
    """Soixante and quatre-vingt, which count on to nineteen."""
    more = _after_and(scanned, after)
    word = _word(scanned, more)
    if word in words.FRENCH_TEENS:
        ten = words.FRENCH_TEENS[word]
        ones = _ones(_word(scanned, more + 1)) if word == "dix" else 0
        if ones in (7, 8, 9):
            return str(base + ten + ones), more + 2
        return str(base + ten), more + 1
    ones = _ones(word)
    return (str(base + ones), more + 1) if ones else (str(base), after)


def _word(scanned: Sequence[Token], at: int) -> str:
    return scanned[at].text if at < len(scanned) and scanned[at].role is Role.WORD else ""


def _after_and(scanned: Sequence[Token], at: int) -> int:
    return at + 1 if _word(scanned, at) in words.AND else at


def _ones(word: str) -> int:
    """The digit that the word says, from 1 to 9; else 0."""
    return int(words.NUMBERS[word]) if word in words.DIGITS else 0


def _near(scanned: Sequence[Token], first: int, last: int, text: str) -> bool:
    """Whether nothing but a blank or a hyphen stands between these: twenty, one are two numbers."""
    return last < len(scanned) and all(
        text[scanned[one].end : scanned[one + 1].start] in (" ", "-", "") for one in range(first, last)
    )

"""Which of the numbers in a conversation are a card's, a telephone's, or a US social security number. Pure, and linear."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tools.redaction import words
from tools.redaction.tokens import Role, Token

CARD, SSN, PHONE = "card", "ssn", "phone"
SHORTEST: Final = 7
CARD_SHORTEST, CARD_LONGEST = 13, 19
_SHORTEST_CHAIN: Final = 3
_FILLERS_MAX: Final = 4
_GAP_MAX: Final = 8
_GAP: Final = frozenset(" \t\r\n-.,/()–—…:;?!'\"\u00a0\u2009\u202f")  # noqa: RUF001 - dashes as they are written
_WORDS_BACK: Final = 12


@dataclass(frozen=True, slots=True)
class Part:
    """What one side said in one turn. ``speaks``: it is the side whose numbers are looked for, the other only gives hints."""

    text: str
    tokens: Sequence[Token]
    speaks: bool = True


@dataclass(frozen=True, slots=True)
class Unit:
    """A number in its place."""

    digits: str
    part: int
    start: int
    end: int
    written: bool
    in_brackets: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Numbers that follow each other with nothing but pauses between them; ``named`` is what they were called."""

    units: tuple[Unit, ...]
    plus: Unit | None
    named: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Units that are one number of this kind."""

    units: tuple[Unit, ...]
    kind: str


OTHERWISE, WEAK = "otherwise", "number"


def runs_of(parts: Sequence[Part], *, over_turns: bool = True) -> Iterator[Run]:
    """Every run of numbers of the side that speaks, over the turns of a conversation or within each."""
    building = _Building()
    for number, part in enumerate(parts):
        before: Token | None = None
        if part.speaks and not over_turns:
            yield from building.close()
        for token in part.tokens:
            if not part.speaks:
                if token.role in (Role.WORD, Role.FILLER):
                    building.hear(token)
                continue
            if before is not None and not _is_gap(part.text, before.end, token.start):
                yield from building.close()
            yield from building.take(token, part, number)
            before = token
    yield from building.close()


def _is_gap(text: str, start: int, end: int) -> bool:
    return end - start <= _GAP_MAX and all(sign in _GAP for sign in text[start:end])


class _Building:
    """A run while it is being read, and the words before it."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._units: list[Unit] = []
        self._plus: Unit | None = None
        self._named = ""
        self._fillers = 0

    def hear(self, token: Token) -> None:
        """A word of the other side: it breaks no number of this one."""
        if token.role is Role.WORD:
            self._said.append(token.text)

    def take(self, token: Token, part: Part, number: int) -> Iterator[Run]:
        """The next token of the side that speaks."""
        match token.role:
            case Role.NUMBER:
                if not self._units:
                    self._named = named(self._said)
                bracketed = part.text[max(0, token.start - 1) : token.end + 1] == f"({token.text})"
                start = token.start - 1 if bracketed else token.start
                self._units.append(Unit(token.text, number, start, token.end, token.written, bracketed))
                self._fillers = 0
            case Role.FILLER if self._fillers < _FILLERS_MAX:
                self._fillers += 1
            case Role.PLUS:
                yield from self.close()
                self._plus = Unit("", number, token.start, token.end, written=True)
            case Role.WORD:
                yield from self.close()
                self._said.append(token.text)
            case _:
                yield from self.close()

    def close(self) -> Iterator[Run]:
        """The run that ends here, if there is one."""
        if self._units:
            yield Run(tuple(self._units), self._plus, self._named)
        self._units, self._plus, self._fillers = [], None, 0
        del self._said[:-_WORDS_BACK]


def named(said: Sequence[str]) -> str:
    """What a number is called by the words before it: the nearest that says so."""
    weak = ""
    for back, word in enumerate(reversed(said[-_WORDS_BACK:]), 1):
        if word == words.CODE and said[-back - 1 : -back] and said[-back - 1] in words.CODE_OF_TELEPHONE:
            return PHONE
        if word in words.OTHERWISE:
            return OTHERWISE
        if word in words.SOCIAL:
            return SSN
        if word in words.TELEPHONE:
            return PHONE
        if word in words.NUMBER:
            weak = WEAK
    return weak


# --- What a run is ----------------------------------------------------------------------------------------------


def found_in(run: Run) -> Iterator[Found]:
    """The numbers in a run, of every kind, that do not overlap."""
    units, plus, at = run.units, run.plus, 0
    while True:
        match = _next(units, at, plus, run.named)
        if match is None:
            return
        start, end, kind = match
        before = _whole(units[at:start], plus, run.named) if start > at else ""
        if before:
            # What is left over on the left is a number of its own now.
            yield Found(_with_plus(plus, units[at:start]), before)
        yield Found(_with_plus(plus if start == at else None, units[start:end]), kind)
        at, plus = end, None


def _with_plus(plus: Unit | None, units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    return (plus, *units) if plus is not None else units


def _next(units: tuple[Unit, ...], at: int, plus: Unit | None, name: str) -> tuple[int, int, str] | None:
    """Where the next number of a known kind begins and ends, and its kind."""
    if len(units) - at <= CARD_LONGEST:
        whole = _whole(units[at:], plus, name)
        if whole:
            return at, len(units), whole
    for start in range(at, len(units)):
        # No number has more parts than this.
        near = units[start : start + CARD_LONGEST]
        first = start == at
        end = _card_end(near)
        if end:
            return start, start + end, CARD
        end = _phone_end(near, plus if first else None, name, first=first)
        if end:
            return start, start + end, PHONE
        end = _ssn_end(near, name, first=first)
        if end:
            return start, start + end, SSN
    return None


def _whole(units: tuple[Unit, ...], plus: Unit | None, name: str) -> str:
    """The kind of a run of which nothing is left over; empty for a number of another kind."""
    if not SHORTEST <= sum(len(unit.digits) for unit in units) <= CARD_LONGEST:
        return ""
    digits = "".join(unit.digits for unit in units)
    if is_card(digits):
        return CARD
    if plus is not None:
        # What is said behind a number of North America is no part of it.
        fits = len(digits) == 11 if digits[0] == "1" else 8 <= len(digits) <= 15
        return PHONE if fits else ""
    if len(digits) == 10 and units[0].in_brackets:
        return PHONE
    if name == OTHERWISE or _is_date(units):
        return ""
    if len(digits) == 9:
        return _nine(units, digits, name)
    return PHONE if _is_phone(units, digits, name) else ""


def _nine(units: tuple[Unit, ...], digits: str, name: str) -> str:
    """Nine digits: a social security number, or a telephone number of some countries."""
    shape = _shape(units)
    if name == SSN or shape == (3, 2, 4):
        return SSN if is_ssn(digits) or name == SSN else ""
    grouped = shape in ((3, 3, 3), (3, 2, 2, 2), (1, 2, 2, 2, 2))
    if name in (PHONE, WEAK) or (grouped and digits[0] in "6789"):
        return PHONE
    if len(shape) == 2:
        # An area code and the rest; or, as 94110-1234, an address.
        return PHONE if digits[0] == "0" else ""
    return SSN if is_ssn(digits) else ""


def _is_phone(units: tuple[Unit, ...], digits: str, name: str) -> bool:
    n = len(digits)
    if is_nanp(digits) or (digits.startswith("00") and 10 <= n <= 16):
        return True
    if digits.startswith("0") and 9 <= n <= 13:
        return True
    if n == 7 and _shape(units) == (3, 4) and all(unit.written for unit in units):
        return True
    return name in (PHONE, WEAK) and SHORTEST <= n <= 14


def _is_date(units: tuple[Unit, ...]) -> bool:
    shape, digits = _shape(units), [unit.digits for unit in units]
    if len(shape) != 3:
        return False
    year = digits[2] if shape[2] == 4 else digits[0] if shape[0] == 4 else ""
    return year[:2] in ("19", "20") and all(len(one) <= 2 for one in digits if one != year)


def _shape(units: tuple[Unit, ...]) -> tuple[int, ...]:
    return tuple(len(unit.digits) for unit in units)


def _card_end(units: tuple[Unit, ...]) -> int:
    """How many of the first units are a card number, the longest that there is; 0 where none is."""
    digits, longest = "", 0
    for end, unit in enumerate(units, 1):
        digits += unit.digits
        if len(digits) > CARD_LONGEST:
            break
        if len(digits) in _card_lengths(digits) and passes_luhn(digits):
            longest = end
    return longest


def _phone_end(units: tuple[Unit, ...], plus: Unit | None, name: str, *, first: bool) -> int:
    """The same for a telephone number, with more behind it."""
    if plus is not None:
        return _end_within(units, 11, 11) if units[0].digits[0] == "1" else _end_within(units, 8, 15)
    if name == OTHERWISE:
        return 0
    if is_nanp(units[0].digits):
        return 1
    shape = _shape(units[:4])
    for groups in ((3, 3, 4), (1, 3, 3, 4), (3, 7)):
        group = units[: len(groups)]
        written = all(unit.written for unit in group)
        if written and shape[: len(groups)] == groups and is_nanp("".join(unit.digits for unit in group)):
            return len(groups)
    if first and name in (PHONE, WEAK):
        for length in (10, 11):
            end = _end_within(units, length, length)
            if end and is_nanp("".join(unit.digits for unit in units[:end])):
                return end
    return 0


def _ssn_end(units: tuple[Unit, ...], name: str, *, first: bool) -> int:
    """The same for a social security number."""
    group = units[:3]
    if name != OTHERWISE and _shape(group) == (3, 2, 4) and all(unit.written for unit in group):
        return 3 if is_ssn("".join(unit.digits for unit in group)) else 0
    return _end_within(units, 9, 9) if first and name == SSN else 0


def _end_within(units: tuple[Unit, ...], shortest: int, longest: int) -> int:
    """How many of the first units have so many digits, the most that there are; 0 where they never have."""
    n, found = 0, 0
    for end, unit in enumerate(units, 1):
        n += len(unit.digits)
        if n > longest:
            break
        if n >= shortest:
            found = end
    return found


# --- Digits -------------------------------------------------------------------------------------------------------


def is_card(digits: str) -> bool:
    """Whether these are the digits of a payment card."""
    return CARD_SHORTEST <= len(digits) <= CARD_LONGEST and digits[0] in "23456" and passes_luhn(digits)


def passes_luhn(digits: str) -> bool:
    """Whether the check digit is right."""
    total = 0
    for place, sign in enumerate(reversed(digits)):
        value = ord(sign) - 48
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


# How long the numbers of a network are, by what they begin with: the longest beginning that is listed counts.
_NETWORKS: Final[dict[str, frozenset[int]]] = {
    "4": frozenset({13, 16, 19}),
    **{str(prefix): frozenset({16}) for prefix in (*range(51, 56), *range(222, 273))},
    **dict.fromkeys(("34", "37"), frozenset({15})),
    **{str(prefix): frozenset(range(14, 20)) for prefix in (*range(300, 306), 36, 38, 39)},
    **dict.fromkeys(("35", "60", "62", "64", "65", "81"), frozenset(range(16, 20))),
    **{str(prefix): frozenset({16, 19}) for prefix in (50, 56, 57, 58, 63, 67)},
    "220": frozenset(range(16, 20)),
}


def _card_lengths(digits: str) -> frozenset[int]:
    for prefix in (digits[:3], digits[:2], digits[:1]):
        if prefix in _NETWORKS:
            return _NETWORKS[prefix]
    return frozenset()


def is_ssn(digits: str) -> bool:
    """Whether the administration may have given out this number, or the tax office one of its own."""
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def is_nanp(digits: str) -> bool:
    """Whether these are a number of North America, with its country code or without."""
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    return len(digits) == 10 and digits[0] in "23456789" and digits[3] in "23456789"


def open_tail(parts: Sequence[Part]) -> tuple[Unit, ...]:
    """The numbers with which the last part ends, which may go on in the next; empty where they are few."""
    last = len(parts) - 1
    if last < 0 or not parts[last].speaks:
        return ()
    runs = list(runs_of(parts))
    if not runs or runs[-1].units[-1].part != last:
        return ()
    run = runs[-1]
    behind = [one for one in parts[last].tokens if one.start >= run.units[-1].end]
    digits = sum(len(unit.digits) for unit in run.units)
    if any(one.role is not Role.FILLER for one in behind) or not _SHORTEST_CHAIN <= digits < CARD_LONGEST:
        return ()
    return tuple(unit for unit in run.units if unit.part == last)

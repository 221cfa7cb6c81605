"""Names and numbers of a real call replaced by others, the same by the same wherever it stands. Pure.

Numbers of three digits and more, however they are grouped, also spoken digit by digit; e-mail addresses; names, where a
tool's argument is one or somebody introduces themselves. Years, dates, times and amounts of money stay, since what is
asked depends on them. What no rule recognises stays too: whoever drafts a scenario reads it before it is used.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DATE_OR_TIME: Final = re.compile(
    r"\b(?:\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{1,2}:\d{2}(?::\d{2})?|(?:19|20)\d{2}|(?<![\d.,-])\d{1,5}[.,]\d{2}(?![.,]?\d))\b(?![\d-])"
)
_DIGITS: Final = re.compile(r"\d(?:[\s().-]{0,2}\d){2,}")
_WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SPOKEN: Final = re.compile(
    rf"\b(?:{'|'.join((*_WORDS, 'oh'))})(?:[\s,.-]+(?:{'|'.join((*_WORDS, 'oh'))})){{2,}}\b", re.IGNORECASE
)
_WORD: Final = re.compile(r"[A-Za-z]+")
_INTRODUCED: Final = re.compile(
    r"(?:\b[Mm]y name is|\b[Tt]his is|\b[Nn]ame's|\b[Ii]t is under|\b[Uu]nder the name(?: of)?|\b[Tt]he name is)\s+"
    r"((?:[A-Z][\w'\u2019-]+)(?:\s+[A-Z][\w'\u2019-]+){0,2})"
)
_NAME_KEY: Final = re.compile(r"name|first|last|surname|customer|patient|guest|attendee", re.IGNORECASE)
_NO_NAME_KEY: Final = re.compile(r"file|tool|product|service|company|username|event|hostname", re.IGNORECASE)
_NAMES: Final = (
    "Robin", "Sam", "Alex", "Kim", "Jamie", "Chris", "Dana", "Lee", "Morgan", "Pat", "Taylor", "Casey", "Jordan", "Quinn",
    "Rowan", "Sasha", "Drew", "Ellis", "Avery", "Jules",
)  # fmt: skip
# Numbers that belong to nobody: 555-0100 to 555-0199.
_NOBODYS: Final = "20255501"


@dataclass(slots=True)
class Anonymiser:
    """Replaces what it has been shown. ``salt`` makes the replacements another call's could not be told from."""

    salt: str
    _names: dict[str, str] = field(default_factory=dict)

    def learn(self, text: str) -> None:
        """Take note of names with which somebody introduces themselves."""
        for found in _INTRODUCED.findall(text):
            self._learn_name(found)

    def learn_arguments(self, value: Any, key: str = "") -> None:
        """Take note of names among a tool's arguments or results."""
        if isinstance(value, Mapping):
            for name, one in value.items():
                self.learn_arguments(one, str(name))
        elif isinstance(value, list):
            for one in value:
                self.learn_arguments(one, key)
        elif isinstance(value, str) and _NAME_KEY.search(key) and not _NO_NAME_KEY.search(key):
            self._learn_name(value)

    def _learn_name(self, name: str) -> None:
        for part in re.findall(r"[^\W\d_][\w'\u2019-]+", name)[:4]:
            if part[:1].isupper() and part.lower() not in self._names:
                chosen = (self._number(part.lower()) + len(self._names)) % len(_NAMES)
                taken = {*self._names.values(), part}
                free = [one for one in (*_NAMES[chosen:], *_NAMES[:chosen]) if one not in taken]
                self._names[part.lower()] = free[0] if free else f"Person {len(self._names) + 1}"

    @property
    def names(self) -> dict[str, str]:
        """Every name that is replaced, in lower case, and by what."""
        return dict(self._names)

    def text(self, given: str) -> str:
        """The text with names and numbers replaced."""
        text = _EMAIL.sub(lambda found: f"caller{self._number(found[0].lower()) % 100}@example.com", given)
        text = _kept(text, _DATE_OR_TIME, lambda part: _DIGITS.sub(self._digits, part))
        text = _SPOKEN.sub(self._spoken, text)
        if self._names:
            known = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
            text = re.sub(rf"\b(?:{known})\b", self._name, text, flags=re.IGNORECASE)
        return text

    def value(self, given: Any) -> Any:
        """Any JSON value with the texts and long numbers in it replaced; the keys stay."""
        if isinstance(given, Mapping):
            return {key: self.value(one) for key, one in given.items()}
        if isinstance(given, list | tuple):
            return [self.value(one) for one in given]
        if isinstance(given, str):
            return self.text(given)
        if isinstance(given, int) and not isinstance(given, bool) and abs(given) > 99:
            replaced = self.text(str(abs(given)))
            return int(replaced) * (1 if given > 0 else -1) if replaced[:1] != "0" else given
        return given

    def _name(self, found: re.Match[str]) -> str:
        # A word of the language that is also a name is one only where it is written as one.
        return self._names[found[0].lower()] if found[0][:1].isupper() else found[0]

    def _digits(self, found: re.Match[str]) -> str:
        mapped = iter(self._mapped(re.sub(r"\D", "", found[0])))
        return re.sub(r"\d", lambda _: next(mapped), found[0])

    def _spoken(self, found: re.Match[str]) -> str:
        spoken = _WORD.findall(found[0].lower())
        mapped = iter(
            self._mapped("".join(str(_WORDS.index("zero" if one == "oh" else one)) for one in spoken))
        )
        return _WORD.sub(lambda _: _WORDS[int(next(mapped))], found[0])

    def _mapped(self, digits: str) -> str:
        """Other digits, as many; of a telephone number with or without its country code the same."""
        if len(digits) >= 10:
            own = digits[-10:]
            return f"{digits[:-10]}{_NOBODYS}{self._number(own) % 100:02}"
        shift = self._number(digits)
        moved = [(int(digit) + 1 + (shift // 9**place) % 9) % 10 for place, digit in enumerate(digits)]
        if moved[0] == 0 and digits[0] != "0":
            moved[0] = 5 if digits[0] != "5" else 6
        return "".join(str(digit) for digit in moved)

    def _number(self, text: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.salt}:{text}".encode()).digest()[:8], "big")


def _kept(text: str, kept: re.Pattern[str], change: Callable[[str], str]) -> str:
    """The text with everything changed but what the pattern finds."""
    parts: list[str] = []
    at = 0
    for found in kept.finditer(text):
        parts += [change(text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, change(text[at:])])

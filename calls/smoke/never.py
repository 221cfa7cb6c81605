"""What a played caller must never say, looked for in what they said. Pure.

An entry of ``never`` is a thing (“their e-mail address”, “the card number”) or words to the letter. Things are known by how
they look; what no rule knows is looked for as words.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_DIGIT_WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT: Final = rf"(?:\d|\b(?:{'|'.join(_DIGIT_WORDS)}|oh)\b)"
_EMAIL: Final = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b[\w.+-]+\s+at\s+[\w-]+(?:\s+dot\s+[a-z]{2,})+", re.IGNORECASE
)
_NUMBER: Final = re.compile(rf"(?:{_DIGIT}[\s,().-]*){{7,}}", re.IGNORECASE)
_CARD: Final = re.compile(rf"(?:{_DIGIT}[\s,.-]*){{12,}}", re.IGNORECASE)
# A date alone is one of a visit, more often than not.
_BIRTH: Final = re.compile(
    r"\b(?:born|birthday|birth)\b.*\b(?:19|20)\d{2}\b|\b(?:19|20)\d{2}\b.*\b(?:born|birth)", re.IGNORECASE
)
_KINDS: Final[tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]] = (
    (re.compile(r"e-?mail", re.IGNORECASE), _EMAIL),
    (re.compile(r"\bcard|\biban|\baccount number", re.IGNORECASE), _CARD),
    (re.compile(r"\b(?:tele)?phone|\bmobile|\bcell\b", re.IGNORECASE), _NUMBER),
    (re.compile(r"birth|born", re.IGNORECASE), _BIRTH),
)
_OWNER: Final = re.compile(r"^(?:that\s+)?(?:their|his|her|your|my|the|an?|any)\s+", re.IGNORECASE)


def said_never(never: Sequence[str], said: Sequence[str], *, facts: Iterable[str] = ()) -> list[str]:
    """Those entries of ``never`` that stand in what was said. ``facts`` may be said: a long ticket number is no telephone's."""
    known = [_figures(fact) for fact in facts]
    return [entry for entry in never if any(_holds(entry, words, known) for words in said)]


def _holds(entry: str, words: str, known: Sequence[str]) -> bool:
    for kind, pattern in _KINDS:
        if kind.search(entry):
            found = (_figures(one[0]) for one in pattern.finditer(words))
            return any(not any(one in fact for fact in known) for one in found)
    wanted = _plain(_OWNER.sub("", entry.strip()))
    return bool(wanted) and f" {wanted} " in f" {_plain(words)} "


def _figures(text: str) -> str:
    """The digits of a text, however they are told; the text itself, in small letters and without blanks, where it has none."""
    told = re.sub(r"[^\W\d_]+", lambda word: _figure(word[0].lower()), text)
    return re.sub(r"\D", "", told) or "".join(text.lower().split())


def _figure(word: str) -> str:
    if word == "oh":
        return "0"
    return str(_DIGIT_WORDS.index(word)) if word in _DIGIT_WORDS else " "


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))

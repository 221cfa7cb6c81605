"""Who the caller of a real call was, as far as its rows tell: what they wanted, what they knew, and what they kept to themselves.

For a scenario whose caller is played by a model. It is a draft as the rest of the scenario is.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from calls.models import Call, VapiCall
from calls.smoke.never import said_never

_LONGEST_GOAL: Final = 400
_LONGEST_FACT: Final = 200
_MOST_FACTS: Final = 12
# Shorter, and it is a greeting.
_FEWEST_WORDS: Final = 4
# What a caller who did not say it in the real call must not make up in a played one.
_KEPT: Final = (
    "their e-mail address",
    "their telephone number",
    "the number of a card",
    "their date of birth",
)
_DIGIT_WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_OH: Final = "oh"
_NATIONAL: Final = 10


def goal_of(call: Call, heard: Sequence[str]) -> str:
    """What the caller wanted: in the words of Vapi's summary where there is one, else in their own first ones that say something."""
    vapi = VapiCall.objects.filter(call=call).values_list("analysis", flat=True).first()
    summary = vapi.get("summary") if isinstance(vapi, Mapping) else None
    if isinstance(summary, str) and summary.strip():
        return f"Wants what the caller of this call wanted: {_cut(summary, _LONGEST_GOAL)}"
    telling = [words for words in heard if len(words.split()) >= _FEWEST_WORDS] or list(heard)
    return f"Wants what they begin with: “{_cut(telling[0], _LONGEST_GOAL)}”" if telling else ""


def facts_of(arguments: Iterable[Any], heard: Sequence[str]) -> dict[str, str]:
    """What the caller knew: those plain arguments of tools that they had said themselves, by the arguments' names."""
    said = _plain(" ".join(heard))
    found: dict[str, str] = {}
    for given in arguments:
        for name, value in given.items() if isinstance(given, Mapping) else ():
            text = _text(value)
            if text and f" {_own(_plain(text))} " in f" {said} " and len(found) < _MOST_FACTS:
                found.setdefault(_words(str(name)), _cut(text, _LONGEST_FACT))
    return found


def never_of(heard: Sequence[str]) -> list[str]:
    """What the caller did not say of what callers are often asked for."""
    said = said_never(_KEPT, heard)
    return [one for one in _KEPT if one not in said]


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


def _plain(text: str) -> str:
    """The text in small letters with every digit a word of its own, so that 481 is what "four eight one" is."""
    text = re.sub(r"\d", lambda digit: f" {_DIGIT_WORDS[int(digit[0])]} ", text.casefold())
    words = re.findall(r"[^\W_]+", text)
    return " ".join(_DIGIT_WORDS[0] if word == _OH else word for word in words)


def _own(plain: str) -> str:
    """A telephone number without its country code, which callers do not say; everything else as it is."""
    words = plain.split()
    is_number = len(words) > _NATIONAL and all(word in _DIGIT_WORDS for word in words)
    return " ".join(words[-_NATIONAL:]) if is_number else plain


def _words(name: str) -> str:
    """The name of an argument as people would say it."""
    return " ".join(
        re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).replace("_", " ").replace("-", " ").lower().split()
    )


def _cut(text: str, most: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"

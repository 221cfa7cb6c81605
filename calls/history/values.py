"""What a JSON value holds, whatever it is: every function takes anything and raises nothing. Pure."""

import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tools.jsontext import json_clean, text_clean

MAX_TEXT: Final = 100_000
MAX_JSON: Final = 400_000
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_MAX_COST: Final = 10_000


class Notes:
    """What was not understood, each thing once with how often. The texts never quote what somebody said."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, text: str) -> None:
        """Take down one more case."""
        self._counts[text] = self._counts.get(text, 0) + 1

    def told(self) -> tuple[str, ...]:
        """The sentences, in the order in which they first came up."""
        return tuple(text if n == 1 else f"{text} ({n} times)" for text, n in self._counts.items())


def part(value: Any, *keys: str) -> dict[str, Any]:
    """The first object that stands under one of the keys, or an empty one."""
    if isinstance(value, dict):
        for key in keys:
            if isinstance(found := value.get(key), dict) and found:
                return found
    return {}


def listed(value: Any, *keys: str) -> list[Any]:
    """The first array with something in it under one of the keys, or an empty one."""
    if isinstance(value, dict):
        for key in keys:
            if isinstance(found := value.get(key), list) and found:
                return found
    return []


def text_in(sources: Iterable[Any], *keys: str, most: int = MAX_TEXT) -> str:
    """The first text that is not blank under one of the keys, source by source, clean and clipped."""
    for source in sources:
        if isinstance(source, dict):
            for key in keys:
                if isinstance(found := source.get(key), str) and found.strip():
                    return text_clean(found.strip())[:most]
    return ""


def number_of(value: Any) -> float | None:
    """The finite number that a value is, or spells; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def dollars_of(value: Any) -> Decimal | None:
    """An amount to the millionth, or None for what cannot be the price of a call."""
    number = number_of(value)
    if number is None or not 0 <= number < _MAX_COST:
        return None
    try:
        return Decimal(str(value)).quantize(Decimal("0.000001"))
    except InvalidOperation:
        return Decimal(number).quantize(Decimal("0.000001"))


def json_kept(value: Any, *, what: str, notes: Notes) -> Any:
    """The value as every store takes it; an empty object, with a note, for one that is too deep or too large."""
    try:
        cleaned = json_clean(value)
    except ValueError:
        notes.add(f"The {what} is nested too deeply and was left out.")
        return {}
    if len(json.dumps(cleaned, ensure_ascii=False)) > MAX_JSON:
        notes.add(f"The {what} is larger than {MAX_JSON // 1000} kB and was left out.")
        return {}
    return cleaned


def word(value: Any) -> str:
    """The value where it is a plain word that may stand in a message, else a description of it."""
    if isinstance(value, str) and _WORD.fullmatch(value):
        return f"“{value}”"
    return "no word" if isinstance(value, str) else type(value).__name__

"""The values of a template, as JavaScript has them and writes them. Pure."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from liquid.builtin.expressions.primitive import Blank, Empty

LARGEST_VALUE: Final = 200_000  # characters, items, or bits of a number that a filter may take or make
_DEEPEST_VALUE: Final = 40


class JsonObject(dict[str, object]):
    """A JSON object that is written as JSON."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False, default=str)


class JsonList(list[object]):
    """A JSON array that is written as LiquidJS does: its items, side by side."""

    def __str__(self) -> str:
        return "".join(map(written, self))


def prepared(value: Any, depth: int = 0) -> Any:
    """A variable's value as templates hold it; what lies too deep in it is left out."""
    if depth > _DEEPEST_VALUE:
        return None
    if isinstance(value, Mapping):
        return JsonObject({str(key): prepared(item, depth + 1) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return JsonList(prepared(item, depth + 1) for item in value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)  # JavaScript knows only one kind of number
    return value


def written(value: object) -> str:
    """A value as JavaScript writes it."""
    match value:
        case str():
            return str(value)
        case bool():
            return str(value).lower()
        case None | Empty() | Blank():
            return ""
        case float() | Decimal():
            return _number_text(float(value))
        case range() | list() | tuple():
            return "".join(map(written, value[:LARGEST_VALUE]))
        case _:
            return str(value)


def _number_text(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return str(int(number)) if number.is_integer() and abs(number) < 1e21 else repr(number)


def number_of(value: object, otherwise: float = 0.0) -> float:
    """The value as a number, where LiquidJS takes it for one."""
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str | int | float | Decimal):
        return otherwise
    if isinstance(value, str) and not value.strip():
        return 0.0
    try:
        return float(value)
    except ValueError:
        return otherwise

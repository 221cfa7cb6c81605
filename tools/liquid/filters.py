"""The filters that are not the library's own, and bounds around all of them."""

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Final

from liquid import Undefined

from tools.liquid.dates import date
from tools.liquid.values import LARGEST_VALUE, number_of, written

# Filters that make a text of whatever they get, and must make JavaScript's.
_OF_TEXTS: Final = frozenset(
    {
        "append", "base64_decode", "base64_encode", "capitalize", "downcase", "escape", "escape_once", "lstrip",
        "newline_to_br", "prepend", "remove", "remove_first", "remove_last", "replace_first", "replace_last", "rstrip",
        "slice", "split", "squish", "strip", "strip_html", "strip_newlines", "truncate", "truncatewords", "upcase",
        "url_decode", "url_encode",
    }
)  # fmt: skip
_NOT_TEXTS = (bool, float, range, type(None))


def filters_of(library: Mapping[str, Callable[..., object]]) -> dict[str, Callable[..., object]]:
    """The library's filters and ours in their place, each of them bounded."""
    return {
        name: _bounded(_of_text(one) if name in _OF_TEXTS else one)
        for name, one in {**library, **_OWN}.items()
    }


def _divided_by(value: object, by: object, whole: object = False) -> object:  # noqa: FBT002 - LiquidJS's signature
    quotient = number_of(value) / number_of(by)
    return math.floor(quotient) if whole else quotient


def _round(value: object, digits: object = 0) -> object:
    scale = 10 ** min(max(int(number_of(digits)), 0), 15)
    return math.floor(number_of(value) * scale + 0.5) / scale


def _json(value: object, indent: object = None) -> str:
    return json.dumps(
        None if isinstance(value, Undefined) else value,
        ensure_ascii=False,
        default=str,
        indent=int(number_of(indent)) % 10 or None,
        separators=None if indent else (",", ":"),
    )


def _to_integer(value: object) -> float:
    return number_of(value, math.nan)


def _words_list(values: object, connector: object = "and") -> str:
    items = (
        [written(item) for item in values[:LARGEST_VALUE]]
        if isinstance(values, list | tuple)
        else [written(values)]
    )
    if len(items) < 3:
        return f" {written(connector)} ".join(items)
    return f"{', '.join(items[:-1])}, {written(connector)} {items[-1]}"


def _join(values: object, separator: object = " ") -> str:
    items = list(values) if isinstance(values, list | tuple | range) else [values]
    between = written(separator)
    if len(between) * len(items) > LARGEST_VALUE:
        raise ValueError("too long")
    return between.join(map(written, items))


def _replace(value: object, old: object, new: object = "") -> str:
    text, sought, by = written(value), written(old), written(new)
    if text.count(sought) * len(by) > LARGEST_VALUE:
        raise ValueError("too long")
    return text.replace(sought, by)


def _bounded(filter_: Callable[..., object]) -> Callable[..., object]:
    """The filter, refusing what would keep it busy for long."""

    @functools.wraps(filter_)
    def checked(*args: object, **kwargs: object) -> object:
        for value in (*args, *kwargs.values()):
            if _size(value) > LARGEST_VALUE:
                raise ValueError("too large")
        return filter_(*args, **kwargs)

    return checked


def _size(value: object) -> int:
    match value:
        case str() | list() | tuple() | dict() | range():
            return len(value)
        case int():
            return value.bit_length() * 100
        case _:
            return 0


def _of_text(filter_: Callable[..., object]) -> Callable[..., object]:
    """The filter, given texts where Python would write ``True``, ``None`` or ``2.0``."""

    @functools.wraps(filter_)
    def of_texts(*args: object, **kwargs: object) -> object:
        return filter_(*(written(arg) if isinstance(arg, _NOT_TEXTS) else arg for arg in args), **kwargs)

    return of_texts


_OWN: Final[dict[str, Callable[..., object]]] = {
    "array_to_sentence_string": _words_list, "date": date, "divided_by": _divided_by, "join": _join,
    "json": _json, "jsonify": _json, "inspect": _json, "replace": _replace, "round": _round,
    "to_integer": _to_integer,
}  # fmt: skip

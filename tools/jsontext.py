"""JSON text as the hosted platform writes it, and text that every store and peer accepts."""

import json
import math
from typing import Any

import orjson

# Far above what a person nests, far below what exhausts the stack of whoever reads it next.
MAX_DEPTH = 100
# Between these orjson writes no exponent.
_ORJSON_PLAIN_LEAST, _ORJSON_PLAIN_LIMIT = 1e-4, 1e15
# A fragment is JSON text already, spelled as this module does.
_PLAIN = frozenset({str, int, bool, type(None), orjson.Fragment})
# From here on JavaScript writes an exponent.
_JAVASCRIPT_PLAIN_LIMIT = 1e21


def text_clean(text: str) -> str:
    """The text without what PostgreSQL (NUL) and UTF-8 (lone surrogates) refuse; each becomes U+FFFD."""
    text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def json_clean(value: object, *, depth: int = 0) -> Any:
    """A copy of a JSON value as JavaScript's JSON.stringify would spell it, with clean texts.

    4.0 becomes 4 and NaN becomes null: tool servers have only ever met a sender written in JavaScript,
    and typed ones refuse 4.0 for an integer. Raises ValueError beyond MAX_DEPTH levels or for a value
    that JSON does not know.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"JSON nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool() | int():
            return value
        case orjson.Fragment():
            return json_clean(orjson.loads(orjson.dumps(value)), depth=depth)
        case float():
            if not math.isfinite(value):
                return None
            return int(value) if value.is_integer() and abs(value) < _JAVASCRIPT_PLAIN_LIMIT else value
        case str():
            return text_clean(value)
        case dict():
            return {text_clean(str(key)): json_clean(item, depth=depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [json_clean(item, depth=depth + 1) for item in value]
        case _:
            raise ValueError(f"{type(value).__name__} is not a JSON value")


def digits_kept(value: Any) -> Any:
    """The JSON value with integers beyond 64 bits as texts: neither the channel layer nor a journal can hold them."""
    match value:
        case bool():
            return value
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case dict():
            return {key: digits_kept(item) for key, item in value.items()}
        case list():
            return [digits_kept(item) for item in value]
        case _:
            return value


def json_text(value: object) -> str:
    """The value as compact JSON in one line. Raises ValueError as json_clean does."""
    try:
        quick = orjson.dumps(_numbers_spelled(value))
    # Lone surrogates, keys that are no text, numbers beyond 64 bits or with an exponent, deep nesting.
    except (TypeError, _DoubtfulError):
        return _json_text_cleaned(value)
    if b"\\u0000" in quick:
        return _json_text_cleaned(value)
    return quick.decode()


class _DoubtfulError(Exception):
    """A number that orjson and JavaScript spell differently, or nesting that may be too deep."""


def _numbers_spelled(value: Any, depth: int = 0) -> Any:
    """The value with 4 for 4.0. A caller waits for this: json_clean takes ten times as long for a long history."""
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        if depth >= MAX_DEPTH:
            raise _DoubtfulError
        if kind is dict:
            return {
                key: one if type(one) in _PLAIN else _numbers_spelled(one, depth + 1)
                for key, one in value.items()
            }
        return [one if type(one) in _PLAIN else _numbers_spelled(one, depth + 1) for one in value]
    if kind is float:
        if value.is_integer() and abs(value) < _ORJSON_PLAIN_LIMIT:
            return int(value)
        if not _ORJSON_PLAIN_LEAST <= abs(value) < _ORJSON_PLAIN_LIMIT:
            raise _DoubtfulError
        return value
    if kind in _PLAIN:
        return value
    raise _DoubtfulError


def _json_text_cleaned(value: object) -> str:
    return json.dumps(json_clean(value), ensure_ascii=False, separators=(",", ":"))


def json_read(text: str) -> Any:
    """The value behind JSON text, or None for what is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

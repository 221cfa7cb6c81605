"""JSON text as the hosted platform writes it, and text that every store and peer accepts."""

import json
import math
from typing import Any

# Far above what a person nests, far below what exhausts the stack of whoever reads it next.
MAX_DEPTH = 100
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


def json_text(value: object) -> str:
    """The value as compact JSON in one line. Raises ValueError as json_clean does."""
    return json.dumps(json_clean(value), ensure_ascii=False, separators=(",", ":"))

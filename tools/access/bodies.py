"""JSON that a client sends, read with limits."""

from http import HTTPStatus
from typing import Any, Final

import orjson
from django.http import HttpRequest

from tools.access.errors import ApiError

MAX_BYTES: Final = 2_000_000
# A setting of Vapi's is some ten levels deep; a schema of arguments rarely as many more.
MAX_DEPTH: Final = 40
# JSON knows no other way to write it.
_NUL: Final = rb"\u0000"


def body_read(request: HttpRequest) -> dict[str, Any]:
    """The object in the body; an empty one where there is no body. Raises ApiError."""
    # Not request.body: its limit is one for forms.
    content = b"" if _declared(request) > MAX_BYTES else request.read(MAX_BYTES + 1)
    if _declared(request) > MAX_BYTES or len(content) > MAX_BYTES:
        raise ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"request entity too large: {MAX_BYTES} bytes at most"
        )
    if not content.strip():
        return {}
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as exc:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"The body is no JSON: {exc.msg}, line {exc.lineno}.") from exc
    if not isinstance(value, dict):
        raise ApiError(HTTPStatus.BAD_REQUEST, "The body must be a JSON object.")
    if _is_deeper(value, MAX_DEPTH):
        raise ApiError(HTTPStatus.BAD_REQUEST, f"The body is nested deeper than {MAX_DEPTH} levels.")
    if _NUL in content and _holds_nul(value):
        raise ApiError(HTTPStatus.BAD_REQUEST, "The body holds a null character, which no database stores.")
    return value


def _declared(request: HttpRequest) -> int:
    try:
        return int(request.headers.get("Content-Length") or 0)
    except ValueError:
        return 0


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            item
            for one in level
            for item in (one.values() if isinstance(one, dict) else one)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(_holds_nul(item) for item in value)

"""Requests for calls that are known again by the `Idempotency-Key` of their program, by whatever the calls are carried.

A client library repeats a request whose answer was lost on its way; the calls that the first one had made are not made twice.
"""

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from django.db.models import QuerySet

from calls.models import CallRequest
from tools.access.errors import ApiError

KEY_MAX: Final = 255
GONE: Final = "The call of this request was erased since."


def idempotency_key_require(given: str) -> None:
    """Raises ApiError 400 for a key that cannot be kept."""
    if len(given) > KEY_MAX or "\x00" in given:
        raise ApiError(
            HTTPStatus.BAD_REQUEST, f"Idempotency-Key must be no longer than {KEY_MAX} characters."
        )


def body_digest(body: Mapping[str, Any]) -> str:
    """The same for bodies that say the same."""
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def request_known(
    requests: QuerySet[CallRequest], *, idempotency_key: str, digest: str
) -> CallRequest | None:
    """The one of somebody's ``requests`` that bears this key; None where there is none. Raises ApiError 422 for another body."""
    found = requests.filter(idempotency_key=idempotency_key).first()
    if found is not None and found.digest != digest:
        raise ApiError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "This Idempotency-Key was used for another body. Use a new one for another call.",
        )
    return found

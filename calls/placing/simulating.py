"""A call placed from the command line, for demonstrations: asked for like any other, and watched until it is over."""

import time
import uuid
from collections.abc import Callable
from typing import Final

from django.utils import timezone

from calls.models import OVER, Call, PhoneNumber
from calls.placing.services import Orderer, calls_place
from calls.placing.telling import placed_tell
from tools.access.errors import ApiError

CALLEE: Final = "+13125550177"
WAITS_S: Final = 180.0
_LOOK_S: Final = 0.2


class NotPlacedError(Exception):
    """There was no call. The text is for people."""


def call_placed_and_watched(*, did: str, to: str, tell: Callable[[str], None]) -> Call:
    """The call, when it is over; its statuses are told as they come. Raises NotPlacedError."""
    number = PhoneNumber.objects.select_related("assistant", "squad").filter(did=did).first()
    assistant = number.answering if number is not None else None
    if number is None or assistant is None:
        raise NotPlacedError(f"{did} is no number here that an assistant answers.")
    body = {
        "assistantId": str(assistant.pk),
        "phoneNumberId": str(number.pk),
        "customer": {"number": to},
        "name": f"{timezone.now():%H:%M:%S.%f}",  # or it would be the same request as the one before
    }
    try:
        placed = calls_place(body, Orderer("manage.py simulate_call"), now=timezone.now())
    except ApiError as exc:
        raise NotPlacedError(exc.message if isinstance(exc.message, str) else " ".join(exc.message)) from exc
    placed_tell(placed)
    return _watched(placed.call_ids[0], tell)


def _watched(call_id: uuid.UUID, tell: Callable[[str], None]) -> Call:
    status, until = "", time.monotonic() + WAITS_S
    while time.monotonic() < until:
        call = Call.objects.select_related("version").get(pk=call_id)
        if call.status != status:
            status = call.status
            tell(status)
        if status in OVER:
            return call
        time.sleep(_LOOK_S)
    raise NotPlacedError(f"The call was not over after {WAITS_S:.0f} s. Is the worker running? See var/log.")

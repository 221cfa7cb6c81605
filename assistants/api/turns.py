"""Whose turn it is among the programs that write.

One writes at a time, in the whole installation. Whoever waited for that in the database would hold a connection of its process,
and a few dozen of them all that there are: calls come in over the same ones.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from django.db import connection

from tools.access.errors import ApiError

# Vapi's clients give up after a minute. A change takes some tenths of a second, one of a squad of forty a few seconds.
WAIT_S: Final = 30.0
_AGAIN_S: Final = 5
_turn = threading.RLock()


@contextmanager
def turn() -> Iterator[None]:
    """The turn of this process, without a connection until it has come. Raises ApiError 503 where that takes too long."""
    if not _turn.acquire(blocking=False):
        if not connection.in_atomic_block:
            connection.close()
        if not _turn.acquire(timeout=WAIT_S):
            raise ApiError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"Other changes have taken {WAIT_S:.0f} s, and nothing was changed by this one. Send it again, and fewer at once.",
                retry_after_s=_AGAIN_S,
            )
    try:
        yield
    finally:
        _turn.release()

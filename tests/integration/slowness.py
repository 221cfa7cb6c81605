"""How long the machine kept somebody waiting.

A telephone call goes by the clock. A machine that runs many other things stops one of its parties for longer than people, or
Tandem, put up with, and then they rightly do something else: such a call says nothing about Tandem, and is placed again.
"""

import contextlib
import http.client
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

LATE_S: Final = 0.15  # by so much any call may be off: `stories` puts up with it
_ASKED_EVERY_S: Final = 0.1
_ASKED_FOR_S: Final = 60.0
_REMEMBERED: Final = 50_000


class Slowness:
    """Who was late, when, and by how much."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float, str]] = deque(maxlen=_REMEMBERED)

    def note(self, who: str, late_s: float) -> None:
        """Somebody was late just now."""
        if late_s > LATE_S:
            self._late.append((time.monotonic(), late_s, who))

    def longest(self, since: float, until: float = math.inf) -> tuple[float, str]:
        """By how many seconds somebody was late at the most between these moments, and who; 0 where nobody was."""
        recent = itertools.takewhile(lambda one: one[0] >= since, reversed(list(self._late)))
        return max(((late_s, who) for at, late_s, who in recent if at - late_s <= until), default=(0.0, ""))

    @contextlib.contextmanager
    def watching(self, who: str, port: int) -> Iterator[None]:
        """Ask a process all the time whether it is alive: one that is ended, or not begun, is not late."""
        leaving = threading.Event()
        asking = threading.Thread(target=self._ask, args=(who, port, leaving), name=f"asks-{who}")
        asking.start()
        try:
            yield
        finally:
            leaving.set()
            asking.join()

    def _ask(self, who: str, port: int, leaving: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASKED_FOR_S)
        while not leaving.wait(_ASKED_EVERY_S):
            asked_at = time.monotonic()
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
            self.note(who, time.monotonic() - asked_at)
        connection.close()

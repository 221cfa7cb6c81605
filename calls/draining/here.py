"""This process: how many media streams it carries, and whether it takes more."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tools.observing import metrics

# A balancer asks every few seconds whether this process is ready. Whom it sends meanwhile is served: a guess.
LINGER_S = 10.0


class Instance:
    """What is known here of this process. Threads and the event loop share it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal may come while this thread has it
        self._live = 0
        self._since: float | None = None

    @property
    def live(self) -> int:
        """How many streams are carried now."""
        return self._live

    @property
    def draining(self) -> bool:
        """Whether this process is being taken out of service."""
        return self._since is not None

    @property
    def refusing(self) -> bool:
        """Whether new streams are turned away by now."""
        since = self._since
        return since is not None and time.monotonic() - since >= LINGER_S

    def begin(self) -> bool:
        """Take this process out of service; whether that is news."""
        with self._lock:
            if self._since is not None:
                return False
            self._since = time.monotonic()
        metrics.DRAINING.set(1)
        return True

    def stop(self) -> bool:
        """Take it into service again; whether that is news."""
        with self._lock:
            if self._since is None:
                return False
            self._since = None
        metrics.DRAINING.set(0)
        return True

    def add(self, change: int) -> None:
        """One stream more, or less."""
        with self._lock:
            self._live += change


INSTANCE = Instance()


def instance_name(given: str = "") -> str:
    """What this process is called among all: the given name, or its host and its number there."""
    return given or f"{socket.gethostname()}-{os.getpid()}"


@contextmanager
def carried() -> Iterator[None]:
    """One media stream is carried meanwhile."""
    INSTANCE.add(1)
    try:
        yield
    finally:
        INSTANCE.add(-1)

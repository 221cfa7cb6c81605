"""Being asked to stop: a flag that is looked at where stopping is safe, so that nothing is started and forgotten."""

import signal
import time
from collections.abc import Callable
from types import FrameType

from config.run.console import Console

POLL_S = 0.05


class StopRequestedError(Exception):
    """Somebody wants us to end. `status` is what to exit with."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Stopping:
    """Counts the signals: the first asks for an orderly end, the second for an end at once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._count = 0
        self._number = signal.SIGINT

    def listen(self) -> None:
        """Begin to listen to Ctrl-C, SIGTERM and SIGHUP."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def in_a_hurry(self) -> bool:
        """Whether we were asked twice."""
        return self._count > 1

    def check(self) -> None:
        """Raise StopRequestedError when we were asked, or when nobody is there to read what we say."""
        if self._count:
            raise StopRequestedError(128 + self._number)
        if self._console.gone.is_set():
            raise StopRequestedError(128 + signal.SIGPIPE)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether the condition came true in time. Raises StopRequestedError in between."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.check()
            if condition():
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        self._number = signal.Signals(number)

"""What a person sees while a benchmark runs, and how it ends when it is interrupted."""

import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from types import FrameType


class Progress:
    """On a terminal one line that moves; on a pipe only the lines that stay. All of it on standard error."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._begun = time.monotonic()

    def step(self, title: str) -> Callable[[str], None]:
        """A function that shows what is being done under this title."""

        def show(what: str) -> None:
            if self._live:
                print(f"\r\033[K  {self._clock()}  {title}: {what}", end="", file=sys.stderr, flush=True)

        return show

    def line(self, text: str) -> None:
        """A line that stays."""
        clear = "\r\033[K" if self._live else ""
        print(f"{clear}  {self._clock()}  {text}", file=sys.stderr, flush=True)

    def _clock(self) -> str:
        passed = int(time.monotonic() - self._begun)
        return f"{passed // 60}:{passed % 60:02d}"


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, so that what it has started is ended too."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def between(lowest: int, highest: int) -> Callable[[str], int]:
    """A reader of whole numbers in these bounds, for argparse."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError as exc:
            raise ArgumentTypeError(f"{text} is not a whole number") from exc
        if not lowest <= number <= highest:
            raise ArgumentTypeError(f"{number} is not between {lowest} and {highest}")
        return number

    return read

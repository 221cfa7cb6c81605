"""What bin/run says: one line for each step, in words, with how long it took."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

GREEN, YELLOW, RED, DIM, BOLD, RESET = "\033[32m", "\033[33m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"


class Console:
    """Standard output, shared by threads. Once nobody reads it any more, `gone` is set and lines are dropped."""

    def __init__(self) -> None:
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal may know no ✓
        self.gone = threading.Event()
        self._live = sys.stdout.isatty()
        self._colours = self._live and "NO_COLOR" not in os.environ
        self._lock = threading.RLock()
        self._pending = ""

    def say(self, text: str = "") -> None:
        """Print a line."""
        with self._lock:
            if self._pending:
                self._write("\r\033[K")
            self._write(text + "\n" + self._pending)

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour, where there are colours."""
        return f"{colour}{text}{RESET}" if self._colours else text

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """Print ✓ or ✗, the title, the time it took, and what is put into the yielded list as remarks."""
        begin = time.monotonic()
        remarks: list[str] = []
        with self._lock:
            if self._live:
                self._pending = f"  … {title}"
                self._write(self._pending)
        try:
            yield remarks
        except BaseException:
            self._end(self.paint("✗", RED), title, begin, [])
            raise
        self._end(self.paint("✓", GREEN), title, begin, remarks)

    def _end(self, mark: str, title: str, begin: float, remarks: list[str]) -> None:
        with self._lock:
            if self._pending:
                self._write("\r\033[K")
            self._pending = ""
            took = self.paint(f"{time.monotonic() - begin:.1f} s", DIM)
            self.say(f"  {mark} {title}  {took}")
            for remark in remarks:
                self.say(f"    {remark}")

    def _write(self, text: str) -> None:
        if self.gone.is_set():
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:  # the terminal was closed, or the other end of a pipe
            self.gone.set()
            # Python would try once more when it ends, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

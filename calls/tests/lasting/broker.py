"""A broker and its workers for tests of the outbox, and the death of a process."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from calls.lasting.broker import Broker, Receipts
from calls.lasting.outbox import Outbox
from calls.lasting.sorting import Sorting


class Taker:
    """A broker and its workers: takes messages, unless it is to fail the next so many times, or hangs.

    What it took is done at once, unless ``keeps`` is set; it forgets what it has when told to.
    """

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.messages: list[list[int]] = []
        self.failures = 0
        self.hangs = threading.Event()
        self.hangs.set()
        self.keeps = False
        self.forgot = False
        self._inside: list[tuple[int, list[int]]] = []
        self._done: list[int] = []

    def send(self, task: str, kwargs: dict[str, Any], *, outbox: str, number: int) -> None:
        self.hangs.wait(120)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the broker is away")
        lines = kwargs["lines"].splitlines() if task == "many" else []
        numbers = [orjson.loads(line)["kwargs"]["n"] for line in lines] or [kwargs["n"]]
        self._inside.append((number, numbers))
        self.messages.append(numbers)  # by which tests see that it is here
        if not self.keeps:
            self.work()

    def work(self) -> None:
        """Do all that is here."""
        for number, numbers in self._inside:
            self.taken += numbers
            self._done.append(number)
        self._inside = []

    def forget(self) -> None:
        """Lose everything, as a Redis that is started anew does."""
        self._inside, self._done, self.forgot = [], [], True

    def receipts(self, _outbox: str) -> Receipts:
        if self.failures:
            raise ConnectionError("the broker is away")
        done, self._done = self._done, []
        remembers, self.forgot = not self.forgot, False
        return Receipts(done, remembers)


SORTING = Sorting(together={"task"}, gathering="many", ahead={"ahead"})


def started(folder: Path, broker: Broker, **options: Any) -> Outbox:
    """An outbox at work."""
    outbox = Outbox(folder, broker, **{"sorting": SORTING, **options})
    outbox.start()
    return outbox


class Dead:
    """Nobody is there."""

    def send(self, _task: str, _kwargs: dict[str, Any], *, outbox: str, number: int) -> None:
        raise ConnectionError("dead")

    def receipts(self, _outbox: str) -> Receipts:
        raise ConnectionError("dead")


def die(outbox: Outbox) -> None:
    """What SIGKILL leaves: the locks are gone, the journal is as it was, and nothing is published any more."""
    with outbox._changed:
        outbox._broker = Dead()
        segments, outbox._journal._segments = outbox._journal._segments, []
        outbox._journal._current = None
        outbox._on_disk = False
        outbox._journal.done = lambda place: None  # type: ignore[method-assign]  # noqa: ARG005  # a receipt that is on its way
    for segment in segments:
        os.close(segment.handle)
    end(outbox)


def end(outbox: Outbox) -> None:
    """Close it, and see that its threads are gone, so that nothing of it mixes with what comes after."""
    outbox.close(60)
    assert not outbox.state().works


def eventually(look: Callable[[], bool]) -> None:
    """Wait until it is so."""
    until = time.monotonic() + 60
    while not look():
        assert time.monotonic() < until
        time.sleep(0.01)


def first_times(numbers: list[int]) -> list[int]:
    """The numbers in the order in which each came first."""
    return list(dict.fromkeys(numbers))

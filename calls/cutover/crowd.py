"""The same work for many rows, some of them at once, each in a thread with a database connection of its own."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final, TypeVar

from django.db import connections

One = TypeVar("One")
T = TypeVar("T")

# So that two thousand numbers go back in minutes. Twilio says 429 where that is too much, and is then asked later.
AT_ONCE: Final = 8


def each(work: Callable[[One], T], ones: Iterable[One], *, at_once: int = AT_ONCE) -> Iterator[tuple[One, T]]:
    """Each with what became of it, in the order in which they are through. With ``at_once`` 1, in this thread."""
    if at_once <= 1:
        for one in ones:
            yield one, work(one)
        return

    def apart(one: One) -> tuple[One, T]:
        try:
            return one, work(one)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="cutover") as pool:
        for done in as_completed([pool.submit(apart, one) for one in ones]):
            yield done.result()

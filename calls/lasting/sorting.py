"""What the outbox needs to know of tasks: it knows none by itself."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final


class Rank(IntEnum):
    """What goes first when the journal fills up: the higher, the longer it is kept."""

    NEWS = 1  # what went wrong and the like
    EARLY = 2  # words as they come; the end of their call repeats them
    LAST = 3  # what nothing repeats


# The part of the limit up to which entries of a rank are taken.
ROOM: Final = {Rank.NEWS: 0.7, Rank.EARLY: 0.85, Rank.LAST: 1.0}


@dataclass(frozen=True, slots=True)
class Sorting:
    """How tasks are handed over, and what is kept of them when there is little room."""

    together: Collection[str] = ()  # may be handed over many at a time, as `gathering`
    gathering: str = ""  # takes `lines`: one JSON object of `task` and `kwargs` for each
    ahead: Collection[str] = ()  # somebody waits for these: they overtake the others
    rank: Callable[[str, dict[str, Any]], Rank] = lambda _task, _kwargs: Rank.LAST
    # What tells ops of a call that so many of its entries were not kept.
    lost: Callable[[str, int], tuple[str, dict[str, Any]]] | None = None

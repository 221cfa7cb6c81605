"""The limit of a journal: what is taken while it fills up, and what is told of what was not. No thread, no disk."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import orjson

from calls.lasting.entries import Marker, New
from calls.lasting.sorting import ROOM, Rank

_CALLS_REMEMBERED: Final = 1000
Tells: TypeAlias = Callable[[str, int], tuple[str, dict[str, Any]]]


def line_of(task: str, kwargs: dict[str, Any]) -> bytes:
    """A task as it stands in the journal. Raises TypeError for what JSON cannot hold."""
    return orjson.dumps({"task": task, "kwargs": kwargs}) + b"\n"


class Room:
    """How much there may be of an outbox, and of which calls something was dropped."""

    def __init__(self, limit_bytes: int, tells: Tells | None) -> None:
        self.limit_bytes = limit_bytes
        self.dropped = 0
        self._tells = tells
        self._dropped_of: Counter[str] = Counter()

    def full(self, used_bytes: int) -> bool:
        """Whether news would be refused."""
        return used_bytes > ROOM[Rank.NEWS] * self.limit_bytes

    def taken(self, news: Sequence[New | Marker], *, used_bytes: int) -> list[New | Marker]:
        """What there is room for, by rank; the rest is counted and gone."""
        taken: list[New | Marker] = []
        for one in news:
            if isinstance(one, New):
                if used_bytes + len(one.line) > ROOM[one.rank] * self.limit_bytes:
                    self._drop(one)
                    continue
                used_bytes += len(one.line)
            taken.append(one)
        return taken

    def with_losses(self, news: Sequence[New | Marker], *, used_bytes: int) -> Sequence[New | Marker]:
        """The news, and once there is room again a word on each call of which something is missing."""
        if not self._dropped_of or self._tells is None or used_bytes > self.limit_bytes / 2:
            return news
        told: list[New | Marker] = [
            New(task, line_of(task, kwargs), Rank.LAST, "")
            for task, kwargs in (self._tells(call_id, count) for call_id, count in self._dropped_of.items())
        ]
        self._dropped_of.clear()
        return [*told, *news]

    def _drop(self, one: New) -> None:
        self.dropped += 1
        if one.call_id and (one.call_id in self._dropped_of or len(self._dropped_of) < _CALLS_REMEMBERED):
            self._dropped_of[one.call_id] += 1


class Seldom:
    """Lets something be said once in so many seconds."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._said_at = float("-inf")

    def now(self) -> bool:
        """Whether it may be said now."""
        now = time.monotonic()
        if now - self._said_at < self._every_s:
            return False
        self._said_at = now
        return True

"""What every line of a smoke test does: plays one pair to its end, on a thread of its own."""

import threading
from dataclasses import dataclass
from typing import Protocol

from calls.models import Call, SmokePair
from calls.smoke.model_caller import CallerEnd


class PlayError(Exception):
    """A pair could not be played. ``final``: trying again would not help; ``stops``: no other pair of the run could be, either."""

    def __init__(self, why: str, *, final: bool = False, stops: bool = False) -> None:
        super().__init__(why)
        self.final, self.stops = final or stops, stops


class StoppedError(Exception):
    """Somebody wants the playing to end; the call was let go."""


@dataclass(frozen=True, slots=True)
class Played:
    """A call that was played to its end."""

    call_sid: str
    caller: CallerEnd | None = None  # where a model played it
    at_vapi: Call | None = None  # the same scenario at Vapi, where it was played there too
    late_s: float = 0.0  # that the caller's clock stood still, while ours went on


class Line(Protocol):
    """Plays one pair. Raises PlayError, and StoppedError soon after ``stop`` is set."""

    def play(self, pair: SmokePair, stop: threading.Event) -> Played:
        """The call of this pair, played to its end."""
        ...

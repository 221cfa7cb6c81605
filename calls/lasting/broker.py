"""Who carries messages from an outbox to the workers."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Receipts:
    """Which messages are done that were not before, and whether the broker still knows what it was given."""

    done: Collection[int] = ()
    remembers: bool = True


class Broker(Protocol):
    """Who carries messages to the workers, and their receipts back. Raises what it likes when it is away."""

    def send(self, task: str, kwargs: dict[str, Any], *, outbox: str, number: int) -> None:
        """Hand a message over, now or never."""

    def receipts(self, outbox: str) -> Receipts:
        """What became of the messages of this outbox."""

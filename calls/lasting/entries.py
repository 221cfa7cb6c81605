"""What runs through an outbox: tasks on their way to the disk and to the broker, and markers between them."""

import threading
from dataclasses import dataclass, field

from calls.lasting.journal import Place
from calls.lasting.sorting import Rank


@dataclass(frozen=True, slots=True)
class New:
    """A task on its way to the disk."""

    task: str
    line: bytes = field(repr=False)
    rank: Rank
    call_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A task to be run. Its text is in the journal, or here where there is no disk."""

    task: str
    place: Place | None
    line: bytes = field(repr=False)
    size: int
    at: float


@dataclass(frozen=True, slots=True, eq=False)
class Marker:
    """Runs along with the entries, and tells how far those before it have come."""

    written: threading.Event = field(default_factory=threading.Event)
    published: threading.Event = field(default_factory=threading.Event)

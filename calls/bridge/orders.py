"""What may be ordered of a running call from outside. Each is answered once, by `OrderAnswered` with its ``order_id``."""

from dataclasses import dataclass

from calls.bridge.commands import Speaker
from calls.bridge.ending import AFTER_MESSAGE, CANCELED
from calls.bridge.plan import Place


@dataclass(frozen=True, slots=True)
class Say:
    """Say exactly this. ``interrupts``: at once, instead of what the assistant is saying; else after that.

    ``guarded``: the caller's voice does not cut it short. With ``end_after`` the call ends once it was heard,
    for this ``reason``.
    """

    order_id: str
    text: str
    interrupts: bool = False
    guarded: bool = True
    end_after: bool = False
    reason: str = AFTER_MESSAGE


@dataclass(frozen=True, slots=True)
class SayFirstMessage:
    """Say the first message of the assistant that has the call."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Put a message into the conversation; with ``respond``, the assistant is to answer it."""

    order_id: str
    role: str  # system, user or assistant
    text: str
    respond: bool = True


@dataclass(frozen=True, slots=True)
class Mute:
    """Let this side be silent: the assistant says only what is ordered, or nothing is heard of the caller."""

    order_id: str
    who: Speaker
    on: bool


@dataclass(frozen=True, slots=True)
class End:
    """Hang up at once."""

    order_id: str
    reason: str = CANCELED


@dataclass(frozen=True, slots=True)
class HandOver:
    """Connect the caller to this place, or, where it has a taker, to another assistant."""

    order_id: str
    place: Place


Order = Say | SayFirstMessage | Tell | Mute | End | HandOver

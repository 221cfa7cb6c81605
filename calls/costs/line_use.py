"""What a call uses of Twilio: minutes of the line and of the stream, transfers, recordings, text messages. Pure.

Twilio counts every started minute, for each leg and each thing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from calls.costs.pricing import PriceBook, Priced, Thing, line

PROVIDER: Final = "twilio"
MEDIA_STREAMS: Final = "media streams"
RECORDING: Final = "recording"
SIP: Final = "SIP interface"
MACHINE: Final = "answering-machine detection"
ELSEWHERE: Final = "not US or Canada"
CHARGED: Final = "As Twilio charged it."
NO_LENGTH: Final = (
    "How long whoever was dialled was on the line is not known, so what that cost is not, either."
)
_TOLL_FREE: Final = ("800", "833", "844", "855", "866", "877", "888")


@dataclass(frozen=True, slots=True)
class LineUse:
    """A call as the telephone company sees it. ``charged_usd`` is what Twilio says that the line cost, once it does.

    ``transfers`` are where to, and seconds of conversation; None where nobody knows how many.
    """

    inbound: bool
    ours: str  # our number
    theirs: str
    seconds: int
    stream_seconds: int | None
    transfers: tuple[tuple[str, int | None], ...] = ()
    recordings: tuple[int, ...] = ()  # seconds
    messages: tuple[str, ...] = ()  # text messages, by where they went
    machine: bool = False  # Twilio has listened whether one answers
    charged_usd: Decimal | None = None


def minutes(seconds: int) -> Decimal:
    """Started minutes; an answered call is one at the least."""
    return Decimal(max(1, -(-seconds // 60)))


def region(number: str) -> str:
    """Where a number is, as the price list has it."""
    return "US" if number.startswith("+1") else ELSEWHERE


def line_item(*, inbound: bool, ours: str, theirs: str) -> str:
    """The item of the price list that the line of a call is."""
    if not inbound:
        return f"outbound, {region(theirs)}"
    kind = "toll-free" if ours.startswith("+1") and ours[2:5] in _TOLL_FREE else "local"
    return f"inbound {kind}, {region(ours)}"


def line_lines(use: LineUse, book: PriceBook, moment: datetime) -> list[Priced]:
    """The lines for Twilio of a call."""
    return list(_lines(use, book, moment))


def _lines(use: LineUse, book: PriceBook, moment: datetime) -> Iterator[Priced]:
    item = line_item(inbound=use.inbound, ours=use.ours, theirs=use.theirs)
    thing = Thing(PROVIDER, "line", item, "minutes")
    if not use.inbound and not use.seconds and not use.charged_usd:
        return  # we have called, and nobody answered
    if use.charged_usd is not None:
        yield Priced(thing, minutes(use.seconds), None, use.charged_usd, CHARGED)
    else:
        yield line(thing, minutes(use.seconds), book, moment)
    if use.machine:
        yield line(Thing(PROVIDER, "machine", MACHINE, "times"), Decimal(1), book, moment)
    if use.stream_seconds is not None:
        stream = Thing(PROVIDER, "stream", MEDIA_STREAMS, "minutes")
        yield line(stream, minutes(use.stream_seconds), book, moment)
    for item, quantity in _summed((_leg(to), minutes(seconds)) for to, seconds in use.transfers if seconds):
        yield line(Thing(PROVIDER, "transfer", item, "minutes"), quantity, book, moment)
    for item, quantity in _summed((_leg(to), Decimal(1)) for to, seconds in use.transfers if seconds is None):
        yield Priced(Thing(PROVIDER, "transfer", item, "times"), quantity, None, None, NO_LENGTH)
    if use.recordings:
        recorded = sum((minutes(one) for one in use.recordings), Decimal(0))
        yield line(Thing(PROVIDER, "recording", RECORDING, "minutes"), recorded, book, moment)
    for item, quantity in _summed((f"text message, {region(to)}", Decimal(1)) for to in use.messages):
        yield line(Thing(PROVIDER, "message", item, "times"), quantity, book, moment)


def _leg(to: str) -> str:
    return f"outbound, {region(to)}" if to.startswith("+") else SIP


def _summed(things: Iterator[tuple[str, Decimal]]) -> list[tuple[str, Decimal]]:
    sums: dict[str, Decimal] = {}
    for item, quantity in things:
        sums[item] = sums.get(item, Decimal(0)) + quantity
    return sorted(sums.items())

"""What was ordered of a call while it ran, as its page shows it."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from calls.models import LIVE, Call, LiveOrder
from calls.page.clock import ms_since
from tools.adminkit import Tone, badge

Result = LiveOrder.Result
_NOT_TAKEN: dict[str, tuple[str, Tone]] = {
    Result.REFUSED: ("Refused", "warn"),
    Result.NOBODY: ("Nobody had the call", "warn"),
    Result.UNKNOWN: ("Lost on its way, perhaps", "warn"),
}


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One order for the page: what, by whom, and what came of it."""

    at_ms: int
    pk: int
    what: str
    by: str
    outcome: SafeString
    words: str
    why: str
    speaker = "tool"
    template = "admin/tandem/line_order.html"


def order_lines(call: Call, zero: datetime) -> list[OrderLine]:
    """A line for each order, oldest first."""
    rows = call.orders.defer("order")
    return [
        OrderLine(
            at_ms=ms_since(zero, row.asked_at),
            pk=row.pk,
            what=order_what(row),
            by=row.by_label,
            outcome=order_outcome(row, live=call.status in LIVE),
            words=row.words,
            why=row.why,
        )
        for row in rows
    ]


def order_what(row: LiveOrder) -> str:
    """What was ordered, in a few words; not those that were to be said."""
    more = [
        *([f"to {row.destination}"] if row.destination else []),
        *([f"as {row.role}"] if row.role else []),
        *(["at once"] if row.at_once else []),
        *(["and hang up"] if row.ends_call else []),
    ]
    return " ".join([row.get_kind_display(), *more])


def order_outcome(row: LiveOrder, *, live: bool) -> SafeString:
    """What became of it; ``live``: its call goes on."""
    if row.result != Result.TAKEN:
        words, tone = _NOT_TAKEN[row.result]
        return badge(words, tone)
    if row.done_at is not None:
        return badge("Done", "good")
    if row.failed_at is not None:
        return badge("Not done", "warn")
    return badge("Taken", "info") if live else badge("Not done before the end", "warn")

"""How many of the calls that programs ask for may be on the line at a time, and how many are.

Those that we place count, and those on a program's own socket. A caller who rings a number of ours is never turned away for it, nor
one who comes out of somebody else's Twilio flow.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db.models import Q, QuerySet

from calls.models import LIVE, Call, Placing, SocketCall
from calls.services import TOKEN_LIVES

# Vapi's words for a call that finds no room: where it waits for some, and where it is refused.
NO_ROOM: Final = "call.start.error-subscription-concurrency-limit-reached"
OVER_LIMIT: Final = "Over Concurrency Limit"


@dataclass(frozen=True, slots=True)
class Room:
    """How many calls may be on the line at a time, and how many of them are, or are on their way."""

    limit: int
    taken: int

    @property
    def left(self) -> int:
        """How many more may begin now."""
        return max(0, self.limit - self.taken)

    def document(self) -> dict[str, Any]:
        """Vapi's `subscriptionLimits`."""
        return {
            "concurrencyBlocked": not self.left,
            "concurrencyLimit": self.limit,
            "remainingConcurrentCalls": self.left,
        }


def room(*, now: datetime) -> Room:
    """What is left of the concurrency. Whoever takes of it holds the lock on turns from before."""
    taken = placings_on_line().count() + sockets_on_line(now=now).count()
    return Room(settings.OUTBOUND_CONCURRENCY, taken)


def placings_on_line() -> QuerySet[Placing]:
    """Calls that Twilio has, or may have: each takes one place."""
    under_way = Q(call__status=Call.Status.QUEUED) & ~Q(state=Placing.State.WAITING)
    return Placing.objects.filter(Q(call__status__in=LIVE) | under_way)


def sockets_on_line(*, now: datetime) -> QuerySet[SocketCall]:
    """Calls that are held on a program's socket, or may be in a moment: an address that nobody came to in its time keeps no place."""
    forsaken = Q(call__status=Call.Status.RINGING, call__created_at__lte=now - TOKEN_LIVES)
    return SocketCall.objects.filter(~forsaken, call__status__in=LIVE, kind=SocketCall.Kind.WEBSOCKET)

"""Ordering a telephone call from Twilio: what is asked for, and what is known when the answer did not come."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError

TOO_MANY: Final = 429
# Whoever answers so, a proxy between as a rule, does not know whether Twilio has the order.
_TIMED_OUT: Final = 408
# Twilio's own answers for as many calls as it takes at a time: it has not placed this one.
BUSY_CODES: Final = frozenset({10004, 20429})
# What the library raises over an answer that is no JSON, or no object.
_UNREADABLE: Final = (ValueError, AttributeError, TypeError, KeyError)
# What REST has placed; a number that is dialled by a document is another direction.
_OURS: Final = "outbound-api"
# The clocks of two computers, and the seconds that Twilio leaves out.
CLOCKS: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A call to be placed; both addresses are absolute. ``machine`` are Twilio's options for answering machines."""

    to: str
    caller: str
    url: str
    status_url: str
    rings_s: int
    longest_s: int | None = None
    events: tuple[str, ...] = ("completed",)
    digits: str = field(default="", repr=False)  # pressed once somebody has answered
    machine: Mapping[str, Any] = field(default_factory=dict)


class NotPlacedError(Exception):
    """Twilio has placed no call, that is certain. ``later``: it may do so in a while."""

    def __init__(self, status: int, code: int, *, later: bool = False) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.later = later


class UnsureError(Exception):
    """The answer was lost, so Twilio may have placed the call. The text says how it was lost."""


class NeverSentError(UnsureError):
    """Twilio could not be reached at all: no order has left this machine."""


def call_order(client: Client, order: CallOrder) -> str:
    """Twilio's id of the call, which is under way. Raises NotPlacedError, UnsureError."""
    try:
        made = client.calls.create(**_options(order))
    except TwilioRestException as exc:
        if exc.status >= 500 or exc.status == _TIMED_OUT:
            raise UnsureError(f"Twilio answered {exc.status}") from exc
        code = exc.code or 0
        later = exc.status == TOO_MANY or code in BUSY_CODES
        raise NotPlacedError(exc.status, code, later=later) from exc
    except requests.ConnectionError as exc:
        raise (NeverSentError if _never_sent(exc) else UnsureError)(type(exc).__name__) from exc
    except (TwilioException, requests.RequestException, *_UNREADABLE) as exc:
        raise UnsureError(type(exc).__name__) from exc
    if not made.sid:
        raise UnsureError("an answer without an id")
    return str(made.sid)


def _options(order: CallOrder) -> dict[str, Any]:
    options: dict[str, Any] = {
        "to": order.to,
        "from_": order.caller,
        "url": order.url,
        "method": "POST",
        "status_callback": order.status_url,
        "status_callback_method": "POST",
        "status_callback_event": list(order.events),
        "timeout": order.rings_s,
    }
    if order.longest_s is not None:
        options["time_limit"] = order.longest_s
    if order.digits:
        options["send_digits"] = order.digits
    return {**options, **order.machine}


def _never_sent(exc: requests.ConnectionError) -> bool:
    """Whether no connection was made, so that nothing can have been sent."""
    if isinstance(exc, requests.ConnectTimeout):
        return True
    inner = exc.args[0] if exc.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    return isinstance(reason, NewConnectionError | ConnectTimeoutError | NameResolutionError)


def calls_seen(
    client: Client, *, to: str, caller: str, since: datetime, known: Collection[str] = ()
) -> list[str]:
    """The calls that Twilio has placed between these two since then, the oldest first, without those ``known``.

    Raises UnsureError where Twilio cannot be asked.
    """
    try:
        listed = client.calls.list(to=to, from_=caller, limit=20)
    except (TwilioException, requests.RequestException, *_UNREADABLE) as exc:
        raise UnsureError(type(exc).__name__) from exc
    found = [
        (call.date_created, str(call.sid))
        for call in listed
        if str(call.direction) == _OURS
        and isinstance(call.date_created, datetime)
        and call.date_created >= since - CLOCKS
        and str(call.sid) not in known
    ]
    return [sid for _, sid in sorted(found)]

"""Twilio's REST as smoke tests need it: a call placed, looked after, and hung up."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from calls import clients
from calls.clients import TwilioRefusedError, twilio_client
from calls.dialling.ordering import (
    TOO_MANY,
    CallOrder,
    NotPlacedError,
    UnsureError,
    call_order,
    calls_seen,
)
from calls.smoke.lines import PlayError

_TRIES: Final = 5
_PAUSE_S: Final = 0.1
# No call of the run could be placed: credentials, and the number that is shown.
_HOPELESS: Final = frozenset({20003, 20005, 20006, 21210, 21212, 21213})
# Not this call, whatever one does: the number that is called, and countries that are not switched on.
_FINAL: Final = frozenset({21205, 21211, 21214, 21215, 21216, 21217, 21219})


class Telephone(Protocol):
    """What can be done with telephone calls."""

    def place(self, order: CallOrder) -> str:
        """Twilio's id of the call, which is under way. Raises PlayError."""
        ...

    def hang_up(self, call_sid: str) -> None:
        """End a call, ringing or not. Raises TwilioRefusedError."""
        ...

    def status(self, call_sid: str) -> str:
        """Twilio's word on a call; empty where it cannot be had now."""
        ...


@dataclass(frozen=True, slots=True)
class TwilioTelephone:
    """The telephone calls of an account. Answering machines are not looked for: our own assistant answers."""

    account_sid: str
    sleep: Callable[[float], None] = time.sleep

    def place(self, order: CallOrder) -> str:
        """Twilio's id of the call. Raises PlayError.

        A request that was limited was not carried out and is repeated; of one whose answer was lost nobody knows, so the
        list of calls is asked and nothing is placed twice.
        """
        client, since = twilio_client(self.account_sid), datetime.now(UTC)
        for attempt in range(_TRIES):
            try:
                return call_order(client, order)
            except NotPlacedError as exc:
                if exc.status != TOO_MANY or attempt + 1 == _TRIES:
                    raise _refused(exc) from exc
                self.sleep(_PAUSE_S * 2**attempt * random.uniform(0.9, 1.1))  # noqa: S311  # no secret
            except UnsureError:
                return self._found(client, order, since)
        raise AssertionError("the last attempt returns or raises")

    def hang_up(self, call_sid: str) -> None:
        """End a call. Raises TwilioRefusedError."""
        clients.hang_up(call_sid=call_sid, account_sid=self.account_sid)

    def status(self, call_sid: str) -> str:
        """Twilio's word on a call; empty where it cannot be had now."""
        try:
            state = clients.call_state(call_sid=call_sid, account_sid=self.account_sid)
        except TwilioRefusedError:
            return ""
        return state.status if state else ""

    def _found(self, client: Any, order: CallOrder, since: datetime) -> str:
        """The call of an order whose answer was lost. Raises PlayError where there is none to be seen."""
        try:
            seen = calls_seen(client, to=order.to, caller=order.caller, since=since)
        except UnsureError as exc:
            raise PlayError(
                f"Whether Twilio placed the call is not known, and it could not be asked: {exc}."
            ) from exc
        if not seen:
            raise PlayError(
                "Twilio did not answer the order to place the call, and no such call is to be seen."
            )
        return seen[0]


def _refused(exc: NotPlacedError) -> PlayError:
    if exc.status == TOO_MANY:
        return PlayError(
            "Twilio takes no further calls now (its limit for the account): place fewer side by side."
        )
    why = f"Twilio refused to place the call (error {exc.code or exc.status}): {_WHY.get(exc.code, 'see its documentation')}."
    return PlayError(why, final=exc.code in _FINAL, stops=exc.code in _HOPELESS)


_WHY: Final[dict[int, str]] = {
    10004: "too many calls at a time for the account",
    20003: "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
    20005: "the account is not active",
    21210: "the test number is not one of the account's; check SMOKE_TEST_NUMBERS",
    21212: "the test number is no telephone number; check SMOKE_TEST_NUMBERS",
    21211: "the number to be called is none",
    21215: "calls to that country are not switched on for the account",
    21216: "calls to that number are blocked",
    21219: "a trial account calls only numbers that were verified",
}

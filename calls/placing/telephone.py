"""Twilio's REST as calls are placed with it: ordered, looked for, and hung up."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from calls import clients
from calls.dialling.ordering import CallOrder, call_order, calls_seen


class Telephone(Protocol):
    """What can be done with telephone calls."""

    def order(self, order: CallOrder, *, account_sid: str) -> str:
        """Twilio's id of the call. Raises NotPlacedError, UnsureError."""
        ...

    def seen(
        self, *, to: str, caller: str, account_sid: str, since: datetime, known: Collection[str]
    ) -> list[str]:
        """The calls that Twilio placed between these two since then, without those known. Raises UnsureError."""
        ...

    def hang_up(self, call_sid: str, *, account_sid: str) -> None:
        """End a call, ringing or not; one that is over is as good. Raises TwilioRefusedError."""
        ...

    def state(self, call_sid: str, *, account_sid: str) -> clients.CallState | None:
        """Twilio's word on a call; None for one that it does not know. Raises TwilioRefusedError."""
        ...


@dataclass(frozen=True, slots=True)
class TwilioTelephone:
    """The real one."""

    def order(self, order: CallOrder, *, account_sid: str) -> str:
        """Twilio's id of the call. Raises NotPlacedError, UnsureError."""
        return call_order(clients.twilio_client(account_sid), order)

    def seen(
        self, *, to: str, caller: str, account_sid: str, since: datetime, known: Collection[str]
    ) -> list[str]:
        """The calls that Twilio placed between these two since then, without those known. Raises UnsureError."""
        return calls_seen(clients.twilio_client(account_sid), to=to, caller=caller, since=since, known=known)

    def hang_up(self, call_sid: str, *, account_sid: str) -> None:
        """End a call. Raises TwilioRefusedError."""
        clients.hang_up(call_sid=call_sid, account_sid=account_sid)

    def state(self, call_sid: str, *, account_sid: str) -> clients.CallState | None:
        """Twilio's word on a call. Raises TwilioRefusedError."""
        return clients.call_state(call_sid=call_sid, account_sid=account_sid)

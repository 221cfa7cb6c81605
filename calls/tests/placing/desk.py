"""A program that has calls placed, and a telephone company that does as it is told."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.test import Client
from django.utils import timezone

from assistants.models import Assistant
from calls.clients import CallState, TwilioRefusedError
from calls.dialling.ordering import CallOrder, NeverSentError, NotPlacedError, UnsureError
from calls.models import Call, PhoneNumber, Placing
from calls.placing.dialling import Dialled, placing_dial
from calls.placing.turns import placing_refuse, placing_take
from simulator.signature import sign
from tools.tests.access.program import Program

ACCOUNT = "AC" + "1" * 32
DID, CALLEE = "+14155550123", "+13125550177"
Fault = NotPlacedError | UnsureError | NeverSentError


@dataclass
class FakeTelephone:
    """Twilio: every order becomes a call, unless something goes wrong. ``during`` happens before an answer is given."""

    faults: list[Fault | None] = field(default_factory=list)
    executes: bool = False  # although the answer is a fault
    blind: bool = False  # the list of calls cannot be had
    refuses_hang_up: bool = False
    during: Callable[[CallOrder, str], None] | None = None
    orders: list[CallOrder] = field(default_factory=list)
    calls: dict[str, tuple[CallOrder, datetime]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    hung_up: list[str] = field(default_factory=list)

    def order(self, order: CallOrder, *, account_sid: str) -> str:
        assert account_sid == ACCOUNT
        self.orders.append(order)
        fault = self.faults.pop(0) if self.faults else None
        sid = f"CA{len(self.orders):032}"
        if fault is None or self.executes:
            self.calls[sid] = (order, timezone.now())
            if self.during is not None:
                self.during(order, sid)
        if fault is not None:
            raise fault
        return sid

    def seen(
        self, *, to: str, caller: str, account_sid: str, since: datetime, known: Collection[str]
    ) -> list[str]:
        if self.blind:
            raise UnsureError("Timeout")
        return [
            sid
            for sid, (order, at) in self.calls.items()
            if (order.to, order.caller) == (to, caller)
            and at >= since - timedelta(seconds=5)
            and sid not in known
        ]

    def hang_up(self, call_sid: str, *, account_sid: str) -> None:
        if self.refuses_hang_up:
            raise TwilioRefusedError("Twilio answered 500, error 20500.", unsure=True)
        self.hung_up.append(call_sid)

    def state(self, call_sid: str, *, account_sid: str) -> CallState | None:
        status = self.states.get(call_sid)
        return CallState(status, None) if status else None


class Desk(Program):
    """A program with a key, the number it calls from, and the assistant that talks."""

    def __init__(self, assistant: Assistant, number: PhoneNumber, **key: Any) -> None:
        super().__init__(**key)
        self.assistant, self.number = assistant, number
        self.telephone = FakeTelephone()

    def body(self, **changes: Any) -> dict[str, Any]:
        """What a program sends that wants one call."""
        body = {
            "assistantId": str(self.assistant.pk),
            "phoneNumberId": str(self.number.pk),
            "customer": {"number": CALLEE},
            **changes,
        }
        return {name: value for name, value in body.items() if value is not None}

    def place(
        self, status: int = 201, path: str = "/call", headers: dict[str, str] | None = None, **changes: Any
    ) -> Any:
        """Have a call placed, or be told why not."""
        return self.ask("POST", path, self.body(**changes), status=status, headers=headers)

    def call(self, told: dict[str, Any] | UUID) -> Call:
        """The row of a call as it is now."""
        pk = told["id"] if isinstance(told, dict) else told
        return Call.objects.select_related("placing").get(pk=pk)

    def dial(self, *, now: datetime | None = None) -> list[Dialled]:
        """What the worker does: whoever's turn it is."""
        outcomes = []
        while (placing := placing_take(now=now or timezone.now())) is not None:
            if not placing_refuse(placing, now=now or timezone.now()):
                outcomes.append(placing_dial(placing, self.telephone))
        return outcomes

    def tell(self, call: UUID | str, path: str = "/status", **form: str) -> Any:
        """One of Twilio's webhooks for a call of ours, signed."""
        where = f"/twilio/outbound/{call}{path}"
        fields = {"AccountSid": ACCOUNT, "From": DID, "To": CALLEE, **form}
        signature = sign(
            settings.PUBLIC_ORIGIN + where, list(fields.items()), auth_token=settings.TWILIO_AUTH_TOKEN
        )
        answer = Client().post(where, fields, headers={"X-Twilio-Signature": signature})
        assert answer.status_code in (200, 204), answer.content
        return answer


def age(call: Call, **by: float) -> None:
    """Let a call have been ordered so long ago."""
    placing = Placing.objects.get(pk=call.pk)
    assert placing.claimed_at is not None
    Placing.objects.filter(pk=call.pk).update(claimed_at=placing.claimed_at - timedelta(**by))

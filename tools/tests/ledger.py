"""A tool call in the ledger: what a worker does with an order, and what the model was told of it."""

import json
from datetime import datetime

from django.utils import timezone

from tools import services
from tools.models import ToolCall
from tools.orders import ToolOrder, ToolRefusal
from tools.outcomes import Outcome
from tools.services import InFlight, Settled, Taken

Status = ToolCall.Status
FINAL = {Status.ANSWERED, Status.FAILED, Status.TIMED_OUT, Status.REFUSED}
ANSWERED = Outcome("answered", "Booked.", http_status=200, answer="{}", elapsed_ms=40)


def row_of(order: ToolOrder) -> ToolCall:
    return ToolCall.objects.get(call_id=order.call_id, item_id=order.tool_call_id)


def take(order: ToolOrder, now: datetime | None = None) -> Taken | InFlight | Settled:
    return services.tool_call_take(order=order, now=now or order.requested_at)


def send(order: ToolOrder, *, now: datetime | None = None) -> Outcome:
    return services.tool_call_send(order=order, now=now or timezone.now()).outcome


def settle(order: ToolOrder, outcome: Outcome = ANSWERED) -> bool:
    return services.tool_call_settle(call_id=order.call_id, item_id=order.tool_call_id, outcome=outcome)


def tell(
    order: ToolOrder, *, at: datetime | None = None, output: str = "told", orphaned: bool = False
) -> None:
    services.tool_call_told(
        call_id=order.call_id,
        item_id=order.tool_call_id,
        at=at or order.expires_at,
        output=output,
        orphaned=orphaned,
    )


def refuse(order: ToolOrder) -> None:
    refusal = ToolRefusal.from_json(order.to_json())
    services.tool_call_refuse(
        refusal=refusal, at=order.requested_at, reason="Unknown tool.", output="refused"
    )


def told_message(outcome: Outcome) -> str:
    message: str = json.loads(outcome.output)["message"]
    return message

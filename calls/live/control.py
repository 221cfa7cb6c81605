"""Giving orders to a running call, from whichever process: each is answered by the process that has the call, or not at all."""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer, get_channel_layer
from django.db import Error as DatabaseError
from django.utils import timezone
from redis.exceptions import RedisError

from calls.bridge.control import OVER
from calls.bridge.ending import AFTER_MESSAGE, CANCELED
from calls.groups import call_group
from calls.live import orders
from calls.models import LiveOrder
from calls.orders.book import unanswered
from calls.orders.by import TANDEM, By, order_id_new
from calls.orders.rows import orders_write

logger = logging.getLogger(__name__)

# A call's process answers within milliseconds; a busy one may take a second.
ANSWERED_WITHIN_S: Final = 3.0


class Result(Enum):
    """What became of an order."""

    TAKEN = "taken"
    REFUSED = "refused"  # by the call itself
    NOBODY = "nobody"  # no process answers for the call: it has not begun, or is over
    AWAY = "away"  # the way there is broken: nobody knows


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order, and why it was not carried out, if so."""

    result: Result
    why: str = ""

    @property
    def taken(self) -> bool:
        """Whether the call has taken it."""
        return self.result is Result.TAKEN


# So long another process may still answer for the call, when one has said that it is over.
_ANOTHER_WITHIN_S: Final = 0.3
_UNANSWERED: Final = {
    Result.NOBODY: LiveOrder.Result.NOBODY,
    Result.AWAY: LiveOrder.Result.UNKNOWN,
}
_NOBODY: Final = (
    "No conversation answers for this call now: it has not begun yet, is being transferred, or is over."
)
_AWAY: Final = (
    "The order could not be passed on to the process that has the call. It is not known whether it was."
)


async def order_give(
    call_id: uuid.UUID, message: dict[str, Any], *, by: By = TANDEM, within_s: float = ANSWERED_WITHIN_S
) -> Outcome:
    """Give an order, or say that somebody watches or listens, and wait for the answer."""
    return await _given(call_id, order_message(message, by), within_s=within_s)


def order_message(message: Mapping[str, Any], by: By) -> dict[str, Any]:
    """The order with an id, a new one unless it has its own, and with who gives it."""
    return {
        **message,
        "order_id": message.get("order_id") or order_id_new(),
        "by": by.to_json(),
        "asked_at": timezone.now().isoformat(),
    }


async def _given(call_id: uuid.UUID, message: dict[str, Any], *, within_s: float) -> Outcome:
    layer = get_channel_layer()
    if layer is None:
        return Outcome(Result.AWAY, _AWAY)
    try:
        channel = await layer.new_channel()
        await layer.group_send(call_group(call_id), {**message, "reply_to": channel})
        return await _answer(layer, channel, within_s)
    except (RedisError, OSError, ChannelFull):
        logger.warning("an order for a call could not be passed on", extra={"call_id": str(call_id)})
        return Outcome(Result.AWAY, _AWAY)


async def _answer(layer: BaseChannelLayer, channel: str, within_s: float) -> Outcome:
    """What the call says. While one stream takes over from another both answer, and the one that is over may be quicker."""
    outcome = Outcome(Result.NOBODY, _NOBODY)
    until = asyncio.get_running_loop().time() + within_s
    while True:
        try:
            async with asyncio.timeout_at(until):
                answer = await layer.receive(channel)
        except TimeoutError:
            return outcome
        refusal = str(answer.get("refusal") or "")
        if not refusal:
            return Outcome(Result.TAKEN)
        if refusal != OVER:
            return Outcome(Result.REFUSED, refusal)
        outcome = Outcome(Result.REFUSED, refusal)
        until = min(until, asyncio.get_running_loop().time() + _ANOTHER_WITHIN_S)


def order(call_id: uuid.UUID, message: dict[str, Any], *, by: By = TANDEM) -> Outcome:
    """The same for those who may block."""
    return async_to_sync(order_give)(call_id, message, by=by)


def order_by(call_id: uuid.UUID, message: dict[str, Any], *, by: By) -> Outcome:
    """The same for somebody outside: what no call has answered is written down here, since nobody else can."""
    given = order_message(message, by)
    outcome = async_to_sync(_given)(call_id, given, within_s=ANSWERED_WITHIN_S)
    result = _UNANSWERED.get(outcome.result)
    row = unanswered(given, result) if result is not None else None
    if row is not None:
        try:
            orders_write(call_id, [row])
        except DatabaseError:
            logger.exception("an order was not written down", extra={"call_id": str(call_id)})
    return outcome


# Each returns what became of it ---------------------------------------------------------------------------------


def call_say(
    call_id: uuid.UUID,
    content: str,
    *,
    end_after: bool = False,
    reason: str = AFTER_MESSAGE,
    interrupt: bool = False,
    interruptible: bool = False,
    order_id: str = "",
) -> Outcome:
    """Have exactly this said: after what the assistant is saying, or instead; then, perhaps, have the call ended.

    Under the same ``order_id`` it is said once, however often it is ordered.
    """
    message = say_message(
        content, end_after=end_after, reason=reason, interrupt=interrupt, interruptible=interruptible
    )
    return order(call_id, {**message, "order_id": order_id})


def call_end(call_id: uuid.UUID, reason: str = CANCELED, *, order_id: str = "") -> Outcome:
    """Have the call hung up at once."""
    return order(call_id, {"type": orders.END, "reason": reason, "order_id": order_id})


def say_message(
    content: str,
    *,
    end_after: bool = False,
    reason: str = AFTER_MESSAGE,
    interrupt: bool = False,
    interruptible: bool = False,
) -> dict[str, Any]:
    """The order to say something, as it travels."""
    return {
        "type": orders.SAY,
        "content": content,
        "end_after": end_after,
        "reason": reason,
        "interrupt": interrupt,
        "interruptible": interruptible,
    }

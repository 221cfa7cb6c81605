"""Giving orders to a running call, from whichever process: each is answered by the process that has the call, or not at all."""

import asyncio
import logging
import uuid
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from calls.bridge.ending import AFTER_MESSAGE, CANCELED
from calls.groups import call_group
from calls.live import orders

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


_NOBODY: Final = (
    "No conversation answers for this call now: it has not begun yet, is being transferred, or is over."
)
_AWAY: Final = (
    "The order could not be passed on to the process that has the call. It is not known whether it was."
)


async def order_give(
    call_id: uuid.UUID, message: dict[str, Any], *, within_s: float = ANSWERED_WITHIN_S
) -> Outcome:
    """Give an order, or say that somebody watches or listens, and wait for the answer."""
    layer = get_channel_layer()
    if layer is None:
        return Outcome(Result.AWAY, _AWAY)
    order_id = uuid.uuid4().hex
    try:
        channel = await layer.new_channel()
        await layer.group_send(
            call_group(call_id), {**message, "order_id": f"order_{order_id[:20]}", "reply_to": channel}
        )
        async with asyncio.timeout(within_s):
            answer = await layer.receive(channel)
    except TimeoutError:
        return Outcome(Result.NOBODY, _NOBODY)
    except (RedisError, OSError, ChannelFull):
        logger.warning("an order for a call could not be passed on", extra={"call_id": str(call_id)})
        return Outcome(Result.AWAY, _AWAY)
    refusal = str(answer.get("refusal") or "")
    return Outcome(Result.REFUSED, refusal) if refusal else Outcome(Result.TAKEN)


def order(call_id: uuid.UUID, message: dict[str, Any]) -> Outcome:
    """The same for those who may block."""
    return async_to_sync(order_give)(call_id, message)


# Each returns what became of it ---------------------------------------------------------------------------------


def call_say(
    call_id: uuid.UUID,
    content: str,
    *,
    end_after: bool = False,
    reason: str = AFTER_MESSAGE,
    interrupt: bool = False,
    interruptible: bool = False,
) -> Outcome:
    """Have exactly this said: after what the assistant is saying, or instead; then, perhaps, have the call ended."""
    return order(
        call_id,
        say_message(
            content, end_after=end_after, reason=reason, interrupt=interrupt, interruptible=interruptible
        ),
    )


def call_mute(call_id: uuid.UUID, who: str, *, on: bool) -> Outcome:
    """Mute the `assistant`, which then says only what is ordered, or the `customer`; or no longer."""
    return order(call_id, {"type": orders.MUTE, "who": who, "on": on})


def call_end(call_id: uuid.UUID, reason: str = CANCELED) -> Outcome:
    """Have the call hung up at once."""
    return order(call_id, {"type": orders.END, "reason": reason})


def call_transfer(call_id: uuid.UUID, destination: dict[str, Any], content: str = "") -> Outcome:
    """Have the caller connected to a destination in Vapi's words, after this was said."""
    return order(call_id, {"type": orders.TRANSFER, "destination": destination, "content": content})


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

"""Orders given to a conversation, and what came of them, for tests."""

from typing import Any

from calls.bridge.commands import (
    OrderAnswered,
    OrderSettled,
)
from calls.bridge.orders import Order, Say
from calls.bridge.plan import Place
from calls.tests.bridge.call import Call

WORDS = "A colleague will call you back."
BYE = "We have to end this call now. Goodbye."
QUEUE = Place("+13125550100", None)


def give(call: Call, order: Order) -> str:
    """The refusal; empty where the order was taken."""
    call.take(call.conversation.order(order, now=call.now))
    answers = [one for one in call.all(OrderAnswered) if one.order_id == order.order_id]
    assert len(answers) == 1, "every order is answered once"
    return answers[0].refusal


def say(text: str = WORDS, order_id: str = "o1", **more: Any) -> Say:
    return Say(order_id, text, **more)


def closes_floor(call: Call) -> list[bool]:
    """What the server was told since the beginning: whether it serves the caller by itself."""
    return [
        one["session"]["audio"]["input"]["turn_detection"]["create_response"]
        for one in call.sent("session.update")[1:]
    ]


def settled(call: Call) -> dict[str, str]:
    """What came of each order that is done with."""
    found = call.all(OrderSettled)
    assert len({one.order_id for one in found}) == len(found), "each is settled once"
    return {one.order_id: one.failure for one in found}

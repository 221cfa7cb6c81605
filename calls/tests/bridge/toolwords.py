"""A call whose tool has messages of its own."""

from dataclasses import replace
from typing import Any

from calls.bridge.plan import Plan, ToolSpec
from calls.bridge.toolmessages import Moment, ToolMessage
from calls.tests.bridge.call import BOOK, END_CALL, LIST, WAITING, Call

START = ToolMessage(Moment.START, "One moment, please.")
DELAYED = ToolMessage(Moment.DELAYED, "It takes a while.", after_ms=4000)
LATER = ToolMessage(Moment.DELAYED, "It still takes a while.", after_ms=9000)
COMPLETE = ToolMessage(Moment.COMPLETE, "It is booked.")
FAILED = ToolMessage(Moment.FAILED, "I could not book it.")


def plan(*messages: ToolMessage, others: tuple[ToolSpec, ...] = (LIST, END_CALL), **changes: Any) -> Plan:
    return replace(WAITING, tools=(replace(BOOK, messages=messages), *others), **changes)


def asked(*messages: ToolMessage, preamble_ms: int = 0, done: bool = True, **changes: Any) -> Call:
    """A call in which the model has just asked for a tool."""
    call = Call(plan(*messages, **changes))
    call.caller_says("u1", "Book Monday.")
    call.created("r1")
    if preamble_ms:
        call.audio("r1", preamble_ms)
    fc = call.calls_tool("r1")
    if done:
        call.done("r1", calls=(fc,))
    return call


def says(call: Call, response_id: str, ms: int = 500) -> None:
    """What was asked for last is said, to its end."""
    call.answers(response_id, call.sentences[-1], ms, ours=True)
    call.wait(ms / 1000)

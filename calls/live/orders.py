"""Orders for a running call, as they travel between processes: made here, and read where the call is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from calls.bridge.commands import Speaker
from calls.bridge.ending import AFTER_MESSAGE, CANCELED
from calls.bridge.orders import End, HandOver, Mute, Order, Say, SayFirstMessage, Tell
from calls.bridge.plan import Place, Taker
from calls.handoffs import keeps_named
from calls.selectors import StreamCall
from calls.transfers import destination_read

SAY: Final = "call.say"
SAY_FIRST_MESSAGE: Final = "call.say_first_message"
ADD_MESSAGE: Final = "call.add_message"
MUTE: Final = "call.mute"
END: Final = "call.end"
TRANSFER: Final = "call.transfer"
HANDOFF: Final = "call.handoff"
KINDS: Final = frozenset({SAY, SAY_FIRST_MESSAGE, ADD_MESSAGE, MUTE, END, TRANSFER, HANDOFF})
ROLES: Final = ("system", "user", "assistant")

_SIDES: Final = {"assistant": Speaker.ASSISTANT, "customer": Speaker.CALLER}
_NO_DESTINATION: Final = (
    "The destination cannot be dialled: it must be a number in E.164 form, or a SIP address."
)
_NO_ASSISTANT: Final = "This call can be handed to these assistants only: {}."
_NO_SQUAD: Final = "This call stays with its assistant: no other one is part of it."


@dataclass(frozen=True, slots=True)
class Received:
    """An order as the conversation takes it, and what of it is for the shell: the destination in Vapi's words."""

    order: Order
    destination: dict[str, Any] = field(default_factory=dict, repr=False)


def order_received(message: Mapping[str, Any], call: StreamCall) -> Received | str:
    """The order in a message of the channel layer, for this call; or why there is none."""
    order_id = str(message.get("order_id") or "")
    match message.get("type"):
        case "call.say":
            return _say(message, order_id)
        case "call.say_first_message":
            return Received(SayFirstMessage(order_id))
        case "call.add_message":
            return _tell(message, order_id)
        case "call.mute":
            side = _SIDES.get(str(message.get("who")))
            return (
                Received(Mute(order_id, side, bool(message.get("on")))) if side else "Nobody is to be muted."
            )
        case "call.end":
            return Received(End(order_id, str(message.get("reason") or CANCELED)))
        case "call.transfer":
            return _transfer(message, order_id, call)
        case "call.handoff":
            return _handoff(message, order_id, call)
        case _:
            return "There is no such order."


def _say(message: Mapping[str, Any], order_id: str) -> Received | str:
    text = str(message.get("content") or "").strip()
    if not text:
        return "There is nothing to say."
    return Received(
        Say(
            order_id,
            text,
            interrupts=bool(message.get("interrupt")),
            guarded=not message.get("interruptible"),
            end_after=bool(message.get("end_after")),
            reason=str(message.get("reason") or AFTER_MESSAGE),
        )
    )


def _tell(message: Mapping[str, Any], order_id: str) -> Received | str:
    given = message.get("message")
    role, content = (given.get("role"), given.get("content")) if isinstance(given, Mapping) else (None, None)
    if role not in ROLES or not isinstance(content, str) or not content.strip():
        return "A message has a role, which is system, user or assistant, and a content."
    return Received(
        Tell(order_id, role, content.strip(), respond=bool(message.get("trigger_response", True)))
    )


def _transfer(message: Mapping[str, Any], order_id: str, call: StreamCall) -> Received | str:
    stored = _destination(message)
    destination = destination_read(stored, language=call.snapshot.language)
    if destination is None:
        return _NO_DESTINATION
    words = _words(message) or destination.message
    return Received(HandOver(order_id, Place(destination.name, words)), stored)


def _handoff(message: Mapping[str, Any], order_id: str, call: StreamCall) -> Received | str:
    stored = _destination(message)
    named = (stored.get("assistantId"), stored.get("assistantName"))
    wanted = {one for one in named if isinstance(one, str) and one}
    found = [(key, one) for key, one in call.members.items() if wanted & {key, one.name}]
    if not found:
        names = sorted(one.name for one in call.members.values())
        return _NO_ASSISTANT.format(", ".join(names)) if names else _NO_SQUAD
    key, member = found[0]
    keeps, last = keeps_named(stored)
    place = Place(member.name, _words(message) or "", Taker(key, keeps, last))
    return Received(HandOver(order_id, place))


def _destination(message: Mapping[str, Any]) -> dict[str, Any]:
    given = message.get("destination")
    return dict(given) if isinstance(given, Mapping) else {}


def _words(message: Mapping[str, Any]) -> str:
    return str(message.get("content") or "").strip()

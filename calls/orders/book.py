"""The orders of one call as its own process knows them, on their way to the rows."""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from calls.models import LiveOrder
from calls.orders.by import By
from calls.privacy.keeping import CallKeeping
from tools.encryption import encrypt

Kind = LiveOrder.Kind
Put = Callable[[str, dict[str, Any]], None]

NEVER_BEGUN: Final = "The stream that was to do it never became the call's."
ORDER_WRITE: Final = "calls.orders.tasks.order_write"
# What is not kept any longer than an order is open.
_WORDS: Final = {"words": "", "destination": "", "order": ""}
# What travels with an order and is no part of it.
_OF_THE_WAY: Final = frozenset({"reply_to"})
_KINDS: Final = {
    "call.say": Kind.SAY,
    "call.say_first_message": Kind.SAY_FIRST_MESSAGE,
    "call.add_message": Kind.ADD_MESSAGE,
    "call.end": Kind.END_CALL,
    "call.transfer": Kind.TRANSFER,
    "call.handoff": Kind.HANDOFF,
}
_MUTES: Final = {
    ("assistant", True): Kind.MUTE_ASSISTANT,
    ("assistant", False): Kind.UNMUTE_ASSISTANT,
    ("customer", True): Kind.MUTE_CUSTOMER,
    ("customer", False): Kind.UNMUTE_CUSTOMER,
}


class OrderBook:
    """Puts each order into the outbox as often as more is known of it, once the stream is known to be the call's.

    Its words are kept until nothing more becomes of it and that was put; the call may last for hours.
    """

    def __init__(self, call_id: uuid.UUID, keeping: CallKeeping, put: Put) -> None:
        self._call_id = str(call_id)
        self._keeping = keeping
        self._put = put
        self._orders: dict[str, dict[str, Any]] = {}
        self._begun = False

    def received(self, message: Mapping[str, Any]) -> bool:
        """Note an order as it comes in; False for one that has come before, and is not to be done again."""
        order_id = str(message.get("order_id") or "")
        kind = kind_of(message)
        if order_id in self._orders:
            return False
        if order_id and kind is not None:
            self._orders[order_id] = {
                **_asked(message, kind, self._keeping),
                "order": encrypt(json.dumps({k: v for k, v in message.items() if k not in _OF_THE_WAY})),
            }
        return True

    def refusal(self, order_id: str) -> str | None:
        """Why an order was refused, empty where it was taken; None for one that is not answered."""
        order = self._orders.get(order_id, {})
        match order.get("result"):
            case LiveOrder.Result.TAKEN:
                return ""
            case LiveOrder.Result.REFUSED:
                return str(order["why"])
            case _:
                return None

    def answered(self, order_id: str, refusal: str) -> Mapping[str, Any]:
        """The call has taken it, or refuses it. What is known of it."""
        if refusal:
            return self._learn(
                order_id, result=LiveOrder.Result.REFUSED.value, why=refusal, taken_at="", order=""
            )
        return self._learn(order_id, result=LiveOrder.Result.TAKEN.value, why="", taken_at=_now())

    def settled(self, order_id: str, failure: str) -> Mapping[str, Any]:
        """It is done, or will not be. What is known of it."""
        name = "failed_at" if failure else "done_at"
        return self._learn(order_id, why=failure, order="", **{name: _now()})

    def begun(self) -> None:
        """The stream is the call's: what was ordered before counts."""
        self._begun = True
        for order in self.rows():
            self._write(order)

    def never_begun(self) -> None:
        """The stream was not the call's, or the call never began: what it was given here was done here by nobody."""
        for order in self._orders.values():
            if order.get("result") == LiveOrder.Result.TAKEN:
                refused = {"result": LiveOrder.Result.REFUSED.value, "why": NEVER_BEGUN, "taken_at": ""}
                self._write({**order, **refused, "order": ""})

    def rows(self) -> list[dict[str, Any]]:
        """What is known of all orders that were answered, for whoever writes it at once."""
        return [dict(one) for one in self._orders.values() if "result" in one] if self._begun else []

    def _learn(self, order_id: str, **news: Any) -> Mapping[str, Any]:
        order = self._orders.get(order_id)
        if order is None:
            return {}
        order |= news
        known = dict(order)
        if "result" in order and self._begun:
            self._write(known)
        return known

    def _write(self, order: Mapping[str, Any]) -> None:
        self._put(ORDER_WRITE, {"call_id": self._call_id, "order": dict(order)})
        if order["result"] != LiveOrder.Result.TAKEN or order.get("done_at") or order.get("failed_at"):
            self._orders[order["order_id"]] |= _WORDS


def kind_of(message: Mapping[str, Any]) -> LiveOrder.Kind | None:
    """What a message of the channel layer orders, in Vapi's words; None for none."""
    kind = message.get("type")
    if kind == "call.mute":
        return _MUTES.get((str(message.get("who")), bool(message.get("on"))))
    return _KINDS.get(kind) if isinstance(kind, str) else None


def mute_message(kind: LiveOrder.Kind) -> dict[str, Any]:
    """The message that orders this muting."""
    who, on = next(side for side, found in _MUTES.items() if found is kind)
    return {"type": "call.mute", "who": who, "on": on}


def unanswered(message: Mapping[str, Any], result: LiveOrder.Result) -> dict[str, Any] | None:
    """An order that no call has answered, without what was to be said: nobody was there who knew what may be kept."""
    kind = kind_of(message)
    if kind is None:
        return None
    return {**_asked(message, kind, None), "result": result.value}


def _asked(message: Mapping[str, Any], kind: LiveOrder.Kind, keeping: CallKeeping | None) -> dict[str, Any]:
    given = message.get("message")
    note = given if isinstance(given, Mapping) else {}
    words = str(note.get("content") or message.get("content") or "").strip()
    return {
        "order_id": str(message.get("order_id") or "")[:64],
        "kind": kind.value,
        "words": keeping.rules.words(words) if keeping is not None else "",
        "role": str(note.get("role") or "")[:10],
        "destination": _place(message.get("destination"))[:1000],
        "at_once": bool(message.get("interrupt")),
        "ends_call": bool(message.get("end_after")),
        "by": By.from_json(message.get("by")).to_json(),
        "asked_at": str(message.get("asked_at") or _now()),
    }


def _place(destination: object) -> str:
    named = destination if isinstance(destination, Mapping) else {}
    keys = ("number", "sipUri", "assistantName", "assistantId")
    return next((str(named[key]) for key in keys if isinstance(named.get(key), str) and named[key]), "")


def _now() -> str:
    return datetime.now(UTC).isoformat()

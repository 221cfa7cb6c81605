"""What readers of a running call are sent: messages in Vapi's shapes, each with the place in the stream that it has. Pure.

Times are epoch milliseconds. A partial text is all that is known so far of its item; the final one takes its place,
and is empty where the caller has heard nothing of it.
"""

from collections.abc import Mapping
from typing import Any, Final

ROLES: Final = {"caller": "user", "assistant": "assistant"}
GAP: Final = "gap"
ORDER: Final = "order"
BY_LABEL: Final = "byName"


def transcript_final(
    *,
    item_id: str,
    speaker: str,
    text: str,
    at_ms: int,
    from_start_s: float,
    interrupted: bool = False,
    transcribed: bool = True,
    assistant: str = "",
) -> dict[str, Any]:
    """Somebody's words in one turn, as far as they were heard."""
    return {
        "type": "transcript",
        "role": ROLES[speaker],
        "transcriptType": "final",
        "transcript": text,
        "timestamp": at_ms,
        "secondsFromStart": round(from_start_s, 3),
        "itemId": item_id,
        **({"assistantName": assistant} if assistant else {}),
        **({"interrupted": True} if interrupted else {}),
        **({} if transcribed else {"transcribed": False}),
    }


def transcript_partial(
    *, item_id: str, speaker: str, text: str, at_ms: int, assistant: str = ""
) -> dict[str, Any]:
    """Somebody's words so far."""
    return {
        "type": "transcript",
        "role": ROLES[speaker],
        "transcriptType": "partial",
        "transcript": text,
        "timestamp": at_ms,
        "itemId": item_id,
        **({"assistantName": assistant} if assistant else {}),
    }


def status(value: str, at_ms: int, reason: str = "") -> dict[str, Any]:
    """How the call stands, in Vapi's words."""
    ended = {"endedReason": reason} if reason else {}
    return {"type": "status-update", "status": value, "timestamp": at_ms, **ended}


def tool_asked(call_id: str, name: str, at_ms: int) -> dict[str, Any]:
    """The model has asked for a tool. Its arguments are for the tool's server alone."""
    return {
        "type": "tool-calls",
        "timestamp": at_ms,
        "toolCallList": [{"id": call_id, "type": "function", "function": {"name": name}}],
    }


def tool_told(call_id: str, at_ms: int) -> dict[str, Any]:
    """The model was told the outcome of a tool."""
    return {"type": "tool-calls-result", "timestamp": at_ms, "toolCallResult": {"toolCallId": call_id}}


def message_added(role: str, content: str, at_ms: int) -> dict[str, Any]:
    """Somebody outside has put a message into the conversation."""
    return {"type": "add-message", "timestamp": at_ms, "message": {"role": role, "content": content}}


def muted(speaker: str, at_ms: int, *, on: bool) -> dict[str, Any]:
    """One side is muted, or no longer, in the words of the order for it."""
    side = "customer" if speaker == "caller" else "assistant"
    return {"type": "control", "timestamp": at_ms, "control": f"{'mute' if on else 'unmute'}-{side}"}


def ordered(order: Mapping[str, Any], at_ms: int) -> dict[str, Any]:
    """How an order from outside stands. Who gave it is told by name to staff only."""
    state = "failed" if order.get("failed_at") else "done" if order.get("done_at") else order.get("result")
    return {
        "type": ORDER,
        "timestamp": at_ms,
        "orderId": order["order_id"],
        "order": order["kind"],
        "status": state,
        "by": order["by"]["kind"],
        BY_LABEL: order["by"]["label"],
        **({"reason": order["why"]} if order.get("why") else {}),
        **({"destination": order["destination"]} if order["destination"] else {}),
    }


def gap(at_ms: int) -> dict[str, Any]:
    """Something was lost on its way here; what lasts of it is in the rows."""
    return {"type": GAP, "timestamp": at_ms}


def is_end(message: Mapping[str, Any]) -> bool:
    """Whether nothing follows this."""
    return message.get("type") == "status-update" and message.get("status") == "ended"

"""Messages of a call as Vapi's artifact tells them: those that nobody has said, and all of them in two other forms."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from calls.api.records import Added, Asked
from calls.orders.messages import is_added, message_added
from tools.jsontext import json_text

# Who speaks, before their words in the transcript.
_LABELS: Final = {"user": "User", "bot": "AI"}
_MS: Final = timedelta(milliseconds=1)


def unsaid(
    tool_calls: Iterable[Asked], added: Iterable[Added], *, zero: datetime
) -> list[tuple[float, dict[str, Any]]]:
    """The messages that nobody has said, each with its moment in ms after ``zero``: a tool's question before its answer."""
    told = []
    for call in tool_calls:
        told.append(((call.requested_at - zero) / _MS, _asked(call, zero)))
        at = call.told_at or call.answered_at
        if call.outcome and at is not None:
            told.append(((at - zero) / _MS, _answered(call, at, zero)))
    for one in added:
        times = {"time": epoch_ms(one.at), "secondsFromStart": _seconds(one.at, zero)}
        told.append(((one.at - zero) / _MS, message_added(one.role, one.words, times)))
    return told


def openai_messages(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same messages as a chat model is given them."""
    return [openai_message(one) for one in messages]


def openai_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """One of them."""
    match message["role"]:
        case "tool_calls":
            return {"role": "assistant", "content": "", "tool_calls": message["toolCalls"]}
        case "tool_call_result":
            return {"role": "tool", "content": message["result"], "tool_call_id": message["toolCallId"]}
        case "bot":
            return {"role": "assistant", "content": message["message"]}
        case role:
            return {"role": role, "content": message["message"]}


def transcript_text(messages: Iterable[dict[str, Any]]) -> str:
    """The whole conversation as lines of `AI:` and `User:`: what somebody has said."""
    spoken = (one for one in messages if one["role"] in _LABELS and not is_added(one))
    return "".join(f"{_LABELS[one['role']]}: {one['message']}\n" for one in spoken)


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def plain_seconds(ms: float) -> float:
    """Seconds, spelled as JavaScript does: 4 and not 4.0."""
    return plain_number(round(ms / 1000, 3))


def plain_number(value: float) -> float:
    """The number, whole where it is."""
    return int(value) if value.is_integer() else value


def _asked(call: Asked, zero: datetime) -> dict[str, Any]:
    # In the history Vapi writes arguments as JSON text.
    function = {"name": call.name, "arguments": _arguments_text(call.arguments)}
    return {
        "role": "tool_calls",
        "message": "",
        "time": epoch_ms(call.requested_at),
        "secondsFromStart": _seconds(call.requested_at, zero),
        "toolCalls": [{"id": call.item_id, "type": "function", "function": function}],
    }


def _arguments_text(arguments: Any) -> str:
    try:
        return orjson.dumps(arguments).decode()
    except TypeError:
        return json_text(arguments)  # a number beyond 64 bits


def _answered(call: Asked, at: datetime, zero: datetime) -> dict[str, Any]:
    return {
        "role": "tool_call_result",
        "toolCallId": call.item_id,
        "name": call.name,
        "result": call.outcome,
        "time": epoch_ms(at),
        "secondsFromStart": _seconds(at, zero),
    }


def _seconds(moment: datetime, zero: datetime) -> float:
    return plain_seconds((moment - zero).total_seconds() * 1000)

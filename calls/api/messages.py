"""What was said and done in a call as Vapi's artifact tells it: messages, the same for a chat model, and one text."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from calls.api.rows import Said
from tools.models import ToolCall
from transcripts.models import Utterance

# A caller's words and ours, in the words of each form.
_ROLES: dict[str, str] = {Utterance.Speaker.CALLER: "user", Utterance.Speaker.ASSISTANT: "bot"}
_LABELS = {"user": "User", "bot": "AI"}


def messages_of(
    said: Iterable[Said], tool_calls: Iterable[ToolCall], *, zero: datetime
) -> list[dict[str, Any]]:
    """All messages in the order of their times. ``zero`` is when the clock of what was said began.

    What the assistant said is what was heard of it; ``time`` and ``endTime`` are epoch milliseconds, ``duration`` too.
    """
    told: list[tuple[float, dict[str, Any]]] = []
    zero_ms = zero.timestamp() * 1000
    for one in said:
        text = heard_text(one)
        if text:
            told.append((zero_ms + one.began_ms, _spoken(one, text, zero_ms)))
    for call in tool_calls:
        told.append((call.requested_at.timestamp() * 1000, _asked(call, zero)))
        at = call.told_at or call.answered_at
        if call.outcome and at is not None:
            told.append((at.timestamp() * 1000, _answered(call, at, zero)))
    # A stable sort: at one moment, what was said comes before what was done, and a question before its answer.
    return [message for _, message in sorted(told, key=lambda pair: pair[0])]


def heard_text(one: Said) -> str:
    """The words of an utterance that reached the other side."""
    return one.heard_text if one.speaker == Utterance.Speaker.ASSISTANT else one.text


def openai_messages(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same messages as a chat model is given them."""
    formatted: list[dict[str, Any]] = []
    for one in messages:
        match one["role"]:
            case "bot":
                formatted.append({"role": "assistant", "content": one["message"]})
            case "user":
                formatted.append({"role": "user", "content": one["message"]})
            case "tool_calls":
                formatted.append({"role": "assistant", "content": "", "tool_calls": one["toolCalls"]})
            case "tool_call_result":
                formatted.append(
                    {"role": "tool", "content": one["result"], "tool_call_id": one["toolCallId"]}
                )
            case _:
                pass  # there are no others here
    return formatted


def transcript_text(messages: Iterable[dict[str, Any]]) -> str:
    """The whole conversation as lines of `AI:` and `User:`."""
    return "".join(
        f"{_LABELS[one['role']]}: {one['message']}\n" for one in messages if one["role"] in _LABELS
    )


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def _spoken(one: Said, text: str, zero_ms: float) -> dict[str, Any]:
    message = {
        "role": _ROLES[one.speaker],
        "message": text,
        "time": round(zero_ms + one.began_ms),
        "endTime": round(zero_ms + one.ended_ms),
        "secondsFromStart": plain_seconds(one.began_ms),
        "duration": one.ended_ms - one.began_ms,
    }
    if one.assistant:
        message["assistantName"] = one.assistant
    return message


def plain_seconds(ms: float) -> float:
    """Seconds, spelled as JavaScript does: 4 and not 4.0."""
    seconds = round(ms / 1000, 3)
    return int(seconds) if seconds.is_integer() else seconds


def _asked(call: ToolCall, zero: datetime) -> dict[str, Any]:
    # In the history Vapi writes arguments as JSON text.
    function = {"name": call.name, "arguments": orjson.dumps(call.arguments).decode()}
    return {
        "role": "tool_calls",
        "message": "",
        "time": epoch_ms(call.requested_at),
        "secondsFromStart": _seconds(call.requested_at, zero),
        "toolCalls": [{"id": call.item_id, "type": "function", "function": function}],
    }


def _answered(call: ToolCall, at: datetime, zero: datetime) -> dict[str, Any]:
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

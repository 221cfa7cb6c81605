"""What was said and done in a call as Vapi's artifact tells it: messages, the same for a chat model, and one text."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import orjson

from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

# A caller's words and ours, in the words of each form.
_ROLES = {Utterance.Speaker.CALLER: "user", Utterance.Speaker.ASSISTANT: "bot"}
_LABELS = {"user": "User", "bot": "AI"}


def messages_of(
    transcript: Transcript | None, tool_calls: Iterable[ToolCall], *, zero: datetime
) -> list[dict[str, Any]]:
    """All messages in the order of their times. ``zero`` is the call's beginning where there is no transcript.

    What the assistant said is what was heard of it; ``time`` and ``endTime`` are epoch milliseconds, ``duration`` too.
    """
    zero = transcript.started_at if transcript is not None else zero
    told: list[tuple[datetime, dict[str, Any]]] = []
    for one in transcript.utterances.all() if transcript is not None else ():
        text = heard_text(one)
        if text:
            told.append((zero + timedelta(milliseconds=one.began_ms), _spoken(one, text, zero)))
    for call in tool_calls:
        told.append((call.requested_at, _asked(call, zero)))
        at = call.told_at or call.answered_at
        if call.outcome and at is not None:
            told.append((at, _answered(call, at, zero)))
    # A stable sort: at one moment, what was said comes before what was done, and a question before its answer.
    return [message for _, message in sorted(told, key=lambda pair: pair[0])]


def heard_text(one: Utterance) -> str:
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


def _spoken(one: Utterance, text: str, zero: datetime) -> dict[str, Any]:
    began, ended = zero + timedelta(milliseconds=one.began_ms), zero + timedelta(milliseconds=one.ended_ms)
    return {
        "role": _ROLES[Utterance.Speaker(one.speaker)],
        "message": text,
        "time": epoch_ms(began),
        "endTime": epoch_ms(ended),
        "secondsFromStart": one.began_ms / 1000,
        "duration": one.ended_ms - one.began_ms,
        **({"assistantName": one.assistant} if one.assistant else {}),
    }


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
    return round((moment - zero).total_seconds(), 3)

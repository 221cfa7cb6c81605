"""From Vapi's messages about a tool call to the bridge's."""

from collections.abc import Mapping
from typing import Any

from calls.bridge.toolcalls import ToolResult
from calls.bridge.toolmessages import Condition, Moment, ToolMessage

_ANSWERED = "answered"
_REFUSED = "refused"


def tool_messages(messages: list[Any], *, language: str) -> tuple[ToolMessage, ...]:
    """The messages of a tool in the callers' language. What is no message says nothing."""
    return tuple(tool_message(one, language=language) for one in messages if isinstance(one, Mapping))


def tool_message(message: Mapping[str, Any], *, language: str) -> ToolMessage:
    """One message. A type that Vapi does not know is one for a failure there."""
    kind = message.get("type")
    moment = Moment(kind) if kind in list(Moment) else Moment.FAILED
    after_ms = message.get("timingMilliseconds")
    return ToolMessage(
        moment=moment,
        text=_text(message, language),
        conditions=tuple(_conditions(message)),
        blocking=message.get("blocking") is True,
        after_ms=round(after_ms) if isinstance(after_ms, int | float) else 1000,
        hint=message.get("role") == "system",
        ends_call=message.get("endCallAfterSpokenEnabled") is True,
    )


def tool_result(message: Mapping[str, Any], *, language: str) -> ToolResult:
    """What a worker has to tell of a call: its outcome, and what the customer's server wants said of it."""
    said = message.get("message")
    status = message.get("status", _ANSWERED)
    moment = Moment.COMPLETE if status == _ANSWERED else Moment.FAILED
    return ToolResult(
        output=message["output"],
        # What was never sent has neither succeeded nor failed: only the model knows how to go on from there.
        moment=None if status == _REFUSED else moment,
        message=tool_message(said, language=language) if isinstance(said, Mapping) and said else None,
    )


def _text(message: Mapping[str, Any], language: str) -> str:
    contents = [one for one in _list(message, "contents") if isinstance(one, Mapping) and one.get("text")]
    mine = [one for one in contents if _base(one.get("language")) == _base(language)]
    # A wording in the callers' language, else the one for all languages, else any.
    texts = [*(one["text"] for one in mine), message.get("content"), *(one["text"] for one in contents)]
    return next((text.strip() for text in texts if isinstance(text, str)), "")


def _conditions(message: Mapping[str, Any]) -> list[Condition]:
    return [
        Condition(str(one.get("param")), str(one.get("operator")), _value(one.get("value")))
        for one in _list(message, "conditions")
        if isinstance(one, Mapping)
    ]


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _base(language: object) -> str:
    return str(language or "").partition("-")[0].lower()


def _list(message: Mapping[str, Any], key: str) -> list[Any]:
    value = message.get(key)
    return value if isinstance(value, list) else []

"""What a caller would hear about a tool call, for pages of apps that know nothing of calls."""

from collections.abc import Mapping
from typing import Any

from django import template

from calls.bridge.toolmessages import Moment, ToolMessage, pick
from calls.tool_messages import tool_messages, tool_result
from tools.outcomes import Outcome

register = template.Library()

Said = tuple[str, list[str]]


@register.simple_tag
def tool_said(messages: Any, outcome: Outcome, arguments: Mapping[str, Any]) -> list[Said]:
    """For each moment of a tool call that ended so: when it is, and what is said then, each variant one text."""
    given = tool_messages(messages if isinstance(messages, list) else [], language="")
    result = tool_result(outcome.to_json(), language="")
    said = [("At the start", _words(_variants(given, Moment.START, arguments), "Nothing of its own."))]
    said += [
        (f"After {after_ms / 1000:g} s of waiting", _words(_delayed(given, after_ms, arguments), "Nothing."))
        for after_ms in sorted({one.after_ms for one in given if one.moment is Moment.DELAYED})
    ]
    if result.message is not None:
        ending = _words([result.message], "Nothing.")
        return [*said, ("At the end, by the server's wish", ending)]
    if result.moment is None:
        return [*said, ("At the end", ["What the model makes of it: the request was never sent."])]
    title = "When it is complete" if result.moment is Moment.COMPLETE else "When it has failed"
    return [*said, (title, _words(_variants(given, result.moment, arguments), "What the model makes of it."))]


def _delayed(
    given: tuple[ToolMessage, ...], after_ms: int, arguments: Mapping[str, Any]
) -> list[ToolMessage]:
    return _variants(tuple(one for one in given if one.after_ms == after_ms), Moment.DELAYED, arguments)


def _variants(
    given: tuple[ToolMessage, ...], moment: Moment, arguments: Mapping[str, Any]
) -> list[ToolMessage]:
    """All messages of which a call takes one."""
    numbers = [1]

    def first(n: int) -> int:
        numbers[0] = n
        return 0

    found = [pick(given, moment, arguments, first)]
    found += [pick(given, moment, arguments, lambda _, k=k: k) for k in range(1, numbers[0])]  # type: ignore[misc]
    return [one for one in found if one is not None]


def _words(messages: list[ToolMessage], nothing: str) -> list[str]:
    return [_one_in_words(one) for one in messages] or [nothing]


def _one_in_words(message: ToolMessage) -> str:
    if not message.text:
        return "Silence."
    if message.hint:
        return f"A hint to the model, not spoken: “{message.text}”"
    return f"“{message.text}”" + (" The call ends then." if message.ends_call else "")

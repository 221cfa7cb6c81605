"""What is said about a tool call, in Vapi's form: its texts, each of which may be a template. Pure."""

from collections.abc import Callable, Iterator
from typing import Any

from tools.snapshots import ToolSnapshot


def message_texts(message: Any) -> Iterator[str]:
    """The texts of one message: the one for all languages, and those for single ones. A text alone is a message too."""
    if isinstance(message, str):
        yield message
    elif isinstance(message, dict):
        if isinstance(message.get("content"), str):
            yield message["content"]
        for wording in _wordings(message):
            yield wording["text"]


def message_worded(message: Any, text: Callable[[str], str]) -> Any:
    """The message with ``text`` applied to each of its texts; what is no message stays as it is."""
    if isinstance(message, str):
        return text(message)
    if not isinstance(message, dict):
        return message
    done = dict(message)
    if isinstance(message.get("content"), str):
        done["content"] = text(message["content"])
    if isinstance(message.get("contents"), list):
        done["contents"] = [
            {**one, "text": text(one["text"])} if _is_wording(one) else one for one in message["contents"]
        ]
    return done


def tool_texts(tool: ToolSnapshot) -> Iterator[str]:
    """The texts that are said of a tool: its messages, and those of its destinations before and after they are dialled."""
    for message in tool.messages:
        yield from message_texts(message)
    destinations = tool.settings.get("destinations")
    for destination in destinations if isinstance(destinations, list) else []:
        plan = _part(destination, "transferPlan")
        for part in (destination, plan, _part(plan, "fallbackPlan")):
            yield from message_texts(part.get("message") if isinstance(part, dict) else None)


def _part(whole: Any, key: str) -> Any:
    return whole.get(key) if isinstance(whole, dict) else None


def _wordings(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    contents = message.get("contents")
    yield from (one for one in (contents if isinstance(contents, list) else []) if _is_wording(one))


def _is_wording(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("text"), str)

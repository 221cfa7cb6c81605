"""The body of a tool webhook, in Vapi's current form, so that no customer's server notices a difference.

Two shapes are on purpose. ``arguments`` is an object in the three lists and a JSON string inside ``artifact``: so it
is on the wire, whatever Vapi's OpenAPI document says. And each listed call is a superset of the three forms that
Vapi's pages show, since servers were written against each of them.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tools.jsontext import json_text
from tools.orders import ToolOrder

_SECRET_KEYS = frozenset(
    {
        "apiKey", "authToken", "callToken", "clientSecret", "credentials", "privateKey", "serverUrlSecret",
        "twilioAccountSid", "twilioApiKey", "twilioApiSecret", "twilioAuthToken",
    }
)  # fmt: skip
# Names that are secret only where a server is configured.
_SECRET_KEYS_OF_SERVER = frozenset({"secret", "token"})
_SECRET_HEADER = re.compile(r"auth|cookie|key|pass|secret|signature|token", re.IGNORECASE)
# The customer's own data, in which any key may have any meaning.
_FREE_FORM = frozenset({"parameters", "arguments", "schema", "variableValues", "metadata", "properties"})


def tool_calls_body(order: ToolOrder, *, now_ms: int) -> dict[str, Any]:
    """The webhook's JSON body. ``now_ms`` is the moment of sending, in epoch milliseconds."""
    context = order.context
    customer = _part(context, "customer")
    call = {
        "id": str(order.call_id),
        "type": "inboundPhoneCall",
        "phoneCallProvider": "twilio",
        "phoneCallProviderId": order.call_sid,
        "customer": customer,
        **without_secrets(_part(context, "call")),
    }
    messages = _messages(order)
    item = _call_item(order)
    return {
        "message": {
            "timestamp": now_ms,
            "type": "tool-calls",
            "toolCalls": [item],
            "toolCallList": [item],
            "toolWithToolCallList": [
                {
                    "type": "function",
                    "async": False,
                    "function": {
                        "name": order.tool.name,
                        "description": order.tool.description,
                        "parameters": order.tool.parameters,
                    },
                    "messages": [],
                    "server": {"url": order.tool.server_url, "timeoutSeconds": order.tool.timeout_s},
                    "toolCall": item,
                }
            ],
            "artifact": {
                "messages": messages,
                "messagesOpenAIFormatted": [_openai_form(message) for message in messages],
                "transcript": _transcript(messages),
                "variableValues": _part(context, "variableValues"),
            },
            "call": call,
            "assistant": without_secrets(_part(context, "assistant")),
            "phoneNumber": without_secrets(_part(context, "phoneNumber")),
            "customer": customer or _part(call, "customer"),
            "assistantVersion": context.get("assistantVersion"),
        }
    }


def without_secrets(value: Any, *, parent: str = "") -> Any:
    """A copy without credentials, which Vapi itself leaks in its bodies. Free-form customer data is left as it is."""
    if isinstance(value, list):
        return [without_secrets(item, parent=parent) for item in value]
    if not isinstance(value, dict) or parent in _FREE_FORM:
        return value
    return {
        key: without_secrets(item, parent=key) for key, item in value.items() if not _is_secret(key, parent)
    }


def epoch_ms(moment: datetime) -> int:
    """The moment in epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def _is_secret(key: str, parent: str) -> bool:
    if parent == "headers":
        return _SECRET_HEADER.search(key) is not None
    return key in _SECRET_KEYS or (parent == "server" and key in _SECRET_KEYS_OF_SERVER)


def _part(context: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = context.get(key)
    return part if isinstance(part, dict) else {}


def _call_item(order: ToolOrder) -> dict[str, Any]:
    named = {"name": order.tool.name, "arguments": order.arguments, "parameters": order.arguments}
    return {"id": order.tool_call_id, "type": "function", **named, "function": named}


def _messages(order: ToolOrder) -> list[dict[str, Any]]:
    """The call's history with every ``arguments`` as a JSON string, this call's own request last where it lacked."""
    given = order.context.get("messages")
    given = given if isinstance(given, list) else []
    messages = [_string_arguments(message) for message in given if isinstance(message, dict)]
    if order.tool_call_id in _requested_ids(messages):
        return messages
    function = {"name": order.tool.name, "arguments": json_text(order.arguments)}
    time_ms = epoch_ms(order.requested_at)
    own = {
        "role": "tool_calls",
        "time": time_ms,
        "message": "",
        "toolCalls": [{"id": order.tool_call_id, "type": "function", "function": function}],
        "secondsFromStart": _seconds_from_start(messages, time_ms),
    }
    return [*messages, own]


def _requested_ids(messages: Iterable[dict[str, Any]]) -> set[str]:
    return {call["id"] for message in messages for call in message.get("toolCalls", []) if "id" in call}


def _seconds_from_start(messages: list[dict[str, Any]], time_ms: int) -> float:
    """Seconds from the start of the call, reckoned from the latest message that tells its own."""
    for message in reversed(messages):
        time, seconds = message.get("time"), message.get("secondsFromStart")
        if isinstance(time, int | float) and isinstance(seconds, int | float):
            return round(max(0.0, (time_ms - time) / 1000 + seconds), 3)
    return 0.0


def _string_arguments(message: dict[str, Any]) -> dict[str, Any]:
    calls = message.get("toolCalls")
    if not isinstance(calls, list):
        return {key: value for key, value in message.items() if key != "toolCalls"}
    return {**message, "toolCalls": [_string_call(call) for call in calls if isinstance(call, dict)]}


def _string_call(call: dict[str, Any]) -> dict[str, Any]:
    function = _part(call, "function")
    arguments = function.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json_text(arguments)
    return {**call, "function": {**function, "arguments": text}}


def _openai_form(message: dict[str, Any]) -> dict[str, Any]:
    """The same message as Chat Completions has it."""
    match message.get("role"):
        case "tool_calls":
            return {"role": "assistant", "content": "", "tool_calls": message.get("toolCalls", [])}
        case "tool_call_result":
            content = message.get("result", "")
            return {"role": "tool", "tool_call_id": message.get("toolCallId", ""), "content": content}
        case "bot":
            return {"role": "assistant", "content": message.get("message", "")}
        case role:
            return {"role": role, "content": message.get("message", "")}


def _transcript(messages: Iterable[dict[str, Any]]) -> str:
    """What was said, one line each, labelled and ended as Vapi does."""
    labels = {"bot": "AI", "user": "User"}
    said = ((labels.get(str(message.get("role"))), message.get("message", "")) for message in messages)
    return "".join(f"{label}: {text}\n" for label, text in said if label)

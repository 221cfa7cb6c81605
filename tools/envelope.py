"""The body of a tool webhook, in Vapi's current form or its first, so that no customer's server notices a difference.

Two shapes are on purpose. ``arguments`` is an object in the three lists and a JSON string inside ``artifact``: so it
is on the wire, whatever Vapi's OpenAPI document says. And each listed call is a superset of the three forms that
Vapi's pages show, since servers were written against each of them.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tools.jsontext import json_text
from tools.orders import ToolOrder
from tools.snapshots import ToolSnapshot

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


def webhook_body(order: ToolOrder, *, now_ms: int) -> dict[str, Any]:
    """The webhook's JSON body in the form that the tool's server knows. ``now_ms`` is the moment of sending."""
    return (
        function_call_body(order, now_ms=now_ms)
        if order.tool.legacy_form
        else tool_calls_body(order, now_ms=now_ms)
    )


def tool_calls_body(order: ToolOrder, *, now_ms: int) -> dict[str, Any]:
    """The body in Vapi's current form. ``now_ms`` is the moment of sending, in epoch milliseconds."""
    item = _call_item(order)
    messages = _messages(order)
    return {
        "message": {
            "timestamp": now_ms,
            "type": "tool-calls",
            "toolCalls": [item],
            "toolCallList": [item],
            "toolWithToolCallList": [
                {
                    **_definition(order.tool, org_id=_part(order.context, "call").get("orgId")),
                    "toolCall": item,
                }
            ],
            "artifact": {
                **_artifact(messages),
                "transcript": _transcript(messages),
                "variableValues": _part(order.context, "variableValues"),
            },
            **_surroundings(order),
            "assistantVersion": order.context.get("assistantVersion"),
        }
    }


def function_call_body(order: ToolOrder, *, now_ms: int) -> dict[str, Any]:
    """The body in Vapi's first form, of 2023 and 2024: one call, without an id, and the moment as ISO text."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    # The first form knew no message of the call's own request.
    messages = _history(order)
    return {
        "message": {
            "type": "function-call",
            "functionCall": {"name": order.tool.name_on_the_wire, "parameters": order.arguments},
            **_surroundings(order),
            "artifact": _artifact(messages),
            "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
    }


def transfer_destination_body(order: ToolOrder, *, now_ms: int) -> dict[str, Any]:
    """The body that asks a server where the call is to be transferred."""
    messages = _messages(order)
    return {
        "message": {
            "timestamp": now_ms,
            "type": "transfer-destination-request",
            "artifact": {**_artifact(messages), "transcript": _transcript(messages)},
            **_surroundings(order),
        }
    }


def history_openai(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The call's history so far as Chat Completions has it: what templates know as ``messages``."""
    given = context.get("messages")
    messages = given if isinstance(given, list) else []
    return [_openai_form(_string_arguments(message)) for message in messages if isinstance(message, dict)]


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


def _surroundings(order: ToolOrder) -> dict[str, Any]:
    """The call, and who takes part in it."""
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
    return {
        "call": call,
        "assistant": without_secrets(_part(context, "assistant")),
        "phoneNumber": without_secrets(_part(context, "phoneNumber")),
        "customer": customer or _part(call, "customer"),
    }


def _definition(tool: ToolSnapshot, *, org_id: object) -> dict[str, Any]:
    """The tool as Vapi prints it, without what convinces its server."""
    function: dict[str, Any] = {
        "name": tool.name_on_the_wire,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    strict = tool.settings.get("strict")
    if isinstance(strict, bool):
        function["strict"] = strict
    server: dict[str, Any] = {"url": tool.server_url, "timeoutSeconds": tool.timeout_s}
    if tool.backoff_plan:
        server["backoffPlan"] = tool.backoff_plan
    printed: dict[str, Any] = {
        "type": "function",
        "async": tool.asynchronous,
        "function": function,
        "messages": tool.messages,
        "server": server,
    }
    optional = {
        "id": tool.id,
        "orgId": org_id,
        "parameters": tool.static_parameters,
        "variableExtractionPlan": tool.variable_extraction,
        "rejectionPlan": tool.rejection_plan,
    }
    return printed | {key: value for key, value in optional.items() if value}


def _call_item(order: ToolOrder) -> dict[str, Any]:
    name = order.tool.name_on_the_wire
    named = {"name": name, "arguments": order.arguments, "parameters": order.arguments}
    return {"id": order.tool_call_id, "type": "function", **named, "function": named}


def _messages(order: ToolOrder) -> list[dict[str, Any]]:
    """The history with this call's own request last, where it lacked."""
    messages = _history(order)
    if order.tool_call_id in _requested_ids(messages):
        return messages
    function = {"name": order.tool.name_on_the_wire, "arguments": json_text(order.arguments)}
    time_ms = epoch_ms(order.requested_at)
    own = {
        "role": "tool_calls",
        "time": time_ms,
        "message": "",
        "toolCalls": [{"id": order.tool_call_id, "type": "function", "function": function}],
        "secondsFromStart": _seconds_from_start(messages, time_ms),
    }
    return [*messages, own]


def _history(order: ToolOrder) -> list[dict[str, Any]]:
    """The call's history with every ``arguments`` as a JSON string."""
    given = order.context.get("messages")
    given = given if isinstance(given, list) else []
    return [_string_arguments(message) for message in given if isinstance(message, dict)]


def _artifact(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "messages": messages,
        "messagesOpenAIFormatted": [_openai_form(message) for message in messages],
    }


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

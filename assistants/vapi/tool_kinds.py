"""Kinds of tools: Vapi's and ours, and what a tool of each is called where nobody has named it."""

from collections.abc import Sequence
from typing import Any, Final

from assistants.vapi.inline import inline_name
from tools.models import Tool, empty_parameters

Kind = Tool.Kind

# Kinds with a name of their own at Vapi that are ours under another.
_SAME_AS: Final = {"knowledgeBase": Kind.QUERY}
# They look like webhooks on the wire, and are ones where they have a server.
_WEBHOOK_LIKE: Final = frozenset({"make", "ghl"})
_OURS: Final = frozenset(kind.value for kind in Kind) - {Kind.OTHER.value}

_DESCRIPTIONS: Final = {
    Kind.END_CALL: "Ends the call. Use it when the conversation is over and you have said goodbye.",
    Kind.DTMF: "Presses keys of the telephone, for example to get through a menu.",
    Kind.SMS: "Sends the caller a text message.",
    Kind.VOICEMAIL: "Leaves a message and hangs up. Use it when an answering machine has picked up.",
}
_ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    Kind.DTMF: {
        "keys": {
            "type": "string",
            "description": "The keys: digits, * and #; w waits half a second, W a whole one.",
        }
    },
    Kind.SMS: {"message": {"type": "string", "description": "The text of the message."}},
}


def kind_for(vapi_type: str, *, has_server: bool) -> tuple[str, str]:
    """Our kind, and Vapi's name of it where that says more."""
    if vapi_type in _OURS:
        return vapi_type, ""
    if vapi_type in _WEBHOOK_LIKE and has_server:
        return Kind.FUNCTION.value, vapi_type[:80]
    return _SAME_AS.get(vapi_type, Kind.OTHER).value, vapi_type[:80]


def destination_name(destination: dict[str, Any]) -> str:
    """What the model calls a place to which a call can go; empty for one that has no name."""
    for key in ("number", "sipUri", "assistantName", "assistantId", "squadId"):
        value = destination.get(key)
        if isinstance(value, str) and value:
            return value
    return inline_name(destination)


def name_for(kind: str, vapi_type: str, destinations: Sequence[dict[str, Any]]) -> str:
    """The name of a tool that nobody has named, as Vapi would tell the model."""
    if kind == Kind.HANDOFF:
        names = [name for name in map(destination_name, destinations) if name]
        return f"handoff_to_{names[0]}" if len(names) == 1 else "handoff"
    return (vapi_type if kind == Kind.OTHER else kind) or "tool"


def description_for(kind: str, destinations: Sequence[dict[str, Any]]) -> str:
    """What the model is told of a tool that nobody has described; empty where there is nothing to say."""
    if kind not in (Kind.TRANSFER, Kind.HANDOFF):
        return _DESCRIPTIONS.get(Kind(kind), "")
    does = "Transfers the caller." if kind == Kind.TRANSFER else "Hands the caller over to another assistant."
    lines = [
        f"{name}: {destination['description']}"
        for destination in destinations
        if (name := destination_name(destination)) and isinstance(destination.get("description"), str)
    ]
    return "\n".join([does, *lines])


def parameters_for(kind: str, destinations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The arguments of a tool that nobody has given any."""
    parameters = empty_parameters()
    names = list(dict.fromkeys(name for name in map(destination_name, destinations) if name))
    if kind == Kind.TRANSFER or (kind == Kind.HANDOFF and len(names) > 1):
        if names:
            parameters["properties"] = {"destination": {"type": "string", "enum": names}}
            parameters["required"] = ["destination"]
    elif kind in _ARGUMENTS:
        parameters["properties"] = dict(_ARGUMENTS[kind])
        parameters["required"] = list(_ARGUMENTS[kind])
    return parameters

"""What a running call takes at its control address, and the WebSockets at which it is followed."""

from typing import Any, Final

from calls.live.bodies import CONTROLS, FIELDS, LONGEST, LONGEST_NOTE
from calls.live.orders import ROLES
from tools.access.described import (
    Operation,
    Part,
    Schema,
    Socket,
    flag,
    number,
    one_of,
    record,
    ref,
    text,
)

_SPOKEN: Final = text("What is said, word for word.", maxLength=LONGEST, minLength=1)
_CONTENT: Final = text("Said to the caller first.", maxLength=LONGEST)
_BY_NAME: Final[dict[str, Schema]] = {
    "content": _SPOKEN,
    "endCallAfterSpoken": flag("Hang up when the caller has heard it."),
    "interruptAssistantEnabled": flag("At once, in place of what the assistant is saying."),
    "interruptionsEnabled": flag("The caller may cut it short."),
    "triggerResponseEnabled": flag("Whether the assistant answers it. On by default."),
    "control": one_of(CONTROLS),
    "videoRecordingStartDelaySeconds": number("Ignored: there is no video."),
}
_MESSAGE: Final[Schema] = {"anyOf": [text(), {"type": "object"}, {"type": "null"}]}
_OF_KIND: Final[dict[str, dict[str, Schema]]] = {
    "say": {"message": text("Vapi's older name of content.", maxLength=LONGEST, minLength=1)},
    "add-message": {
        "message": record(
            {"role": one_of(ROLES), "content": text(maxLength=LONGEST_NOTE, minLength=1)},
            "Put into the conversation.",
            required="role content",
        )
    },
    "transfer": {
        "content": _CONTENT,
        "destination": {
            "description": "Where the call goes: a number in E.164 form, or a SIP address. Settings of Vapi's beside it are taken.",
            "type": "object",
            "properties": {
                "type": one_of(("number", "sip")),
                "number": text(),
                "sipUri": text(),
                "message": _MESSAGE,
            },
            "required": ["type"],
        },
    },
    "handoff": {
        "content": _CONTENT,
        "destination": {
            "description": "An assistant of the call's squad, by name or id.",
            "type": "object",
            "properties": {
                "type": one_of(("assistant",)),
                "assistantName": text(),
                "assistantId": text(),
                "message": _MESSAGE,
            },
            "required": ["type"],
        },
    },
    "send-transport-message": {
        "message": {"description": "Always refused: Twilio takes no messages for a call."}
    },
}
_REQUIRED: Final = {
    "add-message": "message",
    "control": "control",
    "transfer": "destination",
    "handoff": "destination",
}


def _order(kind: str) -> Schema:
    fields: dict[str, Any] = {name: {**_BY_NAME, **_OF_KIND.get(kind, {})}[name] for name in FIELDS[kind]}
    return record({"type": one_of((kind,)), **fields}, required=f"type {_REQUIRED.get(kind, '')}")


LIVE_CALLS: Final = Part(
    "Running calls",
    "A call can be followed and told what to do while it goes on. `monitor.listenUrl` and `monitor.controlUrl` of the call "
    "carry a token of that one call and need no key, unless its assistant's `monitorPlan` asks for one.",
    (
        Operation(
            "POST", "/call/{id}/control", "call_control", "Tell a running call what to do", "call:write",
            record({}, "Taken: the process that has the call will do it."),
            description="Say something, add a message, mute, end, transfer or hand over. A sentence comes after what the "
            "assistant is saying, unless it is to interrupt.",
            body=ref("Order"), public=True, tokened=True,
            example={"type": "say", "content": "One moment, please.", "endCallAfterSpoken": False},
        ),
    ),
    {"Order": {"anyOf": [_order(kind) for kind in FIELDS]}},
    (
        Socket(
            "/call/{id}/listen", "Listen to a running call", "call:read",
            "First a text message `{type: start, encoding: linear16, sampleRate: 16000, channels: 2}`, then binary ones: 16-bit "
            "samples, the caller left and the assistant right, as they are heard. Opened by the token of `monitor.listenUrl`, or "
            "by a key, private or public.",
        ),
        Socket(
            "/call/{id}/transcript", "Read along", "call:read",
            "Everything said so far, then what follows: one JSON object a message, as Vapi's `transcript` messages, each with its "
            "place `seq`. `?after=<seq>` goes on behind one. Opened by a private key.",
        ),
    ),
)  # fmt: skip

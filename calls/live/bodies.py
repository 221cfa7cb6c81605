"""What is sent to a call's control address, in Vapi's words: read into an order, or into what is wrong with it. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from calls.live import orders
from calls.live.control import say_message
from tools.destinations import number_dialled, sip_uri_dialled

Body = Mapping[str, Any]
LONGEST: Final = 4000  # letters; some five minutes of speech
LONGEST_NOTE: Final = 20_000  # nobody hears it; a page of what is known of the caller
MOST_OF_DESTINATION: Final = 10_000  # bytes: it is kept with the call, and travels to the process that has it
CONTROLS: Final[dict[str, dict[str, Any]]] = {
    "mute-assistant": {"type": orders.MUTE, "who": "assistant", "on": True},
    "unmute-assistant": {"type": orders.MUTE, "who": "assistant", "on": False},
    "mute-customer": {"type": orders.MUTE, "who": "customer", "on": True},
    "unmute-customer": {"type": orders.MUTE, "who": "customer", "on": False},
    "say-first-message": {"type": orders.SAY_FIRST_MESSAGE},
}
_OF_A_MESSAGE: Final = ("role", "content")
_FLAGS: Final = ("endCallAfterSpoken", "interruptAssistantEnabled", "interruptionsEnabled")


def order_asked(body: Body) -> dict[str, Any] | list[str]:
    """The order, as it travels; or one sentence for each thing that is wrong."""
    kind = body.get("type")
    read = _KINDS.get(kind) if isinstance(kind, str) else None
    if read is None:
        return [f"type must be one of the following values: {', '.join(_KINDS)}"]
    fields, order = read
    unknown = [f"property {name} should not exist" for name in body if name not in {"type", *fields}]
    found = order(body)
    problems = [*unknown, *(found if isinstance(found, list) else [])]
    return problems or found


def _say(body: Body) -> dict[str, Any] | list[str]:
    # Vapi's web client calls it `message`.
    name = "message" if "content" not in body and "message" in body else "content"
    problems = [*_text_problems(body, name), *_flag_problems(body, *_FLAGS)]
    if problems:
        return problems
    return say_message(
        spoken_clean(body[name]),
        end_after=bool(body.get("endCallAfterSpoken")),
        interrupt=bool(body.get("interruptAssistantEnabled")),
        interruptible=bool(body.get("interruptionsEnabled")),
    )


def _add_message(body: Body) -> dict[str, Any] | list[str]:
    message = body.get("message")
    if not isinstance(message, Mapping):
        return ["message must be an object"]
    problems = [
        *(f"message.property {name} should not exist" for name in message if name not in _OF_A_MESSAGE),
        *(
            []
            if message.get("role") in orders.ROLES
            else [f"message.role must be one of: {', '.join(orders.ROLES)}"]
        ),
        *_text_problems(message, "content", at="message.", longest=LONGEST_NOTE),
        *_flag_problems(body, "triggerResponseEnabled"),
    ]
    return problems or {
        "type": orders.ADD_MESSAGE,
        "message": {"role": message["role"], "content": message["content"].strip()},
        "trigger_response": body.get("triggerResponseEnabled") is not False,
    }


def _control(body: Body) -> dict[str, Any] | list[str]:
    control = body.get("control")
    found = CONTROLS.get(control) if isinstance(control, str) else None
    return dict(found) if found else [f"control must be one of the following values: {', '.join(CONTROLS)}"]


def _end_call(_: Body) -> dict[str, Any]:
    return {"type": orders.END}


def _transfer(body: Body) -> dict[str, Any] | list[str]:
    destination = body.get("destination")
    if not isinstance(destination, Mapping):
        return ["destination must be an object"]
    problems = [*_text_problems(body, "content", optional=True), *_destination_problems(destination)]
    match destination.get("type"):
        case "number" if not number_dialled(destination):
            problems.append("destination.number must be a telephone number in E.164 form")
        case "sip" if not sip_uri_dialled(destination):
            problems.append("destination.sipUri must be a SIP address")
        case "number" | "sip":
            pass
        case _:
            problems.append("destination.type must be one of the following values: number, sip")
    return problems or _moved(orders.TRANSFER, body, destination)


def _handoff(body: Body) -> dict[str, Any] | list[str]:
    destination = body.get("destination")
    if not isinstance(destination, Mapping):
        return ["destination must be an object"]
    problems = [*_text_problems(body, "content", optional=True), *_destination_problems(destination)]
    named = [destination.get(name) for name in ("assistantName", "assistantId")]
    if any(one is not None and not isinstance(one, str) for one in named):
        problems.append("destination.assistantName and destination.assistantId must be strings")
    elif destination.get("type") != "assistant":
        problems.append("destination.type must be assistant: a call is handed to a member of its squad")
    elif not any(isinstance(one, str) and one.strip() for one in named):
        problems.append(
            "destination needs assistantName or assistantId: other assistants are no part of a call"
        )
    return problems or _moved(orders.HANDOFF, body, destination)


def _moved(kind: str, body: Body, destination: Body) -> dict[str, Any]:
    return {
        "type": kind,
        "destination": dict(destination),
        "content": spoken_clean(body.get("content") or ""),
    }


def _transport(_: Body) -> list[str]:
    return ["send-transport-message is not supported: Twilio takes no messages for a call"]


def _destination_problems(destination: Body) -> Iterator[str]:
    if len(json.dumps(dict(destination))) > MOST_OF_DESTINATION:
        yield f"destination must be shorter than or equal to {MOST_OF_DESTINATION} bytes"
    if not isinstance(destination.get("message"), str | Mapping | None):
        yield "destination.message must be a string or an object"


def _text_problems(
    body: Body, name: str, *, at: str = "", optional: bool = False, longest: int = LONGEST
) -> list[str]:
    value = body.get(name)
    if value is None and optional:
        return []
    if not isinstance(value, str):
        return [f"{at}{name} must be a string"]
    if not value.strip() and not optional:
        return [f"{at}{name} should not be empty"]
    if len(value) > longest:
        return [f"{at}{name} must be shorter than or equal to {longest} characters"]
    return []


def _flag_problems(body: Body, *names: str) -> list[str]:
    return [f"{one} must be a boolean value" for one in names if not isinstance(body.get(one, False), bool)]


def spoken_clean(text: str) -> str:
    """What is to be said, on one line: breaks and control characters are nothing that could be heard."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


_KINDS: Final[dict[str, tuple[tuple[str, ...], Callable[[Body], Any]]]] = {
    "say": (("content", "message", *_FLAGS), _say),
    "add-message": (("message", "triggerResponseEnabled"), _add_message),
    "control": (("control", "videoRecordingStartDelaySeconds"), _control),
    "end-call": ((), _end_call),
    "transfer": (("destination", "content"), _transfer),
    "handoff": (("destination", "content"), _handoff),
    "send-transport-message": (("message",), _transport),
}
# What each kind of order has beside its type.
FIELDS: Final[dict[str, tuple[str, ...]]] = {kind: fields for kind, (fields, _) in _KINDS.items()}

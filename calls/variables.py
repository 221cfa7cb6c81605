"""The values that a call's templates see, as Vapi names and writes them, and the templates rendered with them. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from assistants.snapshots import Snapshot
from calls.resuming import resumed
from calls.selectors import StreamCall
from tools.extraction import names_taught
from tools.liquid import render
from tools.liquid.bag import moment_variables
from tools.messages import message_worded
from tools.models import Tool
from tools.snapshots import ToolSnapshot

# The templates of a snapshot that are one text each, as people know them. The apology is the telephone network's to
# speak, when all else has failed, and is not rendered.
_TEXTS = {
    "instructions": "Prompt",
    "first_message": "First message",
    "end_call_message": "Last message",
    "voicemail_message": "Voicemail message",
}


@dataclass(frozen=True, slots=True)
class RenderedSnapshot:
    """A snapshot whose texts are final, the names that had no value, and what was wrong with its templates."""

    snapshot: Snapshot
    undefined: tuple[str, ...]
    errors: tuple[str, ...]


def call_rendered(call: StreamCall, *, now: datetime, given: Mapping[str, Any] | None = None) -> StreamCall:
    """The call with its variables and every template of its assistant rendered. ``given`` wins over all other values."""
    own: object = call.snapshot.variables  # JSON that people write
    learnt = call.resumption.learnt if call.resumption else {}
    values = {**(own if isinstance(own, Mapping) else {}), **call.given, **learnt, **(given or {})}
    variables = call_variables(call, now=now, given=values)
    rendered = snapshot_rendered(call.snapshot, variables, now=now)
    # What was said is no template, so it comes in last.
    return resumed(
        replace(
            call,
            snapshot=rendered.snapshot,
            tools_written=call.snapshot.tools,
            variables=variables,
            undefined=rendered.undefined,
            template_errors=rendered.errors,
        ),
        now=now,
    )


def call_learns(call: StreamCall, learnt: Mapping[str, Any], *, now: datetime) -> StreamCall:
    """The call with its tools worded anew, now that tools have taught these values; the same call if that changes nothing."""
    text = _Words({**call.variables, **learnt}, now)
    tools = tuple(_tool_worded(tool, text) for tool in call.tools_written)
    if not tools or tools == call.snapshot.tools:
        return call
    return replace(call, snapshot=replace(call.snapshot, tools=tools))


def call_variables(
    call: StreamCall, *, now: datetime, given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Vapi's built-in variables of this call, and what was ``given``, which wins; an object wins key by key."""
    call_id, assistant = str(call.call_id), call.snapshot
    variables: dict[str, Any] = {
        **moment_variables(now),
        "customer": {"number": call.caller},
        "phoneNumber": {
            "id": call.phone_number_id,
            "number": call.did,
            **({"name": call.phone_number_label} if call.phone_number_label else {}),
        },
        "call": {
            "id": call_id,
            "type": "outboundPhoneCall" if call.outbound else "inboundPhoneCall",
            "status": "ringing",  # as of its creation, like the call in a webhook
            "startedAt": call.created_at.astimezone(UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "assistantId": assistant.known_id,
        },
        "assistant": {"id": assistant.known_id, "name": assistant.name},
        "transport": {"provider": "twilio", "callSid": call.call_sid, "conversationType": "voice"},
    }
    for name, value in (given or {}).items():
        known = variables.get(name)
        both = isinstance(known, dict) and isinstance(value, Mapping)
        variables[name] = {**known, **value} if both else value  # type: ignore[dict-item]
    return variables


class _Words:
    """Renders templates with the same values, and remembers what they lacked."""

    def __init__(self, variables: Mapping[str, Any], now: datetime) -> None:
        self._variables = variables
        self._now = now
        self.undefined: dict[str, None] = {}  # in their order
        self.errors: dict[str, None] = {}

    def __call__(self, template: str, label: str, taught: frozenset[str] = frozenset()) -> str:
        rendered = render(template, self._variables, now=self._now)
        lacking = [name for name in rendered.undefined if re.split(r"[.\[]", name)[0] not in taught]
        self.undefined |= dict.fromkeys(lacking)
        if rendered.error:
            self.errors[f"{label}: {rendered.error}"] = None
        return rendered.text


def snapshot_rendered(snapshot: Snapshot, variables: Mapping[str, Any], *, now: datetime) -> RenderedSnapshot:
    """The snapshot with its prompt, its messages, its tools' and its history rendered. A faulty template stays as it stands."""
    text = _Words(variables, now)
    changed: dict[str, Any] = {
        field: text(getattr(snapshot, field), label) for field, label in _TEXTS.items()
    }
    changed["idle_messages"] = tuple(text(message, "Idle message") for message in snapshot.idle_messages)
    changed["history"] = [
        {**message, "content": text(message["content"], "History")} if _has_content(message) else message
        for message in snapshot.history
    ]
    taught = frozenset[str]().union(
        *(names_taught(tool.variable_extraction, tool.settings) for tool in snapshot.tools)
    )
    changed["tools"] = tuple(_tool_worded(tool, text, taught) for tool in snapshot.tools)
    return RenderedSnapshot(replace(snapshot, **changed), tuple(text.undefined), tuple(text.errors))


def _tool_worded(tool: ToolSnapshot, words: _Words, taught: frozenset[str] = frozenset()) -> ToolSnapshot:
    """The tool with what is said of it, and its destinations, rendered. ``taught`` names may get their values later."""

    def text(template: str) -> str:
        return words(template, tool.name, taught)

    messages = [message_worded(message, text) for message in tool.messages]
    if tool.kind != Tool.Kind.TRANSFER:
        return replace(tool, messages=messages)
    return replace(tool, messages=messages, settings=_destinations_rendered(tool.settings, text))


def _has_content(message: object) -> bool:
    return isinstance(message, Mapping) and isinstance(message.get("content"), str)


# Of a destination. Its number is its name too, and the messages of a summary see what only exists later.
_DESTINATION_TEXTS = ("callerId", "extension")


def _destinations_rendered(settings: dict[str, Any], text: Callable[[str], str]) -> dict[str, Any]:
    stored = settings.get("destinations")
    if not isinstance(stored, list):
        return settings
    return {**settings, "destinations": [destination_rendered(one, text) for one in stored]}


def destination_rendered(destination: Any, text: Callable[[str], str]) -> Any:
    """A transfer's destination in Vapi's words with its templates rendered by ``text``."""
    if not isinstance(destination, dict):
        return destination
    done = _message_rendered(_texts_rendered(destination, _DESTINATION_TEXTS, text), text)
    headers, plan = done.get("sipHeaders"), done.get("transferPlan")
    if isinstance(headers, dict):
        done["sipHeaders"] = _texts_rendered(headers, tuple(headers), text)
    if isinstance(plan, dict):
        done["transferPlan"] = plan = _message_rendered(plan, text)
        if isinstance(plan.get("fallbackPlan"), dict):
            plan["fallbackPlan"] = _message_rendered(plan["fallbackPlan"], text)
    return done


def _message_rendered(stored: dict[str, Any], text: Callable[[str], str]) -> dict[str, Any]:
    return {**stored, **({"message": message_worded(stored["message"], text)} if "message" in stored else {})}


def _texts_rendered(
    stored: dict[str, Any], keys: tuple[str, ...], text: Callable[[str], str]
) -> dict[str, Any]:
    return {
        key: text(value) if key in keys and isinstance(value, str) else value for key, value in stored.items()
    }

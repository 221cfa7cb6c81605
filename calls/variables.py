"""The values that a call's templates see, as Vapi names and writes them, and the templates rendered with them. Pure."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from assistants.snapshots import Snapshot
from calls.resuming import resumed
from calls.selectors import StreamCall
from tools.liquid import Rendered, render
from tools.liquid.strftime import strftime
from tools.models import Tool

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
    values = {**(own if isinstance(own, Mapping) else {}), **(given or {})}
    variables = call_variables(call, now=now, given=values)
    rendered = snapshot_rendered(call.snapshot, variables, now=now)
    # What was said is no template, so it comes in last.
    return resumed(
        replace(
            call,
            snapshot=rendered.snapshot,
            variables=variables,
            undefined=rendered.undefined,
            template_errors=rendered.errors,
        ),
        now=now,
    )


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
            "type": "inboundPhoneCall",
            "status": "ringing",  # as of its creation, like the call in a webhook
            "startedAt": call.created_at.astimezone(UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "assistantId": assistant.assistant_id,
        },
        "assistant": {"id": assistant.assistant_id, "name": assistant.name},
        "transport": {"provider": "twilio", "callSid": call.call_sid, "conversationType": "voice"},
    }
    for name, value in (given or {}).items():
        known = variables.get(name)
        both = isinstance(known, dict) and isinstance(value, Mapping)
        variables[name] = {**known, **value} if both else value  # type: ignore[dict-item]
    return variables


def moment_variables(now: datetime) -> dict[str, str]:
    """Vapi's ``now``, ``date``, ``time`` and their parts: texts, in UTC."""
    utc = now.astimezone(UTC)
    both = strftime(utc, "%b %-d, %Y, %-I:%M %p UTC")
    return {
        "now": both,
        "currentDateTime": both,
        "date": strftime(utc, "%b %-d, %Y"),
        "time": strftime(utc, "%-I:%M %p"),
        "month": strftime(utc, "%B"),
        "day": strftime(utc, "%-d"),
        "year": strftime(utc, "%Y"),
    }


def snapshot_rendered(snapshot: Snapshot, variables: Mapping[str, Any], *, now: datetime) -> RenderedSnapshot:
    """The snapshot with its prompt, its messages and its history rendered. A faulty template stays as it stands."""
    done: list[tuple[str, Rendered]] = []

    def text(template: str, label: str) -> str:
        rendered = render(template, variables, now=now)
        done.append((label, rendered))
        return rendered.text

    changed: dict[str, Any] = {
        field: text(getattr(snapshot, field), label) for field, label in _TEXTS.items()
    }
    changed["idle_messages"] = tuple(text(message, "Idle message") for message in snapshot.idle_messages)
    changed["history"] = [
        {**message, "content": text(message["content"], "History")} if _has_content(message) else message
        for message in snapshot.history
    ]
    changed["tools"] = tuple(
        replace(
            tool, settings=_destinations_rendered(tool.settings, functools.partial(text, label=tool.name))
        )
        if tool.kind == Tool.Kind.TRANSFER
        else tool
        for tool in snapshot.tools
    )
    undefined = dict.fromkeys(name for _, rendered in done for name in rendered.undefined)
    errors = dict.fromkeys(f"{label}: {rendered.error}" for label, rendered in done if rendered.error)
    return RenderedSnapshot(replace(snapshot, **changed), tuple(undefined), tuple(errors))


def _has_content(message: object) -> bool:
    return isinstance(message, Mapping) and isinstance(message.get("content"), str)


# Of a destination. Its number is its name too, and the messages of a summary see what only exists later.
_DESTINATION_TEXTS = ("message", "callerId", "extension")
_PLAN_TEXTS = ("message",)


def _destinations_rendered(settings: dict[str, Any], text: Callable[[str], str]) -> dict[str, Any]:
    stored = settings.get("destinations")
    if not isinstance(stored, list):
        return settings
    return {**settings, "destinations": [destination_rendered(one, text) for one in stored]}


def destination_rendered(destination: Any, text: Callable[[str], str]) -> Any:
    """A transfer's destination in Vapi's words with its templates rendered by ``text``."""
    if not isinstance(destination, dict):
        return destination
    done = _texts_rendered(destination, _DESTINATION_TEXTS, text)
    headers, plan = done.get("sipHeaders"), done.get("transferPlan")
    if isinstance(headers, dict):
        done["sipHeaders"] = _texts_rendered(headers, tuple(headers), text)
    if isinstance(plan, dict):
        done["transferPlan"] = plan = _texts_rendered(plan, _PLAN_TEXTS, text)
        if isinstance(plan.get("fallbackPlan"), dict):
            plan["fallbackPlan"] = _texts_rendered(plan["fallbackPlan"], _PLAN_TEXTS, text)
    return done


def _texts_rendered(
    stored: dict[str, Any], keys: tuple[str, ...], text: Callable[[str], str]
) -> dict[str, Any]:
    return {
        key: text(value) if key in keys and isinstance(value, str) else value for key, value in stored.items()
    }

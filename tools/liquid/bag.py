"""What the templates of a tool may speak of: the call, who takes part in it, the moment, and the call's variables."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tools.envelope import history_openai
from tools.liquid.strftime import strftime


def template_bag(context: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """The variables of a tool's templates. The call's own variables win over everything built in, as on Vapi."""
    call = _part(context, "call")
    return {
        **moment_variables(now),
        "call": call,
        "assistant": _part(context, "assistant"),
        "phoneNumber": _part(context, "phoneNumber"),
        "customer": _part(context, "customer"),
        "transport": {
            "callSid": call.get("phoneCallProviderId", ""),
            "conversationType": "voice",
            "provider": "twilio",
        },
        "messages": history_openai(context),
        **_part(context, "variableValues"),
    }


def moment_variables(now: datetime) -> dict[str, str]:
    """Vapi's ``now``, ``date``, ``time`` and their parts: texts, in UTC."""
    utc = now.astimezone(UTC)
    formats = {
        "now": "%b %-d, %Y, %-I:%M %p UTC",
        "currentDateTime": "%b %-d, %Y, %-I:%M %p UTC",
        "date": "%b %-d, %Y",
        "time": "%-I:%M %p",
        "month": "%B",
        "day": "%-d",
        "year": "%Y",
    }
    return {name: strftime(utc, form) for name, form in formats.items()}


def _part(context: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = context.get(key)
    return part if isinstance(part, dict) else {}

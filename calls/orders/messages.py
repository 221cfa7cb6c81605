"""A message that was put into a call from outside, as Vapi's history tells it. Pure."""

from collections.abc import Mapping
from typing import Any, Final

_ROLES: Final = {"assistant": "bot"}
# Where it comes from, beside what was said: nobody has heard it.
SOURCE: Final = "control"


def message_added(role: str, text: str, times: Mapping[str, Any]) -> dict[str, Any]:
    """The message; ``times`` are its ``time`` and ``secondsFromStart``."""
    spoken = {} if role == "system" else {"endTime": times["time"], "duration": 0}
    return {"role": _ROLES.get(role, role), "message": text, **times, **spoken, "source": SOURCE}


def is_added(message: Mapping[str, Any]) -> bool:
    """Whether it was put into the conversation, and not said."""
    return message.get("source") == SOURCE

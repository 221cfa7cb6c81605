"""Destinations of tools that are other assistants, in Vapi's words. Pure."""

from collections.abc import Mapping
from typing import Any

from assistants.vapi.tool_kinds import destination_name
from tools.models import Tool
from tools.snapshots import ToolSnapshot

_KINDS = frozenset({Tool.Kind.HANDOFF.value, Tool.Kind.TRANSFER.value})
_TYPES = ("assistant", "squad")


def hands_over(tool: ToolSnapshot) -> bool:
    """Whether a tool can give the call to another assistant."""
    return bool(destinations_of(tool))


def destinations_of(tool: ToolSnapshot) -> list[tuple[str, dict[str, Any]]]:
    """The destinations of a tool that are assistants or squads, each with what the model calls it; the last of a name counts."""
    listed = tool.settings.get("destinations") if tool.kind in _KINDS else None
    found: dict[str, dict[str, Any]] = {}
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and one.get("type") in _TYPES:
            found[destination_name(one)] = one
    found.pop("", None)  # Vapi does not offer what has no name
    return list(found.items())


def destination_named(tool: ToolSnapshot, name: str) -> Mapping[str, Any]:
    """The destination of that name; empty where there is none."""
    return dict(destinations_of(tool)).get(name, {})

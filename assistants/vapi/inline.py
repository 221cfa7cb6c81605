"""Whole assistants and squads that stand inside destinations of tools, instead of being named there."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from assistants.vapi.paths import value_at

# What of a destination's overrides every call carries out as it is handed over, whoever takes it.
OVERRIDES_DONE: Final = frozenset({"variableValues", "firstMessage", "firstMessageMode"})
_TOOLS: Final = (("model", "tools"), ("tools:append",))
_PARTS: Final = ("assistant", "assistantOverrides", "membersOverrides")
_OVERRIDES: Final = ("assistantOverrides", "squadOverrides")


def overrides_left(over: Mapping[str, Any]) -> list[str]:
    """What of a destination's overrides takes an assistant of its own."""
    return sorted(name for name, value in over.items() if name not in OVERRIDES_DONE and value is not None)


def inline_assistant(destination: object) -> dict[str, Any]:
    """The assistant that a destination holds; empty where it names one, or is none."""
    return _inside(destination, "assistant")


def inline_squad(destination: object) -> dict[str, Any]:
    """The same of a squad."""
    return _inside(destination, "squad")


def _inside(destination: object, kind: str) -> dict[str, Any]:
    if not isinstance(destination, dict) or destination.get("type") != kind or destination.get(f"{kind}Id"):
        return {}
    found = destination.get(kind)
    return found if isinstance(found, dict) else {}


def inline_name(destination: Mapping[str, Any]) -> str:
    """What the model calls a destination by what it holds; empty where that is nothing."""
    for kind, found in (("assistant", inline_assistant(destination)), ("squad", inline_squad(destination))):
        name = found.get("name")
        if found:
            return name if isinstance(name, str) and name.strip() else kind
    return ""


def inline_documents(document: object) -> Iterator[dict[str, Any]]:
    """All assistants, squads and overrides inside the destinations of a tool, of an assistant, of overrides or of a squad, and
    those inside them."""
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        if not isinstance(holder, dict):
            continue
        found = [part for one in destinations_in(holder) for part in _parts(one)]
        yield from found
        members = holder.get("members")
        waiting += [*found, *(members if isinstance(members, list) else ())]
        waiting += [holder.get(name) for name in _PARTS]


def _parts(destination: dict[str, Any]) -> Iterator[dict[str, Any]]:
    over = (destination.get(name) for name in _OVERRIDES)
    for one in (inline_assistant(destination), inline_squad(destination), *over):
        if isinstance(one, dict) and one:
            yield one


def destinations_in(holder: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The destinations of a tool or of a member of a squad, and of the tools that stand inside an assistant or overrides."""
    listed = [holder.get("destinations"), holder.get("assistantDestinations")]
    for path in _TOOLS:
        tools = value_at(holder, path)
        given = tools if isinstance(tools, list) else []
        listed += [tool.get("destinations") for tool in given if isinstance(tool, dict)]
    for one in listed:
        yield from (each for each in (one if isinstance(one, list) else ()) if isinstance(each, dict))


def changed_in(document: Mapping[str, Any]) -> list[str]:
    """The ids of assistants that destinations in a document name and change, or that squads inside them name."""
    found: dict[str, None] = {}
    inside = list(inline_documents(document))
    for holder in (document, *inside):
        for one in destinations_in(holder):
            over, named = one.get("assistantOverrides"), one.get("assistantId")
            if isinstance(over, dict) and isinstance(named, str) and overrides_left(over):
                found[named] = None
    for member in (one for holder in inside for one in members_in(holder)):
        if isinstance(named := member.get("assistantId"), str):
            found[named] = None
    return list(found)


def members_in(holder: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The members of a squad; none of an assistant."""
    members = holder.get("members")
    return [one for one in (members if isinstance(members, list) else ()) if isinstance(one, dict)]

"""Destinations that are other assistants, read from Vapi's words: who takes over, and what they get to know. Pure.

Two generations of them exist: transfers with a ``transferMode``, and handoffs with a ``contextEngineeringPlan``.
"""

import copy
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from assistants.handoffs import destination_named, destinations_of
from calls.bridge.plan import SUCCESS, Keeps, Place, Taker
from calls.transfers import spoken_message
from tools.extraction import variables_extract
from tools.models import Tool
from tools.schemas import ArgumentsError, arguments_restore
from tools.snapshots import ToolSnapshot

# The tool that offers Vapi's older destinations in a squad, whatever our kind of it is.
_OLDER = Tool.Kind.TRANSFER.value
_REMOVES = "swap-system-message-in-history-and-remove-transfer-tool-messages"
_PLANS = {
    "userAndAssistantMessages": Keeps.MESSAGES,
    "previousAssistantMessages": Keeps.PREVIOUS,
    "lastNMessages": Keeps.LAST,
    "none": Keeps.NONE,
}
# What of a destination's overrides is carried out, by Vapi's name and ours.
OVERRIDES = {"firstMessage": "first_message", "firstMessageMode": "first_message_mode"}
Ways = Mapping[str, Mapping[str, str]]


def takers(tool: ToolSnapshot, ways: Ways, *, language: str) -> tuple[Place, ...]:
    """The assistants that a tool can hand the call over to. ``ways`` are their ids, by tool and destination."""
    ids = ways.get(tool.name, {})
    return tuple(
        Place(name, _announcement(tool, destination, language), _taker(tool, destination, ids[name]))
        for name, destination in destinations_of(tool)
        if name in ids
    )


def _announcement(tool: ToolSnapshot, destination: Mapping[str, Any], language: str) -> str | None:
    if "message" in destination:
        return spoken_message(destination["message"], language)
    older = "transferMode" in destination or _OLDER in (tool.name_on_the_wire, tool.kind)
    return None if older else ""


def _taker(tool: ToolSnapshot, destination: Mapping[str, Any], key: str) -> Taker:
    result = tool.settings.get("defaultResult")
    keeps, last = keeps_named(destination)
    return Taker(
        key=key,
        keeps=keeps,
        last=last,
        keeps_handoff=destination.get("transferMode") != _REMOVES,
        result=result if isinstance(result, str) and result else SUCCESS,
    )


def keeps_named(destination: Mapping[str, Any]) -> tuple[Keeps, int]:
    """What a destination has its assistant know of the conversation, and how many messages, where that is a number."""
    plan = destination.get("contextEngineeringPlan")
    plan = plan if isinstance(plan, Mapping) else {"type": plan}
    if destination.get("transferMode") == "delete-history":
        return Keeps.NONE, 0
    most = plan.get("maxMessages")
    last = round(most) if isinstance(most, int | float) and most > 0 else 0
    return _PLANS.get(str(plan.get("type")), Keeps.ALL), last


def parameters_offered(tool: ToolSnapshot, names: Iterable[str]) -> dict[str, Any]:
    """The arguments of a tool that hands over: where to, among these, and what the destinations want to know."""
    names = list(dict.fromkeys(names))
    schema = {"type": "object", **copy.deepcopy(tool.parameters)}
    properties = schema.get("properties")
    properties = schema["properties"] = dict(properties) if isinstance(properties, dict) else {}
    required = schema.get("required")
    required = list(required) if isinstance(required, list) else []
    if len(names) > 1 and "destination" not in properties:
        properties["destination"] = {"type": "string"}
        required.append("destination")
    wanted = properties.get("destination")
    if isinstance(wanted, dict) and (len(names) > 1 or "enum" in wanted):
        properties["destination"] = {**wanted, "type": "string", "enum": names}
    for name, destination in destinations_of(tool):
        asked, needed = _extracted(destination.get("variableExtractionPlan"))
        properties |= {one: shape for one, shape in asked.items() if one not in properties}
        # What one of several destinations needs is not needed for the others.
        required += [one for one in needed if names == [name] and one not in required]
    if required:
        schema["required"] = required
    return schema


def _extracted(plan: object) -> tuple[dict[str, Any], list[str]]:
    """The values that a plan takes from the model, each with its schema, and those that it must have."""
    schema = plan.get("schema") if isinstance(plan, Mapping) else None
    if not isinstance(schema, dict):
        return {}, []
    properties, needed, title = schema.get("properties"), schema.get("required"), schema.get("title")
    if isinstance(properties, dict):
        return properties, [one for one in (needed if isinstance(needed, list) else []) if one in properties]
    return ({title: schema}, []) if isinstance(title, str) and title else ({}, [])


def values_extracted(
    tool: ToolSnapshot,
    name: str,
    arguments: Mapping[str, Any],
    *,
    variables: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """What the call learns from the arguments of a tool that hands over to the destination of this name."""
    destination = destination_named(tool, name)
    plan = destination.get("variableExtractionPlan")
    if not isinstance(plan, Mapping):
        return {}
    names = [one for one, _ in destinations_of(tool)]
    try:
        given = arguments_restore(dict(arguments), parameters_offered(tool, names))
    except ArgumentsError:
        given = dict(arguments)  # the caller is handed over all the same; what cannot be read is left out
    asked, _ = _extracted(plan)
    taken = {one: given[one] for one in asked if one in given} if isinstance(given, dict) else {}
    schema = {"type": "object", "properties": asked}
    return variables_extract({**plan, "schema": schema}, taken, variables=variables, now=now)


def overrides_of(tool: ToolSnapshot, name: str) -> Mapping[str, Any]:
    """What the destination of this name changes of the assistant, in Vapi's words."""
    destination = destination_named(tool, name)
    found = [destination.get(key) for key in ("assistantOverrides", "squadOverrides")]
    return {key: value for one in found if isinstance(one, Mapping) for key, value in one.items()}

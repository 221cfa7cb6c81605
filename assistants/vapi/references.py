"""Which other objects a Vapi object refers to by id, wherever in it that stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

Target = Literal["tool", "assistant", "squad"]

_SINGLE: Final[dict[str, Target]] = {
    "toolId": "tool",  # hooks, toolRefs
    "declineToolId": "tool",  # compliancePlan.recordingConsentPlan
    "assistantId": "assistant",  # squad members, handoff destinations, phone numbers
    "squadId": "squad",
}
_MANY: Final[dict[str, Target]] = {"toolIds": "tool"}
# What stands in these is the customer's own: an `assistantId` in there is a word like any other.
_FREE: Final = frozenset(
    {"metadata", "variableValues", "parameters", "schema", "properties", "body", "headers", "credentials"}
)


@dataclass(frozen=True, slots=True)
class References:
    """Ids in the order in which they are first mentioned, each once."""

    tools: tuple[str, ...] = ()
    assistants: tuple[str, ...] = ()
    squads: tuple[str, ...] = ()


def references_in(raw: Any) -> References:
    """The ids of tools, assistants and squads that a Vapi object mentions."""
    found: dict[Target, dict[str, None]] = {"tool": {}, "assistant": {}, "squad": {}}
    for target, object_id in _walk(raw):
        found[target][object_id] = None
    return References(tuple(found["tool"]), tuple(found["assistant"]), tuple(found["squad"]))


def _walk(value: Any) -> Iterator[tuple[Target, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _FREE:
                continue
            if key in _SINGLE and isinstance(item, str) and item:
                yield _SINGLE[key], item
            elif key in _MANY and isinstance(item, list):
                yield from ((_MANY[key], entry) for entry in item if isinstance(entry, str) and entry)
            else:
                yield from _walk(item)

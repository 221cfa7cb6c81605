"""What tests of the translation share: a catalogue, exports made of JSON, and a look at one finding."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assistants.vapi.drafts import AssistantDraft, Catalogue, Drafts, Finding, SquadDraft, ToolDraft
from assistants.vapi.exports import Export, Item
from assistants.vapi.translate import ToolInfo, translate

FIXTURES = Path(__file__).parents[3] / "tests" / "fixtures" / "vapi"

CATALOGUE = Catalogue(
    realtime_models=(
        "gpt-realtime-2.1",
        "gpt-realtime-2.1-mini",
        "gpt-realtime-2",
        "gpt-realtime",
        "gpt-realtime-mini",
    ),
    default_model="gpt-realtime-2.1",
    small_model="gpt-realtime-2.1-mini",
    transcription_models=("gpt-transcribe", "whisper-1"),
    default_transcription_model="gpt-transcribe",
    realtime_voices=("alloy", "ash", "cedar", "coral", "marin", "shimmer"),
    default_voice="marin",
    voices={
        ("11labs", "sarah"): ("coral", "female, warm"),
        ("11labs", ""): ("marin", ""),
        ("openai", "onyx"): ("ash", "male, deep"),
        ("vapi", "clara"): ("coral", "female"),
    },
)


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def export(
    *,
    assistants: Sequence[Any] = (),
    tools: Sequence[Any] = (),
    squads: Sequence[Any] = (),
    numbers: Sequence[Any] = (),
) -> Export:
    return Export(
        assistants=tuple(Item("assistant", raw, "test") for raw in assistants),
        tools=tuple(Item("tool", raw, "test") for raw in tools),
        squads=tuple(Item("squad", raw, "test") for raw in squads),
        phone_numbers=tuple(Item("phone-number", raw, "test") for raw in numbers),
    )


def drafts(
    *,
    known_tools: Mapping[str, ToolInfo] | None = None,
    known_assistants: Mapping[str, str] | None = None,
    **items: Sequence[Any],
) -> Drafts:
    return translate(
        export(**items), CATALOGUE, known_tools=known_tools or {}, known_assistants=known_assistants or {}
    )


def everything(known_assistants: Mapping[str, str] | None = None) -> Drafts:
    """All fixtures in one export."""
    return drafts(
        known_assistants=known_assistants,
        assistants=[fixture("assistant-clinic.json"), fixture("assistant-restaurant.json")],
        tools=fixture("tools.json"),
        squads=[fixture("assistant-squad.json")],
    )


def assistant(raw: Mapping[str, Any], **items: Any) -> AssistantDraft:
    """One assistant with a prompt and a name, unless the raw object says otherwise."""
    base = {"id": "a1", "name": "Desk", "model": {"messages": [{"role": "system", "content": "Be kind."}]}}
    return drafts(assistants=[{**base, **raw}], **items).assistants[0]


def tool(raw: Mapping[str, Any], **items: Any) -> ToolDraft:
    return drafts(tools=[{"id": "t1", **raw}], **items).tools[0]


def finding(draft: AssistantDraft | ToolDraft | SquadDraft | Any, path: str) -> Finding:
    """The finding on that place, of which there must be exactly one."""
    (found,) = [one for one in draft.findings if one.path == path]
    return found


def codes(draft: Any) -> set[str]:
    """The codes of all decisions."""
    return {one.code for one in draft.findings if one.code}

"""What tests of the translation share: a catalogue, exports made of JSON, and looks at what is found."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from assistants.models import Assistant
from assistants.vapi.drafts import (
    ABSENT,
    AssistantDraft,
    Catalogue,
    Drafts,
    Finding,
    NumberDraft,
    SquadDraft,
    ToolDraft,
    Verdict,
)
from assistants.vapi.exports import Export, Item
from assistants.vapi.paths import path_text
from assistants.vapi.translate import ToolInfo, translate
from tools.models import Tool

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

AnyDraft = AssistantDraft | ToolDraft | SquadDraft | NumberDraft

SERVER = {"url": "https://shop.example/hook"}
SECRET = "hunter2-hunter2"
SECRETIVE: dict[str, Any] = {
    "serverUrlSecret": SECRET,
    "server": {
        **SERVER,
        "secret": SECRET,
        "headers": {"Authorization": f"Bearer {SECRET}", "X-Site": "north"},
    },
    "credentials": [{"provider": "openai", "apiKey": SECRET, "nested": {"anything": SECRET}}],
    "metadata": {"apiKey": SECRET, "deep": [{"password": SECRET}]},
    "model": {
        "messages": [{"role": "system", "content": "Be kind."}],
        "headers": {"x-api-key": SECRET},
        "tools": [
            {
                "type": "function",
                "function": {"name": "f"},
                "server": {**SERVER, "secret": SECRET, "headers": {"X-Token": SECRET}},
            },
            {
                "type": "apiRequest",
                "name": "g",
                "url": "https://shop.example",
                "headers": {
                    "type": "object",
                    "properties": {"Authorization": {"type": "string", "value": SECRET}},
                },
            },
            {
                "type": "code",
                "function": {"name": "h"},
                "environmentVariables": [{"name": "K", "value": SECRET}],
            },
        ],
    },
}


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


def model(**fields: Any) -> dict[str, Any]:
    return {"model": {"messages": [{"role": "system", "content": "Be kind."}], **fields}}


def all_drafts(found: Drafts) -> Iterator[AnyDraft]:
    yield from found.tools
    yield from found.assistants
    yield from found.squads
    yield from found.numbers


def scalars(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every scalar and empty container, whatever any rule says."""
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from scalars(item, (*path, key))
    elif path:
        yield path


def assert_each_leaf_once(draft: AnyDraft) -> None:
    """Each leaf has exactly one finding: its own, or that of the whole that it is part of."""
    paths = [one.path for one in draft.findings]
    assert len(paths) == len(set(paths))
    present = {one.path for one in draft.findings if one.source is not ABSENT}
    for leaf in scalars(draft.raw):
        above = [path_text(leaf[:end]) for end in range(1, len(leaf) + 1)]
        assert len(present.intersection(above)) == 1, path_text(leaf)
    for one in draft.findings:
        assert one.reason.endswith((".", "”")), one
        assert bool(one.code) or one.verdict is not Verdict.DECISION, one


def assert_our_models_take_it(found: Drafts) -> None:
    drafts_with_fields: list[AssistantDraft | ToolDraft] = [*found.assistants, *found.tools]
    for draft in drafts_with_fields:
        model: type[Assistant | Tool] = Assistant if isinstance(draft, AssistantDraft) else Tool
        for name, value in draft.fields.items():
            column = model._meta.get_field(name)
            if column.is_relation:
                continue
            try:
                column.clean(value, None)  # type: ignore[union-attr]  # it is no relation
            except ValidationError as exc:
                pytest.fail(f"{name}: {exc.messages} for {value!r}")
        json.dumps(draft.fields, allow_nan=False)

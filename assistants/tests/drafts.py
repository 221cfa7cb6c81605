"""Drafts as a translation gives them, made by hand."""

from typing import Any

from assistants.models import VapiImport
from assistants.vapi.drafts import (
    ABSENT,
    AssistantDraft,
    Drafts,
    Finding,
    NumberDraft,
    SquadDraft,
    ToolDraft,
    Verdict,
)

DESK = "b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11"
LOOKUP = "11111111-aaaa-4aaa-8aaa-000000000001"


def make_run(**fields: Any) -> VapiImport:
    """A run to import under."""
    return VapiImport.objects.create(
        **{"source": "export.json", "status": VapiImport.Status.RUNNING, **fields}
    )


def finding(path: str, verdict: Verdict = Verdict.KEPT, **fields: Any) -> Finding:
    """A finding about one leaf."""
    return Finding(path=path, verdict=verdict, **{"source": "x", **fields})


def make_tool_draft(*, key: str = LOOKUP, name: str = "lookup", **fields: Any) -> ToolDraft:
    """A webhook tool."""
    settings = {
        "kind": "function",
        "name": name,
        "description": "Looks something up.",
        "parameters": {"type": "object", "properties": {}},
        "server_url": "https://hooks.example.com/tools",
        **fields.pop("settings", {}),
    }
    defaults: dict[str, Any] = {
        "raw": {"id": key, "type": "function", "function": {"name": name}},
        "findings": (
            finding("function.name", source=name, field="name", ours=name),
            finding("function.description", field="description", ours=settings["description"]),
        ),
    }
    return ToolDraft(key=key, name=name, fields=settings, **{**defaults, **fields})


def make_assistant_draft(*, key: str = DESK, name: str = "Front desk", **fields: Any) -> AssistantDraft:
    """An assistant without tools, with one open decision."""
    settings = {
        "name": name,
        "instructions": "You answer the phone.",
        "first_message": "Good morning.",
        "voice": "marin",
        "model": "gpt-realtime-2.1",
        "transcription_model": "gpt-transcribe",
        "speed": 1.0,
        "language": "en",
        **fields.pop("settings", {}),
    }
    defaults: dict[str, Any] = {
        "raw": {"id": key, "name": name},
        "findings": (
            finding("name", source=name, field="name", ours=name),
            finding("model.messages[0].content", field="instructions", ours="You answer the phone."),
            finding("voice.voiceId", Verdict.CONVERTED, source="sarah", field="voice", ours="marin"),
            finding("backgroundSound", Verdict.DROPPED, source="office", reason="There is none here."),
            finding(
                "server.secret",
                Verdict.DECISION,
                source=ABSENT,
                field="server_secret",
                reason="Enter the secret.",
                code="missing_secret",
            ),
        ),
    }
    return AssistantDraft(key=key, name=name, fields=settings, **{**defaults, **fields})


def make_drafts(**fields: Any) -> Drafts:
    """One assistant that offers one tool, unless told otherwise."""
    tool = make_tool_draft()
    return Drafts(**{"tools": (tool,), "assistants": (make_assistant_draft(tools=(tool.key,)),), **fields})


def make_squad_draft(
    *, key: str = "squad-1", name: str = "Team", members: tuple[str, ...] = (DESK,)
) -> SquadDraft:
    """A squad."""
    return SquadDraft(
        key=key, name=name, raw={"id": key, "name": name}, findings=(finding("name"),), members=members
    )


def make_number_draft(
    *, key: str = "number-1", did: str = "+13125550100", answers: str = DESK, **fields: Any
) -> NumberDraft:
    """A Twilio number."""
    raw = {"id": key, "provider": "twilio", "number": did, "assistantId": answers}
    findings = (finding("number", source=did), finding("assistantId", source=answers))
    defaults: dict[str, Any] = {"raw": raw, "findings": findings, "label": "Main line", "name": "Main line"}
    return NumberDraft(key=key, did=did, answers=answers, **{**defaults, **fields})

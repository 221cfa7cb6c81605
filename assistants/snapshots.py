"""The frozen shape of a published assistant: what a call runs on, and nothing secret."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Prefetch, QuerySet

from assistants.models import Assistant, AssistantTool
from tools.models import Tool
from tools.snapshots import ToolSnapshot


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of an assistant that a call depends on, durations with their unit in the name."""

    assistant_id: str
    name: str
    instructions: str
    first_message_mode: str
    first_message: str
    first_message_interruptible: bool
    end_call_message: str
    apology: str
    model: str
    model_reasons: bool
    voice: str
    speed: float
    reasoning_effort: str
    max_output_tokens: int
    transcription_model: str
    transcription_takes_languages: bool
    language: str
    vad_threshold: float
    vad_silence_ms: int
    vad_prefix_ms: int
    noise_reduction: str
    max_duration_s: int
    silence_timeout_s: int
    server_url: str
    tools: tuple[ToolSnapshot, ...]

    def to_json(self) -> dict[str, Any]:
        """The snapshot as JSON-ready values."""
        return asdict(self)

    def fingerprint(self) -> str:
        """A short text that differs when anything in the snapshot does."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]


def tool_links_prefetch() -> Prefetch[str]:
    """For querysets of many assistants: with it ``snapshot_take`` needs no query of its own."""
    return Prefetch("assistanttool_set", queryset=_tool_links(), to_attr="tool_links")


def _tool_links() -> QuerySet[AssistantTool]:
    # A snapshot holds no secret, so none is opened for it.
    return AssistantTool.objects.select_related("tool").defer("tool__server_secret")


def snapshot_take(assistant: Assistant) -> Snapshot:
    """The assistant's draft and its tools, as they are now, or were when ``tool_links_prefetch`` ran."""
    prefetched: list[AssistantTool] | None = getattr(assistant, "tool_links", None)
    links = _tool_links().filter(assistant=assistant) if prefetched is None else prefetched
    tools = [link.tool for link in links]
    return Snapshot(
        assistant_id=str(assistant.id),
        name=assistant.name,
        instructions=assistant.instructions,
        first_message_mode=assistant.first_message_mode,
        first_message=assistant.first_message.strip(),
        first_message_interruptible=assistant.first_message_interruptible,
        end_call_message=assistant.end_call_message.strip(),
        apology=assistant.apology,
        model=assistant.model.name,
        model_reasons=assistant.model.reasoning,
        voice=str(assistant.voice_id),
        speed=float(assistant.speed),
        reasoning_effort=assistant.reasoning_effort,
        max_output_tokens=assistant.max_output_tokens,
        transcription_model=assistant.transcription_model.name,
        transcription_takes_languages=assistant.transcription_model.takes_languages,
        language=assistant.language,
        vad_threshold=float(assistant.vad_threshold),
        vad_silence_ms=assistant.vad_silence_ms,
        vad_prefix_ms=assistant.vad_prefix_ms,
        noise_reduction=assistant.noise_reduction,
        max_duration_s=assistant.max_duration_s,
        silence_timeout_s=assistant.silence_timeout_s,
        server_url=assistant.server_url,
        tools=tuple(_tool_take(tool, assistant) for tool in tools),
    )


def _tool_take(tool: Tool, assistant: Assistant) -> ToolSnapshot:
    return ToolSnapshot(
        id=str(tool.id),
        kind=tool.kind,
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters,
        server_url=tool.server_url or assistant.server_url,
        timeout_s=tool.timeout_s,
    )


def snapshot_read(stored: dict[str, Any]) -> Snapshot:
    """The snapshot behind a stored version. Raises TypeError for a shape that no release ever wrote."""
    try:
        fields = dict(stored)
        fields["tools"] = tuple(ToolSnapshot(**tool) for tool in stored["tools"])
        return Snapshot(**fields)
    except (KeyError, ValueError) as exc:
        raise TypeError("not the shape of a snapshot") from exc


def draft_differs(assistant: Assistant) -> bool:
    """Whether publishing now would change what callers hear; also when what they hear cannot be read."""
    if assistant.live_version is None:
        return True
    try:
        live = snapshot_read(assistant.live_version.snapshot)
    except TypeError:
        return True
    return live != snapshot_take(assistant)

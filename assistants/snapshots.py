"""The frozen shape of a published assistant: what a call runs on, and nothing secret."""

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import Any

from django.db.models import Prefetch, QuerySet

from assistants.models import Assistant, AssistantTool
from tools.snapshots import ToolSnapshot, tool_snapshots_take

PLACING = ("voicemailDetection", "voicemailDetectionEnabled", "transportConfigurations")


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
    history: list[dict[str, Any]] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    end_call_phrases: tuple[str, ...] = ()
    voicemail_message: str = ""
    idle_messages: tuple[str, ...] = ()
    idle_timeout_s: float = 7.5
    idle_max_count: int = 3
    idle_resets: bool = False
    keywords: tuple[str, ...] = ()
    turn_detection: str = "server_vad"
    eagerness: str = "auto"
    interruptible: bool = True
    interrupt_words: int = 0
    keypad_enabled: bool = False
    keypad_timeout_s: float = 2.0
    keypad_delimiters: str = "#"
    metadata: dict[str, Any] = field(default_factory=dict)
    recording_enabled: bool = False
    redact: tuple[str, ...] = ()
    hipaa: bool = False
    retention_days: int | None = None
    analysis_enabled: bool = False
    analysis_plan: dict[str, Any] = field(default_factory=dict)
    monitor_plan: dict[str, Any] = field(default_factory=dict)
    server_messages: list[str] | None = None
    # Of Vapi's settings those that say how a call is placed: voicemailDetection and transportConfigurations.
    placing: dict[str, Any] = field(default_factory=dict)
    # It came with a call, so there is no assistant that programs could ask for.
    transient: bool = False

    @property
    def known_id(self) -> str | None:
        """The id that programs may ask for the assistant by; None of one that came with the call."""
        return None if self.transient else self.assistant_id

    def to_json(self) -> dict[str, Any]:
        """The snapshot as JSON-ready values, which are its own: they are to be read, or written as they are."""
        # Not ``asdict``, which copies every schema of every tool.
        values = {name: getattr(self, name) for name in _FIELDS}
        values["tools"] = tuple({name: getattr(tool, name) for name in _OF_TOOLS} for tool in self.tools)
        return values

    def fingerprint(self) -> str:
        """A short text that differs when anything in the snapshot does."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]


_FIELDS = tuple(one.name for one in fields(Snapshot))
_OF_TOOLS = tuple(one.name for one in fields(ToolSnapshot))
_TUPLES = ("end_call_phrases", "idle_messages", "keywords", "redact")


def tool_links_prefetch() -> Prefetch[str]:
    """For querysets of many assistants: with it ``snapshot_take`` needs no query of its own."""
    return Prefetch("assistanttool_set", queryset=_tool_links(), to_attr="tool_links")


def _tool_links() -> QuerySet[AssistantTool]:
    # A snapshot holds no secret, so none is opened for it.
    return AssistantTool.objects.select_related("tool").defer("tool__server_secret", "tool__server_headers")


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
        tools=tool_snapshots_take(
            tools,
            server_url=assistant.server_url,
            backoff_plan=assistant.server_backoff_plan,
            encrypted_paths=assistant.server_encrypted_paths,
        ),
        history=assistant.history,
        variables=assistant.variables,
        end_call_phrases=_lines(assistant.end_call_phrases),
        voicemail_message=assistant.voicemail_message.strip(),
        idle_messages=_lines(assistant.idle_messages),
        idle_timeout_s=assistant.idle_timeout_s,
        idle_max_count=assistant.idle_max_count,
        idle_resets=assistant.idle_resets,
        keywords=_lines(assistant.keywords),
        turn_detection=assistant.turn_detection,
        eagerness=assistant.eagerness,
        interruptible=assistant.interruptible,
        interrupt_words=assistant.interrupt_words,
        keypad_enabled=assistant.keypad_enabled,
        keypad_timeout_s=assistant.keypad_timeout_s,
        keypad_delimiters=assistant.keypad_delimiters,
        metadata=assistant.metadata,
        recording_enabled=assistant.recording_enabled,
        redact=tuple(assistant.redact),
        hipaa=assistant.hipaa,
        retention_days=assistant.retention_days,
        analysis_enabled=assistant.analysis_enabled,
        analysis_plan=assistant.analysis_plan,
        monitor_plan=assistant.monitor_plan,
        server_messages=assistant.server_messages,
        placing={name: assistant.plans[name] for name in PLACING if name in assistant.plans},
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def snapshot_read(stored: dict[str, Any]) -> Snapshot:
    """The snapshot behind a stored version. Raises TypeError for a shape that no release ever wrote."""
    try:
        fields = dict(stored)
        fields["tools"] = tuple(ToolSnapshot(**tool) for tool in stored["tools"])
        # JSON has no tuples.
        fields |= {name: tuple(fields[name]) for name in _TUPLES if name in fields}
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

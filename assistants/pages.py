"""A snapshot as people read it: settings in groups, each with its name in words, whatever is stored."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from assistants.models import Assistant
from assistants.snapshots import Snapshot
from tools.adminkit import json_pretty
from tools.models import Tool

# What a call depends on, in the order of the assistant's own page. The prompt and the tools are shown apart.
_LABELS: dict[str, str] = {
    "name": "Name",
    "first_message_mode": "How the call begins",
    "first_message": "First message",
    "first_message_interruptible": "Caller may interrupt the first message",
    "history": "Messages before the call",
    "variables": "Variables",
    "end_call_message": "Last message",
    "end_call_phrases": "Phrases that end the call",
    "voicemail_message": "Voicemail message",
    "idle_messages": "Said when the caller is silent",
    "idle_timeout_s": "… after (seconds)",
    "idle_max_count": "… at most (times)",
    "idle_resets": "… counted anew when the caller has spoken",
    "apology": "Apology",
    "model": "Model",
    "voice": "Voice",
    "speed": "Speaking speed",
    "reasoning_effort": "Reasoning effort",
    "max_output_tokens": "Longest answer (tokens)",
    "transcription_model": "Transcription",
    "language": "Language",
    "keywords": "Keywords",
    "noise_reduction": "Noise reduction",
    "turn_detection": "End of the caller's turn",
    "eagerness": "Eagerness",
    "interruptible": "Caller may interrupt",
    "interrupt_words": "Words that interrupt",
    "keypad_enabled": "Caller may use the keypad",
    "keypad_timeout_s": "Keypad pause (seconds)",
    "keypad_delimiters": "Keypad end keys",
    "vad_threshold": "Speech threshold",
    "vad_silence_ms": "End of turn (ms of silence)",
    "vad_prefix_ms": "Audio kept before speech (ms)",
    "max_duration_s": "Longest call (seconds)",
    "silence_timeout_s": "Hang up after silence (seconds)",
    "server_url": "Server URL",
    "metadata": "Metadata",
    "recording_enabled": "Calls are recorded",
    "redact": "Never written down",
    "hipaa": "Health information (HIPAA)",
    "retention_days": "Records are kept for (days)",
    "analysis_enabled": "Finished calls are analysed",
    "analysis_plan": "Analysis after the call",
    "monitor_plan": "Listening in and control",
    "server_messages": "Events sent to the server",
    "placing": "How calls are placed",
}
_HIDDEN = {
    "transient",
    "assistant_id",
    "instructions",
    "tools",
    "model_reasons",
    "transcription_takes_languages",
}
_CHOICES: dict[str, dict[Any, Any]] = {
    "first_message_mode": dict(Assistant.FirstMessageMode.choices),
    "noise_reduction": dict(Assistant.NoiseReduction.choices),
    "reasoning_effort": dict(Assistant.Effort.choices),
    "turn_detection": dict(Assistant.TurnDetection.choices),
    "eagerness": dict(Assistant.Eagerness.choices),
}
_MISSING = object()
# What every release has written; later settings have a default, so a version without them is still whole.
_REQUIRED = {
    field.name for field in fields(Snapshot) if field.default is MISSING and field.default_factory is MISSING
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a settings table; ``was`` is the live value where it differs, else None."""

    label: str
    value: str
    was: str | None = None


@dataclass(frozen=True, slots=True)
class ToolView:
    """One tool of a snapshot; ``change`` says in a word what publishing does to it."""

    name: str
    kind: str
    description: str
    parameters_text: str
    server_url: str
    timeout_s: object
    change: str = ""


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """A snapshot made readable. ``odd`` says that it has not the shape that this release writes."""

    prompt: str
    prompt_changed: bool
    settings: list[Setting]
    tools: list[ToolView]
    dropped_tools: list[str]
    odd: bool

    @property
    def changed(self) -> bool:
        """Whether anything differs from what it was compared with."""
        return (
            self.prompt_changed
            or bool(self.dropped_tools)
            or any(setting.was is not None for setting in self.settings)
            or any(tool.change for tool in self.tools)
        )


def snapshot_view(stored: object, *, live: object = None) -> SnapshotView:
    """The stored snapshot made readable, compared with the live one if that is given. Takes any shape."""
    stored_fields: Mapping[str, Any] = stored if isinstance(stored, dict) else {}
    before: Mapping[str, Any] | None = live if isinstance(live, dict) else None
    tools, old_tools = _tools(stored_fields), _tools(before or {})
    names = {tool["name"] for tool in tools}
    return SnapshotView(
        prompt=str(stored_fields.get("instructions", "")),
        prompt_changed=before is not None and before.get("instructions") != stored_fields.get("instructions"),
        settings=_settings(stored_fields, before),
        tools=[_tool_view(tool, old_tools if before is not None else None) for tool in tools],
        dropped_tools=[tool["name"] for tool in old_tools if tool["name"] not in names],
        odd=not stored_fields.keys() >= _REQUIRED,
    )


def _settings(fields: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[Setting]:
    unknown = sorted(fields.keys() - _LABELS.keys() - _HIDDEN)
    found = []
    for key in [*_LABELS, *unknown]:
        value = fields.get(key, _MISSING)
        if value is _MISSING:
            continue
        old = before.get(key, _MISSING) if before is not None else value
        label = _LABELS.get(key, key)
        found.append(Setting(label, _in_words(key, value), None if old == value else _in_words(key, old)))
    return found


def _in_words(key: str, value: Any) -> str:
    if value is _MISSING or value is None:
        return "not set"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if key in _CHOICES and isinstance(value, str) and value in _CHOICES[key]:
        return str(_CHOICES[key][value])
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        value = "; ".join(value)
    elif isinstance(value, list | dict):
        value = json_pretty(value) if value else ""
    return str(value) if value != "" else "empty"


def _tools(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    tools = fields.get("tools")
    listed = tools if isinstance(tools, list | tuple) else []
    return [{"name": "?", **tool} for tool in listed if isinstance(tool, dict)]


def _tool_view(tool: dict[str, Any], before: list[dict[str, Any]] | None) -> ToolView:
    change = ""
    if before is not None:
        same_id = [old for old in before if old.get("id") == tool.get("id")]
        change = "new" if not same_id else "" if same_id[0] == tool else "changed"
    kinds = dict(Tool.Kind.choices)
    kind = tool.get("kind", "?")
    return ToolView(
        name=str(tool["name"]),
        kind=str(kinds.get(kind, kind)) if isinstance(kind, str) else "?",
        description=str(tool.get("description", "")),
        parameters_text=json_pretty(tool.get("parameters")),
        server_url=str(tool.get("server_url", "")),
        timeout_s=tool.get("timeout_s", "?"),
        change=change,
    )

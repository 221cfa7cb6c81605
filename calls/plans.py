"""From a published assistant to what the bridge needs of it."""

from typing import Any

from assistants.snapshots import Snapshot
from calls.bridge.plan import FirstMessageMode, Plan, ToolSpec
from tools.kinds import RUNS
from tools.models import Tool


def plan_from_snapshot(snapshot: Snapshot) -> Plan:
    """The plan that a call runs on. Raises ValueError for a first message mode that does not exist."""
    return Plan(
        instructions=snapshot.instructions,
        tools=tuple(
            ToolSpec(
                name=tool.name,
                description=tool.description,
                parameters=tool.parameters or {"type": "object", "properties": {}},
                timeout_s=float(tool.timeout_s),
                ends_call=tool.kind == Tool.Kind.END_CALL,
            )
            for tool in snapshot.tools
            if tool.kind in RUNS
        ),
        first_message_mode=FirstMessageMode(snapshot.first_message_mode),
        first_message=snapshot.first_message,
        first_message_interruptible=snapshot.first_message_interruptible,
        end_call_message=snapshot.end_call_message,
        apology=snapshot.apology,
        voice=snapshot.voice,
        speed=snapshot.speed,
        reasoning_effort=snapshot.reasoning_effort if snapshot.model_reasons else None,
        max_output_tokens=snapshot.max_output_tokens,
        transcription=_transcription(snapshot),
        noise_reduction=snapshot.noise_reduction,
        vad_threshold=snapshot.vad_threshold,
        vad_prefix_ms=snapshot.vad_prefix_ms,
        vad_silence_ms=snapshot.vad_silence_ms,
        max_duration_s=float(snapshot.max_duration_s),
        silence_timeout_s=float(snapshot.silence_timeout_s),
    )


def _transcription(snapshot: Snapshot) -> dict[str, Any]:
    """The transcription settings; newer models take a list of languages, older ones a single one, none takes both."""
    settings: dict[str, Any] = {"model": snapshot.transcription_model}
    if snapshot.language and snapshot.transcription_takes_languages:
        settings["languages"] = [snapshot.language]
    elif snapshot.language:
        settings["language"] = snapshot.language
    return settings

"""The settings of a Realtime session: what holds before any update, and after one."""

import time
from typing import Any, Final

from simulator import validation
from simulator.vad import Vad

JSON = dict[str, Any]

_MAX_DURATION_S: Final = 3600
_PCM: Final = {"type": "audio/pcm", "rate": 24000}
_SERVER_VAD: Final = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,  # in a real session.created, whatever the documentation says
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Final = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
# Silence after which a semantic detector is played as being sure; a guess, in the order of the eagerness.
_EAGER_SILENCE_MS: Final = {"low": 1000, "medium": 600, "auto": 600, "high": 300}


def defaults(model: str, session_id: str) -> JSON:
    """The session as `session.created` shows it."""
    settings: JSON = {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": int(time.time()) + _MAX_DURATION_S,
        "audio": {
            "input": {
                "format": _PCM,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": _PCM, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }
    if validation.reasons(model):
        settings["reasoning"] = {"effort": "low"}
    return settings


def merged(settings: JSON, update: JSON) -> JSON:
    """The settings after a checked update: only the fields that are present change."""
    audio = update.get("audio", {})
    heard = {**settings["audio"]["input"], **audio.get("input", {})}
    detection = heard["turn_detection"]
    if detection is not None:
        base = _SEMANTIC_VAD if detection["type"] == "semantic_vad" else _SERVER_VAD
        heard["turn_detection"] = {**base, **detection}
    spoken = {**settings["audio"]["output"], **audio.get("output", {})}
    return {**settings, **update, "audio": {"input": heard, "output": spoken}}


def vad_of(settings: JSON, *, position: int) -> Vad | None:
    """The detector that the settings ask for, None when turns are the client's business."""
    detection = settings["audio"]["input"]["turn_detection"]
    if detection is None:
        return None
    if detection["type"] == "semantic_vad":
        return Vad(silence_duration_ms=_EAGER_SILENCE_MS[detection["eagerness"]], position=position)
    return Vad(
        threshold=detection["threshold"],
        prefix_padding_ms=detection["prefix_padding_ms"],
        silence_duration_ms=detection["silence_duration_ms"],
        position=position,
    )

"""The Realtime API's rules for client events, checked as strictly as the service does.

Sources: OpenAI's API description, its typed client library, and live behaviour as public logs show it.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final

from simulator.checks import (
    Check,
    RefusedError,
    anything,
    array,
    boolean,
    by_type,
    decimal,
    expect,
    fields,
    integer,
    nullable,
    one_of,
    string,
)

__all__ = ["EVENTS", "RefusedError", "audio_of", "client_event", "reasons", "session_update"]

JSON = dict[str, Any]

VOICES: Final = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
_LIVE_TRANSCRIPTION: Final = frozenset({"gpt-live-transcribe", "gpt-realtime-whisper"})
_LANGUAGES_MODELS: Final = frozenset({"gpt-transcribe", "gpt-live-transcribe"})
_TRANSCRIPTION_MODELS: Final = (
    *("gpt-transcribe", "gpt-live-transcribe", "gpt-realtime-whisper", "gpt-4o-transcribe"),
    *(
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
        "gpt-4o-transcribe-diarize",
        "whisper-1",
    ),
)
_TOP_LEVEL_FORBIDDEN: Final = ("oneOf", "anyOf", "allOf", "enum", "not")
_MAX_APPEND_BYTES: Final = 15 * 1024 * 1024


# Tools


def _tool_schema(value: Any, path: str, name: str) -> None:
    def refuse(why: str) -> RefusedError:
        return RefusedError(
            "invalid_function_parameters", f"Invalid schema for function '{name}': {why}", path
        )

    expect(value, dict, "an object", path)
    if value.get("type") != "object" or any(word in value for word in _TOP_LEVEL_FORBIDDEN):
        raise refuse(
            "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
        )
    properties = value.get("properties", {})
    if not isinstance(properties, dict):
        raise refuse("'properties' must be an object.")
    _arrays_have_items(value, (), refuse)


def _arrays_have_items(schema: Any, where: tuple[str, ...], refuse: Callable[[str], RefusedError]) -> None:
    if isinstance(schema, list):
        for entry in schema:
            _arrays_have_items(entry, where, refuse)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "array" and "items" not in schema:
        raise refuse(f"In context={where}, array schema missing items.")
    for key in ("properties", "$defs"):
        for name, inner in (schema.get(key) or {}).items():
            _arrays_have_items(inner, (*where, key, name), refuse)
    for key in ("items", "anyOf", "oneOf", "allOf"):
        _arrays_have_items(schema.get(key), (*where, key), refuse)


_FUNCTION: Final = fields(
    {
        "type": one_of("function"),
        "name": string(most=64, pattern="[a-zA-Z0-9_-]{1,64}"),
        "description": string(),
        "parameters": anything,
    },
    required=("name",),
)
_MCP: Final = fields(
    {
        "type": one_of("mcp"),
        "server_label": string(),
        "server_url": string(),
        "tunnel_id": string(),
        "connector_id": string(),
        "headers": nullable(anything),
        "authorization": string(),
        "allowed_tools": nullable(anything),
        "require_approval": nullable(anything),
        "server_description": string(),
        "defer_loading": boolean,
        "allowed_callers": nullable(anything),
    },
    required=("server_label",),
)


def tools(value: Any, path: str) -> None:
    """A session's or response's tools: flat functions with unique names, at most 128."""
    array(by_type({"function": _FUNCTION, "mcp": _MCP}), most=128)(value, path)
    seen: set[str] = set()
    for index, tool in enumerate(value):
        if tool["type"] != "function":
            continue
        if tool["name"] in seen:
            raise RefusedError(
                "invalid_value", f"Duplicate tool name: '{tool['name']}'.", f"{path}[{index}].name"
            )
        seen.add(tool["name"])
        if "parameters" in tool:
            _tool_schema(tool["parameters"], f"{path}[{index}].parameters", tool["name"])


def _tool_choice(value: Any, path: str) -> None:
    if isinstance(value, str):
        one_of("none", "auto", "required")(value, path)
        return
    by_type(
        {
            "function": fields({"type": anything, "name": string()}, required=("name",)),
            "mcp": fields(
                {"type": anything, "server_label": string(), "name": nullable(string())},
                required=("server_label",),
            ),
        }
    )(value, path)


# Sessions


def _max_tokens(value: Any, path: str) -> None:
    if value != "inf":
        integer(1, 4096)(value, path)


def _modalities(value: Any, path: str) -> None:
    array(one_of("text", "audio"), least=1)(value, path)
    if len(value) != 1:
        message = f"Invalid modalities: {value}. Supported combinations are: ['text'] and ['audio']."
        raise RefusedError("invalid_value", message, path)


def _voice(value: Any, path: str) -> None:
    if isinstance(value, dict):
        fields({"id": string()}, required=("id",))(value, path)
    else:
        one_of(*VOICES)(value, path)


def _truncation(value: Any, path: str) -> None:
    if isinstance(value, str):
        one_of("auto", "disabled")(value, path)
        return
    limits = fields({"post_instructions": integer(0, 1_000_000)})
    by_type(
        {
            "retention_ratio": fields(
                {"type": anything, "retention_ratio": decimal(0, 1), "token_limits": limits},
                required=("retention_ratio",),
            )
        }
    )(value, path)


def _tracing(value: Any, path: str) -> None:
    if isinstance(value, str):
        one_of("auto")(value, path)
    else:
        fields({"workflow_name": string(), "group_id": string(), "metadata": anything})(value, path)


def _no_brackets(value: Any, path: str) -> None:
    expect(value, str, "a string", path)
    if re.search(r"[<>\r\n]", value):
        raise RefusedError(
            "invalid_value", f"Invalid '{path}': keywords may not hold '<', '>' or line breaks.", path
        )


def _transcription(value: Any, path: str) -> None:
    fields(
        {
            "model": one_of(*_TRANSCRIPTION_MODELS),
            "language": string(),
            "languages": array(string(), least=1),
            "keywords": array(_no_brackets),
            "prompt": string(),
            "delay": anything,
        },
        required=("model",),
    )(value, path)
    several = value["model"] in _LANGUAGES_MODELS
    for name in ("language",) if several else ("languages", "keywords"):
        if name in value:
            message = f"'{name}' is not supported for model '{value['model']}'."
            raise RefusedError("invalid_value", message, f"{path}.{name}")


_FORMAT: Final = by_type(
    {
        "audio/pcm": fields({"type": anything, "rate": integer(24000, 24000)}, required=("rate",)),
        "audio/pcmu": fields({"type": anything}),
    }
)
_RESPONDING: Final[dict[str, Check]] = {
    "type": anything,
    "create_response": boolean,
    "interrupt_response": boolean,
}
_TURN_DETECTION: Final = by_type(
    {
        "server_vad": fields(
            {
                **_RESPONDING,
                "threshold": decimal(0, 1),
                "prefix_padding_ms": integer(0, 10_000),
                "silence_duration_ms": integer(0, 10_000),
                "idle_timeout_ms": nullable(integer(5000, 30_000)),
            }
        ),
        "semantic_vad": fields({**_RESPONDING, "eagerness": one_of("low", "medium", "high", "auto")}),
    }
)
_REASONING: Final = fields({"effort": one_of("minimal", "low", "medium", "high", "xhigh")})
_INPUT: Final = fields(
    {
        "format": _FORMAT,
        "noise_reduction": nullable(
            fields(
                {"type": one_of("near_field", "far_field"), "strength": decimal(0, 1_000_000)},
                required=("type",),
            )
        ),
        "transcription": nullable(_transcription),
        "turn_detection": nullable(_TURN_DETECTION),
    }
)
_OUTPUT: Final = fields({"format": _FORMAT, "voice": _voice, "speed": decimal(0.25, 1.5)})
_SESSION: Final = fields(
    {
        "type": one_of("realtime"),
        "model": string(),
        "instructions": string(),
        "output_modalities": _modalities,
        "max_output_tokens": _max_tokens,
        "tools": tools,
        "tool_choice": _tool_choice,
        "parallel_tool_calls": boolean,
        "reasoning": nullable(_REASONING),
        "audio": fields({"input": _INPUT, "output": _OUTPUT}),
        "include": nullable(array(one_of("item.input_audio_transcription.logprobs"))),
        "truncation": _truncation,
        "tracing": nullable(_tracing),
        "prompt": nullable(anything),
    },
    required=("type",),
)


def session_update(update: JSON, session: JSON, *, voice_locked: bool) -> None:
    """Check an update against the session in force. Raises RefusedError; then nothing of it may be applied."""
    _SESSION(update, "session")
    model = session["model"]
    if update.get("model", model) != model:
        raise RefusedError("invalid_value", "The model of a session cannot be changed.", "session.model")
    for name in ("reasoning", "parallel_tool_calls"):
        if update.get(name) is not None and not reasons(model):
            message = f"'{name}' is not supported for model '{model}'."
            raise RefusedError("invalid_value", message, f"session.{name}")
    audio = update.get("audio", {})
    voice = audio.get("output", {}).get("voice")
    if voice_locked and voice not in (None, session["audio"]["output"]["voice"]):
        raise RefusedError(
            "cannot_update_voice",
            "Cannot update a conversation's voice if assistant audio is present.",
            "session.audio.output.voice",
        )
    heard = {**session["audio"]["input"], **audio.get("input", {})}
    if (heard["transcription"] or {}).get("model") in _LIVE_TRANSCRIPTION and heard["turn_detection"]:
        raise RefusedError(
            "invalid_value",
            "Turn detection is not supported for this transcription model.",
            "session.audio.input.turn_detection",
        )


def reasons(model: str) -> bool:
    """Whether the model takes `reasoning` and `parallel_tool_calls`: generation 2 and later."""
    return model.startswith("gpt-realtime-2") and not model.startswith("gpt-realtime-20")


# Items

_TEXT: Final = {"type": anything, "text": string()}
_CONTENT: Final[dict[str, dict[str, Check]]] = {
    "system": {"input_text": fields(_TEXT, required=("text",))},
    "user": {
        "input_text": fields(_TEXT, required=("text",)),
        "input_audio": fields(
            {"type": anything, "audio": string(), "transcript": nullable(string())}, required=("audio",)
        ),
        "input_image": fields(
            {"type": anything, "image_url": string(), "detail": one_of("auto", "low", "high")},
            required=("image_url",),
        ),
    },
    "assistant": {"output_text": fields(_TEXT, required=("text",))},
}
_ITEM_BASE: Final[dict[str, Check]] = {
    "id": string(most=32),
    "type": anything,
    "object": one_of("realtime.item"),
    "status": one_of("completed", "incomplete", "in_progress"),
}


def _message(value: Any, path: str) -> None:
    fields(
        {**_ITEM_BASE, "role": one_of(*_CONTENT), "content": array(anything, least=1)},
        required=("role", "content"),
    )(value, path)
    variants = _CONTENT[value["role"]]
    for index, part in enumerate(value["content"]):
        where = f"{path}.content[{index}]"
        expect(part, dict, "an object", where)
        if "type" not in part:
            raise RefusedError(
                "missing_required_parameter", f"Missing required parameter: '{where}.type'.", f"{where}.type"
            )
        expect(part["type"], str, "a string", f"{where}.type")
        if part["type"] not in variants:
            message = f"Content type '{part['type']}' is not supported for role '{value['role']}'."
            raise RefusedError("unsupported_content_type", message, f"{where}.type")
        variants[part["type"]](part, where)


_ITEM: Final = by_type(
    {
        "message": _message,
        "function_call": fields(
            {**_ITEM_BASE, "name": string(most=64), "call_id": string(most=32), "arguments": string()},
            required=("name", "arguments"),
        ),
        "function_call_output": fields(
            {**_ITEM_BASE, "call_id": string(most=32), "output": string()}, required=("call_id", "output")
        ),
        "mcp_approval_response": fields(
            {**_ITEM_BASE, "approval_request_id": string(), "approve": boolean, "reason": nullable(string())},
            required=("approval_request_id", "approve"),
        ),
    }
)


# Responses


def _metadata(value: Any, path: str) -> None:
    expect(value, dict, "an object", path)
    if len(value) > 16:
        raise RefusedError("object_above_max_properties", f"Invalid '{path}': at most 16 pairs.", path)
    for key, entry in value.items():
        string(most=64)(key, path)
        string(most=512)(entry, f"{path}.{key}")


def _input_item(value: Any, path: str) -> None:
    if isinstance(value, dict) and value.get("type") == "item_reference":
        fields({"type": anything, "id": string()}, required=("id",))(value, path)
    else:
        _ITEM(value, path)


_RESPONSE: Final = fields(
    {
        "instructions": string(),
        "tools": tools,
        "tool_choice": _tool_choice,
        "output_modalities": _modalities,
        "max_output_tokens": _max_tokens,
        "reasoning": _REASONING,
        "parallel_tool_calls": boolean,
        "audio": fields({"output": fields({"format": _FORMAT, "voice": _voice})}),
        "metadata": nullable(_metadata),
        "conversation": one_of("auto", "none"),
        "input": array(_input_item),
        "prompt": nullable(anything),
    }
)


# Events


def _base64(value: Any, path: str) -> None:
    expect(value, str, "a string", path)
    if len(value) > _MAX_APPEND_BYTES // 3 * 4 + 4:
        raise RefusedError("string_above_max_length", f"Invalid '{path}': more than 15 MiB of audio.", path)
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(
            "invalid_value", f"Invalid '{path}': expected base64-encoded audio bytes.", path
        ) from error


_BASE: Final[dict[str, Check]] = {"type": anything, "event_id": string(most=512)}
_ITEM_ID: Final = {**_BASE, "item_id": string()}
EVENTS: Final[dict[str, Check]] = {
    "session.update": fields({**_BASE, "session": anything}, required=("session",)),
    "input_audio_buffer.append": fields({**_BASE, "audio": _base64}, required=("audio",)),
    "input_audio_buffer.commit": fields(_BASE),
    "input_audio_buffer.clear": fields(_BASE),
    "conversation.item.create": fields(
        {**_BASE, "previous_item_id": nullable(string()), "item": _ITEM}, required=("item",)
    ),
    "conversation.item.retrieve": fields(_ITEM_ID, required=("item_id",)),
    "conversation.item.truncate": fields(
        {**_ITEM_ID, "content_index": integer(0, 0), "audio_end_ms": integer(0, 2**31)},
        required=("item_id", "content_index", "audio_end_ms"),
    ),
    "conversation.item.delete": fields(_ITEM_ID, required=("item_id",)),
    "response.create": fields({**_BASE, "response": nullable(_RESPONSE)}),
    "response.cancel": fields({**_BASE, "response_id": string()}),
}


def client_event(event: Any) -> JSON:
    """The event, if its shape is right. Raises RefusedError; what depends on the session is checked elsewhere."""
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise RefusedError("invalid_event", "The event must be an object with a 'type'.", None)
    check = EVENTS.get(event["type"])
    if check is None:
        supported = ", ".join(f"'{name}'" for name in EVENTS)
        raise RefusedError(
            "invalid_value", f"Invalid value: '{event['type']}'. Supported values are: {supported}.", "type"
        )
    check(event, "")
    return event


def audio_of(event: JSON) -> bytes:
    """The audio of a checked `append`."""
    return base64.b64decode(event["audio"])

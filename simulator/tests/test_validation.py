from typing import Any

import pytest

from simulator import validation
from simulator.settings import defaults, merged
from simulator.validation import RefusedError

MODEL = "gpt-realtime-2.1"


def tool(**changes: Any) -> dict[str, Any]:
    base = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
    return {**base, **changes}


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def heard(**settings: Any) -> dict[str, Any]:
    return update(audio={"input": settings})


def spoken(**settings: Any) -> dict[str, Any]:
    return update(audio={"output": settings})


def item(**fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": fields}


def message(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    return item(type="message", role=role, content=list(content))


def create(**response: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": response}


def truncate(**changes: Any) -> dict[str, Any]:
    base = {"type": "conversation.item.truncate", "item_id": "item_A", "content_index": 0, "audio_end_ms": 0}
    return {**base, **changes}


def check(event: Any, *, model: str = MODEL, voice_locked: bool = False) -> None:
    checked = validation.client_event(event)
    if checked["type"] == "session.update":
        validation.session_update(checked["session"], defaults(model, "sess_1"), voice_locked=voice_locked)


SERVER_VAD = {"type": "server_vad", "threshold": 0.6, "prefix_padding_ms": 300, "silence_duration_ms": 320}

ACCEPTED: dict[str, Any] = {
    "bare update": update(),
    "both formats": update(
        audio={"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}}
    ),
    "server vad": heard(turn_detection={**SERVER_VAD, "create_response": False, "interrupt_response": False}),
    "semantic vad": heard(turn_detection={"type": "semantic_vad", "eagerness": "low"}),
    "no turn detection": heard(turn_detection=None),
    "idle timeout": heard(turn_detection={"type": "server_vad", "idle_timeout_ms": 6000}),
    "own voice": spoken(voice={"id": "voice_123"}),
    "text": update(output_modalities=["text"]),
    "no limit": update(max_output_tokens="inf"),
    "tool": update(
        tools=[tool(description="Looks it up.")], tool_choice={"type": "function", "name": "look_up"}
    ),
    "tool without parameters": update(tools=[{"type": "function", "name": "look_up"}]),
    "nested union": update(
        tools=[tool(parameters={"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}})]
    ),
    "mcp": update(tools=[{"type": "mcp", "server_label": "x", "server_url": "https://mcp.example.com"}]),
    "retention": update(truncation={"type": "retention_ratio", "retention_ratio": 0.8}),
    "user text": message("user", {"type": "input_text", "text": "Two was pressed."}),
    "assistant text": message("assistant", {"type": "output_text", "text": "Hello."}),
    "null response": {"type": "response.create", "response": None},
    "out of band": create(
        conversation="none", input=[], metadata={"topic": "note"}, output_modalities=["text"]
    ),
    "reference": create(input=[{"type": "item_reference", "id": "item_A"}]),
    "cancel": {"type": "response.cancel", "response_id": "resp_1", "event_id": "x" * 512},
    "truncate": truncate(audio_end_ms=1360),
}


@pytest.mark.parametrize("event", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(event: dict[str, Any]) -> None:
    check(event)


REFUSED: dict[str, tuple[Any, str, str | None]] = {
    "no object": ([], "invalid_event", None),
    "no type": ({"audio": ""}, "invalid_event", None),
    "unknown event": ({"type": "session.upd"}, "invalid_value", "type"),
    "webrtc event": ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
    "long event id": (
        {"type": "response.create", "event_id": "x" * 513},
        "string_above_max_length",
        "event_id",
    ),
    "extra key": ({"type": "response.create", "foo": 1}, "unknown_parameter", "foo"),
    "no session": ({"type": "session.update"}, "missing_required_parameter", "session"),
    "no session type": (
        {"type": "session.update", "session": {"modalities": ["audio"]}},
        "missing_required_parameter",
        "session.type",
    ),
    "transcription session": (
        {"type": "session.update", "session": {"type": "transcription"}},
        "invalid_value",
        "session.type",
    ),
    "beta modalities": (update(modalities=["audio"]), "unknown_parameter", "session.modalities"),
    "beta voice": (update(voice="alloy"), "unknown_parameter", "session.voice"),
    "beta format": (
        update(input_audio_format="g711_ulaw"),
        "unknown_parameter",
        "session.input_audio_format",
    ),
    "temperature": (update(temperature=0.8), "unknown_parameter", "session.temperature"),
    "two modalities": (
        update(output_modalities=["text", "audio"]),
        "invalid_value",
        "session.output_modalities",
    ),
    "rate of pcmu": (
        heard(format={"type": "audio/pcmu", "rate": 8000}),
        "unknown_parameter",
        "session.audio.input.format.rate",
    ),
    "pcm without rate": (
        spoken(format={"type": "audio/pcm"}),
        "missing_required_parameter",
        "session.audio.output.format.rate",
    ),
    "slow pcm": (
        heard(format={"type": "audio/pcm", "rate": 8000}),
        "integer_below_min_value",
        "session.audio.input.format.rate",
    ),
    "beta format object": (heard(format="g711_ulaw"), "invalid_type", "session.audio.input.format"),
    "threshold": (
        heard(turn_detection={"type": "server_vad", "threshold": 1.5}),
        "decimal_above_max_value",
        "session.audio.input.turn_detection.threshold",
    ),
    "eagerness of server vad": (
        heard(turn_detection={"type": "server_vad", "eagerness": "low"}),
        "unknown_parameter",
        "session.audio.input.turn_detection.eagerness",
    ),
    "short idle timeout": (
        heard(turn_detection={"type": "server_vad", "idle_timeout_ms": 100}),
        "integer_below_min_value",
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
    "live transcription with vad": (
        heard(transcription={"model": "gpt-live-transcribe"}),
        "invalid_value",
        "session.audio.input.turn_detection",
    ),
    "language of gpt-transcribe": (
        heard(transcription={"model": "gpt-transcribe", "language": "en"}),
        "invalid_value",
        "session.audio.input.transcription.language",
    ),
    "languages of whisper": (
        heard(transcription={"model": "whisper-1", "languages": ["en"]}),
        "invalid_value",
        "session.audio.input.transcription.languages",
    ),
    "voice of text-to-speech": (spoken(voice="nova"), "invalid_value", "session.audio.output.voice"),
    "speed": (spoken(speed=2), "decimal_above_max_value", "session.audio.output.speed"),
    "too many tokens": (
        update(max_output_tokens=5000),
        "integer_above_max_value",
        "session.max_output_tokens",
    ),
    "no tokens": (update(max_output_tokens=0), "integer_below_min_value", "session.max_output_tokens"),
    "boolean tokens": (update(max_output_tokens=True), "invalid_type", "session.max_output_tokens"),
    "another model": (update(model="gpt-realtime"), "invalid_value", "session.model"),
    "nested tool": (
        update(tools=[{"type": "function", "function": {"name": "x"}}]),
        "missing_required_parameter",
        "session.tools[0].name",
    ),
    "strict tool": (update(tools=[tool(strict=True)]), "unknown_parameter", "session.tools[0].strict"),
    "tool with meta": (
        update(tools=[tool(), tool(name="b", meta=1)]),
        "unknown_parameter",
        "session.tools[1].meta",
    ),
    "tool name": (update(tools=[tool(name="look up")]), "invalid_value", "session.tools[0].name"),
    "long tool name": (
        update(tools=[tool(name="x" * 65)]),
        "string_above_max_length",
        "session.tools[0].name",
    ),
    "two of a name": (update(tools=[tool(), tool()]), "invalid_value", "session.tools[1].name"),
    "too many tools": (
        update(tools=[tool(name=f"t{n}") for n in range(129)]),
        "array_above_max_length",
        "session.tools",
    ),
    "array schema": (
        update(tools=[tool(parameters={"type": "array"})]),
        "invalid_function_parameters",
        "session.tools[0].parameters",
    ),
    "union schema": (
        update(tools=[tool(parameters={"type": "object", "oneOf": []})]),
        "invalid_function_parameters",
        "session.tools[0].parameters",
    ),
    "array without items": (
        update(tools=[tool(parameters={"type": "object", "properties": {"a": {"type": "array"}}})]),
        "invalid_function_parameters",
        "session.tools[0].parameters",
    ),
    "broken base64": (
        {"type": "input_audio_buffer.append", "audio": "//8"},
        "invalid_value",
        "audio",
    ),
    "no audio": ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    "beta assistant text": (
        message("assistant", {"type": "text", "text": "Hello."}),
        "unsupported_content_type",
        "item.content[0].type",
    ),
    "assistant audio": (
        message("assistant", {"type": "output_audio", "transcript": "Hello."}),
        "unsupported_content_type",
        "item.content[0].type",
    ),
    "user output text": (
        message("user", {"type": "output_text", "text": "Hello."}),
        "unsupported_content_type",
        "item.content[0].type",
    ),
    "text without text": (
        message("user", {"type": "input_text"}),
        "missing_required_parameter",
        "item.content[0].text",
    ),
    "output without call id": (
        item(type="function_call_output", output="{}"),
        "missing_required_parameter",
        "item.call_id",
    ),
    "output that is no string": (
        item(type="function_call_output", call_id="call_1", output={"a": 1}),
        "invalid_type",
        "item.output",
    ),
    "long item id": (
        item(type="function_call_output", id="i" * 33, call_id="call_1", output=""),
        "string_above_max_length",
        "item.id",
    ),
    "fractional truncation": (truncate(audio_end_ms=1.5), "invalid_type", "audio_end_ms"),
    "negative truncation": (truncate(audio_end_ms=-1), "integer_below_min_value", "audio_end_ms"),
    "second content": (truncate(content_index=1), "integer_above_max_value", "content_index"),
    "beta response": (create(modalities=["audio"]), "unknown_parameter", "response.modalities"),
    "metadata number": (create(metadata={"n": 1}), "invalid_type", "response.metadata.n"),
}


@pytest.mark.parametrize(("event", "code", "param"), REFUSED.values(), ids=REFUSED)
def test_refused(event: Any, code: str, param: str | None) -> None:
    with pytest.raises(RefusedError) as refused:
        check(event)

    assert (refused.value.code, refused.value.param) == (code, param)


def test_reasoning_is_for_reasoning_models() -> None:
    event = update(reasoning={"effort": "low"})

    check(event, model="gpt-realtime-2.1-mini")
    with pytest.raises(RefusedError):
        check(event, model="gpt-realtime-1.5")
    with pytest.raises(RefusedError):
        check(event, model="gpt-realtime-2025-08-28")


def test_the_voice_is_fixed_after_audio() -> None:
    with pytest.raises(RefusedError, match="voice") as refused:
        check(spoken(voice="cedar"), voice_locked=True)

    assert (refused.value.code, refused.value.param) == ("cannot_update_voice", "session.audio.output.voice")
    check(spoken(voice="alloy"), voice_locked=True)
    check(update(instructions="Go on."), voice_locked=True)


def test_only_present_fields_change() -> None:
    settings = merged(defaults(MODEL, "sess_1"), heard(turn_detection=SERVER_VAD)["session"])
    settings = merged(settings, spoken(voice="marin")["session"])

    assert settings["audio"]["input"]["turn_detection"] == {
        **SERVER_VAD,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert settings["audio"]["output"]["voice"] == "marin"
    assert settings["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}

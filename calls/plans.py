"""From a published assistant to what the bridge needs of it."""

import re
from collections.abc import Iterable
from typing import Any

from assistants.models import Assistant
from assistants.snapshots import Snapshot
from calls.bridge.plan import FirstMessageMode, Place, Plan, Remark, ToolSpec
from calls.tool_messages import tool_messages
from calls.transfers import destinations_read
from tools.kinds import runs
from tools.models import Tool
from tools.schemas import flatten
from tools.snapshots import ToolSnapshot


def plan_from_snapshot(snapshot: Snapshot) -> Plan:
    """The plan that a call runs on. Raises ValueError for a first message mode that does not exist."""
    return Plan(
        instructions=snapshot.instructions,
        tools=tuple(
            ToolSpec(
                name=tool.name,
                description=tool.description,
                parameters=flatten(tool.parameters).parameters,
                timeout_s=float(tool.timeout_s),
                ends_call=tool.kind == Tool.Kind.END_CALL,
                transfers=tool.kind == Tool.Kind.TRANSFER,
                places=_places(tool, snapshot.language),
                leaves=snapshot.voicemail_message if tool.kind == Tool.Kind.VOICEMAIL else None,
                asynchronous=tool.asynchronous,
                messages=tool_messages(tool.messages, language=snapshot.language),
            )
            for tool in snapshot.tools
            if runs(tool) and _leads_somewhere(tool, snapshot.language)
        ),
        history=tuple(_remarks(snapshot.history)),
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
        semantic_turns=snapshot.turn_detection == Assistant.TurnDetection.SEMANTIC_VAD,
        eagerness=snapshot.eagerness,
        interruptible=snapshot.interruptible,
        interrupt_words=snapshot.interrupt_words,
        end_call_phrases=snapshot.end_call_phrases,
        idle_messages=snapshot.idle_messages,
        idle_timeout_s=snapshot.idle_timeout_s,
        idle_max_count=snapshot.idle_max_count,
        idle_resets=snapshot.idle_resets,
        keypad_enabled=snapshot.keypad_enabled,
        keypad_timeout_s=snapshot.keypad_timeout_s,
        keypad_delimiters=snapshot.keypad_delimiters,
        max_duration_s=float(snapshot.max_duration_s),
        silence_timeout_s=float(snapshot.silence_timeout_s),
    )


def _leads_somewhere(tool: ToolSnapshot, language: str) -> bool:
    """Whether a tool has no destinations, so that a server is asked for one, or at least one that can be dialled."""
    return (
        not tool.settings.get("destinations")
        or tool.kind != Tool.Kind.TRANSFER
        or bool(_places(tool, language))
    )


def _places(tool: ToolSnapshot, language: str) -> tuple[Place, ...]:
    """Where a tool can have the call transferred to."""
    if tool.kind != Tool.Kind.TRANSFER:
        return ()
    return tuple(Place(one.name, one.message) for one in destinations_read(tool.settings, language=language))


# Vapi's words for who spoke, and the Realtime API's.
_ROLES = {"system": "system", "user": "user", "assistant": "assistant", "bot": "assistant"}


def _remarks(history: list[dict[str, Any]]) -> Iterable[Remark]:
    """The history as far as it is words: calls of tools and their results belong to a conversation that is over."""
    for message in history:
        role = _ROLES.get(str(message.get("role")))
        text = _words(message.get("content", message.get("message")))
        if role and text:
            yield Remark(role, text)


def _words(content: object) -> str:
    """The text of a message, which may come in parts."""
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "\n".join(text for text in texts if isinstance(text, str)).strip()


def _transcription(snapshot: Snapshot) -> dict[str, Any]:
    """The transcription settings; newer models take a list of languages, older ones a single one, none takes both."""
    settings: dict[str, Any] = {"model": snapshot.transcription_model}
    words = [clean for word in snapshot.keywords if (clean := _FORBIDDEN.sub(" ", word).strip())]
    if snapshot.transcription_takes_languages:
        settings |= {"languages": [snapshot.language]} if snapshot.language else {}
        settings |= {"keywords": words} if words else {}
        return settings
    settings |= {"language": snapshot.language} if snapshot.language else {}
    # The one older model that is documented to take no prompt.
    if words and "diarize" not in snapshot.transcription_model:
        settings["prompt"] = f"Words that may occur: {', '.join(words)}."
    return settings


_FORBIDDEN = re.compile(r"[<>\r\n]")  # in keywords

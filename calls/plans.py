"""From a published assistant to what the bridge needs of it."""

import re
from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from assistants.handoffs import hands_over
from assistants.models import Assistant
from assistants.snapshots import Snapshot
from calls.bridge.plan import FirstMessageMode, Place, Plan, Remark, ToolSpec
from calls.handoffs import Ways, parameters_offered, takers
from calls.orders.messages import is_added
from calls.selectors import StreamCall
from calls.tool_messages import tool_messages
from calls.transfers import destinations_read
from tools.kinds import runs
from tools.models import Tool
from tools.rejection import has_conditions
from tools.schemas import flatten
from tools.snapshots import ToolSnapshot


def plan_from_snapshot(snapshot: Snapshot, ways: Ways = MappingProxyType({})) -> Plan:
    """The plan that a call runs on. Raises ValueError for a first message mode that does not exist.

    ``ways`` are the assistants that it can be handed over to.
    """
    return Plan(
        instructions=snapshot.instructions,
        model=snapshot.model,
        tools=tuple(_spec(tool, snapshot, ways) for tool in snapshot.tools if _offered(tool, snapshot, ways)),
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


def plan_for(call: StreamCall) -> Plan:
    """The plan of whoever has this call, with its name where several may share the call. Raises ValueError as above."""
    plan = replace(plan_from_snapshot(call.snapshot, call.ways), audio=call.audio)
    return replace(plan, assistant=call.snapshot.name) if call.members else plan


def tools_worded(
    specs: Iterable[ToolSpec], snapshot: Snapshot, ways: Ways = MappingProxyType({})
) -> list[ToolSpec]:
    """The tools that a call runs on with what the snapshot now has them say."""
    now = {tool.name: tool for tool in snapshot.tools}
    return [
        replace(
            spec,
            places=_places(now[spec.name], snapshot, ways),
            messages=tool_messages(now[spec.name].messages, language=snapshot.language),
        )
        for spec in specs
    ]


def _spec(tool: ToolSnapshot, snapshot: Snapshot, ways: Ways) -> ToolSpec:
    places = _places(tool, snapshot, ways)
    written = parameters_offered(tool, [one.name for one in places]) if hands_over(tool) else tool.parameters
    return ToolSpec(
        name=tool.name,
        description=tool.description,
        parameters=flatten(written).parameters,
        timeout_s=float(tool.timeout_s),
        ends_call=tool.kind == Tool.Kind.END_CALL,
        transfers=tool.kind in (Tool.Kind.TRANSFER, Tool.Kind.HANDOFF),
        places=places,
        presses=tool.kind == Tool.Kind.DTMF,
        leaves=snapshot.voicemail_message if tool.kind == Tool.Kind.VOICEMAIL else None,
        asynchronous=tool.asynchronous,
        repeats=tool.repeats,
        checked=has_conditions(tool.rejection_plan),
        messages=tool_messages(tool.messages, language=snapshot.language),
    )


def _offered(tool: ToolSnapshot, snapshot: Snapshot, ways: Ways) -> bool:
    return runs(tool) and _leads_somewhere(tool, snapshot, ways)


def _leads_somewhere(tool: ToolSnapshot, snapshot: Snapshot, ways: Ways) -> bool:
    """Whether a tool has no destinations, so that a server is asked for one, or at least one that can be reached."""
    if tool.kind == Tool.Kind.TRANSFER and not tool.settings.get("destinations"):
        return True
    goes_on = tool.kind in (Tool.Kind.TRANSFER, Tool.Kind.HANDOFF)
    return not goes_on or bool(_places(tool, snapshot, ways))


def _places(tool: ToolSnapshot, snapshot: Snapshot, ways: Ways) -> tuple[Place, ...]:
    """Where a tool can have the call transferred to: telephones, and other assistants."""
    if tool.kind not in (Tool.Kind.TRANSFER, Tool.Kind.HANDOFF):
        return ()
    dialled = destinations_read(tool.settings, language=snapshot.language)
    telephones = [Place(one.name, one.message) for one in dialled] if tool.kind == Tool.Kind.TRANSFER else []
    return (*telephones, *takers(tool, ways, language=snapshot.language))


# Vapi's words for who spoke, and the Realtime API's.
_ROLES = {"system": "system", "user": "user", "assistant": "assistant", "bot": "assistant"}


def _remarks(history: list[dict[str, Any]]) -> Iterable[Remark]:
    """The history as far as it is words: calls of tools and their results belong to a conversation that is over."""
    for message in history:
        role = _ROLES.get(str(message.get("role")))
        text = _words(message.get("content", message.get("message")))
        if role and text:
            yield Remark(role, text, lasts=is_added(message))


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

"""What one call runs on, and the session that says it to the Realtime API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from calls.bridge.audio import MULAW, AudioFormat
from calls.bridge.toolmessages import ToolMessage


class FirstMessageMode(StrEnum):
    """Vapi's three ways to begin, in Vapi's words."""

    SPEAKS_FIRST = "assistant-speaks-first"
    SPEAKS_FIRST_GENERATED = "assistant-speaks-first-with-model-generated-message"
    WAITS = "assistant-waits-for-user"


SUCCESS = "Success."  # what a tool call that hands over comes to, in Vapi's words


class Keeps(StrEnum):
    """What of the conversation an assistant that takes a call over gets to read."""

    ALL = "all"
    MESSAGES = "messages"  # what the two said, and no tool calls
    PREVIOUS = "previous"  # the same, since the assistant that hands over has the call
    LAST = "last"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Taker:
    """An assistant that can take the call over. ``result`` is what its predecessor's tool call comes to."""

    key: str  # the shell's
    keeps: Keeps = Keeps.ALL
    last: int = 0  # with LAST: so many messages
    keeps_handoff: bool = True  # the tool call that hands over is to be read, too
    result: str = SUCCESS


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere a call can be transferred to. ``message`` is said before; None: a stock sentence, empty: nothing.

    With a ``taker`` it is another assistant, and the call goes on here.
    """

    name: str
    message: str | None = None
    taker: Taker | None = None


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it. ``ends_call``: it hangs up instead of asking a server; ``transfers``: it connects the
    caller to one of ``places``, or, where there is none, to one that a server names; ``leaves`` is the message that it
    leaves on a voicemail before it hangs up.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    timeout_s: float = 20.0
    ends_call: bool = False
    transfers: bool = False
    places: tuple[Place, ...] = ()
    leaves: str | None = None
    presses: bool = False  # keys, which the telephone network sends, not we
    asynchronous: bool = False  # nobody waits for its answer
    repeats: bool = False  # asked twice for the same in one response, it is carried out twice
    checked: bool = False  # has conditions of its own, about which the shell is asked before each use
    messages: tuple[ToolMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class Remark:
    """A message that stands in the conversation before the call begins.

    ``lasts``: it came from outside, so it is for every assistant that has the call; what else systems say is for one.
    """

    role: str  # system, user or assistant
    text: str
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything of a published assistant that the conversation needs. Durations carry their unit."""

    instructions: str
    assistant: str = ""  # its name, where several may share the call
    model: str = ""
    tools: tuple[ToolSpec, ...] = ()
    history: tuple[Remark, ...] = ()
    first_message_mode: FirstMessageMode = FirstMessageMode.SPEAKS_FIRST
    first_message: str = ""
    first_message_interruptible: bool = False
    end_call_message: str = ""
    apology: str = "We are sorry, we cannot go on with your call. Please try again in a few minutes."
    voice: str = "marin"
    speed: float = 1.0
    reasoning_effort: str | None = "low"
    max_output_tokens: int = 1024
    transcription: Mapping[str, Any] = field(
        default_factory=lambda: {"model": "gpt-transcribe", "languages": ["en"]}
    )
    noise_reduction: str = "near_field"
    vad_threshold: float = 0.5
    vad_prefix_ms: int = 300
    vad_silence_ms: int = 500
    semantic_turns: bool = False  # the end of a turn is found by what was said, not by silence
    eagerness: str = "auto"
    interruptible: bool = True
    interrupt_words: int = 0  # that stop the assistant; 0: the first sound does
    end_call_phrases: tuple[str, ...] = ()
    idle_messages: tuple[str, ...] = ()
    idle_timeout_s: float = 7.5
    idle_max_count: int = 3
    idle_resets: bool = False
    keypad_enabled: bool = False
    keypad_timeout_s: float = 2.0
    keypad_delimiters: str = "#"
    max_duration_s: float = 600.0
    silence_timeout_s: float = 30.0
    audio: AudioFormat = MULAW

    @property
    def greets(self) -> bool:
        """Whether the assistant has the first word."""
        return self.first_message_mode is not FirstMessageMode.WAITS

    @property
    def protects_greeting(self) -> bool:
        """Whether the caller's voice must not cut the first message short."""
        return self.greets and not self.first_message_interruptible

    @property
    def guards_speech(self) -> bool:
        """Whether the caller's voice alone does not stop the assistant; then all turns are ours to answer."""
        return not self.interruptible or self.interrupt_words > 0

    @property
    def turn_silence_ms(self) -> int:
        """The silence that ends a turn and is counted in it, as far as that is known."""
        return 0 if self.semantic_turns else self.vad_silence_ms


def session_payload(plan: Plan, *, floor_open: bool) -> dict[str, Any]:
    """The whole GA session. With the floor closed, speech is heard and written down but neither stops nor starts a response."""
    session: dict[str, Any] = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": plan.instructions,
        "audio": {
            "input": _input(plan, floor_open=floor_open),
            "output": {"format": dict(plan.audio.session), "voice": plan.voice, "speed": plan.speed},
        },
        "tools": [
            {"type": "function", "name": t.name, "description": t.description, "parameters": t.parameters}
            for t in plan.tools
        ],
        "tool_choice": "auto",
        "max_output_tokens": plan.max_output_tokens,
        # A small context keeps answers quick and cheap; one big cut, rarely, keeps the prompt cache warm.
        "truncation": {
            "type": "retention_ratio",
            "retention_ratio": 0.8,
            "token_limits": {"post_instructions": 16000},
        },
    }
    # A model that does not reason refuses the whole session over this one field.
    if plan.reasoning_effort is not None:
        session["reasoning"] = {"effort": plan.reasoning_effort}
    return session


def takeover_payload(plan: Plan, *, floor_open: bool) -> dict[str, Any]:
    """The update that makes a running session another assistant's: all but the voice, which cannot change in it."""
    session = session_payload(plan, floor_open=floor_open)
    output = {name: value for name, value in session["audio"]["output"].items() if name != "voice"}
    return {**session, "audio": {**session["audio"], "output": output}}


def floor_payload(plan: Plan, *, floor_open: bool = True) -> dict[str, Any]:
    """The update that gives the caller the floor, or takes it.

    It repeats both formats: without them one server fell back to PCM.

    No voice: after the first audio a voice in an update is refused, and all else with it.
    """
    return {
        "type": "realtime",
        "audio": {
            "input": _input(plan, floor_open=floor_open),
            "output": {"format": dict(plan.audio.session)},
        },
    }


def _input(plan: Plan, *, floor_open: bool) -> dict[str, Any]:
    serves = floor_open and not plan.guards_speech
    return {
        "format": dict(plan.audio.session),
        "transcription": plan.transcription,
        "noise_reduction": {"type": plan.noise_reduction} if plan.noise_reduction else None,
        "turn_detection": {
            **_detection(plan),
            # Both or neither: a response that starts by itself fails where one that must not be stopped still runs.
            "create_response": serves,
            "interrupt_response": serves,
        },
    }


def _detection(plan: Plan) -> dict[str, Any]:
    if plan.semantic_turns:
        return {"type": "semantic_vad", "eagerness": plan.eagerness}
    return {
        "type": "server_vad",
        "threshold": plan.vad_threshold,
        "prefix_padding_ms": plan.vad_prefix_ms,
        "silence_duration_ms": plan.vad_silence_ms,
    }


def session_faults(plan: Plan, effective: Mapping[str, Any]) -> list[str]:
    """What the server runs differently from what was asked, in plain words; empty when the session is ours."""
    # Servers that still run the beta keep both formats and the voice at the top, by other names.
    formats = {
        side: _at(effective, "audio", side, "format", "type") or _at(effective, f"{side}_audio_format")
        for side in ("input", "output")
    }
    faults = [f"{side} format" for side, value in formats.items() if value not in plan.audio.names]
    if (_at(effective, "audio", "output", "voice") or _at(effective, "voice")) not in (plan.voice, None):
        faults.append("voice")
    tools = _at(effective, "tools") or []
    if not isinstance(tools, list) or len(tools) != len(plan.tools):
        faults.append("number of tools")
    return faults


def floor_given(effective: Mapping[str, Any]) -> bool:
    """Whether the server answers the caller by itself; one that does not say so is believed to."""
    create = (
        _at(effective, *where, "turn_detection", "create_response") for where in (("audio", "input"), ())
    )
    return False not in create


def _at(tree: object, *path: str) -> object:
    """What stands at a path; None when there is no such place, whatever stands there instead."""
    for key in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(key)
    return tree

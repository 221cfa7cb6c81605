"""A caller who is played by a model: a second Realtime session that knows the goal, and speaks as a customer does. Pure.

It is fed with what the line brings (`hear`), with the session's events (`receive`) and with time (`step`); what the session is
to be told waits in `outgoing`. A call has a limit of turns, tokens and time, whatever the model wants.
"""

import base64
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from calls.smoke.never import said_never
from calls.smoke.played_caller import FIRST_WORDS_MS, FRAME_BYTES, PATIENCE_MS, Doing
from calls.smoke.scripts import Script

VOICE: Final = "cedar"
_FORMAT: Final = {"type": "audio/pcmu"}
_MOST_TOKENS_A_TURN: Final = 1024
_HINT_AFTER_MS: Final = 9000.0
_BYTES_PER_MS: Final = 8
# A model that was told to be brief and speaks for a minute has lost its part.
_MOST_QUEUED: Final = 60_000 * _BYTES_PER_MS
_LEFT_OFF: Final = "the played caller broke the rule about what it never says"


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a call ends at the latest. A turn of speech costs some hundred tokens, and all before it is read again each time."""

    turns: int = 30
    tokens: int = 120_000
    ms: float = 420_000.0


@dataclass(frozen=True, slots=True)
class CallerEnd:
    """How a call went for a caller who was played by a model."""

    goal_reached: bool | None
    ended_because: str
    said_never: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The same in words."""
        goal = {
            True: "The caller got what they called for",
            False: "The caller did not get what they called for",
        }
        ended = f"; the call ended because {self.ended_because}" if self.ended_because else ""
        return f"{goal.get(self.goal_reached, 'Whether the caller got what they called for is not known')}{ended}."  # type: ignore[arg-type]  # None is the third case

    @property
    def broke(self) -> str:
        """Why the call proves nothing, empty where it does: a caller who leaves its part is no test of the assistant."""
        if not self.said_never:
            return ""
        return f"The played caller said what it must never say: {', '.join(self.said_never)[:200]}. This call proves nothing."


class CallerBrokeError(Exception):
    """The session of the played caller failed. The text says how."""


@dataclass(slots=True)
class ModelCaller:
    """One caller. ``presses_keys``: the line can carry keys."""

    script: Script
    presses_keys: bool = True
    limits: Limits = field(default_factory=Limits)
    outgoing: deque[str] = field(default_factory=deque)
    spoken: list[str] = field(default_factory=list)
    goal_reached: bool | None = None
    ended_because: str = ""
    _sound: bytearray = field(default_factory=bytearray)
    _keys: str = ""
    _leaves: bool = False
    _responding: bool = False
    _ready: bool = False
    _heard_any: bool = False
    _hinted: bool = False
    _quiet_ms: float = 0.0
    _turns: int = 0
    _tokens: int = 0
    _item: str = ""
    _played: int = 0  # bytes of the item that were played

    @property
    def is_ready(self) -> bool:
        """Whether the session knows who it is."""
        return self._ready

    @property
    def said_never(self) -> list[str]:
        """What it said of what it must never say."""
        return said_never(self.script.never, self.spoken, facts=self.script.facts.values())

    @property
    def how(self) -> "CallerEnd":
        """How the call went for it."""
        return CallerEnd(self.goal_reached, self.ended_because, tuple(self.said_never))

    def open(self) -> None:
        """Tell the session who it is."""
        self._tell(
            {"type": "session.update", "session": _session(self.script, presses_keys=self.presses_keys)}
        )

    def hear(self, frame: bytes) -> None:
        """Hear 20 ms of the line. Before the session knows who it is, nothing."""
        if self._ready:
            self._tell({"type": "input_audio_buffer.append", "audio": base64.b64encode(frame).decode()})

    def step(self, now_ms: float, *, assistant_speaks: bool) -> Doing:
        """What the caller does in the 20 ms that begin now."""
        if assistant_speaks:
            self._heard_any, self._quiet_ms, self._hinted = True, now_ms, False
        if over := self._limit(now_ms):
            return self._hang_up(over)
        if self._keys:
            keys, self._keys = self._keys, ""
            self._quiet_ms = now_ms
            return Doing(keys=keys)
        if self._sound:
            frame = bytes(self._sound[:FRAME_BYTES])
            del self._sound[:FRAME_BYTES]
            self._played += len(frame)
            self._quiet_ms, self._hinted = now_ms, False
            return Doing(frame.ljust(FRAME_BYTES, b"\xff"))
        if self._leaves and not self._responding:
            return self._hang_up(self.ended_because)
        return self._wait(now_ms)

    def _wait(self, now_ms: float) -> Doing:
        """Nobody speaks: say something after a while, and leave after a longer one."""
        quiet_ms = now_ms - self._quiet_ms
        if quiet_ms >= PATIENCE_MS:
            return self._hang_up("nobody said anything any more")
        after_ms = _HINT_AFTER_MS if self._heard_any else FIRST_WORDS_MS
        if self._ready and not self._responding and not self._hinted and quiet_ms >= after_ms:
            self._hinted = True
            self._tell({"type": "response.create"})
        return Doing()

    def _limit(self, now_ms: float) -> str:
        if now_ms >= self.limits.ms:
            return f"the limit of {self.limits.ms / 60_000:.0f} minutes was reached"
        if self._turns >= self.limits.turns and not self._sound:
            return f"the limit of {self.limits.turns} turns was reached"
        if self._tokens >= self.limits.tokens and not self._sound:
            return f"the limit of {self.limits.tokens:,} tokens was reached"
        return _LEFT_OFF if self.said_never else ""

    def _hang_up(self, why: str) -> Doing:
        self.ended_because = why
        return Doing(hangs_up=why)

    # What the session says --------------------------------------------------------------------------------------

    def receive(self, text: str | bytes) -> None:
        """Take one event of the session. Raises CallerBrokeError for one that ends it."""
        event = _object(text)
        match event.get("type"):
            case "session.updated":
                self._ready = True
            case "error":
                self._refused(_part(event, "error"))
            case "input_audio_buffer.speech_started":
                self._talked_over()
            case "response.created":
                self._responding = True
            case "response.output_audio.delta" | "response.audio.delta":
                self._take(event)
            case "response.output_audio_transcript.done" | "response.audio_transcript.done":
                self.spoken.append(str(event.get("transcript") or ""))
            case "response.done":
                self._done(_part(event, "response"))
            case _:
                pass  # sessions add events without warning

    def _take(self, event: Mapping[str, Any]) -> None:
        item = str(event.get("item_id") or "")
        if item != self._item:
            self._item, self._played = item, 0
        try:
            self._sound += base64.b64decode(str(event.get("delta") or ""), validate=True)
        except ValueError as exc:
            raise CallerBrokeError(
                "The session of the played caller sent sound that cannot be read."
            ) from exc
        if len(self._sound) > _MOST_QUEUED:
            raise CallerBrokeError("The played caller spoke on and on.")

    def _talked_over(self) -> None:
        """The assistant interrupts: what was not said yet is not said any more, and the session is told how far it came."""
        if not self._sound:
            return
        self._sound.clear()
        self._tell(
            {
                "type": "conversation.item.truncate",
                "item_id": self._item,
                "content_index": 0,
                "audio_end_ms": self._played // _BYTES_PER_MS,
            }
        )

    def _done(self, response: Mapping[str, Any]) -> None:
        self._responding = False
        self._turns += 1
        tokens = _part(response, "usage").get("total_tokens")
        self._tokens += tokens if isinstance(tokens, int) and tokens > 0 else 0
        if response.get("status") == "failed":
            self._refused(_part(response, "status_details", "error"), default="response_failed")
        output = response.get("output")
        for item in output if isinstance(output, list) else []:
            if isinstance(item, dict) and item.get("type") == "function_call":
                self._called(
                    str(item.get("name")), _object(item.get("arguments") or "{}"), item.get("call_id")
                )

    def _called(self, name: str, arguments: Mapping[str, Any], call_id: object) -> None:
        match name:
            case "hang_up":
                self._leaves = True
                reached = arguments.get("goal_reached")
                self.goal_reached = reached if isinstance(reached, bool) else None
                self.ended_because = "the caller hung up"
            case "press_keys" if self.presses_keys:
                self._keys += "".join(key for key in str(arguments.get("keys", "")) if key in "0123456789*#")[
                    :20
                ]
                self._answer(call_id, "The keys were pressed. Listen to what follows.")
            case _:
                self._answer(call_id, "That cannot be done on this line.")

    def _answer(self, call_id: object, output: str) -> None:
        item = {"type": "function_call_output", "call_id": str(call_id), "output": output}
        self._tell({"type": "conversation.item.create", "item": item})

    def _refused(self, error: Mapping[str, Any], *, default: str = "") -> None:
        """What ends the session; a remark on one of our events (a truncation that came too late) does not."""
        code = str(error.get("code") or error.get("type") or default)
        if self._ready and not default and error.get("type") == "invalid_request_error":
            return
        raise CallerBrokeError(f"The session that plays the caller failed ({code[:60]}).")

    def _tell(self, event: Mapping[str, Any]) -> None:
        self.outgoing.append(orjson.dumps(event).decode())


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _part(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    found: Any = value
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


# --- Who it is -----------------------------------------------------------------------------------------------


def _session(script: Script, *, presses_keys: bool) -> dict[str, Any]:
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": persona(script),
        "max_output_tokens": _MOST_TOKENS_A_TURN,
        "tools": [_HANG_UP, *([_PRESS_KEYS] if presses_keys else [])],
        "tool_choice": "auto",
        "audio": {
            # An assistant pauses between its sentences and while it waits for a tool: answering there would talk over it.
            "input": {
                "format": _FORMAT,
                "turn_detection": {
                    "type": "server_vad",
                    "silence_duration_ms": 1500,
                    "prefix_padding_ms": 300,
                },
            },
            "output": {"format": _FORMAT, "voice": VOICE},
        },
    }


_HANG_UP: Final[dict[str, Any]] = {
    "type": "function",
    "name": "hang_up",
    "description": "End the call. Say goodbye first.",
    "parameters": {
        "type": "object",
        "properties": {
            "goal_reached": {"type": "boolean", "description": "Whether you got what you called for."}
        },
        "required": ["goal_reached"],
    },
}
_PRESS_KEYS: Final[dict[str, Any]] = {
    "type": "function",
    "name": "press_keys",
    "description": "Press keys of the telephone, when you are asked to.",
    "parameters": {
        "type": "object",
        "properties": {"keys": {"type": "string", "description": "0 to 9, * and #"}},
        "required": ["keys"],
    },
}


_PART: Final = (
    "You play a customer on the telephone, in a test of an automated assistant. The voice that you hear is the assistant. "
    "You are never the assistant: do not offer help, do not explain, do not mention that this is a test. Speak the "
    "language in which your own lines below are written. Speak naturally, one or two short sentences at a time, and wait "
    "for the answer."
)


def persona(script: Script) -> str:
    """The instructions of the session."""
    parts = [_PART, f"What you want: {script.goal}"]
    if script.facts:
        known = "\n".join(f"- {name}: {said}" for name, said in script.facts.items())
        parts.append(
            f"What you know. Say each of these only when it is asked for, or when it is needed:\n{known}"
        )
    parts.append(
        "Whatever else you are asked for you do not know, and say so. Invent no names, numbers or dates."
    )
    if script.never:
        kept = "\n".join(f"- {one}" for one in script.never)
        parts.append(
            f"What you never say, whoever asks and however often (you would rather not tell):\n{kept}"
        )
    lines = [turn.caller for turn in script.turns if turn.caller]
    if lines:
        said = "\n".join(f"- {line}" for line in lines[:20])
        parts.append(f"How you would put it, in this order, as far as the conversation leads there:\n{said}")
    parts.append(
        "When you have what you want, or it is plain that you will not get it, say goodbye and call hang_up. Never go on for "
        "the sake of talking."
    )
    return "\n\n".join(parts)

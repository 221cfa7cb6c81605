"""What the shell must do next. It moves bytes and keeps time; every decision was taken in the core."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Speaker(StrEnum):
    CALLER = "caller"
    ASSISTANT = "assistant"


class Source(StrEnum):
    """Where a problem came from."""

    OPENAI = "openai"
    TWILIO = "twilio"
    TOOL = "tool"
    TANDEM = "tandem"


@dataclass(frozen=True, slots=True)
class Play:
    """Sound for the caller, base64, behind all that was to be played before."""

    payload: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Tell by ``twilio.Mark`` of this name when everything before it was played; at once, when it is cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Drop all sound that was not played yet."""


@dataclass(frozen=True, slots=True)
class ToRealtime:
    text: str
    session: int = 0  # the number of the Realtime session; the first is 0


@dataclass(frozen=True, slots=True)
class VerifyStream:
    """Check the stream's token; answer with ``stream_verified`` or ``stream_refused``."""

    stream_sid: str
    call_sid: str
    account_sid: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckTool:
    """Find out whether the tool's own conditions refuse this call. Answer with ``tool_checked``."""

    call_id: str
    name: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RunTool:
    """Ask the customer's server; answer with ``receive_tool_result``."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    waits_s: float


@dataclass(frozen=True, slots=True)
class ToolRefused:
    """A call that is not sent anywhere: unknown name, arguments that are not JSON, the same call twice in one turn.

    The model was told ``output``; or, ``orphaned``, the call ended before it could be.
    """

    call_id: str
    name: str
    reason: str
    output: str
    orphaned: bool = False


@dataclass(frozen=True, slots=True)
class ToolDone:
    """A call that needs no server was carried out here; the model was told ``output``."""

    call_id: str
    name: str
    output: str


@dataclass(frozen=True, slots=True)
class ToolLate:
    """An answer came after the model had been told that there was none; it was told of it all the same."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class ToolSettled:
    """The model was told ``output``; or, ``orphaned``, the call ended before it could be."""

    call_id: str
    output: str
    orphaned: bool


@dataclass(frozen=True, slots=True)
class PrepareMember:
    """Another assistant is to take the call over: make its plan. Answer with ``member_prepared`` or ``member_refused``.

    ``call_id``, ``name`` and ``arguments`` are of the tool call that asked for it, ``destination`` what the model calls
    the assistant, ``key`` what the shell does.
    """

    call_id: str
    name: str
    destination: str
    key: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class OpenRealtime:
    """Open one more socket to the Realtime API, beside the one that is in use."""

    session: int
    model: str


@dataclass(frozen=True, slots=True)
class MemberTookOver:
    """The assistant of this key has the call from here on. ``call_id`` is of the tool call that asked for it."""

    key: str
    call_id: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """One finished utterance. Times are ms of the call; ``generated_ms`` and ``heard_ms`` count audio of the assistant."""

    item_id: str
    speaker: Speaker
    text: str
    heard_text: str
    began_ms: int
    ended_ms: int
    generated_ms: int = 0
    heard_ms: int = 0
    interrupted: bool = False
    latency_ms: int | None = None
    transcribed: bool = True
    assistant: str = ""  # who spoke, where several may share the call


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    spoken: Spoken


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that somebody should be able to see. ``number`` counts the problems of this call."""

    number: int
    source: Source
    code: str
    message: str
    benign: bool


class UsedFor(StrEnum):
    """What the model's server charges for."""

    RESPONSE = "response"
    TRANSCRIPTION = "transcription"


@dataclass(frozen=True, slots=True)
class Used:
    """What a response or a transcription of this session used, as its server reports it; None: it did not.

    ``response_id`` is the item's id for a transcription, ``status`` in the server's words, or `unfinished`.
    """

    session: int
    kind: UsedFor
    response_id: str
    model: str
    status: str
    usage: Mapping[str, Any] | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class PartialText:
    """What is known so far of an utterance that goes on, or all of it. Only told while somebody reads along."""

    item_id: str
    speaker: Speaker
    text: str
    assistant: str = ""
    whole: bool = False  # all its words are known; how many of them will be heard is not


@dataclass(frozen=True, slots=True)
class Speaking:
    """One side begins to be heard, or stops. Only told where somebody wants to know at once."""

    who: Speaker
    on: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """A message was put into the conversation from outside; nobody has said it."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Muted:
    """One side is to be silent from here on, by order, or no longer."""

    who: Speaker
    on: bool


@dataclass(frozen=True, slots=True)
class OrderAnswered:
    """An order from outside is carried out; or it is not, for this reason."""

    order_id: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class OrderSettled:
    """An order that was taken is done, what was to be said to its last word; or it will not be, for this reason.

    Of one that the conversation ends before there is none.
    """

    order_id: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The conversation has begun: stream verified, session accepted."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the telephone call by REST; Twilio then closes the stream."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Connect the caller to somebody else by REST; Twilio then closes the stream. Answer with ``forwarded`` or
    ``forward_failed``.

    ``call_id`` and ``name`` are of the tool call that asked for it; ``destination`` is what the model calls the place.
    """

    call_id: str
    name: str
    destination: str


@dataclass(frozen=True, slots=True)
class PressKeys:
    """Have Twilio press keys by REST; it then closes the stream, and opens another one for this call. Answer with
    ``forwarded`` or ``forward_failed``, or with ``keys_pressed`` where the stream goes on.

    ``call_id`` and ``name`` are of the tool call that asked for it; ``keys`` are never to be logged.
    """

    call_id: str
    name: str
    keys: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Apologise:
    """Have Twilio itself speak this and hang up: the model cannot.

    ``again``: the conversation had begun, and its session was lost; another one may be able to go on with the call.
    """

    text: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Close the media socket with this WebSocket code."""

    code: int


@dataclass(frozen=True, slots=True)
class CloseRealtime:
    """Close the model's socket: nothing more is wanted from it. Without a number: every one."""

    session: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The conversation is over and nothing follows. ``reason`` is in Vapi's words."""

    reason: str
    spoken: tuple[Spoken, ...]
    barge_ins: int
    frames_in: int
    first_sound_ms: int | None


Command = (
    Play
    | Mark
    | Clear
    | ToRealtime
    | VerifyStream
    | CheckTool
    | RunTool
    | ToolDone
    | ToolRefused
    | ToolLate
    | ToolSettled
    | PrepareMember
    | OpenRealtime
    | MemberTookOver
    | UtteranceEnded
    | Problem
    | PartialText
    | Speaking
    | Noted
    | Muted
    | OrderAnswered
    | OrderSettled
    | Used
    | Started
    | HangUp
    | Forward
    | PressKeys
    | Apologise
    | CloseStream
    | CloseRealtime
    | Ended
)

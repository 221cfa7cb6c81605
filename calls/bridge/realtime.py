"""Realtime API events: what the server sends, parsed once, and builders for what we send. GA shapes only.

The names of the removed beta are read as their GA twins, because compatible servers still use them.
Servers add events and fields without notice, so unknown ones are ``Ignored``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from calls.bridge.audio import payload_bytes
from calls.bridge.errors import RemoteProtocolError


@dataclass(frozen=True, slots=True)
class SessionCreated:
    """The socket is usable; the default session is in force until ours is accepted."""


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    """The effective session, whole, as the server now runs it."""

    session: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    """A response has begun. ``asked_by`` is the event id of our own request; empty when voice detection asked."""

    response_id: str
    asked_by: str


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """Assistant audio: base64 mu-law, ``n_bytes`` of it."""

    response_id: str
    item_id: str
    audio: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class AudioDone:
    """All audio of an item was generated; most of it is yet to be heard."""

    response_id: str
    item_id: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next words of an assistant item."""

    response_id: str
    item_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class TextDone:
    """All the words of an assistant item."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """The model asks for a tool. ``arguments`` is JSON text, as the model wrote it."""

    response_id: str
    item_id: str
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """A response is over: ``completed``, ``cancelled``, ``incomplete`` or ``failed``. ``calls`` are its complete ones."""

    response_id: str
    status: str
    reason: str
    code: str
    message: str
    calls: tuple[FunctionCall, ...]
    silent: bool = False  # it completed without any output at all
    usage: Mapping[str, Any] | None = None  # the tokens it used, as far as the server says


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller began to speak. Clock: ms of audio appended in this session."""

    item_id: str
    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The caller's turn is over; the clock includes the silence that ended it."""

    item_id: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The caller's audio became an item of the conversation."""

    item_id: str


@dataclass(frozen=True, slots=True)
class CallerText:
    """What the caller said in an item, from the transcription model."""

    item_id: str
    text: str
    usage: Mapping[str, Any] | None = None  # tokens or seconds, as far as the server says


@dataclass(frozen=True, slots=True)
class CallerTextDelta:
    """The next words of the caller in an item, where the transcription model gives them bit by bit."""

    item_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class CallerTextFailed:
    """The caller's words in an item could not be written down."""

    item_id: str
    code: str


@dataclass(frozen=True, slots=True)
class Error:
    """An ``error`` event. ``event_id`` is that of our event that caused it, where the server says so."""

    code: str
    message: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that changes nothing here."""

    kind: str


Event = (
    SessionCreated
    | SessionUpdated
    | ResponseCreated
    | AudioDelta
    | AudioDone
    | TextDelta
    | TextDone
    | FunctionCall
    | ResponseDone
    | SpeechStarted
    | SpeechStopped
    | Committed
    | CallerText
    | CallerTextDelta
    | CallerTextFailed
    | Error
    | Ignored
)


def _audio_delta(data: dict[str, Any]) -> Event:
    audio = _text(data["delta"])
    if len(audio) % 4:
        raise ValueError("base64")
    return AudioDelta(_response_id(data), _text(data["item_id"]), audio, payload_bytes(audio))


def _created(data: dict[str, Any]) -> Event:
    response = data["response"]
    metadata = response.get("metadata") or {}
    return ResponseCreated(_text(response["id"]), str(metadata.get("client_event_id") or ""))


def _caller_text(data: dict[str, Any]) -> Event:
    # Some servers send partial texts under this name, with a status of their own.
    if data.get("status") == "in_progress":
        return Ignored(data["type"])
    return CallerText(_text(data["item_id"]), _text(data["transcript"]), usage_told(data.get("usage")))


def _error(data: dict[str, Any]) -> Event:
    error = data["error"]
    return Error(_code(error), str(error.get("message") or ""), str(error.get("event_id") or ""))


_READERS: dict[str, Callable[[dict[str, Any]], Event]] = {
    "response.output_audio.delta": _audio_delta,
    "response.output_audio.done": lambda d: AudioDone(_response_id(d), _text(d["item_id"])),
    "response.output_audio_transcript.delta": lambda d: TextDelta(
        _response_id(d), _text(d["item_id"]), _text(d["delta"])
    ),
    "response.output_audio_transcript.done": lambda d: TextDone(
        _response_id(d), _text(d["item_id"]), _text(d["transcript"])
    ),
    "response.output_item.done": lambda d: _function_call(d["item"], _response_id(d)) or Ignored(d["type"]),
    "response.created": _created,
    "response.done": lambda d: _response_done(d["response"]),
    "input_audio_buffer.speech_started": lambda d: SpeechStarted(
        _text(d["item_id"]), int(d.get("audio_start_ms") or 0)
    ),
    "input_audio_buffer.speech_stopped": lambda d: SpeechStopped(
        _text(d["item_id"]), int(d.get("audio_end_ms") or 0)
    ),
    "input_audio_buffer.committed": lambda d: Committed(_text(d["item_id"])),
    "conversation.item.input_audio_transcription.completed": _caller_text,
    "conversation.item.input_audio_transcription.delta": lambda d: CallerTextDelta(
        _text(d["item_id"]), _text(d.get("delta") or "")
    ),
    "conversation.item.input_audio_transcription.failed": lambda d: CallerTextFailed(
        _text(d["item_id"]), _code(d.get("error"))
    ),
    "session.created": lambda _: SessionCreated(),
    "session.updated": lambda d: SessionUpdated(dict(d["session"])),
    "error": _error,
}
_READERS |= {
    # The removed beta's names.
    "response.audio.delta": _audio_delta,
    "response.audio.done": _READERS["response.output_audio.done"],
    "response.audio_transcript.delta": _READERS["response.output_audio_transcript.delta"],
    "response.audio_transcript.done": _READERS["response.output_audio_transcript.done"],
}


def parse(text: str | bytes) -> Event:
    """The event in a frame. Raises RemoteProtocolError, and nothing else, when it is not one."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise RemoteProtocolError("a frame from the Realtime server is not JSON") from exc
    if not isinstance(data, dict):
        raise RemoteProtocolError("a frame from the Realtime server is not a JSON object")
    kind = data.get("type")
    if not isinstance(kind, str):
        raise RemoteProtocolError("a frame from the Realtime server has no type")
    read = _READERS.get(kind)
    if read is None:
        return Ignored(kind)
    try:
        return read(data)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise RemoteProtocolError(f"the {kind} event from the Realtime server is malformed") from exc


def _function_call(item: Mapping[str, Any], response_id: str) -> FunctionCall | None:
    """The call in an item, or None: only a completed one counts, for in a cut-off one the arguments may be cut too."""
    if item.get("type") != "function_call" or item.get("status", "completed") != "completed":
        return None
    return FunctionCall(
        response_id,
        str(item.get("id") or ""),
        _text(item["call_id"]),
        _text(item["name"]),
        str(item.get("arguments") or ""),
    )


def _response_done(response: Mapping[str, Any]) -> ResponseDone:
    response_id = _text(response["id"])
    details = response.get("status_details") or {}
    error = details.get("error") or {}
    calls = [_function_call(item, response_id) for item in response.get("output") or ()]
    return ResponseDone(
        response_id=response_id,
        status=str(response.get("status") or "completed"),
        reason=str(details.get("reason") or ""),
        code=_code(error) if error else "",
        message=str(error.get("message") or ""),
        calls=tuple(call for call in calls if call is not None),
        silent=not response.get("output"),
        usage=usage_told(response.get("usage")),
    )


_MOST_FIGURES = 24


def usage_told(usage: object, *, depth: int = 3) -> dict[str, Any] | None:
    """The figures of a usage object, and its type; None where there are none. All else in it is left out."""
    if not isinstance(usage, dict) or not depth:
        return None
    told: dict[str, Any] = {}
    for name, value in list(usage.items())[:_MOST_FIGURES]:
        if isinstance(value, dict):
            inner = usage_told(value, depth=depth - 1)
            told |= {name: inner} if inner else {}
        elif (name == "type" and isinstance(value, str)) or (
            isinstance(value, int | float) and not isinstance(value, bool)
        ):
            told[name] = value[:20] if isinstance(value, str) else value
    return told or None


def _response_id(data: Mapping[str, Any]) -> str:
    return _text(data.get("response_id") or "")


def _code(error: Mapping[str, Any] | None) -> str:
    # Service failures come with a code of null; the type is all they say.
    return str((error or {}).get("code") or (error or {}).get("type") or "unknown")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _build(event: dict[str, Any]) -> str:
    return orjson.dumps(event).decode()


def append_audio(payload: str) -> str:
    """Caller audio, base64 mu-law. No answer is expected."""
    return _build({"type": "input_audio_buffer.append", "audio": payload})


def commit(event_id: str) -> str:
    """Make an item of the audio heard so far; at least 100 ms of it."""
    return _build({"type": "input_audio_buffer.commit", "event_id": event_id})


def session_update(event_id: str, session: Mapping[str, Any]) -> str:
    """New settings; all of them are refused when one is wrong."""
    return _build({"type": "session.update", "event_id": event_id, "session": session})


def response_create(event_id: str, purpose: str, **overrides: object) -> str:
    """Ask the model to speak. The metadata comes back in ``response.created``, which tells ours from its own."""
    metadata = {"purpose": purpose, "client_event_id": event_id}
    return _build(
        {"type": "response.create", "event_id": event_id, "response": {**overrides, "metadata": metadata}}
    )


def response_cancel(event_id: str, response_id: str) -> str:
    """Stop a response that voice detection does not stop by itself."""
    return _build({"type": "response.cancel", "event_id": event_id, "response_id": response_id})


def message(event_id: str, role: str, text: str, *, item_id: str = "") -> str:
    """A text in the conversation. What the assistant said counts as output, everything else as input."""
    kind = "output_text" if role == "assistant" else "input_text"
    item: dict[str, Any] = {"id": item_id} if item_id else {}
    item |= {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
    return _build({"type": "conversation.item.create", "event_id": event_id, "item": item})


def function_call(event_id: str, call_id: str, name: str, arguments: str) -> str:
    """A function call of an earlier session; its answer must follow."""
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    return _build({"type": "conversation.item.create", "event_id": event_id, "item": item})


def delete(event_id: str, item_id: str) -> str:
    """Take an item out of the conversation."""
    return _build({"type": "conversation.item.delete", "event_id": event_id, "item_id": item_id})


def function_output(event_id: str, call_id: str, output: str, *, after: str) -> str:
    """The one answer to a function call, placed behind its item."""
    event: dict[str, Any] = {"type": "conversation.item.create", "event_id": event_id}
    if after:
        event["previous_item_id"] = after
    event["item"] = {"type": "function_call_output", "call_id": call_id, "output": output}
    return _build(event)


def truncate(event_id: str, item_id: str, heard_ms: int) -> str:
    """Tell the model how much of an item was heard. Past the end of the item it is an error."""
    return _build(
        {
            "type": "conversation.item.truncate",
            "event_id": event_id,
            "item_id": item_id,
            "content_index": 0,
            "audio_end_ms": heard_ms,
        }
    )

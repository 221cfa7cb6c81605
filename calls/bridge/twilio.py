"""Media Streams messages: what Twilio sends, parsed once, and builders for the three messages it accepts.

Audio stays base64 mu-law as it came. Twilio adds events and fields without notice, so unknown ones are
``Ignored``; a known one that is malformed is a ``RemoteProtocolError``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from calls.bridge import commands
from calls.bridge.audio import pieces
from calls.bridge.errors import RemoteProtocolError
from calls.bridge.limits import LONGEST_PAYLOAD


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is open; nothing is known of the call yet."""


@dataclass(frozen=True, slots=True)
class Start:
    """The stream begins. ``parameters`` are the document's ``<Parameter>`` values."""

    stream_sid: str
    call_sid: str
    account_sid: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Media:
    """Caller audio: base64 mu-law of any length, ``timestamp_ms`` after the start of the stream."""

    payload: str
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Mark:
    """All audio queued before the mark of this name was played, or cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class Dtmf:
    """The caller pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The stream is over: the caller hung up, or the call was moved on by REST."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that this release does not know."""

    kind: str


Message = Connected | Start | Media | Mark | Dtmf | Stop | Ignored


def parse(text: str | bytes) -> Message:
    """The message in a frame. Raises RemoteProtocolError, and nothing else, when it is not one."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise RemoteProtocolError("a frame from Twilio is not JSON") from exc
    if not isinstance(data, dict):
        raise RemoteProtocolError("a frame from Twilio is not a JSON object")
    kind = data.get("event")
    if not isinstance(kind, str):
        raise RemoteProtocolError("a frame from Twilio has no event name")
    try:
        return _message(kind, data)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise RemoteProtocolError(f"the {kind[:20]} message from Twilio is malformed") from exc


def _message(kind: str, data: dict[str, Any]) -> Message:
    match kind:
        case "media":
            frame = data["media"]
            payload = frame["payload"]
            # Base64 comes in fours; anything else would be refused further on, without a word about the frame.
            if not payload or len(payload) % 4 or not isinstance(payload, str):
                raise ValueError(kind)
            return Media(payload, int(frame["timestamp"]))
        case "mark":
            return Mark(_text(data["mark"].get("name", "")))
        case "start":
            start = data["start"]
            _require_mulaw(start.get("mediaFormat") or {})
            parameters = start.get("customParameters") or {}
            return Start(
                stream_sid=_sid(start.get("streamSid") or data["streamSid"]),
                call_sid=_sid(start["callSid"]),
                account_sid=_sid(start["accountSid"]),
                parameters={str(key): str(value) for key, value in parameters.items()},
            )
        case "dtmf":
            return Dtmf(_text(data["dtmf"]["digit"]))
        case "stop":
            return Stop()
        case "connected":
            return Connected()
        case _:
            return Ignored(kind)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _sid(value: object) -> str:
    sid = _text(value)
    if not sid or len(sid) > 64:
        raise ValueError("sid")
    return sid


def _require_mulaw(media_format: Mapping[str, object]) -> None:
    # Twilio knows no other format today. One day it might, and noise in the caller's ear is no way to learn of it.
    if (
        media_format.get("encoding", "audio/x-mulaw") != "audio/x-mulaw"
        or media_format.get("sampleRate", 8000) != 8000
    ):
        raise ValueError("media format")


def texts(stream_sid: str, command: commands.Play | commands.Mark | commands.Clear) -> list[str]:
    """The messages by which Twilio does this."""
    match command:
        case commands.Play(payload=payload):
            return [media(stream_sid, piece) for piece in pieces(payload, LONGEST_PAYLOAD)]
        case commands.Mark(name=name):
            return [mark(stream_sid, name)]
        case commands.Clear():
            return [clear(stream_sid)]


def media(stream_sid: str, payload: str) -> str:
    """Audio for the caller: base64 mu-law, 8 kHz, padded. Exactly these keys; an extra one is error 31951."""
    return orjson.dumps({"event": "media", "streamSid": stream_sid, "media": {"payload": payload}}).decode()


def mark(stream_sid: str, name: str) -> str:
    """A request to be told when everything queued so far was played."""
    return orjson.dumps({"event": "mark", "streamSid": stream_sid, "mark": {"name": name}}).decode()


def clear(stream_sid: str) -> str:
    """Drop everything that is queued. Twilio answers with all pending marks at once."""
    return orjson.dumps({"event": "clear", "streamSid": stream_sid}).decode()

"""One sentence in one voice of the Realtime API: a short, synchronous conversation with it.

Live calls have their own connection (`calls.clients`); here somebody waits for a file, nobody for the next frame.
"""

import base64
import binascii
import json
import re
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Final

import websockets
from django.conf import settings
from websockets.sync.client import ClientConnection

from assistants.realtime_threads import realtime_connect
from assistants.voices.wav import is_silent

_UPDATE: Final = "clip_session"
_ASK: Final = "clip_say"
_FORMAT: Final = {"type": "audio/pcmu"}
# What is asked for is some 400 tokens long; a model that goes on and on is stopped here.
_MOST_TOKENS: Final = 1024
_MOST_BYTES: Final = 4 * 1024 * 1024

_KEY: Final = {"invalid_api_key", "http_401", "http_403", "account_deactivated"}
_MODEL: Final = {"model_not_found", "invalid_model", "missing_model", "http_404"}
_NO_CREDIT: Final = {"insufficient_quota", "billing_hard_limit_reached"}
_BUSY: Final = {"rate_limit_exceeded", "inference_rate_limit_exceeded", "http_429"}
_OUTAGE: Final = {"server_error", "connection_lost", "unreadable"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for the socket, for each answer of the server, for all of it; and between tries."""

    open_s: float = 8.0
    answer_s: float = 15.0
    total_s: float = 60.0
    pause_s: float = 1.5


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be said, and how."""

    text: str
    model: str
    voice: str
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """What came: mu-law audio, and the model's own account of the words."""

    mulaw: bytes
    words: str


class ClipRefusedError(Exception):
    """There is no clip. The text is one sentence or two for people; ``code`` is for filters and logs."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Failure(Exception):  # noqa: N818  # becomes a ClipRefusedError once nothing more is tried
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def speak(line: Line, *, patience: Patience | None = None) -> Spoken:
    """The line, spoken. Tries once more where the server was only busy or broke off. Raises ClipRefusedError."""
    patience = patience or Patience()
    if not settings.OPENAI_API_KEY:
        raise _refused("no_key", line)
    try:
        return _attempt(line, patience)
    except _Failure as exc:
        if not _passes(exc.code):
            raise _refused(exc.code, line) from exc
    time.sleep(patience.pause_s)
    try:
        return _attempt(line, patience)
    except _Failure as exc:
        raise _refused(exc.code, line) from exc


def _passes(code: str) -> bool:
    """Whether the same may well succeed a moment later."""
    return code in _BUSY | _OUTAGE or code.startswith("http_5")


# --- The conversation ----------------------------------------------------------------------------------------


def _attempt(line: Line, patience: Patience) -> Spoken:
    try:
        with realtime_connect(line.model, within_s=patience.open_s) as socket:
            return _Conversation(socket, line, patience).run()
    except websockets.InvalidStatus as exc:
        raise _Failure(f"http_{exc.response.status_code}") from exc
    except websockets.ConnectionClosed as exc:
        # Where the error event was lost, the reason still names it: "invalid_request_error.invalid_api_key".
        reason = exc.rcvd.reason if exc.rcvd is not None else ""
        named = re.fullmatch(r"\w+\.(\w{1,60})", reason)
        raise _Failure(named[1] if named else "connection_lost") from exc
    except TimeoutError as exc:
        raise _Failure("timeout") from exc
    except (OSError, ssl.SSLError, websockets.WebSocketException) as exc:
        raise _Failure(f"connect_{type(exc).__name__}") from exc


@dataclass(slots=True)
class _Conversation:
    socket: ClientConnection
    line: Line
    patience: Patience
    _until: float = field(init=False)
    _audio: bytearray = field(default_factory=bytearray)
    _words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.patience.total_s

    def run(self) -> Spoken:
        """The whole of it, from the greeting of the server to the end of its one response."""
        self._await("session.created")
        self._send({"type": "session.update", "event_id": _UPDATE, "session": _session(self.line)})
        # Nothing is asked before this: the default session would answer, in its own voice and in PCM.
        self._check_session(self._await("session.updated"))
        self._send({"type": "response.create", "event_id": _ASK, "response": _response(self.line)})
        self._check_response(self._await("response.done"))
        if is_silent(bytes(self._audio)):
            raise _Failure("no_sound")
        return Spoken(bytes(self._audio), " ".join(self._words))

    def _send(self, event: dict[str, Any]) -> None:
        self.socket.send(json.dumps(event))

    def _await(self, wanted: str) -> dict[str, Any]:
        """The next event of that type; what comes before it is taken in."""
        while True:
            event = self._receive()
            match event.get("type"):
                case "error":
                    raise _Failure(_error_code(event.get("error")))
                case "response.output_audio.delta":
                    self._take(event.get("delta"))
                case "response.output_audio_transcript.done":
                    self._words.append(str(event.get("transcript") or ""))
                case kind if kind == wanted:
                    return event
                case _:
                    pass  # both sides add events without warning

    def _receive(self) -> dict[str, Any]:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        message = self.socket.recv(timeout=min(left, self.patience.answer_s))
        try:
            event = json.loads(message)
        except ValueError as exc:
            raise _Failure("unreadable") from exc
        if not isinstance(event, dict):
            raise _Failure("unreadable")
        return event

    def _take(self, delta: object) -> None:
        if not isinstance(delta, str):
            raise _Failure("unreadable")
        try:
            self._audio += base64.b64decode(delta, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise _Failure("unreadable") from exc
        if len(self._audio) > _MOST_BYTES:
            raise _Failure("too_long")

    def _check_session(self, event: dict[str, Any]) -> None:
        output = _inside(event, "session", "audio", "output")
        if output.get("voice") != self.line.voice:
            raise _Failure("other_voice")
        if _inside(output, "format").get("type") != _FORMAT["type"]:
            raise _Failure("other_format")

    def _check_response(self, event: dict[str, Any]) -> None:
        response = _inside(event, "response")
        details = _inside(response, "status_details")
        match response.get("status"):
            case "completed":
                pass
            case "incomplete":
                raise _Failure(f"incomplete_{details.get('reason')}")
            case "failed":
                raise _Failure(_error_code(details.get("error")))
            case _:
                raise _Failure("cancelled")
        # Not every server tells it here.
        if _inside(response, "audio", "output").get("voice", self.line.voice) != self.line.voice:
            raise _Failure("other_voice")


def _session(line: Line) -> dict[str, Any]:
    """Sound as callers hear it, and nothing that listens: nobody speaks here but the model."""
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "max_output_tokens": _MOST_TOKENS,
        "tools": [],
        "tool_choice": "none",
        "audio": {
            "input": {"format": _FORMAT, "turn_detection": None},
            "output": {"format": _FORMAT, "voice": line.voice, "speed": line.speed},
        },
    }


def _response(line: Line) -> dict[str, Any]:
    """The words in which a call's own first message is asked for."""
    return {
        "instructions": f"Say exactly this sentence and nothing else: {line.text}",
        "input": [],
        "tool_choice": "none",
        "metadata": {"purpose": "voice_clip"},
    }


def _error_code(error: object) -> str:
    """The code of an error object; a refused voice is told from other refused values by the field it names."""
    found = error if isinstance(error, dict) else {}
    if str(found.get("param") or "").endswith("audio.output.voice"):
        return "voice_refused"
    code = str(found.get("code") or found.get("type") or "server_error")
    return code if re.fullmatch(r"[\w.-]{1,60}", code) else "unknown"


def _inside(value: object, *path: str) -> dict[str, Any]:
    """The object at that path, empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


# --- In words ------------------------------------------------------------------------------------------------


def _refused(code: str, line: Line) -> ClipRefusedError:
    return ClipRefusedError(code, refusal_text(code, model=line.model, voice=line.voice))


_TEXTS: Final = {
    "no_key": "No OpenAI key is set: set OPENAI_API_KEY, or start bin/run, whose simulator plays OpenAI.",
    "voice_refused": "OpenAI does not offer the voice {voice}; take it out of the list of voices.",
    "timeout": "OpenAI did not answer in time.",
    "connection_lost": "The connection to OpenAI broke off in the middle, twice.",
    "unreadable": "OpenAI sent something that cannot be read.",
    "no_sound": "OpenAI answered without any sound.",
    "too_long": "OpenAI went on speaking; nothing was kept.",
    "cancelled": "OpenAI broke its answer off; nothing was kept.",
    "other_voice": "OpenAI answered in another voice than {voice}; nothing was kept.",
    "other_format": "OpenAI answered in another audio format than the telephone's; nothing was kept.",
    "incomplete_max_output_tokens": "OpenAI's answer was cut off because it grew too long; nothing was kept.",
    "incomplete_content_filter": "OpenAI's content filter stopped the answer: look at the wording of the first message.",
    "beta_api_shape_disabled": "OpenAI took us for a client of its old interface, which is gone; look at OPENAI_REALTIME_URL.",
}


def refusal_text(code: str, *, model: str, voice: str) -> str:
    """What happened and what to do, in one sentence."""
    if code in _KEY:
        return f"OpenAI refused the key ({code}): check OPENAI_API_KEY."
    if code in _MODEL:
        return (
            f"The model {model} is gone or not open to this key ({code}): choose another for the assistant."
        )
    if code in _NO_CREDIT:
        return f"The OpenAI account has no credit left ({code}): add some, then record again."
    if code in _BUSY:
        return (
            f"OpenAI is busy, or the account's limit for a minute is reached ({code}): try again in a minute."
        )
    if code.startswith("connect_"):
        return f"OpenAI could not be reached ({code.removeprefix('connect_')}): check the network and OPENAI_REALTIME_URL."
    if code in _TEXTS:
        return _TEXTS[code].format(model=model, voice=voice)
    return f"OpenAI refused it ({code})."

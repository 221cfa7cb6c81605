"""What an operator is told of a call that comes to them: a few sentences, written by the call's own model.

A session of its own, in text: the call's stream is gone by then, only one response may run in a session, and the words
of a call cost a fraction of its sound. Nothing here speaks, so nobody waits for a frame.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import websockets
from websockets.sync.client import ClientConnection

from assistants.realtime_threads import realtime_connect
from tools.liquid import render

_MOST_TOKENS = 400
_LONGEST_CALL = 40_000  # characters of a transcript; what came last is what the operator needs
_USUAL = (
    "You write a note for a person to whom a telephone call is being transferred. Sum up in two or three short sentences, "
    "in the language of the call, who calls and what they want. Write nothing else."
)
_LABELS = {"bot": "AI", "user": "User"}


class SummaryError(Exception):
    """There is no summary. The text is fit for a problem row."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the model is asked: instructions, and one message for each text."""

    instructions: str
    texts: tuple[str, ...]


def summary_request(
    messages: Iterable[Mapping[str, Any]],
    history: Iterable[Mapping[str, Any]],
    *,
    variables: Mapping[str, Any],
    now: datetime,
) -> Request:
    """The request for a summary: the plan's own messages, where `{{transcript}}` is what was said, or the usual ones."""
    transcript = _transcript(history)
    known = {**variables, "transcript": transcript}
    rendered = [
        (str(one.get("role")), render(str(one.get("content", "")), known, now=now).text) for one in messages
    ]
    instructions = "\n\n".join(text for role, text in rendered if role == "system")
    texts = [text for role, text in rendered if role != "system"]
    if not any(transcript in text for text in texts):
        texts.append(f"Here is the transcript:\n\n{transcript}")
    return Request(instructions or _USUAL, tuple(texts))


def summary_write(
    request: Request,
    *,
    model: str,
    within_s: float,
    used: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> str:
    """The summary. Raises SummaryError when there is none by then. ``used`` is given the response that is charged for."""
    until = time.monotonic() + within_s
    try:
        with realtime_connect(model, within_s=within_s) as socket:
            return _converse(socket, request, until, used)
    except websockets.InvalidStatus as exc:
        raise SummaryError(f"The Realtime API answered {exc.response.status_code}.") from exc
    except TimeoutError as exc:
        raise SummaryError(f"There was no summary within {within_s:g} s.") from exc
    except (OSError, ssl.SSLError, websockets.WebSocketException) as exc:
        raise SummaryError(f"The connection was lost: {type(exc).__name__}.") from exc


def _converse(
    socket: ClientConnection, request: Request, until: float, used: Callable[[Mapping[str, Any]], None]
) -> str:
    while True:
        event = _event(socket.recv(timeout=max(0.0, until - time.monotonic())))
        match event.get("type"):
            case "session.created":
                _send(socket, "session.update", session=_session(request))
            case "session.updated":
                _send(socket, "response.create", response=_response(request))
            case "response.done":
                response = event.get("response")
                used(response if isinstance(response, dict) else {})
                return _text(event)
            case "error":
                error = event.get("error")
                code = error.get("code") if isinstance(error, dict) else None
                raise SummaryError(f"The Realtime API refused it: {str(code)[:80]}.")
            case _:
                pass  # its parts, which come whole at the end


def _session(request: Request) -> dict[str, Any]:
    return {
        "type": "realtime",
        "output_modalities": ["text"],
        "instructions": request.instructions,
        "tools": [],
        "max_output_tokens": _MOST_TOKENS,
    }


def _response(request: Request) -> dict[str, Any]:
    return {
        "conversation": "none",
        "output_modalities": ["text"],
        "instructions": request.instructions,
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
            for text in request.texts
        ],
        "metadata": {"purpose": "summary"},
    }


def _send(socket: ClientConnection, kind: str, **body: Any) -> None:
    socket.send(orjson.dumps({"type": kind, **body}).decode())


def _event(message: str | bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(message)
    except orjson.JSONDecodeError as exc:
        raise SummaryError("The Realtime API sent something that is no JSON.") from exc
    return event if isinstance(event, dict) else {}


def _text(event: dict[str, Any]) -> str:
    """The text of a response that is done. Raises SummaryError when it has none."""
    response = event.get("response")
    output = response.get("output") if isinstance(response, dict) else None
    contents = [item.get("content") for item in output or [] if isinstance(item, dict)]
    texts = [
        part["text"]
        for content in contents
        if isinstance(content, list)
        for part in content
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    ]
    text = " ".join(" ".join(texts).split())
    if not text:
        raise SummaryError("The model wrote nothing.")
    return text


def _transcript(history: Iterable[Mapping[str, Any]]) -> str:
    said = ((_LABELS.get(str(one.get("role"))), one.get("message")) for one in history)
    return "".join(f"{label}: {text}\n" for label, text in said if label and text)[-_LONGEST_CALL:]

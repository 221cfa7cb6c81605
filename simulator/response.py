"""One response of the simulated model, event by event, in the order in which the API sends them.

response.created, then for each item response.output_item.added, conversation.item.added, content or arguments
in deltas, their .done events in a burst, conversation.item.done, response.output_item.done; at last
response.done and, a little later, rate_limits.updated. Audio comes faster than it plays, in odd sizes.
"""

import asyncio
import base64
import itertools
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from simulator import clips, ulaw
from simulator.dialogue import Plan, Stimulus

if TYPE_CHECKING:
    from simulator.session import Session

JSON = dict[str, Any]

# No multiple of 160, and never the same size twice in a row: nothing may rely on a size.
_DELTA_BYTES: Final = (400, 1200, 2000, 3333, 801, 1601, 2777)
_TEXT_LEAD_BYTES: Final = 6000  # transcript deltas run ahead of the audio
_HUGE: Final = 3_000_000


class Cancelled(Exception):  # noqa: N818 - a turn of events, not an error
    """The response was cancelled; its reason is in `Response.cancel_reason`."""


@dataclass(slots=True)
class Item:
    """An item of the conversation as the server keeps it."""

    id: str
    body: JSON
    line: str = ""  # the whole text of an assistant's audio
    generated: int = 0  # bytes of mu-law sent so far

    @property
    def generated_ms(self) -> float:
        """Length of the audio sent so far."""
        return self.generated / ulaw.BYTES_PER_MS


@dataclass(slots=True)
class Response:
    """A response under way."""

    id: str
    plan: Plan
    told: list[Stimulus]
    config: JSON
    in_conversation: bool
    cancel_reason: str | None = None
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    output: list[Item] = field(default_factory=list)

    def cancel(self, reason: str) -> None:
        """End it early."""
        if self.cancel_reason is None:
            self.cancel_reason = reason
            self.cancelled.set()


async def run(session: "Session", response: Response) -> None:
    """Send the whole response."""
    session.emit({"type": "response.created", "response": describe(session, response, "in_progress", None)})
    status = response.plan.status
    details: JSON | None = None
    try:
        await pause(session, response, session.model.think_ms)
        failing = session.binding.trouble.failure(session.settings["model"])
        if failing is not None or status == "failed":
            code = failing or response.plan.reason or "server_error"
            details = {
                "type": "failed",
                "error": {"type": "server_error", "code": code, "message": "Simulated."},
            }
            status = "failed"
        else:
            await _items(session, response)
            if status == "incomplete":
                details = {"type": "incomplete", "reason": response.plan.reason or "max_output_tokens"}
    except Cancelled:
        status, details = "cancelled", {"type": "cancelled", "reason": response.cancel_reason}
    session.finish(response, status)
    session.emit({"type": "response.done", "response": describe(session, response, status, details)})
    session.emit_later(
        30,
        {
            "type": "rate_limits.updated",
            "rate_limits": [{"name": "tokens", "limit": 40000, "remaining": 38914, "reset_seconds": 1.629}],
        },
    )


async def pause(session: "Session", response: Response, ms: float) -> None:
    """Wait, and give way to others even if there is nothing to wait for. Raises Cancelled as soon as the response is."""
    await asyncio.sleep(0)
    if response.cancel_reason is None and not await session.clock.comes(response.cancelled, within_ms=ms):
        return
    raise Cancelled


def describe(session: "Session", response: Response, status: str, details: JSON | None) -> JSON:
    """The response object."""
    settings = session.settings
    output = settings["audio"]["output"]
    return {
        "object": "realtime.response",
        "id": response.id,
        "status": status,
        "status_details": details,
        "output": [item.body for item in response.output] if status != "in_progress" else [],
        "conversation_id": session.conversation_id if response.in_conversation else None,
        "output_modalities": response.config.get("output_modalities", settings["output_modalities"]),
        "max_output_tokens": response.config.get("max_output_tokens", settings["max_output_tokens"]),
        "audio": {"output": {"format": output["format"], "voice": output["voice"]}},
        "usage": None if status == "in_progress" else _usage(session, response),
        "metadata": response.config.get("metadata"),
    }


def _usage(session: "Session", response: Response) -> JSON:
    """Tokens: 1 for 100 ms of the caller, 1 for 50 ms of the assistant, some 4 for 3 words.

    The input is the whole conversation so far, of both sides; what the response before had of it comes from the cache.
    """
    spoken = sum(item.generated_ms for item in response.output)
    words = sum(len(item.line.split()) for item in response.output)
    text_out = 10 + words * 4 // 3 if response.output else 0
    audio_out = round(spoken / 50)
    audio_in = round(session.committed_ms / 100) + round(session.spoken_ms / 50)
    text_in = 514
    cached_text, cached_audio = session.cached_tokens
    session.cached_tokens = (448, audio_in // 64 * 64)
    session.spoken_ms += spoken if response.in_conversation else 0
    return {
        "total_tokens": text_in + audio_in + text_out + audio_out,
        "input_tokens": text_in + audio_in,
        "output_tokens": text_out + audio_out,
        "input_token_details": {
            "text_tokens": text_in,
            "audio_tokens": audio_in,
            "image_tokens": 0,
            "cached_tokens": cached_text + cached_audio,
            "cached_tokens_details": {
                "text_tokens": cached_text,
                "audio_tokens": cached_audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


async def _items(session: "Session", response: Response) -> None:
    plan = response.plan
    modalities = response.config.get("output_modalities", session.settings["output_modalities"])
    for number, text in enumerate(plan.say, start=1):
        final = number == len(plan.say) and not plan.calls
        phase = "final_answer" if final else "commentary"
        if modalities == ["text"]:
            await _text(session, response, text, phase)
        else:
            await _speech(
                session, response, text, phase, share=0.5 if plan.status == "incomplete" and final else 1
            )
    for name, arguments in plan.calls:
        await _call(session, response, name, arguments)


def _begin(session: "Session", response: Response, body: JSON) -> tuple[Item, JSON]:
    """Announce an item. Return it and the keys that its events share."""
    item = Item(id=body["id"], body=body)
    index = len(response.output)
    response.output.append(item)
    added = {"response_id": response.id, "output_index": index, "item": dict(body)}
    session.emit({"type": "response.output_item.added", **added})
    if response.in_conversation:
        session.add_item(item, done=False)
    return item, {"response_id": response.id, "item_id": item.id, "output_index": index}


def _end(session: "Session", response: Response, item: Item, keys: JSON, *, status: str) -> None:
    item.body["status"] = status
    if response.in_conversation:
        session.emit(
            {
                "type": "conversation.item.done",
                "previous_item_id": session.before(item),
                "item": dict(item.body),
            }
        )
    done = {"response_id": response.id, "output_index": keys["output_index"], "item": dict(item.body)}
    session.emit({"type": "response.output_item.done", **done})


async def _speech(session: "Session", response: Response, text: str, phase: str, *, share: float) -> None:
    body = {
        "id": session.new_id("item"),
        "object": "realtime.item",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
        "phase": phase,
    }
    item, keys = _begin(session, response, body)
    keys["content_index"] = 0
    item.line = text
    session.will_say(text)
    session.emit({"type": "response.content_part.added", **keys, "part": {"type": "audio", "transcript": ""}})
    audio = clips.clip_of(text, "assistant").audio
    audio = audio[: int(len(audio) * share)]
    spoken: list[str] = []
    words = deque(_timed_words(text, len(audio) / max(share, 0.01)))
    pieces = _pieces(audio)
    cancelled = False
    due_ms = session.clock.now_ms()  # by one schedule, so that many small delays do not add up
    try:
        for at, piece in pieces:
            while words and words[0][0] <= at + _TEXT_LEAD_BYTES:
                spoken.append(words.popleft()[1])
                session.emit(_text_delta("response.output_audio_transcript.delta", keys, spoken[-1], session))
            _audio_delta(session, item, keys, piece)
            session.mid_response(item, len(audio))
            due_ms += len(piece) / ulaw.BYTES_PER_MS / session.model.rate
            await pause(session, response, due_ms - session.clock.now_ms())
    except Cancelled:
        cancelled = True
        if response.cancel_reason == "turn_detected":  # what was under way still arrives after speech_started
            for _, piece in itertools.islice(pieces, session.model.late_deltas):
                _audio_delta(session, item, keys, piece)
    transcript = "".join(spoken).strip()
    session.emit({"type": "response.output_audio.done", **keys})
    session.emit({"type": "response.output_audio_transcript.done", **keys, "transcript": transcript})
    part = {"type": "audio", "transcript": transcript}
    session.emit({"type": "response.content_part.done", **keys, "part": part})
    item.body["content"] = [{"type": "output_audio", "transcript": transcript}]
    _end(session, response, item, keys, status="incomplete" if cancelled or share < 1 else "completed")
    if cancelled:
        raise Cancelled


async def _text(session: "Session", response: Response, text: str, phase: str) -> None:
    body = {
        "id": session.new_id("item"),
        "object": "realtime.item",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
        "phase": phase,
    }
    item, keys = _begin(session, response, body)
    keys["content_index"] = 0
    session.emit({"type": "response.content_part.added", **keys, "part": {"type": "text", "text": ""}})
    for word in re.findall(r"\s*\S+", text):
        session.emit(_text_delta("response.output_text.delta", keys, word, session))
    session.emit({"type": "response.output_text.done", **keys, "text": text})
    session.emit({"type": "response.content_part.done", **keys, "part": {"type": "text", "text": text}})
    item.body["content"] = [{"type": "output_text", "text": text}]
    _end(session, response, item, keys, status="completed")
    await pause(session, response, 0)


async def _call(session: "Session", response: Response, name: str, arguments: str) -> None:
    call_id = session.new_id("call")[:32]
    body = {
        "id": session.new_id("item"),
        "object": "realtime.item",
        "type": "function_call",
        "status": "in_progress",
        "name": name,
        "call_id": call_id,
        "arguments": "",
    }
    item, keys = _begin(session, response, body)
    keys["call_id"] = call_id
    third = len(arguments) // 3 + 1
    for start in range(0, len(arguments), third):
        delta = arguments[start : start + third]
        session.emit(_text_delta("response.function_call_arguments.delta", keys, delta, session))
        await pause(session, response, 5)
    done = {"arguments": arguments, "name": name}
    session.emit({"type": "response.function_call_arguments.done", **keys, **done})
    item.body["arguments"] = arguments
    session.called(call_id, name, arguments)
    _end(session, response, item, keys, status="completed")


def _pieces(audio: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for size in itertools.cycle(_DELTA_BYTES):
        if at >= len(audio):
            return
        yield at, audio[at : at + size]
        at += size


def _timed_words(text: str, length: float) -> list[tuple[float, str]]:
    """Each word with its blank, and the byte of the audio at which it begins, by share of the text."""
    return [
        (found.start() / max(len(text), 1) * length, found.group()) for found in re.finditer(r"\s*\S+", text)
    ]


def _audio_delta(session: "Session", item: Item, keys: JSON, piece: bytes) -> None:
    is_pcm = session.settings["audio"]["output"]["format"]["type"] == "audio/pcm"
    delta = base64.b64encode(ulaw.to_pcm_24k(piece) if is_pcm else piece).decode()
    item.generated += len(piece)
    session.emit({"type": "response.output_audio.delta", **keys, "delta": delta})


def _text_delta(event: str, keys: JSON, delta: str, session: "Session") -> JSON:
    padding = "x" * _HUGE if session.binding.trouble.makes_huge() else "k3VqB7tLxw2"[: 3 + len(delta) % 8]
    return {"type": event, **keys, "delta": delta, "obfuscation": padding}

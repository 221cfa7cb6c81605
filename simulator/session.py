"""One Realtime session: settings, conversation, input buffer, the active response."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from simulator import clips, response, ulaw, validation
from simulator.clock import Clock
from simulator.dialogue import Dialogue, Stimulus
from simulator.report import CallLog, ToolCall, Truncation
from simulator.response import Item, Response
from simulator.scenario import Faults, Model, Scenario
from simulator.vad import SpeechStarted, SpeechStopped, Vad
from simulator.validation import RefusedError

JSON = dict[str, Any]

_MAX_DURATION_S: Final = 3600
_COMMIT_LEAST_BYTES: Final = 800  # 100 ms
_EAGER_SILENCE_MS: Final = {"low": 1000, "medium": 600, "auto": 600, "high": 300}
_SERVER_VAD: Final = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,  # in a real session.created, whatever the documentation says
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Final = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


@dataclass(frozen=True, slots=True)
class Close:
    """In the outbox: close the connection with this code; 1006 drops it without a close frame."""

    code: int
    reason: str = ""


@dataclass(slots=True)
class Trouble:
    """The faults of one call, and how often each has struck: reconnecting does not start them anew."""

    faults: Faults
    refused: int = 0
    closed: int = 0
    failed: int = 0
    huge: int = 0
    garbled: int = 0
    updates: int = 0


@dataclass(slots=True)
class Binding:
    """Where a session belongs: the story it plays and the report it writes."""

    scenario: Scenario
    log: CallLog
    trouble: Trouble
    on_say: Callable[[str], None]
    on_tool_call: Callable[[], None]
    dialogue: Dialogue
    sessions: list["Session"] = field(default_factory=list)


class Session:
    """Fed with messages by `receive`; what it answers is put into `outbox`."""

    def __init__(self, model: str, binding: Binding) -> None:
        self.outbox: asyncio.Queue[str | Close] = asyncio.Queue()
        self.binding = binding
        self.model: Model = binding.scenario.model
        self.conversation_id = self.new_id("conv")
        self.committed_ms = 0.0
        self.cached_tokens = (0, 0)
        self.open = True
        self.active: Response | None = None
        self.settings: JSON = _defaults(model, self.new_id("sess"))
        self._event_numbers = itertools.count()
        self._event_prefix = "event_" + secrets.token_hex(6)
        self._items: list[Item] = []
        self._told: list[Stimulus] = []
        self._voice_locked = False
        self._updated = False
        self._has_spoken = False
        self._respond_after = False  # a turn ended while a cancelled response was still being wound up
        self._tasks: set[asyncio.Task[None]] = set()
        self._buffer = bytearray()
        self._buffer_start = 0  # position, in bytes of all appended audio, of the buffer's first byte
        self._appended = 0
        self._speech_item: str | None = None
        self._speech_start = 0
        self._idle_from: float | None = None  # position in ms from which the idle timeout counts
        self._vad = self._new_vad()
        self._appends = 0

    @property
    def clock(self) -> Clock:
        """The clock of the call."""
        return self.binding.log.clock

    # Sending

    def emit(self, event: JSON) -> None:
        """Send an event."""
        event["event_id"] = f"{self._event_prefix}{next(self._event_numbers):06}"
        if self.open:
            self.outbox.put_nowait(orjson.dumps(event).decode())

    def emit_later(self, ms: float, *events: JSON) -> None:
        """Send events in a while, without waiting for it."""
        self._spawn(self._emit_later(ms, events))

    async def _emit_later(self, ms: float, events: tuple[JSON, ...]) -> None:
        await self.clock.sleep(ms)
        for event in events:
            self.emit(event)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # held until done, or it may be collected
        task.add_done_callback(self._tasks.discard)

    def refuse(self, refused: RefusedError, event_id: str | None) -> None:
        """Send an `error` for one client event; the session goes on."""
        error = {
            "type": "invalid_request_error",
            "code": refused.code,
            "message": str(refused),
            "param": refused.param,
            "event_id": event_id,
        }
        self.binding.log.report.realtime_errors.append(error)
        self.binding.log.event("realtime error", code=refused.code, message=str(refused))
        self.emit({"type": "error", "error": error})

    def close(self, code: int, reason: str = "") -> None:
        """Send nothing more; close when the outbox is empty."""
        if self.open:
            self.open = False
            self.outbox.put_nowait(Close(code, reason))

    def end(self) -> None:
        """The connection is gone."""
        self.open = False
        for task in list(self._tasks):
            task.cancel()

    @staticmethod
    def new_id(prefix: str) -> str:
        """A fresh id in the API's form, of at most 32 characters."""
        return f"{prefix}_{secrets.token_urlsafe(15)}".replace("-", "x")

    def warn(self, text: str) -> None:
        """Note something that the API allows and that goes wrong on the telephone; once each."""
        warnings = self.binding.log.report.realtime_warnings
        if text not in warnings:
            warnings.append(text)

    # Receiving

    def begin(self) -> None:
        """The connection is open."""
        self.emit({"type": "session.created", "session": self.settings})
        if self.binding.trouble.faults.unknown_events:
            self.emit({"type": "session.weather", "outlook": {"sunny": True}, "novelty": [1, 2, 3]})

    def receive(self, message: str | bytes) -> None:
        """Take one message of the client; whatever is wrong with it is answered with `error`."""
        event_id: str | None = None
        try:
            if isinstance(message, bytes):
                raise RefusedError("invalid_event", "Binary messages are not supported.")
            try:
                event = orjson.loads(message)
            except orjson.JSONDecodeError as error:
                raise RefusedError("invalid_json", "The message is not valid JSON.") from error
            if isinstance(event, dict) and isinstance(event.get("event_id"), str):
                event_id = event["event_id"]
            self._record(event)
            self._dispatch(validation.client_event(event), event_id)
        except RefusedError as refused:
            self.refuse(refused, event_id)

    def _record(self, event: Any) -> None:
        if isinstance(event, dict) and event.get("type") == "input_audio_buffer.append":
            self._appends += 1
            return
        if isinstance(event, dict):
            self.binding.log.report.realtime_events.append({**event, "ms": round(self.clock.now_ms())})

    def _dispatch(self, event: JSON, event_id: str | None) -> None:  # noqa: C901 - one case an event
        if self.binding.trouble.faults.mute == "after_created":
            return
        match event["type"]:
            case "input_audio_buffer.append":
                self._append(validation.audio_of(event))
            case "session.update":
                self._update(event["session"], event_id)
            case "input_audio_buffer.commit":
                self._commit_by_client()
            case "input_audio_buffer.clear":
                self._clear_buffer()
            case "conversation.item.create":
                self._create_item(event)
            case "conversation.item.retrieve":
                item = self._item(event["item_id"], "retrieve")
                self.emit({"type": "conversation.item.retrieved", "item": item.body})
            case "conversation.item.truncate":
                self._truncate(event)
            case "conversation.item.delete":
                self._items.remove(self._item(event["item_id"], "delete"))
                self.emit({"type": "conversation.item.deleted", "item_id": event["item_id"]})
            case "response.create":
                self._respond(event.get("response") or {})
            case "response.cancel":
                self._cancel(event.get("response_id"))

    # Settings

    def _update(self, update: Any, event_id: str | None) -> None:
        trouble = self.binding.trouble
        trouble.updates += 1
        if trouble.faults.reject_update and trouble.updates == 1:
            raise RefusedError("invalid_value", "Simulated refusal of a session.update.", "session")
        validation.session_update(update, self.settings, voice_locked=self._voice_locked)
        before = self.settings["audio"]["input"]["turn_detection"]
        self.settings = _merged(self.settings, update)
        if self.settings["audio"]["input"]["turn_detection"] != before:
            self._vad = self._new_vad()
        self._updated = True
        for tool in update.get("tools", ()):
            if "$ref" in orjson.dumps(tool).decode():
                self.warn(f"tool {tool.get('name')} uses $ref, which is not resolved reliably")
        event = {"type": "session.updated", "session": self.settings}
        if trouble.faults.slow_update_ms:
            self.emit_later(trouble.faults.slow_update_ms, event)
        else:
            self.emit(event)

    def _new_vad(self) -> Vad | None:
        detection = self.settings["audio"]["input"]["turn_detection"]
        if detection is None:
            return None
        if detection["type"] == "semantic_vad":
            return Vad(silence_duration_ms=_EAGER_SILENCE_MS[detection["eagerness"]], position=self._appended)
        return Vad(
            threshold=detection["threshold"],
            prefix_padding_ms=detection["prefix_padding_ms"],
            silence_duration_ms=detection["silence_duration_ms"],
            position=self._appended,
        )

    # Input audio

    def _append(self, audio: bytes) -> None:
        if not self._updated:
            self.warn("audio was appended before session.updated")
        if self.settings["audio"]["input"]["format"]["type"] == "audio/pcm":
            audio = ulaw.from_pcm_24k(audio)
        self._buffer += audio
        self._appended += len(audio)
        if self._vad is None:
            return
        for detected in self._vad.feed(audio):
            match detected:
                case SpeechStarted(audio_start_ms=start_ms):
                    self._speech_started(start_ms)
                case SpeechStopped(audio_end_ms=end_ms):
                    self._speech_stopped(end_ms)
        if not self._vad.speaking:
            self._forget_silence()
            self._watch_idle()

    def _forget_silence(self) -> None:
        """Keep what a beginning of speech may still reach back to."""
        detection = self.settings["audio"]["input"]["turn_detection"]
        keep = (detection.get("prefix_padding_ms", 300) + 200) * ulaw.BYTES_PER_MS
        surplus = len(self._buffer) - keep
        if surplus > keep:  # seldom, not for every frame
            del self._buffer[:surplus]
            self._buffer_start += surplus

    def _speech_started(self, start_ms: int) -> None:
        self._speech_item = self.new_id("item")
        self._speech_start = start_ms * ulaw.BYTES_PER_MS
        self._idle_from = None
        started = {"audio_start_ms": start_ms, "item_id": self._speech_item}
        self.emit({"type": "input_audio_buffer.speech_started", **started})
        self.binding.log.event("model hears speech", audio_start_ms=start_ms)
        detection = self.settings["audio"]["input"]["turn_detection"]
        if self.active is not None and self.active.in_conversation and detection["interrupt_response"]:
            self.active.cancel("turn_detected")

    def _speech_stopped(self, end_ms: int) -> None:
        item_id = self._speech_item or self.new_id("item")
        self._speech_item = None
        self.emit({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": end_ms, "item_id": item_id})
        start = max(0, self._speech_start - self._buffer_start)
        end = end_ms * ulaw.BYTES_PER_MS - self._buffer_start
        self._commit(bytes(self._buffer[start:end]), item_id)
        self._drop_buffer(end)
        self._respond_to_turn()

    def _respond_to_turn(self) -> None:
        detection = self.settings["audio"]["input"]["turn_detection"]
        if detection is None or not detection["create_response"]:
            return
        if self.active is not None and self.active.cancel_reason is not None:
            self._respond_after = True
            return
        try:
            self._respond({})
        except RefusedError as refused:
            self.refuse(refused, None)

    def _watch_idle(self) -> None:
        detection = self.settings["audio"]["input"]["turn_detection"]
        timeout_ms = detection.get("idle_timeout_ms")
        now_ms = self._appended / ulaw.BYTES_PER_MS
        if (
            timeout_ms is None
            or self._idle_from is None
            or self.active
            or now_ms - self._idle_from < timeout_ms
        ):
            return
        item_id = self.new_id("item")
        times = {"audio_start_ms": round(self._idle_from), "audio_end_ms": round(now_ms)}
        self._idle_from = None
        self.emit({"type": "input_audio_buffer.timeout_triggered", **times, "item_id": item_id})
        self._commit(bytes(self._buffer), item_id)
        self._drop_buffer(len(self._buffer))
        self._respond_to_turn()

    def _drop_buffer(self, count: int) -> None:
        count = max(0, min(count, len(self._buffer)))
        del self._buffer[:count]
        self._buffer_start += count

    def _clear_buffer(self) -> None:
        self._drop_buffer(len(self._buffer))
        self._speech_item = None
        self._vad = self._new_vad()
        self.emit({"type": "input_audio_buffer.cleared"})

    def _commit_by_client(self) -> None:
        if len(self._buffer) < _COMMIT_LEAST_BYTES:
            has = len(self._buffer) / ulaw.BYTES_PER_MS
            raise RefusedError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {has:.2f}ms of audio.",
            )
        item_id = self._speech_item or self.new_id("item")
        audio = bytes(self._buffer)
        self._drop_buffer(len(audio))
        self._speech_item = None
        self._vad = self._new_vad()
        self._commit(audio, item_id)

    def _commit(self, audio: bytes, item_id: str) -> None:
        """Make an item of audio, hear what is said in it, and have it transcribed."""
        words = clips.recogniser_of(_caller_lines(self.binding.scenario), "caller").words(audio)
        self.committed_ms += ulaw.duration_ms(audio)
        previous = self._items[-1].id if self._items else None
        self.emit({"type": "input_audio_buffer.committed", "previous_item_id": previous, "item_id": item_id})
        body = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        self.add_item(Item(id=item_id, body=body), done=True)
        self._told.append(Stimulus("caller", words))
        self.binding.log.event("model heard", words=words)
        if self.settings["audio"]["input"]["transcription"] is not None:
            self._transcribe(item_id, words, ulaw.duration_ms(audio) / 1000)

    def _transcribe(self, item_id: str, words: str, seconds: float) -> None:
        name = "conversation.item.input_audio_transcription"
        keys = {"item_id": item_id, "content_index": 0}
        if self.model.transcription_fails:
            error = {
                "type": "transcription_error",
                "code": "audio_unintelligible",
                "message": "The audio could not be transcribed.",
                "param": None,
            }
            self.emit_later(self.model.transcription_ms, {"type": f"{name}.failed", **keys, "error": error})
            return
        deltas: list[JSON] = [
            {
                "type": f"{name}.delta",
                **keys,
                "delta": word if index == 0 else f" {word}",
                "obfuscation": "QmLs",
            }
            for index, word in enumerate(words.split())
        ]
        model = self.settings["audio"]["input"]["transcription"]["model"]
        tokens = round(seconds * 10)
        usage: JSON = {"type": "duration", "seconds": round(seconds, 1)}
        if model.startswith("gpt-4o"):
            usage = {
                "type": "tokens",
                "input_tokens": tokens,
                "output_tokens": len(words.split()) + 2,
                "total_tokens": tokens + len(words.split()) + 2,
                "input_token_details": {"audio_tokens": tokens, "text_tokens": 0},
            }
        completed: JSON = {"type": f"{name}.completed", **keys, "transcript": words, "usage": usage}
        if model == "gpt-transcribe":
            completed["languages"] = [{"code": "en"}]
        self.emit_later(self.model.transcription_ms, *deltas, completed)

    # Items

    def add_item(self, item: Item, *, done: bool, after: str | None = None) -> None:
        """Put an item into the conversation and announce it."""
        index = len(self._items)
        if after == "root":
            index = 0
        elif after is not None:
            index = self._items.index(self._item(after, "create")) + 1
        self._items.insert(index, item)
        keys = {"previous_item_id": self.before(item), "item": item.body}
        self.emit({"type": "conversation.item.added", **keys})
        if done:
            self.emit({"type": "conversation.item.done", **keys})

    def before(self, item: Item) -> str | None:
        """The id of the item before that one."""
        index = self._items.index(item) if item in self._items else 0
        return self._items[index - 1].id if index else None

    def _item(self, item_id: str, action: str) -> Item:
        for item in self._items:
            if item.id == item_id:
                return item
        code = f"item_{action}_invalid_item_id"
        message = f"Error handling event: item with item_id '{item_id}' does not exist."
        raise RefusedError(code, message, "previous_item_id" if action == "create" else "item_id")

    def _create_item(self, event: JSON) -> None:
        body = dict(event["item"])
        body.setdefault("id", self.new_id("item"))
        body.update(object="realtime.item", status="completed")
        if any(item.id == body["id"] for item in self._items):
            raise RefusedError("invalid_value", f"Item with id '{body['id']}' already exists.", "item.id")
        after = event.get("previous_item_id")
        if after not in {None, "root"}:
            self._item(after, "create")
        match body["type"]:
            case "function_call_output":
                self._take_output(body["call_id"], body["output"])
            case "message":
                self._told += [
                    Stimulus("text", part["text"])
                    for part in body["content"]
                    if part["type"] == "input_text" and body["role"] == "user"
                ]
            case "function_call":
                body.setdefault("call_id", self.new_id("call"))
        self.add_item(Item(id=body["id"], body=body), done=True, after=after)

    def _take_output(self, call_id: str, output: str) -> None:
        names = [
            item.body["name"]
            for item in self._items
            if item.body.get("call_id") == call_id and "name" in item.body
        ]
        if not names:
            raise RefusedError(
                "invalid_tool_call_id", f"Tool call ID '{call_id}' not found in conversation.", "item.call_id"
            )
        self._told.append(Stimulus("tool", output, tool=names[0]))
        self.binding.log.event("tool output", name=names[0], output=output)
        for call in self.binding.log.report.tool_calls:
            if call.call_id == call_id:
                call.outputs.append(output)
                call.output_at_ms = self.clock.now_ms()
                if len(call.outputs) > 1:
                    self.warn(f"{len(call.outputs)} outputs for one call of {call.name}")

    def _truncate(self, event: JSON) -> None:
        item = self._item(event["item_id"], "truncate")
        body = item.body
        if body.get("role") != "assistant" or not item.line:
            raise RefusedError("invalid_value", "Only model output audio messages can be truncated.", "item_id")
        end_ms = event["audio_end_ms"]
        if end_ms > item.generated_ms:
            has = int(item.generated_ms)
            message = f"Audio content of {has}ms is already shorter than {end_ms}ms"
            raise RefusedError("invalid_value", message, "audio_end_ms")
        body["content"] = [{"type": "output_audio"}]  # the transcript goes, as words have no times
        now_ms = self.clock.now_ms()
        truncation = Truncation(item.id, item.line, end_ms, item.generated_ms, now_ms)
        self.binding.log.report.truncations.append(truncation)
        self.binding.log.event("item truncated", line=item.line, audio_end_ms=end_ms)
        keys = {"item_id": item.id, "content_index": 0, "audio_end_ms": end_ms}
        self.emit({"type": "conversation.item.truncated", **keys})

    # Responses

    def _respond(self, config: JSON) -> None:
        in_conversation = config.get("conversation", "auto") != "none"
        if in_conversation and self.active is not None:
            raise RefusedError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if not self._updated:
            self.warn("a response was asked for before session.updated")
        if self.binding.trouble.faults.mute == "after_updated":
            return
        instructions = config.get("instructions")
        exact = instructions is not None and self.binding.dialogue.exact_sentence(instructions) is not None
        takes = in_conversation and not exact and config.get("input") is None
        told, self._told = (self._told, []) if takes else ([], self._told)
        tools = config.get("tools", self.settings["tools"])
        plan = self.binding.dialogue.plan(
            told,
            instructions=instructions,
            offered={tool["name"] for tool in tools if tool["type"] == "function"},
            may_call=config.get("tool_choice", self.settings["tool_choice"]) != "none",
            first=not self._has_spoken,
        )
        for name in plan.missing_tools:
            self.warn(f"the story asks for the tool {name}, which the session does not offer")
        self._has_spoken = True
        reply = Response(self.new_id("resp"), plan, told, config, in_conversation)
        if in_conversation:
            self.active = reply
        self._spawn(response.run(self, reply))

    def _cancel(self, response_id: str | None) -> None:
        if self.active is None or response_id not in {None, self.active.id} or self.active.cancel_reason:
            raise RefusedError("response_cancel_not_active", "Cancellation failed: no active response found")
        self.active.cancel("client_cancelled")

    def finish(self, reply: Response, status: str) -> None:
        """A response is over: what it was told and did not come to answer is still to be answered."""
        self.binding.log.report.responses.append(
            {
                "id": reply.id,
                "status": status,
                "reason": reply.cancel_reason or reply.plan.reason,
                "metadata": reply.config.get("metadata"),
                "said": [item.line for item in reply.output if item.line],
            }
        )
        self.binding.log.event("response over", status=status, said=" ".join(reply.plan.say))
        if status == "failed" or (status == "cancelled" and not reply.output):
            self._told = reply.told + self._told
        if self.active is reply:
            self.active = None
            spoken = sum(item.generated_ms for item in reply.output)
            self._idle_from = self._appended / ulaw.BYTES_PER_MS + spoken
            if self._respond_after:
                self._respond_after = False
                self._spawn(self._respond_soon())

    async def _respond_soon(self) -> None:
        await asyncio.sleep(0)  # after response.done of the cancelled one
        self._respond_to_turn()

    def will_say(self, text: str) -> None:
        """Note that this text will be spoken; the voice is fixed from now on."""
        self._voice_locked = True
        self.binding.on_say(text)

    def called(self, call_id: str, name: str, arguments: str) -> None:
        """Note a function call."""
        call = ToolCall(call_id, name, arguments, self.clock.now_ms())
        self.binding.log.report.tool_calls.append(call)
        self.binding.log.event("model calls tool", name=name, arguments=arguments)
        self.binding.on_tool_call()

    # Faults

    def take_failure(self) -> str | None:
        """The error code with which this response is to fail, None if it is not."""
        trouble = self.binding.trouble
        if self.settings["model"].startswith(("gpt-4o-realtime-preview", "gpt-4o-mini-realtime-preview")):
            return "model_not_found"  # retired: it connects, and every response fails
        if trouble.failed >= trouble.faults.fail_responses:
            return None
        trouble.failed += 1
        return trouble.faults.fail_code

    def take_huge(self) -> bool:
        """Whether this is the one event that is to be huge."""
        trouble = self.binding.trouble
        if not trouble.faults.huge_message or trouble.huge:
            return False
        trouble.huge = 1
        return True

    def mid_response(self, item: Item, length: int) -> None:
        """Somewhere within a spoken item: the place for faults that strike there."""
        trouble = self.binding.trouble
        if trouble.faults.invalid_json and not trouble.garbled:
            trouble.garbled = 1
            self.outbox.put_nowait('{"type":"response.output_audio.delta","delta":"////')
        if trouble.faults.unknown_events:
            self.emit({"type": "response.output_gesture.delta", "item_id": item.id, "delta": "nod"})
        code = trouble.faults.close_mid_response
        if code is not None and trouble.closed < trouble.faults.close_times and item.generated * 2 >= length:
            trouble.closed += 1
            self.close(code, "simulated")


def _caller_lines(scenario: Scenario) -> tuple[str, ...]:
    return tuple(step.say for step in scenario.caller if step.say is not None)


def _defaults(model: str, session_id: str) -> JSON:
    """The session as it is before any update."""
    pcm = {"type": "audio/pcm", "rate": 24000}
    settings: JSON = {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": int(time.time()) + _MAX_DURATION_S,
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": pcm, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }
    if validation.reasons(model):
        settings["reasoning"] = {"effort": "low"}
    return settings


def _merged(settings: JSON, update: JSON) -> JSON:
    """The settings after an update: only the fields that are present change."""
    audio = update.get("audio", {})
    heard = {**settings["audio"]["input"], **audio.get("input", {})}
    detection = heard["turn_detection"]
    if detection is not None:
        base = _SEMANTIC_VAD if detection["type"] == "semantic_vad" else _SERVER_VAD
        heard["turn_detection"] = {**base, **detection}
    spoken = {**settings["audio"]["output"], **audio.get("output", {})}
    return {**settings, **update, "audio": {"input": heard, "output": spoken}}

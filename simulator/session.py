"""One Realtime session: settings, conversation, turns, the active response."""

import asyncio
import itertools
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from simulator import clips, response, transcription, ulaw, validation
from simulator.clock import Clock
from simulator.dialogue import Dialogue, Stimulus
from simulator.input_buffer import InputBuffer
from simulator.report import CallLog, ToolCall, Truncation
from simulator.response import Item, Response
from simulator.scenario import Scenario
from simulator.settings import defaults, merged, vad_of
from simulator.trouble import Trouble
from simulator.vad import SpeechStarted, SpeechStopped
from simulator.validation import RefusedError

JSON = dict[str, Any]

_COMMIT_LEAST_BYTES: Final = 800  # 100 ms


@dataclass(frozen=True, slots=True)
class Close:
    """In the outbox: close the connection with this code; 1006 drops it without a close frame."""

    code: int
    reason: str = ""


@dataclass(slots=True)
class Binding:
    """Where a session belongs: the story it plays and the report it writes."""

    scenario: Scenario
    log: CallLog
    trouble: Trouble
    dialogue: Dialogue
    on_say: Callable[[str], None]
    on_tool_call: Callable[[], None]
    sessions: list["Session"] = field(default_factory=list)


class Session:
    """Fed with messages by `receive`; what it answers is put into `outbox`."""

    def __init__(self, model: str, binding: Binding) -> None:
        self.outbox: asyncio.Queue[str | Close] = asyncio.Queue()
        self.binding = binding
        self.model = binding.scenario.model
        self.settings = defaults(model, self.new_id("sess"))
        self.conversation_id = self.new_id("conv")
        self.active: Response | None = None
        self.committed_ms = 0.0  # audio that the model has been given
        self.spoken_ms = 0.0  # audio of the assistant that stands in the conversation
        self.cached_tokens = (0, 0)  # text and audio of the previous response's input
        self._open = True
        self._event_ids = (f"event_{secrets.token_hex(6)}{number:06}" for number in itertools.count())
        self._items: list[Item] = []
        self._told: list[Stimulus] = []  # what no response has answered yet
        self._replayed: set[str] = set()  # function calls that the client has made
        self._buffer = InputBuffer(vad_of(self.settings, position=0))
        self._speech: tuple[str, int] | None = None  # id and start, in ms, of the item that is being spoken
        self._idle_from_ms: float | None = None  # from where on the idle timeout counts, in audio time
        self._updated = False
        self._has_answered = False
        self._has_spoken = False  # from then on the voice is fixed
        self._respond_after = False  # a turn ended while a cancelled response was still being wound up
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: dict[str, Callable[[JSON], None]] = {
            "input_audio_buffer.append": lambda event: self._append(validation.audio_of(event)),
            "input_audio_buffer.commit": lambda _: self._commit_by_client(),
            "input_audio_buffer.clear": lambda _: self._clear_buffer(),
            "session.update": lambda event: self._update(event["session"]),
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve,
            "conversation.item.truncate": self._truncate,
            "conversation.item.delete": self._delete,
            "response.create": lambda event: self._respond(event.get("response") or {}),
            "response.cancel": lambda event: self._cancel(event.get("response_id")),
        }

    @property
    def clock(self) -> Clock:
        """The clock of the call."""
        return self.binding.log.clock

    @property
    def _hearing(self) -> JSON:
        settings: JSON = self.settings["audio"]["input"]
        return settings

    # Sending

    def emit(self, event: JSON) -> None:
        """Send an event."""
        if self._open:
            self.outbox.put_nowait(orjson.dumps({"event_id": next(self._event_ids), **event}).decode())

    def emit_later(self, ms: float, *events: JSON) -> None:
        """Send events in a while, without waiting for it."""

        async def wait() -> None:
            await self.clock.sleep(ms)
            for event in events:
                self.emit(event)

        self._spawn(wait())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # held until done, or it may be collected
        task.add_done_callback(self._tasks.discard)

    def close(self, code: int, reason: str = "") -> None:
        """Send nothing more; close when the outbox is empty."""
        if self._open:
            self._open = False
            self.outbox.put_nowait(Close(code, reason))

    def end(self) -> None:
        """The connection is gone."""
        self._open = False
        for task in list(self._tasks):
            task.cancel()

    @staticmethod
    def new_id(prefix: str) -> str:
        """A fresh id in the API's form, of at most 32 characters."""
        return f"{prefix}_{secrets.token_urlsafe(15)}".replace("-", "x")

    def _refuse(self, refused: RefusedError, event_id: str | None) -> None:
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

    def _warn(self, text: str) -> None:
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
            event = _decoded(message)
            if isinstance(event, dict):
                event_id = event["event_id"] if isinstance(event.get("event_id"), str) else None
                if event.get("type") != "input_audio_buffer.append":
                    self.binding.log.report.realtime_events.append(
                        {**event, "ms": round(self.clock.now_ms())}
                    )
            self._dispatch(validation.client_event(event))
        except RefusedError as refused:
            self._refuse(refused, event_id)

    def _dispatch(self, event: JSON) -> None:
        if self.binding.trouble.faults.mute == "after_created":
            return
        self._handlers[event["type"]](event)

    def _update(self, update: Any) -> None:
        trouble = self.binding.trouble
        if trouble.rejects_update():
            raise RefusedError("invalid_value", "Simulated refusal of a session.update.", "session")
        validation.session_update(update, self.settings, voice_locked=self._has_spoken)
        before = self._hearing["turn_detection"]
        self.settings = merged(self.settings, update)
        if self._hearing["turn_detection"] != before:
            self._new_vad()
        self._updated = True
        for tool in update.get("tools", ()):
            if "$ref" in orjson.dumps(tool).decode():
                self._warn(f"tool {tool.get('name')} uses $ref, which is not resolved reliably")
        event = {"type": "session.updated", "session": self.settings}
        if trouble.faults.slow_update_ms:
            self.emit_later(trouble.faults.slow_update_ms, event)
        else:
            self.emit(event)

    # Input audio

    def _new_vad(self) -> None:
        self._buffer.vad = vad_of(self.settings, position=self._buffer.appended)
        self._speech = None

    def _append(self, audio: bytes) -> None:
        if not self._updated:
            self._warn("audio was appended before session.updated")
        if self._hearing["format"]["type"] == "audio/pcm":
            audio = ulaw.from_pcm_24k(audio)
        for detected in self._buffer.append(audio):
            match detected:
                case SpeechStarted(audio_start_ms=start_ms):
                    self._speech_started(start_ms)
                case SpeechStopped(audio_end_ms=end_ms):
                    self._speech_stopped(end_ms)
        detection = self._hearing["turn_detection"]
        if detection is not None and self._speech is None:
            self._buffer.forget_silence(detection.get("prefix_padding_ms", 300))
            self._watch_idle(detection.get("idle_timeout_ms"))

    def _speech_started(self, start_ms: int) -> None:
        item_id = self.new_id("item")
        self._speech = item_id, start_ms
        self._idle_from_ms = None
        started = {"audio_start_ms": start_ms, "item_id": item_id}
        self.emit({"type": "input_audio_buffer.speech_started", **started})
        self.binding.log.event("model hears speech", audio_start_ms=start_ms)
        if self.active is not None and self._hearing["turn_detection"]["interrupt_response"]:
            self.active.cancel("turn_detected")

    def _speech_stopped(self, end_ms: int) -> None:
        assert self._speech is not None  # a detector that stopped had started
        (item_id, start_ms), self._speech = self._speech, None
        self.emit({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": end_ms, "item_id": item_id})
        self._commit(self._buffer.take(start_ms, end_ms), item_id)
        self._respond_to_turn()

    def _watch_idle(self, timeout_ms: int | None) -> None:
        now_ms, from_ms = self._buffer.position_ms, self._idle_from_ms
        if timeout_ms is None or from_ms is None or self.active or now_ms - from_ms < timeout_ms:
            return
        self._idle_from_ms = None
        item_id = self.new_id("item")
        times = {"audio_start_ms": round(from_ms), "audio_end_ms": round(now_ms)}
        self.emit({"type": "input_audio_buffer.timeout_triggered", **times, "item_id": item_id})
        self._commit(self._buffer.take_all(), item_id)
        self._respond_to_turn()

    def _clear_buffer(self) -> None:
        self._buffer.take_all()
        self._new_vad()
        self.emit({"type": "input_audio_buffer.cleared"})

    def _commit_by_client(self) -> None:
        if len(self._buffer) < _COMMIT_LEAST_BYTES:
            has = len(self._buffer) / ulaw.BYTES_PER_MS
            raise RefusedError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {has:.2f}ms of audio.",
            )
        item_id = self._speech[0] if self._speech is not None else self.new_id("item")
        audio = self._buffer.take_all()
        self._new_vad()
        self._commit(audio, item_id)

    def _commit(self, audio: bytes, item_id: str) -> None:
        """Make an item of audio, hear what is said in it, and have it transcribed."""
        lines = [step.say for step in self.binding.scenario.caller if step.say is not None]
        words = clips.recogniser_of(lines, "caller").words(audio)
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
        asked = self._hearing["transcription"]
        if asked is not None:
            seconds = ulaw.duration_ms(audio) / 1000
            events = (
                transcription.failed(item_id)
                if self.model.transcription_fails
                else transcription.completed(item_id, words, seconds=seconds, model=asked["model"])
            )
            self.emit_later(self.model.transcription_ms, *events)

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
        body = {"id": self.new_id("item"), **event["item"], "object": "realtime.item", "status": "completed"}
        if any(item.id == body["id"] for item in self._items):
            raise RefusedError("invalid_value", f"Item with id '{body['id']}' already exists.", "item.id")
        after = event.get("previous_item_id")
        if after not in {None, "root"}:
            self._item(after, "create")
        match body["type"]:
            case "function_call_output":
                self._take_output(body["call_id"], body["output"])
            case "function_call":
                body.setdefault("call_id", self.new_id("call"))
                self._replayed.add(body["call_id"])
            case "message":
                self._take_message(body)
            case _:
                pass
        self.add_item(Item(id=body["id"], body=body), done=True, after=after)

    def _take_message(self, body: JSON) -> None:
        if body["role"] == "assistant":  # replayed history: what stands before it has been answered
            self._told.clear()
            self._has_answered = True
        elif body["role"] == "user":
            texts = [part["text"] for part in body["content"] if part["type"] == "input_text"]
            self._told += [Stimulus("text", text) for text in texts]

    def _take_output(self, call_id: str, output: str) -> None:
        calls = [item.body for item in self._items if item.body["type"] == "function_call"]
        names = [call["name"] for call in calls if call["call_id"] == call_id]
        if not names:
            message = f"Tool call ID '{call_id}' not found in conversation."
            raise RefusedError("invalid_tool_call_id", message, "item.call_id")
        if call_id in self._replayed:  # history of another session: it was answered there
            return
        self._told.append(Stimulus("tool", output, tool=names[0]))
        self.binding.log.event("tool output", name=names[0], output=output)
        for call in self.binding.log.report.tool_calls:
            if call.call_id == call_id:
                call.outputs.append(output)
                call.output_at_ms = self.clock.now_ms()
                if len(call.outputs) > 1:
                    self._warn(f"{len(call.outputs)} outputs for one call of {call.name}")

    def _retrieve(self, event: JSON) -> None:
        item = self._item(event["item_id"], "retrieve")
        self.emit({"type": "conversation.item.retrieved", "item": item.body})

    def _delete(self, event: JSON) -> None:
        self._items.remove(self._item(event["item_id"], "delete"))
        self.emit({"type": "conversation.item.deleted", "item_id": event["item_id"]})

    def _truncate(self, event: JSON) -> None:
        item = self._item(event["item_id"], "truncate")
        if item.body.get("role") != "assistant" or not item.line:
            raise RefusedError(
                "invalid_value", "Only model output audio messages can be truncated.", "item_id"
            )
        end_ms = event["audio_end_ms"]
        if end_ms > item.generated_ms:
            message = f"Audio content of {int(item.generated_ms)}ms is already shorter than {end_ms}ms"
            raise RefusedError("invalid_value", message, "audio_end_ms")
        item.body["content"] = [{"type": "output_audio"}]  # the transcript goes, as words have no times
        self.binding.log.report.truncations.append(
            Truncation(item.id, item.line, end_ms, item.generated_ms, self.clock.now_ms())
        )
        self.binding.log.event("item truncated", line=item.line, audio_end_ms=end_ms)
        keys = {"item_id": item.id, "content_index": 0, "audio_end_ms": end_ms}
        self.emit({"type": "conversation.item.truncated", **keys})

    # Responses

    def _respond_to_turn(self) -> None:
        """The caller's turn is over: answer it, if that is the server's business."""
        detection = self._hearing["turn_detection"]
        if detection is None or not detection["create_response"]:
            return
        if self.active is not None and self.active.cancel_reason is not None:
            self._respond_after = True
            return
        try:
            self._respond({})
        except RefusedError as refused:
            self._refuse(refused, None)

    def _respond(self, config: JSON) -> None:
        in_conversation = config.get("conversation", "auto") != "none"
        if in_conversation and self.active is not None:
            raise RefusedError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if not self._updated:
            self._warn("a response was asked for before session.updated")
        if self.binding.trouble.faults.mute == "after_updated":
            return
        dialogue = self.binding.dialogue
        instructions = config.get("instructions")
        exact = instructions is not None and dialogue.exact_sentence(instructions) is not None
        takes = in_conversation and not exact and config.get("input") is None
        if exact and in_conversation and self._all_calls_answered():
            # Said in the place of an answer, it is one.
            self._told = [stimulus for stimulus in self._told if stimulus.kind != "tool"]
        told, self._told = (self._told, []) if takes else ([], self._told)
        tools: list[JSON] = config["tools"] if "tools" in config else self.settings["tools"]
        plan = dialogue.plan(
            told,
            instructions=instructions,
            offered={tool["name"] for tool in tools if tool["type"] == "function"},
            may_call=config.get("tool_choice", self.settings["tool_choice"]) != "none",
            first=not self._has_answered,
        )
        for name in plan.missing_tools:
            self._warn(f"the story asks for the tool {name}, which the session does not offer")
        self._has_answered = True
        reply = Response(self.new_id("resp"), plan, told, config, in_conversation)
        if in_conversation:
            self.active = reply
        self._spawn(response.run(self, reply))

    def _all_calls_answered(self) -> bool:
        bodies = [item.body for item in self._items]
        called = {body["call_id"] for body in bodies if body["type"] == "function_call"}
        return called <= {body["call_id"] for body in bodies if body["type"] == "function_call_output"}

    def _cancel(self, response_id: str | None) -> None:
        if self.active is None or response_id not in {None, self.active.id} or self.active.cancel_reason:
            raise RefusedError("response_cancel_not_active", "Cancellation failed: no active response found")
        self.active.cancel("client_cancelled")

    def finish(self, reply: Response, status: str) -> None:
        """A response is over: what it was told and did not come to answer is still to be answered."""
        said = [item.line for item in reply.output if item.line]
        self.binding.log.report.responses.append(
            {
                "id": reply.id,
                "status": status,
                "reason": reply.cancel_reason or reply.plan.reason,
                "metadata": reply.config.get("metadata"),
                "said": said,
            }
        )
        self.binding.log.event("response over", status=status, said=" ".join(said))
        if status == "failed" or (status == "cancelled" and not reply.output):
            self._told = reply.told + self._told
        if self.active is not reply:
            return
        self.active = None
        self._idle_from_ms = self._buffer.position_ms + sum(item.generated_ms for item in reply.output)
        if self._respond_after:
            self._respond_after = False
            self._spawn(self._respond_soon())

    async def _respond_soon(self) -> None:
        await asyncio.sleep(0)  # after response.done of the cancelled one
        self._respond_to_turn()

    def will_say(self, text: str) -> None:
        """Note that this text will be spoken; the voice is fixed from now on."""
        self._has_spoken = True
        self.binding.on_say(text)

    def called(self, call_id: str, name: str, arguments: str) -> None:
        """Note a function call."""
        call = ToolCall(call_id, name, arguments, self.clock.now_ms())
        self.binding.log.report.tool_calls.append(call)
        self.binding.log.event("model calls tool", name=name, arguments=arguments)
        self.binding.on_tool_call()

    def mid_response(self, item: Item, length: int) -> None:
        """Somewhere within a spoken item of `length` bytes: the place for faults that strike there."""
        trouble = self.binding.trouble
        if trouble.garbles():
            self.outbox.put_nowait('{"type":"response.output_audio.delta","delta":"////')
        if trouble.faults.unknown_events:
            self.emit({"type": "response.output_gesture.delta", "item_id": item.id, "delta": "nod"})
        if item.generated * 2 >= length and (code := trouble.closes()) is not None:
            self.close(code, "simulated")


def _decoded(message: str | bytes) -> Any:
    if isinstance(message, bytes):
        raise RefusedError("invalid_event", "Binary messages are not supported.")
    try:
        return orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise RefusedError("invalid_json", "The message is not valid JSON.") from error

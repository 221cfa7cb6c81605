"""One call between Twilio and the Realtime API: turns, barge-in, tool calls, deadlines, utterances.

Everything that moves the conversation is in this module. ``now`` is a monotonic clock in seconds.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from calls.bridge import realtime, toolcalls, twilio
from calls.bridge.audio import BYTES_PER_MS, payload_bytes, pieces, silence
from calls.bridge.commands import (
    Apologise,
    CloseRealtime,
    CloseStream,
    Command,
    Ended,
    HangUp,
    Problem,
    RunTool,
    Source,
    Speaker,
    Started,
    ToolDone,
    ToolRefused,
    ToolSettled,
    ToRealtime,
    ToTwilio,
    UtteranceEnded,
    VerifyStream,
)
from calls.bridge.plan import FirstMessageMode, Plan, floor_payload, session_faults, session_payload
from calls.bridge.playback import Playback
from calls.bridge.speech import Utterance, spoken
from calls.bridge.toolcalls import ToolCalls

START_WITHIN_S = 5.0  # Twilio sends `start` at once; a socket without one is not a call.
SESSION_WITHIN_S = 10.0
RESPONSE_WITHIN_S = 10.0  # from our request to `response.created`
ANSWER_WITHIN_S = (
    9.0  # from the end of the caller's turn to the first sound; the slowest good answers take 4.7 s
)
NUDGE_AFTER_S = 2.0  # voice detection creates its response well within this
LINE_DEAD_AFTER_S = 30.0  # gaps of a quarter second are normal; some carriers send nothing in silence
STALLED_AFTER_S = (
    0.75  # frames stop while the caller speaks: silence must be supplied, or the turn never ends
)
LAST_WORDS_WITHIN_S = 3.0  # transcriptions that are still to come when the caller is gone
HANG_UP_WITHIN_S = 5.0  # from the order to hang up to Twilio's `stop`
GOODBYE_SLACK_S = 3.0
OVERTIME_S = 30.0  # a caller who never stops talking cannot keep a call that is over
RETRIES = 2
RETRY_AFTER_S = (0.5, 2.0)
HELD_FRAMES = 100  # 2 s of caller audio kept while the session is being prepared; older audio is dropped
GAP_MS = 60  # jitter is a frame or two; more than that is audio that was never sent
LONGEST_GAP_MS = 10_000
LONGEST_PAYLOAD = 8000  # characters of base64, 750 ms; what Twilio takes in one message is nowhere written
SHORTEST_COMMIT_BYTES = 100 * BYTES_PER_MS  # the API refuses to commit less
# Speech under a protected greeting that is worth an answer; a guess: "hello?" is shorter, a request is longer.
WORTH_ANSWERING_WORDS = 3

BENIGN = {
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "response_cancel_no_active_response",
    "input_audio_buffer_commit_empty",
    "item_truncate_invalid_item_id",
    "item_delete_invalid_item_id",
}
FATAL = {
    "invalid_api_key",
    "insufficient_quota",
    "account_deactivated",
    "billing_hard_limit_reached",
    "billing_not_active",
    "invalid_model",
    "missing_model",
    "model_not_found",
    "beta_api_shape_disabled",
    "session_expired",
}
ACTIVE_RESPONSE = "conversation_already_has_active_response"


class Phase(Enum):
    """Where the call stands. ``ENDED`` absorbs: late arrivals from either side are normal."""

    OPENING = "opening"  # the stream is not verified, or the session not accepted
    TALKING = "talking"
    LEAVING = "leaving"  # hanging up was ordered; Twilio will close the stream
    DRAINING = "draining"  # the caller is gone; their last words are still being written down
    ENDED = "ended"


@dataclass(slots=True)
class _Ask:
    """A response we asked for, or want to ask for."""

    purpose: str
    overrides: dict[str, Any]
    event_id: str = ""


class Conversation:
    """Feed it what arrived and when; carry out the commands it returns, in their order."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.phase = Phase.OPENING
        self.playback = Playback()
        self.tools = ToolCalls()
        self._specs = {tool.name: tool for tool in plan.tools}
        self._out: list[Command] = []
        self._timers: dict[str, float] = {}
        self._events = 0
        self._problems = 0

        self._stream_sid = ""
        self._verified = False
        self._session_sent = False
        self._session_ready = False
        self._session_event = ""
        self._zero = 0.0
        self._held: deque[twilio.Media] = deque(maxlen=HELD_FRAMES)

        self._appended_bytes = 0
        self._audio_zero_ms: int | None = None  # call time of the first byte appended
        self._last_media = 0.0
        self._frames_in = 0

        self._active = ""  # id of the running response; "?" when the server says there is one we do not know
        self._active_ask: _Ask | None = None
        self._requested: _Ask | None = None
        self._wanted: _Ask | None = None
        self._dropped: set[str] = set()
        self._sounded: set[str] = set()  # responses of which audio was passed on
        self._failures = 0
        self._barge_ins = 0

        self._floor_open = not plan.protects_greeting
        self._floor_confirmed = self._floor_open
        self._greeting_id = ""
        self._greeted = not plan.greets
        self._missed: list[str] = []  # caller items spoken under the protected greeting

        self._speaking = ""  # item id of the caller's running speech
        self._speech_ended: float | None = None
        self._turn_ended = False  # since our last request for a response
        self._unwritten: set[str] = set()  # caller items whose text is still to come
        self._first_sound_ms: int | None = None

        self._utterances: dict[str, Utterance] = {}
        self._ending = ""  # reason to hang up once everything was said
        self._ending_response = ""  # the response that asked to hang up; what it said is the goodbye
        self._farewell_asked = False
        self._failing = ""  # reason to apologise once what Twilio holds was played
        self._reason = ""
        self._realtime_open = True

    # What arrived ---------------------------------------------------------------------------------------------

    def opened(self, *, now: float) -> list[Command]:
        """The media socket was accepted."""
        self._timers["start"] = now + START_WITHIN_S
        self._last_media = now
        return self._drain()

    def receive_twilio(self, message: twilio.Message, *, now: float) -> list[Command]:
        """A message from Twilio."""
        if self.phase in (Phase.DRAINING, Phase.ENDED):
            return []
        match message:
            case twilio.Media():
                self._media(message, now)
            case twilio.Mark(name=name):
                self.playback.echo(name, now=now)
                self._after_playback(now)
            case twilio.Start():
                self._start(message, now)
            case twilio.Stop():
                self._caller_gone("customer-ended-call", now)
            case twilio.Connected() | twilio.Dtmf() | twilio.Ignored():
                pass
        return self._drain()

    def stream_verified(self, *, now: float) -> list[Command]:
        """The token was good: the stream is this call's, and it is used up."""
        if self.phase is Phase.OPENING:
            self._verified = True
            self._zero = now
            self._timers["session"] = now + SESSION_WITHIN_S
            if self._failing:
                self._leave(self._failing, Apologise(self.plan.apology), now)
            self._begin_if_ready(now)
        return self._drain()

    def stream_refused(self, *, now: float) -> list[Command]:
        """The token was missing, used, too old or another call's."""
        if self.phase is Phase.OPENING:
            self._end("call-start-error-stream-refused", close_code=1008, now=now)
        return self._drain()

    def receive_realtime(self, event: realtime.Event, *, now: float) -> list[Command]:  # noqa: C901 - a flat table
        """An event from the Realtime API."""
        if self.phase is Phase.ENDED:
            return []
        match event:
            case realtime.AudioDelta():
                self._audio(event, now)
            case realtime.TextDelta():
                self._text(event.item_id, event.response_id, event.delta, final=False, now=now)
            case realtime.TextDone():
                self._text(event.item_id, event.response_id, event.text, final=True, now=now)
            case realtime.AudioDone():
                self._audio_done(event, now)
            case realtime.FunctionCall():
                self._function_call(event, now)
            case realtime.ResponseCreated():
                self._response_created(event, now)
            case realtime.ResponseDone():
                self._response_done(event, now)
            case realtime.SpeechStarted():
                self._speech_started(event, now)
            case realtime.SpeechStopped():
                self._speech_stopped(event, now)
            case realtime.Committed():
                if event.item_id in self._utterances:
                    self._unwritten.add(event.item_id)
            case realtime.CallerText():
                self._caller_text(event.item_id, event.text, transcribed=True, now=now)
            case realtime.CallerTextFailed():
                self._problem(Source.OPENAI, f"transcription_{event.code}", "", benign=True)
                self._caller_text(event.item_id, "", transcribed=False, now=now)
            case realtime.SessionCreated():
                self._session_created(now)
            case realtime.SessionUpdated():
                self._session_updated(event, now)
            case realtime.Error():
                self._error(event, now)
            case realtime.Ignored():
                pass
        return self._drain()

    def receive_tool_result(self, call_id: str, output: str, *, now: float) -> list[Command]:
        """The outcome of a tool call, in the words for the model. A late or doubled one changes nothing."""
        if self.phase is Phase.TALKING or (self.phase is Phase.LEAVING and self._realtime_open):
            self._answer(call_id, output, now)
        return self._drain()

    def twilio_gone(self, *, now: float) -> list[Command]:
        """The media socket is closed, with or without a `stop`."""
        if self.phase not in (Phase.DRAINING, Phase.ENDED):
            self._caller_gone("phone-call-provider-closed-websocket", now)
        return self._drain()

    def realtime_gone(self, *, code: str, now: float) -> list[Command]:
        """The model's socket could not be opened, or closed."""
        if self.phase is Phase.ENDED or not self._realtime_open:
            return []
        self._realtime_open = False
        if self.phase is Phase.DRAINING:
            self._end(self._reason, now=now)
        elif self.phase is Phase.LEAVING:
            pass
        elif self.phase is Phase.OPENING or not self._ending:
            self._problem(Source.OPENAI, code, "The connection to the model was lost.")
            self._give_up("call.in-progress.error-providerfault-openai-llm-failed", now)
        else:
            self._active, self._requested = "", None
            self._settle_ending(now)
        return self._drain()

    def hang_up(self, reason: str, *, now: float) -> list[Command]:
        """End the call from outside, at once."""
        if self.phase in (Phase.OPENING, Phase.TALKING):
            self._leave(reason, HangUp(), now)
        return self._drain()

    def malformed(self, source: Source, why: str) -> list[Command]:
        """A frame could not be read; it is counted and skipped."""
        if self.phase is not Phase.ENDED:
            self._problem(source, "malformed_message", why, benign=True)
        return self._drain()

    def next_deadline(self) -> float | None:
        """When ``tick`` must be called at the latest, on the clock of ``now``; None: never."""
        deadlines = list(self._timers.values())
        tools = self.tools.next_deadline()
        if tools is not None:
            deadlines.append(tools)
        return min(deadlines, default=None)

    def tick(self, *, now: float) -> list[Command]:
        """Do what time alone demands."""
        if self.phase is Phase.ENDED:
            return []
        for name in [name for name, at in self._timers.items() if at <= now]:
            # An earlier one may have cleared the others, or ended the call.
            if self._timers.pop(name, now + 1) <= now:
                self._on_timer(name, now)
        for call in self.tools.overdue(now):
            self._problem(Source.TOOL, "tool_timed_out", f"{call.name} did not answer in time.")
            self._answer(call.call_id, _TIMED_OUT, now)
        return self._drain()

    # The beginning --------------------------------------------------------------------------------------------

    def _start(self, start: twilio.Start, now: float) -> None:
        if self._stream_sid:
            self._problem(Source.TWILIO, "second_start", "The stream began twice.", benign=True)
            return
        self._timers.pop("start", None)
        self._stream_sid = start.stream_sid
        self._timers["line"] = now + LINE_DEAD_AFTER_S
        token = start.parameters.get("token", "")
        self._out.append(VerifyStream(start.stream_sid, start.call_sid, start.account_sid, token))

    def _session_created(self, now: float) -> None:
        if self._session_sent:
            return
        self._session_sent = True
        self._session_event = self._event_id()
        payload = session_payload(self.plan, floor_open=self._floor_open)
        self._to_realtime(realtime.session_update(self._session_event, payload))

    def _session_updated(self, event: realtime.SessionUpdated, now: float) -> None:
        if self._session_ready:
            self._floor_confirmed = self._floor_open
            return
        faults = session_faults(self.plan, event.session)
        if faults:
            self._problem(
                Source.OPENAI, "session_differs", f"The session differs from ours: {', '.join(faults)}."
            )
            self._give_up("call.in-progress.error-providerfault-openai-llm-failed", now)
            return
        self._session_ready = True
        self._begin_if_ready(now)

    def _begin_if_ready(self, now: float) -> None:
        if not (self._verified and self._session_ready and self.phase is Phase.OPENING):
            return
        self.phase = Phase.TALKING
        self._timers.pop("session", None)
        self._timers["duration"] = now + self.plan.max_duration_s
        self._quiet(now)
        self._out.append(Started())
        if self.plan.greets:
            self._greet(now)
        while self._held:
            self._append(self._held.popleft())

    def _greet(self, now: float) -> None:
        exact = self.plan.first_message_mode is FirstMessageMode.SPEAKS_FIRST and self.plan.first_message
        overrides = _exactly(self.plan.first_message) if exact else {"tool_choice": "none"}
        self._send_ask(_Ask("greeting", overrides), now)

    # Caller audio ---------------------------------------------------------------------------------------------

    def _media(self, media: twilio.Media, now: float) -> None:
        self._frames_in += 1
        self._last_media = now
        if self.phase is Phase.TALKING:
            self._append(media)
        elif self.phase is Phase.OPENING and self._stream_sid:
            self._held.append(media)

    def _append(self, media: twilio.Media) -> None:
        if self._audio_zero_ms is None:
            self._audio_zero_ms = media.timestamp_ms
        # Some carriers send nothing in silence; voice detection counts audio, so the hole must be filled.
        gap_ms = media.timestamp_ms - self._audio_zero_ms - self._appended_bytes // BYTES_PER_MS
        if gap_ms > GAP_MS:
            self._append_silence(min(gap_ms, LONGEST_GAP_MS))
        self._appended_bytes += payload_bytes(media.payload)
        self._out.append(ToRealtime(realtime.append_audio(media.payload)))

    def _append_silence(self, ms: int) -> None:
        n_bytes = ms * BYTES_PER_MS
        self._appended_bytes += n_bytes
        self._to_realtime(realtime.append_audio(silence(n_bytes)))

    # Turns ----------------------------------------------------------------------------------------------------

    def _speech_started(self, event: realtime.SpeechStarted, now: float) -> None:
        if self.phase is not Phase.TALKING:
            return
        self._speaking = event.item_id
        self._speech_ended = None
        self._timers["stalled"] = now + STALLED_AFTER_S
        for name in ("quiet", "answer", "nudge"):
            self._timers.pop(name, None)
        began = self._call_ms(event.audio_start_ms)
        self._utterances.setdefault(event.item_id, Utterance(event.item_id, Speaker.CALLER, began, began))
        if self._floor_open:
            self._barge_in(now)

    def _barge_in(self, now: float) -> None:
        """Stop the audio the caller talks over, and tell the model how much of it was heard.

        Twilio may hold audio long after the response is done, so this asks what is queued, not what is running.
        """
        running = self._active if self._active != "?" else ""
        if running:
            self._dropped.add(running)
        if self._ending == "assistant-ended-call":
            # The caller has more to say; the goodbye was too early.
            self._ending = ""
            self._farewell_asked = False
            self._timers.pop("goodbye", None)
        if self.playback.holds_audio(now):
            self._barge_ins += 1
            self._cut_playback(now)

    def _cut_playback(self, now: float) -> None:
        cut = self.playback.interrupt(now=now)
        self._out.append(ToTwilio(twilio.clear(self._stream_sid)))
        self._timers.pop("playback", None)
        for item_id in cut:
            utterance = self._utterances[item_id]
            utterance.interrupted = True
            self._truncate(utterance, now)
            self._write_if_known(utterance, now)

    def _truncate(self, utterance: Utterance, now: float) -> None:
        heard = min(self.playback.heard_bytes(utterance.item_id, now=now), utterance.received_bytes)
        self._to_realtime(realtime.truncate(self._event_id(), utterance.item_id, heard // BYTES_PER_MS))

    def _speech_stopped(self, event: realtime.SpeechStopped, now: float) -> None:
        if self.phase is not Phase.TALKING:
            return
        self._speaking = ""
        self._speech_ended = now
        self._turn_ended = True
        self._timers.pop("stalled", None)
        self._timers["answer"] = now + ANSWER_WITHIN_S
        self._timers["nudge"] = now + NUDGE_AFTER_S
        utterance = self._utterances.get(event.item_id)
        if utterance is not None:
            utterance.ended_ms = max(
                utterance.began_ms, self._call_ms(event.audio_end_ms) - self.plan.vad_silence_ms
            )
            self._unwritten.add(event.item_id)
        if not self._floor_open:
            self._missed.append(event.item_id)
            self._timers.pop("answer", None)
        elif not self._floor_confirmed and self._wanted is None:
            # The turn may have ended before the server opened the floor; then nobody will answer it but us.
            self._wanted = _Ask("answer", {})

    def _caller_text(self, item_id: str, text: str, *, transcribed: bool, now: float) -> None:
        self._unwritten.discard(item_id)
        utterance = self._utterances.get(item_id)
        if utterance is None or utterance.speaker is not Speaker.CALLER:
            return
        utterance.text = text.strip()
        utterance.text_final = True
        utterance.transcribed = transcribed
        self._write_if_known(utterance, now)
        if self.phase is Phase.DRAINING and not self._unwritten:
            self._end(self._reason, now=now)

    # Responses ------------------------------------------------------------------------------------------------

    def _ask(self, ask: _Ask, now: float) -> None:
        """Ask for a response now, or as soon as one may be asked for: only one can run, and nobody talks over the caller."""
        if self._active or self._requested or self._speaking:
            self._wanted = ask
        else:
            self._send_ask(ask, now)

    def _send_ask(self, ask: _Ask, now: float) -> None:
        if self._failing:
            return
        ask.event_id = self._event_id()
        self._wanted = None
        self._requested = ask
        self._turn_ended = False
        self._timers["requested"] = now + RESPONSE_WITHIN_S
        self._to_realtime(realtime.response_create(ask.event_id, ask.purpose, **ask.overrides))

    def _response_created(self, event: realtime.ResponseCreated, now: float) -> None:
        # A server that does not echo metadata leaves one guess: no turn of the caller ended, so it must be ours.
        asked_by = event.asked_by or (
            self._requested.event_id if self._requested and not self._turn_ended else ""
        )
        ours = self._requested is not None and asked_by == self._requested.event_id
        self._active = event.response_id
        self._active_ask = self._requested if ours else None
        self._timers.pop("nudge", None)
        if self.phase is Phase.TALKING:
            self._timers["answer"] = now + ANSWER_WITHIN_S
        if ours:
            self._requested = None
            self._timers.pop("requested", None)
        if self._active_ask is not None and self._active_ask.purpose == "greeting":
            self._greeting_id = event.response_id
        elif ours and self._speaking and self._floor_open:
            # It was asked for before the caller began; nobody stops it but us.
            self._dropped.add(event.response_id)
            self._wanted = self._active_ask
            self._to_realtime(realtime.response_cancel(self._event_id(), event.response_id))
        elif not ours and self._wanted is not None and self._wanted.purpose in ("tool_result", "answer"):
            # Voice detection asked; its response sees every tool output that was sent, so none is owed for them.
            self._wanted = None

    def _audio(self, delta: realtime.AudioDelta, now: float) -> None:
        utterance = self._assistant_utterance(delta.item_id, delta.response_id, now)
        utterance.received_bytes += delta.n_bytes
        if self.phase is not Phase.TALKING or self._failing:
            return
        if delta.response_id in self._dropped or utterance.interrupted:
            if not utterance.interrupted:
                # Generated after the interruption: nobody will hear it, and the model must not think so.
                utterance.interrupted = True
                self._truncate(utterance, now)
            return
        self._timers.pop("answer", None)
        self._timers.pop("quiet", None)
        if delta.response_id not in self._sounded:
            self._sounded.add(delta.response_id)
            self._first_sound(utterance, now)
        self.playback.add(delta.item_id, delta.n_bytes, now=now)
        for payload in pieces(delta.audio, LONGEST_PAYLOAD):
            self._out.append(ToTwilio(twilio.media(self._stream_sid, payload)))
        self._mark(now)

    def _first_sound(self, utterance: Utterance, now: float) -> None:
        if self._first_sound_ms is None:
            self._first_sound_ms = self._elapsed_ms(now)
        if self._speech_ended is not None:
            utterance.latency_ms = round((now - self._speech_ended) * 1000) + self.plan.vad_silence_ms
            self._speech_ended = None

    def _mark(self, now: float, *, flush: bool = False) -> None:
        name = self.playback.mark_due(flush=flush)
        if name is not None:
            self._out.append(ToTwilio(twilio.mark(self._stream_sid, name)))
            self._timers["playback"] = self.playback.gives_up_at()

    def _audio_done(self, event: realtime.AudioDone, now: float) -> None:
        utterance = self._utterances.get(event.item_id)
        if utterance is None:
            return
        utterance.audio_final = True
        if self.phase is Phase.TALKING and not utterance.interrupted:
            self._mark(now, flush=True)

    def _text(self, item_id: str, response_id: str, text: str, *, final: bool, now: float) -> None:
        utterance = self._assistant_utterance(item_id, response_id, now)
        if final:
            utterance.text = text.strip() or utterance.text.strip()
            utterance.text_final = True
            if response_id == self._greeting_id:
                self._check_greeting(utterance.text)
            self._write_if_known(utterance, now)
        elif not utterance.text_final:
            utterance.text += text

    def _check_greeting(self, said: str) -> None:
        exact = self.plan.first_message_mode is FirstMessageMode.SPEAKS_FIRST and self.plan.first_message
        if exact and _letters(said) != _letters(self.plan.first_message):
            self._problem(
                Source.OPENAI, "first_message_changed", "The first message was not said word for word."
            )

    def _response_done(self, event: realtime.ResponseDone, now: float) -> None:  # noqa: C901 - one case a status
        for call in event.calls:
            self._function_call(call, now)
        ask, self._active_ask = self._active_ask, None
        if self._active in (event.response_id, "?"):
            self._active = ""
        for utterance in self._utterances.values():
            if utterance.response_id == event.response_id:
                utterance.audio_final = utterance.text_final = True
                self._write_if_known(utterance, now)
        if self.phase is not Phase.TALKING:
            return
        self._mark(now, flush=True)
        match event.status:
            case "failed":
                self._problem(Source.OPENAI, event.code or "response_failed", event.message)
                self._response_failed(event.code, ask, now)
                return
            case "incomplete":
                self._problem(
                    Source.OPENAI, f"response_incomplete_{event.reason}", "An answer was cut short."
                )
                if event.reason == "content_filter" and event.response_id not in self._sounded:
                    self._wanted = _Ask("apology", {"instructions": _CANNOT_SAY, "tool_choice": "none"})
            case "cancelled":
                pass
            case _:
                self._failures = 0
                if event.silent:
                    # The model chose to say nothing; it is not to be pressed.
                    self._timers.pop("answer", None)
        if event.response_id == self._greeting_id:
            self._after_greeting_generated(now)
        self._after_response(now)

    def _response_failed(self, code: str, ask: _Ask | None, now: float) -> None:
        self._failures += 1
        if code in FATAL or self._failures > RETRIES:
            self._give_up("call.in-progress.error-providerfault-openai-llm-failed", now)
            return
        self._wanted = ask or _Ask("answer", {})
        self._timers.pop("answer", None)
        self._timers["retry"] = now + RETRY_AFTER_S[self._failures - 1]

    def _after_response(self, now: float) -> None:
        """No response runs: ask for the next one that is owed, or go on with leaving."""
        if self.phase is not Phase.TALKING or self._active or self._requested or "retry" in self._timers:
            return
        if self.tools.due(running=""):
            self._wanted = self._wanted or _Ask("tool_result", {})
        if self._ending:
            self._settle_ending(now)
        elif self._wanted is not None and not self._speaking:
            self._send_ask(self._wanted, now)
        else:
            self._after_playback(now)

    def _after_playback(self, now: float) -> None:
        """Something was heard: write down what is complete, and do what waited for silence."""
        for utterance in self._utterances.values():
            self._write_if_known(utterance, now)
        if self.playback.holds_audio(now):
            self._timers["playback"] = self.playback.gives_up_at()
            return
        self._timers.pop("playback", None)
        if self._failing and self.phase in (Phase.OPENING, Phase.TALKING):
            self._leave(self._failing, Apologise(self.plan.apology), now)
            return
        if self.phase is not Phase.TALKING or self._active or self._requested:
            return
        if not self._greeted and self._greeting_id:
            self._open_floor(now)
        if self._ending:
            self._settle_ending(now)
        elif not self._speaking and "quiet" not in self._timers:
            self._quiet(now)

    def _quiet(self, now: float) -> None:
        self._timers["quiet"] = now + self.plan.silence_timeout_s

    # The first message ----------------------------------------------------------------------------------------

    def _after_greeting_generated(self, now: float) -> None:
        if not self.playback.holds_audio(now):
            self._open_floor(now)

    def _open_floor(self, now: float) -> None:
        """The first message was heard: from here on the caller's voice starts and stops responses."""
        self._greeted = True
        if self._floor_open:
            return
        self._floor_open = True
        self._to_realtime(realtime.session_update(self._event_id(), floor_payload(self.plan)))
        missed = [self._utterances[item_id] for item_id in self._missed if item_id in self._utterances]
        self._missed.clear()
        if any(_worth_answering(utterance) for utterance in missed):
            self._ask(_Ask("answer", {}), now)

    # Tool calls -----------------------------------------------------------------------------------------------

    def _function_call(self, call: realtime.FunctionCall, now: float) -> None:
        if self.phase is not Phase.TALKING or not self.tools.is_new(call):
            return
        self._timers.pop("answer", None)
        self._timers.pop("quiet", None)
        spec = self._specs.get(call.name)
        if spec is not None and spec.ends_call:
            self._to_realtime(
                realtime.function_output(self._event_id(), call.call_id, '{"ok":true}', after=call.item_id)
            )
            self._out.append(ToolDone(call.call_id, call.name, '{"ok":true}'))
            self._ending = self._ending or "assistant-ended-call"
            self._ending_response = call.response_id
            return
        self.tools.owe(call.response_id)
        if spec is None:
            self._refuse(call, "unknown_tool", f"There is no tool named {call.name}. Do not call it again.")
            return
        arguments = toolcalls.arguments(call, spec)
        if arguments is None:
            self._refuse(
                call,
                "invalid_arguments",
                "The arguments were not valid JSON. Call the tool again with a JSON object.",
            )
            return
        self.tools.wait(call, timeout_s=spec.timeout_s, now=now)
        self._out.append(RunTool(call.call_id, call.name, arguments, spec.timeout_s))

    def _refuse(self, call: realtime.FunctionCall, code: str, message: str) -> None:
        output = toolcalls.failure(code, message)
        self._problem(Source.TOOL, code, f"The model asked for {call.name}.")
        self._out.append(ToolRefused(call.call_id, call.name, code, output))
        self._to_realtime(
            realtime.function_output(self._event_id(), call.call_id, output, after=call.item_id)
        )

    def _answer(self, call_id: str, output: str, now: float) -> None:
        call = self.tools.settle(call_id)
        if call is None:
            return
        self._to_realtime(realtime.function_output(self._event_id(), call_id, output, after=call.item_id))
        self._out.append(ToolSettled(call_id, output, orphaned=False))
        if self.tools.due(running=self._active):
            self._ask(_Ask("tool_result", {}), now)

    # The end --------------------------------------------------------------------------------------------------

    def _settle_ending(self, now: float) -> None:
        """Hang up once the goodbye was heard; have one said if none was."""
        if self.phase is not Phase.TALKING or self._speaking or self.tools.pending:
            return
        if self._active or self._requested:
            return
        if not self._farewell_asked and self._realtime_open and self._needs_farewell():
            self._farewell_asked = True
            message = self.plan.end_call_message
            overrides = (
                _exactly(message) if message else {"instructions": _SAY_GOODBYE, "tool_choice": "none"}
            )
            self._wanted = None
            self._send_ask(_Ask("farewell", overrides), now)
        elif self.playback.holds_audio(now):
            self._timers["goodbye"] = now + self.playback.remaining_s(now) + GOODBYE_SLACK_S
        else:
            self._leave(self._ending, HangUp(), now)

    def _needs_farewell(self) -> bool:
        """Whether the assistant would hang up without a word, or without the words that were ordered."""
        return bool(self.plan.end_call_message) or self._ending_response not in self._sounded

    def _end_politely(self, reason: str, now: float) -> None:
        if self._ending or self._failing or self.phase is not Phase.TALKING:
            return
        self._ending = reason
        self._timers["overtime"] = now + OVERTIME_S
        self._after_response(now)

    def _give_up(self, reason: str, now: float) -> None:
        """The model cannot go on: let the caller hear what Twilio still holds, then have Twilio apologise."""
        if self._failing or self.phase not in (Phase.OPENING, Phase.TALKING):
            return
        self._failing = reason
        self._timers.pop("retry", None)
        if self._verified and self.playback.holds_audio(now):
            self._mark(now, flush=True)
            self._timers["goodbye"] = now + self.playback.remaining_s(now) + GOODBYE_SLACK_S
        elif self._verified or not self._stream_sid:
            self._leave(reason, Apologise(self.plan.apology), now)
        # Else the stream is being verified; a stream that is refused hears no apology.

    def _leave(self, reason: str, how: HangUp | Apologise, now: float) -> None:
        self.phase = Phase.LEAVING
        self._reason = reason
        self._timers.clear()
        self._timers["hung_up"] = now + HANG_UP_WITHIN_S
        self._out.append(how)

    def _caller_gone(self, reason: str, now: float) -> None:
        """Twilio's side is over: keep what was said, also the words that are still being written down."""
        self._reason = self._reason or self._ending or self._failing or reason
        began = self.phase is not Phase.OPENING
        self.phase = Phase.DRAINING
        self._timers.clear()
        for utterance in self._utterances.values():
            if utterance.speaker is Speaker.ASSISTANT and not utterance.written:
                heard = self.playback.heard_bytes(utterance.item_id, now=now)
                utterance.interrupted = utterance.interrupted or heard < utterance.received_bytes
        if self.playback.holds_audio(now):
            self.playback.interrupt(now=now)
        for call_id in list(self.tools.pending):
            self.tools.settle(call_id)
            self._out.append(ToolSettled(call_id, "", orphaned=True))
        if self._realtime_open and began:
            if self._active and self._active != "?":
                self._to_realtime(realtime.response_cancel(self._event_id(), self._active))
            if self._speaking and self._appended_bytes >= SHORTEST_COMMIT_BYTES:
                self._unwritten.add(self._speaking)
                self._to_realtime(realtime.commit(self._event_id()))
            if self._unwritten:
                self._timers["last_words"] = now + LAST_WORDS_WITHIN_S
                return
        self._end(self._reason, now=now)

    def _end(self, reason: str, *, now: float, close_code: int = 1000) -> None:
        self.phase = Phase.ENDED
        self._timers.clear()
        for call_id in list(self.tools.pending):
            self.tools.settle(call_id)
            self._out.append(ToolSettled(call_id, "", orphaned=True))
        self._out += [CloseRealtime(), CloseStream(close_code)]
        self._out.append(
            Ended(
                reason=reason,
                spoken=tuple(self._all_spoken(now)),
                barge_ins=self._barge_ins,
                frames_in=self._frames_in,
                first_sound_ms=self._first_sound_ms,
            )
        )

    # Deadlines ------------------------------------------------------------------------------------------------

    def _on_timer(self, name: str, now: float) -> None:
        handlers: dict[str, Callable[[float], None]] = {
            "start": lambda at: self._end("call-start-error-no-stream", close_code=1008, now=at),
            "session": self._session_late,
            "duration": lambda at: self._end_politely("exceeded-max-duration", at),
            "quiet": self._too_quiet,
            "line": self._line_checked,
            "stalled": self._stalled,
            "requested": self._request_lost,
            "answer": self._answer_late,
            "nudge": self._nudge,
            "retry": self._after_response,
            "playback": self._after_playback,
            "goodbye": self._goodbye_over,
            "overtime": lambda at: self._leave(self._ending or self._failing, HangUp(), at),
            "hung_up": lambda at: self._caller_gone(self._reason, at),
            "last_words": lambda at: self._end(self._reason, now=at),
        }
        handlers[name](now)

    def _session_late(self, now: float) -> None:
        self._problem(Source.OPENAI, "session_timed_out", f"No session within {SESSION_WITHIN_S:.0f} s.")
        self._give_up("call.in-progress.error-providerfault-openai-llm-failed", now)

    def _too_quiet(self, now: float) -> None:
        if self.tools.pending:
            self._quiet(now)
        else:
            self._end_politely("silence-timed-out", now)

    def _line_checked(self, now: float) -> None:
        if now - self._last_media < LINE_DEAD_AFTER_S:
            self._timers["line"] = self._last_media + LINE_DEAD_AFTER_S
            return
        self._problem(Source.TWILIO, "line_dead", f"No audio from the caller for {LINE_DEAD_AFTER_S:.0f} s.")
        self._leave("call.in-progress.error-assistant-did-not-receive-customer-audio", HangUp(), now)

    def _stalled(self, now: float) -> None:
        if not self._speaking:
            return
        if now - self._last_media < STALLED_AFTER_S:
            self._timers["stalled"] = self._last_media + STALLED_AFTER_S
        else:
            self._append_silence(self.plan.vad_silence_ms + 500)

    def _request_lost(self, now: float) -> None:
        lost, self._requested = self._requested, None
        if lost is None:
            return
        self._problem(
            Source.OPENAI, "response_not_created", f"No answer to a request within {RESPONSE_WITHIN_S:.0f} s."
        )
        self._response_failed("", lost, now)

    def _answer_late(self, now: float) -> None:
        """The caller's turn is over and nothing was said: ask once more, then apologise."""
        if self.tools.pending or self._speaking or self.phase is not Phase.TALKING:
            return
        self._problem(
            Source.OPENAI, "no_answer", f"No sound {ANSWER_WITHIN_S:.0f} s after the caller's turn."
        )
        self._timers["answer"] = now + ANSWER_WITHIN_S
        self._failures += 1
        if self._failures > RETRIES:
            self._give_up("call.in-progress.error-providerfault-openai-llm-failed", now)
        elif self._active:
            self._dropped.add(self._active)
            if self._active != "?":
                self._to_realtime(realtime.response_cancel(self._event_id(), self._active))
            self._active = ""
            self._send_ask(_Ask("answer", {}), now)
        else:
            self._ask(_Ask("answer", {}), now)

    def _nudge(self, now: float) -> None:
        """The caller's turn ended and voice detection asked for nothing: ask for what is owed."""
        if self._wanted is not None:
            self._after_response(now)

    def _goodbye_over(self, now: float) -> None:
        """The echo of the last mark did not come: what was to be heard was heard by the clock."""
        if self._failing:
            self._leave(self._failing, Apologise(self.plan.apology), now)
        elif self._ending and not self._active and not self._requested:
            self._leave(self._ending, HangUp(), now)

    # Errors ---------------------------------------------------------------------------------------------------

    def _error(self, event: realtime.Error, now: float) -> None:
        benign = event.code in BENIGN or (event.code == "invalid_value" and "shorter than" in event.message)
        self._problem(Source.OPENAI, event.code, event.message, benign=benign)
        if event.code in FATAL or (
            event.event_id and event.event_id == self._session_event and not self._session_ready
        ):
            self._give_up("call.in-progress.error-providerfault-openai-llm-failed", now)
        elif self._requested is not None and event.event_id == self._requested.event_id:
            lost, self._requested = self._requested, None
            self._timers.pop("requested", None)
            if event.code == ACTIVE_RESPONSE:
                # Voice detection was quicker. Its response ends in response.done, and then ours is looked at again.
                self._wanted = lost
                self._active = self._active or "?"
            else:
                self._response_failed(event.code, lost, now)
        elif event.code == ACTIVE_RESPONSE:
            self._active = self._active or "?"

    def _problem(self, source: Source, code: str, message: str, *, benign: bool = False) -> None:
        self._problems += 1
        self._out.append(Problem(self._problems, source, code, message, benign))

    # Utterances -----------------------------------------------------------------------------------------------

    def _assistant_utterance(self, item_id: str, response_id: str, now: float) -> Utterance:
        utterance = self._utterances.get(item_id)
        if utterance is None:
            began = self._elapsed_ms(now) + round(self.playback.remaining_s(now) * 1000)
            utterance = Utterance(item_id, Speaker.ASSISTANT, began, began, response_id=response_id)
            self._utterances[item_id] = utterance
        return utterance

    def _write_if_known(self, utterance: Utterance, now: float) -> None:
        """Record an utterance once its text is final and nothing more of it will be heard."""
        if utterance.written or not utterance.text_final:
            return
        heard = 0
        if utterance.speaker is Speaker.ASSISTANT:
            heard = self.playback.heard_bytes(utterance.item_id, now=now)
            if not utterance.interrupted and not (
                utterance.audio_final and heard >= utterance.received_bytes
            ):
                return
        utterance.written = True
        self._out.append(UtteranceEnded(spoken(utterance, heard_bytes=heard)))

    def _all_spoken(self, now: float) -> list[Any]:
        everything = []
        for utterance in self._utterances.values():
            if utterance.speaker is Speaker.CALLER and not utterance.text_final:
                utterance.transcribed = False
            if utterance.speaker is Speaker.ASSISTANT and not utterance.received_bytes and not utterance.text:
                continue
            heard = self.playback.heard_bytes(utterance.item_id, now=now)
            everything.append(spoken(utterance, heard_bytes=heard))
        return sorted(everything, key=lambda one: one.began_ms)

    # Small change ---------------------------------------------------------------------------------------------

    def _call_ms(self, audio_ms: int) -> int:
        return max(0, audio_ms + (self._audio_zero_ms or 0))

    def _elapsed_ms(self, now: float) -> int:
        return max(0, round((now - self._zero) * 1000))

    def _event_id(self) -> str:
        self._events += 1
        return f"evt_{self._events:04d}"

    def _to_realtime(self, text: str) -> None:
        if self._realtime_open:
            self._out.append(ToRealtime(text))

    def _drain(self) -> list[Command]:
        out, self._out = self._out, []
        return out


_TIMED_OUT = toolcalls.failure(
    "timeout",
    "The tool did not answer in time. It is not known whether it took effect. Say so honestly, and do not call it "
    "again unless the caller asks for that.",
)
_SAY_GOODBYE = "Say a short, friendly goodbye in the language of the conversation, and nothing else."
_CANNOT_SAY = "Apologise briefly that you cannot answer that, and ask what else you can do."


def _exactly(sentence: str) -> dict[str, Any]:
    """The request that has a sentence said word for word."""
    return {
        "instructions": f"Say exactly this sentence and nothing else: {sentence}",
        "tool_choice": "none",
    }


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _worth_answering(utterance: Utterance) -> bool:
    if utterance.text_final and utterance.transcribed:
        return len(utterance.text.split()) >= WORTH_ANSWERING_WORDS
    return utterance.ended_ms - utterance.began_ms >= 1000

"""One call between Twilio and the Realtime API: turns, barge-in, tool calls, deadlines.

Everything that moves the conversation on is decided in this module; the parts keep the books and act.
``now`` is a monotonic clock in seconds.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from calls.bridge import realtime, twilio
from calls.bridge.caller import CallerAudio
from calls.bridge.commands import Command, Source, Started, VerifyStream
from calls.bridge.ending import ASSISTANT_ENDED, SILENCE, TOO_LONG, Ending
from calls.bridge.floor import Floor
from calls.bridge.limits import (
    ACTIVE_RESPONSE,
    ANSWER_WITHIN_S,
    BENIGN,
    FATAL,
    LINE_DEAD,
    LINE_DEAD_AFTER_S,
    NOT_STARTED,
    NUDGE_AFTER_S,
    RESPONSE_WITHIN_S,
    SESSION_WITHIN_S,
    STALLED_AFTER_S,
    START_WITHIN_S,
    VERIFY_WITHIN_S,
)
from calls.bridge.line import Line, Phase, Timer
from calls.bridge.plan import Plan, session_faults, session_payload
from calls.bridge.playback import Playback
from calls.bridge.responses import Ask, Purpose, Responses
from calls.bridge.speech import Utterance
from calls.bridge.toolcalls import ToolCalls, failure
from calls.bridge.utterances import Utterances
from calls.bridge.voice import Voice


class Conversation:
    """Feed it what arrived and when; carry out the commands it returns, in their order."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.playback = Playback()
        self._line = Line()
        self._caller = CallerAudio(self._line)
        self._utterances = Utterances(self._line, self.playback)
        self._voice = Voice(self._line, self.playback, self._utterances)
        self._responses = Responses(self._line)
        self._tools = ToolCalls(self._line, plan.tools)
        self._floor = Floor(self._line, plan, self._utterances)
        self._ending = Ending(
            self._line,
            plan,
            self._caller,
            self.playback,
            self._utterances,
            self._voice,
            self._responses,
            self._tools,
        )
        self._session_event = ""
        self._session_ready = False
        self._speaking = ""  # item id of the caller's running speech
        self._speech_ended_at: float | None = None
        self._on_twilio = self._twilio_handlers()
        self._on_realtime = self._realtime_handlers()
        self._on_timer = self._timer_handlers()

    @property
    def phase(self) -> Phase:
        """Where the call stands."""
        return self._line.phase

    # What arrived ---------------------------------------------------------------------------------------------

    def opened(self, *, now: float) -> list[Command]:
        """The media socket was accepted."""
        if self._line.phase is Phase.OPENING and not self._line.stream_sid:
            self._line.arm(Timer.START, now + START_WITHIN_S)
        return self._line.take()

    def receive_twilio(self, message: twilio.Message, *, now: float) -> list[Command]:
        """A message from Twilio."""
        if self._line.phase in (Phase.DRAINING, Phase.ENDED):
            return []
        handle = self._on_twilio.get(type(message))
        if handle is not None:
            handle(message, now)
        return self._line.take()

    def stream_verified(self, *, now: float) -> list[Command]:
        """The token was good: the stream is this call's, and it is used up."""
        line = self._line
        if line.phase is Phase.OPENING and line.stream_sid and not line.verified:
            line.verified = True
            line.zero = now
            line.disarm(Timer.VERIFY)
            if self._ending.failing:
                self._ending.leave(now)
            elif self._session_ready:
                self._begin(now)
            else:
                line.arm(Timer.SESSION, now + SESSION_WITHIN_S)
        return line.take()

    def stream_refused(self, *, now: float) -> list[Command]:
        """The token was missing, used, too old or another call's."""
        if self._line.phase is Phase.OPENING and not self._line.verified:
            self._not_started("stream-refused", now, close_code=1008)
        return self._line.take()

    def receive_realtime(self, event: realtime.Event, *, now: float) -> list[Command]:
        """An event from the Realtime API."""
        handle = self._on_realtime.get(type(event))
        if handle is not None and self._line.phase is not Phase.ENDED:
            handle(event, now)
        return self._line.take()

    def receive_tool_result(self, call_id: str, output: str, *, now: float) -> list[Command]:
        """The outcome of a tool call, in the words for the model. A late or doubled one changes nothing."""
        if self._tools.settle(call_id, output):
            self._after_tools(now)
        return self._line.take()

    def twilio_gone(self, *, now: float) -> list[Command]:
        """The media socket is closed, with or without a `stop`."""
        if self._line.phase not in (Phase.DRAINING, Phase.ENDED):
            self._caller_gone("phone-call-provider-closed-websocket", now)
        return self._line.take()

    def realtime_gone(self, *, code: str, now: float) -> list[Command]:
        """The model's socket could not be opened, or closed."""
        line = self._line
        if line.phase is Phase.ENDED or not line.realtime_open:
            return []
        line.realtime_open = False
        self._speaking = ""
        if line.phase is Phase.DRAINING:
            self._ending.end(now)
        elif line.phase is not Phase.LEAVING:
            line.problem(Source.OPENAI, code, "The connection to the model was lost.")
            self._ending.give_up(now)
        return line.take()

    def hang_up(self, reason: str, *, now: float) -> list[Command]:
        """End the call from outside, at once."""
        if not self._line.verified and self._line.phase is Phase.OPENING:
            self._ending.end(now, reason)
        elif self._line.phase in (Phase.OPENING, Phase.TALKING):
            self._ending.order(reason, now)
        return self._line.take()

    def malformed(self, source: Source, why: str) -> list[Command]:
        """A frame could not be read; it is counted and skipped."""
        if self._line.phase is not Phase.ENDED:
            self._line.problem(source, "malformed_message", why, benign=True)
        return self._line.take()

    def next_deadline(self) -> float | None:
        """When ``tick`` must be called at the latest, on the clock of ``now``; None: never."""
        return self._line.next_deadline()

    def tick(self, *, now: float) -> list[Command]:
        """Do what time alone demands."""
        for timer in self._line.reached(now):
            if self._line.expire(timer, now):
                self._on_timer[timer](now)
        return self._line.take()

    # The beginning --------------------------------------------------------------------------------------------

    def _start(self, start: twilio.Start, now: float) -> None:
        line = self._line
        if line.stream_sid:
            line.problem(Source.TWILIO, "second_start", "The stream began twice.", benign=True)
            return
        line.stream_sid = start.stream_sid
        line.began = line.zero = self._caller.last_frame_at = now
        line.disarm(Timer.START)
        line.arm(Timer.VERIFY, now + VERIFY_WITHIN_S)
        token = start.parameters.get("token", "")
        line.put(VerifyStream(start.stream_sid, start.call_sid, start.account_sid, token))

    def _session_created(self, _: realtime.SessionCreated, now: float) -> None:
        if not self._session_event:
            self._session_event = self._line.event_id()
            payload = session_payload(self.plan, floor_open=self._floor.open)
            self._line.to_realtime(realtime.session_update(self._session_event, payload))

    def _session_updated(self, event: realtime.SessionUpdated, now: float) -> None:
        if self._session_ready:
            self._floor.session_updated(event)
            return
        if not self._session_event or self._ending.failing:
            return
        faults = session_faults(self.plan, event.session)
        if faults:
            why = f"The session differs from ours: {', '.join(faults)}."
            self._line.problem(Source.OPENAI, "session_differs", why)
            self._ending.give_up(now)
            return
        self._session_ready = True
        if self._line.phase is Phase.OPENING and self._line.verified:
            self._begin(now)

    def _begin(self, now: float) -> None:
        line = self._line
        line.phase = Phase.TALKING
        line.disarm(Timer.SESSION)
        line.arm(Timer.DURATION, now + self.plan.max_duration_s)
        line.arm(Timer.LINE, now + LINE_DEAD_AFTER_S)
        line.arm(Timer.QUIET, now + self.plan.silence_timeout_s)
        line.put(Started())
        if self.plan.greets:
            self._responses.send(self._floor.greeting(), now)
        self._caller.release()

    def _not_started(self, why: str, now: float, *, close_code: int) -> None:
        self._ending.end(now, f"{NOT_STARTED}-{why}", close_code=close_code)

    # The caller -----------------------------------------------------------------------------------------------

    def _media(self, frame: twilio.Media, now: float) -> None:
        caller = self._caller
        caller.frames_in += 1
        caller.last_frame_at = now
        if self._line.phase is Phase.TALKING:
            caller.append(frame)
        elif self._line.phase is Phase.OPENING and self._line.stream_sid:
            caller.hold(frame)

    def _speech_started(self, event: realtime.SpeechStarted, now: float) -> None:
        if not self._line.talking:
            return
        self._speaking = event.item_id
        self._speech_ended_at = None
        self._line.arm(Timer.STALLED, now + STALLED_AFTER_S)
        self._line.disarm(Timer.QUIET, Timer.NUDGE)
        self._utterances.caller_began(event.item_id, self._caller.call_ms(event.audio_start_ms, now))
        if self._floor.open:
            self._barge_in(now)

    def _barge_in(self, now: float) -> None:
        """Stop what the caller talks over."""
        self._line.disarm(Timer.ANSWER)
        self._responses.drop(self._responses.running)
        if not self._floor.confirmed:
            self._responses.cancel()
        self._ending.revoke()
        if self._voice.cut(now) and self._ending.failing:
            self._ending.leave(now)

    def _speech_stopped(self, event: realtime.SpeechStopped, now: float) -> None:
        if not self._line.talking:
            return
        self._speaking = ""
        self._speech_ended_at = now
        self._responses.turn_ended()
        self._line.disarm(Timer.STALLED)
        ended_ms = self._caller.call_ms(event.audio_end_ms, now) - self.plan.vad_silence_ms
        self._utterances.caller_stopped(event.item_id, ended_ms)
        if not self._floor.open:
            self._floor.missed(event.item_id)
            return
        self._line.arm(Timer.ANSWER, now + ANSWER_WITHIN_S)
        self._line.arm(Timer.NUDGE, now + NUDGE_AFTER_S)
        if not self._floor.confirmed:
            # The turn may have ended before the server opened the floor; then nobody will answer it but us.
            self._responses.want(Ask(Purpose.ANSWER))

    def _committed(self, event: realtime.Committed, now: float) -> None:
        instead_of = self._speaking if self._line.phase is Phase.DRAINING else ""
        self._utterances.caller_committed(event.item_id, instead_of=instead_of)

    def _caller_text(self, event: realtime.CallerText, now: float) -> None:
        self._utterances.caller_text(event.item_id, event.text, transcribed=True, now=now)
        self._after_transcription(now)

    def _caller_text_failed(self, event: realtime.CallerTextFailed, now: float) -> None:
        self._line.problem(Source.OPENAI, f"transcription_{event.code}", "", benign=True)
        self._utterances.caller_text(event.item_id, "", transcribed=False, now=now)
        self._after_transcription(now)

    def _after_transcription(self, now: float) -> None:
        if self._line.phase is Phase.DRAINING and not self._utterances.transcribing:
            self._ending.end(now)

    # Responses ------------------------------------------------------------------------------------------------

    def _response_created(self, event: realtime.ResponseCreated, now: float) -> None:
        if not self._line.talking:
            return
        responses = self._responses
        ours = responses.created(event, now)
        if not ours:
            if self._floor.open:
                responses.supersede()
        elif self._holds_the_floor():
            # It was asked for before the caller began; nobody stops it but us.
            responses.drop(event.response_id)
            responses.cancel()
            if not _is(responses.ask, Purpose.FAREWELL):  # which the ending asks for again, if it stands
                self._want_again(responses.ask)
        elif _is(responses.ask, Purpose.GREETING):
            self._floor.greeting_id = event.response_id

    def _audio(self, delta: realtime.AudioDelta, now: float) -> None:
        responses = self._responses
        response_id = delta.response_id or responses.running
        if not delta.n_bytes:
            return
        utterance = self._utterances.assistant(delta.item_id, response_id, now)
        utterance.received_bytes += delta.n_bytes
        if not self._line.talking or self._ending.failing or utterance.interrupted:
            return
        if responses.is_dropped(response_id):
            # Generated after the interruption: nobody will hear it, and the model must not think so.
            utterance.interrupted = True
            self._voice.truncate(utterance, now)
            return
        if responses.sounds(response_id, now) and self._speech_ended_at is not None:
            waited_ms = round((now - self._speech_ended_at) * 1000)
            utterance.latency_ms = waited_ms + self.plan.vad_silence_ms
            self._speech_ended_at = None
        self._voice.say(utterance, delta, now)

    def _audio_done(self, event: realtime.AudioDone, now: float) -> None:
        utterance = self._utterances.audio_over(event.item_id)
        if utterance is not None and self._line.talking and not utterance.interrupted:
            self._voice.mark(now, flush=True)

    def _text(self, event: realtime.TextDelta, now: float) -> None:
        self._utterances.assistant_text(self._assistant(event, now), event.delta, final=False, now=now)

    def _text_done(self, event: realtime.TextDone, now: float) -> None:
        utterance = self._assistant(event, now)
        self._utterances.assistant_text(utterance, event.text, final=True, now=now)
        self._floor.check_greeting(utterance)

    def _assistant(self, event: realtime.TextDelta | realtime.TextDone, now: float) -> Utterance:
        response_id = event.response_id or self._responses.running
        return self._utterances.assistant(event.item_id, response_id, now)

    def _response_done(self, event: realtime.ResponseDone, now: float) -> None:
        for call in event.calls:
            self._function_call(call, now)
        ask, current = self._responses.ask, self._responses.done(event.response_id)
        self._utterances.response_over(event.response_id, now)
        if not self._line.talking:
            return
        self._voice.mark(now, flush=True)
        if event.status == "failed":
            self._line.problem(Source.OPENAI, event.code or "response_failed", event.message)
        if current:
            self._outcome(event, ask, now)
        self._after_response(now)

    def _outcome(self, event: realtime.ResponseDone, ask: Ask | None, now: float) -> None:
        responses = self._responses
        sounded = responses.has_sounded(event.response_id)
        dropped = responses.is_dropped(event.response_id)
        if event.status == "completed":
            responses.succeeded()
            if event.silent:
                # The model chose to say nothing; it is not to be pressed.
                self._line.disarm(Timer.ANSWER)
        if event.status == "incomplete":
            code = f"response_incomplete_{event.reason}"
            self._line.problem(Source.OPENAI, code, "An answer was cut short.")
            if event.reason == "content_filter" and not sounded:
                responses.want(Ask(Purpose.APOLOGY, _CANNOT_SAY))
        mute_greeting = event.status == "completed" and not sounded and _is(ask, Purpose.GREETING)
        if (event.status == "failed" or mute_greeting) and not dropped:
            self._response_failed(event.code, ask, now)
        elif _is(ask, Purpose.FAREWELL) and (sounded or not dropped):
            self._ending.farewell_said()

    def _response_failed(self, code: str, ask: Ask | None, now: float) -> None:
        if _is(ask, Purpose.GREETING):
            self._floor.greeting_id = ""
        if code in FATAL or not self._responses.retry(ask or Ask(Purpose.ANSWER), now):
            self._ending.give_up(now)

    def _want_again(self, ask: Ask | None) -> None:
        if ask is not None:
            self._responses.want(ask)

    def _ask(self, ask: Ask, now: float) -> None:
        """Ask for a response now, or as soon as one may be asked for: only one can run, and nobody talks over the caller."""
        self._responses.want(ask)
        self._after_response(now)

    def _after_response(self, now: float) -> None:
        """No response runs: ask for the next one that is owed, or go on with leaving."""
        responses = self._responses
        if not self._may_ask():
            return
        if self._tools.due(running=""):
            responses.want(Ask(Purpose.TOOL_RESULT))
        if responses.wanting() and not self._holds_the_floor():
            responses.send_wanted(now)
        elif self._ending.reason:
            self._settle_ending(now)
        else:
            self._after_playback(now)

    def _holds_the_floor(self) -> bool:
        """Whether the caller speaks and is not to be talked over."""
        return bool(self._speaking) and self._floor.open

    def _may_ask(self) -> bool:
        line = self._line
        return (
            line.talking and not self._ending.failing and self._responses.idle and not line.armed(Timer.RETRY)
        )

    def _after_playback(self, now: float) -> None:
        """Something was heard: write down what is complete, and do what waited for silence."""
        self._utterances.write_known(now)
        if not self._line.talking or not self._voice.heard(now):
            return
        if self._ending.failing:
            self._ending.leave(now)
        elif self._responses.idle:
            self._after_silence(now)

    def _after_silence(self, now: float) -> None:
        """Nothing is being said: let the caller speak, go on with leaving, or wait for them."""
        if not self._floor.open and self._floor.greeting_id and self._floor.give():
            self._ask(Ask(Purpose.ANSWER), now)
        if self._ending.reason:
            self._settle_ending(now)
        elif not self._speaking and not self._line.armed(Timer.QUIET):
            self._line.arm(Timer.QUIET, now + self.plan.silence_timeout_s)

    # Tool calls -----------------------------------------------------------------------------------------------

    def _function_call(self, call: realtime.FunctionCall, now: float) -> None:
        if not self._line.talking or self._ending.failing or not self._tools.is_new(call):
            return
        if not call.response_id:
            call = replace(call, response_id=self._responses.running)
        self._responses.show_life(now)
        if not self._tools.ends_call(call):
            self._tools.run(call, now)
        elif self._responses.is_dropped(call.response_id):
            self._tools.done_here(call, _CALLER_SPOKE)
        else:
            self._tools.done_here(call, '{"ok":true}')
            self._ending.begin(ASSISTANT_ENDED, now, said_in=call.response_id)

    def _after_tools(self, now: float) -> None:
        if self._line.talking and self._tools.due(running=self._responses.running):
            self._ask(Ask(Purpose.TOOL_RESULT), now)

    # The end --------------------------------------------------------------------------------------------------

    def _settle_ending(self, now: float) -> None:
        if self._may_leave():
            self._ending.settle(now)

    def _may_leave(self) -> bool:
        return self._may_ask() and not self._speaking and not self._tools.waiting

    def _end_politely(self, reason: str, now: float) -> None:
        self._ending.begin(reason, now)
        self._after_response(now)

    def _caller_gone(self, reason: str, now: float) -> None:
        self._ending.caller_gone(reason, now, speaking=self._speaking)

    # Deadlines ------------------------------------------------------------------------------------------------

    def _session_late(self, now: float) -> None:
        why = f"No session within {SESSION_WITHIN_S:.0f} s."
        self._line.problem(Source.OPENAI, "session_timed_out", why)
        self._ending.give_up(now)

    def _too_quiet(self, now: float) -> None:
        if self._may_leave():
            self._end_politely(SILENCE, now)
        else:
            self._line.arm(Timer.QUIET, now + self.plan.silence_timeout_s)

    def _line_checked(self, now: float) -> None:
        due = self._caller.last_frame_at + LINE_DEAD_AFTER_S
        if now < due:
            self._line.arm(Timer.LINE, due)
            return
        why = f"No audio from the caller for {LINE_DEAD_AFTER_S:.0f} s."
        self._line.problem(Source.TWILIO, "line_dead", why)
        self._ending.order(LINE_DEAD, now)

    def _stalled(self, now: float) -> None:
        due = self._caller.last_frame_at + STALLED_AFTER_S
        if now < due:
            self._line.arm(Timer.STALLED, due)
            return
        ms = self.plan.vad_silence_ms + 500
        self._caller.append_silence(ms)
        self._line.arm(Timer.STALLED, now + ms / 1000)

    def _request_lost(self, now: float) -> None:
        why = f"No answer to a request within {RESPONSE_WITHIN_S:.0f} s."
        self._line.problem(Source.OPENAI, "response_not_created", why)
        self._response_failed("", self._responses.withdraw_request(), now)

    def _answer_late(self, now: float) -> None:
        """The caller's turn is over, or a response runs, and nothing was said."""
        responses = self._responses
        if responses.running:
            self._abandon("no_answer", f"No sound within {ANSWER_WITHIN_S:.0f} s.", now)
        elif self._may_leave():
            why = f"No response {ANSWER_WITHIN_S:.0f} s after the caller's turn."
            self._line.problem(Source.OPENAI, "no_answer", why)
            self._response_failed("", None, now)

    def _response_stalled(self, now: float) -> None:
        if not self._responses.still_alive(now):
            why = f"A response stopped for {ANSWER_WITHIN_S:.0f} s without being done."
            self._abandon("response_stalled", why, now)

    def _abandon(self, code: str, why: str, now: float) -> None:
        """Go on without the running response: it was said and never declared done, or it will not be said."""
        responses = self._responses
        response_id = responses.running
        said = responses.has_sounded(response_id) and self._utterances.complete(response_id)
        responses.cancel()
        if said:
            self._line.problem(Source.OPENAI, code, why, benign=True)
        status = "completed" if said else "failed"
        self._response_done(realtime.ResponseDone(response_id, status, "", code, why, ()), now)
        responses.drop(response_id)

    def _nudge(self, now: float) -> None:
        """The caller's turn ended and voice detection asked for nothing: ask for what is owed."""
        self._after_response(now)

    def _goodbye_over(self, now: float) -> None:
        """The echo of the last mark did not come: what was to be heard was heard by the clock."""
        if self._ending.failing or self._may_leave():
            self._ending.leave(now)

    # Errors ---------------------------------------------------------------------------------------------------

    def _error(self, event: realtime.Error, now: float) -> None:
        benign = event.code in BENIGN or (event.code == "invalid_value" and "shorter than" in event.message)
        self._line.problem(Source.OPENAI, event.code, event.message, benign=benign)
        refused_session = bool(event.event_id) and event.event_id == self._session_event
        if event.code in FATAL or (refused_session and not self._session_ready):
            self._ending.give_up(now)
        elif self._line.talking:
            self._request_error(event, now)

    def _request_error(self, event: realtime.Error, now: float) -> None:
        ask = self._responses.refused(event)
        if event.code == ACTIVE_RESPONSE:
            # Voice detection was quicker. Its response ends in response.done, and then ours is looked at again.
            self._responses.blocked(now)
            if not (_is(ask, Purpose.GREETING) and self._floor.open and self._responses.runs_known):
                self._want_again(ask)
        elif ask is not None:
            self._response_failed(event.code, ask, now)

    # Who handles what -----------------------------------------------------------------------------------------

    def _twilio_handlers(self) -> dict[type, Callable[[Any, float], None]]:
        return {
            twilio.Media: self._media,
            twilio.Mark: self._marked,
            twilio.Start: self._start,
            twilio.Stop: lambda _, now: self._caller_gone("customer-ended-call", now),
        }

    def _marked(self, mark: twilio.Mark, now: float) -> None:
        self.playback.echo(mark.name, now=now)
        self._after_playback(now)

    def _realtime_handlers(self) -> dict[type, Callable[[Any, float], None]]:
        return {
            realtime.AudioDelta: self._audio,
            realtime.AudioDone: self._audio_done,
            realtime.TextDelta: self._text,
            realtime.TextDone: self._text_done,
            realtime.FunctionCall: self._function_call,
            realtime.ResponseCreated: self._response_created,
            realtime.ResponseDone: self._response_done,
            realtime.SpeechStarted: self._speech_started,
            realtime.SpeechStopped: self._speech_stopped,
            realtime.Committed: self._committed,
            realtime.CallerText: self._caller_text,
            realtime.CallerTextFailed: self._caller_text_failed,
            realtime.SessionCreated: self._session_created,
            realtime.SessionUpdated: self._session_updated,
            realtime.Error: self._error,
        }

    def _timer_handlers(self) -> dict[Timer, Callable[[float], None]]:
        return {
            Timer.START: lambda now: self._not_started("no-stream", now, close_code=1008),
            Timer.VERIFY: lambda now: self._not_started("stream-not-verified", now, close_code=1011),
            Timer.SESSION: self._session_late,
            Timer.DURATION: lambda now: self._end_politely(TOO_LONG, now),
            Timer.QUIET: self._too_quiet,
            Timer.LINE: self._line_checked,
            Timer.STALLED: self._stalled,
            Timer.REQUESTED: self._request_lost,
            Timer.ANSWER: self._answer_late,
            Timer.RUNNING: self._response_stalled,
            Timer.NUDGE: self._nudge,
            Timer.RETRY: self._after_response,
            Timer.TOOLS: self._tools_overdue,
            Timer.PLAYBACK: self._after_playback,
            Timer.GOODBYE: self._goodbye_over,
            Timer.OVERTIME: self._ending.leave,
            Timer.HUNG_UP: lambda now: self._caller_gone("", now),
            Timer.LAST_WORDS: self._ending.end,
        }

    def _tools_overdue(self, now: float) -> None:
        self._tools.give_up_overdue(now)
        self._after_tools(now)


_CALLER_SPOKE = failure("not_ended", "The caller began to speak, so the call goes on.")
_CANNOT_SAY = {
    "instructions": "Apologise briefly that you cannot answer that, and ask what else you can do.",
    "tool_choice": "none",
}


def _is(ask: Ask | None, purpose: Purpose) -> bool:
    return ask is not None and ask.purpose is purpose

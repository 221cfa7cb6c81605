"""One call between Twilio and the Realtime API: what arrives is handed to the part that it concerns.

``now`` is a monotonic clock in seconds.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from calls.bridge import realtime, twilio
from calls.bridge.answers import Answers
from calls.bridge.beginning import Beginning
from calls.bridge.commands import (
    CloseRealtime,
    CloseStream,
    Command,
    Ended,
    Problem,
    Source,
)
from calls.bridge.control import Control
from calls.bridge.dialogue import Dialogue
from calls.bridge.ending import Ending
from calls.bridge.errands import Errands
from calls.bridge.hearing import Hearing
from calls.bridge.limits import (
    BENIGN,
    FATAL,
    LINE_DEAD,
    LINE_DEAD_AFTER_S,
    MALFORMED_REPORTED,
    NOT_STARTED,
    STALLED_AFTER_S,
    STREAM_CLOSED,
)
from calls.bridge.line import Phase, Timer
from calls.bridge.orders import Order
from calls.bridge.partials import Partials
from calls.bridge.parts import Parts, parts_for, parts_next
from calls.bridge.plan import Place, Plan, ToolSpec
from calls.bridge.speech import Utterance
from calls.bridge.toolcalls import ToolResult
from calls.bridge.toolmessages import Choose

_BROKEN = 1011  # the code of a socket that the server closes because of itself


class Conversation:
    """Feed it what arrived and when; carry out the commands it returns, in their order.

    ``choose`` picks one of so many variants of a message.
    """

    def __init__(self, plan: Plan, choose: Choose = lambda _: 0) -> None:
        parts = parts_for(plan, choose)
        self.playback = parts.playback
        self._line = parts.line
        self._caller = parts.caller
        self._utterances = parts.utterances
        self._voice = parts.voice
        self._responses = parts.responses
        self._tools = parts.tools
        self._handover = parts.handover
        self._meter = parts.meter
        self._partials = Partials(parts.line)
        self._malformed: Counter[Source] = Counter()
        self._give_to(parts)
        self._beginning = Beginning(parts, self._ending, self._dialogue, self._control)
        self._find_handlers()

    def _give_to(self, parts: Parts) -> None:
        """The assistant of these parts has the conversation from here on."""
        self._parts = parts
        self.plan = parts.plan
        self._floor = parts.floor
        self._ending = Ending(parts)
        self._dialogue = Dialogue(parts, self._ending)
        self._answers = Answers(parts, self._ending, self._dialogue)
        self._errands = Errands(parts, self._ending, self._dialogue)
        self._hearing = Hearing(parts, self._ending, self._dialogue, self._errands, self._partials)
        self._control = Control(parts, self._ending, self._dialogue)

    def _find_handlers(self) -> None:
        self._on_twilio = self._twilio_handlers()
        self._on_realtime = self._realtime_handlers()
        self._on_timer = self._timer_handlers()

    def tell_at_once(self, *, speech: bool, words: bool) -> None:
        """Tell from here on who begins and stops speaking, and words before they are final; or no longer."""
        self._line.tells_speech = speech
        self._partials.for_server = words

    @property
    def tells_partials(self) -> bool:
        """Whether words are told before they are final, because somebody reads along."""
        return self._partials.for_readers

    @tells_partials.setter
    def tells_partials(self, tells: bool) -> None:
        self._partials.for_readers = tells

    @property
    def phase(self) -> Phase:
        """Where the call stands."""
        return self._line.phase

    @property
    def ending_reason(self) -> str:
        """Why the call is about to end, in Vapi's words; empty while it is not."""
        return self._ending.reason

    @property
    def session(self) -> int:
        """The number of the Realtime session that has the call."""
        return self._line.session

    @property
    def over(self) -> bool:
        """Whether the end was told."""
        return self._line.phase is Phase.ENDED

    @property
    def ends(self) -> bool:
        """Whether the call is about to end, or has."""
        return self._ending.failing or self._line.phase not in (Phase.OPENING, Phase.TALKING)

    @property
    def stuck(self) -> bool:
        """Whether the call is about to end, and no deadline sees to it."""
        return self.ends and not self.over and self._line.next_deadline() is None

    # What arrived ---------------------------------------------------------------------------------------------

    def opened(self, *, now: float) -> list[Command]:
        """The media socket was accepted."""
        self._beginning.opened(now)
        return self._line.take()

    def receive_twilio(self, message: twilio.Message, *, now: float) -> list[Command]:
        """A message from Twilio."""
        line = self._line
        handle = self._on_twilio.get(type(message))
        if handle is None or line.caller_gone:
            return []
        handle(message, now)
        return line.take()

    def stream_verified(self, *, now: float) -> list[Command]:
        """The token was good: the stream is this call's, and it is used up."""
        self._beginning.verified(now)
        return self._line.take()

    def stream_refused(self, *, now: float) -> list[Command]:
        """The token was missing, used, too old or another call's."""
        self._beginning.refused(now)
        return self._line.take()

    def receive_realtime(self, event: realtime.Event, *, now: float, session: int = 0) -> list[Command]:
        """An event from the Realtime API, in the session of this number."""
        line = self._line
        handle = self._on_realtime.get(type(event))
        if handle is None or (line.caller_gone and line.phase is Phase.ENDED):
            return line.take()
        if session == line.session:
            handle(event, now)
        else:
            self._elsewhere(event, session, now)
        return self._todo(now)

    def _elsewhere(self, event: realtime.Event, session: int, now: float) -> None:
        """An event of another session than the one that has the call."""
        self._meter.note(event, session, now)
        if self._handover.receive(session, event, now):
            self._dialogue.tool_answered(now)
        elif self._handover.is_former(session):
            match event:
                case realtime.CallerText():
                    self._hearing.words_known(event, now)
                case realtime.CallerTextFailed():
                    self._hearing.text_failed(event, now)
                case _:
                    pass  # nobody hears it any more

    def receive_tool_result(self, call_id: str, result: ToolResult, *, now: float) -> list[Command]:
        """The outcome of a tool call. A doubled one changes nothing."""
        if self._tools.settle(call_id, result, now):
            self._dialogue.tool_answered(now)
        else:
            self._errands.tool_answered_late(call_id, result.output, now)
        return self._todo(now)

    def reword(self, tools: Iterable[ToolSpec]) -> None:
        """Tools have taught the call new values: what the same tools say from now on."""
        self._tools.reword(tools)

    def tool_checked(self, call_id: str, refusal: str, *, now: float) -> list[Command]:
        """Whether a tool call may go on: ``refusal`` is what the model is told if not, and empty if so."""
        self._errands.tool_checked(call_id, refusal, now)
        return self._todo(now)

    def member_prepared(self, call_id: str, plan: Plan, *, now: float) -> list[Command]:
        """The plan of the assistant that a tool call wants to hand the call over to."""
        self._handover.prepared(call_id, plan, now)
        self._dialogue.tool_answered(now)
        return self._todo(now)

    def member_refused(self, call_id: str, code: str, why: str, *, now: float) -> list[Command]:
        """There is no such assistant for this call. ``why`` is part of a sentence for the model."""
        if self._handover.refused(call_id, code, why):
            self._dialogue.tool_answered(now)
        return self._todo(now)

    def transfer_to(self, call_id: str, place: Place, *, now: float) -> list[Command]:
        """A tool call that asked a server where to transfer the call was answered with a place."""
        self._errands.transfer_to(call_id, place, now)
        return self._todo(now)

    def forwarded(self) -> list[Command]:
        """Twilio has taken the order to connect the caller to somebody else, or to press keys."""
        self._ending.forwarded()
        return self._line.take()

    def forward_failed(self, code: str, message: str, *, now: float) -> list[Command]:
        """Twilio has not taken that order. ``message`` is for the model."""
        self._errands.forward_failed(code, message, now)
        return self._line.take()

    def keys_pressed(self, *, now: float) -> list[Command]:
        """The keys count as pressed, and the stream goes on."""
        self._errands.keys_pressed(now)
        return self._line.take()

    def twilio_gone(self, *, now: float) -> list[Command]:
        """The media socket is closed, with or without a `stop`."""
        if not self._line.caller_gone:
            self._caller_gone(STREAM_CLOSED, now)
        return self._line.take()

    def realtime_gone(self, *, code: str, now: float, session: int = 0) -> list[Command]:
        """The socket of this session could not be opened, or closed."""
        lost = Problem(0, Source.OPENAI, code, "The connection to the model was lost.", benign=False)
        return self._session_over(session, lost, now)

    def _session_over(self, session: int, why: Problem, now: float) -> list[Command]:
        line = self._line
        if session != line.session:
            if self._handover.gone(session, why.code, now):
                self._dialogue.tool_answered(now)
            return self._todo(now)
        if line.phase is Phase.ENDED or not line.realtime_open:
            return []
        line.realtime_open = False
        self._dialogue.caller_unheard()
        if line.phase is Phase.DRAINING:
            self._ending.end(now)
        elif line.phase is not Phase.LEAVING:
            rescued = self._handover.rescues()
            line.problem(why.source, why.code, why.message, benign=rescued)
            if rescued:
                self._utterances.response_over(self._responses.running, now)
            else:
                self._ending.give_up(now, lost=True)
        return self._todo(now)

    def order(self, order: Order, *, now: float) -> list[Command]:
        """An order from outside; one of the commands says whether it is carried out."""
        self._control.obey(order, now)
        return self._todo(now)

    def hang_up(self, reason: str, *, now: float) -> list[Command]:
        """End the call from outside, at once."""
        if not self._line.verified and self._line.phase is Phase.OPENING:
            self._ending.end(now, reason)
        elif self._line.phase in (Phase.OPENING, Phase.TALKING):
            self._ending.order(reason, now)
        return self._line.take()

    def malformed(self, source: Source, why: str) -> list[Command]:
        """A frame could not be read; it is reported, the first few times, and skipped."""
        self._malformed[source] += 1
        if self._line.phase is not Phase.ENDED and self._malformed[source] <= MALFORMED_REPORTED:
            self._line.problem(source, "malformed_message", why, benign=True)
        return self._line.take()

    # Faults of our own ----------------------------------------------------------------------------------------

    def decided(self) -> list[Command]:
        """What was decided before the handling of something failed."""
        return self._line.take()

    def session_given_up(self, *, now: float, session: int = 0) -> list[Command]:
        """What came from this session could not be handled: it counts as lost."""
        message = "Something failed here in the middle of the call, so the session was given up."
        return self._session_over(
            session, Problem(0, Source.TANDEM, "session_given_up", message, benign=False), now
        )

    def unheard(self) -> None:
        """Nothing more of the model is heard, and nothing is waited for that it would say."""
        self._line.realtime_open = False

    def cut_short(self) -> list[Command]:
        """The end of a call that cannot be ended in order: nothing but that it is over, unless its end was decided."""
        line, reason = self._line, self._ending.reason or STREAM_CLOSED
        if not line.verified:
            reason = f"{NOT_STARTED}-stream-not-verified"
        line.phase = Phase.ENDED
        line.disarm_all()
        decided = line.take()
        if any(isinstance(one, Ended) for one in decided):
            return decided
        over = Ended(
            reason=reason, spoken=(), barge_ins=0, frames_in=self._caller.frames_in, first_sound_ms=None
        )
        return [*decided, CloseRealtime(), CloseStream(_BROKEN), over]

    # Time -----------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When ``tick`` must be called at the latest, on the clock of ``now``; None: never."""
        return self._line.next_deadline()

    def tick(self, *, now: float) -> list[Command]:
        """Do what time alone demands."""
        for timer in self._line.reached(now):
            if self._line.expire(timer, now):
                self._on_timer[timer](now)
                self._let_in(now)
        return self._line.take()

    def _todo(self, now: float) -> list[Command]:
        """What the shell must do next, once an assistant that is ready for it has taken the call over."""
        self._let_in(now)
        return self._line.take()

    def _let_in(self, now: float) -> None:
        if self._handover.entering:
            plan = self._handover.enter(now)
            self._parts.keypad.line_gone(now)
            self._give_to(parts_next(self._parts, plan))
            self._find_handlers()
            self._dialogue.enter(now)

    def _session_updated(self, event: realtime.SessionUpdated, now: float) -> None:
        if not self._beginning.session_ready:
            self._beginning.session_updated(event, now)
        elif self._handover.session_updated(event):
            self._dialogue.tool_answered(now)
        else:
            self._floor.session_updated(event)

    # The caller -----------------------------------------------------------------------------------------------

    def _media(self, frame: twilio.Media, now: float) -> None:
        caller, line = self._caller, self._line
        caller.arrived(frame, now)
        if line.talking:
            caller.append(frame)
        elif line.phase is Phase.OPENING and line.stream_sid:
            caller.hold(frame)

    # The assistant ------------------------------------------------------------------------------------------

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
        if responses.sounds(response_id, now):
            self._voice.answers(utterance, now, vad_silence_ms=self.plan.turn_silence_ms)
        self._voice.say(utterance, delta, now)

    def _response_created(self, event: realtime.ResponseCreated, now: float) -> None:
        self._meter.note(event, self._line.session, now)
        self._answers.response_created(event, now)

    def _response_done(self, event: realtime.ResponseDone, now: float) -> None:
        self._meter.note(event, self._line.session, now)
        for call in event.calls:
            self._errands.function_call(call, now)
        self._answers.response_done(event, now)
        self._ending.drained(now)

    def _audio_done(self, event: realtime.AudioDone, now: float) -> None:
        utterance = self._utterances.audio_over(event.item_id)
        if utterance is not None and self._line.talking and not utterance.interrupted:
            self._voice.mark(now, flush=True)

    def _text(self, event: realtime.TextDelta, now: float) -> None:
        utterance = self._assistant(event, now)
        self._utterances.assistant_text(utterance, event.delta, final=False, now=now)
        self._partials.assistant(utterance, whole=False)

    def _text_done(self, event: realtime.TextDone, now: float) -> None:
        utterance = self._assistant(event, now)
        self._utterances.assistant_text(utterance, event.text, final=True, now=now)
        self._partials.assistant(utterance, whole=True)
        self._answers.said(utterance, now)

    def _assistant(self, event: realtime.TextDelta | realtime.TextDone, now: float) -> Utterance:
        response_id = event.response_id or self._responses.running
        return self._utterances.assistant(event.item_id, response_id, now)

    def _caller_gone(self, reason: str, now: float) -> None:
        self._ending.caller_gone(reason, now, speaking=self._dialogue.speaking)

    # Deadlines ------------------------------------------------------------------------------------------------

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

    def _handover_late(self, now: float) -> None:
        self._handover.late()
        self._dialogue.tool_answered(now)

    # Errors ---------------------------------------------------------------------------------------------------

    def _error(self, event: realtime.Error, now: float) -> None:
        benign = event.code in BENIGN or (event.code == "invalid_value" and "shorter than" in event.message)
        self._line.problem(Source.OPENAI, event.code, event.message, benign=benign)
        if event.code in FATAL or self._beginning.is_refused_by(event):
            self._ending.give_up(now)
        elif self._handover.error(event):
            self._dialogue.tool_answered(now)
        else:
            self._answers.request_error(event, now)

    # Who handles what -----------------------------------------------------------------------------------------

    def _twilio_handlers(self) -> dict[type, Callable[[Any, float], None]]:
        return {
            twilio.Media: self._media,
            twilio.Mark: self._marked,
            twilio.Dtmf: self._key_pressed,
            twilio.Start: self._beginning.started,
            twilio.Stop: lambda _, now: self._caller_gone("customer-ended-call", now),
        }

    def _marked(self, mark: twilio.Mark, now: float) -> None:
        self.playback.echo(mark.name, now=now)
        self._dialogue.after_playback(now)
        self._let_in(now)

    def _key_pressed(self, dtmf: twilio.Dtmf, now: float) -> None:
        self._dialogue.key_pressed(dtmf.digit, now)
        self._let_in(now)

    def _realtime_handlers(self) -> dict[type, Callable[[Any, float], None]]:
        return {
            realtime.AudioDelta: self._audio,
            realtime.AudioDone: self._audio_done,
            realtime.TextDelta: self._text,
            realtime.TextDone: self._text_done,
            realtime.FunctionCall: self._errands.function_call,
            realtime.ResponseCreated: self._response_created,
            realtime.ResponseDone: self._response_done,
            realtime.SpeechStarted: self._hearing.speech_started,
            realtime.SpeechStopped: self._hearing.speech_stopped,
            realtime.Committed: self._hearing.committed,
            realtime.CallerText: self._hearing.text,
            realtime.CallerTextDelta: self._hearing.text_so_far,
            realtime.CallerTextFailed: self._hearing.text_failed,
            realtime.SessionCreated: lambda _, now: self._beginning.session_created(now),
            realtime.SessionUpdated: self._session_updated,
            realtime.Error: self._error,
        }

    def _timer_handlers(self) -> dict[Timer, Callable[[float], None]]:
        dialogue, answers, errands = self._dialogue, self._answers, self._errands
        return {
            Timer.START: lambda now: self._beginning.not_started("no-stream", now, close_code=1008),
            Timer.VERIFY: lambda now: self._beginning.not_started(
                "stream-not-verified", now, close_code=1011
            ),
            Timer.SESSION: self._beginning.session_late,
            Timer.DURATION: dialogue.too_long,
            Timer.QUIET: dialogue.too_quiet,
            Timer.IDLE: dialogue.remind,
            Timer.KEYPAD: dialogue.keys_complete,
            Timer.FILLER: dialogue.after_playback,
            Timer.LINE: self._line_checked,
            Timer.STALLED: self._stalled,
            Timer.REQUESTED: answers.request_lost,
            Timer.ANSWER: answers.answer_late,
            Timer.RUNNING: answers.response_stalled,
            Timer.NUDGE: dialogue.go_on,
            Timer.RETRY: dialogue.go_on,
            Timer.TOOLS: errands.tools_overdue,
            Timer.CHECK: errands.checks_late,
            Timer.PLAYBACK: dialogue.after_playback,
            Timer.HANDOVER: self._handover_late,
            Timer.FORMER: self._handover.former_over,
            Timer.OVERTIME: self._ending.leave,
            Timer.HUNG_UP: lambda now: self._caller_gone("", now),
            Timer.LAST_WORDS: self._ending.end,
        }

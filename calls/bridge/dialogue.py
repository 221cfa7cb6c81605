"""Who speaks when: what stops for the caller, what is asked of the model, and what follows what was heard."""

from dataclasses import replace

from calls.bridge import realtime
from calls.bridge.commands import Source
from calls.bridge.ending import AFTER_MESSAGE, ASSISTANT_ENDED, SILENCE, TOO_LONG, Ending
from calls.bridge.limits import ACTIVE_RESPONSE, ANSWER_WITHIN_S, FATAL, NUDGE_AFTER_S, RESPONSE_WITHIN_S
from calls.bridge.line import Timer
from calls.bridge.parts import Parts
from calls.bridge.plan import Place
from calls.bridge.responses import Ask, Purpose
from calls.bridge.speech import Utterance
from calls.bridge.toolcalls import failure
from calls.bridge.transfer import Transfer
from calls.bridge.wording import same_words

_CALLER_SPOKE = failure("not_ended", "The caller began to speak, so the call goes on.")
_NO_TRANSFER = "The call is already being transferred, or about to end. Do not ask for it again."
_TOO_LATE = "The call is being transferred, or about to end."
_CANNOT_SAY = {
    "instructions": "Apologise briefly that you cannot answer that, and ask what else you can do.",
    "tool_choice": "none",
}


class Dialogue:
    """Everything here happens while the two talk; before and after that it does nothing."""

    def __init__(self, parts: Parts, ending: Ending) -> None:
        self._line = parts.line
        self._plan = parts.plan
        self._floor = parts.floor
        self._utterances = parts.utterances
        self._voice = parts.voice
        self._responses = parts.responses
        self._fillers = parts.fillers
        self._tools = parts.tools
        self._patience = parts.patience
        self._keypad = parts.keypad
        self._handover = parts.handover
        self._ending = ending
        self.speaking = ""  # item id of the caller's running speech

    def begin(self, now: float) -> None:
        """Both sides are ready."""
        self._line.arm(Timer.DURATION, now + self._plan.max_duration_s)
        self._patience.begin(now)
        if self._plan.greets:
            self._responses.send(self._floor.greeting(), now)

    def enter(self, now: float) -> None:
        """The assistant has taken the call over from another; the time that the call may last goes on."""
        self._line.disarm(Timer.QUIET, Timer.IDLE, Timer.ANSWER, Timer.NUDGE, Timer.RETRY, Timer.STALLED)
        if self._plan.greets:
            self._patience.begin(now)
            self._responses.send(self._floor.greeting(), now)
        else:
            self.go_on(now)

    # The caller -----------------------------------------------------------------------------------------------

    def caller_began(self, item_id: str, now: float) -> None:
        """The caller speaks: what they talk over stops, unless it is protected."""
        self.speaking = item_id
        self._line.disarm(Timer.NUDGE)
        self._patience.caller_there()
        self._handover.caller_spoke()
        if not self._floor.holds(now):
            self._give_way(now, server_stops=self._floor.confirmed)

    def _give_way(self, now: float, *, server_stops: bool) -> None:
        """The caller has the floor: nothing is said over them, and what was about to happen is off."""
        self._line.disarm(Timer.ANSWER)
        self._responses.drop(self._responses.running)
        if not server_stops:
            self._responses.cancel()
        self._ending.revoke()
        self._fillers.caller_spoke()
        self._tools.release(now)
        if self._voice.cut(now) and self._ending.failing:
            self._ending.leave(now)

    def caller_stopped(self, item_id: str, now: float) -> None:
        """The caller's turn is over: an answer is due."""
        self.speaking = ""
        if not self._plan.guards_speech:
            self._responses.turn_ended()
        if self._handover.pending:
            # It is for the next one to answer.
            self._floor.missed(item_id)
            self.go_on(now)
        elif self._greeting_is_over() and self._voice.heard(now):
            # It outlasted the first message, so it is a reply to it, be it one word.
            self._floor.give()
            self._answer_caller(now)
        elif self._floor.holds(now):
            self._floor.missed(item_id)
            # What they wait for now is the end of what is being said, not an answer.
            self._voice.turn_ended_at = None
        elif self._plan.guards_speech:
            self._answer_caller(now)
        else:
            self._line.arm(Timer.ANSWER, now + ANSWER_WITHIN_S)
            self._line.arm(Timer.NUDGE, now + NUDGE_AFTER_S)
            if not self._floor.confirmed:
                # The turn may have ended before the server opened the floor; then nobody will answer it but us.
                self._responses.want(Ask(Purpose.ANSWER))

    def _answer_caller(self, now: float) -> None:
        """Ask for the answer that voice detection does not ask for."""
        self._floor.seen()
        self._ending.revoke()
        self._line.arm(Timer.ANSWER, now + ANSWER_WITHIN_S)
        self._ask(Ask(Purpose.ANSWER), now)

    def caller_words(self, item_id: str, now: float) -> None:
        """More is known of what the caller said: it may be enough to interrupt, or to want an answer."""
        if not self._line.talking or self._ending.failing:
            return
        if self._floor.interrupts(item_id, speaking=self.speaking, now=now):
            self._give_way(now, server_stops=False)
            if not self.speaking:
                self._answer_caller(now)
        elif self._floor.waits:
            self.after_playback(now)

    # The caller's keys ----------------------------------------------------------------------------------------

    def key_pressed(self, key: str, now: float) -> None:
        """The caller presses a key: that is a turn, though nothing is to be heard of it."""
        if not self._line.talking or self._ending.failing or not self._keypad.takes(key):
            return
        self._line.disarm(Timer.NUDGE)
        self._patience.caller_there()
        self._handover.caller_spoke()
        if not self._keypad.pending and not self._floor.holds_for_keys(now):
            self._give_way(now, server_stops=False)
        if self._keypad.press(key, now):
            self.keys_complete(now)

    def keys_complete(self, now: float) -> None:
        """The entry is complete: an answer is due."""
        self._keypad.complete(now)
        if self._floor.holds_for_keys(now) or self._handover.pending:
            self._floor.keyed()
            self.after_playback(now)
        else:
            self._answer_caller(now)

    @property
    def _caller_is_at_it(self) -> bool:
        """Whether the caller speaks or presses keys."""
        return bool(self.speaking) or self._keypad.pending

    # Silence --------------------------------------------------------------------------------------------------

    def too_quiet(self, now: float) -> None:
        """Nobody has said anything for long; where the model is at work, that is not the caller's fault."""
        if self._may_leave():
            self._ending.begin(SILENCE, now)
            self.go_on(now)
        else:
            self._patience.begin(now)

    def remind(self, now: float) -> None:
        """The caller has been silent for long: they are reminded, unless there is more to wait for."""
        if self._may_leave() and not self._ending.reason and self._all_quiet(now):
            self._responses.send(Ask.for_sentence(Purpose.REMINDER, self._patience.remind()), now)
        else:
            self._patience.watch(now)

    def _all_quiet(self, now: float) -> bool:
        """Whether nobody speaks, and nobody is about to."""
        expected = self._responses.wanting() or self._line.armed(Timer.NUDGE)
        return not expected and not self._caller_is_at_it and self._voice.heard(now)

    # Responses ------------------------------------------------------------------------------------------------

    def response_created(self, event: realtime.ResponseCreated, now: float) -> None:
        """A response runs: ours, or voice detection's."""
        responses = self._responses
        if not self._line.talking or event.response_id == responses.running:
            return
        if not responses.created(event, now):
            self._patience.answered()
            if not self._handover.pending:
                self._floor.seen()
            if self._floor.open:
                responses.supersede()
            if self._keypad.pending or self._handover.pending:
                # Voice detection knows nothing of keys, nor that another one is to answer.
                self._stop_running()
        elif self._is_moot(responses.ask, now):
            # It was asked for before the caller began; nobody stops it but us.
            self._stop_running()
            if not _is(responses.ask, Purpose.FAREWELL):  # which the ending asks for again, if it stands
                self._want_again(responses.ask)
        else:
            self._begun(responses.ask, event.response_id)

    def _begun(self, ask: Ask | None, response_id: str) -> None:
        if _is(ask, Purpose.GREETING):
            self._floor.greeting_id = response_id
        if not _is(ask, Purpose.REMINDER):
            self._patience.answered()
        if ask is not None and not ask.overrides:
            self._floor.seen()

    def _is_moot(self, ask: Ask | None, now: float) -> bool:
        """Whether what was asked for is not to be heard any more, or not yet."""
        return self._caller_has_floor(now) or (_is(ask, Purpose.FILLER) and not self._tools.waiting)

    def _stop_running(self) -> None:
        self._responses.drop(self._responses.running)
        self._responses.cancel()

    def response_done(self, event: realtime.ResponseDone, now: float) -> None:
        """Nothing more comes of a response; most of its audio is yet to be heard."""
        for call in event.calls:
            self.function_call(call, now)
        ask, was_running = self._responses.ask, self._responses.done(event.response_id)
        self._utterances.response_over(event.response_id, now)
        if not self._line.talking:
            return
        self._voice.mark(now, flush=True)
        if event.status == "failed":
            self._line.problem(Source.OPENAI, event.code or "response_failed", event.message)
        if event.status == "incomplete":
            code = f"response_incomplete_{event.reason}"
            self._line.problem(Source.OPENAI, code, "An answer was cut short.")
        if was_running:
            self._take_stock(event, ask, now)
        self.go_on(now)

    def _take_stock(self, event: realtime.ResponseDone, ask: Ask | None, now: float) -> None:
        sounded = self._responses.has_sounded(event.response_id)
        dropped = self._responses.is_dropped(event.response_id)
        if event.status == "completed":
            self._responses.succeeded()
            if event.silent:
                # The model chose to say nothing; it is not to be pressed.
                self._line.disarm(Timer.ANSWER)
                self._voice.turn_ended_at = None
        if event.reason == "content_filter" and not sounded:
            self._responses.want(Ask(Purpose.APOLOGY, _CANNOT_SAY))
        mute_greeting = event.status == "completed" and not sounded and _is(ask, Purpose.GREETING)
        mute_greeting &= not event.calls  # whoever takes a call over may begin with a tool
        if (event.status == "failed" or mute_greeting) and not dropped:
            self._failed(event.code, ask, now)
        elif _is(ask, Purpose.FAREWELL) and (sounded or not dropped):
            self._ending.farewell_said(whole=not dropped)
        elif ask is not None and ask.ends_call and sounded and not dropped:
            self._ending.begin(AFTER_MESSAGE, now, said_in=event.response_id)

    def _failed(self, code: str, ask: Ask | None, now: float) -> None:
        if _is(ask, Purpose.GREETING):
            self._floor.greeting_id = ""
        if ask is not None and ask.fleeting and code not in FATAL:
            self.go_on(now)
        elif code in FATAL or not self._responses.retry(ask or Ask(Purpose.ANSWER), now):
            self._ending.give_up(now)

    def _want_again(self, ask: Ask | None) -> None:
        if ask is not None and not ask.fleeting:
            self._responses.want(ask)

    def said(self, utterance: Utterance, now: float) -> None:
        """The words of an utterance of the assistant's are known."""
        if (
            not self._line.talking
            or utterance.interrupted
            or self._responses.is_dropped(utterance.response_id)
        ):
            return
        ask = self._responses.ask if utterance.response_id == self._responses.running else None
        if ask is not None and ask.sentence and not same_words(utterance.text, ask.sentence):
            what = "first_message" if ask.purpose is Purpose.GREETING else ask.purpose
            self._line.problem(Source.OPENAI, f"{what}_changed", "A sentence was not said word for word.")
        self._ending.said(utterance, now)

    def request_error(self, event: realtime.Error, now: float) -> None:
        """An error that may be about a response we asked for."""
        if not self._line.talking:
            return
        ask = self._responses.refused(event)
        if event.code == ACTIVE_RESPONSE:
            # Voice detection was quicker. Its response ends in response.done, and then ours is looked at again;
            # but a first message after an answer would be none.
            self._responses.blocked(now)
            if not (_is(ask, Purpose.GREETING) and self._floor.open and self._responses.runs_known):
                self._want_again(ask)
        elif ask is not None:
            self._failed(event.code, ask, now)

    # Responses that do not come -------------------------------------------------------------------------------

    def request_lost(self, now: float) -> None:
        """Neither `response.created` nor an error came for what we asked."""
        why = f"No answer to a request within {RESPONSE_WITHIN_S:.0f} s."
        self._line.problem(Source.OPENAI, "response_not_created", why)
        self._failed("", self._responses.withdraw_request(), now)

    def answer_late(self, now: float) -> None:
        """The caller's turn is over, or a response runs, and nothing was said."""
        if self._responses.running:
            self._abandon("no_answer", f"No sound within {ANSWER_WITHIN_S:.0f} s.", now)
        elif self._may_leave():
            why = f"No response {ANSWER_WITHIN_S:.0f} s after the caller's turn."
            self._line.problem(Source.OPENAI, "no_answer", why)
            self._failed("", None, now)

    def response_stalled(self, now: float) -> None:
        """A response had begun and may have stopped."""
        if not self._responses.still_alive(now):
            why = f"A response stopped for {ANSWER_WITHIN_S:.0f} s without being done."
            self._abandon("response_stalled", why, now)

    def _abandon(self, code: str, why: str, now: float) -> None:
        """Go on without the running response: it was said and never declared done, or it will not be said."""
        response_id = self._responses.running
        said = self._responses.has_sounded(response_id) and self._utterances.complete(response_id)
        self._responses.cancel()
        if said:
            self._line.problem(Source.OPENAI, code, why, benign=True)
        status = "completed" if said else "failed"
        self.response_done(realtime.ResponseDone(response_id, status, "", code, why, ()), now)
        self._responses.drop(response_id)

    # Tool calls -----------------------------------------------------------------------------------------------

    def function_call(self, call: realtime.FunctionCall, now: float) -> None:
        """The model asks for a tool."""
        if not self._line.talking or self._ending.failing or not self._tools.is_new(call):
            return
        if not call.response_id:
            call = replace(call, response_id=self._responses.running)
        self._responses.show_life(now)
        if not self._tools.hold(call, now, words_known=not self._utterances.transcribing):
            self._use(call, now)

    def tool_checked(self, call_id: str, refusal: str, now: float) -> None:
        """A tool's own conditions were looked at: its call goes on, or the model is told the refusal."""
        call = self._tools.checked(call_id, refusal)
        if call is not None and (not self._line.talking or self._ending.failing):
            self._tools.turn_down(call, "too_late", _TOO_LATE)
        elif call is not None:
            self._use(call, now)
        self.tool_answered(now)

    def words_known(self, now: float) -> None:
        """What the caller said last is written down, or takes too long."""
        if self._line.talking:
            self._tools.ask_checks(now, words_known=not self._utterances.transcribing)
            if self._ending.presses_keys:
                self.go_on(now)

    def _use(self, call: realtime.FunctionCall, now: float) -> None:
        left = self._tools.leaves(call)
        moves_on = (
            self._tools.transfers(call)
            or self._tools.presses(call)
            or left is not None
            or self._tools.ends_call(call)
        )
        if moves_on and self._handover.pending:
            self._handover.refuse(call)
            return
        if self._tools.transfers(call):
            self._transfer(self._tools.transfer(call), now)
        elif self._tools.presses(call):
            self._transfer(self._tools.keypress(call), now)
        elif left is not None:
            self._tools.done_here(call, '{"ok":true}')
            self._ending.leave_message(left, now)
        elif not self._tools.ends_call(call):
            self._tools.run(call, now)
        elif self._responses.is_dropped(call.response_id):
            self._tools.done_here(call, _CALLER_SPOKE)
        else:
            self._tools.done_here(call, '{"ok":true}')
            goodbye = self._tools.goodbye(call)
            self._ending.begin(ASSISTANT_ENDED, now, said_in=call.response_id, goodbye=goodbye)

    def _transfer(self, transfer: Transfer | None, now: float) -> None:
        if transfer is None:
            return
        busy = self._handover.pending
        if transfer.taker is not None and not busy and self._ending.gives_way():
            self._handover.ask(transfer, transfer.taker, now)
        elif transfer.taker or busy or not self._ending.forward(transfer, now):
            self._tools.turn_down(transfer.call, "transfer_refused", _NO_TRANSFER)

    def handover_changed(self, now: float) -> None:
        """Another assistant is ready to take the call over, or will not do so: the talk goes on."""
        self.tool_answered(now)

    def transfer_to(self, call_id: str, place: Place, now: float) -> None:
        """A server has named the place to which a call is to be transferred."""
        if self._line.talking and not self._ending.failing:
            self._transfer(self._tools.transfer_to(call_id, place, now), now)
            self.go_on(now)

    def keys_pressed(self, now: float) -> None:
        """Keys were pressed, and the talk goes on in the same stream."""
        transfer = self._ending.called_off(now)
        if transfer is not None:
            self.speaking = ""
            self._tools.speak_of(transfer.call, "Success.")
            self.tool_answered(now)

    def forward_failed(self, code: str, message: str, now: float) -> None:
        """The caller could not be connected to somebody else: the model is told so, and the talk goes on."""
        transfer = self._ending.forward_failed(failure(code, message), now)
        if transfer is not None:
            self.speaking = ""
            self._tools.turn_down(transfer.call, code, message)
            self.tool_answered(now)

    def tool_answered(self, now: float) -> None:
        """The model was told an outcome; when the batch is complete, it is to be spoken of."""
        if self._line.talking:
            self._want_results(running=self._responses.running)
            self.go_on(now)

    def _want_results(self, *, running: str) -> None:
        for ask in self._tools.due(running=running):
            self._responses.want(ask)

    def tool_answered_late(self, call_id: str, output: str, now: float) -> None:
        """An answer came after the model was told that there was none: it is spoken of if nothing else is going on."""
        if not self._line.talking or self._ending.failing or not self._tools.came_late(call_id, output):
            return
        if self._may_leave() and not self._ending.reason and self._all_quiet(now):
            self._ask(Ask(Purpose.TOOL_RESULT), now)

    def tools_overdue(self, now: float) -> None:
        """Somebody's server did not answer in time."""
        self._tools.give_up_overdue(now)
        self.tool_answered(now)

    # What comes next ------------------------------------------------------------------------------------------

    def _ask(self, ask: Ask, now: float) -> None:
        """Ask for a response now, or as soon as one may be asked for."""
        self._responses.want(ask)
        self.go_on(now)

    def go_on(self, now: float) -> None:
        """Where no response runs: ask for the next one that is owed, or go on with leaving."""
        if not self._may_ask():
            return
        if self._handover.pending:
            self._settle_handover(now)
            return
        self._want_results(running="")
        if self._responses.wanting() and not self._caller_has_floor(now):
            self._responses.send_wanted(now)
        elif self._ending.reason:
            self._settle_ending(now)
        else:
            self.after_playback(now)

    def after_playback(self, now: float) -> None:
        """Something was heard: write down what is complete, and do what waited for silence."""
        self._utterances.write_known(now)
        if not self._line.talking or not self._voice.heard(now):
            return
        if self._ending.failing:
            self._ending.leave(now)
        elif self._responses.idle:
            self._after_silence(now)

    def _after_silence(self, now: float) -> None:
        if self._handover.pending:
            self._settle_handover(now)
            return
        if not self._caller_is_at_it:
            if self._greeting_is_over():
                # Not in the middle of the caller's words: settings that change there can lose the end of the turn.
                self._floor.give()
            if self._floor.open and self._floor.owes_answer():
                self._answer_caller(now)
                return
            if self._fill(now):
                return
        if self._ending.reason:
            self._settle_ending(now)
        elif not self._caller_is_at_it:
            self._patience.begin(now)

    def _fill(self, now: float) -> bool:
        """Say what the wait for a tool calls for, and let go of what waited for that. True: something is said now."""
        if not self._tools.waiting or not self._all_quiet(now):
            return False
        text = self._fillers.next(now)
        if text:
            self._responses.send(Ask.for_sentence(Purpose.FILLER, text), now)
            return True
        self._tools.release(now)
        return False

    def _greeting_is_over(self) -> bool:
        """Whether nothing but its last echo keeps the first message from being over."""
        return not self._floor.open and bool(self._floor.greeting_id) and self._responses.idle

    def _caller_has_floor(self, now: float) -> bool:
        """Whether the caller is not to be talked over."""
        return self._caller_is_at_it and not self._floor.holds(now)

    def _may_ask(self) -> bool:
        ready = self._responses.idle and not self._line.armed(Timer.RETRY) and not self._handover.entering
        return ready and self._line.talking and not self._ending.failing

    # Leaving --------------------------------------------------------------------------------------------------

    def _settle_handover(self, now: float) -> None:
        """Say what is to be said before another assistant takes over, and let it when all of that was heard."""
        self._utterances.write_known(now)
        if self._caller_is_at_it:
            return
        words = self._handover.words()
        if words:
            self._responses.send(Ask.for_sentence(Purpose.HANDOFF, words), now)
        elif self._voice.heard(now):
            self._handover.settle(now)

    def too_long(self, now: float) -> None:
        """The call has lasted as long as it may."""
        self._ending.begin(TOO_LONG, now)
        self.go_on(now)

    def _settle_ending(self, now: float) -> None:
        if self._ending.presses_keys:
            self._settle_keys(now)
        elif self._may_leave():
            self._ending.settle(now)

    def _settle_keys(self, now: float) -> None:
        """Have keys pressed: without waiting for silence, since a recorded menu speaks on and on."""
        if not self._may_ask() or self._tools.waiting:
            return
        if self._utterances.transcribing and now < self._ending.keys_by:
            # What was said last is still being written down, and the next session is to know it.
            self._line.arm(Timer.CHECK, self._ending.keys_by)
            return
        self._ending.settle(now)

    def _may_leave(self) -> bool:
        """Whether nothing is going on."""
        going_on = self._caller_is_at_it or self._tools.waiting or self._handover.pending
        return self._may_ask() and not going_on


def _is(ask: Ask | None, purpose: Purpose) -> bool:
    return ask is not None and ask.purpose is purpose

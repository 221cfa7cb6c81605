"""Who speaks when: what stops for the caller, what is asked of the model, and what follows what was heard."""

from calls.bridge.commands import Speaker
from calls.bridge.ending import SILENCE, TOO_LONG, Ending
from calls.bridge.limits import ANSWER_WITHIN_S, NUDGE_AFTER_S
from calls.bridge.line import Timer
from calls.bridge.parts import Parts
from calls.bridge.responses import Ask, Purpose


class Dialogue:
    """Everything here happens while the two talk; before and after that it does nothing."""

    def __init__(self, parts: Parts, ending: Ending) -> None:
        self._line = parts.line
        self._plan = parts.plan
        self._floor = parts.floor
        self._caller = parts.caller
        self._utterances = parts.utterances
        self._voice = parts.voice
        self._responses = parts.responses
        self._fillers = parts.fillers
        self._tools = parts.tools
        self._patience = parts.patience
        self._keypad = parts.keypad
        self._handover = parts.handover
        self._settling = parts.settling
        self._ending = ending
        self.speaking = ""  # item id of the caller's running speech

    def begin(self, now: float) -> None:
        """Both sides are ready."""
        self._line.arm(Timer.DURATION, now + self._plan.max_duration_s)
        self._patience.begin(now)
        if self._plan.greets:
            self._greet(now)

    def _greet(self, now: float) -> None:
        if self._floor.muted:
            self._responses.want(self._floor.greeting())
        else:
            self._responses.send(self._floor.greeting(), now)

    def enter(self, now: float) -> None:
        """The assistant has taken the call over from another; the time that the call may last goes on."""
        self._line.disarm(Timer.QUIET, Timer.IDLE, Timer.ANSWER, Timer.NUDGE, Timer.RETRY, Timer.STALLED)
        self._floor.tell_server()
        if self._plan.greets:
            self._patience.begin(now)
            self._greet(now)
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

    def caller_unheard(self) -> None:
        """Nobody knows any more whether the caller speaks: whoever hears them next says that they begin."""
        if self.speaking:
            self.speaking = ""
            self._line.speaks(Speaker.CALLER, on=False)

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
        elif self._floor.muted:
            self._floor.missed(item_id)
            self._voice.turn_ended_at = None
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
        self.ask(Ask(Purpose.ANSWER), now)

    def caller_words(self, item_id: str, now: float) -> None:
        """More is known of what the caller said: it may be enough to interrupt, or to want an answer."""
        if not self._line.talking or self._ending.failing:
            return
        if self._floor.interrupts(item_id, speaking=self.speaking, now=now) and not self._floor.muted:
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
        if self._floor.holds_for_keys(now) or self._handover.pending or self._floor.muted:
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
        if self.may_leave() and not self._caller.muted:
            self._ending.begin(SILENCE, now)
            self.go_on(now)
        else:
            self._patience.begin(now)

    def remind(self, now: float) -> None:
        """The caller has been silent for long: they are reminded, unless there is more to wait for."""
        if self.at_rest(now) and not self._caller.muted:
            self._responses.send(Ask.for_sentence(Purpose.REMINDER, self._patience.remind()), now)
        else:
            self._patience.watch(now)

    def at_rest(self, now: float) -> bool:
        """Whether nothing at all goes on, and the call is not about to end."""
        return self.may_leave() and not self._ending.reason and self._all_quiet(now)

    def _all_quiet(self, now: float) -> bool:
        """Whether nobody speaks, and nobody is about to."""
        expected = self._responses.wanting() or self._line.armed(Timer.NUDGE)
        return not expected and not self._caller_is_at_it and self._voice.heard(now)

    # What comes next ------------------------------------------------------------------------------------------

    def ask(self, ask: Ask, now: float) -> None:
        """Ask for a response now, or as soon as one may be asked for."""
        self._responses.want(ask)
        self.go_on(now)

    def _want_results(self, *, running: str) -> None:
        for ask in self._tools.due(running=running):
            self._responses.want(ask)

    def tool_answered(self, now: float) -> None:
        """The model was told an outcome; when the batch is complete, it is to be spoken of."""
        if self._line.talking:
            self._want_results(running=self._responses.running)
            self.go_on(now)

    def go_on(self, now: float) -> None:
        """Where no response runs: ask for the next one that is owed, or go on with leaving."""
        if not self._may_ask():
            return
        if self._orders_may_be_said(now):
            self._say_ordered(now)
        elif self._ending.ordered:
            self._settle_ending(now)
        elif self._handover.pending:
            self._settle_handover(now)
        elif self._floor.muted:
            self.after_playback(now)
        else:
            self._go_on_freely(now)

    def _go_on_freely(self, now: float) -> None:
        self._want_results(running="")
        if self._responses.wanting() and not self.caller_has_floor(now):
            self._responses.send_wanted(now)
        elif self._ending.reason:
            self._settle_ending(now)
        else:
            self.after_playback(now)

    def after_playback(self, now: float) -> None:
        """Something was heard: write down what is complete, and do what waited for silence."""
        self._utterances.write_known(now)
        self._settling.heard(now)
        if not self._line.talking or not self._voice.heard(now):
            return
        if self._ending.failing:
            self._ending.leave(now)
        elif self._responses.idle:
            self._after_silence(now)

    def _after_silence(self, now: float) -> None:
        if self._may_ask() and self._orders_may_be_said(now):
            self._say_ordered(now)
            return
        if self._handover.pending:
            self._settle_handover(now)
            return
        if not self._caller_is_at_it:
            if self._greeting_is_over():
                # Not in the middle of the caller's words: settings that change there can lose the end of the turn.
                self._floor.give()
            if self._speaks_freely(now):
                return
        if self._ending.reason:
            self._settle_ending(now)
        elif not self._caller_is_at_it:
            self._patience.begin(now)

    def _speaks_freely(self, now: float) -> bool:
        """Answer what was said under protected speech, or fill the wait for a tool. True: something is said now."""
        if self._floor.muted or self._ending.ordered:
            return False
        if self._floor.open and self._floor.owes_answer():
            self._answer_caller(now)
            return True
        return self._fill(now)

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

    def caller_has_floor(self, now: float) -> bool:
        """Whether the caller is not to be talked over."""
        return self._caller_is_at_it and not self._floor.holds(now)

    def _may_ask(self) -> bool:
        ready = self._responses.idle and not self._line.armed(Timer.RETRY) and not self._handover.entering
        return ready and self._line.talking and not self._ending.failing

    # Orders from outside --------------------------------------------------------------------------------------

    def _orders_may_be_said(self, now: float) -> bool:
        return self._responses.owes_order() and not self.caller_has_floor(now)

    def _say_ordered(self, now: float) -> None:
        if self._line.armed(Timer.ANSWER):
            # The caller's turn is over and unanswered, and who says something else waits for that no longer.
            self._responses.want(Ask(Purpose.ANSWER))
        if self._responses.next_is_guarded():
            self._floor.close()
        self._responses.send_wanted(now)

    def make_way(self, now: float) -> None:
        """Stop what the assistant says by itself, for something that was ordered; not what was ordered before."""
        responses = self._responses
        if not responses.runs_order():
            self._want_unheard()
            responses.drop(responses.running)
            responses.cancel()
        if self._voice.heard(now) or not (responses.says_order() or self._settling.holds(now)):
            self._voice.cut(now)

    def _want_unheard(self) -> None:
        """What was about to be said by itself, and of which nothing was heard, is said later."""
        responses = self._responses
        unheard = responses.runs_known and not responses.has_sounded(responses.running)
        if not unheard or responses.is_dropped(responses.running):
            return
        ask = responses.ask or Ask(Purpose.ANSWER)
        if not ask.fleeting and ask.purpose is not Purpose.FAREWELL:
            responses.want(ask)

    def mute(self, now: float, *, on: bool) -> None:
        """Say nothing but what is ordered from here on, or go on where that began."""
        if on and not self._floor.muted:
            self._line.disarm(Timer.ANSWER, Timer.NUDGE)
            self._floor.mute(on=True)
            self.make_way(now)
            self._fillers.caller_spoke()
            self._tools.release(now)
        elif not on and self._floor.muted:
            self._floor.mute(on=False)
        self.go_on(now)

    # Leaving --------------------------------------------------------------------------------------------------

    def _settle_handover(self, now: float) -> None:
        """Say what is to be said before another assistant takes over, and let it when all of that was heard."""
        self._utterances.write_known(now)
        if self._caller_is_at_it:
            return
        words = "" if self._floor.muted else self._handover.words()
        if words:
            self._responses.send(Ask.for_sentence(Purpose.HANDOFF, words), now)
        elif self._voice.heard(now):
            self._handover.settle(now)

    def too_long(self, now: float) -> None:
        """The call has lasted as long as it may."""
        if self._floor.muted and not self._ending.ordered:
            self._ending.order(TOO_LONG, now)  # whoever is to be silent says no goodbye
            return
        self._ending.begin(TOO_LONG, now)
        self.go_on(now)

    def _settle_ending(self, now: float) -> None:
        if self._ending.presses_keys:
            self._settle_keys(now)
        elif self.may_leave() or (self._ending.ordered and self._may_ask() and not self._caller_is_at_it):
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

    def may_leave(self) -> bool:
        """Whether nothing is going on."""
        going_on = self._caller_is_at_it or self._tools.waiting or self._handover.pending
        going_on = going_on or self._floor.muted or self._responses.owes_order()
        return self._may_ask() and not going_on

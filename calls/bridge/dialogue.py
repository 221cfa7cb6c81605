"""Who speaks when: what stops for the caller, what is asked of the model, and what follows what was heard."""

from dataclasses import replace

from calls.bridge import realtime
from calls.bridge.commands import Source
from calls.bridge.ending import ASSISTANT_ENDED, SILENCE, TOO_LONG, Ending
from calls.bridge.floor import Floor
from calls.bridge.limits import ACTIVE_RESPONSE, ANSWER_WITHIN_S, FATAL, NUDGE_AFTER_S, RESPONSE_WITHIN_S
from calls.bridge.line import Line, Timer
from calls.bridge.plan import Plan
from calls.bridge.responses import Ask, Purpose, Responses
from calls.bridge.toolcalls import ToolCalls, failure
from calls.bridge.utterances import Utterances
from calls.bridge.voice import Voice

_CALLER_SPOKE = failure("not_ended", "The caller began to speak, so the call goes on.")
_CANNOT_SAY = {
    "instructions": "Apologise briefly that you cannot answer that, and ask what else you can do.",
    "tool_choice": "none",
}


class Dialogue:
    """Everything here happens while the two talk; before and after that it does nothing."""

    def __init__(
        self,
        line: Line,
        plan: Plan,
        floor: Floor,
        utterances: Utterances,
        voice: Voice,
        responses: Responses,
        tools: ToolCalls,
        ending: Ending,
    ) -> None:
        self._line = line
        self._plan = plan
        self._floor = floor
        self._utterances = utterances
        self._voice = voice
        self._responses = responses
        self._tools = tools
        self._ending = ending
        self.speaking = ""  # item id of the caller's running speech

    def begin(self, now: float) -> None:
        """Both sides are ready."""
        self._line.arm(Timer.DURATION, now + self._plan.max_duration_s)
        self._await_caller(now)
        if self._plan.greets:
            self._responses.send(self._floor.greeting(), now)

    # The caller -----------------------------------------------------------------------------------------------

    def caller_began(self, item_id: str, now: float) -> None:
        """The caller speaks: what they talk over stops, unless it is protected."""
        self.speaking = item_id
        self._line.disarm(Timer.QUIET, Timer.NUDGE)
        if not self._floor.open:
            return
        self._line.disarm(Timer.ANSWER)
        self._responses.drop(self._responses.running)
        if not self._floor.confirmed:
            self._responses.cancel()
        self._ending.revoke()
        if self._voice.cut(now) and self._ending.failing:
            self._ending.leave(now)

    def caller_stopped(self, item_id: str, now: float) -> None:
        """The caller's turn is over: an answer is due."""
        self.speaking = ""
        self._responses.turn_ended()
        if not self._floor.open:
            self._floor.missed(item_id)
            if self._greeting_is_over() and self._voice.heard(now):
                # It outlasted the first message, so it is a reply to it, be it one word.
                self._floor.give()
                self._ask(Ask(Purpose.ANSWER), now)
            return
        self._line.arm(Timer.ANSWER, now + ANSWER_WITHIN_S)
        self._line.arm(Timer.NUDGE, now + NUDGE_AFTER_S)
        if not self._floor.confirmed:
            # The turn may have ended before the server opened the floor; then nobody will answer it but us.
            self._responses.want(Ask(Purpose.ANSWER))

    def _await_caller(self, now: float) -> None:
        self._line.arm(Timer.QUIET, now + self._plan.silence_timeout_s)

    def too_quiet(self, now: float) -> None:
        """Nobody has said anything for long; where the model is at work, that is not the caller's fault."""
        if self._may_leave():
            self._ending.begin(SILENCE, now)
            self.go_on(now)
        else:
            self._await_caller(now)

    # Responses ------------------------------------------------------------------------------------------------

    def response_created(self, event: realtime.ResponseCreated, now: float) -> None:
        """A response runs: ours, or voice detection's."""
        responses = self._responses
        if not self._line.talking or event.response_id == responses.running:
            return
        if not responses.created(event, now):
            if self._floor.open:
                responses.supersede()
        elif self._caller_has_floor():
            # It was asked for before the caller began; nobody stops it but us.
            responses.drop(event.response_id)
            responses.cancel()
            if not _is(responses.ask, Purpose.FAREWELL):  # which the ending asks for again, if it stands
                self._want_again(responses.ask)
        elif _is(responses.ask, Purpose.GREETING):
            self._floor.greeting_id = event.response_id

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
        if event.reason == "content_filter" and not sounded:
            self._responses.want(Ask(Purpose.APOLOGY, _CANNOT_SAY))
        mute_greeting = event.status == "completed" and not sounded and _is(ask, Purpose.GREETING)
        if (event.status == "failed" or mute_greeting) and not dropped:
            self._failed(event.code, ask, now)
        elif _is(ask, Purpose.FAREWELL) and (sounded or not dropped):
            self._ending.farewell_said()

    def _failed(self, code: str, ask: Ask | None, now: float) -> None:
        if _is(ask, Purpose.GREETING):
            self._floor.greeting_id = ""
        if code in FATAL or not self._responses.retry(ask or Ask(Purpose.ANSWER), now):
            self._ending.give_up(now)

    def _want_again(self, ask: Ask | None) -> None:
        if ask is not None:
            self._responses.want(ask)

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
        if not self._tools.ends_call(call):
            self._tools.run(call, now)
        elif self._responses.is_dropped(call.response_id):
            self._tools.done_here(call, _CALLER_SPOKE)
        else:
            self._tools.done_here(call, '{"ok":true}')
            self._ending.begin(ASSISTANT_ENDED, now, said_in=call.response_id)

    def tool_answered(self, now: float) -> None:
        """The model was told an outcome; when the batch is complete, it is to speak of it."""
        if self._line.talking and self._tools.due(running=self._responses.running):
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
        if self._tools.due(running=""):
            self._responses.want(Ask(Purpose.TOOL_RESULT))
        if self._responses.wanting() and not self._caller_has_floor():
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
        # Not in the middle of the caller's words: settings that change there can lose the end of the turn.
        if self._greeting_is_over() and not self.speaking and self._floor.give():
            self._ask(Ask(Purpose.ANSWER), now)
        if self._ending.reason:
            self._settle_ending(now)
        elif not self.speaking and not self._line.armed(Timer.QUIET):
            self._await_caller(now)

    def _greeting_is_over(self) -> bool:
        """Whether nothing but its last echo keeps the first message from being over."""
        return not self._floor.open and bool(self._floor.greeting_id) and self._responses.idle

    def _caller_has_floor(self) -> bool:
        """Whether the caller speaks and is not to be talked over."""
        return bool(self.speaking) and self._floor.open

    def _may_ask(self) -> bool:
        ready = self._responses.idle and not self._line.armed(Timer.RETRY)
        return ready and self._line.talking and not self._ending.failing

    # Leaving --------------------------------------------------------------------------------------------------

    def too_long(self, now: float) -> None:
        """The call has lasted as long as it may."""
        self._ending.begin(TOO_LONG, now)
        self.go_on(now)

    def _settle_ending(self, now: float) -> None:
        if self._may_leave():
            self._ending.settle(now)

    def _may_leave(self) -> bool:
        """Whether nothing is going on."""
        return self._may_ask() and not self.speaking and not self._tools.waiting


def _is(ask: Ask | None, purpose: Purpose) -> bool:
    return ask is not None and ask.purpose is purpose

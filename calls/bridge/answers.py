"""What becomes of the model's answers: of each response that runs, is refused, fails, or does not come."""

from calls.bridge import realtime
from calls.bridge.commands import Source
from calls.bridge.dialogue import Dialogue
from calls.bridge.ending import AFTER_MESSAGE, Ending
from calls.bridge.limits import ACTIVE_RESPONSE, ANSWER_WITHIN_S, FATAL, RESPONSE_WITHIN_S
from calls.bridge.line import Timer
from calls.bridge.parts import Parts
from calls.bridge.responses import Ask, Purpose
from calls.bridge.settling import CUT
from calls.bridge.speech import Utterance
from calls.bridge.wording import same_words

_CANNOT_SAY = {
    "instructions": "Apologise briefly that you cannot answer that, and ask what else you can do.",
    "tool_choice": "none",
}


class Answers:
    """Takes what the server says of its responses; whatever was owed and was not said is asked for again."""

    def __init__(self, parts: Parts, ending: Ending, dialogue: Dialogue) -> None:
        self._line = parts.line
        self._floor = parts.floor
        self._utterances = parts.utterances
        self._voice = parts.voice
        self._responses = parts.responses
        self._tools = parts.tools
        self._patience = parts.patience
        self._keypad = parts.keypad
        self._handover = parts.handover
        self._settling = parts.settling
        self._ending = ending
        self._dialogue = dialogue

    def response_created(self, event: realtime.ResponseCreated, now: float) -> None:
        """A response runs: ours, or voice detection's."""
        responses = self._responses
        if not self._line.talking or event.response_id == responses.running:
            return
        if not self._created(event, now):
            self._patience.answered()
            if self._floor.muted or self._ending.ordered or responses.owes_urgent():
                self._stop_running()
                if not self._ending.ordered:
                    responses.want(Ask(Purpose.ANSWER))
                return
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

    def _created(self, event: realtime.ResponseCreated, now: float) -> bool:
        responses = self._responses
        before, ask = responses.running, responses.ask if responses.runs_order() else None
        ours = responses.created(event, now)
        if ask is not None and ask != responses.ask:
            self._order_replaced(before, ask, now)
        return ours

    def _begun(self, ask: Ask | None, response_id: str) -> None:
        if _is(ask, Purpose.GREETING) or (ask is not None and ask.guarded):
            self._floor.greeting_id = response_id
        if not _is(ask, Purpose.REMINDER):
            self._patience.answered()
        if ask is not None and not ask.overrides:
            self._floor.seen()

    def _is_moot(self, ask: Ask | None, now: float) -> bool:
        """Whether what was asked for is not to be heard any more, or not yet."""
        if ask is not None and (ask.order or (self._ending.ordered and _is(ask, Purpose.FAREWELL))):
            return self._dialogue.caller_has_floor(now)
        if self._floor.muted or self._ending.ordered or self._responses.owes_urgent():
            return True
        return self._dialogue.caller_has_floor(now) or (_is(ask, Purpose.FILLER) and not self._tools.waiting)

    def _stop_running(self) -> None:
        self._responses.drop(self._responses.running)
        self._responses.cancel()

    def response_done(self, event: realtime.ResponseDone, now: float) -> None:
        """Nothing more comes of a response; most of its audio is yet to be heard."""
        ask, was_running = self._responses.ask, self._responses.done(event.response_id)
        whole = self._utterances.complete(event.response_id)
        self._utterances.response_over(event.response_id, now)
        if not self._line.talking:
            if was_running and ask is not None and ask.order:
                self._order_left(event.response_id, ask, now, whole=whole)
            return
        self._voice.mark(now, flush=True)
        if event.status == "failed":
            self._line.problem(Source.OPENAI, event.code or "response_failed", event.message)
        if event.status == "incomplete":
            code = f"response_incomplete_{event.reason}"
            self._line.problem(Source.OPENAI, code, "An answer was cut short.")
        if was_running:
            self._take_stock(event, ask, now)
        self._dialogue.go_on(now)

    def _take_stock(self, event: realtime.ResponseDone, ask: Ask | None, now: float) -> None:
        if ask is not None and ask.order:
            self._order_over(event, ask, now)
            return
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
        elif ask is not None and _is(ask, Purpose.FAREWELL) and (sounded or not dropped):
            self._ending.farewell_said(ask, event.response_id, whole=not dropped)
        elif ask is not None and ask.ends_call and sounded and not dropped:
            self._ending.begin(AFTER_MESSAGE, now, said_in=event.response_id)

    def _order_over(self, event: realtime.ResponseDone, ask: Ask, now: float) -> None:
        """What becomes of something that was ordered, now that the response that was to say it is over."""
        dropped = self._responses.is_dropped(event.response_id)
        if self._responses.has_sounded(event.response_id):
            self._responses.succeeded()
            if dropped or event.status != "completed":
                self._settling.settle(ask.order_id, CUT)
            else:
                self._settling.said(ask.order_id, event.response_id, now)
        elif event.calls:
            self._settling.settle(ask.order_id)  # whoever takes a call over may begin with a tool
        elif dropped or event.status == "cancelled":
            self._responses.want(ask)
        else:
            self._failed(event.code, ask, now)

    def _order_replaced(self, response_id: str, ask: Ask, now: float) -> None:
        """What becomes of it where another response runs, and nobody has told how the one that was to say it ended."""
        self._responses.drop(response_id)
        if not self._responses.has_sounded(response_id):
            self._responses.want(ask)
        elif self._utterances.complete(response_id):
            self._settling.said(ask.order_id, response_id, now)
        else:
            self._settling.settle(ask.order_id, CUT)

    def _order_left(self, response_id: str, ask: Ask, now: float, *, whole: bool) -> None:
        """What becomes of it where the call was about to leave before it was over, and may go on after all."""
        if not self._responses.has_sounded(response_id):
            self._responses.want(ask)
        elif whole:
            self._voice.mark(now, flush=True)
            self._settling.said(ask.order_id, response_id, now)
        else:
            self._settling.broke_off(ask.order_id)

    def _failed(self, code: str, ask: Ask | None, now: float) -> None:
        if _is(ask, Purpose.GREETING) or (ask is not None and ask.guarded):
            self._floor.greeting_id = ""
        if ask is not None and ask.order and code not in FATAL:
            self._order_failed(ask, now)
        elif ask is not None and ask.fleeting and code not in FATAL:
            self._dialogue.go_on(now)
        elif code in FATAL or not self._responses.retry(ask or Ask(Purpose.ANSWER), now):
            self._ending.give_up(now)

    def _order_failed(self, ask: Ask, now: float) -> None:
        """What was ordered could not be said. A sentence that the model refuses is no reason to end the call."""
        if self._responses.retry(ask, now):
            return
        self._responses.succeeded()
        why = "A sentence that was ordered was refused by the model several times."
        self._line.problem(Source.OPENAI, "order_failed", why)
        self._settling.settle(ask.order_id, why)
        if ask.guarded:
            self._floor.give()
        self._dialogue.go_on(now)

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

    # Those that do not come -----------------------------------------------------------------------------------------

    def request_lost(self, now: float) -> None:
        """Neither `response.created` nor an error came for what we asked."""
        why = f"No answer to a request within {RESPONSE_WITHIN_S:.0f} s."
        self._line.problem(Source.OPENAI, "response_not_created", why)
        self._failed("", self._responses.withdraw_request(), now)

    def answer_late(self, now: float) -> None:
        """The caller's turn is over, or a response runs, and nothing was said."""
        if self._responses.running:
            self._abandon("no_answer", f"No sound within {ANSWER_WITHIN_S:.0f} s.", now)
        elif self._dialogue.may_leave():
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


def _is(ask: Ask | None, purpose: Purpose) -> bool:
    return ask is not None and ask.purpose is purpose

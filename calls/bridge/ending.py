"""How a call ends: with a goodbye, with an apology, by order, or because the caller is gone."""

from calls.bridge import realtime
from calls.bridge.commands import (
    Apologise,
    CloseRealtime,
    CloseStream,
    Ended,
    Forward,
    HangUp,
    PressKeys,
    Source,
    ToolDone,
    ToolRefused,
)
from calls.bridge.limits import (
    FORWARDED_WITHIN_S,
    HANG_UP_WITHIN_S,
    LAST_WORDS_WITHIN_S,
    LETTERS_A_SECOND,
    LINE_DEAD_AFTER_S,
    MODEL_FAILED,
    NOT_STARTED,
    OVERTIME_S,
    STREAM_CLOSED,
    USAGE_WITHIN_S,
    WORDS_KNOWN_WITHIN_S,
)
from calls.bridge.line import Phase, Timer
from calls.bridge.parts import Parts
from calls.bridge.responses import Ask, Purpose
from calls.bridge.settling import CALLED_OFF, CUT, NOT_CONNECTED
from calls.bridge.speech import Utterance
from calls.bridge.transfer import STOCK_MESSAGE, Transfer
from calls.bridge.wording import exactly

ASSISTANT_ENDED = "assistant-ended-call"
AFTER_MESSAGE = "assistant-ended-call-after-message-spoken"
SAID_PHRASE = "assistant-said-end-call-phrase"
SILENCE = "silence-timed-out"
TOO_LONG = "exceeded-max-duration"
FORWARDED = "assistant-forwarded-call"
VOICEMAIL = "voicemail"
CANCELED = "manually-canceled"
# Of a stream only: the call goes on in another one.
KEYS_PRESSED = "keys-pressed"

_FORWARDED_OUTPUT = '{"status":"transferring","message":"The caller is being connected."}'
# Reasons that a caller who speaks does away with; and those whose words were the goodbye.
_REVOCABLE = (ASSISTANT_ENDED, AFTER_MESSAGE, SAID_PHRASE, SILENCE)
_SAID_ALL = (AFTER_MESSAGE, SAID_PHRASE)
_SAY_GOODBYE = {
    "instructions": "Say a short, friendly goodbye in the language of the conversation, and nothing else.",
    "tool_choice": "none",
}


class Ending:
    """From the first reason to end to the very end. ``reason`` is empty while there is none."""

    def __init__(self, parts: Parts) -> None:
        self._line = parts.line
        self._plan = parts.plan
        self._caller = parts.caller
        self._playback = parts.playback
        self._utterances = parts.utterances
        self._voice = parts.voice
        self._responses = parts.responses
        self._tools = parts.tools
        self._keypad = parts.keypad
        self._handover = parts.handover
        self._meter = parts.meter
        self._floor = parts.floor
        self._settling = parts.settling
        self._phrases = [one.casefold() for one in parts.plan.end_call_phrases if one.strip()]
        self.reason = ""
        self.failing = False  # the model cannot go on
        self.ordered = False  # from outside, so that nobody in the call calls it off
        self.orders_held = 0  # until the conversation begins
        self._apologises = False
        self._lost = False  # with its connection, in the middle of the talk
        self._said_in = ""  # the response that ended the call, which may have said goodbye itself
        self._goodbye = ""
        self._farewell_over = False
        self._transfer: Transfer | None = None  # to be ordered, or ordered and not yet answered
        self._ordered = False
        self.keys_by = 0.0  # when keys are pressed at the latest that wait for nothing but the caller's words
        self._gone_for = ""  # the reason of Twilio's side, which is over; empty where we gave it up
        self._message_left = ""
        self._guarded = False  # the message is not cut short by the caller's voice
        self._words_by = ""  # the order that the message came with
        self._ended_by = ""  # the order to hang up
        self._farewell: Ask | None = None  # what was asked for last as the last words
        self._farewell_in = ""  # the response that said them

    # Goodbye --------------------------------------------------------------------------------------------------

    def begin(self, reason: str, now: float, *, said_in: str = "", goodbye: str = "") -> None:
        """End the call as soon as all is said. Only the longest duration outdoes an earlier reason.

        ``goodbye`` takes the place of the plan's, unless the response ``said_in`` had words of its own.
        """
        bound = self.ordered or self.reason in (FORWARDED, KEYS_PRESSED)
        if self.failing or bound or (self.reason and reason != TOO_LONG):
            return
        if self._handover.pending and reason != TOO_LONG:
            return  # the next assistant has the say in that
        self._handover.call_off()
        if not self.reason:
            self._farewell_over = False
        self.reason = reason
        self._said_in = said_in
        self._goodbye = goodbye
        self._overtime(now)

    def said(self, utterance: Utterance, now: float) -> None:
        """The assistant's words are known: where they hold a phrase that ends calls, this one ends when they were heard."""
        text = utterance.text.casefold()
        if any(phrase in text for phrase in self._phrases):
            self.begin(SAID_PHRASE, now, said_in=utterance.response_id)

    def revoke(self) -> None:
        """The caller speaks: they have more to say, so a goodbye was too early, and they are there after all."""
        if self.reason in _REVOCABLE and not self.failing and not self.ordered:
            self.reason = ""
            self._responses.forget(Purpose.FAREWELL)
            self._line.disarm(Timer.OVERTIME)

    def gives_way(self) -> bool:
        """Whether another assistant may take the call over; a goodbye that was about to come is off then."""
        self.revoke()
        return not self.reason and not self.failing

    def settle(self, now: float) -> None:
        """Hang up once the goodbye was heard; have one said if none was."""
        words = self._last_words()
        if words is not None:
            self._settle_words(words, now)
            return
        if not self._farewell_over and self._needs_farewell():
            own = "" if self._responses.has_sounded(self._said_in) else self._goodbye
            message = own or self._plan.end_call_message
            overrides = exactly(message) if message else _SAY_GOODBYE
            self._responses.send(Ask(Purpose.FAREWELL, overrides, message), now)
            return
        self._farewell_over = True
        if self._voice.heard(now):
            self.leave(now)

    def farewell_said(self, ask: Ask, response_id: str, *, whole: bool) -> None:
        """The goodbye is over, even if the caller did not let us finish; an answering machine just speaks on, and stops."""
        if not self.ordered or ask == self._farewell:
            self._farewell_over = whole or self.reason != VOICEMAIL
            self._farewell_in = response_id

    def last_words(self, message: str, reason: str, now: float, *, guarded: bool, order_id: str = "") -> None:
        """End the call by order, once this was heard: whatever else was about to happen is off."""
        self._call_off_transfer()
        self._handover.call_off()
        self._responses.keep()
        self.ordered, self.reason, self._message_left = True, reason, message
        self._farewell_over, self._guarded, self._farewell = False, guarded, None
        self._words_by = order_id
        self._line.arm(Timer.OVERTIME, now + OVERTIME_S + len(message) / LETTERS_A_SECOND)

    def leave_message(self, message: str, now: float) -> None:
        """Nobody but a machine has answered: leave this, and hang up."""
        if self.failing or self.ordered or self.reason == TOO_LONG or self._transfer is not None:
            return
        self._responses.forget(Purpose.FAREWELL)
        self.reason, self._farewell_over, self._message_left = VOICEMAIL, False, message
        self._overtime(now)

    def _last_words(self) -> str | None:
        """The sentence that comes before the end, word for word; empty: none, and None: a goodbye."""
        if self._transfer is None:
            return self._message_left if self.ordered or self.reason == VOICEMAIL else None
        message = self._transfer.message
        if message is not None:
            return message
        return "" if self._responses.has_sounded(self._transfer.call.response_id) else STOCK_MESSAGE

    def _settle_words(self, words: str, now: float) -> None:
        if words and not self._farewell_over:
            self._farewell = Ask.for_sentence(Purpose.FAREWELL, words, guarded=self._guarded)
            if self._guarded:
                self._floor.close()
            self._responses.send(self._farewell, now)
        elif self._voice.heard(now):
            self.leave(now)

    def _needs_farewell(self) -> bool:
        if self.reason in _SAID_ALL:
            return False
        return bool(self._plan.end_call_message) or not self._responses.has_sounded(self._said_in)

    def _overtime(self, now: float) -> None:
        if not self._line.armed(Timer.OVERTIME):
            self._line.arm(Timer.OVERTIME, now + OVERTIME_S)

    # Transfer -------------------------------------------------------------------------------------------------

    def forward(self, transfer: Transfer, now: float) -> bool:
        """Connect the caller to somebody else, or have keys pressed, once that was announced; False when there is no time
        for it any more.

        A goodbye gives way to it; the caller's words do not call it off, for it is they who asked for it.
        """
        if self.failing or self.ordered or self.reason == TOO_LONG or self._transfer is not None:
            return False
        self._responses.forget(Purpose.FAREWELL)
        self.ordered = transfer.ordered
        if transfer.ordered:
            self._handover.call_off()
        self.reason = KEYS_PRESSED if transfer.keys else FORWARDED
        self._farewell_over, self._transfer = False, transfer
        self.keys_by = now + WORDS_KNOWN_WITHIN_S
        self._overtime(now)
        return True

    @property
    def presses_keys(self) -> bool:
        """Whether keys are about to be pressed."""
        return self._transfer is not None and bool(self._transfer.keys)

    def forwarded(self) -> None:
        """The caller is being connected to somebody else, or Twilio presses keys: whether it does is known afterwards."""
        transfer, self._transfer = self._transfer, None
        if transfer is not None and transfer.ordered:
            self._settling.settle(transfer.call.call_id)
        elif transfer is not None and not transfer.keys:
            self._line.put(ToolDone(transfer.call.call_id, transfer.call.name, _FORWARDED_OUTPUT))

    def forward_failed(self, output: str, now: float) -> Transfer | None:
        """The caller could not be connected. The transfer, when the talk goes on, and the model is to be told."""
        transfer = self._transfer
        if transfer is not None and transfer.ordered:
            self._settling.settle(transfer.call.call_id, NOT_CONNECTED)
        if transfer is None or self.called_off(now) is not None:
            return transfer
        call = transfer.call
        if not transfer.ordered:
            self._line.put(ToolRefused(call.call_id, call.name, "transfer_failed", output, orphaned=True))
        if self._line.phase is Phase.LEAVING:
            self.reason, self._apologises = MODEL_FAILED, True
            self.leave(now)
        return None

    def called_off(self, now: float) -> Transfer | None:
        """The stream does not end for it after all. The transfer, when the talk goes on."""
        transfer, self._transfer = self._transfer, None
        if transfer is None:
            return None
        self._ordered = False
        if self._line.phase is Phase.DRAINING:
            self.reason = self._gone_for or STREAM_CLOSED  # nobody was being connected when the stream ended
        if self._line.phase is not Phase.LEAVING or self.failing or not self._line.realtime_open:
            return None
        self._go_on(now)
        return transfer

    def _go_on(self, now: float) -> None:
        """The talk goes on where it was left. What ran meanwhile was not passed on, and is not begun in its middle."""
        line = self._line
        self.reason, self._farewell_over, self.ordered = "", False, False
        line.phase = Phase.TALKING
        line.disarm_all()
        line.arm(Timer.LINE, now + LINE_DEAD_AFTER_S)
        line.arm(Timer.DURATION, max(now, line.zero + self._plan.max_duration_s))
        self._tools.watch()
        self._handover.former_over(now)
        self._settling.goes_on()
        self._keypad.settle(now)
        self._responses.drop(self._responses.running)
        self._responses.cancel()
        self._responses.await_request(now)

    # Failure --------------------------------------------------------------------------------------------------

    def give_up(self, now: float, *, lost: bool = False) -> None:
        """The model cannot go on: let the caller hear what Twilio still holds, then have Twilio apologise.

        ``lost``: only its connection is gone.
        """
        line = self._line
        if self.failing or line.phase not in (Phase.OPENING, Phase.TALKING):
            return
        self.failing = True
        self._handover.call_off()
        # Whoever was about to go need not be told that we cannot go on.
        self._apologises = not self.reason
        self._lost = lost and line.phase is Phase.TALKING
        self.reason = self.reason or MODEL_FAILED
        line.disarm(Timer.SESSION, Timer.RETRY, Timer.REQUESTED, Timer.RUNNING, Timer.ANSWER)
        line.disarm(Timer.QUIET, Timer.IDLE, Timer.FILLER)
        if not line.verified:
            # A stream that is refused hears no apology, so the word is `stream_verified`'s.
            return
        self._overtime(now)
        self._voice.mark(now, flush=True)
        if self._voice.heard(now):
            self.leave(now)

    # Leaving --------------------------------------------------------------------------------------------------

    def order(self, reason: str, now: float, *, order_id: str = "") -> None:
        """Have the call ended at once, whatever else was going on."""
        self._call_off_transfer()
        self.reason = reason
        self._ended_by = order_id
        self._apologises = False
        self.leave(now)

    def leave(self, now: float) -> None:
        """Have the call ended, or handed on."""
        self._handover.call_off()
        self._line.phase = Phase.LEAVING
        self._line.disarm_all()
        self._settle_words_ordered(now)
        if self._transfer is not None:
            self._ordered = True
            self._line.arm(Timer.HUNG_UP, now + FORWARDED_WITHIN_S)
            self._line.put(self._order(self._transfer))
            return
        self._line.arm(Timer.HUNG_UP, now + HANG_UP_WITHIN_S)
        if self.failing and self.ordered and self._message_left and not self._farewell_over:
            self._line.put(Apologise(self._message_left))  # what the model cannot say any more, Twilio says
            return
        self._line.put(Apologise(self._plan.apology, again=self._lost) if self._apologises else HangUp())

    def _settle_words_ordered(self, now: float) -> None:
        """The sentence that was ordered as the last was heard, or is left to Twilio, or is cut off by the end."""
        order_id, self._words_by = self._words_by, ""
        if order_id:
            heard = self._farewell_heard(now) if self._farewell_over else self.failing
            self._settling.settle(order_id, "" if heard else CUT)

    def _farewell_heard(self, now: float) -> bool:
        said = self._responses.has_sounded(self._farewell_in) and self._voice.heard(now)
        return said and self._utterances.heard(self._farewell_in, now)

    @staticmethod
    def _order(transfer: Transfer) -> Forward | PressKeys:
        call = transfer.call
        if transfer.keys:
            return PressKeys(call.call_id, call.name, transfer.keys, transfer.arguments)
        return Forward(call.call_id, call.name, transfer.place)

    def caller_gone(self, reason: str, now: float, *, speaking: str) -> None:
        """Twilio's side is over: keep what was said, also the words that are still being written down."""
        line = self._line
        self._settling.heard(now)
        if not self._ordered:
            self._call_off_transfer(gone=True)
        self._handover.call_off(gone=True)
        self._gone_for = reason
        self.reason = self.reason or reason
        line.phase = Phase.DRAINING
        line.disarm_all()
        self._utterances.line_gone(now)
        if self._playback.holds_audio(now):
            self._playback.interrupt(now=now)
        self._keypad.line_gone(now)
        self._tools.orphan_all()
        self._responses.cancel()
        if line.realtime_open and speaking and self._caller.enough_to_commit:
            self._utterances.caller_committed(speaking)
            line.to_realtime(realtime.commit(line.event_id()))
        if self.awaits_reports():
            within_s = LAST_WORDS_WITHIN_S if self._utterances.transcribing else USAGE_WITHIN_S
            line.arm(Timer.LAST_WORDS, now + within_s)
        else:
            self.end(now)

    def awaits_reports(self) -> bool:
        """Whether the caller's last words are still being written down, or what a cancelled answer used is yet to be told."""
        line = self._line
        return line.realtime_open and (self._utterances.transcribing or self._meter.owes(line.session))

    def drained(self, now: float) -> None:
        """Something was reported: end what has waited for nothing but that."""
        if self._line.phase is Phase.DRAINING and not self.awaits_reports():
            self.end(now)

    def _call_off_transfer(self, *, gone: bool = False) -> None:
        """Nobody is to be transferred any more; ``gone``: because the caller is, perhaps to come back."""
        if self._transfer is None:
            return
        transfer, self._transfer = self._transfer, None
        self.reason, self.ordered = "", False
        if transfer.ordered and not gone:
            self._settling.settle(transfer.call.call_id, CALLED_OFF)
        if not transfer.ordered:
            call = transfer.call
            self._line.put(ToolRefused(call.call_id, call.name, "caller_gone", "", orphaned=True))

    def end(self, now: float, reason: str = "", *, close_code: int = 1000) -> None:
        """Everything is over."""
        line = self._line
        unsaid = self._responses.unsaid_orders() + self.orders_held
        if unsaid and line.verified:
            line.problem(
                Source.TANDEM, "order_not_said", f"{unsaid} ordered, not said before the call ended."
            )
        line.phase = Phase.ENDED
        line.disarm_all()
        reason = self.reason or reason
        if self._ended_by:
            self._settling.settle(self._ended_by)
        self._meter.close(now)
        if not line.verified and not reason.startswith(NOT_STARTED):
            reason = f"{NOT_STARTED}-stream-not-verified"
        line.put(
            CloseRealtime(),
            CloseStream(close_code),
            Ended(
                reason=reason,
                spoken=self._utterances.all_spoken(now),
                barge_ins=self._voice.barge_ins,
                frames_in=self._caller.frames_in,
                first_sound_ms=self._voice.first_sound_ms,
            ),
        )

"""How a call ends: with a goodbye, with an apology, by order, or because the caller is gone."""

from calls.bridge import realtime
from calls.bridge.caller import CallerAudio
from calls.bridge.commands import Apologise, CloseRealtime, CloseStream, Ended, HangUp
from calls.bridge.floor import exactly
from calls.bridge.limits import HANG_UP_WITHIN_S, LAST_WORDS_WITHIN_S, MODEL_FAILED, NOT_STARTED, OVERTIME_S
from calls.bridge.line import Line, Phase, Timer
from calls.bridge.plan import Plan
from calls.bridge.playback import Playback
from calls.bridge.responses import Ask, Purpose, Responses
from calls.bridge.toolcalls import ToolCalls
from calls.bridge.utterances import Utterances
from calls.bridge.voice import Voice

ASSISTANT_ENDED = "assistant-ended-call"
SILENCE = "silence-timed-out"
TOO_LONG = "exceeded-max-duration"

_SAY_GOODBYE = {
    "instructions": "Say a short, friendly goodbye in the language of the conversation, and nothing else.",
    "tool_choice": "none",
}


class Ending:
    """From the first reason to end to the very end. ``reason`` is empty while there is none."""

    def __init__(
        self,
        line: Line,
        plan: Plan,
        caller: CallerAudio,
        playback: Playback,
        utterances: Utterances,
        voice: Voice,
        responses: Responses,
        tools: ToolCalls,
    ) -> None:
        self._line = line
        self._plan = plan
        self._caller = caller
        self._playback = playback
        self._utterances = utterances
        self._voice = voice
        self._responses = responses
        self._tools = tools
        self.reason = ""
        self.failing = False  # the model cannot go on
        self._apologises = False
        self._said_in = ""  # the response that ended the call, which may have said goodbye itself
        self._farewell_over = False

    # Goodbye --------------------------------------------------------------------------------------------------

    def begin(self, reason: str, now: float, *, said_in: str = "") -> None:
        """End the call as soon as all is said. Only the longest duration outdoes an earlier reason."""
        if self.failing or (self.reason and reason != TOO_LONG):
            return
        if not self.reason:
            self._farewell_over = False
        self.reason = reason
        self._said_in = said_in
        self._overtime(now)

    def revoke(self) -> None:
        """The caller speaks: they have more to say, so a goodbye was too early, and they are there after all."""
        if self.reason in (ASSISTANT_ENDED, SILENCE) and not self.failing:
            self.reason = ""
            self._responses.forget(Purpose.FAREWELL)
            self._line.disarm(Timer.OVERTIME)

    def settle(self, now: float) -> None:
        """Hang up once the goodbye was heard; have one said if none was."""
        if not self._farewell_over and self._needs_farewell():
            message = self._plan.end_call_message
            self._responses.send(Ask(Purpose.FAREWELL, exactly(message) if message else _SAY_GOODBYE), now)
            return
        self._farewell_over = True
        if self._voice.heard(now):
            self.leave(now)

    def farewell_said(self) -> None:
        """The goodbye is over, even if the caller did not let us finish."""
        self._farewell_over = True

    def _needs_farewell(self) -> bool:
        return bool(self._plan.end_call_message) or not self._responses.has_sounded(self._said_in)

    def _overtime(self, now: float) -> None:
        if not self._line.armed(Timer.OVERTIME):
            self._line.arm(Timer.OVERTIME, now + OVERTIME_S)

    # Failure --------------------------------------------------------------------------------------------------

    def give_up(self, now: float) -> None:
        """The model cannot go on: let the caller hear what Twilio still holds, then have Twilio apologise."""
        line = self._line
        if self.failing or line.phase not in (Phase.OPENING, Phase.TALKING):
            return
        self.failing = True
        # Whoever was about to go need not be told that we cannot go on.
        self._apologises = not self.reason
        self.reason = self.reason or MODEL_FAILED
        line.disarm(Timer.SESSION, Timer.RETRY, Timer.REQUESTED, Timer.RUNNING, Timer.ANSWER, Timer.QUIET)
        if not line.verified:
            # A stream that is refused hears no apology, so the word is `stream_verified`'s.
            return
        self._overtime(now)
        self._voice.mark(now, flush=True)
        if self._voice.heard(now):
            self.leave(now)

    # Leaving --------------------------------------------------------------------------------------------------

    def order(self, reason: str, now: float) -> None:
        """Have the call ended at once, whatever else was going on."""
        self.reason = reason
        self._apologises = False
        self.leave(now)

    def leave(self, now: float) -> None:
        """Have the call ended."""
        self._line.phase = Phase.LEAVING
        self._line.disarm_all()
        self._line.arm(Timer.HUNG_UP, now + HANG_UP_WITHIN_S)
        self._line.put(Apologise(self._plan.apology) if self._apologises else HangUp())

    def caller_gone(self, reason: str, now: float, *, speaking: str) -> None:
        """Twilio's side is over: keep what was said, also the words that are still being written down."""
        line = self._line
        self.reason = self.reason or reason
        line.phase = Phase.DRAINING
        line.disarm_all()
        self._utterances.line_gone(now)
        if self._playback.holds_audio(now):
            self._playback.interrupt(now=now)
        self._tools.orphan_all()
        self._responses.cancel()
        if line.realtime_open and speaking and self._caller.enough_to_commit:
            self._utterances.caller_committed(speaking)
            line.to_realtime(realtime.commit(line.event_id()))
        if line.realtime_open and self._utterances.transcribing:
            line.arm(Timer.LAST_WORDS, now + LAST_WORDS_WITHIN_S)
        else:
            self.end(now)

    def end(self, now: float, reason: str = "", *, close_code: int = 1000) -> None:
        """Everything is over."""
        line = self._line
        line.phase = Phase.ENDED
        line.disarm_all()
        reason = self.reason or reason
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

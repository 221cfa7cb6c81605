"""How a conversation begins: the stream proves itself, the session is as it was asked for, and then both are there."""

from calls.bridge import realtime, twilio
from calls.bridge.commands import Source, Started, VerifyStream
from calls.bridge.control import Control
from calls.bridge.dialogue import Dialogue
from calls.bridge.ending import Ending
from calls.bridge.limits import (
    LINE_DEAD_AFTER_S,
    NOT_STARTED,
    SESSION_WITHIN_S,
    START_WITHIN_S,
    VERIFY_WITHIN_S,
)
from calls.bridge.line import Phase, Timer
from calls.bridge.parts import Parts
from calls.bridge.plan import session_faults, session_payload


class Beginning:
    """Everything here happens before the two talk, by the parts of whoever has the call first."""

    def __init__(self, parts: Parts, ending: Ending, dialogue: Dialogue, control: Control) -> None:
        self._line = parts.line
        self._plan = parts.plan
        self._floor = parts.floor
        self._caller = parts.caller
        self._ending = ending
        self._dialogue = dialogue
        self._control = control
        self._asked_in = ""  # the event in which the session was asked for
        self.session_ready = False

    # The stream -----------------------------------------------------------------------------------------------

    def opened(self, now: float) -> None:
        """The media socket was accepted."""
        if self._line.phase is Phase.OPENING and not self._line.stream_sid:
            self._line.arm(Timer.START, now + START_WITHIN_S)

    def started(self, start: twilio.Start, now: float) -> None:
        """The stream says whose it is."""
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

    def verified(self, now: float) -> None:
        """The token was good."""
        line = self._line
        if line.phase is not Phase.OPENING or not line.stream_sid or line.verified:
            return
        line.verified = True
        line.zero = now
        line.disarm(Timer.VERIFY)
        if self._control.verified(now):
            return
        if self._ending.failing:
            self._ending.leave(now)
        elif self.session_ready:
            self._begin(now)
        else:
            line.arm(Timer.SESSION, now + SESSION_WITHIN_S)

    def refused(self, now: float) -> None:
        """The token was missing, used, too old or another call's."""
        if self._line.phase is Phase.OPENING and not self._line.verified:
            self.not_started("stream-refused", now, close_code=1008)

    def not_started(self, why: str, now: float, *, close_code: int) -> None:
        """End what was never a call."""
        self._ending.end(now, f"{NOT_STARTED}-{why}", close_code=close_code)

    # The session ----------------------------------------------------------------------------------------------

    def session_created(self, now: float) -> None:
        """The model is there: ask for the session as it is to be."""
        if not self._asked_in:
            self._asked_in = self._line.event_id()
            payload = session_payload(self._plan, floor_open=self._floor.open)
            self._line.to_realtime(realtime.session_update(self._asked_in, payload))

    def session_updated(self, event: realtime.SessionUpdated, now: float) -> None:
        """The session is as we wanted it, or is not."""
        if not self._asked_in or self._ending.failing:
            return
        faults = session_faults(self._plan, event.session)
        if faults:
            why = f"The session differs from ours: {', '.join(faults)}."
            self._line.problem(Source.OPENAI, "session_differs", why)
            self._ending.give_up(now)
            return
        self.session_ready = True
        if self._line.phase is Phase.OPENING and self._line.verified:
            self._begin(now)

    def session_late(self, now: float) -> None:
        """The session has not come in time."""
        why = f"No session within {SESSION_WITHIN_S:.0f} s."
        self._line.problem(Source.OPENAI, "session_timed_out", why)
        self._ending.give_up(now)

    def is_refused_by(self, event: realtime.Error) -> bool:
        """Whether this is the server's word that it does not make the session that was asked for."""
        return bool(event.event_id) and event.event_id == self._asked_in and not self.session_ready

    def _begin(self, now: float) -> None:
        line = self._line
        line.phase = Phase.TALKING
        line.disarm(Timer.SESSION)
        line.arm(Timer.LINE, now + LINE_DEAD_AFTER_S)
        line.put(Started())
        for remark in self._plan.history:
            line.to_realtime(realtime.message(line.event_id(), remark.role, remark.text))
        self._control.release_mutes(now)
        self._dialogue.begin(now)
        self._caller.release()
        self._control.release(now)

"""Which response runs, which was asked for, and which is owed: only one can run at a time.

Voice detection asks for responses too, so between our look and the server's there is a race that cannot be
avoided: who loses it learns so by an error, and what was asked for is owed again.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from calls.bridge import realtime
from calls.bridge.limits import ANSWER_WITHIN_S, RESPONSE_WITHIN_S, RETRIES, RETRY_AFTER_S
from calls.bridge.line import Line, Timer

# The server says that a response runs, and not which.
UNKNOWN = "?"


class Purpose(StrEnum):
    """What a response of ours is for."""

    GREETING = "greeting"
    ANSWER = "answer"
    TOOL_RESULT = "tool_result"
    APOLOGY = "apology"
    FAREWELL = "farewell"


@dataclass(frozen=True, slots=True)
class Ask:
    """A response that we ask for."""

    purpose: Purpose
    overrides: dict[str, Any] = field(default_factory=dict)


class Responses:
    """At most one response is running, one requested, and one wanted after those."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.running = ""
        self.ask: Ask | None = None  # what the running response was asked for, if it was us
        self.requested: Ask | None = None
        self.wanted: Ask | None = None
        self._request_id = ""
        self._turn_ended = False  # since our last request
        self._echoes_metadata = False
        self._dropped: set[str] = set()
        self._sounded: set[str] = set()
        self._last_sound = 0.0
        self._failures = 0

    @property
    def idle(self) -> bool:
        """Whether a response may be asked for."""
        return not self.running and self.requested is None

    def send(self, ask: Ask, now: float) -> None:
        """Ask for a response."""
        self.wanted = None
        self.requested = ask
        self._request_id = self._line.event_id()
        self._turn_ended = False
        self._line.disarm(Timer.NUDGE, Timer.ANSWER)
        self._line.arm(Timer.REQUESTED, now + RESPONSE_WITHIN_S)
        self._line.to_realtime(realtime.response_create(self._request_id, ask.purpose, **ask.overrides))

    def turn_ended(self) -> None:
        """Voice detection may ask for a response from here on."""
        self._turn_ended = True

    # What the server says -------------------------------------------------------------------------------------

    def created(self, event: realtime.ResponseCreated, now: float) -> bool:
        """A response runs; whether it is the one we asked for."""
        ours = self._is_ours(event)
        self.running = event.response_id
        self.ask = self.requested if ours else None
        if ours:
            self.withdraw_request()
        self._line.disarm(Timer.NUDGE, Timer.RUNNING)
        if not self._line.armed(Timer.ANSWER):
            self._line.arm(Timer.ANSWER, now + ANSWER_WITHIN_S)
        return ours

    def _is_ours(self, event: realtime.ResponseCreated) -> bool:
        self._echoes_metadata |= bool(event.asked_by)
        if self.requested is None:
            return False
        if event.asked_by or self._echoes_metadata:
            return event.asked_by == self._request_id
        # A server that does not echo metadata leaves one guess: no turn of the caller ended, so it must be ours.
        return not self._turn_ended

    def refused(self, event: realtime.Error) -> Ask | None:
        """Our request, if it is this that the server refused."""
        anonymous = not event.event_id and event.code == "conversation_already_has_active_response"
        if self.requested is None or not (anonymous or event.event_id == self._request_id):
            return None
        return self.withdraw_request()

    def withdraw_request(self) -> Ask | None:
        """Stop waiting for what was asked for; return it."""
        ask, self.requested = self.requested, None
        self._line.disarm(Timer.REQUESTED)
        return ask

    def blocked(self, now: float) -> None:
        """The server says that a response runs."""
        if not self.running:
            self.running = UNKNOWN
            self.ask = None
            self._line.arm(Timer.ANSWER, now + ANSWER_WITHIN_S)

    def done(self, response_id: str) -> bool:
        """A response is over; whether it was the running one."""
        if self.running not in (response_id, UNKNOWN):
            return False
        self.running = ""
        self._line.disarm(Timer.RUNNING)
        return True

    # Sound ----------------------------------------------------------------------------------------------------

    def sounds(self, response_id: str, now: float) -> bool:
        """Note that audio of a response is passed on; whether it is the first."""
        self._last_sound = now
        if response_id in self._sounded:
            return False
        self._sounded.add(response_id)
        self._line.disarm(Timer.ANSWER, Timer.QUIET)
        self._line.arm(Timer.RUNNING, now + ANSWER_WITHIN_S)
        return True

    def has_sounded(self, response_id: str) -> bool:
        """Whether audio of a response was passed on."""
        return response_id in self._sounded

    def still_sounding(self, now: float) -> bool:
        """Whether audio came of late; then the watch goes on."""
        due = self._last_sound + ANSWER_WITHIN_S
        if due <= now:
            return False
        self._line.arm(Timer.RUNNING, due)
        return True

    def is_dropped(self, response_id: str) -> bool:
        """Whether nothing of a response may be heard any more."""
        return response_id in self._dropped

    def drop(self) -> None:
        """Let nothing more of the running response be heard."""
        if self.running and self.running != UNKNOWN:
            self._dropped.add(self.running)

    def cancel(self) -> None:
        """Have the server stop the running response."""
        if self.running and self.running != UNKNOWN:
            self._line.to_realtime(realtime.response_cancel(self._line.event_id(), self.running))

    # Failures -------------------------------------------------------------------------------------------------

    def succeeded(self) -> None:
        """The model speaks; what failed before is forgotten."""
        self._failures = 0

    def retry(self, ask: Ask, now: float) -> bool:
        """Ask again in a moment; False when that was done often enough."""
        self._failures += 1
        if self._failures > RETRIES:
            return False
        self.wanted = ask
        self._line.disarm(Timer.ANSWER)
        self._line.arm(Timer.RETRY, now + RETRY_AFTER_S[self._failures - 1])
        return True

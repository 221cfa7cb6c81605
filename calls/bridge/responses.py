"""Which response runs, which was asked for, and which is owed: only one can run at a time.

Voice detection asks for responses too, so between our look and the server's there is a race that cannot be
avoided: who loses it learns so by an error, and what was asked for is owed again.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from calls.bridge import realtime
from calls.bridge.limits import ACTIVE_RESPONSE, ANSWER_WITHIN_S, RESPONSE_WITHIN_S, RETRIES, RETRY_AFTER_S
from calls.bridge.line import Line, Timer
from calls.bridge.wording import literally

# The server says that a response runs, and not which.
UNKNOWN = "?"


class Purpose(StrEnum):
    """What a response of ours is for."""

    GREETING = "greeting"
    ANSWER = "answer"
    TOOL_RESULT = "tool_result"
    APOLOGY = "apology"
    FAREWELL = "farewell"
    REMINDER = "reminder"
    FILLER = "filler"
    HANDOFF = "handoff"
    SAY = "say"


@dataclass(frozen=True, slots=True)
class Ask:
    """A response that we ask for, a ``sentence`` word for word. ``ends_call``: once it was said, the call is over.

    ``guarded``: the caller's voice does not stop it. ``urgent``: nothing else is said before it. ``order`` tells
    orders from outside apart, and which came first; ``order_id`` is what outside calls it.
    """

    purpose: Purpose
    overrides: dict[str, Any] = field(default_factory=dict)
    sentence: str = ""
    ends_call: bool = False
    guarded: bool = False
    urgent: bool = False
    order: int = 0
    order_id: str = ""

    @classmethod
    def for_sentence(
        cls, purpose: Purpose, sentence: str, *, ends_call: bool = False, guarded: bool = False
    ) -> "Ask":
        """The request that has this said in the middle of a call."""
        return cls(purpose, literally(sentence), sentence, ends_call, guarded)

    @property
    def fleeting(self) -> bool:
        """Whether it is worth saying at this moment only, so that it is not asked for again."""
        return self.purpose in (Purpose.REMINDER, Purpose.FILLER, Purpose.HANDOFF)


class Responses:
    """At most one response is running, one requested, and one wanted after those."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.running = ""
        self.ask: Ask | None = None  # what the running response was asked for, if it was us
        self.requested: Ask | None = None
        self._wanted: list[Ask] = []
        self._orders = 0
        self._request_id = ""
        self._running_for = ""  # the request that the running response answers
        self._asked: dict[str, Ask] = {}
        self._turn_ended = False  # so that the next response may be voice detection's
        self._echoes_metadata = False
        self._dropped: set[str] = set()
        self._sounded: set[str] = set()
        self._said_for: dict[str, Ask] = {}  # responses that have sounded, and what they were asked for
        self._last_sounded = ""
        self._last_sign = 0.0
        self._failures = 0

    @property
    def idle(self) -> bool:
        """Whether a response may be asked for."""
        return not self.running and self.requested is None

    @property
    def runs_known(self) -> bool:
        """Whether a response runs that we have been told of."""
        return self.running not in ("", UNKNOWN)

    def send(self, ask: Ask, now: float) -> None:
        """Ask for a response."""
        self.requested = ask
        self._request_id = self._line.event_id()
        self._asked[self._request_id] = ask
        # Voice detection may be about to answer a turn that has just ended.
        self._turn_ended = self._line.armed(Timer.NUDGE)
        self._line.disarm(Timer.NUDGE, Timer.ANSWER)
        self._line.arm(Timer.REQUESTED, now + RESPONSE_WITHIN_S)
        self._line.to_realtime(realtime.response_create(self._request_id, ask.purpose, **ask.overrides))

    def want(self, ask: Ask) -> None:
        """Ask for this as soon as one may. What the model may say freely is asked for once: it sees all there is."""
        if any(one == ask or _asks_the_same(one, ask) for one in self._wanted):
            return
        self._wanted.append(ask)
        if ask.order:  # comes before everything that the conversation itself wants
            self._wanted.sort(key=lambda one: (not one.order, one.order))

    def order(self, ask: Ask) -> None:
        """Owe what was ordered from outside; nothing but its being said, or the end, does away with that."""
        self._orders += 1
        self.want(replace(ask, order=self._orders))

    def orders_owed(self) -> int:
        """How many things that were ordered are still to be said."""
        return sum(1 for one in (*self._wanted, self.requested) if one is not None and one.order)

    def owes_order(self) -> bool:
        """Whether something that was ordered is to be said next."""
        return bool(self._wanted) and bool(self._wanted[0].order)

    def next_is_guarded(self) -> bool:
        """Whether what is asked for next is not to be cut short by the caller's voice."""
        return self._wanted[0].guarded

    def owes_urgent(self) -> bool:
        """Whether something was ordered that nothing else may be said before."""
        return any(one.urgent for one in self._wanted)

    def says_order(self) -> bool:
        """Whether what sounds, or sounded last, was ordered."""
        asked = self._said_for.get(self._last_sounded)
        return asked is not None and bool(asked.order)

    def runs_order(self) -> bool:
        """Whether the running response is to say what was ordered."""
        return bool(self.running) and self.ask is not None and bool(self.ask.order)

    def unsaid_orders(self) -> int:
        """How many things were ordered of which nothing was heard."""
        running = self.ask if self.running and not self.has_sounded(self.running) else None
        return sum(1 for one in (*self._wanted, self.requested, running) if one is not None and one.order)

    def wanting(self) -> bool:
        """Whether something is owed."""
        return bool(self._wanted)

    def send_wanted(self, now: float) -> None:
        """Ask for what has been owed for longest."""
        self.send(self._wanted.pop(0), now)

    def forget(self, purpose: Purpose) -> None:
        """Owe nothing of this kind any more."""
        self._wanted = [ask for ask in self._wanted if ask.purpose is not purpose]

    def supersede(self) -> None:
        """The caller has had their say and is answered: what was to be said before it is owed no more."""
        self.keep()

    def begin_session(self) -> str:
        """Another session has the call: nothing runs in it. The order that the one before was lost in the middle of, if any."""
        self._line.disarm(Timer.REQUESTED, Timer.RUNNING, Timer.ANSWER, Timer.RETRY)
        lost = (self.ask if self.running and not self.has_sounded(self.running) else None, self.requested)
        for ask in lost:
            if ask is not None and ask.order:
                self.want(ask)
        cut = self.ask.order_id if self.ask is not None and self.runs_order() and lost[0] is None else ""
        self.running, self._request_id, self._running_for = "", "", ""
        self.ask = self.requested = None
        self._asked.clear()
        self._turn_ended = self._echoes_metadata = False
        self._failures = 0
        return cut

    def keep(self, *purposes: Purpose) -> None:
        """Owe nothing but what is for these, and what was ordered."""
        self._wanted = [ask for ask in self._wanted if ask.purpose in purposes or ask.order]

    def turn_ended(self) -> None:
        """Voice detection may ask for a response from here on."""
        self._turn_ended = True

    # What the server says -------------------------------------------------------------------------------------

    def created(self, event: realtime.ResponseCreated, now: float) -> bool:
        """A response runs; whether it is one that we asked for."""
        self._echoes_metadata |= bool(event.asked_by)
        asked_by = event.asked_by or self._guess()
        replaces = bool(self.running)
        self.running = event.response_id
        self._running_for = asked_by
        self.ask = self._asked.get(asked_by)
        if self.ask is not None:
            if asked_by == self._request_id:
                self.withdraw_request()
            # It may come so late that it was to be asked for again.
            self._wanted = [ask for ask in self._wanted if ask != self.ask]
        self._line.disarm(Timer.NUDGE, Timer.RUNNING)
        if replaces or not self._line.armed(Timer.ANSWER):
            self._line.arm(Timer.ANSWER, now + ANSWER_WITHIN_S)
        return self.ask is not None

    def _guess(self) -> str:
        # A server that does not echo metadata leaves one guess: no turn of the caller ended, so it must be ours.
        blind = self.requested is not None and not self._echoes_metadata and not self._turn_ended
        return self._request_id if blind else ""

    def refused(self, event: realtime.Error) -> Ask | None:
        """Our request, if it is this that the server refused."""
        if event.event_id and event.event_id == self._running_for:
            # Then the response that runs is not the one we guessed.
            ask, self.ask, self._running_for = self.ask, None, ""
            return ask
        anonymous = not event.event_id and event.code == ACTIVE_RESPONSE
        if self.requested is None or not (anonymous or event.event_id == self._request_id):
            return None
        return self.withdraw_request()

    def withdraw_request(self) -> Ask | None:
        """Stop waiting for what was asked for; return it."""
        ask, self.requested = self.requested, None
        self._line.disarm(Timer.REQUESTED)
        return ask

    def await_request(self, now: float) -> None:
        """Wait once more for what was asked for before the talk had stopped; what never comes would block all else."""
        if self.requested is not None:
            self._line.arm(Timer.REQUESTED, now + RESPONSE_WITHIN_S)

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
        self._last_sign = now
        if response_id in self._sounded:
            return False
        self._sounded.add(response_id)
        self._last_sounded = response_id
        if self.ask is not None and response_id == self.running:
            self._said_for[response_id] = self.ask
        self.show_life(now)
        return True

    def show_life(self, now: float) -> None:
        """The model has begun to answer: the wait for that is over, and it must go on."""
        self._last_sign = now
        self._line.disarm(Timer.ANSWER, Timer.QUIET, Timer.IDLE)
        if self.running:
            self._line.arm(Timer.RUNNING, now + ANSWER_WITHIN_S)

    def has_sounded(self, response_id: str) -> bool:
        """Whether audio of a response was passed on."""
        return response_id in self._sounded

    def still_alive(self, now: float) -> bool:
        """Whether something came of late; then the watch goes on."""
        due = self._last_sign + ANSWER_WITHIN_S
        if due <= now:
            return False
        self._line.arm(Timer.RUNNING, due)
        return True

    def is_dropped(self, response_id: str) -> bool:
        """Whether nothing of a response may be heard any more."""
        return response_id in self._dropped

    def drop(self, response_id: str) -> None:
        """Let nothing more of a response be heard."""
        if response_id and response_id != UNKNOWN:
            self._dropped.add(response_id)

    def cancel(self) -> None:
        """Have the server stop the running response."""
        if self.runs_known:
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
        self.want(ask)
        self._line.disarm(Timer.ANSWER)
        self._line.arm(Timer.RETRY, now + RETRY_AFTER_S[self._failures - 1])
        return True


def _asks_the_same(one: Ask, other: Ask) -> bool:
    """Whether the model may say the same freely for both; what was ordered is told apart."""
    free = not one.overrides and not other.overrides
    return free and not one.order and not other.order

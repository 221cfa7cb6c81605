"""How another assistant takes the call over: made ready while the first one still has it, and then at once, in a silence.

Where it has the same voice and model and may read all that was said, the running session becomes its own. Else it gets
a session of its own, with its settings and what it may read of the conversation, before it is needed. What does not
come about changes nothing: the first one keeps the call, and its model is told why.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from calls.bridge import realtime
from calls.bridge.caller import CallerAudio
from calls.bridge.commands import (
    CloseRealtime,
    MemberTookOver,
    OpenRealtime,
    PrepareMember,
    Source,
    ToolDone,
    ToolRefused,
    ToRealtime,
)
from calls.bridge.limits import (
    BENIGN,
    FATAL,
    HANDOVER_WITHIN_S,
    LAST_WORDS_WITHIN_S,
    MOST_HANDOVERS,
    TAKEOVER_WITHIN_S,
    WORDS_KNOWN_WITHIN_S,
)
from calls.bridge.line import Line, Timer
from calls.bridge.memory import Exchange, Memorable, Memory
from calls.bridge.plan import Keeps, Plan, Remark, Taker, session_faults, session_payload, takeover_payload
from calls.bridge.realtime import FunctionCall
from calls.bridge.responses import Purpose, Responses
from calls.bridge.settling import CALLED_OFF, CUT, Settling
from calls.bridge.toolcalls import ToolCalls
from calls.bridge.transfer import STOCK_MESSAGE, Transfer
from calls.bridge.utterances import Utterances

_TWICE = "The call is being handed over already. Do not ask for it again, and say nothing of it."
_IN_CIRCLES = (
    "The caller was handed from one assistant to the next several times without a word from them. Keep the call: speak "
    "with the caller yourself, and tell them honestly what you can and cannot do."
)
_NOT_MADE = (
    "The call could not be handed over: {}. The caller is still on the line with you. Say so honestly, and offer what "
    "else you can do."
)


@dataclass(slots=True)
class _Change:
    transfer: Transfer
    taker: Taker
    plan: Plan | None = None
    session: int | None = None  # its own; None: the running one
    event_id: str = ""  # of the settings that make the session its own
    ready_at: float | None = None
    accepted: bool = False  # of a running session: it has the new settings
    announced: bool = False
    told: int = 0  # the place in the memory up to which it knows everything


class Handover:
    """At most one change at a time. ``entering``: everything is ready, and whoever feeds the conversation calls ``enter``."""

    def __init__(
        self,
        line: Line,
        plan: Plan,
        caller: CallerAudio,
        utterances: Utterances,
        responses: Responses,
        tools: ToolCalls,
        memory: Memory,
        settling: Settling,
    ) -> None:
        self._line = line
        self._settling = settling
        self._plan = plan
        self._caller = caller
        self._utterances = utterances
        self._responses = responses
        self._tools = tools
        self._memory = memory
        self._change: _Change | None = None
        self._sessions = 0  # the number of the newest one
        self._in_a_row = 0
        self._former: int | None = None  # it is still writing down what the caller said last
        self._owed: set[str] = (
            set()
        )  # words of the caller that the new session is to read when they are known
        self.entering = False

    @property
    def pending(self) -> bool:
        """Whether the call is about to be handed over."""
        return self._change is not None

    def caller_spoke(self) -> None:
        """The caller has a say in where they are."""
        self._in_a_row = 0

    # Asked for ------------------------------------------------------------------------------------------------

    def ask(self, transfer: Transfer, taker: Taker, now: float) -> None:
        """Make the taker ready."""
        call = transfer.call
        if self._in_a_row >= MOST_HANDOVERS and not transfer.ordered:
            self._tools.turn_down(call, "handoff_refused", _IN_CIRCLES)
        else:
            self._change = _Change(transfer, taker)
            self._caller.remember()
            self._line.arm(Timer.HANDOVER, now + HANDOVER_WITHIN_S)
            self._line.put(
                PrepareMember(call.call_id, call.name, transfer.place, taker.key, transfer.arguments)
            )

    def refuse(self, call: FunctionCall) -> None:
        """Tell the model that what ends its part of the call in another way is not done any more."""
        self._tools.refuse(call, "handoff_refused", _TWICE)

    def words(self) -> str:
        """What is to be said before, once."""
        change = self._change
        if change is None or change.announced:
            return ""
        change.announced = True
        transfer = change.transfer
        if transfer.message is not None:
            return transfer.message
        return "" if self._responses.has_sounded(transfer.call.response_id) else STOCK_MESSAGE

    def prepared(self, call_id: str, plan: Plan, now: float) -> None:
        """The plan of the taker is there."""
        change = self._change
        if change is None or change.plan is not None or change.transfer.call.call_id != call_id:
            return
        # The time that a call may last is the time of the call.
        change.plan = replace(plan, max_duration_s=self._plan.max_duration_s)
        if self._fits(plan, change.taker):
            self._is_ready(change, now)
            return
        self._sessions += 1
        change.session = self._sessions
        self._line.put(OpenRealtime(change.session, plan.model))

    def _fits(self, plan: Plan, taker: Taker) -> bool:
        """Whether the running session can become the taker's."""
        same = (plan.model, plan.voice) == (self._plan.model, self._plan.voice)
        return same and taker.keeps is Keeps.ALL

    def refused(self, call_id: str, code: str, why: str) -> bool:
        """There is no such taker; whether that was still of interest."""
        change = self._change
        if change is None or change.transfer.call.call_id != call_id:
            return False
        self._fail(code, why)
        return True

    # A session of its own -------------------------------------------------------------------------------------

    def receive(self, session: int, event: realtime.Event, now: float) -> bool:
        """An event of another session than the one that has the call; whether it has made a difference."""
        change = self._change
        if change is None or change.plan is None or session != change.session:
            return False
        match event:
            case realtime.SessionCreated() if not change.event_id:
                change.event_id = self._line.event_id()
                payload = session_payload(change.plan, floor_open=not change.plan.protects_greeting)
                self._to(session, realtime.session_update(change.event_id, payload))
            case realtime.SessionUpdated(session=effective) if change.event_id and change.ready_at is None:
                self._updated(change, change.plan, session_faults(change.plan, effective), now)
            case realtime.Error(code=code, message=message, event_id=event_id):
                return self._error(change, code, message, event_id)
            case _:
                return False
        return True

    def _updated(self, change: _Change, plan: Plan, faults: list[str], now: float) -> None:
        if faults:
            self._fail("session_differs", f"the session differs in {', '.join(faults)}")
            return
        items, change.told = self._memory.known(change.taker, now)
        self._tell(change, [*plan.history, *items])
        self._is_ready(change, now)

    def _error(self, change: _Change, code: str, message: str, event_id: str) -> bool:
        if code not in FATAL and event_id != change.event_id:
            self._line.problem(Source.OPENAI, code, message, benign=code in BENIGN)
            return False
        self._fail(code, "the model refused its settings")
        return True

    def _tell(self, change: _Change, items: Iterable[Memorable]) -> None:
        """Put items into the taker's session."""
        session = self._line.session if change.session is None else change.session
        for item in items:
            if isinstance(item, Remark):
                self._to(session, realtime.message(self._line.event_id(), item.role, item.text))
                continue
            call = realtime.function_call(self._line.event_id(), item.call_id, item.name, item.arguments)
            self._to(session, call)
            output = realtime.function_output(self._line.event_id(), item.call_id, item.output, after="")
            self._to(session, output)

    def _to(self, session: int, text: str) -> None:
        self._line.put(ToRealtime(text, session))

    # The running session --------------------------------------------------------------------------------------

    def session_updated(self, event: realtime.SessionUpdated) -> bool:
        """The running session has taken settings over; whether these are the taker's."""
        change = self._change
        if change is None or change.plan is None or change.session is not None or not change.event_id:
            return False
        if event.session.get("instructions", change.plan.instructions) != change.plan.instructions:
            return False  # settings that were sent before these
        faults = session_faults(change.plan, event.session)
        if faults:
            self._fail("session_differs", f"the session differs in {', '.join(faults)}")
        else:
            change.accepted = True
        return True

    def error(self, event: realtime.Error) -> bool:
        """An error of the running session; whether it is about the settings of the taker."""
        change = self._change
        if change is None or not change.event_id or change.session is not None:
            return False
        if event.event_id != change.event_id:
            return False
        change.event_id = ""  # which were refused as a whole, so there is nothing to put back
        self._fail(event.code, "the model refused its settings")
        return True

    # Time -----------------------------------------------------------------------------------------------------

    def _is_ready(self, change: _Change, now: float) -> None:
        change.ready_at = now
        self._line.disarm(Timer.HANDOVER)

    def settle(self, now: float) -> None:
        """Nobody speaks: hand the call over if everything is there."""
        change = self._change
        if change is None or change.plan is None or change.ready_at is None or self.entering:
            return
        words_by = change.ready_at + WORDS_KNOWN_WITHIN_S
        if self._memory.wordless() and now < words_by and change.session is not None:
            self._line.arm(Timer.HANDOVER, words_by)
        elif change.session is not None or change.accepted:
            self.entering = True
        elif not change.event_id:
            change.event_id = self._line.event_id()
            payload = takeover_payload(change.plan, floor_open=not change.plan.protects_greeting)
            self._line.to_realtime(realtime.session_update(change.event_id, payload))
            self._line.arm(Timer.HANDOVER, now + TAKEOVER_WITHIN_S)

    def late(self) -> bool:
        """The time for what is waited for is up; whether that ends the matter."""
        change = self._change
        assert change is not None  # whoever ends a change ends its time too
        if change.ready_at is not None and (change.session is not None or change.accepted):
            return False  # it was only the caller's last words that were waited for
        self._fail("handoff_timed_out", "it took too long to make the other assistant ready")
        return True

    def gone(self, session: int, code: str, now: float) -> bool:
        """The socket of another session than the one that has the call is closed; whether that makes a difference."""
        if session == self._former:
            self._former_done(now)
            return False
        change = self._change
        if change is None or change.session != session:
            return False
        change.session, change.event_id = None, ""
        self._fail(code, "there was no connection for the other assistant")
        return True

    def rescues(self) -> bool:
        """The session that has the call is lost; whether the taker's is there to go on."""
        change = self._change
        self.entering = change is not None and change.ready_at is not None and change.session is not None
        return self.entering

    # How it ends ----------------------------------------------------------------------------------------------

    def _fail(self, code: str, why: str) -> None:
        change = self._drop()
        if change.event_id and change.session is None:
            # The running session may have become another's.
            payload = takeover_payload(self._plan, floor_open=True)
            self._line.to_realtime(realtime.session_update(self._line.event_id(), payload))
        self._line.problem(Source.TANDEM, code, f"The call was not handed over: {why}.")
        if change.transfer.ordered:
            self._settling.settle(change.transfer.call.call_id, f"The call was not handed over: {why}.")
        else:
            self._tools.turn_down(change.transfer.call, "handoff_failed", _NOT_MADE.format(why))

    def call_off(self, *, gone: bool = False) -> None:
        """The call is about to end, or the caller is gone, perhaps to come back: nobody takes it over now."""
        if self._change is not None:
            transfer = self._drop().transfer
            if transfer.ordered and not gone:
                self._settling.settle(transfer.call.call_id, CALLED_OFF)
            if not transfer.ordered:
                call = transfer.call
                self._line.put(ToolRefused(call.call_id, call.name, "caller_gone", "", orphaned=True))

    def _drop(self) -> _Change:
        change, self._change, self.entering = self._change, None, False
        assert change is not None  # those who call this have looked
        self._caller.forget()
        self._line.disarm(Timer.HANDOVER)
        if change.session is not None:
            self._line.put(CloseRealtime(change.session))
        return change

    def enter(self, now: float) -> Plan:
        """The taker has the call; its plan."""
        change, self._change, self.entering = self._change, None, False
        assert change is not None  # `entering` says so
        assert change.plan is not None
        self._in_a_row += 1
        self._plan = change.plan
        self._line.disarm(Timer.HANDOVER)
        call, taker = change.transfer.call, change.taker
        self._utterances.write_known(now)
        if change.session is not None:
            if not change.transfer.ordered:
                self._line.put(ToolDone(call.call_id, call.name, taker.result))
            self._change_session(change, change.session, now)
        elif not change.transfer.ordered:
            self._conclude(change)
        self._caller.forget()
        # One that speaks first answers with that; one that waits must be asked for the answer that is still owed.
        answers = () if change.plan.greets else (Purpose.ANSWER,)
        self._responses.keep(Purpose.TOOL_RESULT, *answers)
        self._tools.release(now)
        self._tools.offer(change.plan.tools, new_session=change.session is not None)
        self._memory.part_begins()
        self._utterances.speaks_now = change.plan.assistant
        if change.transfer.ordered:
            self._settling.settle(call.call_id)
        self._line.put(MemberTookOver(taker.key, call.call_id))
        return change.plan

    def _conclude(self, change: _Change) -> None:
        """Answer the tool call that asked for it, in the session that was there before and stays."""
        call, taker = change.transfer.call, change.taker
        if taker.keeps_handoff:
            self._tools.done_here(call, taker.result)
        else:
            self._line.put(ToolDone(call.call_id, call.name, taker.result))
            self._line.to_realtime(realtime.delete(self._line.event_id(), call.item_id))

    def _change_session(self, change: _Change, session: int, now: float) -> None:
        """Give the call to a session that is ready; what the caller said last may still come from the one before."""
        call, taker, line = change.transfer.call, change.taker, self._line
        if taker.keeps_handoff and not change.transfer.ordered:
            self._memory.done(Exchange(call.call_id, call.name, call.arguments, taker.result))
        self._tell(change, self._memory.rest(taker, change.told, now))
        self._owed = set()
        if taker.keeps is not Keeps.NONE:
            self._owed = {utterance.item_id for utterance in self._memory.wordless()}
        self.former_over(now)
        if self._utterances.transcribing and line.realtime_open:
            self._former = line.session
            line.arm(Timer.FORMER, now + LAST_WORDS_WITHIN_S)
        elif line.realtime_open:
            line.put(CloseRealtime(line.session))
        line.session, line.realtime_open = session, True
        if self._former is None:
            self._utterances.words_lost(now)
        if cut := self._responses.begin_session():
            self._settling.settle(cut, CUT)
        self._caller.begin_session()

    # The session before ---------------------------------------------------------------------------------------

    def is_former(self, session: int) -> bool:
        """Whether words of the caller are still to come from this session."""
        return session == self._former

    def words_came(self, item_id: str, text: str, now: float) -> None:
        """Words of the caller are known: whoever has the call reads them, if they are from before."""
        if item_id in self._owed:
            self._owed.discard(item_id)
            if text.strip():
                self._line.to_realtime(realtime.message(self._line.event_id(), "user", text.strip()))
        if not self._utterances.transcribing:
            self.former_over(now)

    def former_over(self, now: float) -> None:
        """Nothing more is wanted of the session before."""
        if self._former is not None:
            self._line.put(CloseRealtime(self._former))
            self._former_done(now)

    def _former_done(self, now: float) -> None:
        self._former = None
        self._line.disarm(Timer.FORMER)
        self._utterances.words_lost(now)

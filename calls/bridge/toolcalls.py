"""The tool calls of one conversation: each is seen once, answered once, and followed by one response per batch."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from calls.bridge import realtime
from calls.bridge.checks import Checks
from calls.bridge.commands import (
    RunTool,
    Source,
    ToolDone,
    ToolLate,
    ToolRefused,
    ToolSettled,
)
from calls.bridge.fillers import Fillers
from calls.bridge.keys import KeysError
from calls.bridge.limits import HELD_WITHIN_S
from calls.bridge.line import Line, Timer
from calls.bridge.memory import Exchange, Memory
from calls.bridge.plan import Place, ToolSpec
from calls.bridge.realtime import FunctionCall
from calls.bridge.responses import Ask, Purpose
from calls.bridge.toolmessages import Choose, Moment, ToolMessage, pick
from calls.bridge.transfer import Transfer, keypress_meant, transfer_meant, transfer_to

# Beyond the tool's own time limit: the way to the worker and back. After it the model is told in any case.
GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The outcome of a call in the words for the model. ``message`` is the server's own, which beats the tool's."""

    output: str
    moment: Moment | None = Moment.COMPLETE  # of the tool's messages; None: that is for the model to say
    message: ToolMessage | None = None


@dataclass(slots=True)
class _Pending:
    call: FunctionCall
    spec: ToolSpec
    arguments: dict[str, object]
    gives_up_at: float
    sent: bool = False
    twins: list[FunctionCall] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    """The calls of one response: what is to be said of them word for word, and whether the model is to speak."""

    says: list[str] = field(default_factory=list)
    reply: bool = False
    ends_call: bool = False

    def asks(self) -> list[Ask]:
        asks = []
        if self.says:
            text = " ".join(dict.fromkeys(self.says))
            ends_call = self.ends_call and not self.reply
            asks.append(Ask.for_sentence(Purpose.TOOL_RESULT, text, ends_call=ends_call))
        if self.reply:
            asks.append(Ask(Purpose.TOOL_RESULT, ends_call=self.ends_call))
        return asks


class ToolCalls:
    """Which calls were asked for, which still wait, and which responses are owed a follow-up."""

    def __init__(
        self, line: Line, specs: Iterable[ToolSpec], fillers: Fillers, memory: Memory, choose: Choose
    ) -> None:
        self._line = line
        self._memory = memory
        self._strangers: set[str] = set()  # calls of earlier sessions, of which this one knows nothing
        self._specs = {spec.name: spec for spec in specs}
        self._fillers = fillers
        self._choose = choose
        self._checks = Checks(line)
        self._seen: set[str] = set()
        self._pending: dict[str, _Pending] = {}
        self._batches: dict[str, _Batch] = {}
        self._made: dict[tuple[str, str, str], str] = {}  # response, name and arguments: the first such call
        self._outputs: dict[str, str] = {}
        self._given_up: dict[str, str] = {}  # names of tools that the model was told did not answer

    def reword(self, specs: Iterable[ToolSpec]) -> None:
        """Have the same tools speak in these words from now on, also of what was asked for before."""
        newer: dict[ToolMessage, ToolMessage] = {}
        for spec in specs:
            before = self._specs.get(spec.name, spec)
            newer |= zip(before.messages, spec.messages, strict=False)
            self._specs[spec.name] = spec
        for pending in self._pending.values():
            pending.spec = self._specs.get(pending.call.name, pending.spec)
        self._fillers.reword(newer)

    def is_new(self, call: FunctionCall) -> bool:
        """Whether this call is seen for the first time; three events carry each call."""
        if call.call_id in self._seen:
            return False
        self._seen.add(call.call_id)
        return True

    def ends_call(self, call: FunctionCall) -> bool:
        """Whether this call asks to hang up."""
        spec = self._specs.get(call.name)
        return spec is not None and spec.ends_call

    def leaves(self, call: FunctionCall) -> str | None:
        """The message that this call leaves on a voicemail; None where it does something else."""
        spec = self._specs.get(call.name)
        return spec.leaves if spec is not None else None

    def goodbye(self, call: FunctionCall) -> str:
        """What is to be said before this call hangs up, if its tool says so."""
        spec = self._specs[call.name]
        message = pick(spec.messages, Moment.START, arguments(call, spec) or {}, self._choose)
        return message.text if message is not None else ""

    # Conditions -----------------------------------------------------------------------------------------------

    def hold(self, call: FunctionCall, now: float, *, words_known: bool) -> bool:
        """Whether this call has to wait until its tool's own conditions were looked at."""
        spec = self._specs.get(call.name)
        if spec is None or not spec.checked:
            return False
        self._checks.hold(call, arguments(call, spec) or {}, now)
        self.ask_checks(now, words_known=words_known)
        return True

    def ask_checks(self, now: float, *, words_known: bool) -> None:
        """Have the conditions looked at of calls that wait no longer for what the caller said."""
        self._checks.ask(now, words_known=words_known)

    def give_up_checks(self, now: float) -> None:
        """Tell the model of the calls of which nobody has said in time whether they may go on."""
        for call in self._checks.take_overdue(now):
            self.turn_down(call, "not_checked", _NOT_CHECKED)

    def checked(self, call_id: str, refusal: str) -> FunctionCall | None:
        """The call that may go on; None for one that was told ``refusal``, or that nobody waits for."""
        call = self._checks.take(call_id)
        if call is None or not refusal:
            return call
        self._batches.setdefault(call.response_id, _Batch()).reply = True
        orphaned = not self._line.realtime_open
        self._line.put(ToolRefused(call.call_id, call.name, _REJECTED, refusal, orphaned=orphaned))
        self._tell(call, refusal)
        return None

    # Transfers ------------------------------------------------------------------------------------------------

    def transfers(self, call: FunctionCall) -> bool:
        """Whether this call asks for a transfer to a place that is known here."""
        spec = self._specs.get(call.name)
        return spec is not None and spec.transfers and bool(spec.places)

    def transfer(self, call: FunctionCall) -> Transfer | None:
        """The transfer that a call asks for, or None when it names no place, which the model is then told."""
        spec = self._specs[call.name]
        transfer = transfer_meant(call, spec, arguments(call, spec) or {}, self._choose)
        if transfer is None:
            names = ", ".join(place.name for place in spec.places)
            self.turn_down(call, "unknown_destination", f"There is no such destination. There are: {names}.")
        return transfer

    def presses(self, call: FunctionCall) -> bool:
        """Whether this call asks for keys to be pressed."""
        spec = self._specs.get(call.name)
        return spec is not None and spec.presses

    def keypress(self, call: FunctionCall) -> Transfer | None:
        """The pressing of keys that a call asks for, or None for what cannot be pressed, which the model is then told."""
        spec = self._specs[call.name]
        try:
            return keypress_meant(call, spec, arguments(call, spec) or {}, self._choose)
        except KeysError as exc:
            self.turn_down(call, "invalid_keys", str(exc))
            return None

    def speak_of(self, call: FunctionCall, output: str) -> None:
        """Answer a call that needs no server; the model is to speak of it."""
        self._batches.setdefault(call.response_id, _Batch()).reply = True
        self.done_here(call, output)

    def transfer_to(self, call_id: str, place: Place, now: float) -> Transfer | None:
        """The transfer to the place that a server has named; None when nobody waits for that any more."""
        pending = self._pending.pop(call_id, None)
        if pending is None:
            return None
        self._fillers.settled(call_id, now)
        self._watch()
        for twin in pending.twins:
            self._answer_twin(twin, failure(_DUPLICATE, "The same was asked for before."))
        return transfer_to(pending.call, pending.spec, pending.arguments, place, self._choose)

    def offer(self, specs: Iterable[ToolSpec], *, new_session: bool) -> None:
        """Another assistant has the call, with tools of its own. What was asked for before is still to be answered."""
        self._specs = {spec.name: spec for spec in specs}
        self._fillers.caller_spoke()
        if new_session:
            self._strangers |= self._seen
        for call in self._checks.take_all():
            self._refuse(call, "handed_over", _HANDED_OVER)

    def refuse(self, call: FunctionCall, code: str, message: str) -> None:
        """Tell the model that a call is not carried out; that wants no words."""
        self._refuse(call, code, message)

    def turn_down(self, call: FunctionCall, code: str, message: str) -> None:
        """Tell the model that a call is not carried out; it is to speak of it."""
        self._batches.setdefault(call.response_id, _Batch()).reply = True
        self._refuse(call, code, message)

    @property
    def waiting(self) -> bool:
        """Whether a call waits for its answer."""
        return bool(self._pending or self._checks.responses)

    # Asking ---------------------------------------------------------------------------------------------------

    def run(self, call: FunctionCall, now: float) -> None:
        """Have a call carried out, or tell the model why not. Its response is owed one that speaks of it."""
        batch = self._batches.setdefault(call.response_id, _Batch())
        spec = self._specs.get(call.name)
        if spec is None:
            batch.reply = True
            self._refuse(call, "unknown_tool", f"There is no tool named {call.name}. Do not call it again.")
            return
        given = arguments(call, spec)
        if given is None:
            batch.reply = True
            self._refuse(call, "invalid_arguments", _NOT_JSON)
        elif spec.repeats or not self._repeats(call, given, batch):
            self._make(call, spec, given, now)

    def _repeats(self, call: FunctionCall, given: dict[str, object], batch: _Batch) -> bool:
        """Whether the same was asked for before in this response. One request answers both."""
        key = (call.response_id, call.name, orjson.dumps(given, option=orjson.OPT_SORT_KEYS).decode())
        first = self._made.setdefault(key, call.call_id)
        if first == call.call_id:
            return False
        if first in self._pending:
            self._pending[first].twins.append(call)
        else:
            batch.reply = True
            self._answer_twin(call, self._outputs[first])
        return True

    def _make(self, call: FunctionCall, spec: ToolSpec, given: dict[str, object], now: float) -> None:
        if spec.asynchronous:
            self._line.put(RunTool(call.call_id, call.name, given, spec.timeout_s))
            self._outputs[call.call_id] = _ACCEPTED
            self._tell(call, _ACCEPTED)
            self._line.put(ToolSettled(call.call_id, _ACCEPTED, orphaned=not self._line.realtime_open))
            self._conclude(call, pick(spec.messages, Moment.COMPLETE, given, self._choose))
            return
        pending = self._pending[call.call_id] = _Pending(call, spec, given, now + HELD_WITHIN_S)
        if not self._fillers.asked(call, spec.messages, given):
            self._send(pending, now)
        self._watch()

    def _send(self, pending: _Pending, now: float) -> None:
        spec, call = pending.spec, pending.call
        pending.sent = True
        pending.gives_up_at = now + spec.timeout_s + GRACE_S
        self._fillers.sent(call, spec.messages, pending.arguments, now)
        self._line.put(RunTool(call.call_id, call.name, pending.arguments, spec.timeout_s))

    def release(self, now: float) -> None:
        """Send what waited for a sentence to be said."""
        for pending in self._pending.values():
            if not pending.sent:
                self._send(pending, now)
        self._watch()

    def _refuse(self, call: FunctionCall, code: str, message: str) -> None:
        output = failure(code, message)
        self._line.problem(Source.TOOL, code, f"The model asked for {call.name}.")
        orphaned = not self._line.realtime_open
        self._line.put(ToolRefused(call.call_id, call.name, code, output, orphaned=orphaned))
        self._tell(call, output)

    def done_here(self, call: FunctionCall, output: str) -> None:
        """Answer a call that needs no server."""
        self._line.put(ToolDone(call.call_id, call.name, output))
        self._tell(call, output)

    # Answering ------------------------------------------------------------------------------------------------

    def settle(self, call_id: str, result: ToolResult, now: float) -> bool:
        """Tell the model the outcome of a call. False when nobody waits for it: late, doubled, foreign."""
        pending = self._pending.pop(call_id, None)
        if pending is None:
            return False
        self._fillers.settled(call_id, now)
        self._watch()
        self._outputs[call_id] = result.output
        self._tell(pending.call, result.output)
        self._line.put(ToolSettled(call_id, result.output, orphaned=not self._line.realtime_open))
        for twin in pending.twins:
            self._answer_twin(twin, result.output)
        message = result.message
        if message is None and result.moment is not None:
            message = pick(pending.spec.messages, result.moment, pending.arguments, self._choose)
        self._conclude(pending.call, message)
        return True

    def _answer_twin(self, twin: FunctionCall, output: str) -> None:
        self._line.put(
            ToolRefused(twin.call_id, twin.name, _DUPLICATE, output, orphaned=not self._line.realtime_open)
        )
        if twin.call_id not in self._strangers:  # else the model was just told all that there is to know
            self._tell(twin, output)

    def _conclude(self, call: FunctionCall, message: ToolMessage | None) -> None:
        """Note what is to be said of a call: the message word for word, or whatever the model makes of it."""
        batch = self._batches.setdefault(call.response_id, _Batch())
        if message is None:
            batch.reply = True
            return
        batch.ends_call |= message.ends_call
        if message.hint:
            batch.reply = True
            if message.text:
                self._line.to_realtime(realtime.message(self._line.event_id(), "system", message.text))
        elif message.text:
            batch.says.append(message.text)

    def came_late(self, call_id: str, output: str) -> bool:
        """Whether the model has been told that this call was not answered; then it learns that it was."""
        name = self._given_up.pop(call_id, None)
        if name is None:
            return False
        self._line.problem(
            Source.TOOL, "tool_answered_late", f"{name} answered after it was given up.", benign=True
        )
        self._line.to_realtime(realtime.message(self._line.event_id(), "system", _LATE.format(name, output)))
        self._line.put(ToolLate(call_id, output))
        return True

    def give_up_overdue(self, now: float) -> None:
        """Tell the model of the calls that nobody answered in time; send at last what nobody let go."""
        for pending in [one for one in self._pending.values() if one.gives_up_at <= now]:
            call = pending.call
            if not pending.sent:
                self._send(pending, now)
                continue
            self._line.problem(Source.TOOL, "tool_timed_out", f"{call.name} did not answer in time.")
            self._given_up[call.call_id] = call.name
            self.settle(call.call_id, ToolResult(_TIMED_OUT, Moment.FAILED), now)
        self._watch()

    def orphan_all(self) -> None:
        """The call is over: nobody is left to be told."""
        for call_id, pending in self._pending.items():
            if pending.sent:
                self._line.put(ToolSettled(call_id, "", orphaned=True))
            else:
                self._line.put(ToolRefused(call_id, pending.call.name, _NOT_SENT, "", orphaned=True))
            for twin in pending.twins:
                self._line.put(ToolRefused(twin.call_id, twin.name, _DUPLICATE, "", orphaned=True))
        self._pending.clear()
        for call in self._checks.take_all():
            self._line.put(ToolRefused(call.call_id, call.name, _NOT_SENT, "", orphaned=True))

    def due(self, *, running: str) -> list[Ask]:
        """What to ask for now that a batch is complete: its response is not ``running`` any more and no call of it waits.

        Once per batch; the responses are then no longer owing.
        """
        waiting = {pending.call.response_id for pending in self._pending.values()} | self._checks.responses
        complete = [one for one in self._batches if one not in waiting and (one != running or not running)]
        return [ask for one in complete for ask in self._batches.pop(one).asks()]

    def _tell(self, call: FunctionCall, output: str) -> None:
        self._memory.done(Exchange(call.call_id, call.name, call.arguments, output))
        event_id = self._line.event_id()
        if call.call_id in self._strangers:
            text = _FROM_BEFORE.format(call.name, output)
            self._line.to_realtime(realtime.message(event_id, "system", text))
            return
        self._line.to_realtime(realtime.function_output(event_id, call.call_id, output, after=call.item_id))

    def watch(self) -> None:
        """Have the clock say when something was waited for long enough, after all its deadlines were dropped."""
        self._watch()
        self._checks.watch()

    def _watch(self) -> None:
        if self._pending:
            self._line.arm(Timer.TOOLS, min(pending.gives_up_at for pending in self._pending.values()))
        else:
            self._line.disarm(Timer.TOOLS)


def arguments(call: FunctionCall, spec: ToolSpec) -> dict[str, object] | None:
    """The arguments as an object, or None when the model's JSON is broken and the tool needs some."""
    try:
        parsed = orjson.loads(call.arguments or b"null")
    except orjson.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict):
        return parsed
    return None if spec.parameters.get("properties") else {}


def failure(code: str, message: str) -> str:
    """What the model is told instead of a result: compact JSON with a code and an honest sentence."""
    return orjson.dumps({"error": code, "message": message}).decode()


_DUPLICATE = "duplicate_call"
_NOT_SENT = "caller_gone"
_REJECTED = "Not sent: the tool's rejection plan refused it."
_NOT_JSON = "The arguments were not valid JSON. Call the tool again with a JSON object."
_TIMED_OUT = failure(
    "timeout",
    "The tool did not answer in time. It is not known whether it took effect. Say so honestly, and do not call it "
    "again unless the caller asks for that.",
)
_ACCEPTED = orjson.dumps(
    {"status": "accepted", "message": "The request was passed on. Its outcome will not be reported."}
).decode()
_NOT_CHECKED = (
    "It could not be found out in time whether the tool may be used now, so nothing was done. Say so honestly, and do "
    "not call it again unless the caller asks for that."
)
_HANDED_OVER = "Another assistant has taken the call over, so this was not done. Use your own tools if it is still wanted."
_FROM_BEFORE = "{} was asked before you took the call over. Its answer: {}"
_LATE = (
    "The answer to {} arrived late, after you were told that there was none: {}\n"
    "Tell the caller if it still matters to them, and do not repeat what you have said already."
)

"""The tool calls of one conversation: each is seen once, answered once, and followed by one response per batch."""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from calls.bridge import realtime
from calls.bridge.commands import RunTool, Source, ToolDone, ToolRefused, ToolSettled
from calls.bridge.line import Line, Timer
from calls.bridge.plan import ToolSpec
from calls.bridge.realtime import FunctionCall

# Beyond the tool's own time limit: the way to the worker and back. After it the model is told in any case.
GRACE_S = 3.0


@dataclass(slots=True)
class _Pending:
    call: FunctionCall
    gives_up_at: float


class ToolCalls:
    """Which calls were asked for, which still wait, and which responses are owed a follow-up."""

    def __init__(self, line: Line, specs: Iterable[ToolSpec]) -> None:
        self._line = line
        self._specs = {spec.name: spec for spec in specs}
        self._seen: set[str] = set()
        self._pending: dict[str, _Pending] = {}
        self._owing: set[str] = set()

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

    @property
    def waiting(self) -> bool:
        """Whether a call waits for its answer."""
        return bool(self._pending)

    # Asking ---------------------------------------------------------------------------------------------------

    def run(self, call: FunctionCall, now: float) -> None:
        """Have a call carried out, or tell the model why not. Its response is owed one that speaks of it."""
        self._owing.add(call.response_id)
        spec = self._specs.get(call.name)
        if spec is None:
            self._refuse(call, "unknown_tool", f"There is no tool named {call.name}. Do not call it again.")
            return
        given = arguments(call, spec)
        if given is None:
            self._refuse(call, "invalid_arguments", _NOT_JSON)
            return
        self._pending[call.call_id] = _Pending(call, now + spec.timeout_s + GRACE_S)
        self._watch()
        self._line.put(RunTool(call.call_id, call.name, given, spec.timeout_s))

    def _refuse(self, call: FunctionCall, code: str, message: str) -> None:
        output = failure(code, message)
        self._line.problem(Source.TOOL, code, f"The model asked for {call.name}.")
        self._line.put(ToolRefused(call.call_id, call.name, code, output))
        self._tell(call, output)

    def done_here(self, call: FunctionCall, output: str) -> None:
        """Answer a call that needs no server."""
        self._line.put(ToolDone(call.call_id, call.name, output))
        self._tell(call, output)

    # Answering ------------------------------------------------------------------------------------------------

    def settle(self, call_id: str, output: str) -> bool:
        """Tell the model the outcome of a call. False when nobody waits for it: late, doubled, foreign."""
        pending = self._pending.pop(call_id, None)
        if pending is None:
            return False
        self._watch()
        self._tell(pending.call, output)
        self._line.put(ToolSettled(call_id, output, orphaned=not self._line.realtime_open))
        return True

    def give_up_overdue(self, now: float) -> None:
        """Tell the model of the calls that nobody answered in time."""
        for call in [one.call for one in self._pending.values() if one.gives_up_at <= now]:
            self._line.problem(Source.TOOL, "tool_timed_out", f"{call.name} did not answer in time.")
            self.settle(call.call_id, _TIMED_OUT)

    def orphan_all(self) -> None:
        """The call is over: nobody is left to be told."""
        for call_id in self._pending:
            self._line.put(ToolSettled(call_id, "", orphaned=True))
        self._pending.clear()

    def due(self, *, running: str) -> bool:
        """Whether a batch is complete: its response is not ``running`` any more and no call of it waits.

        True once per batch; the responses are then no longer owing.
        """
        waiting = {pending.call.response_id for pending in self._pending.values()}
        complete = {one for one in self._owing if one not in waiting and (one != running or not running)}
        self._owing -= complete
        return bool(complete)

    def _tell(self, call: FunctionCall, output: str) -> None:
        event_id = self._line.event_id()
        self._line.to_realtime(realtime.function_output(event_id, call.call_id, output, after=call.item_id))

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


_NOT_JSON = "The arguments were not valid JSON. Call the tool again with a JSON object."
_TIMED_OUT = failure(
    "timeout",
    "The tool did not answer in time. It is not known whether it took effect. Say so honestly, and do not call it "
    "again unless the caller asks for that.",
)

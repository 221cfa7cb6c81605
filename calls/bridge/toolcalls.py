"""The tool calls of one conversation: each is seen once, answered once, and followed by one response per batch."""

from dataclasses import dataclass

import orjson

from calls.bridge.plan import ToolSpec
from calls.bridge.realtime import FunctionCall

# Beyond the tool's own time limit: the way to the worker and back. After it the model is told in any case.
GRACE_S = 3.0


@dataclass(slots=True)
class Pending:
    """A call that still waits for its answer."""

    call: FunctionCall
    gives_up_at: float


class ToolCalls:
    """Which calls were asked for, which still wait, and which responses are owed a follow-up."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self.pending: dict[str, Pending] = {}
        self._owing: set[str] = set()

    def is_new(self, call: FunctionCall) -> bool:
        """Whether this call is seen for the first time; three events carry each call."""
        if call.call_id in self._seen:
            return False
        self._seen.add(call.call_id)
        return True

    def wait(self, call: FunctionCall, *, timeout_s: float, now: float) -> None:
        """Expect an answer, at most the tool's time limit and a grace from now."""
        self.pending[call.call_id] = Pending(call, now + timeout_s + GRACE_S)

    def owe(self, response_id: str) -> None:
        """Note that the calls of this response are to be followed by a response that speaks of them."""
        self._owing.add(response_id)

    def settle(self, call_id: str) -> FunctionCall | None:
        """The call that this answers, or None when nobody waits for it (late, doubled, foreign)."""
        pending = self.pending.pop(call_id, None)
        return pending.call if pending else None

    def due(self, *, running: str) -> bool:
        """Whether a batch is complete: its response is not ``running`` any more and no call of it waits.

        True once per batch; the responses are then no longer owing.
        """
        waiting = {pending.call.response_id for pending in self.pending.values()}
        complete = {response for response in self._owing if response not in waiting and response != running}
        self._owing -= complete
        return bool(complete)

    def next_deadline(self) -> float | None:
        """When the first waiting call is given up."""
        return min((pending.gives_up_at for pending in self.pending.values()), default=None)

    def overdue(self, now: float) -> list[FunctionCall]:
        """The calls that nobody answered in time."""
        return [pending.call for pending in self.pending.values() if pending.gives_up_at <= now]


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

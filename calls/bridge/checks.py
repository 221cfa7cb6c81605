"""Tool calls whose tool says itself when it may be used: each waits for the caller's words, and then for the shell's."""

from dataclasses import dataclass

from calls.bridge.commands import CheckTool
from calls.bridge.line import Line, Timer
from calls.bridge.realtime import FunctionCall

# Conditions are about what was said last, which is often written down only after the model has answered it. A guess:
# twice what a transcription takes.
WORDS_WITHIN_S = 2.0


@dataclass(slots=True)
class _Held:
    call: FunctionCall
    arguments: dict[str, object]
    words_by: float
    asked: bool = False


class Checks:
    """The calls that are held until it is known whether they may go on."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._held: dict[str, _Held] = {}

    def hold(self, call: FunctionCall, arguments: dict[str, object], now: float) -> None:
        """Keep a call until the shell has said whether its tool may be used."""
        self._held[call.call_id] = _Held(call, arguments, now + WORDS_WITHIN_S)

    def ask(self, now: float, *, words_known: bool) -> None:
        """Ask the shell about the calls that wait no longer for what the caller said."""
        waiting = [held for held in self._held.values() if not held.asked]
        for held in waiting:
            if words_known or held.words_by <= now:
                held.asked = True
                self._line.put(CheckTool(held.call.call_id, held.call.name, held.arguments))
        deadlines = [held.words_by for held in waiting if not held.asked]
        if deadlines:
            self._line.arm(Timer.CHECK, min(deadlines))
        else:
            self._line.disarm(Timer.CHECK)

    def take(self, call_id: str) -> FunctionCall | None:
        """The call that the shell was asked about, which is held no longer; None where there is none."""
        held = self._held.get(call_id)
        return self._held.pop(call_id).call if held is not None and held.asked else None

    def take_all(self) -> list[FunctionCall]:
        """Everything that is held, and is so no longer."""
        calls = [held.call for held in self._held.values()]
        self._held.clear()
        return calls

    @property
    def responses(self) -> set[str]:
        """The responses to which the calls belong that are held."""
        return {held.call.response_id for held in self._held.values()}

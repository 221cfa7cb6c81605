"""Tool calls whose tool says itself when it may be used: each waits for the caller's words, and then for the shell's."""

from dataclasses import dataclass

from calls.bridge.commands import CheckTool
from calls.bridge.limits import CHECKED_WITHIN_S, WORDS_KNOWN_WITHIN_S
from calls.bridge.line import Line, Timer
from calls.bridge.realtime import FunctionCall


@dataclass(slots=True)
class _Held:
    call: FunctionCall
    arguments: dict[str, object]
    by: float  # the caller's words are there; or, once the shell is asked, its answer
    asked: bool = False


class Checks:
    """The calls that are held until it is known whether they may go on."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._held: dict[str, _Held] = {}

    def hold(self, call: FunctionCall, arguments: dict[str, object], now: float) -> None:
        """Keep a call until the shell has said whether its tool may be used."""
        self._held[call.call_id] = _Held(call, arguments, now + WORDS_KNOWN_WITHIN_S)

    def ask(self, now: float, *, words_known: bool) -> None:
        """Ask the shell about the calls that wait no longer for what the caller said."""
        for held in self._held.values():
            if not held.asked and (words_known or held.by <= now):
                held.asked, held.by = True, now + CHECKED_WITHIN_S
                self._line.put(CheckTool(held.call.call_id, held.call.name, held.arguments))
        self.watch()

    def take_overdue(self, now: float) -> list[FunctionCall]:
        """The calls of which the shell has not said in time whether they may go on; they are held no longer."""
        overdue = [held.call for held in self._held.values() if held.asked and held.by <= now]
        for call in overdue:
            del self._held[call.call_id]
        return overdue

    def watch(self) -> None:
        """Have the clock say when something was waited for long enough."""
        if self._held:
            self._line.arm(Timer.CHECK, min(held.by for held in self._held.values()))
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

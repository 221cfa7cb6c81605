"""What is said while a tool is at work: once it starts, and when it takes long."""

from collections.abc import Mapping
from dataclasses import dataclass

from calls.bridge.limits import FILLER_COOLDOWN_S
from calls.bridge.line import Line, Timer
from calls.bridge.realtime import FunctionCall
from calls.bridge.responses import Responses
from calls.bridge.toolmessages import Choose, Moment, ToolMessage, delays, pick
from calls.bridge.voice import Voice


@dataclass(slots=True)
class _Start:
    message: ToolMessage
    call_ids: set[str]


@dataclass(slots=True)
class _Delay:
    call_id: str
    at: float
    message: ToolMessage


class Fillers:
    """Which sentences wait for a silence. What is no longer true by then is not said."""

    def __init__(self, line: Line, voice: Voice, responses: Responses, choose: Choose) -> None:
        self._line = line
        self._voice = voice
        self._responses = responses
        self._choose = choose
        self._starts: dict[str, _Start] = {}  # by response: its calls share one
        self._delays: list[_Delay] = []

    def asked(
        self, call: FunctionCall, messages: tuple[ToolMessage, ...], arguments: Mapping[str, object]
    ) -> bool:
        """A tool was asked for; whether it must wait until something was said."""
        message = pick(messages, Moment.START, arguments, self._choose)
        start = self._starts.get(call.response_id)
        if start is not None:
            start.call_ids.add(call.call_id)
        elif message is not None and message.text:
            self._starts[call.response_id] = _Start(message, {call.call_id})
        return message is not None and message.blocking and bool(message.text)

    def sent(
        self,
        call: FunctionCall,
        messages: tuple[ToolMessage, ...],
        arguments: Mapping[str, object],
        now: float,
    ) -> None:
        """The tool is at work from now on."""
        self._delays += [
            _Delay(call.call_id, now + one.after_ms / 1000, one)
            for one in delays(messages, arguments, self._choose)
        ]
        self._delays.sort(key=lambda delay: delay.at)
        self._watch(now)

    def settled(self, call_id: str, now: float) -> None:
        """The tool is at work no more."""
        for response_id, start in list(self._starts.items()):
            start.call_ids.discard(call_id)
            if not start.call_ids:
                del self._starts[response_id]
        self._delays = [delay for delay in self._delays if delay.call_id != call_id]
        self._watch(now)

    def reword(self, newer: Mapping[ToolMessage, ToolMessage]) -> None:
        """Say the newer wording of what waits to be said."""
        for start in self._starts.values():
            start.message = newer.get(start.message, start.message)
        for delay in self._delays:
            delay.message = newer.get(delay.message, delay.message)

    def caller_spoke(self) -> None:
        """A tool that was asked for before the caller's words is not announced after them."""
        self._starts.clear()

    def next(self, now: float) -> str:
        """What to say into this silence; empty: nothing, or nothing yet."""
        while self._starts:
            response_id = next(iter(self._starts))
            text = self._starts.pop(response_id).message.text
            # A model that has announced the call in its own words needs no other; one that was interrupted, too.
            if not self._responses.has_sounded(response_id) and not self._responses.is_dropped(response_id):
                return text
        due = [delay for delay in self._delays if delay.at <= now]
        if not due or now < self._voice.silent_since + FILLER_COOLDOWN_S:
            self._watch(now)
            return ""
        # Of what is due at one time, one is enough.
        self._delays = [delay for delay in self._delays if delay not in due]
        self._watch(now)
        return due[0].message.text

    def _watch(self, now: float) -> None:
        self._line.disarm(Timer.FILLER)
        if self._delays:
            at = max(self._delays[0].at, self._voice.silent_since + FILLER_COOLDOWN_S)
            # What is due already waits for the end of what is being said.
            if at > now:
                self._line.arm(Timer.FILLER, at)

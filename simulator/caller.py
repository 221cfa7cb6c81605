"""The caller: goes through the steps of a story, listening to what comes over the line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from simulator import clips
from simulator.ear import Ear
from simulator.report import CallLog, Turn
from simulator.scenario import Scenario, Step
from simulator.ulaw import BYTES_PER_MS, SILENCE

_FRAME: Final = 160
_RECOGNISE_EVERY_MS: Final = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the assistant, as far as it has been heard."""

    line: str
    words: str
    from_ms: float


@dataclass(frozen=True, slots=True)
class Press:
    """The caller presses one key."""

    digit: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The caller hangs up."""

    reason: str


class Party(Protocol):
    """Whoever is at the other end of a call's line: a caller who acts, or another call."""

    ear: Ear
    tool_call_at_ms: float | None

    def begin(self, now_ms: float) -> None: ...
    def listen(self, audio: bytes, *, at_ms: float) -> None: ...
    def spoken_to(self, text: str) -> None: ...
    def keyed_to(self, digits: str) -> None: ...
    def act(self, now_ms: float) -> "list[Press | HangUp]": ...
    def next_frame(self, now_ms: float) -> bytes | None: ...
    def leave(self, now_ms: float) -> None: ...


class Caller:
    """One caller. `heard_since(ms)` gives the lines heard since then; times are milliseconds of the call."""

    def __init__(
        self, scenario: Scenario, log: CallLog, *, heard_since: Callable[[float], list[Line]]
    ) -> None:
        self.ear = Ear()
        self.tool_call_at_ms: float | None = None  # set by whoever sees the model ask for a tool
        self._scenario = scenario
        self._steps = list(scenario.caller)
        self._log = log
        self._heard_since = heard_since
        self._clip = b""
        self._spoken = 0  # bytes of the clip that are out
        self._turn: Turn | None = None
        self._awaiting: Turn | None = None  # the turn whose answer has not sounded yet
        self._stream_began_ms: float | None = None
        self._step_began_ms = 0.0
        self._last_activity_ms = 0.0
        self._lines: tuple[float, list[Line]] = (0.0, [])  # when they were last looked up

    def begin(self, now_ms: float) -> None:
        """The line is open."""
        if self._stream_began_ms is None:
            self._stream_began_ms = self._step_began_ms = self._last_activity_ms = now_ms

    @property
    def speaking(self) -> bool:
        """Whether the caller is in the middle of a clip."""
        return self._spoken < len(self._clip)

    def listen(self, audio: bytes, *, at_ms: float) -> None:
        """Take in a frame or two of what is heard."""
        began = self.ear.hear(audio, at_ms=at_ms)
        if began is not None:
            self._log.event("assistant begins to speak", utterance=len(self.ear.utterances))
            turn = self._awaiting
            if turn is not None and turn.until_ms is not None and began.start_ms >= turn.until_ms:
                turn.answer_ms = began.start_ms - turn.until_ms
                self._awaiting = None
                self._log.event("turn answered", said=turn.said, answer_ms=turn.answer_ms)

    def spoken_to(self, text: str) -> None:
        """Take in a sentence of Twilio's: callers of stories wait for none."""

    def keyed_to(self, digits: str) -> None:
        """Take in keys that Twilio plays."""

    def act(self, now_ms: float) -> list[Press | HangUp]:
        """What the caller does at this moment; new words are taken up by `next_frame`."""
        if self._stream_began_ms is None:
            return []
        self._watch_barge_in(now_ms)
        if self.ear.speaking(now_ms) or self.speaking:
            self._last_activity_ms = now_ms
        if self._steps and self._due(self._steps[0], now_ms):
            return self._take(self._steps.pop(0), now_ms)
        if now_ms - self._last_activity_ms > self._scenario.patience_ms:
            return [HangUp("the caller gave up waiting")]
        return []

    def next_frame(self, now_ms: float) -> bytes | None:
        """The caller's next 20 ms, None while silent."""
        if not self.speaking:
            return None
        frame = self._clip[self._spoken : self._spoken + _FRAME]
        self._spoken += _FRAME
        if self._spoken >= len(self._clip):
            self._fall_silent(now_ms)
        return frame.ljust(_FRAME, SILENCE)

    def leave(self, now_ms: float) -> None:
        """The line is gone: a clip under way ends here."""
        if self.speaking:
            self._clip = b""
            self._fall_silent(now_ms)

    def _take(self, step: Step, now_ms: float) -> list[Press | HangUp]:
        self._step_began_ms = self._last_activity_ms = now_ms
        self._lines = (0.0, [])
        if step.press is not None:
            self._log.event("caller presses keys", keys=step.press)
            return [Press(digit) for digit in step.press]
        if step.say is not None:
            self._speak(step.say, step.cut_ms, now_ms)
            return []
        return [HangUp("the caller hung up")]

    def _speak(self, text: str, cut_ms: float | None, now_ms: float) -> None:
        if self.speaking:
            self._fall_silent(now_ms)
        clip = clips.clip_of(text, "caller").audio
        self._clip = clip if cut_ms is None else clip[: int(cut_ms) * BYTES_PER_MS]
        self._spoken = 0
        barged_in = self.ear.speaking(now_ms)
        self._turn = self._awaiting = Turn(said=text, from_ms=now_ms, barged_in=barged_in)
        self._log.report.turns.append(self._turn)
        self._log.event("caller says", text=text, barge_in=barged_in)

    def _fall_silent(self, now_ms: float) -> None:
        if self._turn is not None:
            self._turn.until_ms = now_ms

    def _watch_barge_in(self, now_ms: float) -> None:
        turn = self._turn
        if turn is None or not turn.barged_in or turn.stopped_after_ms is not None:
            return
        if not self.ear.speaking(now_ms):
            turn.stopped_after_ms = max(0.0, self.ear.utterances[-1].end_ms - turn.from_ms)
            self._log.event("assistant fell silent", after_ms=turn.stopped_after_ms)

    def _due(self, step: Step, now_ms: float) -> bool:
        when = step.when
        assert self._stream_began_ms is not None
        if when.at_ms is not None and now_ms - self._stream_began_ms < when.at_ms:
            return False
        if when.since_previous_ms is not None and now_ms - self._step_began_ms < when.since_previous_ms:
            return False
        if when.tool_call_ms is not None and (
            self.tool_call_at_ms is None or now_ms - self.tool_call_at_ms < when.tool_call_ms
        ):
            return False
        if when.utterance is not None:
            utterances = self.ear.utterances
            if len(utterances) < when.utterance:
                return False
            if now_ms - utterances[when.utterance - 1].start_ms < when.into_ms:
                return False
        if when.quiet_ms is not None and not self._quiet(when.quiet_ms, now_ms):
            return False
        if when.line is not None and not self._heard_line(when.line, when.into_ms, now_ms):
            return False
        return when.heard is None or self._heard_words(when.heard, now_ms)

    def _quiet(self, quiet_ms: float, now_ms: float) -> bool:
        """Whether the assistant has begun to speak after the caller's last words, and is done for now."""
        if self.speaking or not self.ear.utterances:
            return False
        since_ms = self._step_began_ms
        if self._turn is not None and self._turn.until_ms is not None:
            since_ms = max(since_ms, self._turn.until_ms)
        last = self.ear.utterances[-1]
        return last.start_ms >= since_ms and now_ms - last.end_ms >= quiet_ms

    def _heard_line(self, wanted: str, into_ms: float, now_ms: float) -> bool:
        return any(
            clips.plain(wanted) in clips.plain(heard.line) and now_ms - heard.from_ms >= into_ms
            for heard in self._recent(now_ms)
        )

    def _heard_words(self, wanted: str, now_ms: float) -> bool:
        return clips.plain(wanted) in clips.plain(" ".join(heard.words for heard in self._recent(now_ms)))

    def _recent(self, now_ms: float) -> list[Line]:
        """The lines heard since the last step began; looked up anew ten times a second at most."""
        if now_ms - self._lines[0] >= _RECOGNISE_EVERY_MS:
            self._lines = (now_ms, self._heard_since(self._step_began_ms))
        return self._lines[1]

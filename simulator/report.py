"""What happened in one simulated call."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from simulator.clock import Clock
from simulator.playout import Passage
from simulator.ulaw import BYTES_PER_MS, SILENCE

JSON = dict[str, Any]


@dataclass(slots=True)
class Turn:
    """One thing the caller said, and how the other side took it. All times are milliseconds of the call."""

    said: str
    from_ms: float
    until_ms: float | None = None
    answer_ms: float | None = None  # from the end of the caller's words to the first sound of an answer
    barged_in: bool = False  # the assistant was audible when the caller began
    stopped_after_ms: float | None = None  # barge-in only: from the caller's first sound to silence


@dataclass(frozen=True, slots=True)
class Heard:
    """One line of the assistant as the caller heard it; `text` is what of it was audible."""

    text: str
    line: str
    from_ms: float
    heard_ms: float
    line_ms: float

    @property
    def complete(self) -> bool:
        """Whether all but the last 20 ms were heard."""
        return self.heard_ms >= self.line_ms - 20


@dataclass(slots=True)
class ToolCall:
    """A function call that the simulated model made, and the outputs it was given."""

    call_id: str
    name: str
    arguments: str
    at_ms: float
    outputs: list[str] = field(default_factory=list)
    output_at_ms: float | None = None


@dataclass(slots=True)
class Truncation:
    """An accepted `conversation.item.truncate`; `heard_ms` is how much of that item the caller really heard."""

    item_id: str
    line: str
    audio_end_ms: int
    generated_ms: float
    at_ms: float
    heard_ms: float | None = None


@dataclass(slots=True)
class Dialled:
    """One leg that Twilio dialled out of a call: how it went, and what its callee alone heard before being connected."""

    to: str
    caller_id: str
    child_sid: str
    status: str = ""  # Twilio's DialCallStatus
    digits: str = ""
    whispered: list[str] = field(default_factory=list)
    connected: bool = False
    at_ms: float = 0.0


@dataclass(slots=True)
class CallReport:
    """Everything known about one call."""

    call_sid: str
    scenario: str
    answered: bool = False
    answered_by: str = ""  # the URL whose document answered, or "trunk TK..."; empty for one sent by REST
    waited_ms: float | None = None  # of real time, from the call to its answer; it was a ring or silence
    redirects: list[str] = field(default_factory=list)  # where <Redirect> led
    fetched: list[JSON] = field(
        default_factory=list
    )  # documents: {"what", "url", "status", "tries", "ms", ...}
    errors: list[JSON] = field(default_factory=list)  # documents not to be had: {"code", "url", "why"}
    reason: str = ""
    duration_ms: float = 0.0
    late_ms: float = 0.0  # that the clock stood still, as this process was late; no other time has them
    stream_sids: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    unknown_audio_ms: float = 0.0  # heard, louder than line noise, and no line of the simulated model
    spoken_by_twilio: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)
    legs: list[Dialled] = field(default_factory=list)
    keys_played: list[str] = field(default_factory=list)  # by Twilio, to the other end
    violations: Counter[str] = field(default_factory=Counter)  # Twilio's error codes
    realtime_sessions: int = 0
    realtime_errors: list[JSON] = field(default_factory=list)  # the `error` objects that were sent
    realtime_warnings: list[str] = field(default_factory=list)  # allowed, but asking for trouble
    realtime_events: list[JSON] = field(default_factory=list)  # from the client, without append's audio
    responses: list[JSON] = field(default_factory=list)  # {"id", "status", "reason", "metadata", "said"}
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_requests: list[JSON] = field(default_factory=list)  # what the tool server received for this call
    messages: list[JSON] = field(default_factory=list)  # what it was told of this call besides
    truncations: list[Truncation] = field(default_factory=list)
    frames_sent: int = 0
    marks_received: int = 0
    marks_echoed: int = 0
    clears: int = 0
    events: list[JSON] = field(default_factory=list)
    audio: list[Passage] = field(default_factory=list)  # exactly what was heard, and when

    def to_dict(self) -> JSON:
        """The report as JSON without its audio, with times rounded to milliseconds."""
        rounded: JSON = _rounded(asdict(replace(self, audio=[], violations=Counter())))
        del rounded["audio"]
        rounded["violations"] = dict(self.violations)  # asdict counts a Counter's pairs before Python 3.12
        return rounded

    def audio_between(self, from_ms: float, until_ms: float) -> bytes:
        """What was heard in that time, in mu-law; silence where nothing was played."""
        start, end = int(from_ms * BYTES_PER_MS), int(until_ms * BYTES_PER_MS)
        heard = bytearray(SILENCE * max(0, end - start))
        for passage in self.audio:
            at = int(passage.start_ms * BYTES_PER_MS) - start
            piece = passage.audio[max(0, -at) : max(0, end - start - at)]
            heard[max(0, at) : max(0, at) + len(piece)] = piece
        return bytes(heard)

    def heard_text(self) -> str:
        """All that the caller heard of the assistant, as one text."""
        return " ".join(line.text for line in self.heard if line.text)

    def summary(self) -> JSON:
        """The last line of a call's event stream."""
        full = self.to_dict()
        for name in ("events", "realtime_events"):
            full.pop(name)
        return {"event": "ended", "ms": full["duration_ms"], **full}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value)
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return value


class CallLog:
    """Writes a call's report as it happens, and tells whoever listens."""

    def __init__(
        self, report: CallReport, clock: Clock, *, tell: Callable[[JSON], None] | None = None
    ) -> None:
        self.report = report
        self.clock = clock
        self._tell = tell

    def event(self, event: str, /, **details: object) -> None:
        """Note an event in plain words at the present time."""
        line: JSON = {"event": event, "ms": round(self.clock.now_ms()), **_rounded(details)}
        self.report.events.append(line)
        if self._tell is not None:
            self._tell(line)

    def violation(self, code: str, why: str) -> None:
        """Count one of Twilio's errors and say what caused it."""
        self.report.violations[code] += 1
        self.event("violation", code=code, why=why)

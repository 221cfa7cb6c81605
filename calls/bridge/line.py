"""What the parts of a conversation share: its phase, its deadlines, and the way out to both sides."""

from enum import Enum, StrEnum

from calls.bridge.audio import MULAW, AudioFormat
from calls.bridge.commands import Clear, Command, Mark, Play, Problem, Source, Speaker, Speaking, ToRealtime


class Phase(Enum):
    """Where the call stands. ``ENDED`` absorbs: late arrivals from either side are normal."""

    OPENING = "opening"  # the stream is not verified, or the session not accepted
    TALKING = "talking"
    LEAVING = "leaving"  # hanging up was ordered; Twilio will close the stream
    DRAINING = "draining"  # the caller is gone; their last words are still being written down
    ENDED = "ended"


class Timer(StrEnum):
    """The deadlines of a call, each at most once at a time."""

    START = "start"
    VERIFY = "verify"
    SESSION = "session"
    DURATION = "duration"
    QUIET = "quiet"
    IDLE = "idle"
    KEYPAD = "keypad"
    FILLER = "filler"
    LINE = "line"
    STALLED = "stalled"
    REQUESTED = "requested"
    ANSWER = "answer"
    RUNNING = "running"
    NUDGE = "nudge"
    RETRY = "retry"
    TOOLS = "tools"
    CHECK = "check"
    PLAYBACK = "playback"
    HANDOVER = "handover"
    FORMER = "former"
    OVERTIME = "overtime"
    HUNG_UP = "hung_up"
    LAST_WORDS = "last_words"


class Line:
    """Collects commands and deadlines. Nothing is sent to a side that is gone."""

    def __init__(self, audio: AudioFormat = MULAW) -> None:
        self.audio = audio  # how sound goes to the model, and comes back
        self.phase = Phase.OPENING
        self.stream_sid = ""
        self.verified = False
        self.realtime_open = True
        self.session = 0  # the number of the Realtime session that has the call
        self.began = 0.0  # when the stream began
        self.zero = 0.0  # when it was verified: the clock of everything that is recorded
        self.tells_speech = False  # somebody wants to know who speaks, at once
        self._out: list[Command] = []
        self._deadlines: dict[Timer, float] = {}
        self._next: float | None = None
        self._events = 0
        self._problems = 0

    @property
    def phase(self) -> Phase:
        """Where the call stands."""
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._phase = phase
        # Every frame looks at these; on Python 3.11 a member of an enum costs five times as much.
        self.talking = phase is Phase.TALKING
        self.caller_gone = phase in (Phase.DRAINING, Phase.ENDED)

    # Commands -------------------------------------------------------------------------------------------------

    def put(self, *commands: Command) -> None:
        """Have the shell do this."""
        self._out += commands

    def play(self, payload: str) -> None:
        """Have the caller hear this, after all that is queued for them."""
        self._out.append(Play(payload))

    def mark(self, name: str) -> None:
        """Have it told by this name when all that is queued so far was played."""
        self._out.append(Mark(name))

    def clear(self) -> None:
        """Have all that is queued dropped."""
        self._out.append(Clear())

    def to_realtime(self, text: str) -> None:
        """Send an event to the Realtime API, if anybody is there."""
        if self.realtime_open:
            self._out.append(ToRealtime(text, self.session))

    def problem(self, source: Source, code: str, message: str, *, benign: bool = False) -> None:
        """Report something that somebody should be able to see."""
        self._problems += 1
        self._out.append(Problem(self._problems, source, code, message, benign))

    def speaks(self, who: Speaker, *, on: bool) -> None:
        """Tell that one side begins to be heard, or stops."""
        if self.tells_speech:
            self._out.append(Speaking(who, on))

    def event_id(self) -> str:
        """A new id for an event of ours."""
        self._events += 1
        return f"evt_{self._events:04d}"

    def take(self) -> list[Command]:
        """The commands since the last time."""
        out, self._out = self._out, []
        return out

    # Time -----------------------------------------------------------------------------------------------------

    def elapsed_ms(self, now: float) -> int:
        """Ms of the call."""
        return max(0, round((now - self.zero) * 1000))

    def arm(self, timer: Timer, at: float) -> None:
        """Set a deadline, in the place of its last one."""
        self._deadlines[timer] = at
        self._next = min(self._deadlines.values())

    def disarm(self, *timers: Timer) -> None:
        """Drop deadlines."""
        for timer in timers:
            self._deadlines.pop(timer, None)
        self._next = min(self._deadlines.values(), default=None)

    def disarm_all(self) -> None:
        """Drop every deadline: a new phase has its own."""
        self._deadlines.clear()
        self._next = None

    def armed(self, timer: Timer) -> bool:
        """Whether a deadline is set."""
        return timer in self._deadlines

    def next_deadline(self) -> float | None:
        """The first deadline."""
        return self._next

    def reached(self, now: float) -> list[Timer]:
        """The deadlines that are due."""
        return [timer for timer, at in self._deadlines.items() if at <= now]

    def expire(self, timer: Timer, now: float) -> bool:
        """Drop a deadline that is due; False when another one's consequences have dropped or moved it."""
        if self._deadlines.get(timer, now + 1) > now:
            return False
        self.disarm(timer)
        return True

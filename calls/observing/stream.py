"""One media stream as it is seen from outside: counted, and written into the trace of its call. Never per frame."""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from calls.bridge import commands as do
from calls.draining import here
from calls.observing.loop import loop_watch
from calls.selectors import StreamCall
from tools.observing import metrics, tracing
from tools.observing.context import observing

MOST_PROBLEMS_TRACED = 50


@contextmanager
def stream_watched(call_id: uuid.UUID) -> Iterator[None]:
    """Count a stream as live meanwhile, and have all log lines that come of it name the call."""
    loop_watch()
    with observing(call_id=call_id), here.carried(), metrics.CALLS_LIVE.track_inprogress():
        yield


class CallWatch:
    """What happens in one media stream. Smoke tests are traced, but count as nobody's experience."""

    def __init__(self, call: StreamCall) -> None:
        self._call_id = str(call.call_id)
        self._kind = "smoke" if call.smoke is not None else "call"
        self._session = call.resumption.session if call.resumption else 0
        self._stream = f"stream:{self._session}"
        self._opened_ns = time.time_ns()
        self._zero: datetime | None = None  # of the utterances' clock
        self._asked: dict[str, int] = {}  # when tool calls began, by id
        self._turns: set[str] = set()
        self._problems = 0
        self._worst = ""

    def started(self) -> None:
        """The stream was verified: the clock of the utterances begins."""
        self._zero = datetime.now(UTC)
        metrics.CALLS_STARTED.labels(self._kind).inc()

    def happened(self, command: do.Command) -> None:
        """Whatever the conversation says has happened; what is not for here is left alone."""
        match command:
            case do.UtteranceEnded(spoken=spoken):
                self._turn(spoken)
            case do.RunTool(call_id=tool_call_id):
                self._asked[tool_call_id] = time.time_ns()
            case do.ToolRefused(call_id=tool_call_id):
                self._tool_ended_here(tool_call_id, "refused")
            case do.ToolDone(call_id=tool_call_id):
                self._tool_ended_here(tool_call_id, "answered")
            case do.ToolSettled(call_id=tool_call_id):
                self._tool_settled(tool_call_id, orphaned=command.orphaned)
            case _:
                pass

    def problem(self, source: do.Source, code: str, *, benign: bool) -> None:
        """Something went wrong."""
        kept = metrics.code_class(code)
        if self._kind == "call":
            metrics.PROBLEMS.labels(source.value, kept, "yes" if benign else "no").inc()
        self._problems += 1
        if not benign and not self._worst:
            self._worst = kept
        if self._problems <= MOST_PROBLEMS_TRACED:
            self._span(
                f"problem:{self._problems}",
                "problem",
                time.time_ns(),
                error="" if benign else kept,
                facts={"source": source.value, "code": kept, "benign": benign},
            )

    def ended(self, ended: do.Ended, *, reason: str, frames_dropped: int) -> None:
        """The conversation is over."""
        word = metrics.reason_class(reason)
        if word == "not_started":
            metrics.STREAMS_REFUSED.labels("not_verified").inc()
            return
        for spoken in ended.spoken:
            self._turn(spoken)
        for tool_call_id in list(self._asked):
            self._tool_settled(tool_call_id, orphaned=True)
        if self._kind == "call":
            self._count(ended, word, frames_dropped=frames_dropped)
        else:
            metrics.CALLS_ENDED.labels(self._kind, word).inc()
        tracing.span_write(
            self._call_id,
            key=self._stream,
            name="stream",
            began=self._opened_ns,
            kind=tracing.Kind.SERVER,
            error=self._worst,
            facts={
                "ended_reason": reason[:120],
                "barge_ins": ended.barge_ins,
                "frames_in": ended.frames_in,
                "frames_dropped": frames_dropped,
                "first_sound_ms": ended.first_sound_ms,
                "problems": self._problems,
                "session": self._session,
            },
        )

    def _count(self, ended: do.Ended, word: str, *, frames_dropped: int) -> None:
        metrics.CALLS_ENDED.labels(self._kind, word).inc()
        metrics.BARGE_INS.inc(ended.barge_ins)
        metrics.FRAMES.labels("received").inc(ended.frames_in)
        metrics.FRAMES.labels("dropped").inc(frames_dropped)
        if ended.first_sound_ms is not None and not self._session:
            metrics.FIRST_SOUND.observe(ended.first_sound_ms / 1000)
        if self._zero is not None:
            metrics.CALL_SECONDS.observe((datetime.now(UTC) - self._zero).total_seconds())

    def _turn(self, spoken: do.Spoken) -> None:
        if spoken.item_id in self._turns:
            return
        self._turns.add(spoken.item_id)
        if spoken.latency_ms is not None and self._kind == "call":
            metrics.TURN_LATENCY.observe(spoken.latency_ms / 1000)
        if self._zero is None or not tracing.on():
            return
        waited_ms = spoken.latency_ms or 0
        self._span(
            f"turn:{spoken.item_id}",
            f"{spoken.speaker.value} turn",
            self._zero + timedelta(milliseconds=spoken.began_ms - waited_ms),
            self._zero + timedelta(milliseconds=spoken.ended_ms),
            facts={
                "latency_ms": spoken.latency_ms,
                "interrupted": spoken.interrupted,
                "generated_ms": spoken.generated_ms,
                "heard_ms": spoken.heard_ms,
                "transcribed": spoken.transcribed,
            },
        )

    # Tools ----------------------------------------------------------------------------------------------------

    def _tool_ended_here(self, tool_call_id: str, outcome: str) -> None:
        if self._kind == "call":
            metrics.TOOL_CALLS.labels("local", outcome).inc()
        self._asked.setdefault(tool_call_id, time.time_ns())
        self._tool_settled(tool_call_id, orphaned=False, outcome=outcome)

    def _tool_settled(self, tool_call_id: str, *, orphaned: bool, outcome: str = "") -> None:
        began = self._asked.pop(tool_call_id, None)
        if began is not None:
            self._span(
                f"tool:{tool_call_id}",
                "tool call",
                began,
                session=False,
                facts={
                    "tool_call_id": tool_call_id,
                    "orphaned": orphaned,
                    "outcome": outcome or None,
                },
            )

    def _span(
        self,
        key: str,
        name: str,
        began: int | datetime,
        ended: int | datetime | None = None,
        *,
        error: str = "",
        session: bool = True,
        facts: Mapping[str, tracing.Value | None],
    ) -> None:
        """A part of this stream. Ids of items are unique in a session only; those of tool calls in the whole call."""
        tracing.span_write(
            self._call_id,
            key=f"{self._session}/{key}" if session else key,
            parent=self._stream,
            name=name,
            began=began,
            ended=ended,
            error=error,
            facts=facts,
        )

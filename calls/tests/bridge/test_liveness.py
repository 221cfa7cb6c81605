"""A server and a caller that behave as the real ones do, in any rhythm: the caller is never left in silence.

The server here keeps its own state, by the documents, and answers what it is sent after a delay; voice detection
starts and stops responses by itself.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calls.bridge import realtime, twilio
from calls.bridge.commands import Apologise, Command, HangUp, RunTool, ToRealtime
from calls.bridge.limits import ACTIVE_RESPONSE
from calls.bridge.plan import Plan
from calls.bridge.toolmessages import Moment, ToolMessage
from calls.tests.bridge.call import BOOK, END_CALL, GREETING_PLAN, PROTECTED, SENTENCE_PLAN, WAITING, Call

SILENCE_TIMEOUT_S = 12.0
# On top of the silence that is the caller's own: the slowest line and tool; and for each response that fails, at
# most three in a row, the watchdog and the pause before the next.
SLOWEST_S = 6.0
# Sentences that are not tried again when they fail, which may come between those that are: reminders, or fillers.
MOST_ASIDES = 3
FAILURE_S = 12.0
Kind = tuple[str, int]


@dataclass
class Response:
    id: str
    metadata: str
    purpose: str
    over: bool = False


class Server:
    """The Realtime API: one response at a time, and voice detection that makes its own."""

    def __init__(self, call: "Rehearsal", fates: list[Kind], delay_s: float) -> None:
        self.call = call
        self.fates = list(fates)
        self.delay_s = delay_s
        self.running: Response | None = None
        self.turn_detection = {"create_response": True, "interrupt_response": True}
        self.ids = count(1)
        self.requests = 0

    def receive(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                self.turn_detection = event["session"]["audio"]["input"]["turn_detection"]
                self.tell(realtime.SessionUpdated(event["session"]))
            case "response.create":
                self.requests += 1
                if self.running is not None:
                    self.tell(realtime.Error(ACTIVE_RESPONSE, "", event["event_id"]))
                else:
                    metadata = event["response"]["metadata"]
                    self.create(metadata["client_event_id"], metadata["purpose"])
            case "response.cancel":
                if self.running is not None and self.running.id == event["response_id"]:
                    self.finish(self.running, "cancelled")
                else:
                    self.tell(realtime.Error("response_cancel_not_active", "", event["event_id"]))
            case _:
                pass

    def tell(self, *events: realtime.Event, after_s: float = 0.0) -> None:
        for event in events:
            self.call.later(self.delay_s + after_s, partial(self.call.hear, event))

    def speech_started(self, item_id: str) -> None:
        self.tell(realtime.SpeechStarted(item_id, self.call.call_ms))
        if self.running is not None and self.turn_detection["interrupt_response"]:
            self.finish(self.running, "cancelled")

    def speech_stopped(self, item_id: str) -> None:
        self.tell(realtime.SpeechStopped(item_id, self.call.call_ms), realtime.Committed(item_id))
        self.tell(realtime.CallerText(item_id, "I would like to book."), after_s=0.4)
        if self.running is None and self.turn_detection["create_response"]:
            self.create("", "")

    def create(self, metadata: str, purpose: str) -> None:
        response = self.running = Response(f"r{next(self.ids)}", metadata, purpose)
        self.tell(realtime.ResponseCreated(response.id, metadata))
        fate, amount = self.fates.pop(0) if self.fates else ("speaks", 1000)
        if purpose not in ("", "answer") and fate in ("calls", "ends"):
            fate = "speaks"  # these are asked for without tools, or follow one
        if fate != "hangs":
            self.call.later(0.4, lambda: self.generate(response, fate, amount))

    def generate(self, response: Response, fate: str, amount: int) -> None:
        if response.over:
            return
        item = f"{response.id}-i"
        done: dict[str, Any] = {"reason": "", "code": "", "message": "", "calls": ()}
        if fate == "fails":
            self.finish(response, "failed", code="server_error")
            return
        if fate in ("speaks", "ends"):
            n_bytes = amount * 8
            self.tell(
                realtime.AudioDelta(response.id, item, "A" * (n_bytes * 4 // 3 // 4 * 4), n_bytes // 3 * 3)
            )
            self.tell(realtime.AudioDone(response.id, item), realtime.TextDone(response.id, item, "Words."))
        if fate in ("calls", "ends"):
            name, arguments = ("end_call", "{}") if fate == "ends" else ("book", '{"day":"Monday"}')
            fc = realtime.FunctionCall(response.id, f"fc-{response.id}", f"c-{response.id}", name, arguments)
            self.tell(fc)
            done["calls"] = (fc,)
        self.call.later(0.2, lambda: self.finish(response, "completed", **done))

    def finish(self, response: Response, status: str, **fields: Any) -> None:
        if response.over:
            return
        response.over = True
        self.running = None
        done: dict[str, Any] = {"reason": "", "code": "", "message": "", "calls": (), **fields}
        self.tell(realtime.ResponseDone(response.id, status, **done))


class Rehearsal(Call):
    """A call whose other side is the server above."""

    def __init__(self, plan: Plan, fates: list[Kind], delay_s: float, tool_s: float) -> None:
        self.agenda: list[tuple[float, int, Callable[[], object]]] = []
        self.order = count()
        self.tool_s = tool_s
        self.silent_since = 100.0
        self.longest_silence_s = 0.0
        self.caller_talks = False
        self.server = Server(self, fates, delay_s)
        super().__init__(plan, begun=False)
        self.start()
        self.server.tell(realtime.SessionCreated())

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        heapq.heappush(self.agenda, (self.now + seconds, next(self.order), what))

    def take(self, commands: list[Command]) -> list[Command]:
        super().take(commands)
        for command in commands:
            if isinstance(command, ToRealtime):
                event = orjson.loads(command.text)
                if event["type"] != "input_audio_buffer.append":
                    self.later(self.server.delay_s, partial(self.server.receive, event))
            elif isinstance(command, RunTool):
                self.later(self.tool_s, partial(self.result, command.call_id))
        return commands

    def live(self, seconds: float) -> None:
        """Let time pass for everybody, and watch for how long nothing is to be heard."""
        until = self.now + seconds
        while self.now < until and not self.over:
            while self.agenda and self.agenda[0][0] <= self.now:
                heapq.heappop(self.agenda)[2]()
            due = self.agenda[0][0] if self.agenda else until
            step = min(0.1, max(due - self.now, 0.001), until - self.now)
            played = self.played_bytes
            self.wait(step)
            if round(self.now * 10) % 5 == 0:
                self.timestamp_ms = self.call_ms
                self.speak("/" * 216)
            if self.played_bytes > played or self.caller_talks:
                self.silent_since = self.now
            self.longest_silence_s = max(self.longest_silence_s, self.now - self.silent_since)

    @property
    def over(self) -> bool:
        return bool(self.all(HangUp) or self.all(Apologise))

    def presses(self, keys: str) -> None:
        self.silent_since = self.now  # the silence before it was the caller's own, as before a word
        for key in keys:
            self.take(self.conversation.receive_twilio(twilio.Dtmf(key), now=self.now))

    def turn(self, item_id: str, seconds: float) -> None:
        self.caller_talks = True
        self.server.speech_started(item_id)
        self.live(seconds)
        self.server.speech_stopped(item_id)
        self.caller_talks = False


FATES = st.lists(
    st.tuples(
        st.sampled_from(["speaks", "speaks", "speaks", "calls", "calls", "ends", "fails", "hangs"]),
        st.sampled_from([300, 1500, 6000]),
    ),
    max_size=12,
)
TURNS = st.lists(
    st.tuples(st.sampled_from([0.1, 0.4, 1.0, 3.0, 8.0, 14.0]), st.sampled_from([0.3, 1.5, "1#", "12"])),
    max_size=8,
)
BOOK_ALOUD = replace(
    BOOK,
    messages=(
        ToolMessage(Moment.START, "One moment."),
        ToolMessage(Moment.DELAYED, "It takes a while.", after_ms=1000),
    ),
)
BOOK_AFTERWARDS = replace(BOOK, messages=(ToolMessage(Moment.START, "One moment.", blocking=True),))
BOOK_LITERALLY = replace(BOOK, messages=(ToolMessage(Moment.COMPLETE, "It is booked."),))
PLANS = st.builds(
    replace,
    st.sampled_from(
        [replace(plan, keypad_enabled=True) for plan in (WAITING, GREETING_PLAN, PROTECTED, SENTENCE_PLAN)]
    ),
    tools=st.sampled_from([(book, END_CALL) for book in (BOOK, BOOK_ALOUD, BOOK_AFTERWARDS, BOOK_LITERALLY)]),
    interruptible=st.sampled_from([True, True, False]),
    interrupt_words=st.sampled_from([0, 0, 2, 9]),
    idle_messages=st.sampled_from([(), ("Are you still there?",)]),
)


@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    plan=PLANS,
    fates=FATES,
    turns=TURNS,
    delay_s=st.sampled_from([0.01, 0.08, 0.3]),
    tool_s=st.sampled_from([0.05, 0.6, 3.0]),
)
def test_a_caller_is_answered_or_told_why_not(
    plan: Plan, fates: list[Kind], turns: list[tuple[float, float | str]], delay_s: float, tool_s: float
) -> None:
    call = Rehearsal(replace(plan, silence_timeout_s=SILENCE_TIMEOUT_S), fates, delay_s, tool_s)

    call.live(4 * delay_s)  # before both sides are ready nobody is heard
    for n, (pause_s, deed) in enumerate(turns):
        call.live(pause_s)
        if call.over:
            break
        if isinstance(deed, str):
            call.presses(deed)
        else:
            call.turn(f"u{n}", deed)
    call.live(180)

    # Nobody speaks any more, so in the end somebody must have said goodbye, or that it cannot go on.
    assert call.over
    failures = sum(fate in ("hangs", "fails") for fate, _ in fates)
    assert call.longest_silence_s <= SILENCE_TIMEOUT_S + SLOWEST_S + FAILURE_S * min(
        failures, 3 + MOST_ASIDES
    )
    asides = MOST_ASIDES + 2 * len(call.all(RunTool))
    assert call.server.requests <= 3 * (len(fates) + len(turns) + 3) + asides, "requests do not breed"

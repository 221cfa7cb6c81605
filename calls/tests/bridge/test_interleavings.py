"""What holds in any order of messages from both sides, sensible or not, from the very first one."""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calls.bridge import realtime, twilio
from calls.bridge.commands import (
    Apologise,
    CheckTool,
    Clear,
    Command,
    Ended,
    HangUp,
    Mark,
    Play,
    RunTool,
    Source,
    ToolDone,
    ToolRefused,
    ToolSettled,
    ToRealtime,
    UtteranceEnded,
)
from calls.bridge.conversation import Conversation
from calls.bridge.limits import RESPONSE_WITHIN_S
from calls.bridge.line import Phase
from calls.bridge.plan import FirstMessageMode, Plan, Remark, ToolSpec, session_payload
from calls.bridge.toolcalls import ToolResult
from calls.bridge.toolmessages import Condition, Moment, ToolMessage
from calls.tests.bridge.telephone import ACCOUNT_SID, CALL_SID, STREAM_SID

MAX_DURATION_S = 60.0
# start + verify + session + overtime + hang-up + last words, on top of the longest duration
LONGEST_LIFE_S = MAX_DURATION_S + 5 + 6 + 10 + 30 + 5 + 3
DAY = {"type": "object", "properties": {"day": {"type": "string"}}}
END_CALL = ToolSpec("end_call", "Hang up", {"type": "object", "properties": {}}, ends_call=True)
TOOLS = (ToolSpec("book", "Book a slot", DAY), END_CALL)
START = ToolMessage(Moment.START, "One moment.")
TALKATIVE = (
    ToolSpec(
        "book",
        "Book a slot",
        DAY,
        messages=(
            START,
            replace(START, blocking=True, conditions=(Condition("day", "eq", "Sunday"),)),
            ToolMessage(Moment.DELAYED, "It takes a while.", after_ms=700),
            ToolMessage(Moment.DELAYED, "It still takes a while.", after_ms=4000),
            ToolMessage(Moment.COMPLETE, "It is booked.", ends_call=True),
            ToolMessage(Moment.FAILED, "It did not work."),
        ),
    ),
    ToolSpec("note", "Note it", DAY, asynchronous=True, messages=(ToolMessage(Moment.COMPLETE, "Noted."),)),
    END_CALL,
)
CHECKED = tuple(replace(tool, checked=True) for tool in TALKATIVE)
Step = tuple[Any, ...]


class Witness:
    """Feeds a conversation, and holds every command against what was fed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.conversation = Conversation(plan)
        self.now = 1000.0
        self.deadline_s = self.now + LONGEST_LIFE_S
        self.started = self.verified = self.accepted = False
        self.realtime_open = True
        self.received: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.truncated: dict[str, int] = {}
        self.marks: list[str] = []
        self.request_open_until = 0.0
        self.request_id = ""
        self.running = ""
        self.asked: list[RunTool] = []
        self.to_check: list[str] = []
        self.settled: list[ToolSettled] = []
        self.speaking = ""
        self.reminders = 0
        self.outputs: list[str] = []
        self.answered_here: list[str] = []
        self.written: dict[str, UtteranceEnded] = {}
        self.said: dict[str, str] = {}
        self.ended: Ended | None = None
        self.timestamp_ms = 0
        self.take(self.conversation.opened(now=self.now))

    # Feeding --------------------------------------------------------------------------------------------------

    def apply(self, step: Step) -> None:
        name, *args = step
        getattr(self, f"do_{name}")(*args)

    def from_twilio(self, message: twilio.Message) -> None:
        self.take(self.conversation.receive_twilio(message, now=self.now))

    def from_realtime(self, event: realtime.Event) -> None:
        self.take(self.conversation.receive_realtime(event, now=self.now))

    def do_wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (deadline := self.conversation.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.take(self.conversation.tick(now=self.now))
            after = self.conversation.next_deadline()
            assert after is None or after > self.now, "the same moment would be waited for forever"
        self.now = until

    def do_start(self) -> None:
        self.started = True
        self.from_twilio(twilio.Start(STREAM_SID, CALL_SID, ACCOUNT_SID, {"token": "t"}))

    def do_verified(self) -> None:
        self.verified |= self.started
        self.take(self.conversation.stream_verified(now=self.now))

    def do_refused(self) -> None:
        self.take(self.conversation.stream_refused(now=self.now))

    def do_media(self, skip_ms: int) -> None:
        self.timestamp_ms += 20 + skip_ms
        self.from_twilio(twilio.Media(b64encode(bytes(160)).decode(), self.timestamp_ms))

    def do_echo(self, which: int) -> None:
        self.from_twilio(twilio.Mark(self.marks[which % len(self.marks)] if self.marks else "unknown"))

    def do_other(self, message: twilio.Message) -> None:
        self.from_twilio(message)

    def do_session(self, whose: str, floor: str) -> None:
        session = session_payload(self.plan, floor_open=floor == "open") if whose == "ours" else {}
        self.accepted |= whose == "ours"
        self.from_realtime(realtime.SessionUpdated(session))

    def do_created(self, response: str, by: str) -> None:
        asked_by = {"us": self.request_id, "nobody": "", "stranger": "evt_9999"}[by]
        if asked_by in (self.request_id, ""):
            self.request_open_until = 0.0
        if self.conversation.phase is Phase.TALKING:
            self.running = response
        self.from_realtime(realtime.ResponseCreated(response, asked_by))

    def do_audio(self, response: str, item: str, n_bytes: int) -> None:
        item_id = f"{response}-{item}"
        self.received[item_id] += n_bytes
        audio = b64encode(bytes(n_bytes)).decode()
        commands = self.conversation.receive_realtime(
            realtime.AudioDelta(response, item_id, audio, n_bytes), now=self.now
        )
        for command in commands:
            if isinstance(command, Play):
                self.sent[item_id] += len(command.payload) * 3 // 4 - command.payload.count("=")
        self.take(commands)

    def do_text(self, response: str, item: str, text: str) -> None:
        self.from_realtime(realtime.TextDelta(response, f"{response}-{item}", text))

    def do_text_done(self, response: str, item: str, text: str) -> None:
        item_id = f"{response}-{item}"
        if text.strip():
            self.note_said(item_id, text)
        self.from_realtime(realtime.TextDone(response, item_id, text))

    def note_said(self, item_id: str, text: str) -> None:
        if self.conversation.phase is not Phase.ENDED:
            self.said[item_id] = text.strip()

    def do_audio_done(self, response: str, item: str) -> None:
        self.from_realtime(realtime.AudioDone(response, f"{response}-{item}"))

    def call(self, response: str, call_id: str, name: str, arguments: str) -> realtime.FunctionCall:
        return realtime.FunctionCall(response, f"fc-{call_id}", call_id, name, arguments)

    def do_call(self, *args: str) -> None:
        self.from_realtime(self.call(*args))

    def do_done(self, response: str, status: str, reason: str, calls: list[tuple[str, str, str]]) -> None:
        if response == self.running:
            self.running = ""
        made = tuple(self.call(response, *call) for call in calls)
        self.from_realtime(realtime.ResponseDone(response, status, reason, "", "", made))

    def do_speech_started(self, item: str, ms: int) -> None:
        if self.conversation.phase is Phase.TALKING:
            self.speaking = item
        self.from_realtime(realtime.SpeechStarted(item, ms))

    def do_speech_stopped(self, item: str, ms: int) -> None:
        self.speaking = ""
        self.from_realtime(realtime.SpeechStopped(item, ms))

    def do_caller_text(self, item: str, text: str) -> None:
        if text.strip():
            self.note_said(item, text)
        self.from_realtime(realtime.CallerText(item, text))

    def do_event(self, event: realtime.Event) -> None:
        self.from_realtime(event)

    def do_error(self, code: str, about: str) -> None:
        event_id = {"request": self.request_id, "session": "evt_0001", "nothing": ""}[about]
        if about != "session":
            self.request_open_until = 0.0
        if code == "conversation_already_has_active_response":
            self.running = ""  # the server says what runs, and we cannot know when that ends
        self.from_realtime(realtime.Error(code, "", event_id))

    def do_key(self, key: str) -> None:
        self.from_twilio(twilio.Dtmf(key))

    def do_result(self, which: int, output: str, moment: Moment | None, message: ToolMessage | None) -> None:
        call_id = self.asked[which % len(self.asked)].call_id if self.asked else "foreign"
        result = ToolResult(output, moment, message)
        self.take(self.conversation.receive_tool_result(call_id, result, now=self.now))

    def do_checked(self, which: int, refusal: str) -> None:
        call_id = self.to_check[which % len(self.to_check)] if self.to_check else "foreign"
        self.take(self.conversation.tool_checked(call_id, refusal, now=self.now))

    def do_realtime_gone(self) -> None:
        commands = self.conversation.realtime_gone(code="1006", now=self.now)
        self.realtime_open = False
        self.take(commands)

    def do_twilio_gone(self) -> None:
        self.take(self.conversation.twilio_gone(now=self.now))

    def do_hang_up(self) -> None:
        self.take(self.conversation.hang_up("manually-canceled", now=self.now))

    def do_malformed(self) -> None:
        self.take(self.conversation.malformed(Source.TWILIO, "a frame from Twilio is not JSON"))

    # Holding against ------------------------------------------------------------------------------------------

    def take(self, commands: list[Command]) -> None:
        assert not (commands and self.ended), "nothing follows the end"
        for command in commands:
            assert self.ended is None, "the end comes last"
            check = self.CHECKS.get(type(command))
            if check is not None:
                check(self, command)
        for item_id, received in self.received.items():
            heard = self.conversation.playback.heard_bytes(item_id, now=self.now)
            assert heard <= received
        if self.ended is None:
            assert self.now <= self.deadline_s, "a call must end"

    def on_twilio(self, command: Play | Mark | Clear) -> None:
        assert self.verified, "nothing goes to Twilio before the stream is verified"
        if isinstance(command, Mark):
            assert command.name not in self.marks, "names of marks are unique"
            self.marks.append(command.name)

    def on_order(self, command: HangUp | Apologise) -> None:
        assert self.verified, "a stream that nobody vouched for gives no orders about a call"

    def on_realtime(self, command: ToRealtime) -> None:
        assert self.realtime_open, "nothing goes to a socket that is gone"
        event = orjson.loads(command.text)
        assert self.accepted or event["type"] == "session.update"
        match event["type"]:
            case "conversation.item.truncate":
                item_id, ms = event["item_id"], event["audio_end_ms"]
                assert 0 <= ms <= self.received[item_id] // 8
                assert ms <= self.truncated.get(item_id, ms), "what was cut does not come back"
                self.truncated[item_id] = ms
            case "response.cancel" if event["response_id"] == self.running:
                self.running = ""
            case "conversation.item.create" if event["item"]["type"] == "function_call_output":
                self.outputs.append(event["item"]["call_id"])
            case "response.create":
                assert self.now >= self.request_open_until, "one request at a time"
                assert not self.running, "no request while a response runs"
                self.request_id = event["event_id"]
                self.request_open_until = self.now + RESPONSE_WITHIN_S
                self.check_purpose(event["response"]["metadata"]["purpose"])
            case _:
                pass

    def check_purpose(self, purpose: str) -> None:
        if purpose in ("reminder", "filler"):
            assert not self.speaking, "nobody is reminded or put off while they speak"
        self.reminders += purpose == "reminder"
        assert self.plan.idle_resets or self.reminders <= self.plan.idle_max_count
        if purpose == "filler":
            assert self.conversation._tools.waiting, "nothing is said of a tool that has answered"

    def on_check(self, command: CheckTool) -> None:
        assert command.call_id not in self.to_check, "conditions are looked at once"
        self.to_check.append(command.call_id)

    def on_run(self, command: RunTool) -> None:
        self.asked.append(command)

    def on_settled(self, command: ToolSettled) -> None:
        self.settled.append(command)

    def on_answered_here(self, command: ToolDone | ToolRefused) -> None:
        if not (isinstance(command, ToolRefused) and command.orphaned):
            self.answered_here.append(command.call_id)

    def on_written(self, command: UtteranceEnded) -> None:
        assert command.spoken.item_id not in self.written, "an utterance is written once"
        self.written[command.spoken.item_id] = command

    def on_ended(self, command: Ended) -> None:
        self.ended = command
        assert command.reason
        spoken = {one.item_id: one for one in command.spoken}
        assert len(spoken) == len(command.spoken), "every utterance once"
        texts = {(one.item_id.partition("#")[0], one.text) for one in command.spoken}
        assert self.said.items() <= texts, "what was said is in the transcript"
        for item_id, early in self.written.items():
            late = spoken[item_id]
            assert late.speaker == early.spoken.speaker
            assert late.heard_ms >= early.spoken.heard_ms
        for one in command.spoken:
            assert one.heard_ms <= one.generated_ms
            assert one.heard_ms <= self.sent[one.item_id] // 8
            assert self.sent[one.item_id] <= self.received[one.item_id]
            assert one.text.startswith(one.heard_text)
            assert one.began_ms <= one.ended_ms
        self.check_tools()

    def check_tools(self) -> None:
        asked = [command.call_id for command in self.asked]
        assert len(set(asked)) == len(asked), "a call is carried out once"
        assert sorted(asked) == sorted(one.call_id for one in self.settled), "and settled once"
        told = [one.call_id for one in self.settled if not one.orphaned] + self.answered_here
        assert sorted(told) == sorted(self.outputs), "the model is told each outcome once"

    CHECKS: dict[type, Callable[["Witness", Any], None]] = {
        Play: on_twilio,
        Mark: on_twilio,
        Clear: on_twilio,
        ToRealtime: on_realtime,
        HangUp: on_order,
        Apologise: on_order,
        CheckTool: on_check,
        RunTool: on_run,
        ToolSettled: on_settled,
        ToolDone: on_answered_here,
        ToolRefused: on_answered_here,
        UtteranceEnded: on_written,
        Ended: on_ended,
    }


RESPONSES = st.sampled_from(["r1", "r2", "r3", "r4"])
ITEMS = st.sampled_from(["a", "b"])
CALLER_ITEMS = st.sampled_from(["u1", "u2", "u3"])
TEXTS = st.sampled_from(["", "Yes.", "I would like to book a repair.", " Good morning to you "])
CALLS = st.tuples(
    st.sampled_from(["c1", "c2", "c3", "c4"]),
    st.sampled_from(["book", "book", "book", "note", "end_call", "unheard_of"]),
    st.sampled_from(['{"day":"Monday"}', '{"day":"Sunday"}', "{", "", "[]"]),
)
WAIT = st.tuples(st.just("wait"), st.sampled_from([0.0, 0.02, 0.2, 0.5, 1.0, 2.0, 3.0, 9.0, 15.0]))


def steps_of(**kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.one_of([st.tuples(st.just(kind), arguments).map(_flat) for kind, arguments in kinds.items()])


def _flat(step: tuple[str, Any]) -> Step:
    return (step[0], *step[1])


TALK = steps_of(
    media=st.tuples(st.sampled_from([0, 0, 0, 100, 30_000])),
    echo=st.tuples(st.integers(0, 50)),
    created=st.tuples(RESPONSES, st.sampled_from(["us", "us", "nobody", "stranger"])),
    audio=st.tuples(RESPONSES, ITEMS, st.sampled_from([1, 160, 401, 1600, 8000, 40_000])),
    audio_done=st.tuples(RESPONSES, ITEMS),
    call=st.tuples(RESPONSES, CALLS).map(lambda pair: (pair[0], *pair[1])),
    done=st.tuples(
        RESPONSES,
        st.sampled_from(["completed", "completed", "cancelled", "incomplete", "failed"]),
        st.sampled_from(["", "content_filter", "max_output_tokens"]),
        st.lists(CALLS, max_size=2),
    ),
    caller_text=st.tuples(CALLER_ITEMS, TEXTS),
    error=st.tuples(
        st.sampled_from(
            ["conversation_already_has_active_response", "invalid_value", "rate_limit_exceeded", "unknown"]
        ),
        st.sampled_from(["request", "request", "session", "nothing"]),
    ),
    result=st.tuples(
        st.integers(0, 5),
        st.just('{"booked":true}'),
        st.sampled_from([Moment.COMPLETE, Moment.FAILED, None]),
        st.sampled_from(
            [
                None,
                None,
                ToolMessage(Moment.COMPLETE, "Done."),
                ToolMessage(Moment.COMPLETE, "Hint.", hint=True),
            ]
        ),
    ),
    checked=st.tuples(st.integers(0, 5), st.sampled_from(["", '{"error":"rejected"}'])),
    key=st.tuples(st.sampled_from(["1", "0", "#", "*", "nonsense"])),
    event=st.tuples(
        st.one_of(
            st.builds(realtime.Committed, CALLER_ITEMS),
            st.builds(realtime.CallerTextDelta, CALLER_ITEMS, st.sampled_from(["I", " would like"])),
            st.builds(realtime.CallerTextFailed, CALLER_ITEMS, st.just("audio_unintelligible")),
            st.just(realtime.Ignored("rate_limits.updated")),
        )
    ),
    other=st.tuples(st.sampled_from([twilio.Connected(), twilio.Ignored("new"), twilio.Mark("")])),
    text=st.tuples(RESPONSES, ITEMS, TEXTS),
    text_done=st.tuples(RESPONSES, ITEMS, TEXTS),
    speech_started=st.tuples(CALLER_ITEMS, st.integers(0, 20_000)),
    speech_stopped=st.tuples(CALLER_ITEMS, st.integers(0, 20_000)),
)
BEGINNING: list[Step] = [
    ("start",),
    ("event", realtime.SessionCreated()),
    ("session", "ours", "open"),
    ("verified",),
]
RARE = st.one_of(
    st.sampled_from([*BEGINNING, ("refused",), ("malformed",)]),
    st.sampled_from(
        [
            ("session", "other", "open"),
            ("session", "ours", "closed"),
            ("realtime_gone",),
            ("twilio_gone",),
            ("hang_up",),
            ("other", twilio.Stop()),
            ("error", "session_expired", "nothing"),
        ]
    ),
)
CONVERSATIONS = st.tuples(
    st.one_of(st.just(BEGINNING), st.permutations(BEGINNING), st.just([])),
    st.lists(st.one_of(TALK, TALK, TALK, TALK, TALK, WAIT, WAIT, RARE), max_size=60),
).map(lambda parts: [*parts[0], *parts[1]])
PLANS = st.builds(
    Plan,
    instructions=st.just("Be brief."),
    tools=st.sampled_from([TOOLS, TALKATIVE, CHECKED]),
    history=st.sampled_from([(), (Remark("user", "Hello?"), Remark("assistant", "Good morning."))]),
    interruptible=st.sampled_from([True, True, False]),
    interrupt_words=st.sampled_from([0, 0, 2]),
    end_call_phrases=st.sampled_from([(), ("good morning",)]),
    idle_messages=st.sampled_from([(), ("Are you still there?",)]),
    idle_max_count=st.integers(1, 3),
    idle_resets=st.booleans(),
    keypad_enabled=st.booleans(),
    keypad_timeout_s=st.sampled_from([0.0, 2.0]),
    first_message_mode=st.sampled_from(FirstMessageMode),
    first_message=st.sampled_from(["", "Good morning, how can I help?"]),
    first_message_interruptible=st.booleans(),
    end_call_message=st.sampled_from(["", "Goodbye."]),
    max_duration_s=st.just(MAX_DURATION_S),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=PLANS, steps=CONVERSATIONS)
def test_in_any_order_of_anything_the_promises_hold_and_the_call_ends(plan: Plan, steps: list[Step]) -> None:
    witness = Witness(plan)

    for step in steps:
        witness.apply(step)
    while witness.ended is None:
        # The caller stays on the line, so nothing but our own limits can end this.
        witness.do_media(0)
        witness.do_wait(5)

    assert witness.conversation.next_deadline() is None

"""What holds of handing over in any order of messages: one session has the call, each request is answered once, all ends."""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from calls.bridge import realtime, twilio
from calls.bridge.commands import (
    Clear,
    CloseRealtime,
    Ended,
    Mark,
    MemberTookOver,
    OpenRealtime,
    Play,
    PrepareMember,
    RunTool,
    ToolDone,
    ToolRefused,
    ToolSettled,
    ToRealtime,
)
from calls.bridge.line import Phase
from calls.bridge.plan import FirstMessageMode, Keeps, Place, Plan, Remark, Taker, ToolSpec, session_payload
from calls.tests.bridge.test_interleavings import (
    BEGINNING,
    LONGEST_LIFE_S,
    MAX_DURATION_S,
    RARE,
    RESPONSES,
    TALK,
    TALKATIVE,
    WAIT,
    Step,
    Witness,
)

TO = {"type": "object", "properties": {"destination": {"type": "string"}}}
TAKERS = {
    "all": Taker("all"),
    "bare": Taker("bare", keeps_handoff=False),
    "messages": Taker("messages", Keeps.MESSAGES),
    "last": Taker("last", Keeps.LAST, last=2),
    "none": Taker("none", Keeps.NONE),
}
HAND_OVER = ToolSpec(
    "hand_over",
    "Hand on",
    TO,
    transfers=True,
    places=tuple(
        Place(name, "I hand you over." if name == "all" else "", taker) for name, taker in TAKERS.items()
    ),
)
TOOLS = (HAND_OVER, *TALKATIVE)


class HandoverWitness(Witness):
    """Feeds all sessions of a call, and holds every command against what was fed."""

    def __init__(self, plan: Plan, others: dict[str, Plan]) -> None:
        self.others = others
        self.open = {0}
        self.asked_for: list[PrepareMember] = []
        self.answers: Counter[str] = Counter()
        self.known: Counter[tuple[int, str]] = Counter()
        self.outputs_in: Counter[tuple[int, str]] = Counter()
        self.opened: list[int] = []
        self.plans: dict[int, Plan] = {}
        self.appended = 0
        self.has_call = 0
        super().__init__(plan)
        self.deadline_s += LONGEST_LIFE_S

    @property
    def session(self) -> int:
        return self.conversation._line.session

    # Feeding --------------------------------------------------------------------------------------------------

    def from_realtime(self, event: realtime.Event) -> None:
        self.feed(self.session, event)

    def feed(self, session: int, event: realtime.Event) -> None:
        calls = event.calls if isinstance(event, realtime.ResponseDone) else (event,)
        for one in calls:
            if isinstance(one, realtime.FunctionCall):
                self.known[session, one.call_id] += 1
        self.take(self.conversation.receive_realtime(event, now=self.now, session=session))

    def do_audio(self, response: str, item: str, n_bytes: int) -> None:
        audio = b64encode(bytes(n_bytes)).decode()
        self.from_realtime(realtime.AudioDelta(response, f"{response}-{item}", audio, n_bytes))

    def do_realtime_gone(self) -> None:
        self.gone(self.session)

    def do_media(self, skip_ms: int) -> None:
        before, talking = self.appended, self.conversation.phase is Phase.TALKING
        self.timestamp_ms += 20
        self.from_twilio(twilio.Media(b64encode(bytes(160)).decode(), self.timestamp_ms))
        if talking and self.session in self.open:
            assert self.appended > before, "no frame is lost"

    def gone(self, session: int) -> None:
        if session in self.open:
            self.open.discard(session)
            self.take(self.conversation.realtime_gone(code="closed_1006", now=self.now, session=session))

    def do_prepared(self, which: int) -> None:
        if self.asked_for:
            wanted = self.asked_for[which % len(self.asked_for)]
            plan = self.others[wanted.key]
            before = len(self.opened)
            self.take(self.conversation.member_prepared(wanted.call_id, plan, now=self.now))
            for session in self.opened[before:]:
                self.plans[session] = plan

    def do_refused_member(self, which: int) -> None:
        if self.asked_for:
            call_id = self.asked_for[which % len(self.asked_for)].call_id
            self.take(self.conversation.member_refused(call_id, "never_published", "no", now=self.now))

    def do_next(self, what: str) -> None:
        """The newest session says something, wherever it stands."""
        session = self.opened[-1] if self.opened else 99
        match what:
            case "created":
                self.feed(session, realtime.SessionCreated())
            case "accepted":
                plan = self.plans.get(session, self.plan)
                self.feed(session, realtime.SessionUpdated(session_payload(plan, floor_open=False)))
            case "differs":
                self.feed(session, realtime.SessionUpdated({}))
            case "error":
                self.feed(session, realtime.Error("odd", "", ""))
            case _:
                self.gone(session)

    def do_taken(self) -> None:
        """The running session has taken the newest settings."""
        plan = next((self.others[one.key] for one in reversed(self.asked_for)), self.plan)
        self.from_realtime(realtime.SessionUpdated(session_payload(plan, floor_open=False)))

    def do_late_words(self, session: int, item: str) -> None:
        self.feed(session, realtime.CallerText(item, "It is about my bill."))

    # Holding against ------------------------------------------------------------------------------------------

    def on_sent(self, command: ToRealtime) -> None:
        self.sent_to(command.session, orjson.loads(command.text))

    def on_open(self, command: OpenRealtime) -> None:
        self.opened.append(command.session)
        self.open.add(command.session)
        assert len(self.open - {self.session}) <= 2, "the next one and the one before, and no more"

    def on_close(self, command: CloseRealtime) -> None:
        if command.session is None:
            self.open.clear()
            return
        assert command.session != self.session
        assert command.session in self.open, "closed once, and only what is open"
        self.open.discard(command.session)

    def on_prepare(self, command: PrepareMember) -> None:
        assert all(self.answers[one.call_id] for one in self.asked_for), "one at a time"
        self.asked_for.append(command)

    def on_answered(self, command: ToolDone | ToolRefused) -> None:
        self.answers[command.call_id] += 1
        assert self.answers[command.call_id] == 1, "a call is answered once"

    def on_took_over(self, command: MemberTookOver) -> None:
        assert command.call_id in {one.call_id for one in self.asked_for}
        assert self.answers[command.call_id] == 1
        assert self.session in self.open
        self.has_call = self.session
        event(f"took over in session {min(self.session, 3)}")

    def on_over(self, command: Ended) -> None:
        self.ended = command

    def sent_to(self, session: int, event: dict[str, Any]) -> None:
        assert session in self.open, "nothing goes to a socket that is not there"
        match event["type"]:
            case "input_audio_buffer.append":
                assert session in (self.has_call, self.session)
                self.appended += 1
            case "response.create" | "response.cancel" | "conversation.item.truncate":
                assert session == self.has_call, "only whoever has the call speaks"
            case "conversation.item.create" if event["item"]["type"] == "function_call":
                self.known[session, event["item"]["call_id"]] += 1
            case "conversation.item.create" if event["item"]["type"] == "function_call_output":
                key = session, event["item"]["call_id"]
                self.outputs_in[key] += 1
                assert self.known[key], "an output without its call is refused"
                assert self.outputs_in[key] == 1
            case _:
                pass

    CHECKS: dict[type, Callable[[Any, Any], None]] = {
        ToRealtime: on_sent,
        Play: Witness.on_twilio,
        Mark: Witness.on_twilio,
        Clear: Witness.on_twilio,
        OpenRealtime: on_open,
        CloseRealtime: on_close,
        PrepareMember: on_prepare,
        ToolDone: on_answered,
        ToolRefused: on_answered,
        MemberTookOver: on_took_over,
        RunTool: Witness.on_run,
        ToolSettled: Witness.on_settled,
        Ended: on_over,
    }


ASKS = st.builds(
    lambda response, call_id, place: ("call", response, call_id, "hand_over", f'{{"destination":"{place}"}}'),
    RESPONSES,
    st.sampled_from(["h1", "h2", "h3"]),
    st.sampled_from([*TAKERS, "nowhere"]),
)
NEXT = st.one_of(
    st.sampled_from(
        [("prepared", 0), ("prepared", -1), ("prepared", -1), ("refused_member", -1), ("taken",)]
    ),
    st.sampled_from(["created", "accepted", "accepted", "differs", "error", "gone"]).map(
        lambda what: ("next", what)
    ),
    st.builds(lambda n, item: ("late_words", n, item), st.integers(0, 3), st.sampled_from(["u1", "u2"])),
)
# Asked for and done with at once; without this, hardly any is ever completed.
WHOLE = st.builds(
    lambda number, place, follows: [
        ("speech_stopped", "u1", 500),
        ("done", "r1", "completed", "", []),
        ("created", f"w{number}", "nobody"),
        ("call", f"w{number}", f"w{number}", "hand_over", f'{{"destination":"{place}"}}'),
        ("done", f"w{number}", "completed", "", []),
        *follows,
    ],
    st.integers(1, 9),
    st.sampled_from([name for name in TAKERS if name != "all"]),
    st.sampled_from(
        [
            [("prepared", -1), ("next", "created"), ("next", "accepted"), ("taken",)],
            [("prepared", -1), ("next", "created"), ("next", "accepted"), ("taken",)],
            [("prepared", -1), ("next", "created"), ("speech_started", "u1", 0), ("next", "accepted")],
            [
                ("prepared", -1),
                ("next", "created"),
                ("speech_started", "u2", 0),
                ("next", "accepted"),
                ("realtime_gone",),
            ],
            [("prepared", -1), ("next", "created"), ("hang_up",)],
            [("prepared", -1), ("twilio_gone",)],
            [],
        ]
    ),
)
ONE = st.one_of(TALK, TALK, TALK, TALK, WAIT, ASKS, NEXT).map(lambda step: [step])
SOME = st.lists(st.one_of(ONE, ONE, ONE, WHOLE), max_size=8)
CONVERSATIONS = st.tuples(
    SOME, WHOLE, SOME, WHOLE, SOME, st.lists(RARE.map(lambda step: [step]), max_size=2), SOME
).map(
    lambda parts: [
        *BEGINNING,
        *(
            step
            for part in (*parts[0], parts[1], *parts[2], parts[3], *parts[4], *parts[5], *parts[6])
            for step in part
        ),
    ]
)
MODES = st.sampled_from([FirstMessageMode.WAITS, FirstMessageMode.WAITS, *FirstMessageMode])


def plans(**fields: Any) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        instructions=st.sampled_from(["Be brief.", "Be kind."]),
        assistant=st.sampled_from(["Triage", "Billing"]),
        voice=st.sampled_from(["marin", "marin", "shimmer"]),
        tools=st.just(TOOLS),
        history=st.sampled_from([(), (Remark("user", "Hello?"),)]),
        keypad_enabled=st.booleans(),
        interruptible=st.sampled_from([True, True, False]),
        first_message_mode=MODES,
        first_message=st.sampled_from(["", "Good morning."]),
        first_message_interruptible=st.booleans(),
        max_duration_s=st.just(MAX_DURATION_S),
        **fields,
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans(), other=plans(), steps=CONVERSATIONS)
def test_in_any_order_one_session_has_the_call_and_every_request_is_answered(
    plan: Plan, other: Plan, steps: list[Step]
) -> None:
    witness = HandoverWitness(plan, dict.fromkeys(TAKERS, other))

    for step in steps:
        witness.apply(step)
    while witness.ended is None:
        witness.do_media(0)
        witness.do_wait(5)

    assert witness.open == set(), "every socket is closed"
    assert all(witness.answers[one.call_id] == 1 for one in witness.asked_for)
    assert sorted(one.call_id for one in witness.asked) == sorted(one.call_id for one in witness.settled)
    assert witness.conversation.next_deadline() is None

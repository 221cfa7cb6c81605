"""What holds of transfers in any order of messages: one order at a time, no hang-up beside it, one answer to each request."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calls.bridge.commands import Apologise, Command, Ended, Forward, HangUp, ToolDone, ToolRefused
from calls.bridge.limits import FORWARDED_WITHIN_S
from calls.bridge.line import Phase
from calls.bridge.plan import FirstMessageMode, Place, Plan, ToolSpec
from calls.tests.bridge.test_interleavings import (
    BEGINNING,
    END_CALL,
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

DESK = Place("+13125550142", "I will connect you.")
QUIET = Place("+13125550188", "")
TO = {"type": "object", "properties": {"destination": {"type": "string"}}}
TRANSFER = ToolSpec("transfer", "Hand on", TO, transfers=True, places=(DESK, QUIET, Place("sip:a@b.example")))
LEAVE = ToolSpec("leave", "Leave a message", {"type": "object", "properties": {}}, leaves="Please call back.")


class TransferWitness(Witness):
    """The witness of a call whose model asks for transfers; Twilio takes the orders, refuses them, or says nothing."""

    def __init__(self, plan: Plan) -> None:
        self.ordered: Forward | None = None
        self.taken = False  # by Twilio, who refuses it no more
        self.answers: Counter[str] = Counter()
        super().__init__(plan)
        self.deadline_s += MAX_DURATION_S + LONGEST_LIFE_S + FORWARDED_WITHIN_S

    def take(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Forward():
                    assert self.verified
                    assert self.ordered is None, "one order at a time"
                    assert self.ended is None
                    self.ordered = command
                case HangUp() | Apologise():
                    assert self.ordered is None, "a hang-up would kill the transfer"
                case ToolDone() | ToolRefused():
                    self.answers[command.call_id] += 1
                    assert self.answers[command.call_id] == 1, "a call is answered once"
                case Ended():
                    was_forwarded = command.reason == "assistant-forwarded-call"
                    assert was_forwarded is (self.ordered is not None), "only an order forwards a call"
                    self.ended = command
                case _:
                    pass
        if self.ended is None:
            assert self.now <= self.deadline_s, "a call must end"

    def do_forwarded(self) -> None:
        """Twilio takes the order; then the stream ends."""
        if self.ordered is not None:
            self.taken = True
            self.take(self.conversation.forwarded())
            self.do_twilio_gone()

    def do_forward_failed(self) -> None:
        if self.ordered is not None and not self.taken:
            ordered, self.ordered = self.ordered, None
            self.take(self.conversation.forward_failed("transfer_failed", "No.", now=self.now))
            assert self.answers[ordered.call_id] == 1, "a refused transfer is answered"


ASKS = st.builds(
    lambda response, call_id, place: ("call", response, call_id, "transfer", f'{{"destination":"{place}"}}'),
    RESPONSES,
    st.sampled_from(["t1", "t2", "t3"]),
    st.sampled_from([DESK.name, QUIET.name, QUIET.name, "sip:a@b.example", "nowhere"]),
)
MORE: st.SearchStrategy[Any] = st.one_of(
    ASKS,
    st.sampled_from([("forwarded",), ("forward_failed",), ("call", "r1", "l1", "leave", "{}")]),
)
# A transfer that is asked for and done with at once; without this, hardly any is ever ordered.
WHOLE = st.builds(
    lambda number, place, follows: [
        ("created", f"w{number}", "nobody"),
        ("call", f"w{number}", f"w{number}", "transfer", f'{{"destination":"{place}"}}'),
        ("done", f"w{number}", "completed", "", []),
        *follows,
    ],
    st.integers(1, 6),
    st.sampled_from([QUIET.name, QUIET.name, DESK.name]),
    st.lists(
        st.sampled_from(
            [("forwarded",), ("forward_failed",), ("forward_failed",), ("hang_up",), ("twilio_gone",)]
        ),
        max_size=2,
    ),
)
ONE = st.one_of(TALK, TALK, TALK, WAIT, MORE, MORE, MORE, RARE).map(lambda step: [step])
CONVERSATIONS = st.lists(st.one_of(ONE, WHOLE), min_size=6, max_size=30).map(
    lambda parts: [*BEGINNING, *(step for part in parts for step in part)]
)
PLANS = st.builds(
    Plan,
    instructions=st.just("Be brief."),
    tools=st.sampled_from([(TRANSFER, LEAVE, END_CALL), (TRANSFER, LEAVE, *TALKATIVE)]),
    interruptible=st.sampled_from([True, False]),
    end_call_message=st.sampled_from(["", "Goodbye."]),
    first_message_mode=st.sampled_from(
        [FirstMessageMode.WAITS, FirstMessageMode.WAITS, FirstMessageMode.SPEAKS_FIRST]
    ),
    first_message=st.sampled_from(["", "Good morning, how can I help?"]),
    max_duration_s=st.just(MAX_DURATION_S),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=PLANS, steps=CONVERSATIONS)
def test_in_any_order_a_transfer_is_ordered_alone_and_answered_once(plan: Plan, steps: list[Step]) -> None:
    witness = TransferWitness(plan)

    for step in steps:
        witness.apply(step)
    while witness.ended is None:
        witness.do_media(0)
        witness.do_wait(5)

    assert witness.conversation.phase is Phase.ENDED
    assert witness.conversation.next_deadline() is None

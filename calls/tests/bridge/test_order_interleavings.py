"""What holds for orders from outside in any order of messages from both sides."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calls.bridge.commands import Command, OrderAnswered, OrderSettled, Problem, Speaker, ToRealtime
from calls.bridge.line import Phase
from calls.bridge.orders import End, HandOver, Mute, Order, Say, SayFirstMessage, Tell
from calls.bridge.plan import Place, Plan
from calls.tests.bridge.test_interleavings import BEGINNING, PLANS, RARE, TALK, WAIT, Step, Witness

# A sentence that was ordered as the last may be announced again and again to a caller who talks on.
LONGER_S = 60.0


class Overseer(Witness):
    """Gives orders, too, and holds what comes of them against what was ordered."""

    def __init__(self, plan: Plan) -> None:
        self.ordered: Counter[str] = Counter()  # sentences that the call has agreed to say
        self.requested: Counter[str] = Counter()
        self.lost = False
        self.orders = 0
        self.orders_taken: set[str] = set()
        self.orders_settled: set[str] = set()
        super().__init__(plan)
        self.deadline_s += LONGER_S

    def do_order(self, make: Any) -> None:
        self.orders += 1
        order: Order = make(f"o{self.orders}")
        over = self.conversation.phase is Phase.ENDED
        commands = self.conversation.order(order, now=self.now)
        answers = [one for one in commands if isinstance(one, OrderAnswered)]
        assert [one.order_id for one in answers] == [order.order_id], (
            "each order is answered once, and at once"
        )
        assert not over or answers[0].refusal, "nothing is taken after the end"
        if not answers[0].refusal:
            self.orders_taken.add(order.order_id)
        if isinstance(order, Say) and not answers[0].refusal:
            self.ordered[order.text] += 1
        if over:
            assert commands == answers
        else:
            self.take(commands)

    def take(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, OrderSettled):
                assert command.order_id not in self.orders_settled, "each is settled once"
                self.orders_settled.add(command.order_id)
            if isinstance(command, Problem):
                self.lost |= command.code in ("order_not_said", "order_failed")
            if isinstance(command, ToRealtime) and '"say"' in command.text:
                for text in self.ordered:
                    self.requested[text] += text in command.text
        super().take(commands)

    def check_tools(self) -> None:
        super().check_tools()
        assert self.orders_settled <= self.orders_taken, "nothing is settled that was refused"
        unsaid = [
            text for text, n in self.ordered.items() if text.startswith("Say") and not self.requested[text]
        ]
        assert not unsaid or self.lost or not self.verified, (
            "what was agreed to is said, or it is reported that it was not"
        )


def make(kind: type, *args: Any, **more: Any) -> Any:
    return lambda order_id: kind(order_id, *args, **more)


ORDERS = st.one_of(
    st.builds(
        lambda n, interrupts, guarded: make(Say, f"Say {n}.", interrupts=interrupts, guarded=guarded),
        st.integers(1, 3),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(lambda who, on: make(Mute, who, on=on), st.sampled_from(list(Speaker)), st.booleans()),
    st.sampled_from(
        [
            make(Tell, "system", "Be kind."),
            make(Tell, "user", "Hello?", respond=False),
            make(SayFirstMessage),
        ]
    ),
)
LAST_ORDERS = st.sampled_from(
    [
        make(Say, "Goodbye then.", end_after=True),
        make(Say, "Goodbye then.", end_after=True, interrupts=True, guarded=False),
        make(End),
        make(HandOver, Place("+13125550100", "One moment.")),
    ]
)
ORDER = st.tuples(st.just("order"), st.one_of(ORDERS, ORDERS, ORDERS, LAST_ORDERS))
CONVERSATIONS = st.tuples(
    st.one_of(st.just(BEGINNING), st.just([])),
    st.lists(st.one_of(TALK, TALK, TALK, ORDER, ORDER, WAIT, RARE), max_size=50),
).map(lambda parts: [*parts[0], *parts[1]])


@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=PLANS, steps=CONVERSATIONS)
def test_with_orders_in_any_order_the_promises_hold_and_the_call_ends(plan: Plan, steps: list[Step]) -> None:
    overseer = Overseer(plan)

    for step in steps:
        overseer.apply(step)
    while overseer.ended is None:
        overseer.do_media(0)
        overseer.do_wait(5)

    assert overseer.conversation.next_deadline() is None
    overseer.do_order(make(Say, "Say 9."))

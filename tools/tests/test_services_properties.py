"""Whatever happens to a tool call, in any order and however often, it has one honest outcome."""

import uuid
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tools import outcomes, services
from tools.models import ToolCall
from tools.outcomes import Outcome
from tools.services import Taken
from tools.tests.factories import MOMENT, make_order
from tools.tests.ledger import ANSWERED, FINAL, Status, refuse, row_of, settle, take, tell

pytestmark = pytest.mark.django_db

STEPS = (
    "forward",
    "forward, dies before sending",
    "forward, dies before settling",
    "told",
    "orphaned",
    "refuse",
    "a moment passes",
    "ten minutes pass",
    "forgotten ones are swept",
)
OUTCOMES = st.sampled_from(
    [
        ANSWERED,
        outcomes.unknown(code="timeout", why="no answer came"),
        outcomes.spoiled(code="redirected", why="it was redirected", http_status=302),
        outcomes.not_reached(code="tls_failed", why="the TLS handshake failed"),
    ]
)


class Ledger:
    """Delivers the steps to the services, counts requests, and watches that a final status stays."""

    def __init__(self, outcome: Outcome) -> None:
        self.order = make_order(call_id=uuid.uuid4(), requested_at=MOMENT)
        self.now = MOMENT
        self.outcome = outcome
        self.requests = 0
        self.ended_as = ""
        self.told_at: list[datetime] = []
        self.requests_when_told: int | None = None

    def step(self, name: str) -> None:
        match name:
            case "told":
                self.told_at.append(self.now)
                tell(self.order, at=self.now)
            case "orphaned":
                tell(self.order, at=self.now, orphaned=True)
            case "refuse":
                refuse(self.order)
            case "a moment passes":
                self.now += timedelta(seconds=9)
            case "ten minutes pass":
                self.now += timedelta(minutes=11)
            case "forgotten ones are swept":
                services.tool_calls_expire(now=self.now)
            case _:
                self._forward(name)
        self._watch()

    def _forward(self, name: str) -> None:
        if take(self.order, self.now) != Taken() or name == "forward, dies before sending":
            return
        self.requests += self.outcome.sent
        assert not self.told_at or not self.outcome.sent
        if name == "forward":
            settle(self.order, self.outcome)

    def _watch(self) -> None:
        row = ToolCall.objects.filter(call_id=self.order.call_id).first()
        if row is None:
            return
        if self.ended_as:
            assert row.status == self.ended_as
        elif row.status in FINAL:
            self.ended_as = row.status


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=10), OUTCOMES)
def test_any_order_and_repetition_ends_in_one_honest_outcome(steps: list[str], outcome: Outcome) -> None:
    ledger = Ledger(outcome)

    for step in steps:
        ledger.step(step)
    for step in (
        "ten minutes pass",
        "forward",
        "forgotten ones are swept",
    ):  # what is unacknowledged comes again
        ledger.step(step)

    row = row_of(ledger.order)
    assert row.status in FINAL
    assert ledger.requests <= 1
    assert row.name == "book_appointment"
    assert row.outcome
    if row.status == Status.ANSWERED:
        assert ledger.requests == 1
    if ledger.requests:
        assert row.status in (Status.TIMED_OUT, outcome.status)
    if row.status in (Status.REFUSED, Status.FAILED) and row.sent_at is None:
        assert ledger.requests == 0
    if ledger.told_at:
        assert (row.told_at, row.outcome, row.orphaned) == (min(ledger.told_at), "told", False)
    else:
        assert row.told_at is None
        assert row.orphaned == ("orphaned" in steps)

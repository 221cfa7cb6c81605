"""A burnt budget and the real rollback: back at Twilio, in the history, and only once."""

from typing import Any

import pytest
from django.utils import timezone

from calls import tasks
from calls.cutover import budget
from calls.cutover.services import Outcome, cutover_apply, rollback
from calls.models import BudgetTrip, CutoverEvent, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.twilio import FakeTwilio
from calls.tests.factories import make_call, make_refused_call

VAPI = "https://api.vapi.ai/twilio/inbound_call"


@pytest.fixture
def moved(make_number: MakeNumber, twilio: FakeTwilio) -> PhoneNumber:
    """A number that was cut over, and five calls that nobody answered."""
    number = make_number(voice_url=VAPI)
    outcome = cutover_apply(
        number, kind="cutover", reason="A test.", actor_label="a test", check_gates=False, twilio=twilio
    )
    assert outcome.ok, outcome.message
    for _ in range(5):
        make_refused_call(phone_number=outcome.number)
    return outcome.number


def voice_url(twilio: FakeTwilio, number: PhoneNumber) -> str:
    return str(twilio.fetch(account_sid=number.account_sid, sid=number.twilio_sid)["voice_url"])


@pytest.fixture
def by_fake_twilio(monkeypatch: pytest.MonkeyPatch, twilio: FakeTwilio) -> None:
    """Rollbacks of the tasks go to the fake Twilio."""

    def roll_back(number: PhoneNumber, **fields: Any) -> Outcome:
        return rollback(number, twilio=twilio, pause=lambda _: None, **fields)

    monkeypatch.setattr(tasks, "rollback", roll_back)


@pytest.mark.usefixtures("by_fake_twilio")
def test_the_end_of_a_call_that_burns_the_rest_rolls_the_number_back(
    moved: PhoneNumber, twilio: FakeTwilio
) -> None:
    assert voice_url(twilio, moved) != VAPI
    last = make_call(phone_number=moved, status="in-progress", ended_at=None, ended_reason="")

    tasks.call_finish(
        call_id=str(last.id),
        ended_at=timezone.now().isoformat(),
        ended_reason="customer-ended-call",
        facts={},
    )
    tasks.budgets_check()

    moved.refresh_from_db()
    assert voice_url(twilio, moved) == VAPI
    assert (moved.state, moved.canary_percent) == (PhoneNumber.State.ROLLED_BACK, 0)
    (event,) = CutoverEvent.objects.filter(kind=CutoverEvent.Kind.ROLLBACK)
    assert event.actor_label == budget.ACTOR
    assert event.reason.startswith("Error budget burnt: 5 of 6 calls")
    assert [trip.outcome for trip in BudgetTrip.objects.all()] == [BudgetTrip.Outcome.ROLLED_BACK]


@pytest.mark.usefixtures("by_fake_twilio")
def test_a_rollback_that_twilio_does_not_take_asks_a_person(moved: PhoneNumber, twilio: FakeTwilio) -> None:
    twilio.trouble = dict.fromkeys(range(len(twilio.asked), len(twilio.asked) + 40), "lost")

    tasks.budgets_check()
    tasks.budgets_check()

    trip = BudgetTrip.objects.get()
    assert trip.outcome == BudgetTrip.Outcome.ASKS
    assert trip.message
    assert budget.trips_open(number=moved) == [trip]


def test_a_number_that_nobody_cut_over_costs_a_call_one_query_and_nothing_else(
    make_number: MakeNumber, django_assert_num_queries: Any
) -> None:
    call = make_call(phone_number=make_number(voice_url=VAPI))

    with django_assert_num_queries(1):
        tasks._budget_check(call.id)

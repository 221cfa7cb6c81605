"""The error budget: never on one call, never on too few, once per cutover, and then a person."""

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from assistants.tests.factories import make_assistant
from calls.cutover import budget
from calls.cutover.budget import Rule, Sample, burns
from calls.cutover.results import percentile, stack_results
from calls.models import BudgetRule, BudgetTrip, Call, FallbackCall, PhoneNumber
from calls.tests.factories import make_call, make_phone_number, make_problem, make_refused_call
from tools.models import ToolCall
from tools.tests.factories import make_tool_call

NOW = timezone.now()
samples = st.builds(
    Sample,
    at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(timezone.make_aware),  # noqa: DTZ001
    set_up=st.booleans(),
    tools_well=st.none() | st.booleans(),
    first_sound_ms=st.none() | st.integers(0, 20_000),
)


def sample(minutes_ago: int = 0, **fields: Any) -> Sample:
    return Sample(**{"at": NOW - timedelta(minutes=minutes_ago), "set_up": True, **fields})


def burnt(found: tuple[budget.Burn, ...]) -> set[str]:
    return {one.kind for one in found if one.burnt}


# --- Pure -----------------------------------------------------------------------------------------------------


@given(
    one=samples, least_calls=st.integers(1, 5), least_failures=st.integers(1, 5), percent=st.integers(1, 100)
)
def test_nothing_is_ever_burnt_by_one_call(
    one: Sample, least_calls: int, least_failures: int, percent: int
) -> None:
    rule = Rule(
        least_calls_n=least_calls,
        least_failures_n=least_failures,
        setup_percent=percent,
        tool_percent=percent,
        sound_percent=percent,
    )

    assert burnt(burns([one], rule)) == set()


@given(many=st.lists(samples, max_size=40), better=st.integers(0, 39))
def test_a_call_that_goes_well_instead_never_burns_more(many: list[Sample], better: int) -> None:
    if not many:
        return
    place = better % len(many)
    well = [
        replace(one, set_up=True, tools_well=one.tools_well and True, first_sound_ms=one.first_sound_ms and 1)
        if number == place
        else one
        for number, one in enumerate(many)
    ]
    improved = [
        replace(one, tools_well=True) if number == place and one.tools_well is not None else one
        for number, one in enumerate(well)
    ]

    assert burnt(burns(improved, Rule())) <= burnt(burns(many, Rule()))


@pytest.mark.parametrize(
    ("failed", "of", "is_burnt"),
    [
        (0, 20, False),
        (2, 20, False),
        (4, 20, False),
        (5, 20, True),
        (2, 4, False),
        (3, 5, True),
        (2, 5, False),
    ],
)
def test_setup_failures_burn_by_their_share_and_number(failed: int, of: int, is_burnt: bool) -> None:
    many = [sample(number, set_up=number >= failed) for number in range(of)]

    assert ("setup" in burnt(burns(many, Rule()))) == is_burnt


def test_only_the_last_calls_count() -> None:
    many = [sample(number, set_up=number < 20) for number in range(60)]

    assert burnt(burns(many, Rule())) == set()
    assert burnt(burns(reversed(many), Rule())) == set()


def test_calls_without_tools_do_not_dilute_those_with() -> None:
    many = [sample(number, tools_well=False if number < 4 else None) for number in range(20)]

    assert burnt(burns(many, Rule())) == set()
    assert burnt(burns([*many, sample(tools_well=False)], Rule(calls_n=30))) == {"tools"}


def test_slow_first_sounds_burn() -> None:
    many = [sample(number, first_sound_ms=9000 if number % 2 else 600) for number in range(20)]

    (_, _, sound) = burns(many, Rule())
    assert sound.burnt
    assert sound.words() == "10 of 20 calls had to wait too long for the first sound (50 %; 40 % may)."


# --- From rows ------------------------------------------------------------------------------------------------


def make_number(**fields: Any) -> PhoneNumber:
    """A number that was cut over an hour ago."""
    return make_phone_number(
        **{
            "assistant": make_assistant(published=True),
            "state": PhoneNumber.State.OURS,
            "cut_over_at": timezone.now() - timedelta(hours=1),
            **fields,
        }
    )


def fail(number: PhoneNumber, times: int = 5) -> None:
    for _ in range(times):
        make_refused_call(phone_number=number)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "problem", "set_up"),
    [
        ({}, "", True),
        ({"ended_reason": "call.in-progress.error-vapifault-worker-died"}, "", False),
        ({"ended_reason": "worker-shutdown"}, "", False),
        ({"started_at": None, "ended_at": None, "status": "ringing"}, "", None),
        ({"started_at": None}, "stream_error", False),
        ({"started_at": None}, "", None),
    ],
)
def test_a_call_counts_by_what_became_of_it(
    fields: dict[str, Any],
    problem: str,
    set_up: bool | None,  # a case of a table
) -> None:
    number = make_number()
    call = make_call(phone_number=number, **fields)
    if problem:
        make_problem(call=call, code=problem)

    at = call.created_at
    found = budget.samples_of(number, since=at - timedelta(hours=1), most=20, now=at)

    assert [one.set_up for one in found] == ([] if set_up is None else [set_up])


@pytest.mark.django_db
def test_a_stream_that_never_came_counts_once_it_is_too_late_for_it() -> None:
    number = make_number()
    make_call(phone_number=number, started_at=None, ended_at=None, status=Call.Status.RINGING)
    later = timezone.now() + timedelta(seconds=20)

    (found,) = budget.samples_of(number, since=later - timedelta(hours=1), most=20, now=later)

    assert not found.set_up


@pytest.mark.django_db
def test_calls_of_the_old_stack_of_smoke_tests_and_of_before_do_not_count() -> None:
    number = make_number()
    make_refused_call(phone_number=number, stack=Call.Stack.VAPI)
    make_refused_call(phone_number=number, smoke_test=True)
    old = make_refused_call(phone_number=number)
    Call.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=2))

    assert [one.of for one in budget.budget_state(number).burns] == [0, 0, 0]


@pytest.mark.django_db
def test_callers_who_took_the_way_back_count_as_not_set_up() -> None:
    number = make_number()
    for serial in range(4):
        FallbackCall.objects.create(number=number, kind="unseen", call_sid=f"CA{serial}", at=timezone.now())
    make_call(phone_number=number)

    setup, _, _ = budget.budget_state(number).burns

    assert (setup.failed, setup.of, setup.burnt) == (4, 5, True)


@pytest.mark.django_db
def test_tool_errors_count_by_call_and_open_ones_not_at_all() -> None:
    number = make_number()
    for status in (
        ToolCall.Status.FAILED,
        ToolCall.Status.TIMED_OUT,
        ToolCall.Status.ANSWERED,
        ToolCall.Status.SENT,
    ):
        call = make_call(phone_number=number)
        make_tool_call(call_id=call.id, status=status)
    both = make_call(phone_number=number)
    make_tool_call(call_id=both.id, status=ToolCall.Status.ANSWERED)
    make_tool_call(call_id=both.id, status=ToolCall.Status.FAILED)

    _, tools, _ = budget.budget_state(number).burns

    assert (tools.failed, tools.of) == (3, 4)


@pytest.mark.django_db
def test_a_numbers_own_rule_goes_before_that_of_all() -> None:
    number, other = make_number(), make_number()
    assert budget.rule_for(number) == Rule()

    BudgetRule.objects.create(setup_percent=50)
    BudgetRule.objects.create(number=number, setup_percent=10)

    assert budget.rule_for(number).setup_percent == 10
    assert budget.rule_for(other).setup_percent == 50


# --- What is done ---------------------------------------------------------------------------------------------


@dataclass
class Back:
    """Rolls back, or says why not."""

    ok: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)

    @dataclass(frozen=True)
    class Outcome:
        ok: bool
        message: str

    def __call__(self, number: PhoneNumber, reason: str) -> "Back.Outcome":
        self.asked.append((number.did, reason))
        if self.ok:
            PhoneNumber.objects.filter(pk=number.pk).update(
                state=PhoneNumber.State.ROLLED_BACK, cut_over_at=None
            )
        return Back.Outcome(self.ok, "Back." if self.ok else "Twilio could not be reached.")


@pytest.mark.django_db
def test_a_burnt_budget_rolls_back_once_and_says_why() -> None:
    number, back = make_number(), Back()
    fail(number)

    tripped = budget.budgets_check(roll_back=back)

    assert [one.outcome for one in tripped] == ["rolled_back"]
    assert back.asked == [
        (number.did, "Error budget burnt: 5 of 5 calls could not be set up, or broke off (100 %; 20 % may).")
    ]
    assert budget.budgets_check(roll_back=back) == []
    assert len(back.asked) == 1


@pytest.mark.django_db
def test_a_rollback_that_did_not_work_is_for_a_person_and_not_tried_again() -> None:
    number, back = make_number(), Back(ok=False)
    fail(number)

    budget.budgets_check(roll_back=back)
    budget.budgets_check(roll_back=back)

    assert len(back.asked) == 1
    trip = BudgetTrip.objects.get()
    assert (trip.outcome, trip.message) == ("asks", "Twilio could not be reached.")
    assert budget.budget_state(number).asks


@pytest.mark.django_db
def test_a_second_burn_in_the_same_cutover_asks_and_does_nothing() -> None:
    number, back = make_number(), Back()
    fail(number)
    budget.budget_check(number, roll_back=back)
    # Somebody has put it back by hand without a new cutover.
    PhoneNumber.objects.filter(pk=number.pk).update(
        state=PhoneNumber.State.OURS, cut_over_at=number.cut_over_at
    )

    budget.budget_check(number, roll_back=back)

    assert len(back.asked) == 1
    trip = BudgetTrip.objects.get()
    assert trip.outcome == "asks"
    assert "not rolled back by itself a second time" in trip.message


@pytest.mark.django_db
def test_a_rollback_that_died_in_the_middle_is_for_a_person_too() -> None:
    number, back = make_number(), Back()
    fail(number)
    assert number.cut_over_at is not None
    trip = BudgetTrip.objects.create(
        number=number, cut_over_at=number.cut_over_at, at=timezone.now(), words="Burnt."
    )

    budget.budget_check(number, roll_back=back)
    trip.refresh_from_db()
    assert trip.outcome == "trying"  # somebody may be just at it
    budget.budget_check(number, roll_back=back, now=timezone.now() + budget.TRYING_FOR + timedelta(seconds=1))

    trip.refresh_from_db()
    assert trip.outcome == "asks"
    assert back.asked == []


@pytest.mark.django_db
def test_a_new_cutover_has_a_new_budget() -> None:
    number, back = make_number(), Back()
    fail(number)
    budget.budget_check(number, roll_back=back)
    PhoneNumber.objects.filter(pk=number.pk).update(state=PhoneNumber.State.OURS, cut_over_at=timezone.now())
    number.refresh_from_db()

    assert not budget.budget_state(number).burnt
    fail(number)
    budget.budget_check(number, roll_back=back)

    assert len(back.asked) == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [{"state": "rolled_back"}, {"state": "changed"}, {"state": "on_vapi"}, {"cut_over_at": None}],
)
def test_a_number_that_is_not_with_us_is_left_alone(fields: dict[str, Any]) -> None:
    number, back = make_number(**fields), Back()
    fail(number)

    assert budget.budget_check(number, roll_back=back) is None
    assert back.asked == []


@pytest.mark.django_db
def test_a_budget_that_is_switched_off_is_shown_and_nothing_is_done() -> None:
    number, back = make_number(), Back()
    BudgetRule.objects.create(number=number, enabled=False)
    fail(number)

    assert budget.budget_check(number, roll_back=back) is None
    assert budget.budget_state(number).burnt


@pytest.mark.django_db(transaction=True)
def test_two_checks_at_the_same_moment_roll_back_once() -> None:
    number, back = make_number(), Back()
    fail(number)
    gate = threading.Barrier(4)

    def look() -> None:
        try:
            gate.wait(120)
            budget.budget_check(number, roll_back=back)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert len(back.asked) == 1


# --- Side by side ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_stacks_stand_side_by_side(django_assert_num_queries: Any) -> None:
    number, other = make_number(), make_number()
    well = make_call(phone_number=number, first_sound_ms=600)
    make_call(
        phone_number=number, first_sound_ms=1000, ended_reason="call.in-progress.error-vapifault-worker-died"
    )
    make_refused_call(phone_number=number)
    make_tool_call(call_id=well.id, status=ToolCall.Status.FAILED)
    make_tool_call(call_id=well.id, status=ToolCall.Status.ANSWERED)
    make_call(phone_number=number, stack=Call.Stack.VAPI, first_sound_ms=None)
    make_call(phone_number=number, stack=Call.Stack.VAPI, started_at=None, first_sound_ms=None)
    make_call(phone_number=number, smoke_test=True)
    until = timezone.now() + timedelta(seconds=1)

    with django_assert_num_queries(3):
        found = stack_results([number, other], since=until - timedelta(days=1), until=until)

    ours, theirs = found[number.pk]
    assert (ours.calls, ours.answered, ours.broke_off) == (3, 2, 2)
    assert (ours.tool_calls, ours.tool_errors) == (2, 1)
    assert (ours.first_sound_ms, ours.first_sound_p95_ms) == (600, 1000)
    assert ours.mean_duration_s == pytest.approx(125, abs=1)
    assert (theirs.calls, theirs.answered, theirs.broke_off, theirs.first_sound_ms) == (2, 1, 0, None)
    assert [one.calls for one in found[other.pk]] == [0, 0]


@pytest.mark.parametrize(
    ("values", "percent", "is_"),
    [([], 50, None), ([7], 50, 7), ([1, 2], 50, 1), ([1, 2, 3], 50, 2), (list(range(1, 101)), 95, 95)],
)
def test_percentiles_are_values_that_occurred(values: list[int], percent: int, is_: int | None) -> None:
    assert percentile(values, percent) == is_

"""Figures of days are the sums of their calls at any moment, and calls are read of changed days alone."""

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from assistants.tests.factories import make_assistant
from calls.costs.days import DayFigures, days_figures
from calls.costs.reckoning import call_reckon
from calls.models import Call, CallCost, CostDay, CostLine, DaysKept
from calls.reporting.keeping import days_forget, days_keep
from calls.tests.costs.factories import make_usage
from calls.tests.factories import make_call
from tools import shared_state

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("midday", "redis_client")]


def day_of(n: int) -> date:
    return timezone.now().date() - timedelta(days=n)


def costed(n: int, **fields: Any) -> CallCost:
    """A call of so many days ago, and what it cost."""
    call = make_call(**fields)
    make_usage(call)
    call_reckon(call_id=call.pk, now=timezone.now())
    CallCost.objects.filter(pk=call.pk).update(day=day_of(n))
    return CallCost.objects.get(pk=call.pk)


def plain(day: date) -> tuple[int, Decimal, int, Decimal]:
    """Calls, dollars, unknown lines and dollars by line, read one by one."""
    rows = list(CallCost.objects.filter(day=day))
    lines = CostLine.objects.filter(call__cost__day=day, superseded_at=None)
    return (
        len(rows),
        sum((one.total_usd for one in rows), Decimal(0)),
        sum(one.unpriced_n for one in rows),
        sum((one.amount_usd or Decimal(0) for one in lines), Decimal(0)),
    )


def told(figures: DayFigures) -> tuple[int, Decimal, int, Decimal]:
    of_all = list(figures.assistants.values())
    return (
        sum(one.calls_n for one in of_all),
        sum((one.usd for one in of_all), Decimal(0)),
        sum(one.unknown_n for one in of_all),
        sum((usd for usd, _ in figures.things.values()), Decimal(0)),
    )


def test_only_days_that_have_changed_are_read(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    assistant = make_assistant()
    for n in (0, 1, 1, 5):
        costed(n, assistant=assistant, smoke_test=n == 5)
    with django_assert_num_queries(4):
        first = days_figures(day_of(6), day_of(0))
    with django_assert_num_queries(1):
        again = days_figures(day_of(6), day_of(0))

    assert again == first
    assert list(first[day_of(1)].assistants) == [assistant.pk]
    assert first[day_of(1)].assistants[assistant.pk].calls_n == 2
    assert set(first) == {day_of(0), day_of(1), day_of(5)}, "smoke tests cost as well"

    costed(5)
    with django_assert_num_queries(4):
        changed = days_figures(day_of(6), day_of(0))
    assert changed[day_of(5)].assistants.keys() == {assistant.pk, None}
    assert changed[day_of(1)] == first[day_of(1)]


def test_whatever_changes_the_figures_are_the_sums_of_the_calls() -> None:
    choice = random.Random(20261122)  # noqa: S311  # the same each time
    rows = [costed(n) for n in (0, 1, 2)]
    for _ in range(8):
        row = choice.choice(rows)
        match choice.randrange(4):
            case 0:
                rows.append(costed(choice.randrange(3)))
            case 1:  # something is told late, and the call reckoned anew
                make_usage(row.call, usage=choice.choice([{}, {"output_tokens": 5}]))
                call_reckon(call_id=row.pk, now=timezone.now())
            case 2:  # it goes on
                CallCost.objects.filter(pk=row.pk).update(total_usd=Decimal(choice.randrange(100)) / 100)
                call_reckon(call_id=row.pk, now=timezone.now())
            case _:  # it counts for another day
                CallCost.objects.filter(pk=row.pk).update(day=day_of(choice.randrange(3)))
        figures = days_figures(day_of(2), day_of(0))
        for n in range(3):
            counted = plain(day_of(n))
            assert (told(figures[day_of(n)]) if day_of(n) in figures else (0, 0, 0, 0)) == counted


def test_without_redis_or_with_what_nobody_understands_all_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    costed(1)
    first = days_figures(day_of(1), day_of(0))
    name = shared_state.key("costs", "day", day_of(1).isoformat())
    shared_state.store().set(name, '{"mark": "0 of another release", "things": 7}')
    assert days_figures(day_of(1), day_of(0)) == first

    class Away:
        def mget(self, *_: Any) -> Any:
            raise redis.ConnectionError

        def pipeline(self, **_: Any) -> Any:
            raise redis.ConnectionError

    monkeypatch.setattr(shared_state, "store", Away)
    assert days_figures(day_of(1), day_of(0)) == first
    assert days_figures(day_of(9), day_of(8)) == {}


def happened(n: int, **fields: Any) -> CallCost:
    """A call that really was so many days ago, and what it cost."""
    call = make_call(**fields)
    Call.objects.filter(pk=call.pk).update(created_at=timezone.now() - timedelta(days=n))
    make_usage(call)
    call_reckon(call_id=call.pk, now=timezone.now())
    return CallCost.objects.select_related("call").get(pk=call.pk)


def fresh() -> dict[date, DayFigures]:
    """The figures of all days with nothing remembered."""
    for place in shared_state.store().scan_iter(shared_state.key("costs", "day", "*")):
        shared_state.store().delete(place)
    return days_figures(day_of(5), day_of(0))


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 12))])
def test_what_is_taken_from_kept_days_is_what_reading_every_line_gives(seed: int) -> None:
    choice = random.Random(seed)  # noqa: S311  # the same each time
    assistants = [make_assistant(), None]
    rows = [happened(n, smoke_test=n == 2, assistant=choice.choice(assistants)) for n in (0, 1, 2, 2, 3)]
    for _ in range(5):
        row = choice.choice(rows)
        match choice.randrange(5):
            case 0:
                days_keep(seconds=60, patient=False, until=day_of(choice.randrange(1, 4)))
            case 1:
                fields = {
                    "smoke_test": choice.random() < 0.4,
                    "direction": choice.choice(["inbound", "outbound"]),
                }
                rows.append(happened(choice.randrange(4), assistant=choice.choice(assistants), **fields))
            case 2:  # something is told late, on a day that may be kept
                make_usage(row.call, usage=choice.choice([{}, {"output_tokens": 5}]))
                call_reckon(call_id=row.pk, now=timezone.now())
            case 3:  # what was scheduled ran
                Call.objects.filter(pk=row.pk, direction="outbound").update(
                    started_at=timezone.now() - timedelta(days=1), ended_at=timezone.now()
                )
                call_reckon(call_id=row.pk, now=timezone.now())
            case _:
                row.call.delete()
                rows.remove(row)
        told_with = fresh()
        days_forget()
        assert fresh() == told_with
        days_keep(seconds=60, patient=False, until=day_of(1))
        assert fresh() == told_with


def test_the_lines_of_a_kept_day_are_not_read() -> None:
    happened(2)
    days_keep(seconds=60, patient=False, until=day_of(1))
    CostDay.objects.update(usd=7)

    assert [usd for usd, _ in fresh()[day_of(2)].things.values()] == [7] * CostDay.objects.count()
    # Somebody else defines them otherwise: they are not believed.
    DaysKept.objects.update(definition="another")
    assert 7 not in [usd for usd, _ in fresh()[day_of(2)].things.values()]


def test_a_day_that_is_kept_while_its_costs_are_read_is_read_whole() -> None:
    happened(2)
    expected = fresh()[day_of(2)].things

    def and_then_kept(execute: Any, statement: str, *rest: Any) -> Any:
        done = execute(statement, *rest)
        if statement.startswith("SELECT") and "calls_costday" in statement and not kept:
            kept.append(True)
            days_keep(seconds=60, patient=False, until=day_of(1))
        return done

    kept: list[bool] = []
    with connection.execute_wrapper(and_then_kept):
        assert fresh()[day_of(2)].things == expected
    assert kept

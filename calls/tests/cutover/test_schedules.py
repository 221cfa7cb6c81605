"""One number after the other, on chosen days and hours, until one does not go well."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from calls.cutover import services
from calls.cutover.calendar import Hours, due_days, next_due
from calls.cutover.gates import Gate
from calls.cutover.schedules import (
    ScheduleError,
    schedule_cancel,
    schedule_create,
    schedule_pause,
    schedule_resume,
    schedules_run,
)
from calls.cutover.services import operations_recover
from calls.models import CutoverEvent, CutoverOperation, CutoverSchedule, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.test_operations import as_after_a_crash, move
from calls.tests.cutover.twilio import FakeTwilio

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 11, 23)


def hours(**fields: Any) -> Hours:
    defaults: dict[str, Any] = {
        "zone": BERLIN,
        "starts_on": MONDAY,
        "weekdays": frozenset(range(5)),
        "from_time": time(10),
        "until_time": time(16),
    }
    return Hours(**{**defaults, **fields})


def berlin(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN)


def gate(*, passed: bool) -> Gate:
    return Gate("smoke_test", "Smoke test", passed, "No smoke test yet.", "Run one.", timezone.now())


@pytest.fixture(autouse=True)
def gates(monkeypatch: pytest.MonkeyPatch) -> list[Gate]:
    """The gates of every number, all open."""
    found = [gate(passed=True)]
    monkeypatch.setattr(services, "gates_for", lambda _: found)
    return found


def schedule_of(*numbers: PhoneNumber, **fields: Any) -> CutoverSchedule:
    defaults: dict[str, Any] = {
        "numbers": numbers,
        "name": "A week",
        "reason": "as planned",
        "zone": "Europe/Berlin",
        "starts_on": MONDAY,
        "actor_label": "ops",
    }
    return schedule_create(**{**defaults, **fields})


def run(at: datetime, twilio: FakeTwilio) -> list[str]:
    return [outcome.result for outcome in schedules_run(now=at, twilio=twilio, pause=lambda _: None)]


# --- When (pure) ----------------------------------------------------------------------------------------------


def test_a_week_is_one_number_a_working_day() -> None:
    due = due_days(hours(), now=berlin(21, 9), count=6)

    assert [at.astimezone(BERLIN).strftime("%a %d %H:%M") for at in due] == [
        "Mon 23 10:00",
        "Tue 24 10:00",
        "Wed 25 10:00",
        "Thu 26 10:00",
        "Fri 27 10:00",
        "Mon 30 10:00",
    ]


def test_several_a_day_keep_their_distance_and_the_rest_waits_for_tomorrow() -> None:
    due = due_days(hours(per_day=3, spacing=timedelta(hours=4)), now=berlin(23, 11), count=3)

    assert [at.astimezone(BERLIN).strftime("%d %H:%M") for at in due] == ["23 11:00", "23 15:00", "24 10:00"]


def test_a_missed_day_is_not_made_up_for() -> None:
    due = due_days(hours(), now=berlin(25, 17), count=2)

    assert [at.astimezone(BERLIN).day for at in due] == [26, 27]


def test_the_clocks_of_the_time_zone_count() -> None:
    summer = Hours(BERLIN, date(2026, 10, 24), frozenset(range(7)), time(10), time(16))

    due = due_days(summer, now=datetime(2026, 10, 24, 0, tzinfo=UTC), count=2)

    assert [at.hour for at in due] == [8, 9]  # the clocks went back in between


@given(
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # Hypothesis adds it
    weekdays=st.frozensets(st.integers(0, 6), min_size=1),
    begin=st.integers(0, 22),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kolkata", "UTC"]),
)
def test_no_number_is_ever_moved_outside_of_the_hours(
    now: datetime, weekdays: frozenset[int], begin: int, zone: str
) -> None:
    chosen = Hours(ZoneInfo(zone), date(2026, 3, 1), weekdays, time(begin), time(begin + 1), per_day=2)

    due = next_due(chosen, now=now, moved_at=[now - timedelta(minutes=5)])

    assert due is not None
    assert due >= now
    assert chosen.is_open(due)


# --- By the beat ----------------------------------------------------------------------------------------------


def test_numbers_are_moved_day_by_day_until_all_are(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    first, second = make_number(), make_number()
    schedule = schedule_of(first, second)

    assert run(berlin(23, 9, 59), twilio) == []
    assert run(berlin(23, 10), twilio) == ["done"]
    assert run(berlin(23, 15), twilio) == []
    assert run(berlin(24, 10), twilio) == ["done"]

    schedule.refresh_from_db()
    assert schedule.status == "done"
    assert set(PhoneNumber.objects.values_list("state", flat=True)) == {"ours"}
    event = CutoverEvent.objects.get(number=first, kind="cutover")
    assert (event.actor_label, event.reason) == ("schedule", "as planned (schedule “A week” by ops)")


def test_it_stops_by_itself_at_a_gate(make_number: MakeNumber, twilio: FakeTwilio, gates: list[Gate]) -> None:
    number = make_number()
    schedule = schedule_of(number, make_number())
    gates[:] = [gate(passed=False)]

    assert run(berlin(23, 10), twilio) == ["gate"]
    assert run(berlin(24, 10), twilio) == []

    schedule.refresh_from_db()
    assert schedule.status == "stopped"
    assert schedule.stopped_because == f"{number.did}: Smoke test: No smoke test yet. Run one."
    assert not twilio.written

    gates[:] = [gate(passed=True)]
    assert schedule_resume(schedule, actor_label="ops")
    assert run(berlin(24, 10), twilio) == ["done"]  # the one that did not go well is tried again


def test_an_overridden_gate_does_not_stop_it(
    make_number: MakeNumber, twilio: FakeTwilio, gates: list[Gate]
) -> None:
    number = make_number()
    gates[:] = [gate(passed=False)]
    schedule_of(number, overrides=[{"gate": "smoke_test", "reason": "done by hand"}])

    assert run(berlin(23, 10), twilio) == ["done"]
    event = CutoverEvent.objects.get(number=number, kind="cutover")
    assert event.overrides == [{"gate": "smoke_test", "reason": "done by hand"}]


def test_it_stops_by_itself_when_a_move_does_not_succeed(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    schedule = schedule_of(make_number(), make_number())
    twilio.trouble = {1: "refused"}

    assert run(berlin(23, 10), twilio) == ["failed"]

    schedule.refresh_from_db()
    assert schedule.status == "stopped"


def test_it_stops_by_itself_when_a_number_it_moved_has_gone_back(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    first, second = make_number(), make_number()
    schedule = schedule_of(first, second)
    run(berlin(23, 10), twilio)
    assert move(first, twilio, "rollback").result == "done"

    assert run(berlin(24, 10), twilio) == []

    schedule.refresh_from_db()
    assert schedule.status == "stopped"
    assert f"{first.did}, which this schedule has moved, is “Rolled back” now" in schedule.stopped_because
    second.refresh_from_db()
    assert second.state == "on_vapi"


def test_a_move_that_twilio_keeps_waiting_is_waited_for(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    schedule = schedule_of(number)
    twilio.trouble = dict.fromkeys(range(2, 50), "lost")

    assert run(berlin(23, 10), twilio) == ["pending"]
    assert run(berlin(23, 10, 1), twilio) == []
    twilio.trouble = {}
    as_after_a_crash()
    operations_recover(twilio=twilio)

    assert run(berlin(23, 10, 2), twilio) == ["done"]
    schedule.refresh_from_db()
    assert schedule.status == "done"


def test_a_number_that_somebody_is_busy_with_comes_later(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    schedule_of(number)
    operation = CutoverOperation.objects.create(
        number=number, kind="cutover", from_state="on_vapi", actor_label="ops", beat_at=timezone.now()
    )

    assert run(berlin(23, 10), twilio) == ["busy"]
    CutoverOperation.objects.filter(pk=operation.pk).update(status="failed")
    assert run(berlin(23, 10, 1), twilio) == ["done"]


def test_a_worker_that_died_before_it_began_stops_it(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    schedule = schedule_of(make_number())
    schedule.items.update(status="running", started_at=berlin(23, 10))

    assert run(berlin(23, 10, 5), twilio) == []
    assert run(berlin(23, 10, 11), twilio) == ["failed"]


def test_it_can_be_paused_resumed_and_cancelled(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    schedule = schedule_of(number)

    assert schedule_pause(schedule, actor_label="ops")
    assert not schedule_pause(schedule, actor_label="ops")
    assert run(berlin(23, 10), twilio) == []
    assert schedule_resume(schedule, actor_label="ops")
    assert schedule_cancel(schedule, actor_label="ops")
    assert run(berlin(23, 10), twilio) == []

    schedule.refresh_from_db()
    assert (schedule.status, schedule.items.get().status) == ("cancelled", "dropped")
    reasons = list(CutoverEvent.objects.filter(number=number).order_by("id").values_list("reason", flat=True))
    assert [reason.split()[0].strip(":") for reason in reasons] == ["Put", "Paused", "Resumed", "Cancelled"]
    schedule_of(number)  # free for another one


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"zone": "Mars/Olympus"}, "no time zone"),
        ({"weekdays": []}, "one day of the week"),
        ({"from_time": time(16), "until_time": time(10)}, "begin before they end"),
        ({"reason": " "}, "Say why"),
        ({"numbers": []}, "at least one number"),
        ({"per_day": 0}, "At least one number a day"),
        ({"kind": "canary", "percent": 0}, "at least 1 percent"),
        ({"kind": "canary", "percent": 101}, "between 0 and 100"),
    ],
)
def test_what_makes_no_schedule_is_said(make_number: MakeNumber, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        schedule_of(make_number(), **fields)


def test_a_number_is_on_one_schedule_only_and_has_to_be_movable(make_number: MakeNumber) -> None:
    number = make_number()
    schedule_of(number)
    with pytest.raises(ScheduleError, match="Already on another schedule"):
        schedule_of(number)

    bought = make_number()
    PhoneNumber.objects.filter(pk=bought.pk).update(provider="vapi")
    bought.refresh_from_db()
    with pytest.raises(ScheduleError, match="ported"):
        schedule_of(bought)

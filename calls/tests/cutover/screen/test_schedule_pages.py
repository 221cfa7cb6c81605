"""Schedules: begun from the list, shown with their dates, paused, resumed and cancelled."""

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from calls.models import CutoverSchedule
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.screen.conftest import MakeClient
from calls.tests.cutover.screen.test_moving import chosen

pytestmark = pytest.mark.django_db


def filled(*dids: str, **fields: Any) -> dict[str, Any]:
    """The form as somebody fills it."""
    return {
        "name": "The first week",
        "numbers": "\n".join(dids),
        "kind": "cutover",
        "percent": "",
        "per_day": "1",
        "spacing_minutes": "60",
        "starts_on": "2035-01-01",  # a Monday
        "weekdays": ["0", "1", "2", "3", "4"],
        "from_time": "10:00",
        "until_time": "16:00",
        "zone": "Europe/Berlin",
        "reason": "One number a day",
        **fields,
    }


def test_one_number_a_day_for_a_week_is_shown_and_begun_once(mover: Client, make_number: MakeNumber) -> None:
    numbers = [make_number() for _ in range(7)]
    dids = [number.did for number in reversed(numbers)]
    start = chosen(mover, "put_on_schedule", *numbers)
    assert mover.get(start).status_code == 200

    shown = mover.post(start, {"show": "1", **filled(*dids)})
    assert [(did, at.strftime("%a %d %H:%M")) for did, at in shown.context["dates"]][4:6] == [
        (dids[4], "Fri 05 10:00"),
        (dids[5], "Mon 08 10:00"),
    ]
    assert not CutoverSchedule.objects.exists()

    order = {"begin": "1", **filled(*dids)}
    done = mover.post(start, order, follow=True)
    again = mover.post(start, order, follow=True)

    schedule = CutoverSchedule.objects.get()
    assert [item.number.did for item in schedule.items.order_by("position")] == dids
    assert (schedule.reason, schedule.timezone, schedule.starts_on) == (
        "One number a day",
        "Europe/Berlin",
        date(2035, 1, 1),
    )
    assert "if all goes well" in done.content.decode()
    assert "begun already" in again.content.decode()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"zone": "Mars/Olympus"}, "There is no time zone"),
        ({"weekdays": []}, "at least one day"),
        ({"from_time": "17:00"}, "must begin before they end"),
        ({"per_day": "0"}, "greater than or equal to 1"),
        ({"kind": "canary"}, "Enter a share"),
        ({"reason": " "}, "required"),
        ({"numbers": "+19999999999"}, "Not among the numbers"),
    ],
)
def test_what_makes_no_schedule_is_told_beside_its_field(
    mover: Client, make_number: MakeNumber, fields: dict[str, Any], told: str
) -> None:
    number = make_number()
    start = chosen(mover, "put_on_schedule", number)

    shown = mover.post(start, {"begin": "1", **filled(number.did, **fields)}).content.decode()

    assert told in shown
    assert 'role="alert"' in shown
    assert not CutoverSchedule.objects.exists()


def test_a_number_on_another_schedule_is_told(mover: Client, make_number: MakeNumber) -> None:
    number = make_number()
    mover.post(chosen(mover, "put_on_schedule", number), {"begin": "1", **filled(number.did)})

    start = chosen(mover, "put_on_schedule", number)
    shown = mover.post(start, {"begin": "1", **filled(number.did)}).content.decode()

    assert "Already on another schedule" in shown
    assert CutoverSchedule.objects.count() == 1


def test_numbers_that_cannot_be_moved_stay_out_of_a_schedule(mover: Client, make_number: MakeNumber) -> None:
    good, fax = make_number(), make_number(voice_receive_mode="fax")
    start = chosen(mover, "put_on_schedule", good, fax)

    shown = mover.get(start)

    assert shown.context["form"].initial["numbers"] == good.did
    assert "receives faxes" in shown.content.decode()


def test_overrides_of_a_schedule_need_the_right_and_a_reason(
    somebody: MakeClient, mover: Client, make_number: MakeNumber
) -> None:
    number = make_number()
    extra = {"override_doctor": "on", "override_doctor_reason": "agreed"}
    start = chosen(mover, "put_on_schedule", number)
    assert mover.post(start, {"begin": "1", **filled(number.did), **extra}).status_code == 403
    boss = somebody("view_phonenumber", "cut_over_phonenumber", "override_gate")
    start = chosen(boss, "put_on_schedule", number)
    boss.post(start, {"begin": "1", **filled(number.did), **extra})

    assert CutoverSchedule.objects.get().overrides == [{"gate": "doctor", "reason": "agreed"}]


def test_a_schedule_is_paused_resumed_and_cancelled(mover: Client, make_number: MakeNumber) -> None:
    number = make_number()
    mover.post(chosen(mover, "put_on_schedule", number), {"begin": "1", **filled(number.did)})
    schedule = CutoverSchedule.objects.get()

    def turn(word: str) -> str:
        url = reverse("admin:calls_cutoverschedule_turn", args=[schedule.pk, word])
        shown = mover.post(url, follow=True).content.decode()
        schedule.refresh_from_db()
        return shown

    assert "Paused." in turn("pause")
    assert schedule.status == "paused"
    assert "nothing to pause" in turn("pause")
    turn("resume")
    assert schedule.status == "running"
    turn("cancel")
    assert schedule.status == "cancelled"
    assert (
        mover.post(reverse("admin:calls_cutoverschedule_turn", args=[schedule.pk, "explode"])).status_code
        == 403
    )


def test_a_stopped_schedule_says_why(mover: Client, make_number: MakeNumber) -> None:
    number = make_number()
    mover.post(chosen(mover, "put_on_schedule", number), {"begin": "1", **filled(number.did)})
    CutoverSchedule.objects.update(status="stopped", stopped_because="The doctor found trouble.")
    schedule = CutoverSchedule.objects.get()

    shown = mover.get(reverse("admin:calls_cutoverschedule_change", args=[schedule.pk])).content.decode()

    assert "It stopped by itself." in shown
    assert "The doctor found trouble." in shown
    assert mover.get(reverse("admin:calls_cutoverschedule_changelist") + "?q=week").status_code == 200

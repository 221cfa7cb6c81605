"""Outbound calls in the admin: the list, calling one off, and placing one."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.models import Call, CallVariables, Placing
from calls.placing.dialling import Dialled
from calls.tests.placing.desk import CALLEE, Desk

PLACE = reverse("admin:calls_placing_place")
LIST = reverse("admin:calls_placing_changelist")


def staff(*rights: str) -> Client:
    """Somebody of the staff with these rights."""
    user = User.objects.create_user(f"ops{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def form(desk: Desk, **changes: Any) -> dict[str, Any]:
    fields = {
        "assistant": str(desk.assistant.pk),
        "phone_number": str(desk.number.pk),
        "number": "+1 312 555 0177",
    }
    return {**fields, **changes}


def test_somebody_is_called_with_values_and_their_name(desk: Desk, kicked: list[str]) -> None:
    ops = staff("place_call", "view_placing")
    page = ops.get(f"{PLACE}?assistant={desk.assistant.pk}")
    assert f'value="{desk.assistant.pk}" selected' in page.content.decode()

    answer = ops.post(PLACE, form(desk, name="Ann", variables='{"clinic": "Riverbend"}'))

    call = Call.objects.get()
    assert answer["Location"] == reverse("admin:calls_placing_change", args=[call.pk])
    assert (call.caller, call.status, kicked) == (CALLEE, "queued", ["placings_dial"])
    values = CallVariables.objects.get(pk=call.pk).values
    assert values["clinic"] == "Riverbend"
    assert values["customer"]["name"] == "Ann"
    shown = ops.get(answer["Location"]).content.decode()
    assert "Ann" in shown
    assert "Call it off" in shown
    assert (
        ops.post(PLACE, form(desk, name="Ann", variables='{"clinic": "Riverbend"}'))["Location"]
        == answer["Location"]
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"number": "3125550177"}, "E.164"),
        ({"number": "+19005550123"}, "premium-rate"),
        ({"variables": "[1]"}, "An object is due"),
        ({"variables": "{"}, "This is no JSON."),
        ({"variables": '{"a": "\\u0000"}'}, "null character"),
        ({"variables": '{"a": "\\ud800"}'}, "This is no JSON."),
        ({"variables": '{"a": NaN}'}, "This is no JSON."),
        ({"earliest_at": "tomorrow"}, "Write it as"),
        ({"earliest_at": "2020-01-01 09:00"}, "has passed"),
        ({"assistant": ""}, "required"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_said_on_the_page(desk: Desk, changes: dict[str, str], words: str) -> None:
    answer = staff("place_call").post(PLACE, form(desk, **changes))

    assert words in answer.content.decode()
    assert not Call.objects.exists()


def test_a_scheduled_call_stands_in_the_list_and_is_called_off(desk: Desk) -> None:
    ops = staff("place_call", "view_placing")
    at = timezone.now() + timedelta(days=1)
    ops.post(PLACE, form(desk, earliest_at=f"{at:%Y-%m-%d %H:%M}"))
    call = Call.objects.get()
    assert "Scheduled" in ops.get(f"{LIST}?stage=ahead").content.decode()
    assert CALLEE not in ops.get(f"{LIST}?stage=over").content.decode()

    url = reverse("admin:calls_placing_call_off", args=[call.pk])
    assert staff("view_placing").post(url).status_code == 403
    told = ops.post(url, follow=True).content.decode()

    assert "The call is off." in told
    assert Call.objects.get().ended_reason == "manually-canceled"
    assert "is over" in ops.post(url, follow=True).content.decode()


def test_many_calls_are_called_off_at_once_and_those_that_are_over_are_told_of(
    desk: Desk, kicked: list[str]
) -> None:
    told = [desk.place(name=str(n)) for n in range(4)]
    over, *waiting = [desk.call(one).pk for one in told]
    Call.objects.filter(pk=over).update(status="ended", ended_at=timezone.now())
    chosen = {"action": "call_off_chosen", "_selected_action": [str(one) for one in (over, *waiting[:2])]}
    kicked.clear()

    assert "Call off" not in staff("view_placing").get(LIST).content.decode()
    staff("view_placing").post(LIST, chosen)
    assert Call.objects.filter(status="queued").count() == 3
    page = staff("view_placing", "place_call").post(LIST, chosen, follow=True).content.decode()

    assert "2 calls are off." in page
    assert "1 was answered meanwhile, or over." in page
    assert Call.objects.get(status="queued").pk == waiting[2]
    assert (LogEntry.objects.count(), kicked) == (2, ["calls_hang_up"])
    assert desk.dial() == [Dialled.PLACED]


def test_only_who_may_place_calls_sees_the_form(desk: Desk) -> None:
    onlooker = staff("view_placing")

    assert onlooker.get(PLACE).status_code == 403
    assert PLACE not in onlooker.get(LIST).content.decode()


def test_odd_rows_are_shown_and_queries_do_not_grow(desk: Desk, django_assert_max_num_queries: Any) -> None:
    for n in range(3):
        desk.place(name=str(n), customer={"number": CALLEE, "name": "<b>" + "x" * 30})
    Call.objects.update(caller="", assistant=None, version=None)
    Placing.objects.update(customer={})
    ops = staff("place_call", "view_placing")
    ops.get(LIST)  # permissions and content types are remembered

    with django_assert_max_num_queries(16):
        page = ops.get(LIST).content.decode()

    assert page.count("Deleted") >= 3
    assert (
        "a deleted number"
        in ops.get(reverse("admin:calls_placing_change", args=[Call.objects.all()[0].pk])).content.decode()
    )

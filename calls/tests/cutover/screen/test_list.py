"""The list of all numbers: what a row tells, filters, and how much it asks of the database."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Assistant
from calls.cutover.schedules import schedule_create
from calls.models import Call, CutoverEvent, PhoneNumber, SmokeRun
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.screen.conftest import MakeClient
from calls.tests.cutover.screen.test_moving import LIST
from calls.tests.factories import make_call, make_phone_number, make_problem, make_refused_call

pytestmark = pytest.mark.django_db


def asked(client: Client, query: str = "") -> int:
    """How many queries the list takes."""
    client.get(LIST + query)  # content types and rights are remembered
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(LIST + query).status_code == 200
    return len(queries)


def busy_number(desk: Assistant, make_number: MakeNumber) -> PhoneNumber:
    """A number with calls on both stacks, a verdict, a history and a schedule."""
    number = make_number()
    PhoneNumber.objects.filter(pk=number.pk).update(state="canary", canary_percent=20)
    make_problem(call=make_call(phone_number=number))
    make_call(phone_number=number)
    make_refused_call(phone_number=number)
    make_call(phone_number=number, stack="vapi", ended_reason="pipeline-error-openai")
    make_call(phone_number=number, stack="vapi")
    make_call(phone_number=number, smoke_test=True)
    old = make_call(phone_number=number)
    Call.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=30))
    SmokeRun.objects.create(
        number=number,
        assistant=desk,
        assistant_version=desk.live_version,
        fingerprint="f" * 16,
        snapshot={},
        status=SmokeRun.Status.DONE,
        outcome=SmokeRun.Outcome.PASS,
        verdict={"rate": 0.021, "upper": 0.048},
        finished_at=timezone.now(),
    )
    schedule_create(
        numbers=[number],
        name="One a day",
        reason="r",
        zone="Europe/Berlin",
        starts_on=date(2035, 1, 1),
        actor_label="olga",
    )
    return number


def row_of(client: Client, number: PhoneNumber) -> Any:
    """The row of the list with what it shows."""
    found = client.get(LIST).context["cl"].result_list
    return next(row for row in found if row.pk == number.pk)


def test_a_row_tells_calls_and_errors_of_both_stacks_the_verdict_the_last_change_and_the_schedule(
    mover: Client, desk: Assistant, make_number: MakeNumber
) -> None:
    number = busy_number(desk, make_number)

    row = row_of(mover, number)
    shown = mover.get(LIST).content.decode()

    assert row.day == {"calls": 5, "errors": 3, "ours": 3, "ours_errors": 2, "theirs": 2, "theirs_errors": 1}
    assert (row.calls_n, row.errors_n) == (5, 3)
    assert row.drift["outcome"] == "pass"
    assert "2.1 %" in shown
    assert "Canary 20 %" in shown
    assert (row.last_who, row.last_kind) == ("olga", "schedule")
    assert row.due[1] == 1
    assert row.due[2].date() == date(2035, 1, 1)


def test_more_numbers_do_not_take_more_queries(
    mover: Client, desk: Assistant, make_number: MakeNumber
) -> None:
    busy_number(desk, make_number)
    few = asked(mover)
    for _ in range(5):
        busy_number(desk, make_number)

    assert asked(mover) == few


def test_hundreds_of_numbers_are_listed_searched_and_previewed_with_few_queries(
    mover: Client, desk: Assistant, settings: Settings
) -> None:
    PhoneNumber.objects.bulk_create(
        PhoneNumber(
            did=f"+1202{n:07}", label=f"Shop {n}", assistant=desk, twilio_sid=f"PN{n:032}", account_sid="AC" + "0" * 32,
            state="on_vapi", answered_by="vapi", config={"voice_url": "https://api.vapi.ai/twilio/inbound_call"},
        )
        for n in range(500)
    )  # fmt: skip
    numbers = list(PhoneNumber.objects.all())
    CutoverEvent.objects.bulk_create(
        CutoverEvent(
            number=one,
            kind="found",
            from_state="on_vapi",
            to_state="on_vapi",
            actor_label="sync",
            at=timezone.now(),
        )
        for one in numbers
    )
    Call.objects.bulk_create(
        Call(phone_number=one, did=one.did, call_sid=f"CA{one.pk.hex}", status="ended") for one in numbers
    )

    assert asked(mover) <= 25
    assert asked(mover, "?o=-4.-7&p=3") <= 25
    assert len(mover.get(LIST + "?q=(202)+000-0499").context["cl"].result_list) == 1

    order = {
        "action": "move_cutover",
        "index": "0",
        "select_across": "1",
        "_selected_action": [str(numbers[0].pk)],
    }
    with CaptureQueriesContext(connection) as queries:
        answer = mover.post(LIST, order)
    assert "/preview/" in answer.headers["Location"]
    assert len(queries) <= 60
    page = mover.get(answer.headers["Location"])
    assert page.context["counts"].total == 500
    assert len(page.context["rows"]) == 25


@pytest.mark.parametrize(
    "query",
    [
        "problem=yes",
        "state__exact=changed",
        "answered_by__exact=url",
        "assistant=none",
        "account=AC" + "9" * 32,
    ],
)
def test_each_filter_finds_the_number_that_it_is_for(
    mover: Client, make_number: MakeNumber, query: str
) -> None:
    make_number()
    wanted = make_number()
    PhoneNumber.objects.filter(pk=wanted.pk).update(
        state="changed",
        state_before_change="ours",
        answered_by="url",
        assistant=None,
        account_sid="AC" + "9" * 32,
    )

    assert [row.pk for row in mover.get(f"{LIST}?{query}").context["cl"].result_list] == [wanted.pk]


def test_problems_are_what_somebody_should_look_at(mover: Client, make_number: MakeNumber) -> None:
    gone, failed, unanswered, well = make_number(), make_number(), make_number(), make_number()
    PhoneNumber.objects.filter(pk=gone.pk).update(missing_at=timezone.now())
    PhoneNumber.objects.filter(pk=unanswered.pk).update(state="ours", assistant=None)
    failed.operations.create(
        kind="cutover", status="failed", from_state="on_vapi", actor_label="olga", beat_at=timezone.now()
    )

    found = {row.pk for row in mover.get(f"{LIST}?problem=yes").context["cl"].result_list}
    rest = {row.pk for row in mover.get(f"{LIST}?problem=no").context["cl"].result_list}

    assert found == {gone.pk, failed.pk, unanswered.pk}
    assert rest == {well.pk}


@pytest.mark.parametrize("column", range(1, 9))
def test_every_column_sorts(mover: Client, desk: Assistant, make_number: MakeNumber, column: int) -> None:
    busy_number(desk, make_number)
    make_number()

    assert len(mover.get(f"{LIST}?o=-{column}").context["cl"].result_list) == 2


def test_nonsense_in_a_filter_finds_nothing(mover: Client, make_number: MakeNumber) -> None:
    make_number()

    assert not mover.get(f"{LIST}?assistant=%00x").context["cl"].result_list


# --- Empty, and reading


def test_an_empty_list_says_what_to_do(mover: Client, somebody: MakeClient, settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID = ""
    assert "does not know a Twilio account" in mover.get(LIST).content.decode()
    settings.TWILIO_ACCOUNT_SID = "AC" + "0" * 32
    assert "Read the numbers from Twilio" in mover.get(LIST).content.decode()
    viewer = somebody("view_phonenumber").get(LIST).content.decode()
    assert "Ask somebody who may assign or cut over" in viewer


def test_numbers_are_read_and_what_came_of_it_is_told(mover: Client, twilio: Any, settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID = twilio.accounts_held.main.sid
    twilio.numbers.seed(3)

    shown = mover.post(reverse("admin:calls_cutovernumber_read"), follow=True).content.decode()

    assert "3 numbers read, 3 new." in shown
    assert PhoneNumber.objects.count() == 3


def test_a_number_with_odd_data_is_still_listed_and_opened(mover: Client) -> None:
    number = make_phone_number(
        label="<b>" + "x" * 70,
        config={"voice_url": ["a"], "trunk_sid": 5},
        state="changed",
        expected={"voice_url": "https://x/"},
    )
    number.operations.create(
        kind="cutover", status="failed", from_state="on_vapi", actor_label="olga", beat_at=timezone.now(),
        steps=["odd", {"at": 3}], differences=["odd", {"field": "voice_url"}],
    )  # fmt: skip
    CutoverEvent.objects.create(
        number=number, kind="changed", from_state="ours", to_state="changed", actor_label="watch", at=timezone.now(),
        before={"x": {"y": 1}}, overrides=["odd", {}], differences=[None],
    )  # fmt: skip

    assert "&lt;b&gt;" in mover.get(LIST).content.decode()
    assert mover.get(reverse("admin:calls_cutovernumber_change", args=[number.pk])).status_code == 200

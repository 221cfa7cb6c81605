"""Whose turn it is when time has passed: what is late is not dialled, and what waited runs on what is so by now."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from assistants.models import AssistantVersion
from calls.dialling.ordering import CallOrder, NeverSentError, NotPlacedError
from calls.models import Call, PhoneNumber, Placing, TwilioAccount
from calls.placing import tasks
from calls.placing.dialling import Dialled
from calls.placing.turns import placing_take, placings_give_up
from calls.tests.factories import make_phone_number
from calls.tests.placing.desk import ACCOUNT, CALLEE, Desk

NOW = timezone.now
OTHER_ACCOUNT = "AC" + "2" * 32


def published(desk: Desk, **placing: Any) -> AssistantVersion:
    """A new version of the assistant, in force from now on."""
    live = desk.assistant.live_version
    assert live is not None
    newer = AssistantVersion.objects.create(
        assistant=desk.assistant,
        number=live.number + 1,
        snapshot={**live.snapshot, "placing": placing},
    )
    desk.assistant.live_version = newer
    desk.assistant.save()
    return newer


def test_nobody_is_called_after_the_last_moment_however_late_the_worker_comes(desk: Desk) -> None:
    until = NOW() + timedelta(minutes=5)
    told = desk.place(schedulePlan={"earliestAt": NOW().isoformat(), "latestAt": until.isoformat()})
    late = until + timedelta(seconds=10)

    assert desk.dial(now=late) == []

    assert [one.pk for one in placings_give_up(now=late)] == [desk.call(told).pk]
    assert desk.call(told).ended_reason == "call.start.error-subscription-concurrency-limit-reached"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (NotPlacedError(429, 20429, later=True), "error 20429"),
        (NeverSentError("ConnectTimeout"), "could not be reached"),
    ],
)
def test_a_call_that_twilio_never_took_does_not_say_that_there_was_no_room(
    desk: Desk, fault: NotPlacedError | NeverSentError, words: str
) -> None:
    told = desk.place()
    desk.telephone.faults = [fault]
    assert desk.dial(now=NOW()) == [Dialled.LATER]

    placings_give_up(now=NOW() + timedelta(hours=2))

    call = desk.call(told)
    assert call.ended_reason == "twilio-failed-to-connect-call"
    assert words in call.problems.get().message


def test_one_moment_has_many_offsets_and_a_change_of_clocks_shifts_none(desk: Desk) -> None:
    day = (NOW() + timedelta(days=100)).date()
    written = [f"{day}T02:30:00-06:00", f"{day}T03:30:00-05:00"]
    told = [desk.place(name=str(n), schedulePlan={"earliestAt": at}) for n, at in enumerate(written)]

    due = [desk.call(one).placing.due_at for one in told]
    assert due == [datetime(day.year, day.month, day.day, 8, 30, tzinfo=UTC)] * 2
    assert told[0]["schedulePlan"] == told[1]["schedulePlan"]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"earliestAt": "0001-01-01T00:00:00+14:00"}, "schedulePlan.earliestAt must be a valid"),
        (
            {"earliestAt": "2026-01-01T00:00:00Z", "latestAt": "9999-12-31T23:59:59-14:00"},
            "schedulePlan.latestAt must be a valid",
        ),
        (
            {"earliestAt": "2026-01-01T00:00:00Z", "latestAt": "2026-01-01T09:00:00"},
            "schedulePlan.latestAt must be a valid",
        ),
    ],
)
def test_moments_that_no_database_gives_back_are_refused(
    desk: Desk, plan: dict[str, str], words: str
) -> None:
    assert words in desk.place(status=400, schedulePlan=plan)["message"][0]


def test_a_scheduled_call_rings_and_looks_for_machines_as_what_is_published_then_says(desk: Desk) -> None:
    at = NOW() + timedelta(hours=2)
    plain = desk.place(schedulePlan={"earliestAt": at.isoformat()})
    keys = desk.place(
        schedulePlan={"earliestAt": at.isoformat()}, customer={"number": CALLEE, "extension": "7"}
    )
    newer = published(
        desk,
        voicemailDetection={"provider": "twilio"},
        transportConfigurations=[{"provider": "twilio", "timeout": 20}],
    )

    assert desk.dial(now=at) == [Dialled.PLACED, Dialled.PLACED]

    orders = desk.telephone.orders
    assert [one.rings_s for one in orders] == [20, 20]
    assert [bool(one.machine) for one in orders] == [not one.digits for one in orders]
    assert {desk.call(one).version_id for one in (plain, keys)} == {newer.pk}
    assert desk.call(plain).placing.machine["types"]


def test_a_call_is_ordered_from_the_account_in_which_its_number_is_by_now(desk: Desk) -> None:
    at = NOW() + timedelta(hours=2)
    told = desk.place(schedulePlan={"earliestAt": at.isoformat()})
    TwilioAccount.objects.create(sid=OTHER_ACCOUNT, auth_token="t" * 32)
    PhoneNumber.objects.filter(pk=desk.number.pk).update(account_sid=OTHER_ACCOUNT)

    placing = placing_take(now=at)

    assert placing is not None
    assert placing.call.account_sid == desk.call(told).account_sid == OTHER_ACCOUNT


def test_no_call_is_placed_from_an_account_whose_webhooks_are_refused(desk: Desk) -> None:
    waiting = desk.place()
    TwilioAccount.objects.create(sid=OTHER_ACCOUNT, auth_token="t" * 32, enabled=False)
    PhoneNumber.objects.filter(pk=desk.number.pk).update(account_sid=OTHER_ACCOUNT)

    assert "switched off" in desk.place(status=400, name="another")["message"][0]
    assert desk.dial() == []
    assert "switched off" in desk.call(waiting).problems.get().message


def test_an_account_that_takes_no_more_calls_is_left_alone_and_others_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_phone_number(did="+14155550177", account_sid=OTHER_ACCOUNT)
    for name in "abc":
        desk.place(name=name)
    desk.place(name="other", phoneNumberId=str(other.pk))
    telephone = desk.telephone
    ordered: list[str] = []

    def order(order: CallOrder, *, account_sid: str) -> str:
        ordered.append(account_sid)
        if account_sid == ACCOUNT:
            raise NotPlacedError(429, 20429, later=True)
        return "CA" + "7" * 32

    telephone.order = order  # type: ignore[method-assign]
    monkeypatch.setattr(tasks, "TwilioTelephone", lambda: telephone)

    tasks.placings_dial()

    assert ordered == [ACCOUNT, OTHER_ACCOUNT]
    assert Placing.objects.filter(state="waiting").count() == 3


def test_a_call_that_has_waited_for_ages_keeps_nobody_waiting(desk: Desk) -> None:
    told = desk.place()
    Placing.objects.filter(pk=desk.call(told).pk).update(attempts=32_767)

    assert desk.dial() == [Dialled.PLACED]


def test_calls_for_another_day_count_on_that_day_too(desk: Desk, settings: Settings) -> None:
    settings.OUTBOUND_CALLS_PER_DAY = 2
    at = NOW() + timedelta(days=3)

    def wanted(status: int, name: str, due_at: datetime) -> None:
        desk.place(status=status, name=name, schedulePlan={"earliestAt": due_at.isoformat()})
        Call.objects.update(created_at=NOW() - timedelta(days=2))  # ordered over many days

    wanted(201, "a", at)
    wanted(201, "b", at + timedelta(hours=1))
    wanted(400, "c", at + timedelta(hours=2))
    wanted(201, "d", at + timedelta(days=1))
    desk.place(name="today")

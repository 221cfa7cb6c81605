"""Calls whose end nobody has told us of."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from assistants.tests.factories import make_assistant, make_odd_version, make_version
from calls import clients, groups, reaping, services, tasks
from calls.clients import CallState, TwilioRefusedError
from calls.models import Call
from calls.tests.factories import make_call, make_transfer
from simulator.harness import Simulator
from simulator.rest import Failure

Status = Call.Status
ACCOUNT = "AC" + "1" * 32
NOW = timezone.now()
COMPLETED = CallState("completed", None)


def hanging(status: str, *, minutes: float, **fields: Any) -> Call:
    """A live call that has been so for that long."""
    began = NOW - timedelta(minutes=minutes)
    started_at = None if status == Status.RINGING else began
    given = {"ended_at": None, "ended_reason": "", "account_sid": ACCOUNT, "started_at": started_at, **fields}
    if status == Status.IN_PROGRESS and "version" not in fields:
        given["version"] = make_version(assistant=make_assistant(max_duration_s=600))
    call = make_call(status=status, **given)
    Call.objects.filter(pk=call.pk).update(created_at=began)
    call.refresh_from_db()
    return call


def says(state: CallState | None) -> Callable[..., CallState | None]:
    return lambda **_: state


def lasting(max_duration_s: int) -> dict[str, Any]:
    """The version of a call whose assistant lets calls last so long."""
    return {"version": make_version(assistant=make_assistant(max_duration_s=max_duration_s))}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "minutes", "asked"),
    [
        (Status.RINGING, 1.9, False),
        (Status.RINGING, 2.1, True),
        (Status.IN_PROGRESS, 12.9, False),
        (Status.IN_PROGRESS, 13.1, True),
        (Status.FORWARDING, 9.9, False),
        (Status.FORWARDING, 10.1, True),
        (Status.ENDED, 100, False),
    ],
)
def test_only_calls_that_should_be_over_are_asked_about(status: str, minutes: float, *, asked: bool) -> None:
    call = hanging(status, minutes=minutes, **lasting(600))

    assert list(reaping.suspicious_calls(now=NOW)) == ([call] if asked else [])


@pytest.mark.django_db
@pytest.mark.parametrize("longest_s", [None, "ten minutes", 10**9])
def test_a_version_that_does_not_say_how_long_its_calls_may_last_is_given_the_longest(
    longest_s: object,
) -> None:
    odd = make_odd_version(assistant=make_assistant(), snapshot={"max_duration_s": longest_s})
    hanging(Status.IN_PROGRESS, minutes=62, version=odd)
    long = hanging(Status.IN_PROGRESS, minutes=64, version=odd)

    assert list(reaping.suspicious_calls(now=NOW)) == [long]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "twilio", "reason"),
    [
        (Status.IN_PROGRESS, "completed", services.CARRIER_COMPLETED),
        (Status.RINGING, "completed", services.CARRIER_COMPLETED),
        (Status.RINGING, "canceled", "customer-ended-call"),
        (Status.RINGING, "no-answer", "customer-did-not-answer"),
        (Status.RINGING, "busy", "customer-busy"),
        (Status.RINGING, "failed", "twilio-failed-to-connect-call"),
    ],
)
def test_a_call_that_twilio_says_is_over_is_closed_with_an_honest_reason(
    status: str, twilio: str, reason: str
) -> None:
    call = hanging(status, minutes=90)
    ended_at = NOW - timedelta(minutes=30)

    closed = reaping.calls_reap(now=NOW, ask=says(CallState(twilio, ended_at)))

    assert closed == [(call, reason)]
    call.refresh_from_db()
    assert (call.status, call.ended_reason, call.ended_at) == (Status.ENDED, reason, ended_at)
    problem = call.problems.get()
    assert (problem.code, problem.message) == (
        "end_not_reported",
        f"Nothing told of the end of this call. Twilio, when asked, said that it is {twilio}.",
    )


@pytest.mark.django_db
def test_a_transferred_call_is_closed_as_such_and_forgets_what_it_was_to_remember() -> None:
    call = hanging(Status.FORWARDING, minutes=90, token_used_at=NOW)
    transfer = make_transfer(call=call, history=[{"role": "user", "message": "Hello."}])

    reaping.calls_reap(now=NOW, ask=says(COMPLETED))

    call.refresh_from_db()
    transfer.refresh_from_db()
    assert (call.status, call.ended_reason) == (Status.ENDED, "assistant-forwarded-call")
    assert transfer.history == []


@pytest.mark.django_db
def test_an_end_that_lies_before_the_beginning_or_in_the_future_is_put_right() -> None:
    early, late = hanging(Status.IN_PROGRESS, minutes=90), hanging(Status.IN_PROGRESS, minutes=90)
    ends = {
        early.call_sid: NOW - timedelta(days=3),
        late.call_sid: NOW + timedelta(days=3),
    }

    reaping.calls_reap(now=NOW, ask=lambda call_sid, **_: CallState("completed", ends[call_sid]))

    early.refresh_from_db()
    late.refresh_from_db()
    assert (early.ended_at, late.ended_at) == (early.started_at, NOW)


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["queued", "ringing", "in-progress", "something new"])
def test_a_call_that_goes_on_is_left_alone_and_asked_about_again_later(state: str) -> None:
    call = hanging(Status.IN_PROGRESS, minutes=90)

    assert reaping.calls_reap(now=NOW, ask=says(CallState(state, None))) == []

    call.refresh_from_db()
    assert (call.status, call.asked_at) == (Status.IN_PROGRESS, NOW)
    assert not reaping.suspicious_calls(now=NOW + timedelta(minutes=4)).exists()
    assert list(reaping.suspicious_calls(now=NOW + timedelta(minutes=6))) == [call]


@pytest.mark.django_db
@pytest.mark.parametrize(("hours", "closed"), [(23, False), (25, True)])
def test_a_call_that_twilio_does_not_know_is_closed_when_no_call_can_last_so_long(
    hours: int, *, closed: bool
) -> None:
    call = hanging(Status.IN_PROGRESS, minutes=hours * 60)

    reaping.calls_reap(now=NOW, ask=says(None))

    call.refresh_from_db()
    assert call.ended_reason == ("unknown-error" if closed else "")
    assert (call.status == Status.ENDED) is closed


@pytest.mark.django_db
def test_without_twilio_nothing_changes_and_nobody_else_is_asked_about() -> None:
    calls = [hanging(Status.IN_PROGRESS, minutes=90 + n) for n in range(3)]
    asked: list[str] = []

    def away(*, call_sid: str, **_: Any) -> CallState | None:
        asked.append(call_sid)
        raise TwilioRefusedError("Twilio could not be reached: Timeout.", unsure=True)

    assert reaping.calls_reap(now=NOW, ask=away) == []

    assert len(asked) == 1
    for call in calls:
        before = call.asked_at
        call.refresh_from_db()
        assert (call.status, call.asked_at, before) == (Status.IN_PROGRESS, None, None)


@pytest.mark.django_db
def test_an_account_that_refuses_us_does_not_keep_the_others_calls_open() -> None:
    theirs = hanging(Status.IN_PROGRESS, minutes=91, account_sid="AC" + "2" * 32)
    ours = hanging(Status.IN_PROGRESS, minutes=90)

    def ask(*, call_sid: str, account_sid: str) -> CallState | None:
        if account_sid != ACCOUNT:
            raise TwilioRefusedError("Twilio answered 401, error 20003.")
        return COMPLETED

    assert reaping.calls_reap(now=NOW, ask=ask) == [(ours, services.CARRIER_COMPLETED)]

    theirs.refresh_from_db()
    assert (theirs.status, theirs.asked_at) == (Status.IN_PROGRESS, NOW)


@pytest.mark.django_db
def test_one_run_asks_about_a_bounded_number_and_the_next_about_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reaping, "MOST_ASKED", 2)
    for n in range(5):
        hanging(Status.IN_PROGRESS, minutes=90 + n)
    asked: list[str] = []

    def goes_on(*, call_sid: str, **_: Any) -> CallState | None:
        asked.append(call_sid)
        return CallState("in-progress", None)

    for minute in range(3):
        reaping.calls_reap(now=NOW + timedelta(minutes=minute), ask=goes_on)

    assert len(asked) == len(set(asked)) == 5


@pytest.mark.django_db
def test_a_run_that_takes_too_long_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaping, "ASK_FOR_S", 0)
    call = hanging(Status.IN_PROGRESS, minutes=90)

    assert reaping.calls_reap(now=NOW, ask=says(COMPLETED)) == []

    call.refresh_from_db()
    assert call.status == Status.IN_PROGRESS


@pytest.mark.django_db
def test_the_bridges_own_word_wins_whenever_it_comes() -> None:
    before, after = hanging(Status.IN_PROGRESS, minutes=90), hanging(Status.IN_PROGRESS, minutes=90)

    def ask(*, call_sid: str, **_: Any) -> CallState | None:
        if call_sid == before.call_sid:
            finish(before)  # while Twilio was being asked
        return COMPLETED

    def finish(call: Call) -> None:
        services.call_finish(call_id=call.id, ended_at=NOW, ended_reason="silence-timed-out", facts={})

    reaping.calls_reap(now=NOW, ask=ask)
    finish(after)
    reaping.calls_reap(now=NOW, ask=ask)

    assert {call.ended_reason for call in Call.objects.all()} == {"silence-timed-out"}


@pytest.mark.django_db
def test_the_bridge_of_a_call_that_was_closed_late_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    call = hanging(Status.IN_PROGRESS, minutes=90)
    told: list[Any] = []

    class Layer:
        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            told.append((group, message))

    monkeypatch.setattr(groups, "get_channel_layer", Layer)
    monkeypatch.setattr(reaping.calls_reap, "__kwdefaults__", {"ask": says(COMPLETED)})

    tasks.calls_reap()

    assert told == [(groups.call_group(call.id), {"type": "call.over", "reason": services.CARRIER_COMPLETED})]


# Twilio itself ----------------------------------------------------------------------------------------------------------


def state() -> CallState | None:
    return clients.call_state(call_sid="CA1", account_sid=ACCOUNT)


@pytest.mark.parametrize(
    ("failures", "unsure"),
    [([Failure(500, 20500)], True), ([Failure(429, 20429)], True), ([Failure(401, 20003)], False)],
)
async def test_a_twilio_that_refuses_says_nothing_of_the_call(
    settings: Settings, failures: list[Failure], *, unsure: bool
) -> None:
    async with Simulator(account_sid=ACCOUNT, auth_token="secret") as simulator:
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, "secret"
        settings.TWILIO_API_URL = simulator.http_url
        assert await asyncio.to_thread(state) is None  # it does not know the call
        simulator.rest.failures.extend(failures)
        with pytest.raises(TwilioRefusedError, match="Twilio answered") as refused:
            await asyncio.to_thread(state)

    assert refused.value.unsure is unsure


def test_a_twilio_that_is_not_there_says_nothing_of_the_call(settings: Settings) -> None:
    settings.TWILIO_API_URL = "http://127.0.0.1:9"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, "secret"

    with pytest.raises(TwilioRefusedError, match="could not be reached") as refused:
        state()

    assert refused.value.unsure


class FoundCall:
    """A call as Twilio's library gives it."""

    status = "completed"
    end_time: Any = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def calls(self, _sid: str) -> "FoundCall":
        return self

    def fetch(self) -> "FoundCall":
        return self


@pytest.mark.parametrize("end_time", [FoundCall.end_time, None, "half past nine"])
def test_what_twilio_says_of_a_call_is_read(monkeypatch: pytest.MonkeyPatch, end_time: object) -> None:
    found = FoundCall()
    found.end_time = end_time
    monkeypatch.setattr(clients, "twilio_client", lambda _account_sid: found)

    assert state() == CallState("completed", end_time if isinstance(end_time, datetime) else None)

"""Twilio's library against the simulated REST, over HTTP, with its real rules and its trouble."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from assistants.tests.factories import make_assistant
from calls.clients import TwilioRefusedError
from calls.cutover.changes import VOICE_FIELDS
from calls.cutover.rest import BusyError, NotThereError, TwilioRest
from calls.cutover.services import cutover_apply
from calls.cutover.syncing import numbers_sync
from calls.cutover.watch import numbers_verify
from calls.models import PhoneNumber, TwilioAccount
from simulator.harness import Failure, Key, Simulator
from simulator.listening import listening as listening_aside

ACCOUNT = "AC" + "1" * 32
SINGLE = r"IncomingPhoneNumbers/PN"


@pytest.fixture(scope="module")
def listening() -> Iterator[Simulator]:
    """The simulator, listening for all tests of this module."""
    with listening_aside(Simulator(account_sid=ACCOUNT, auth_token="secret")) as simulator:
        yield simulator


@pytest.fixture
def outside(listening: Simulator, settings: Settings) -> Simulator:
    """The simulator as new, and our settings pointing at it."""
    listening.accounts.reset()
    listening.rest.reset()
    listening.numbers.reset()
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    settings.TWILIO_AUTH_TOKEN = "secret"
    settings.TWILIO_API_URL = listening.http_url
    return listening


def quick() -> TwilioRest:
    """Twilio's REST without waiting between repetitions."""
    return TwilioRest(pause=lambda _: None)


@pytest.mark.parametrize(
    "fields", [{}, {"trunk_sid": "TK" + "2" * 32}, {"voice_application_sid": "AP" + "2" * 32}]
)
@pytest.mark.django_db
def test_there_and_back_again_by_twilios_rules(outside: Simulator, fields: dict[str, Any]) -> None:
    held = outside.numbers.add("+12125550000", voice_method="GET", **fields)
    before = dict(held)
    numbers_sync(twilio=quick())
    PhoneNumber.objects.update(assistant=make_assistant(published=True))

    there = move("cutover")
    between = dict(held)
    back = move("rollback")

    assert (there, back) == ("done", "done")
    assert between["voice_url"].startswith("https://tandem.test/twilio/voice")
    assert not between["trunk_sid"]
    assert not between["voice_application_sid"]
    assert {name: held[name] or "" for name in VOICE_FIELDS} == {
        name: before[name] or "" for name in VOICE_FIELDS
    }
    assert not outside.numbers.violations
    assert not outside.numbers.sms_parameters
    assert not outside.rest.complaints.notes


def move(kind: str) -> str:
    number = PhoneNumber.objects.select_related("assistant", "snapshot").get(did="+12125550000")
    return cutover_apply(
        number, kind=kind, reason="because", actor_label="test", check_gates=False, twilio=quick()
    ).result


@pytest.mark.parametrize(
    ("failure", "result", "voice_url"),
    [
        (Failure(500), "failed", "https://api.vapi.ai/twilio/inbound_call"),
        (Failure(503, execute=True), "done", "https://tandem.test/twilio/voice"),
        (Failure(500, body="drop"), "failed", "https://api.vapi.ai/twilio/inbound_call"),
        (Failure(0, body="drop", execute=True), "done", "https://tandem.test/twilio/voice"),
        (Failure(0, body="half", execute=True), "done", "https://tandem.test/twilio/voice"),
        (Failure(502, body="html", execute=True), "done", "https://tandem.test/twilio/voice"),
        (Failure(429, 20429), "done", "https://tandem.test/twilio/voice"),
        (Failure(400, 21402), "failed", "https://api.vapi.ai/twilio/inbound_call"),
    ],
    ids=lambda value: f"{value.status}{value.body}{value.execute}" if isinstance(value, Failure) else "",
)
@pytest.mark.django_db
def test_what_became_of_a_post_is_looked_up_whatever_its_answer(
    outside: Simulator, monkeypatch: pytest.MonkeyPatch, failure: Failure, result: str, voice_url: str
) -> None:
    monkeypatch.setattr("calls.cutover.operations.SETTLING_S", (0.0, 0.0))
    held = outside.numbers.add("+12125550000")
    numbers_sync(twilio=quick())
    PhoneNumber.objects.update(assistant=make_assistant(published=True))
    outside.rest.failures.on(failure, method="POST", path=SINGLE)

    assert move("cutover") == result
    assert held["voice_url"].partition("?")[0] == voice_url


@pytest.mark.django_db
def test_somebody_who_writes_right_after_us_is_noticed_and_ours_is_undone(outside: Simulator) -> None:
    held = outside.numbers.add("+12125550000")
    before = dict(held)
    numbers_sync(twilio=quick())
    PhoneNumber.objects.update(assistant=make_assistant(published=True))
    vapis = {"voice_url": "https://api.vapi.ai/twilio/inbound_call?again=1"}
    outside.rest.failures.on(Failure(0, after={"+12125550000": vapis}), method="POST", path=SINGLE)

    assert move("cutover") == "undone"
    assert {name: held[name] for name in VOICE_FIELDS} == {name: before[name] for name in VOICE_FIELDS}


def test_two_thousand_numbers_come_in_pages(outside: Simulator) -> None:
    outside.numbers.clear()
    outside.numbers.seed(2001)

    pages = list(quick().pages(account_sid=ACCOUNT))

    assert [len(page) for page in pages] == [1000, 1000, 1]
    assert [one["query"].get("PageSize") for one in outside.rest.requests] == ["1000"] * 3
    assert len({row["sid"] for page in pages for row in page}) == 2001


def test_too_many_requests_are_repeated_with_growing_pauses(outside: Simulator) -> None:
    waited: list[float] = []
    outside.rest.failures.on(Failure(429, 20429), path="IncomingPhoneNumbers", times=3)

    rows = list(TwilioRest(pause=waited.append).pages(account_sid=ACCOUNT))

    assert len(rows) == 1
    assert [0.09 * 2**n <= pause <= 0.11 * 2**n for n, pause in enumerate(waited)] == [True] * 3


def test_too_many_requests_for_too_long_are_told(outside: Simulator) -> None:
    outside.rest.failures.on(Failure(429, 20429, body="none"), path="IncomingPhoneNumbers", times=0)

    with pytest.raises(BusyError, match="Try again in a minute"):
        list(quick().pages(account_sid=ACCOUNT))
    assert len(outside.rest.requests) == 6


@pytest.mark.parametrize(
    "failure", [Failure(500), Failure(0, body="drop"), Failure(0, body="half"), Failure(502, body="html")]
)
def test_reading_is_tried_three_times(outside: Simulator, failure: Failure) -> None:
    outside.rest.failures.on(failure, path="IncomingPhoneNumbers", times=2)
    assert list(quick().pages(account_sid=ACCOUNT))

    outside.rest.failures.on(failure, path="IncomingPhoneNumbers", times=0)
    with pytest.raises(TwilioRefusedError) as refused:
        list(quick().pages(account_sid=ACCOUNT))
    assert refused.value.unsure


def test_a_number_that_is_not_there_is_told_as_such(outside: Simulator) -> None:
    with pytest.raises(NotThereError, match="Read the numbers again"):
        quick().fetch(account_sid=ACCOUNT, sid="PN" + "9" * 32)


def test_wrong_credentials_are_told_as_such(outside: Simulator, settings: Settings) -> None:
    settings.TWILIO_AUTH_TOKEN = "wrong"

    with pytest.raises(TwilioRefusedError, match="the credentials are not valid") as refused:
        list(quick().pages(account_sid=ACCOUNT))
    assert not refused.value.unsure


@pytest.mark.django_db
def test_every_account_is_read_with_its_own_credentials(outside: Simulator) -> None:
    sub = outside.accounts.add_subaccount("Branch", auth_token="branch")
    outside.accounts.add_key("SK" + "3" * 32, Key("key-secret"), account_sid=sub.sid)
    outside.numbers.clear()
    outside.numbers.add("+12125550000")
    outside.numbers.add("+12125550001", account_sid=sub.sid)

    found = numbers_sync(twilio=quick())
    TwilioAccount.objects.filter(pk=sub.sid).update(api_key_sid="SK" + "3" * 32)
    row = TwilioAccount.objects.get(pk=sub.sid)
    row.api_key_secret = "wrong"
    row.save()
    broken = numbers_sync(twilio=quick())

    assert [(one.label, one.numbers, one.error) for one in found.accounts][1:] == [("Branch", 1, "")]
    assert (row.auth_token, row.parent_sid) == ("branch", ACCOUNT)
    assert "credentials are not valid" in broken.accounts[1].error
    assert (broken.accounts[0].numbers, broken.gone) == (1, [])


@pytest.mark.django_db
def test_the_watch_asks_for_pages_and_not_for_numbers(outside: Simulator) -> None:
    outside.numbers.clear()
    outside.numbers.seed(1001)
    numbers_sync(twilio=quick())
    outside.rest.requests.clear()

    assert numbers_verify(twilio=quick()).round.numbers == 1001
    assert len(outside.rest.requests) == 2

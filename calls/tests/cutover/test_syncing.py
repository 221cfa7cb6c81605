"""Reading the numbers of all accounts, and the watch that compares them every minute."""

from dataclasses import replace
from typing import Any, NoReturn

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from assistants.models import Assistant
from calls.clients import TwilioRefusedError
from calls.cutover.history import WATCH, Who
from calls.cutover.services import change_accept
from calls.cutover.syncing import numbers_sync
from calls.cutover.watch import numbers_verify
from calls.models import CutoverEvent, CutoverOperation, PhoneNumber, TwilioAccount
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.test_operations import kinds, move, voice_of
from calls.tests.cutover.twilio import ACCOUNT, FakeTwilio
from calls.twilio.accounts import auth_tokens_for, credentials_for

State = PhoneNumber.State
OURS = "https://tandem.test/twilio/voice"
VAPIS = "https://api.vapi.ai/twilio/inbound_call"


@pytest.fixture(autouse=True)
def environment(settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID = ACCOUNT


@pytest.mark.django_db
def test_numbers_come_in_with_who_answers_them(twilio: FakeTwilio) -> None:
    told: list[tuple[str, int, int | None]] = []
    add = twilio.numbers.add
    add("+12025550000", friendly_name="Reception")
    add("+12025550001", trunk_sid="TK" + "1" * 32)
    add("+12025550002", voice_application_sid="AP" + "1" * 32)
    add("+12025550003", voice_url="https://old.example.net/voice")
    add("+12025550004", voice_url="")
    add("+12025550005", voice_url=OURS)

    found = numbers_sync(twilio=twilio, progress=lambda *progress: told.append(progress))

    assert len(found.found) == found.numbers == 6
    assert found.complete
    assert list(PhoneNumber.objects.values_list("did", "answered_by", "state")) == [
        ("+12025550000", "vapi", "on_vapi"),
        ("+12025550001", "trunk", "unknown"),
        ("+12025550002", "application", "unknown"),
        ("+12025550003", "url", "unknown"),
        ("+12025550004", "nobody", "unknown"),
        ("+12025550005", "tandem", "ours"),
    ]
    first = PhoneNumber.objects.get(did="+12025550000")
    assert (first.label, first.account_sid, first.movable) == ("Reception", ACCOUNT, True)
    assert kinds(first) == ["found"]
    assert told == [("Reading From TWILIO_ACCOUNT_SID", 6, None)]


@pytest.mark.django_db
def test_subaccounts_are_found_with_their_tokens(twilio: FakeTwilio) -> None:
    sub = twilio.accounts_held.add_subaccount("Branch", auth_token="branch-token")
    twilio.numbers.add("+12025550009", account_sid=sub.sid)

    found = numbers_sync(twilio=twilio)

    assert [(one.sid, one.numbers) for one in found.accounts] == [(ACCOUNT, 0), (sub.sid, 1)]
    assert PhoneNumber.objects.get().account_sid == sub.sid
    assert auth_tokens_for(sub.sid) == ("branch-token",)
    assert auth_tokens_for(ACCOUNT) == ("test-token",)
    assert credentials_for(sub.sid).username == sub.sid


@pytest.mark.django_db
def test_a_suspended_subaccount_is_not_read_until_it_is_active_again(twilio: FakeTwilio) -> None:
    sub = twilio.accounts_held.add_subaccount("Branch", auth_token="branch-token")
    twilio.accounts_held.add(replace(sub, status="suspended"))

    assert [one.sid for one in numbers_sync(twilio=twilio).accounts] == [ACCOUNT]
    assert TwilioAccount.objects.get(pk=sub.sid).sync_error == "Twilio says that the account is suspended."
    assert auth_tokens_for(sub.sid) == ("test-token",)

    twilio.accounts_held.add(sub)
    assert len(numbers_sync(twilio=twilio).accounts) == 2

    TwilioAccount.objects.filter(pk=sub.sid).update(enabled=False)  # by a person
    assert len(numbers_sync(twilio=twilio).accounts) == 1


@pytest.mark.django_db
def test_accounts_that_cannot_be_listed_are_told_and_the_known_are_read(twilio: FakeTwilio) -> None:
    twilio.numbers.add("+12025550000")
    twilio.accounts = _refuse  # type: ignore[method-assign]

    found = numbers_sync(twilio=twilio)

    assert found.trouble == "Subaccounts could not be listed. Twilio answered 401, error 20003."
    assert (found.numbers, found.complete) == (1, True)


def _refuse() -> NoReturn:
    raise TwilioRefusedError("Twilio answered 401, error 20003.")


@pytest.mark.django_db
def test_both_tokens_of_an_account_count_while_one_is_rotated() -> None:
    TwilioAccount.objects.create(sid="AC" + "5" * 32, auth_token="one", auth_token_secondary="two")

    assert auth_tokens_for("AC" + "5" * 32) == ("one", "two")
    assert auth_tokens_for("AC" + "6" * 32) == ("test-token",)
    assert auth_tokens_for("") == ("test-token",)


@pytest.mark.django_db
def test_an_api_key_is_used_for_requests_and_the_token_for_signatures() -> None:
    sid = "AC" + "5" * 32
    TwilioAccount.objects.create(sid=sid, auth_token="one", api_key_sid="SK1", api_key_secret="secret")

    assert (credentials_for(sid).username, credentials_for(sid).password) == ("SK1", "secret")
    assert auth_tokens_for(sid) == ("one",)
    assert "secret" not in repr(credentials_for(sid))


@pytest.mark.django_db
def test_one_broken_account_does_not_keep_the_others(twilio: FakeTwilio) -> None:
    sub = twilio.accounts_held.add_subaccount("Branch")
    twilio.numbers.add("+12025550009", account_sid=sub.sid)
    numbers_sync(twilio=twilio)
    twilio.broken[ACCOUNT] = TwilioRefusedError("Twilio answered 401, error 20003.")

    found = numbers_sync(twilio=twilio)

    assert [one.error for one in found.accounts] == ["Twilio answered 401, error 20003.", ""]
    assert not found.complete
    assert TwilioAccount.objects.get(pk=ACCOUNT).sync_error == "Twilio answered 401, error 20003."
    assert not found.gone


def test_a_number_that_is_gone_is_marked_and_one_that_comes_back_is_told(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    twilio.broken[ACCOUNT] = TwilioRefusedError("Twilio answered 500.", unsure=True)
    assert numbers_sync(twilio=twilio).gone == []  # nobody knows
    twilio.broken.clear()
    resource = twilio.numbers.held.pop(number.twilio_sid)

    assert numbers_sync(twilio=twilio).gone == [number.did]
    number.refresh_from_db()
    assert number.missing_at is not None
    assert not number.movable
    assert "does not have this number any more" in move(number, twilio).message
    assert numbers_sync(twilio=twilio).gone == []

    twilio.numbers.held[number.twilio_sid] = resource
    assert numbers_sync(twilio=twilio).returned == [number.did]
    assert PhoneNumber.objects.get(pk=number.pk).missing_at is None
    assert kinds(number) == ["vanished", "returned"]


@pytest.mark.django_db
def test_a_number_that_moved_to_another_account_is_followed(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    sub = twilio.accounts_held.add_subaccount("Branch")
    twilio.numbers.change(number.did, account_sid=sub.sid)

    found = numbers_sync(twilio=twilio)

    number.refresh_from_db()
    assert (number.account_sid, number.missing_at, found.gone) == (sub.sid, None, [])


@pytest.mark.django_db
def test_a_number_bought_at_vapi_is_not_movable_until_it_is_ported(twilio: FakeTwilio) -> None:
    number = PhoneNumber.objects.create(did="+12025550009", provider=PhoneNumber.Provider.VAPI)
    outcome = move(number, twilio)
    assert outcome.result == "refused"
    assert "ported" in outcome.message

    twilio.numbers.add(number.did)
    numbers_sync(twilio=twilio)

    number.refresh_from_db()
    assert (number.provider, number.movable, number.state) == ("twilio", True, State.ON_VAPI)


@pytest.mark.django_db
def test_hundreds_of_numbers_are_compared_in_a_few_questions(
    twilio: FakeTwilio, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    twilio.numbers.seed(400)
    assert len(numbers_sync(twilio=twilio).found) == 400
    twilio.asked.clear()

    with django_assert_max_num_queries(20):
        found = numbers_verify(twilio=twilio).round

    assert found.numbers == 400
    assert twilio.asked == ["page"]


# --- The watch ------------------------------------------------------------------------------------------------


def test_vapi_writing_its_urls_back_is_seen_and_shown(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    move(number, twilio)
    twilio.numbers.change(
        number.did, by="vapi", voice_url=VAPIS, status_callback="https://api.vapi.ai/twilio/status"
    )

    found = numbers_verify(twilio=twilio)

    assert (found.round.changed, found.fought) == ([number.did], ())
    number.refresh_from_db()
    assert (number.state, number.state_before_change, number.answered_by) == (State.CHANGED, "ours", "vapi")
    event = CutoverEvent.objects.filter(number=number).first()
    assert event is not None
    assert (event.kind, event.actor_label, event.to_state) == ("changed", WATCH, "changed")
    assert {one["field"] for one in event.differences} == {"voice_url", "status_callback"}
    assert numbers_verify(twilio=twilio).round.changed == []  # told once
    assert len(twilio.written) == 1


def test_whoever_finds_a_change_has_not_made_it(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    move(number, twilio)
    twilio.numbers.change(number.did, voice_url=VAPIS)
    twilio.numbers.add("+12125550000")

    numbers_sync(twilio=twilio, actor=Who("alice"))

    who = dict(CutoverEvent.objects.values_list("kind", "actor_label"))
    assert (who["changed"], who["found"]) == ("sync", "alice")


def test_a_number_that_takes_faxes_suddenly_is_a_change(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    move(number, twilio)
    twilio.numbers.change(number.did, voice_receive_mode="fax")

    assert numbers_verify(twilio=twilio).round.changed == [number.did]


def test_a_change_that_is_taken_back_is_over(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    move(number, twilio)
    ours = voice_of(twilio, number)["voice_url"]
    twilio.numbers.change(number.did, voice_url=VAPIS)
    numbers_verify(twilio=twilio)
    twilio.numbers.change(number.did, voice_url=ours)

    assert numbers_verify(twilio=twilio).round.changed_back == [number.did]
    number.refresh_from_db()
    assert (number.state, number.state_before_change) == (State.OURS, "")


@pytest.mark.parametrize(("kind", "percent"), [("cutover", 100), ("canary", 20)])
def test_a_change_is_fought_once_and_only_where_the_number_says_so(
    make_number: MakeNumber, twilio: FakeTwilio, kind: str, percent: int
) -> None:
    number = make_number(voice_method="GET")
    before = voice_of(twilio, number)
    move(number, twilio, kind, percent=percent)
    state = PhoneNumber.objects.get(pk=number.pk).state
    ours = voice_of(twilio, number)
    PhoneNumber.objects.filter(pk=number.pk).update(fight_once=True)

    twilio.numbers.change(number.did, by="vapi", voice_url=VAPIS)
    found = numbers_verify(twilio=twilio, pause=lambda _: None)

    assert [one.result for one in found.fought] == ["done"]
    assert voice_of(twilio, number) == ours
    number.refresh_from_db()
    assert (number.state, number.canary_percent) == (state, percent)
    assert kinds(number) == [kind, "changed", "fought"]

    twilio.numbers.change(number.did, by="vapi", voice_url=VAPIS)
    assert numbers_verify(twilio=twilio).fought == ()
    assert kinds(number)[3:] == ["changed"]

    assert move(number, twilio, "rollback").result == "done"  # to where it was before the cutover
    assert voice_of(twilio, number) == before


def test_a_fight_that_fails_is_not_fought_again(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    move(number, twilio)
    PhoneNumber.objects.filter(pk=number.pk).update(fight_once=True)
    twilio.numbers.change(number.did, voice_url=VAPIS)
    twilio.trouble = {
        len(twilio.asked) + 3: "refused"
    }  # a page, the look that confirms it, the comparison, the write

    assert [one.result for one in numbers_verify(twilio=twilio).fought] == ["failed"]
    assert numbers_verify(twilio=twilio).fought == ()
    number.refresh_from_db()
    assert number.state == State.CHANGED


def test_a_list_that_lags_behind_alarms_nobody(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    stale = dict(twilio.numbers.held[number.twilio_sid])
    move(number, twilio)
    twilio.pages = lambda **_: iter([[stale]])  # type: ignore[method-assign]

    assert numbers_verify(twilio=twilio).round.changed == []
    number.refresh_from_db()
    assert number.state == State.OURS


def test_a_look_whose_answer_comes_after_a_move_is_over_changes_nothing(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    move(number, twilio)
    twilio.numbers.change(number.did, by="vapi", voice_url=VAPIS)
    really = twilio.fetch

    def fetch(**asked: Any) -> dict[str, Any]:
        found = really(**asked)
        twilio.fetch = really  # type: ignore[method-assign]
        assert move(number, twilio).result == "refused"
        assert move(number, twilio).result == "done"  # having seen it, they may
        return found

    twilio.fetch = fetch  # type: ignore[method-assign]

    assert numbers_verify(twilio=twilio).round.changed == []
    number.refresh_from_db()
    assert number.state == State.OURS


def test_the_watch_leaves_a_number_alone_that_somebody_is_writing_to(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    move(number, twilio)
    CutoverOperation.objects.create(
        number=number, kind="rollback", from_state="ours", actor_label="test", beat_at=timezone.now()
    )
    twilio.numbers.change(number.did, voice_url=VAPIS)

    assert numbers_verify(twilio=twilio).round.changed == []
    number.refresh_from_db()
    assert number.state == State.OURS


def test_a_number_that_was_never_cut_over_may_go_where_it_likes(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    twilio.numbers.change(number.did, voice_url="https://other.example.net/voice")

    assert numbers_verify(twilio=twilio).round.seen == [number.did]
    number.refresh_from_db()
    assert (number.state, number.answered_by) == (State.UNKNOWN, "url")
    assert kinds(number) == ["seen"]


def test_a_change_can_be_accepted(make_number: MakeNumber, twilio: FakeTwilio, desk: Assistant) -> None:
    number = make_number()
    move(number, twilio)
    assert not change_accept(number, reason="nothing to accept", actor_label="test")
    twilio.numbers.change(number.did, voice_url=VAPIS)
    numbers_verify(twilio=twilio)

    assert change_accept(number, reason="They want it back", actor_label="test")

    number.refresh_from_db()
    assert (number.state, number.expected, number.snapshot) == (State.ON_VAPI, {}, None)
    assert kinds(number)[-1] == "accepted"
    assert numbers_verify(twilio=twilio).round.changed == []


def test_what_else_changes_on_a_number_alarms_nobody(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    move(number, twilio)
    changes: dict[str, Any] = {"friendly_name": "New name", "sms_url": "https://sms.example.net/"}
    twilio.numbers.change(number.did, **changes)

    assert numbers_verify(twilio=twilio).round.changed == []
    number.refresh_from_db()
    assert (number.state, number.config["friendly_name"]) == (State.OURS, "New name")

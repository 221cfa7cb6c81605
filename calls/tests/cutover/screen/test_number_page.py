"""The page of one number: a change accepted or put back, a share raised, an older snapshot restored, all given back."""

import pytest
from django.test import Client
from django.urls import reverse

from calls.cutover.watch import numbers_verify
from calls.models import CutoverEvent, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.screen.test_moving import chosen
from calls.tests.cutover.test_operations import move
from calls.tests.cutover.twilio import FakeTwilio

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("gates_open")]
MEDDLED = "https://api.vapi.ai/twilio/inbound_call?again=1"


def page(number: PhoneNumber) -> str:
    return reverse("admin:calls_cutovernumber_change", args=[number.pk])


def order(client: Client, number: PhoneNumber, **fields: str) -> PhoneNumber:
    """The number after a move that was begun from its page."""
    shown = client.post(reverse("admin:calls_cutovernumber_move", args=[number.pk]), fields).headers[
        "Location"
    ]
    assert "/preview/" in shown
    client.post(shown, {"begin": "1", "reason": "by hand"})
    number.refresh_from_db()
    return number


@pytest.fixture
def meddled(make_number: MakeNumber, twilio: FakeTwilio) -> PhoneNumber:
    """A number of ours that somebody else has set back."""
    number = make_number()
    move(number, twilio)
    twilio.numbers.change(number.did, voice_url=MEDDLED)
    numbers_verify(twilio=twilio)
    number.refresh_from_db()
    assert number.state == "changed"
    return number


def test_a_change_is_shown_and_put_back(mover: Client, meddled: PhoneNumber, twilio: FakeTwilio) -> None:
    shown = mover.get(page(meddled)).content.decode()
    assert MEDDLED in shown
    assert "Put ours back…" in shown

    order(mover, meddled, kind="cutover")

    assert meddled.state == "ours"
    assert twilio.numbers.held[meddled.twilio_sid]["voice_url"] != MEDDLED


def test_a_change_is_accepted_with_a_reason(mover: Client, meddled: PhoneNumber, twilio: FakeTwilio) -> None:
    accept = reverse("admin:calls_cutovernumber_accept", args=[meddled.pk])
    shown = mover.get(accept)
    assert MEDDLED in shown.content.decode()
    writes = len(twilio.written)

    mover.post(accept, {"reason": "Vapi keeps it", "shown": shown.context["shown"]})

    meddled.refresh_from_db()
    assert meddled.state == "on_vapi"
    assert CutoverEvent.objects.get(kind="accepted").reason == "Vapi keeps it"
    assert len(twilio.written) == writes


def test_what_was_not_shown_is_not_accepted(mover: Client, meddled: PhoneNumber, twilio: FakeTwilio) -> None:
    accept = reverse("admin:calls_cutovernumber_accept", args=[meddled.pk])
    shown = mover.get(accept).context["shown"]
    twilio.numbers.change(meddled.did, voice_url="https://third.example.net/")
    numbers_verify(twilio=twilio)

    assert "once more" in mover.post(accept, {"reason": "r", "shown": shown}, follow=True).content.decode()
    meddled.refresh_from_db()
    assert meddled.state == "changed"


def test_nothing_is_accepted_without_a_reason_or_without_a_change(
    mover: Client, meddled: PhoneNumber, make_number: MakeNumber
) -> None:
    accept = reverse("admin:calls_cutovernumber_accept", args=[meddled.pk])
    assert "Say why" in mover.post(accept, {"reason": ""}).content.decode()
    quiet = make_number()
    answer = mover.get(reverse("admin:calls_cutovernumber_accept", args=[quiet.pk]), follow=True)
    assert "nothing to accept" in answer.content.decode()


def test_the_share_of_a_canary_is_raised_without_another_write(
    mover: Client, make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = order(mover, make_number(), kind="canary", percent="10")
    assert (number.state, number.canary_percent) == ("canary", 10)
    writes = len(twilio.written)

    order(mover, number, kind="canary", percent="40")

    assert (number.state, number.canary_percent) == ("canary", 40)
    assert len(twilio.written) == writes
    order(mover, number, kind="cutover")
    assert (number.state, number.canary_percent) == ("ours", 100)


def test_an_older_snapshot_is_restored(mover: Client, make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    was = number.config["voice_url"]
    order(mover, number, kind="cutover")
    order(mover, number, kind="rollback")
    twilio.numbers.change(number.did, voice_url=MEDDLED)
    numbers_verify(twilio=twilio)
    oldest = number.snapshots.order_by("taken_at")[0]

    order(mover, number, kind="restore", snapshot=str(oldest.pk))

    assert twilio.numbers.held[number.twilio_sid]["voice_url"] == was
    assert number.state == "rolled_back"
    assert CutoverEvent.objects.filter(kind="restore", reason="by hand").exists()


@pytest.mark.parametrize("given", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_a_snapshot_that_is_not_the_numbers_is_not_restored(
    mover: Client, make_number: MakeNumber, given: str
) -> None:
    number = make_number()

    answer = mover.post(
        reverse("admin:calls_cutovernumber_move", args=[number.pk]),
        {"kind": "restore", "snapshot": given},
        follow=True,
    )

    assert "no such snapshot" in answer.content.decode()


def test_all_numbers_with_us_are_given_back_and_no_other(
    mover: Client, make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    ours, canary, other = make_number(), make_number(), make_number()
    move(ours, twilio)
    order(mover, canary, kind="canary", percent="10")

    shown = mover.post(reverse("admin:calls_cutovernumber_rollback_all")).headers["Location"]
    assert mover.get(shown).context["counts"].total == 2
    mover.post(shown, {"begin": "1", "reason": "All back"})

    states = dict(PhoneNumber.objects.values_list("pk", "state"))
    assert states == {ours.pk: "rolled_back", canary.pk: "rolled_back", other.pk: "on_vapi"}


def test_a_failed_move_is_told_in_plain_words_with_a_way_to_look_again(
    mover: Client, make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    preview = chosen(mover, "move_cutover", number)
    twilio.trouble = {len(twilio.asked) + 1: "refused"}

    shown = mover.post(preview, {"begin": "1", "reason": "r"}, follow=True).content.decode()

    assert "Not everything was done" in shown
    assert "Look again" in shown


def test_the_page_of_a_number_that_was_never_read_says_so(mover: Client, make_number: MakeNumber) -> None:
    number = make_number()
    PhoneNumber.objects.filter(pk=number.pk).update(twilio_sid="", config={})

    assert "never found at Twilio" in mover.get(page(number)).content.decode()

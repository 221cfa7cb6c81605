"""From the list to a preview, done once, and back again."""

import pytest
from django.test import Client
from django.urls import reverse

from calls.models import CutoverEvent, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.twilio import FakeTwilio

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("gates_open")]

LIST = reverse("admin:calls_cutovernumber_changelist")


def chosen(client: Client, action: str, *numbers: PhoneNumber) -> str:
    """The address of the preview that this action shows for these numbers."""
    answer = client.post(
        LIST, {"action": action, "index": "0", "_selected_action": [str(one.pk) for one in numbers]}
    )
    assert answer.status_code == 302, answer.content
    return answer.headers["Location"]


def test_a_number_is_shown_cut_over_and_given_back(
    mover: Client, make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    was = dict(twilio.numbers.held[number.twilio_sid])
    assert mover.get(LIST).status_code == 200

    preview = chosen(mover, "move_cutover", number)
    shown = mover.get(preview).content.decode()
    assert was["voice_url"] in shown
    assert "/twilio/voice" in shown
    assert not twilio.written

    done = mover.post(preview, {"begin": "1", "reason": "The pilot"}, follow=True)
    assert "Done" in done.content.decode()
    number.refresh_from_db()
    assert number.state == "ours"
    assert mover.get(reverse("admin:calls_cutovernumber_change", args=[number.pk])).status_code == 200

    move = reverse("admin:calls_cutovernumber_move", args=[number.pk])
    back = mover.post(move, {"kind": "rollback"}).headers["Location"]
    assert "Rolled back by hand." in mover.get(back).content.decode()
    mover.post(back, {"begin": "1", "reason": "Rolled back by hand."})
    number.refresh_from_db()
    assert number.state == "rolled_back"
    now = twilio.numbers.held[number.twilio_sid]
    assert {name: value for name, value in now.items() if name != "date_updated"} == {
        name: value for name, value in was.items() if name != "date_updated"
    }
    assert list(CutoverEvent.objects.order_by("at").values_list("kind", "reason"))[-2:] == [
        ("cutover", "The pilot"),
        ("rollback", "Rolled back by hand."),
    ]

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from calls.models import Call, Erasure
from calls.tests.factories import make_call
from transcripts.models import Utterance
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = pytest.mark.django_db
NUMBER = "+14155550132"


def page_url() -> str:
    return reverse("admin:calls_erasure_caller")


def test_a_caller_is_looked_up_first_and_erased_then(admin_client: Client) -> None:
    call = make_call(caller=NUMBER)
    make_utterance(transcript=make_transcript(call_id=call.pk))

    looked = admin_client.post(page_url(), {"number": "+1 415 555 0132", "look": "1"}).content.decode()
    assert "1 call of this number" in looked
    assert "transcripts_utterance" in looked
    assert not Erasure.objects.exists()

    unsure = admin_client.post(page_url(), {"number": NUMBER, "erase": "1"}).content.decode()
    assert "Tick this to delete it for good." in unsure

    done = admin_client.post(page_url(), {"number": NUMBER, "erase": "1", "sure": "on"}, follow=True)
    receipt = Erasure.objects.get()
    assert receipt.actor_label == "admin"
    assert str(receipt.pk) in done.content.decode()
    assert NUMBER not in done.content.decode()
    assert Utterance.objects.get().text == ""


def test_looking_up_again_tells_of_the_receipts_before(admin_client: Client) -> None:
    make_call(caller=NUMBER)
    admin_client.post(page_url(), {"number": NUMBER, "erase": "1", "sure": "on"})

    again = admin_client.post(page_url(), {"number": NUMBER, "look": "1"}).content.decode()

    assert "Nothing is left of this number." in again
    assert "Receipt of" in again


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"number": "hello"}, "This is not a telephone number."),
        ({"number": "415 555 0132"}, "or say which country it is from"),
        ({"number": NUMBER, "region": "USA"}, "Two letters"),
        ({}, "This field is required."),
    ],
)
def test_a_mistake_is_told_beside_its_field(admin_client: Client, data: dict[str, str], words: str) -> None:
    assert words in admin_client.post(page_url(), data).content.decode()


def test_a_caller_on_the_line_is_told_of(admin_client: Client) -> None:
    make_call(caller=NUMBER, status=Call.Status.IN_PROGRESS, ended_at=None)

    page = admin_client.post(page_url(), {"number": NUMBER, "erase": "1", "sure": "on"}).content.decode()

    assert "still going on" in page
    assert not Erasure.objects.exists()


def test_erasing_needs_a_permission_of_its_own(client: Client) -> None:
    user = User.objects.create_user("Bob", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_erasure"]))
    client.force_login(user)

    assert client.get(page_url()).status_code == 403
    assert page_url() not in client.get(reverse("admin:calls_erasure_changelist")).content.decode()


def test_the_pages_open_empty_and_filled(admin_client: Client) -> None:
    url = reverse("admin:calls_erasure_changelist")
    assert admin_client.get(page_url()).status_code == 200
    assert page_url() in admin_client.get(url).content.decode()
    admin_client.post(page_url(), {"number": NUMBER, "erase": "1", "sure": "on"})

    assert str(Erasure.objects.get().pk) in admin_client.get(url).content.decode()

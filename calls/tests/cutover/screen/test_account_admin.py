"""Twilio accounts: secrets go in and never come out."""

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from calls.models import TwilioAccount
from calls.tests.cutover.conftest import MakeNumber

pytestmark = pytest.mark.django_db
SID = "AC" + "a" * 32
LIST = reverse("admin:calls_twilioaccount_changelist")
ADD = reverse("admin:calls_twilioaccount_add")


def form(**fields: str) -> dict[str, str]:
    return {"label": "Branches", "enabled": "on", "parent_sid": "", "api_key_sid": "", **fields}


def test_a_secret_is_stored_kept_replaced_and_forgotten_but_never_shown(admin_client: Client) -> None:
    admin_client.post(ADD, form(sid=SID, new_auth_token="first-secret"))
    account = TwilioAccount.objects.get()
    assert account.auth_token == "first-secret"
    change = reverse("admin:calls_twilioaccount_change", args=[SID])
    shown = admin_client.get(change).content.decode()
    assert "first-secret" not in shown
    assert "One is stored" in shown
    assert "first-secret" not in admin_client.get(LIST).content.decode()

    admin_client.post(change, form(label="Renamed"))
    account.refresh_from_db()
    assert (account.label, account.auth_token) == ("Renamed", "first-secret")
    admin_client.post(change, form(new_auth_token="second"))
    account.refresh_from_db()
    assert account.auth_token == "second"
    admin_client.post(change, form(clear_auth_token="on"))
    account.refresh_from_db()
    assert account.auth_token == ""


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"sid": "AC1"}, "32 hexadecimal digits"),
        ({"sid": SID, "new_auth_token": " x"}, "begins or ends with a space"),
        ({"sid": SID, "api_key_sid": "AC5"}, "begins with SK"),
        ({"sid": SID, "api_key_sid": "SK5"}, "needs its secret"),
    ],
)
def test_what_cannot_be_right_is_told(admin_client: Client, fields: dict[str, str], told: str) -> None:
    assert told in admin_client.post(ADD, form(**fields)).content.decode()
    assert not TwilioAccount.objects.exists()


def test_an_account_with_numbers_is_not_deleted(
    admin_client: Client, make_number: MakeNumber, settings: Settings
) -> None:
    number = make_number()
    settings.TWILIO_ACCOUNT_SID = SID
    TwilioAccount.objects.create(sid=number.account_sid)
    TwilioAccount.objects.create(sid="AC" + "b" * 32)

    delete = "admin:calls_twilioaccount_delete"
    assert admin_client.post(reverse(delete, args=[number.account_sid]), {"post": "yes"}).status_code == 403
    assert admin_client.post(reverse(delete, args=["AC" + "b" * 32]), {"post": "yes"}).status_code == 302
    assert TwilioAccount.objects.count() == 1


def test_a_secret_that_cannot_be_read_any_more_does_not_break_the_page(admin_client: Client) -> None:
    TwilioAccount.objects.create(sid=SID, auth_token="x")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE calls_twilioaccount SET auth_token = 'garbage'")

    assert admin_client.get(LIST).status_code == 200
    assert admin_client.get(reverse("admin:calls_twilioaccount_change", args=[SID])).status_code == 200

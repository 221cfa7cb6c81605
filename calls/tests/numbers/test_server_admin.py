"""The server of a number, on the number's page: entered, kept, forgotten, and never shown."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from calls.models import NumberServer, PhoneNumber
from calls.tests.factories import make_phone_number
from tools.models import Credential

pytestmark = pytest.mark.django_db

URL = "https://hooks.example/vapi"


def page(client: Client, number: PhoneNumber) -> Any:
    return client.get(reverse("admin:calls_phonenumber_change", args=[number.pk]))


def save(client: Client, number: PhoneNumber, **server: str) -> Any:
    """The number's form as it was opened, with these fields of its server typed over."""
    response = page(client, number)
    form = response.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    inline = response.context["inline_admin_formsets"][0].formset
    data |= {f"server-{name}": inline.management_form[name].value() for name in inline.management_form.fields}
    stored = NumberServer.objects.filter(pk=number.pk).exists()
    row = {name: inline.forms[0][name].value() for name in inline.forms[0].fields} if stored else {}
    row |= {"number": str(number.pk), **server}
    data |= {"server-TOTAL_FORMS": "1"} | {f"server-0-{name}": value for name, value in row.items()}
    data = {name: value for name, value in data.items() if value is not None and value is not False}
    return client.post(reverse("admin:calls_phonenumber_change", args=[number.pk]), data)


def test_a_number_has_no_server_until_somebody_enters_one(admin_client: Client) -> None:
    number = make_phone_number()
    assert "Server for tools that have none" in page(admin_client, number).content.decode()
    credential = Credential.objects.create(name="Key")

    saved = save(
        admin_client,
        number,
        server_url=URL,
        new_secret="hunter2",
        new_headers='{"X-Key": "hunter3"}',
        credential=str(credential.pk),
        server_backoff_plan='{"type": "fixed", "maxRetries": 1}',
        server_encrypted_paths='["ssn"]',
        timeout_s="45",
    )

    assert saved.status_code == 302
    server = NumberServer.objects.get()
    assert (server.server_url, server.server_secret) == (URL, "hunter2")
    assert server.server_headers == '{"X-Key": "hunter3"}'
    assert (server.credential, server.timeout_s) == (credential, 45.0)
    assert (server.server_backoff_plan["type"], server.server_encrypted_paths) == ("fixed", ["ssn"])
    html = page(admin_client, number).content.decode()
    assert "hunter" not in html
    assert "Stored: X-Key." in html


def test_secrets_stay_until_they_are_forgotten(admin_client: Client) -> None:
    number = make_phone_number()
    NumberServer.objects.create(
        number=number, server_url=URL, server_secret="s3", server_headers='{"A": "b"}'
    )

    save(admin_client, number, server_url=f"{URL}/2")
    kept = NumberServer.objects.get()
    assert (kept.server_url, kept.server_secret, kept.server_headers) == (f"{URL}/2", "s3", '{"A": "b"}')

    save(admin_client, number, clear_secret="on", clear_headers="on")
    cleared = NumberServer.objects.get()
    assert (cleared.server_secret, cleared.server_headers) == ("", "")


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("server_url", "nowhere", "valid URL"),
        ("timeout_s", "0.5", "greater than or equal to 1"),
        ("new_headers", '{"a b": "x"}', "no such header"),
        ("server_encrypted_paths", '["a..b"]', "names no argument"),
        ("server_backoff_plan", '{"type": "often"}', "type"),
        ("server_backoff_plan", "{", "Not valid JSON"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_kept(
    admin_client: Client, field: str, typed: str, words: str
) -> None:
    number = make_phone_number()

    response = save(admin_client, number, **{"server_url": URL, field: typed})

    assert words in str(response.context["errors"])
    assert not NumberServer.objects.exists()


def test_a_secret_that_no_key_opens_breaks_neither_the_page_nor_the_number(
    admin_client: Client, settings: Settings
) -> None:
    number = make_phone_number()
    NumberServer.objects.create(
        number=number, server_url=URL, server_secret="s3", server_headers='{"A": "b"}'
    )
    settings.FIELD_ENCRYPTION_KEYS = ["5uXvNIfyvdXwRkcWpB2zXSEi2TjLoDi3YAhcVpqkk8M="]

    assert "no configured key opens" in page(admin_client, number).content.decode()
    assert PhoneNumber.objects.get() == number


def test_who_may_only_look_sees_that_there_are_secrets(client: Client) -> None:
    user = User.objects.create_user("vera", password="x", is_staff=True)
    seen = Permission.objects.filter(codename__in=["view_phonenumber", "view_numberserver"])
    user.user_permissions.set(seen)
    client.force_login(user)
    number = make_phone_number()
    NumberServer.objects.create(number=number, server_url=URL, server_secret="hunter2")

    html = page(client, number).content.decode()

    assert "A secret is stored." in html
    assert "hunter2" not in html

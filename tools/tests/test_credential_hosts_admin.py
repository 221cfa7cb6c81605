"""Who has a credential sent where is seen and allowed by people; what is stored goes to no server that it was not entered for."""

import json
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from tools.auth.allowing import credential_known, host_refusal, url_allow
from tools.models import Credential
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db


def make_credential(hosts: str = "", **fields: Any) -> Credential:
    usual = {"name": "Booking", "kind": "bearer", "settings": json.dumps({"token": "t0ken"})}
    return Credential.objects.create(**{**usual, "hosts": hosts, **fields})


def page(credential: Credential, name: str = "hosts") -> str:
    return reverse(f"admin:tools_credential_{name}", args=[credential.pk])


def test_each_use_is_shown_and_allowed_with_one_press(admin_client: Client, admin_user: User) -> None:
    credential = make_credential("api.example.com")
    make_tool(name="fine", credential=credential, server_url="https://api.example.com/a")
    make_tool(name="elsewhere", credential=credential, server_url="https://new.example.com:8443/a")
    make_tool(
        name="tenant", kind="apiRequest", server_url="", credential=credential,
        settings={"url": "https://{{ tenant }}.shop.example/x"},
    )  # fmt: skip

    shown = admin_client.get(page(credential)).content.decode()

    assert ("Not sent" in shown, "Known in the call" in shown) == (True, True)
    assert "Allow new.example.com:8443" in shown
    assert "Allow *.shop.example" in shown
    assert "Allow api.example.com<" not in shown
    told = admin_client.post(
        page(credential), {"entry": "new.example.com:8443"}, follow=True
    ).content.decode()
    assert "may be sent to new.example.com:8443" in told
    assert Credential.objects.get().hosts == "api.example.com\nnew.example.com:8443"
    assert LogEntry.objects.get(user=admin_user).change_message == "Allowed the host new.example.com:8443."
    again = admin_client.post(
        page(credential), {"entry": "new.example.com:8443"}, follow=True
    ).content.decode()
    assert "among its hosts already" in again
    assert "no host" in admin_client.post(page(credential), {"entry": "*"}, follow=True).content.decode()


def test_only_who_may_change_credentials_allows(client: Client) -> None:
    credential = make_credential()
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_credential"))
    client.force_login(user)
    make_tool(credential=credential, server_url="https://api.example.com/a")

    assert ">Allow " not in client.get(page(credential)).content.decode()
    assert client.post(page(credential), {"entry": "api.example.com"}).status_code == 403
    assert Credential.objects.get().hosts == ""


def test_a_credential_that_is_gone_or_that_nobody_uses_has_a_page_too(admin_client: Client) -> None:
    credential = make_credential()

    assert "Nobody uses it." in admin_client.get(page(credential)).content.decode()
    gone = page(credential)
    credential.delete()
    assert "no such credential" in admin_client.get(gone, follow=True).content.decode()


def test_the_list_is_edited_and_read_with_care(admin_client: Client) -> None:
    credential = make_credential()
    form = {"name": "Booking", "kind": "bearer", "bearer_prefix": "on"}

    wrong = admin_client.post(page(credential, "change"), {**form, "hosts": "api.example.com/hook"})
    assert "is no host: write one such as" in wrong.content.decode()
    admin_client.post(page(credential, "change"), {**form, "hosts": " API.example.com\n*.shop.example "})

    row = Credential.objects.get()
    assert row.hosts == "api.example.com\n*.shop.example"
    assert json.loads(row.settings)["token"] == "t0ken"
    assert (
        "api.example.com and 1 more"
        in admin_client.get(reverse("admin:tools_credential_changelist")).content.decode()
    )


def test_a_credential_is_entered_under_the_id_that_programs_know(admin_client: Client) -> None:
    form = {"name": "Theirs", "kind": "bearer", "token": "t", "hosts": "", "known_as": "cred-7"}

    admin_client.post(reverse("admin:tools_credential_add"), form)
    assert Credential.objects.get().vapi_id == "cred-7"
    twice = admin_client.post(reverse("admin:tools_credential_add"), form)

    assert "Another credential has this id." in twice.content.decode()
    assert "Nowhere yet" in admin_client.get(reverse("admin:tools_credential_changelist")).content.decode()


@pytest.mark.parametrize(
    ("url", "secret", "stays"),
    [
        ("https://id.example/other", "", True),
        ("https://evil.example/t", "", False),
        ("http://id.example/t", "", False),
        ("https://evil.example/t", "n3w", True),
    ],
)
def test_a_stored_client_secret_goes_to_no_other_token_server(
    admin_client: Client,
    url: str,
    secret: str,
    stays: bool,  # of a table
) -> None:
    stored = {"url": "https://id.example/t", "clientId": "c", "clientSecret": "s3cret"}
    credential = make_credential(kind="oauth2", settings=json.dumps(stored))
    form = {
        "name": "Booking",
        "kind": "oauth2",
        "token_url": url,
        "client_id": "c",
        "client_secret": secret,
        "hosts": "",
    }

    answer = admin_client.post(page(credential, "change"), form)

    assert (answer.status_code == 302) == stays
    now = json.loads(Credential.objects.get().settings)
    assert (now["url"], now["clientSecret"]) == (
        (url, secret or "s3cret") if stays else (stored["url"], "s3cret")
    )


def test_who_saves_a_tool_for_another_host_is_led_to_allow_it(admin_client: Client) -> None:
    credential = make_credential("api.example.com")
    tool = make_tool(credential=credential, server_url="https://new.example.com/a")
    form = {
        "kind": tool.kind, "name": tool.name, "description": "d", "parameters": "{}", "server_url": tool.server_url,
        "credential": str(credential.pk), "timeout_s": "20", "duplicates": "once",
    }  # fmt: skip

    told = admin_client.post(
        reverse("admin:tools_tool_change", args=[tool.pk]), form, follow=True
    ).content.decode()

    assert "its credential may not be sent to new.example.com" in told
    assert page(credential) in told


def test_an_import_allows_what_it_brings_and_nothing_that_names_no_host() -> None:
    credential = make_credential()

    assert not url_allow(credential_id=credential.pk, url="https://{{ host }}/x")
    assert not url_allow(credential_id=None, url="https://api.example.com/")
    assert url_allow(credential_id=credential.pk, url="https://api.example.com/x")
    assert not url_allow(credential_id=credential.pk, url="https://api.example.com/y")
    assert url_allow(credential_id=credential.pk, url="https://{{ tenant }}.shop.example/x")
    assert Credential.objects.get().hosts == "api.example.com\n*.shop.example"
    assert host_refusal(credential.pk, "https://evil.example/").startswith(
        "The credential “Booking” may not be sent to evil.example."
    )


def test_who_may_not_change_credentials_opens_no_entered_one_by_a_file_to_import() -> None:
    waiting, entered = make_credential(kind="", settings=""), make_credential()
    importer = User.objects.create_user("importer", is_staff=True)
    keeper = User.objects.create_user("keeper", is_staff=True)
    keeper.user_permissions.set(Permission.objects.filter(codename="change_credential"))

    assert url_allow(credential_id=waiting.pk, url="https://new.example/", by=importer)
    assert not url_allow(credential_id=entered.pk, url="https://new.example/", by=importer)
    assert url_allow(credential_id=entered.pk, url="https://new.example/", by=keeper)


def test_what_programs_sent_with_their_calls_hides_nothing_that_people_made(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.auth.allowing.MOST_USES", 3)
    credential = make_credential()
    for n in range(4):
        make_tool(
            name=f"sent_{n}",
            credential=credential,
            server_url="https://sent.example/a",
            transient=uuid.uuid4(),
        )
    make_tool(name="ours", credential=credential, server_url="https://ours.example/a")

    shown = admin_client.get(page(credential)).content.decode()

    assert "ours.example" in shown
    assert shown.count("of programs' calls") + shown.count("of programs&#x27; calls") == 1


@pytest.mark.parametrize("given", ["", "\x00", "cred\x00", "x" * 500, "{}", "0" * 32])
def test_an_id_that_no_credential_has_is_looked_for_in_vain(given: str) -> None:
    make_credential(vapi_id="cred")

    assert credential_known(given) is None

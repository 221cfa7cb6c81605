"""A number's server gets a stored credential only where that may go, and upgrading leaves every one where it went."""

import json
from typing import Any

import pytest
from django.apps import apps
from django.utils.module_loading import import_string

from assistants.tests.factories import make_assistant
from calls.models import NumberServer
from calls.tests.factories import make_phone_number
from calls.tests.numbers.api.test_numbers import program
from tools.models import Credential
from tools.tests.access.program import Program
from tools.tests.factories import make_tool

__all__ = ["program"]
pytestmark = pytest.mark.django_db


def make_credential(**fields: Any) -> Credential:
    return Credential.objects.create(**{"kind": "bearer", "settings": json.dumps({"token": "t"}), **fields})


def test_a_number_sends_a_credential_to_its_hosts_alone(program: Program) -> None:
    make_credential(name="desk", vapi_id="cred-1", hosts="desk.example.com")
    number = make_phone_number()
    path = f"/phone-number/{number.pk}"

    def server(url: str, credential_id: str = "cred-1") -> dict[str, Any]:
        return {"server": {"url": url, "credentialId": credential_id}}

    program.ask("PATCH", path, server("https://desk.example.com/a"))
    told = program.ask("PATCH", path, server("https://evil.example.org/a"), 400)["message"]
    unknown = program.ask("PATCH", path, server("https://desk.example.com/a", "made-up"), 400)["message"]

    assert "may not be sent to evil.example.org" in told
    assert "no credential made-up here" in unknown
    assert NumberServer.objects.get().server_url == "https://desk.example.com/a"
    assert Credential.objects.count() == 1


def test_the_upgrade_lets_each_credential_go_to_where_it_went() -> None:
    used, unused = make_credential(name="used", hosts="kept.example.com"), make_credential(name="unused")
    asked = make_tool(
        name="asks",
        kind="apiRequest",
        server_url="",
        credential=used,
        settings={"url": "https://{{ t }}.shop.example/x"},
    )
    tool = make_tool(credential=used, server_url="https://published.example.com/a")
    assistant = make_assistant(
        published=True, tools=[tool, asked], credential=used, server_url="https://desk.example.com:8443/"
    )
    tool.server_url = "http://draft.example.com/a"
    tool.save()
    assistant.server_url = ""
    assistant.save()
    NumberServer.objects.create(
        number=make_phone_number(), server_url="https://number.example.com/", credential=used
    )
    fill = import_string("calls.migrations.0034_fill_credential_hosts.hosts_fill")

    fill(apps, None)
    fill(apps, None)

    assert set(Credential.objects.get(pk=used.pk).hosts.split()) == {
        "kept.example.com",
        "*.shop.example",
        "published.example.com",
        "http://draft.example.com",
        "desk.example.com:8443",
        "number.example.com",
    }
    assert Credential.objects.get(pk=unused.pk).hosts == ""

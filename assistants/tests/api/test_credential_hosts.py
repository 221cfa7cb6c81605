"""A program has stored credentials sent to their own hosts alone, and makes none by naming them."""

import json
from typing import Any

import pytest

from assistants.models import Assistant
from assistants.tests.api.test_objects import program
from assistants.tests.factories import make_assistant
from tools.models import Credential, Tool
from tools.tests.access.program import Program

__all__ = ["program"]
pytestmark = pytest.mark.django_db
HOME = "https://desk.example.com/vapi"
EVIL = "https://evil.example.org/vapi"


@pytest.fixture
def credential() -> Credential:
    return Credential.objects.create(
        name="desk",
        vapi_id="cred-1",
        kind="bearer",
        settings=json.dumps({"token": "t0ken"}),
        hosts="desk.example.com",
    )


def tool(url: str, credential_id: str = "cred-1") -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": "look", "description": "Looks."},
        "server": {"url": url, "credentialId": credential_id},
    }


def request_tool(url: str) -> dict[str, Any]:
    return {"type": "apiRequest", "name": "ask", "url": url, "credentialId": "cred-1"}


def refused(program: Program, method: str, path: str, body: dict[str, Any]) -> str:
    message = program.ask(method, path, body, 400)["message"]
    return message if isinstance(message, str) else " ".join(message)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tool", tool(EVIL)),
        ("/tool", request_tool(EVIL)),
        ("/assistant", {"name": "a", "server": {"url": EVIL, "credentialId": "cred-1"}}),
        (
            "/assistant",
            {"name": "a", "model": {"provider": "openai", "model": "gpt-realtime", "tools": [tool(EVIL)]}},
        ),
    ],
)
def test_whatever_is_written_a_credential_stays_with_its_hosts(
    program: Program, credential: Credential, path: str, body: dict[str, Any]
) -> None:
    told = refused(program, "POST", path, body)

    assert "The credential “desk” may not be sent to evil.example.org" in told
    assert "Whoever may change credentials allows that host" in told
    assert not Tool.objects.exists()
    assert not Assistant.objects.exists()
    assert Credential.objects.get().hosts == "desk.example.com"


def test_its_own_host_is_fine_and_our_id_is_as_good_as_vapis(
    program: Program, credential: Credential
) -> None:
    program.ask("POST", "/tool", tool(HOME), 201)
    made = program.ask("POST", "/tool", tool(HOME, str(credential.pk)), 201)

    assert set(Tool.objects.values_list("credential", flat=True)) == {credential.pk}
    assert Credential.objects.count() == 1
    told = refused(
        program, "PATCH", f"/tool/{made['id']}", {"server": {"url": EVIL, "credentialId": "cred-1"}}
    )
    assert "evil.example.org" in told
    assert set(Tool.objects.values_list("server_url", flat=True)) == {HOME}


def test_a_host_that_only_the_call_knows_is_judged_then(program: Program, credential: Credential) -> None:
    program.ask("POST", "/tool", request_tool("https://{{ tenant }}.example.com/x"), 201)


def test_unknown_credentials_are_refused_by_name_and_none_is_made(program: Program) -> None:
    for n in range(3):
        told = refused(program, "POST", "/tool", tool(HOME, f"made-up-{n}"))
        assert f"there is no credential made-up-{n} here" in told

    assert not Credential.objects.exists()
    assert not Tool.objects.exists()


def test_what_people_have_left_refused_does_not_stand_in_the_way_of_other_changes(program: Program) -> None:
    elsewhere = Credential.objects.create(name="not allowed anywhere")
    row = make_assistant(server_url=HOME, credential=elsewhere)

    program.ask("PATCH", f"/assistant/{row.pk}", {"firstMessage": "Hello."})
    program.ask("PATCH", f"/assistant/{row.pk}", {"server": {"url": f"{HOME}/other"}})

    assert Assistant.objects.get(pk=row.pk).credential == elsewhere

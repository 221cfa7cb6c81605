"""What comes with a call has stored credentials sent to their own hosts alone."""

import json
from typing import Any

import pytest

from assistants.models import Assistant
from assistants.tests.factories import make_assistant
from calls.choosing.services import RefusedError, choose
from tools.models import Credential

pytestmark = pytest.mark.django_db
HOME, EVIL = "https://desk.example.com/vapi", "https://evil.example.org/vapi"


@pytest.fixture
def credential() -> Credential:
    return Credential.objects.create(
        name="desk",
        vapi_id="cred-1",
        kind="bearer",
        settings=json.dumps({"token": "t"}),
        hosts="desk.example.com",
    )


def inline(url: str, credential_id: str = "cred-1") -> dict[str, Any]:
    model = {
        "provider": "openai",
        "model": "gpt-realtime",
        "messages": [{"role": "system", "content": "Help."}],
    }
    return {
        "assistant": {"name": "inline", "model": model, "server": {"url": url, "credentialId": credential_id}}
    }


def test_an_inline_assistant_takes_a_credential_to_its_host_alone(credential: Credential) -> None:
    with pytest.raises(RefusedError) as refused:
        choose(inline(EVIL))

    assert "may not be sent to evil.example.org" in " ".join(refused.value.messages)
    assert not Assistant.every.exists()
    made = choose(inline(HOME)).assistant
    assert Assistant.every.get(pk=made.pk).credential == credential


def test_no_credential_is_made_by_naming_one() -> None:
    with pytest.raises(RefusedError) as refused:
        choose(inline(HOME, "made-up"))

    assert "no credential made-up here" in " ".join(refused.value.messages)
    assert not Credential.objects.exists()


def test_overrides_take_no_credential_elsewhere(credential: Credential) -> None:
    stored = make_assistant(published=True, server_url=HOME, credential=credential)

    def over(server: dict[str, Any]) -> Any:
        return choose({"assistantId": str(stored.pk), "assistantOverrides": {"server": server}})

    with pytest.raises(RefusedError):
        over({"url": EVIL, "credentialId": "cred-1"})
    elsewhere = over({"url": EVIL})
    row = elsewhere.version.assistant
    assert (row.server_url, row.credential) == (EVIL, None)


def test_what_people_left_refused_does_not_stop_calls() -> None:
    nowhere = Credential.objects.create(name="not allowed anywhere")
    stored = make_assistant(published=True, server_url=HOME, credential=nowhere)

    chosen = choose({"assistantId": str(stored.pk), "assistantOverrides": {"firstMessage": "Hello."}})

    assert chosen.version.assistant.credential == nowhere

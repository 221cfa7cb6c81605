"""Vapi's official Python library, unmodified, with another base URL."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from vapi import Vapi
from vapi.core.api_error import ApiError as ClientError

from assistants.models import Assistant, AssistantVersion
from assistants.tests.factories import make_realtime_model, make_transcription_model, make_voice
from tools.access.keys import key_create

# Importing the library alone takes half a minute of processor time.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

MODEL: Any = {
    "provider": "openai",
    "model": "gpt-4o",
    "messages": [{"role": "system", "content": "You answer for Harbour Bikes. Be brief."}],
}
SERVER: Any = {"url": "https://tools.example.com/hooks"}


@pytest.fixture
def client(live_server: Any, socket_enabled: None) -> Iterator[Vapi]:
    # Other tests may have flushed what a migration filled.
    make_realtime_model()
    make_transcription_model()
    make_voice()
    # The library leaves connections of its own to the garbage collector.
    with httpx.Client() as http:
        yield Vapi(token=key_create(name="program")[1], base_url=live_server.url, httpx_client=http)


def test_a_program_creates_lists_changes_reads_and_deletes_assistants_and_tools(client: Vapi) -> None:
    tool = client.tools.create(
        request={
            "type": "function",
            "function": {"name": "find_slots", "parameters": {"type": "object", "properties": {}}},
            "server": SERVER,
        }
    )
    made = client.assistants.create(
        name="Front desk",
        first_message="Hello.",
        max_duration_seconds=300,
        model={**MODEL, "toolIds": [tool.id]},
    )

    read = client.assistants.get(made.id)
    assert (read.name, read.first_message, read.max_duration_seconds) == ("Front desk", "Hello.", 300)
    assert read.model is not None
    assert read.model.tool_ids == [tool.id]
    assert client.assistants.update(made.id, first_message="Good morning.").first_message == "Good morning."
    assert [one.name for one in client.assistants.list()] == ["Front desk"]
    assert [one.id for one in client.tools.list()] == [tool.id]
    row = Assistant.objects.select_related("live_version").get(pk=made.id)
    assert (row.first_message, row.max_duration_s) == ("Good morning.", 300)
    assert row.live_version is not None
    assert row.live_version.snapshot["first_message"] == "Good morning."

    with pytest.raises(ClientError) as in_use:
        client.tools.delete(tool.id, request_options={"max_retries": 0})
    assert in_use.value.status_code == 409
    assert client.assistants.delete(made.id).id == made.id
    with pytest.raises(ClientError) as gone:
        client.assistants.get(made.id)
    assert gone.value.status_code == 404
    assert AssistantVersion.objects.filter(assistant=made.id).exists()
    assert not Assistant.objects.get(pk=made.id).enabled


def test_a_wrong_key_and_a_wrong_body_raise_the_librarys_errors(client: Vapi, live_server: Any) -> None:
    with httpx.Client() as http, pytest.raises(ClientError) as refused:
        Vapi(token="wrong", base_url=live_server.url, httpx_client=http).assistants.list()
    assert refused.value.status_code == 401
    with pytest.raises(ClientError) as invalid:
        client.assistants.create(name="x" * 41, model=MODEL)
    assert invalid.value.body["message"] == ["assistant.name must be shorter than or equal to 40 characters"]


def test_a_program_creates_lists_changes_reads_and_deletes_a_squad(client: Vapi) -> None:
    first = client.assistants.create(name="Front desk", model=MODEL)
    members: Any = [
        {
            "assistantId": first.id,
            "assistantOverrides": {"firstMessage": "The shop, hello."},
            "assistantDestinations": [
                {"type": "assistant", "assistantName": "Billing", "message": "One moment."}
            ],
        },
        {"assistant": {"name": "Billing", "model": MODEL}},
    ]

    made = client.squads.create(name="Shop", members=members)

    read = client.squads.get(made.id)
    assert read.name == "Shop"
    assert [one.assistant_id for one in read.members] == [first.id, None]
    assert read.members[1].assistant is not None
    assert [one.id for one in client.squads.list()] == [made.id]
    changed = client.squads.update(made.id, members=[{"assistantId": first.id}], name="Store")
    assert (changed.name, len(changed.members)) == ("Store", 1)
    assert client.squads.delete(made.id).id == made.id
    with pytest.raises(ClientError) as gone:
        client.squads.get(made.id)
    assert gone.value.status_code == 404

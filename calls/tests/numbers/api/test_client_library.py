"""Vapi's official Python library, unmodified, with another base URL: phone numbers and analytics."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from vapi import Vapi
from vapi.core.api_error import ApiError as ClientError

from assistants.tests.factories import make_assistant
from calls.models import PhoneNumber
from calls.tests.factories import make_call
from tools.access.keys import key_create

# Importing the library alone takes half a minute of processor time.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

NUMBER: Any = {
    "provider": "twilio",
    "number": "+13125550111",
    "twilioAccountSid": f"AC{'1' * 32}",
    "twilioAuthToken": "the-token-of-that-account",
    "name": "Front desk",
}


@pytest.fixture
def client(live_server: Any, socket_enabled: None) -> Iterator[Vapi]:
    # The library leaves connections of its own to the garbage collector.
    with httpx.Client() as http:
        yield Vapi(token=key_create(name="program")[1], base_url=live_server.url, httpx_client=http)


def test_a_program_registers_lists_changes_reads_and_deletes_numbers(client: Vapi) -> None:
    assistant = make_assistant()

    made: Any = client.phone_numbers.create(request=NUMBER)
    assert (made.number, made.name, made.status) == (NUMBER["number"], "Front desk", "active")
    assert [one.id for one in client.phone_numbers.list()] == [made.id]
    page = client.phone_numbers.phone_number_controller_find_all_paginated(
        search="front", sort_order="ASC", page=1
    )
    assert ([one.id for one in page.results], page.metadata.total_items) == ([made.id], 1)
    change: Any = {"provider": "twilio", "assistantId": str(assistant.pk)}
    changed: Any = client.phone_numbers.update(made.id, request=change)
    assert changed.assistant_id == str(assistant.pk)
    assert PhoneNumber.objects.get(pk=made.id).assistant == assistant
    read: Any = client.phone_numbers.get(made.id)
    assert (read.provider, read.assistant_id) == ("twilio", str(assistant.pk))
    gone: Any = client.phone_numbers.delete(made.id)
    assert gone.id == made.id
    with pytest.raises(ClientError) as unknown:
        client.phone_numbers.get(made.id)
    assert unknown.value.status_code == 404


def test_a_program_counts_calls(client: Vapi) -> None:
    make_call()
    query: Any = {"table": "call", "name": "calls", "operations": [{"operation": "count", "column": "id"}]}

    (answer,) = client.analytics.get(queries=[query])

    assert (answer.name, answer.result) == ("calls", [{"countId": 1}])

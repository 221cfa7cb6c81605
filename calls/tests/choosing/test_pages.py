"""What a program sent along with a call, as people and programs see it afterwards."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from assistants.models import Assistant, Squad, Transient
from assistants.tests.factories import (
    make_assistant,
    make_realtime_model,
    make_transcription_model,
    make_voice,
)
from calls.choosing.services import choice_pin, choose
from calls.models import Call
from calls.tests.factories import make_call
from tools.access.keys import key_create
from tools.models import Tool
from tools.tests.factories import make_tool_call

pytestmark = pytest.mark.django_db

PROMPT = {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "Sell bikes."}]}
END: dict[str, Any] = {"type": "endCall"}
INLINE: dict[str, Any] = {"name": "Mary Ann", "firstMessage": "Hello.", "model": {**PROMPT, "tools": [END]}}
SECRET: dict[str, Any] = {"server": {"url": "https://desk.example.com", "secret": "hush"}}


@pytest.fixture(autouse=True)
def catalogue() -> None:
    # Other tests may have flushed what a migration filled.
    make_realtime_model()
    make_transcription_model()
    make_voice()


def placed(body: dict[str, Any]) -> Call:
    choice = choose(body, actor="API key tandem_ab12")
    with transaction.atomic():
        call = make_call(**choice.columns())
        choice_pin(call, choice)
    return call


def page(client: Client, name: str, pk: object) -> str:
    response = client.get(reverse(f"admin:{name}_change", args=[pk]))
    assert response.status_code == 200
    return response.content.decode()


def told(call: Call) -> dict[str, Any]:
    client = Client(headers={"Authorization": f"Bearer {key_create(name='program')[1]}"})
    read: dict[str, Any] = client.get(f"/call/{call.pk}").json()
    assert client.get("/call").json() == [read]
    return read


def test_a_call_of_an_assistant_sent_along_is_told_with_its_document(admin_client: Client) -> None:
    # With hyphens, which no token of a form on the page has: nothing but this can be found there.
    values = {"who": "Ida", "apiKey": "k-e-y"}
    call = placed({"assistant": {**INLINE, **SECRET}, "assistantOverrides": {"variableValues": values}})

    read = told(call)

    assert read["assistant"] == {
        **INLINE,
        "server": {"url": "https://desk.example.com"},
    }
    assert read["assistantOverrides"] == {"variableValues": {"who": "Ida"}}
    assert read["artifact"]["variableValues"] == {"who": "Ida"}
    assert not read.keys() & {"assistantId", "assistantVersion", "squad", "squadId", "squadOverrides"}
    shown = page(admin_client, "calls_call", call.pk)
    assert "Sent along with the call by a program" in shown
    assert "What was sent along" in shown
    assert "who: Ida" in shown
    assert "k-e-y" not in shown
    assert call.version is not None
    assert "API key tandem_ab12" in page(admin_client, "assistants_assistantversion", call.version.pk)


def test_a_call_with_overrides_is_told_with_them_and_the_assistants_id(admin_client: Client) -> None:
    assistant = make_assistant(published=True)
    over = {"firstMessage": "Hi.", "variableValues": {"who": "Ida"}}
    call = placed({"assistantId": str(assistant.pk), "assistantOverrides": over})

    read = told(call)

    assert (read["assistantId"], read["assistantOverrides"]) == (str(assistant.pk), over)
    assert not read.keys() & {"assistant", "assistantVersion"}
    shown = page(admin_client, "calls_call", call.pk)
    assert "With the overrides of this call" in shown
    assert assistant.name in shown


def test_a_call_of_a_squad_sent_along_is_told_with_its_document(admin_client: Client) -> None:
    squad = {"name": "Shop", "members": [{"assistant": INLINE}, {"assistant": {**INLINE, "name": "Ida"}}]}
    call = placed({"squad": squad})

    read = told(call)

    assert read["squad"] == squad
    assert not read.keys() & {"assistant", "assistantId", "squadId"}
    assert all(
        "assistantId" not in one or one["assistantId"] is None
        for one in read["artifact"]["assistantActivations"]
    )
    assert "Sent along with the call by a program" in page(admin_client, "calls_call", call.pk)


def test_what_was_sent_along_is_in_no_list_of_the_admin(admin_client: Client) -> None:
    call = placed({"assistant": INLINE})
    placed({"squad": {"members": [{"assistant": INLINE}]}})
    tool = Tool.every.filter(transient__isnull=False)[0]
    used = make_tool_call(call_id=call.pk, tool=tool)

    for name in ("assistants_assistant", "assistants_assistantversion", "assistants_squad", "tools_tool"):
        listed = admin_client.get(reverse(f"admin:{name}_changelist")).content.decode()
        assert "Mary Ann" not in listed, name
        assert str(tool.pk) not in listed, name
    assert "sent along with calls" in page(admin_client, "tools_toolcall", used.pk)
    assert (Transient.objects.count(), Assistant.every.count(), Squad.every.count()) == (3, 2, 1)

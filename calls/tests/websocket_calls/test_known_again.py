"""Requests for calls on sockets, and in somebody else's flow, that a client library repeats."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Assistant
from assistants.tests.factories import make_assistant
from calls.concurrency.room import room
from calls.models import Call, CallRequest, SocketCall
from calls.services import stream_claim
from calls.tests.factories import make_phone_number
from calls.websocket_calls.services import bypass_awaited, socket_awaited, websocket_call_create
from tools.models import ApiKey
from tools.tests.access.program import Program

pytestmark = pytest.mark.django_db

TRANSPORT = {"provider": "vapi.websocket"}
ACCOUNT = "AC" + "7" * 32


@pytest.fixture
def program(settings: Settings) -> Program:
    settings.OPENAI_API_KEY = "sk-test"
    settings.MEDIA_ORIGIN = "wss://media.test"
    settings.OUTBOUND_CONCURRENCY = 10
    return Program()


@pytest.fixture
def assistant() -> Assistant:
    return make_assistant(published=True)


@pytest.fixture(params=["socket", "bypass"])
def body(request: pytest.FixtureRequest, assistant: Assistant) -> dict[str, Any]:
    carried: dict[str, dict[str, Any]] = {
        "socket": {"transport": TRANSPORT},
        "bypass": {"phoneCallProviderBypassEnabled": True},
    }
    return {"assistantId": str(assistant.pk), **carried[request.param]}


def ask(program: Program, body: dict[str, Any], status: int = 201, key: str = "order-7") -> Any:
    return program.ask("POST", "/call", body, status=status, headers={"Idempotency-Key": key})


def age(call_id: str, seconds: float) -> None:
    """Let a call have been asked for so long ago."""
    at = timezone.now() - timedelta(seconds=seconds)
    Call.objects.filter(pk=call_id).update(created_at=at, token_minted_at=at)


def test_a_repeated_request_is_given_the_call_of_the_first_and_what_opens_it(
    program: Program, body: dict[str, Any]
) -> None:
    answers = [ask(program, body) for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert "token" in str(answers[0])
    assert Call.objects.count() == 1


def test_a_key_is_good_for_one_body_for_ever(program: Program, body: dict[str, Any]) -> None:
    first = ask(program, body)
    CallRequest.objects.update(created_at=timezone.now() - timedelta(days=3))
    Call.objects.update(status=Call.Status.ENDED, ended_at=timezone.now())

    assert ask(program, body)["id"] == first["id"]
    assert "another body" in ask(program, {**body, "name": "else"}, status=422)["message"]
    assert ask(program, body, key="order-8")["id"] != first["id"]
    assert ask(program, body, status=400, key="x" * 300)["statusCode"] == 400


def test_without_a_key_the_same_body_asks_for_another_call(program: Program, body: dict[str, Any]) -> None:
    first, second = (program.ask("POST", "/call", body, status=201) for _ in range(2))

    assert first["id"] != second["id"]
    assert not CallRequest.objects.exists()


def test_one_key_of_a_program_is_good_for_one_call_by_whatever_it_is_carried(
    program: Program, assistant: Assistant, settings: Settings
) -> None:
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    spoken = {"assistantId": str(assistant.pk)}
    dialled = {
        **spoken,
        "phoneNumberId": str(make_phone_number().pk),
        "customer": {"number": "+13125550177"},
    }
    ask(program, {**spoken, "transport": TRANSPORT})

    assert "another body" in ask(program, dialled, status=422)["message"]
    assert ask(Program(), {**spoken, "transport": TRANSPORT})["id"] not in {
        str(one.pk) for one in SocketCall.objects.filter(key=program.key)
    }


def test_an_address_is_told_again_as_long_as_it_opens_the_call_and_is_not_renewed(
    program: Program, assistant: Assistant
) -> None:
    body = {"assistantId": str(assistant.pk), "transport": TRANSPORT}
    first = ask(program, body)
    age(first["id"], 50)
    url = ask(program, body)["transport"]["websocketCallUrl"]
    assert socket_awaited(first["id"], url.partition("?token=")[2]) is not None

    age(first["id"], 61)
    late = ask(program, body)

    assert late["id"] == first["id"]
    assert "websocketCallUrl" not in late["transport"]
    assert late["transport"]["provider"] == "vapi.websocket"
    assert room(now=timezone.now()).taken == 0


def test_a_call_that_was_opened_is_told_without_its_address(program: Program, assistant: Assistant) -> None:
    body = {"assistantId": str(assistant.pk), "transport": TRANSPORT}
    first = ask(program, body)
    token = first["transport"]["websocketCallUrl"].partition("?token=")[2]
    assert stream_claim(call_id=first["id"], call_sid="", account_sid="", stream_sid="WS1", token=token)

    again = ask(program, body)

    assert (again["id"], again["status"]) == (first["id"], "in-progress")
    assert "websocketCallUrl" not in again["transport"]


def test_a_document_for_another_flow_stays_good_when_it_is_asked_for_again(
    program: Program, assistant: Assistant
) -> None:
    body = {"assistantId": str(assistant.pk), "phoneCallProviderBypassEnabled": True}
    first = ask(program, body)
    age(first["id"], 300)
    told = [ask(program, body)["phoneCallProviderDetails"]["twiml"] for _ in range(2)]

    assert told[0] == told[1]
    assert ET.fromstring(told[0]).find(".//Stream") is not None
    assert bypass_awaited(first["id"])
    age(first["id"], 601)
    assert "twiml" not in str(ask(program, body))


def test_a_repeated_request_is_answered_where_a_new_one_finds_no_room(
    program: Program, assistant: Assistant, settings: Settings
) -> None:
    settings.OUTBOUND_CONCURRENCY = settings.OUTBOUND_CALLS_PER_MINUTE = 1
    body = {"assistantId": str(assistant.pk), "transport": TRANSPORT}
    first = ask(program, body)

    assert ask(program, body)["id"] == first["id"]
    assert first["subscriptionLimits"]["concurrencyBlocked"] is True


def test_a_refused_request_leaves_nothing_behind_and_may_be_sent_again(
    program: Program, assistant: Assistant, settings: Settings
) -> None:
    settings.OUTBOUND_CONCURRENCY = 0
    body = {"assistantId": str(assistant.pk), "transport": TRANSPORT}
    assert ask(program, body, status=400)["message"][0] == "Over Concurrency Limit"
    assert not CallRequest.objects.exists()

    settings.OUTBOUND_CONCURRENCY = 1
    ask(program, body)


def test_a_call_that_was_erased_since_is_not_made_again(program: Program, body: dict[str, Any]) -> None:
    first = ask(program, body)
    Call.objects.update(status=Call.Status.ENDED, ended_at=timezone.now())
    program.ask("DELETE", f"/call/{first['id']}")

    assert "erased" in ask(program, body, status=410)["message"]


@pytest.mark.django_db(transaction=True)
def test_twenty_who_ask_at_once_are_given_one_call(program: Program, assistant: Assistant) -> None:
    body = {"assistantId": str(assistant.pk), "transport": TRANSPORT}
    key = ApiKey.objects.get()

    def made() -> str:
        try:
            return str(websocket_call_create(body, key, idempotency_key="order-7").told)
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        answers = [one.result() for one in [pool.submit(made) for _ in range(20)]]

    assert len(set(answers)) == 1
    assert "websocketCallUrl" in answers[0]
    assert Call.objects.count() == 1

"""Text messages: to the caller, once, and with no secret of anybody else."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.utils import timezone
from pytest_django import Settings

from tools import services
from tools.auth.credentials import ServerAuth
from tools.encryption import encrypt
from tools.orders import ToolOrder
from tools.sending import Sent, order_send
from tools.tests.factories import make_order, make_order_tool
from tools.tests.servers import ToolServer, answering, closing, serve

pytestmark = pytest.mark.usefixtures("loopback", "redis_client")

CALLER, DID = "+13125550177", "+14155550100"
MESSAGE = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
ANYBODY = {"type": "object", "properties": {"message": {"type": "string"}, "to": {"type": "string"}}}
TAKEN = json.dumps({"sid": "SM1", "status": "queued", "body": "Your code is 481."})


@pytest.fixture
def twilio(settings: Settings) -> Iterator[ToolServer]:
    """Twilio, which takes everything."""
    with serve(answering(TAKEN, status=201)) as server:
        at(settings, server)
        yield server


def at(settings: Settings, server: ToolServer) -> None:
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC1", "token"
    settings.TWILIO_API_URL = server.url.rstrip("/")


def order(arguments: dict[str, Any] | None = None, *, caller: str = CALLER, **tool: Any) -> ToolOrder:
    made = make_order_tool(**{"kind": "sms", "name": "sms", "parameters": MESSAGE, "server_url": "", **tool})
    context = {"customer": {"number": caller}, "phoneNumber": {"number": DID}, "messages": []}
    return make_order(tool=made, arguments=arguments or {"message": "Your code is 481."}, context=context)


def send(one: ToolOrder) -> Sent:
    return order_send(one, now=timezone.now(), go_on=lambda _: True)


def form(server: ToolServer) -> dict[str, str]:
    ((_, body),) = server.requests
    return {name: value for name, (value,) in parse_qs(body.decode()).items()}


def test_the_caller_gets_the_message_from_the_number_they_called(twilio: ToolServer) -> None:
    sent = send(order())

    assert sent.outcome.status == "answered"
    assert "handed over to be sent" in sent.outcome.output
    assert "481" not in sent.outcome.output
    assert form(twilio) == {"To": CALLER, "From": DID, "Body": "Your code is 481."}
    ((headers, _),) = twilio.requests
    assert twilio.paths[0].endswith("/2010-04-01/Accounts/AC1/Messages.json")
    assert headers["Authorization"] == f"Basic {base64.b64encode(b'AC1:token').decode()}"


def test_the_tool_may_name_the_sender(twilio: ToolServer) -> None:
    send(order(settings={"metadata": {"from": "+13125550100"}}))

    assert form(twilio)["From"] == "+13125550100"


def test_the_model_cannot_choose_who_gets_it(twilio: ToolServer) -> None:
    send(order({"message": "Hi.", "to": "+19005550000"}))

    assert form(twilio)["To"] == CALLER


def test_unless_the_tools_own_parameters_let_it(twilio: ToolServer) -> None:
    send(order({"message": "Hi.", "to": "+1 (312) 555-0111"}, parameters=ANYBODY))

    assert form(twilio)["To"] == "+13125550111"


def test_no_secret_of_the_customers_goes_to_twilio(twilio: ToolServer) -> None:
    one = order()
    auth = ServerAuth(
        secret_token=encrypt("customer-secret"), headers_token=encrypt('{"X-Own": "own-secret"}')
    )
    send(replace(one, auth=auth))

    assert "customer-secret" not in str(twilio.requests)
    assert "own-secret" not in str(twilio.requests)


@pytest.mark.parametrize(
    ("arguments", "caller", "words"),
    [
        ({"message": " "}, CALLER, "no text"),
        ({"message": "x" * 1601}, CALLER, "Shorten it"),
        ({"message": "Hi."}, "anonymous", "no number"),
        ({"message": "Hi."}, "", "no number"),
    ],
)
def test_what_cannot_be_sent_is_not(
    twilio: ToolServer, arguments: dict[str, Any], caller: str, words: str
) -> None:
    sent = send(order(arguments, caller=caller))

    assert sent.outcome.status == "refused"
    assert words in sent.outcome.output
    assert twilio.requests == []


def test_twilios_refusal_is_told(settings: Settings) -> None:
    refusal = json.dumps({"code": 21211, "message": "The 'To' number is not a valid phone number."})
    with serve(answering(refusal, status=400)) as server:
        at(settings, server)
        sent = send(order())

    assert sent.outcome.status == "failed"
    assert "not a valid phone number" in sent.outcome.output


def test_a_message_whose_fate_is_unknown_is_not_sent_again(settings: Settings) -> None:
    with serve(closing) as server:
        at(settings, server)
        sent = send(order(backoff_plan={"type": "fixed", "maxRetries": 3, "baseDelaySeconds": 0}))

    assert sent.outcome.status == "timed_out"
    assert len(sent.attempts) == 1


@pytest.mark.django_db
def test_without_an_account_nothing_is_sent(settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID = ""

    taken = services.tool_call_take(order=order(), now=timezone.now())

    assert isinstance(taken, services.Settled)
    assert taken.outcome.status == "refused"

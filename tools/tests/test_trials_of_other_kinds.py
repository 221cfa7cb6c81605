"""Test requests to MCP servers, of text messages, and for the destination of a transfer."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tools.mcp.services import mcp_tools_refresh
from tools.models import Tool, ToolCall
from tools.sms import sms_parts
from tools.tests.factories import make_tool
from tools.tests.mcp_server import make_mcp_tool, simulated
from tools.tests.servers import ToolServer, answering, serve

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client", "loopback")]

TAKEN = json.dumps({"sid": "SM1", "status": "queued"})
MESSAGE = {"type": "object", "properties": {"message": {"type": "string"}}}


def page(client: Client, tool: Tool, **query: str) -> Any:
    return client.get(reverse("admin:tools_tool_test", args=[tool.pk]), query)


def send(client: Client, tool: Tool, arguments: dict[str, Any], **fields: str) -> Any:
    form = page(client, tool).context["form"]
    data = {"arguments": json.dumps(arguments), "mark": form["mark"].value(), "agreed": "on"}
    if "of" in form.fields:
        data["of"] = form["of"].value()
    data = {name: value for name, value in {**data, **fields}.items() if value}
    return client.post(reverse("admin:tools_tool_test", args=[tool.pk]), data)


# --- MCP


@pytest.mark.parametrize("path", ["/2025", "/old/sse"])
def test_a_tool_of_an_mcp_server_is_called_as_a_call_does_it(admin_client: Client, path: str) -> None:
    with simulated() as simulator:
        tool = make_mcp_tool(simulator.mcp_url + path)
        mcp_tools_refresh(tool=tool)
        begun = page(admin_client, tool, of="repairs_lookup")
        answered = send(admin_client, tool, {"ticket": "4471"}, of="repairs_lookup")

    assert begun.context["chosen"].name == "repairs_lookup"
    assert "ticket" in begun.content.decode()
    report = answered.context["report"]
    assert report.outcome.status == "answered"
    assert "4471" in report.told
    assert "What the model would get" in answered.content.decode()
    assert not ToolCall.objects.exists()


def test_the_whole_conversation_with_an_mcp_server_is_shown_without_its_secrets(admin_client: Client) -> None:
    with simulated() as simulator:
        tool = make_mcp_tool(f"{simulator.mcp_url}/2025", server_headers='{"X-Tenant": "keykey-1"}')
        mcp_tools_refresh(tool=tool)
        answered = send(admin_client, tool, {"ticket": "4471"}, of="repairs_lookup")

    html = answered.content.decode()
    shown = answered.context["report"].shown
    assert any("tools/call" in one.body for one in shown)
    assert all(one.left for one in shown)
    assert "X-Tenant: hidden" in html
    assert "keykey-1" not in html


def test_a_name_that_the_server_does_not_have_is_not_called(admin_client: Client) -> None:
    with simulated() as simulator:
        tool = make_mcp_tool(f"{simulator.mcp_url}/2025")
        mcp_tools_refresh(tool=tool)
        first = page(admin_client, tool).context["chosen"].name
        answered = send(admin_client, tool, {}, of="made_up")

    assert answered.context["chosen"].name == first
    assert "made_up" not in str(answered.context["report"].shown)


# --- Text messages


@pytest.fixture
def twilio(settings: Settings) -> Iterator[ToolServer]:
    """Twilio, which takes everything."""
    with serve(answering(TAKEN, status=201)) as server:
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC1", "t0ken-of-twilio"
        settings.TWILIO_API_URL = server.url.rstrip("/")
        yield server


def sms(**fields: Any) -> Tool:
    return make_tool(**{"kind": "sms", "name": "sms", "server_url": "", "parameters": MESSAGE, **fields})


def sent_form(server: ToolServer) -> dict[str, str]:
    ((_, body),) = server.requests
    return {name: value for name, (value,) in parse_qs(body.decode()).items()}


def test_a_message_is_shown_and_not_sent(admin_client: Client, twilio: ToolServer) -> None:
    response = send(admin_client, sms(), {"message": "Ihr Code: 481 <b>"}, show="1", agreed="")

    preview = response.context["preview"]
    assert (preview.text, preview.parts, preview.to) == ("Ihr Code: 481 <b>", 1, "The caller")
    assert "Ihr Code: 481 &lt;b&gt;" in response.content.decode()
    assert response.context["report"] is None
    assert twilio.requests == []
    assert not LogEntry.objects.exists()


def test_a_message_is_sent_to_the_number_that_somebody_typed_and_ticked(
    admin_client: Client, twilio: ToolServer
) -> None:
    response = send(admin_client, sms(), {"message": "Hello."}, to="+1 (312) 555-0142", sender="+14155550100")

    assert sent_form(twilio) == {"To": "+13125550142", "From": "+14155550100", "Body": "Hello."}
    assert response.context["report"].outcome.status == "answered"
    html = response.content.decode()
    assert "handed over to be sent" in html
    assert "t0ken-of-twilio" not in html


@pytest.mark.parametrize(
    "missing", [{"agreed": ""}, {"to": ""}, {"sender": ""}, {"to": "555"}, {"sender": "clinic"}], ids=str
)
def test_nothing_is_sent_before_it_is_known_to_whom_and_agreed(
    admin_client: Client, twilio: ToolServer, missing: dict[str, str]
) -> None:
    fields = {"to": "+13125550142", "sender": "+14155550100", **missing}

    response = send(admin_client, sms(), {"message": "Hello."}, **fields)

    assert twilio.requests == []
    assert response.context["form"].errors


def test_the_models_own_recipient_gives_way_and_the_tools_own_sender_does_not(
    admin_client: Client, twilio: ToolServer
) -> None:
    anybody = {"type": "object", "properties": {**MESSAGE["properties"], "to": {"type": "string"}}}  # type: ignore[dict-item]
    tool = sms(parameters=anybody, settings={"metadata": {"from": "+14155550199"}})

    send(admin_client, tool, {"message": "Hello.", "to": "+19005550100"}, to="+13125550142")

    assert sent_form(twilio) == {"To": "+13125550142", "From": "+14155550199", "Body": "Hello."}


def test_without_an_account_at_twilio_nothing_can_be_sent(admin_client: Client, settings: Settings) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    tool = sms()

    assert "TWILIO_ACCOUNT_SID" in page(admin_client, tool).content.decode()
    response = send(admin_client, tool, {"message": "x"}, to="+13125550142", sender="+14155550100")
    assert (response.context["report"], response.context["notice"]) == (None, "Nothing was sent.")


def test_a_message_without_a_text_is_none(admin_client: Client, twilio: ToolServer) -> None:
    response = send(admin_client, sms(), {"message": " "}, show="1")

    assert "no text" in response.context["notice"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ł" * 70, 1),
        ("ł" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_a_long_message_is_charged_as_several(text: str, parts: int) -> None:
    assert sms_parts(text) == parts


# --- Transfers


def test_a_server_is_asked_where_a_transfer_goes(admin_client: Client) -> None:
    chosen = {"destination": {"type": "number", "number": "+13125550142"}}
    with serve(answering(json.dumps(chosen))) as server:
        tool = make_tool(kind="transferCall", server_url=server.url)
        response = send(admin_client, tool, {})

    assert server.bodies[0]["message"]["type"] == "transfer-destination-request"
    assert json.loads(response.context["report"].told) == chosen

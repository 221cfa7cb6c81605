"""Whose server is asked: golden cases of Vapi's order, and what goes with each server."""

from dataclasses import replace
from typing import Any

import pytest

from assistants.services import publish_problems
from assistants.snapshots import snapshot_take
from assistants.tests.factories import make_assistant, make_version
from calls.models import NumberServer
from calls.selectors import LineServer, call_for_stream
from calls.tests.factories import make_call, make_phone_number
from calls.tests.stage import CALL
from calls.tool_servers import server_in_force
from tools.auth.credentials import ServerAuth
from tools.encryption import decrypt
from tools.models import Credential
from tools.tests.factories import make_order_tool, make_tool

TOOL, ASSISTANT, NUMBER, ORGANISATION = (
    f"https://{name}.example/vapi" for name in ("tool", "assistant", "number", "organisation")
)
AUTHS = {name: ServerAuth(secret_token=name) for name in ("tool", "assistant", "number", "organisation")}


def in_force(**servers: bool) -> Any:
    """The server where only these have one. The tool's own and the assistant's are frozen into the tool."""
    url = TOOL if servers.get("tool") else ASSISTANT if servers.get("assistant") else ""
    tool = make_order_tool(server_url=url)
    call = replace(
        CALL,
        tool_auths={tool.id: AUTHS["tool"]} if servers.get("tool") else {},
        assistant_auth=AUTHS["assistant"],
        number_server=LineServer(NUMBER, AUTHS["number"]) if servers.get("number") else None,
    )
    return server_in_force(
        tool,
        call,
        organisation_url=ORGANISATION if servers.get("organisation") else "",
        organisation_auth=AUTHS["organisation"],
    )


@pytest.mark.parametrize(
    ("has", "server_from", "url"),
    [
        ("tool assistant number organisation", "tool", TOOL),
        ("assistant number organisation", "assistant", ASSISTANT),
        ("number organisation", "number", NUMBER),
        ("organisation", "organisation", ORGANISATION),
        ("tool number", "tool", TOOL),
        ("assistant organisation", "assistant", ASSISTANT),
        ("number", "number", NUMBER),
        ("", "", ""),
    ],
)
def test_the_first_server_that_there_is_is_asked_and_convinced_by_what_is_its_own(
    has: str, server_from: str, url: str
) -> None:
    found = in_force(**dict.fromkeys(has.split(), True))

    assert (found.server_from, found.tool.server_url) == (server_from, url)
    assert found.auth == AUTHS.get(server_from, ServerAuth())


def test_what_belongs_to_the_numbers_server_comes_with_it() -> None:
    number = LineServer(NUMBER, AUTHS["number"], {"type": "fixed"}, ("ssn", "card"))
    call = replace(CALL, tool_auths={}, number_server=number)
    bare = make_order_tool(server_url="", encrypted_paths=["card", "pin"])
    planned = make_order_tool(server_url="", backoff_plan={"type": "exponential"})

    def tool_of(tool: Any) -> Any:
        found = server_in_force(tool, call, organisation_url="", organisation_auth=ServerAuth())
        return found.tool

    assert tool_of(bare).encrypted_paths == ["card", "pin", "ssn"]
    assert tool_of(bare).backoff_plan == {"type": "fixed"}
    assert tool_of(planned).backoff_plan == {"type": "exponential"}


@pytest.mark.django_db
def test_a_stream_knows_the_server_of_the_number_that_was_dialled() -> None:
    credential = Credential.objects.create(name="Key", kind="bearer", settings="{}", encryption_key="PEM")
    assistant = make_assistant(tools=[make_tool(server_url="")])
    assert publish_problems(snapshot_take(assistant)) == [
        "The tool book_appointment has no server URL, and neither has the assistant."
    ]
    number = make_phone_number(assistant=assistant)
    NumberServer.objects.create(
        number=number,
        server_url=NUMBER,
        server_secret="hush",
        credential=credential,
        server_backoff_plan={"type": "fixed"},
        server_encrypted_paths=["ssn"],
    )

    version = make_version(assistant=assistant)
    with_server = call_for_stream(make_call(version=version, phone_number=number, status="ringing").id)
    without = call_for_stream(make_call(version=version, status="ringing").id)

    assert with_server is not None
    assert with_server.number_server is not None
    assert with_server.number_server.url == NUMBER
    assert decrypt(with_server.number_server.auth.secret_token) == "hush"
    assert with_server.number_server.auth.credential_id == str(credential.pk)
    assert with_server.number_server.auth.encryption_key == "PEM"
    assert with_server.number_server.encrypted_paths == ("ssn",)
    assert without is not None
    assert without.number_server is None


@pytest.mark.django_db
def test_an_organisations_server_is_enough_to_publish(settings: Any) -> None:
    settings.ORGANISATION_SERVER_URL = ORGANISATION

    assert publish_problems(snapshot_take(make_assistant(tools=[make_tool(server_url="")]))) == []

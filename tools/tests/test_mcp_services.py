import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from simulator.harness import Simulator
from simulator.mcp_tools import BOOK, LOOKUP
from tools.auth.hosts import entry_for
from tools.kinds import runs
from tools.mcp.services import McpRefreshError, mcp_tools_hide, mcp_tools_refresh
from tools.models import Credential, Tool
from tools.snapshots import ToolSnapshot, is_unlisted, mcp_list, tool_snapshots_take
from tools.tests.factories import make_tool
from tools.tests.mcp_server import listed, make_mcp_tool, simulated
from tools.tests.servers import answering, closing, reaching, refused_url, serve, silent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback", "redis_client")]


@pytest.fixture(scope="module")
def one_simulator() -> Iterator[Simulator]:
    with simulated() as sim:
        yield sim


@pytest.fixture
def sim(one_simulator: Simulator) -> Simulator:
    one_simulator.mcp.reset()
    return one_simulator


CLOSES = {"Connection": "close"}


def taken(*tools: Tool) -> tuple[ToolSnapshot, ...]:
    return tool_snapshots_take(tools, server_url="https://assistant.example", backoff_plan={"maxRetries": 3})


@pytest.mark.parametrize(
    ("options", "version"), [("plain", "2025-11-25"), ("modern", "2026-07-28"), ("old", "2024-11-05")]
)
def test_a_list_is_kept_with_the_version_in_which_it_was_given(
    sim: Simulator, options: str, version: str
) -> None:
    tool = make_mcp_tool(f"{sim.mcp_url}/{options}")

    refreshed = mcp_tools_refresh(tool=tool)

    kept = mcp_list(Tool.objects.get(pk=tool.pk))
    assert kept["protocolVersion"] == version
    assert [one["name"] for one in kept["tools"]] == [LOOKUP["name"], BOOK["name"]]
    assert kept["tools"][0]["inputSchema"] == LOOKUP["inputSchema"]
    assert refreshed.names == refreshed.added == (LOOKUP["name"], BOOK["name"])
    assert (refreshed.removed, refreshed.changed, refreshed.left_out) == ((), (), ())


def test_the_session_of_a_list_is_ended(sim: Simulator) -> None:
    mcp_tools_refresh(tool=make_mcp_tool(f"{sim.mcp_url}/plain"))

    assert sim.mcp.requests[-1]["method"] == "DELETE"
    assert sim.mcp.sessions == {}


@pytest.mark.parametrize("options", ["many", "many+modern", "many+old+sse", "many+sse"])
def test_a_list_of_200_tools_comes_whole(sim: Simulator, options: str) -> None:
    settings = {"metadata": {"protocol": "sse" if "old" in options else "shttp"}}

    tools = listed(f"{sim.mcp_url}/{options}", settings=settings)

    assert len(tools) == 200
    assert tools["tool_199"].wire_name == "tool.199"


def test_what_nobody_can_use_is_left_out_with_a_reason_and_the_rest_is_offered(sim: Simulator) -> None:
    tool = make_mcp_tool(f"{sim.mcp_url}/hostile")

    refreshed = mcp_tools_refresh(tool=tool)

    assert refreshed.names == ("repairs.lookup", "wish", "itself", "Straße / büchen")
    assert [name for name, _ in refreshed.left_out] == [
        "number 2", "number 3", "no_schema", "schema_is_text", "far_too_wide", "header_of_a_list", "header_with_a_break",
        "refers_elsewhere", "repairs.lookup",
    ]  # fmt: skip
    shown = {one.name: one for one in taken(tool)}
    assert list(shown) == ["repairs_lookup", "wish", "itself", "Strasse_buchen"]
    assert len(shown["itself"].description) == 2_000
    assert all(runs(one) for one in shown.values())


def test_a_list_that_is_fetched_again_tells_what_became_of_it(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = make_mcp_tool(f"{sim.mcp_url}/plain", settings={"toolMessages": [], "metadata": {}})
    mcp_tools_refresh(tool=tool)
    other = [{**BOOK, "description": "New words."}, {**BOOK, "name": "cancel"}]
    monkeypatch.setattr("simulator.mcp._Exchange._tools", lambda _: other)

    refreshed = mcp_tools_refresh(tool=tool)

    assert (refreshed.added, refreshed.removed, refreshed.changed) == (
        ("cancel",),
        ("repairs.lookup",),
        ("book_appointment",),
    )
    assert Tool.objects.get(pk=tool.pk).settings["toolMessages"] == []


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (
            answering("<html>Hello</html>", content_type="text/html", headers=CLOSES),
            "does not answer as an MCP server",
        ),
        (answering("", status=401, headers=CLOSES), "does not accept our credential (HTTP status 401)"),
        (answering("", status=500, headers=CLOSES), "HTTP status 500"),
        (answering("[" * 200_000, headers=CLOSES), "does not answer as an MCP server"),
        (closing, "the connection was closed without an answer"),
        (silent, "no complete answer came"),
    ],
    ids=["html", "401", "500", "deep", "closed", "silent"],
)
def test_a_list_that_cannot_be_had_leaves_the_old_one(sim: Simulator, behaviour: Any, why: str) -> None:
    tool = make_mcp_tool(f"{sim.mcp_url}/plain")
    with serve(behaviour) as server:
        tool.server_url = server.url
        tool.settings = {**tool.settings, "mcp": {"url": server.url, "tools": [], "protocolVersion": "x"}}
        tool.save()

        def refused(timeout_s: float) -> McpRefreshError:
            with pytest.raises(McpRefreshError) as raised:
                mcp_tools_refresh(tool=tool, timeout_s=timeout_s)
            return raised.value

        error = reaching(server, refused, first_s=1.0 if behaviour is silent else 60.0)

    assert why in str(error)

    assert Tool.objects.get(pk=tool.pk).settings["mcp"]["protocolVersion"] == "x"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"kind": "function"}, "Only an MCP server"),
        ({"server_url": ""}, "no server URL"),
        ({"server_url": refused_url()}, "the connection failed"),
    ],
)
def test_what_is_no_server_has_no_list(fields: dict[str, Any], why: str) -> None:
    tool = make_mcp_tool(**{"url": "https://mcp.example", **{k: v for k, v in fields.items() if k == "kind"}})
    tool.server_url = fields.get("server_url", tool.server_url)

    with pytest.raises(McpRefreshError, match=why):
        mcp_tools_refresh(tool=tool)


def test_a_list_without_end_is_given_up() -> None:
    def behave(handler: Any, server: Any) -> None:
        asked = server.bodies[-1]
        method = asked["method"]
        result: dict[str, Any] = {"protocolVersion": "2025-11-25", "tools": [BOOK], "nextCursor": "more"}
        if method == "server/discover":
            answering("", status=400)(handler, server)
        else:
            reply = {"jsonrpc": "2.0", "id": asked.get("id"), "result": result}
            answering(json.dumps(reply))(handler, server)

    with serve(behave, keep_alive=True) as server, pytest.raises(McpRefreshError, match="does not end"):
        mcp_tools_refresh(tool=make_mcp_tool(server.url))


def test_the_tools_credential_goes_with_the_asking(sim: Simulator) -> None:
    credential = Credential.objects.create(
        name="c",
        kind="bearer",
        settings=json.dumps({"token": "s3cret"}),
        hosts=str(entry_for(sim.mcp_url)),
    )

    tools = listed(f"{sim.mcp_url}/token-s3cret", credential=credential)

    assert list(tools) == ["repairs_lookup", "book_appointment"]


# --- what is frozen ---


def test_each_tool_of_a_server_is_frozen_as_one_of_its_own(sim: Simulator) -> None:
    said = [{"type": "request-start", "content": "One moment."}]
    server = make_mcp_tool(
        f"{sim.mcp_url}/plain",
        timeout_s=7,
        settings={"toolMessages": [{"name": "repairs.lookup", "messages": said}]},
    )
    mcp_tools_refresh(tool=server)

    lookup, book = taken(server)

    assert (lookup.name, lookup.name_on_the_wire) == ("repairs_lookup", "repairs.lookup")
    assert (lookup.id, lookup.kind, lookup.timeout_s) == (str(server.pk), "mcp", 7)
    assert lookup.settings == {"protocol": "shttp", "protocolVersion": "2025-11-25"}
    assert (lookup.messages, book.messages) == (said, [])
    assert lookup.backoff_plan == {}
    assert runs(lookup)


def test_no_two_tools_of_an_assistant_have_the_same_name(sim: Simulator) -> None:
    first, second = (make_mcp_tool(f"{sim.mcp_url}/{part}") for part in ("plain", "stateless"))
    for server in (first, second):
        mcp_tools_refresh(tool=server)
    function = make_tool(name="book_appointment")

    found = taken(first, function, second)

    assert [(one.name, one.name_on_the_wire) for one in found] == [
        ("repairs_lookup", "repairs.lookup"),
        ("book_appointment_2", "book_appointment"),
        ("book_appointment", "book_appointment"),
        ("repairs_lookup_2", "repairs.lookup"),
        ("book_appointment_3", "book_appointment"),
    ]


def test_a_server_without_a_list_is_not_offered() -> None:
    (found,) = taken(make_mcp_tool("https://mcp.example/mcp"))

    assert is_unlisted(found)
    assert not runs(found)
    assert found.server_url == "https://mcp.example/mcp"


def test_the_list_of_another_address_is_none(sim: Simulator) -> None:
    tool = make_mcp_tool(f"{sim.mcp_url}/plain")
    mcp_tools_refresh(tool=tool)
    tool.server_url = "https://elsewhere.example/mcp"

    (found,) = taken(tool)

    assert is_unlisted(found)
    assert "mcp" not in found.settings


def test_tools_can_be_kept_from_the_model_and_stay_so(sim: Simulator) -> None:
    tool = make_mcp_tool(f"{sim.mcp_url}/plain")
    mcp_tools_refresh(tool=tool)

    mcp_tools_hide(tool=tool, names={"repairs.lookup", "unknown"})
    mcp_tools_refresh(tool=tool)

    assert [one.name for one in taken(tool)] == ["book_appointment"]


# --- its page ---


def page(tool: Tool) -> str:
    return reverse("admin:tools_tool_mcp", args=[tool.pk])


def test_the_list_is_fetched_and_chosen_from_on_a_page(sim: Simulator, admin_client: Client) -> None:
    tool = make_mcp_tool(f"{sim.mcp_url}/hostile")

    before = admin_client.get(page(tool)).content.decode()
    fetched = admin_client.post(page(tool), {"fetch": "1"}, follow=True).content.decode()
    chosen = admin_client.post(page(tool), {"offered": ["itself"]}, follow=True).content.decode()

    assert "The list was never fetched" in before
    assert "4 tools. New: repairs.lookup, wish, itself" in fetched
    assert "as repairs_lookup" in fetched
    assert "header_with_a_break: it wants a header of a name that no header can have." in fetched
    assert chosen.count("checked") == 1
    assert [one.name for one in taken(Tool.objects.get(pk=tool.pk))] == ["itself"]


def test_a_list_that_cannot_be_fetched_is_told_on_the_page(admin_client: Client) -> None:
    tool = make_mcp_tool(refused_url())

    told = admin_client.post(page(tool), {"fetch": "1"}, follow=True).content.decode()

    assert "The list could not be fetched: the connection failed" in told


def test_another_kind_has_no_such_page(admin_client: Client) -> None:
    response = admin_client.get(page(make_tool()), follow=True)

    assert "There is no such MCP server" in response.content.decode()


def test_nobody_without_leave_fetches(sim: Simulator, client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("ops", password="x", is_staff=True))
    tool = make_mcp_tool(f"{sim.mcp_url}/plain")

    assert client.post(page(tool), {"fetch": "1"}).status_code == 403
    assert list(sim.mcp.requests) == []


def test_the_tools_form_neither_shows_nor_loses_the_list(sim: Simulator, admin_client: Client) -> None:
    tool = make_mcp_tool(f"{sim.mcp_url}/plain")
    mcp_tools_refresh(tool=tool)
    url = reverse("admin:tools_tool_change", args=[tool.pk])

    response = admin_client.get(url)
    form = response.context["adminform"].form
    typed = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    saved = admin_client.post(url, {**typed, "name": "renamed"})

    assert "inputSchema" not in str(typed["settings"])
    assert saved.status_code == 302, saved.context["adminform"].form.errors
    row = Tool.objects.get(pk=tool.pk)
    assert row.name == "renamed"
    assert [one["name"] for one in mcp_list(row)["tools"]] == ["repairs.lookup", "book_appointment"]

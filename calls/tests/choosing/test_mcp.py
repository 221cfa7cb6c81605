"""MCP servers that stand inside what a program sends: asked for their tools before anything is written."""

from collections.abc import Iterator
from typing import Any

import pytest

from assistants import mcp_lists
from assistants.models import Assistant, AssistantVersion, Transient
from assistants.tests.api.test_objects import PROMPT, program
from calls.choosing.services import RefusedError, choose
from calls.tests.choosing.test_services import INLINE, desk, placed, snapshot_of
from simulator.harness import Simulator
from tools import shared_state
from tools.mcp import lists
from tools.models import Tool
from tools.snapshots import mcp_list
from tools.tests.access.program import Program
from tools.tests.conftest import loopback
from tools.tests.mcp_server import make_mcp_tool, simulated

__all__ = ["loopback", "program"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback", "redis_client", "program")]

NAMES = ["repairs_lookup", "book_appointment"]


@pytest.fixture(scope="module")
def one_simulator() -> Iterator[Simulator]:
    with simulated() as sim:
        yield sim


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A busy machine is slow, and neither the server nor Redis is given up for that."""
    monkeypatch.setattr(mcp_lists, "WAIT_S", 600.0)
    monkeypatch.setattr(shared_state, "_TIMEOUT_S", 60.0)
    shared_state._client.cache_clear()
    yield
    shared_state._client.cache_clear()


@pytest.fixture
def sim(one_simulator: Simulator) -> Simulator:
    one_simulator.mcp.reset()
    return one_simulator


def server(sim: Simulator, how: str = "plain", **more: Any) -> dict[str, Any]:
    return {"type": "mcp", "server": {"url": f"{sim.mcp_url}/{how}", **more}}


def along(*tools: dict[str, Any], **model: Any) -> dict[str, Any]:
    return {"assistant": {**INLINE, "model": {**INLINE["model"], "tools": list(tools), **model}}}


def names(snapshot: Any) -> list[str]:
    return [tool.name for tool in snapshot.tools]


def test_the_tools_of_a_server_inside_an_assistant_are_offered_in_the_call(sim: Simulator) -> None:
    call = placed(along(server(sim, secret="s3cret")))

    assert names(call.snapshot) == NAMES
    tool = call.snapshot.tools[0]
    assert (tool.kind, tool.wire_name, tool.settings["protocolVersion"]) == (
        "mcp",
        "repairs.lookup",
        "2025-11-25",
    )
    assert call.tool_auths[tool.id].secret_token
    sent = [{name.lower(): value for name, value in one["headers"].items()} for one in sim.mcp.requests]
    assert {headers.get("x-vapi-secret") for headers in sent} == {"s3cret"}


def test_the_list_is_asked_once_for_all_documents_until_it_is_old(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(along(server(sim)))
    asked = len(sim.mcp.requests)

    choose(along(server(sim)))
    choose({**along(server(sim)), "assistantOverrides": {"firstMessage": "Hi."}})
    assert len(sim.mcp.requests) == asked
    monkeypatch.setattr(lists, "FRESH_S", -1)
    choose(along(server(sim, secret="another")))

    assert len(sim.mcp.requests) > asked


def test_a_list_that_has_changed_makes_the_document_anew(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "FRESH_S", -1)
    first = choose(along(server(sim)))
    again = choose(along(server(sim)))
    monkeypatch.setattr(
        "simulator.mcp._Exchange._tools", lambda _: [{"name": "one", "inputSchema": {"type": "object"}}]
    )

    now = choose(along(server(sim)))

    assert first.version == again.version != now.version
    assert names(snapshot_of(now)) == ["one"]


def test_while_a_server_is_away_its_last_list_is_offered(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "FRESH_S", -1)
    first = choose(along(server(sim)))
    monkeypatch.setattr("simulator.mcp._Exchange._tools", lambda _: [])

    assert choose(along(server(sim))).version == first.version


def test_a_server_that_tells_of_nothing_refuses_the_call_and_is_not_asked_again_at_once(
    sim: Simulator,
) -> None:
    body = along(server(sim, "plain", url="http://127.0.0.1:9/mcp"))

    told = [_refused(body), _refused(body)]

    assert told[0] == told[1]
    assert told[0][0].startswith("The MCP server mcp: The list could not be fetched:")
    assert not Transient.objects.exists()


def test_however_many_servers_there_are_the_wait_for_them_has_an_end(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = make_mcp_tool(f"{sim.mcp_url}/plain")
    bodies = [along(server(sim)), along(toolIds=[str(stored.pk)])]
    with monkeypatch.context() as late:
        late.setattr(mcp_lists, "WAIT_S", 0.0)
        told = [_refused(body) for body in bodies]

    assert all(lists.NO_TIME in one for (one,) in told)
    assert not sim.mcp.requests
    # Nothing is held against a server that was never asked, and what is known takes no time.
    first = choose(bodies[0])
    monkeypatch.setattr(mcp_lists, "WAIT_S", 0.0)
    assert choose(bodies[0]).version == first.version


def _refused(body: dict[str, Any]) -> list[str]:
    with pytest.raises(RefusedError) as caught:
        choose(body)
    return caught.value.messages


def test_overrides_and_squads_may_bring_servers_and_name_stored_ones(sim: Simulator) -> None:
    stored = make_mcp_tool(f"{sim.mcp_url}/plain")
    assistant = desk()

    over = choose({"assistantId": str(assistant.pk), "assistantOverrides": {"tools:append": [server(sim)]}})
    squad = choose({"squad": {"members": [along(server(sim))]}})
    named = choose(along(toolIds=[str(stored.pk)]))

    assert names(snapshot_of(over)) == ["find_slots", *NAMES]
    assert names(snapshot_of(squad)) == names(snapshot_of(named)) == NAMES
    assert mcp_list(Tool.objects.get(pk=stored.pk))["fetchedAt"]


def test_an_assistant_with_a_server_is_made_published_and_given_back(
    sim: Simulator, program: Program
) -> None:
    tool = server(sim)
    made = program.ask("POST", "/assistant", {"name": "Desk", "model": {**PROMPT, "tools": [tool]}}, 201)

    assert made["model"]["tools"] == [tool]
    row = Assistant.objects.get(pk=made["id"])
    assert row.live_version is not None
    assert [one["name"] for one in row.live_version.snapshot["tools"]] == NAMES
    asked = len(sim.mcp.requests)
    model = {**made["model"], "temperature": 0.2}
    assert program.ask("PATCH", f"/assistant/{made['id']}", {"model": model})["model"] == model
    assert len(sim.mcp.requests) == asked


def test_a_stored_server_is_asked_when_it_is_made_and_when_it_moves(sim: Simulator, program: Program) -> None:
    made = program.ask("POST", "/tool", {**server(sim), "function": {"name": "desk"}}, 201)
    body = {"name": "Desk", "model": {**PROMPT, "toolIds": [made["id"]]}}
    program.ask("POST", "/assistant", body, 201)
    assert "mcp" not in made

    program.ask("PATCH", f"/tool/{made['id']}", {"server": server(sim, "modern")["server"]})

    assert mcp_list(Tool.objects.get())["protocolVersion"] == "2026-07-28"
    assert [one["name"] for one in AssistantVersion.objects.latest("number").snapshot["tools"]] == NAMES


def test_a_server_that_is_away_may_be_stored_and_no_assistant_can_offer_it(program: Program) -> None:
    away = {"type": "mcp", "server": {"url": "http://127.0.0.1:9/mcp"}}
    made = program.ask("POST", "/tool", away, 201)

    for model in ({"toolIds": [made["id"]]}, {"tools": [away]}):
        refused = program.ask("POST", "/assistant", {"name": "Desk", "model": {**PROMPT, **model}}, 400)
        assert "The list could not be fetched" in refused["message"][0]
    assert not Assistant.objects.exists()

"""Calls of an MCP server's tools: from the worker's task, over real HTTP, to the ledger and the live call."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from simulator.harness import Simulator
from tools import breaker
from tools.auth.credentials import ServerAuth
from tools.auth.hosts import entry_for
from tools.clients import http_send
from tools.encryption import encrypt
from tools.mcp import client as mcp_client
from tools.mcp.servers import Call, mcp_server
from tools.models import ToolAttempt, ToolCall
from tools.orders import ToolOrder
from tools.snapshots import ToolSnapshot
from tools.tests.factories import make_order
from tools.tests.mcp_server import listed, make_mcp_order, simulated
from tools.tests.servers import (
    RUNAWAY_S,
    ToolServer,
    answering,
    endless,
    reaching,
    refused_url,
    serve,
    silent,
)
from tools.tests.test_tasks import forward, reply

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback", "redis_client")]

Status = ToolCall.Status


@pytest.fixture(scope="module")
def one_simulator() -> Iterator[Simulator]:
    with simulated() as sim:
        yield sim


@pytest.fixture
def sim(one_simulator: Simulator) -> Simulator:
    one_simulator.mcp.reset()
    return one_simulator


def ready(version: str = "2025-11-25", *, protocol: str = "shttp", **fields: Any) -> ToolSnapshot:
    """A tool of a server as it is frozen, with no list behind it."""
    fixed: dict[str, Any] = {
        "id": "11111111-aaaa-4aaa-8aaa-000000000010",
        "kind": "mcp",
        "name": "book_appointment",
        "description": "",
        "parameters": {
            "type": "object",
            "properties": {"slot": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
            "required": ["slot"],
        },
        "server_url": "",
        "timeout_s": 60,
        "settings": {"protocol": protocol, "protocolVersion": version},
    }
    return ToolSnapshot(**{**fixed, **fields})


def outcome(order: ToolOrder) -> ToolCall:
    """The ledger's row after the worker's task."""
    forward(order)
    row = ToolCall.objects.get(call_id=order.call_id, item_id=order.tool_call_id)
    assert reply()["status"] == row.status
    return row


def methods(sim: Simulator) -> list[str]:
    return [str((one["body"] or {}).get("method", one["method"])) for one in sim.mcp.requests]


def problems(sim: Simulator) -> list[str]:
    return [one["problem"] for one in sim.mcp.requests if one["problem"]]


@pytest.mark.parametrize(
    "options",
    ["plain", "sse", "stateless", "stateless+sse", "progress", "modern", "modern+sse", "dual", "old"],
)
def test_every_tool_of_a_server_is_listed_and_called_without_breaking_a_rule(
    sim: Simulator, options: str
) -> None:
    tools = listed(f"{sim.mcp_url}/{options}")
    before = len(sim.mcp.requests)

    found = outcome(make_mcp_order(tools["repairs_lookup"]))
    booked = outcome(make_mcp_order(tools["book_appointment"]))

    assert (found.status, found.outcome) == (Status.ANSWERED, "Ticket 4471 waits for parts.")
    assert (booked.status, booked.outcome) == (Status.ANSWERED, "Booked n-0611-0930.")
    assert found.http_status == 200
    assert found.duration_ms is not None
    assert json.loads(found.answer)["result"]["isError"] is False
    # A legacy server alone answers the question for its era with an error.
    discovered = [] if options in ("modern", "modern+sse", "dual", "old") else ["discover"]
    assert len(problems(sim)) == len(discovered)
    for request in list(sim.mcp.requests)[before:]:
        assert str(uuid.UUID(request["headers"]["x-call-id"])) == request["headers"]["x-call-id"]
    assert [body["params"]["name"] for body in sim.mcp.called()] == ["repairs.lookup", "book_appointment"]


def test_a_modern_server_is_asked_once(sim: Simulator) -> None:
    tool = listed(f"{sim.mcp_url}/modern")["repairs_lookup"]
    sim.mcp.reset()

    order = make_mcp_order(tool, arguments={"ticket": "Großer Posten"})

    assert outcome(order).status == Status.ANSWERED
    assert methods(sim) == ["tools/call"]
    headers = sim.mcp.requests[0]["headers"]
    assert headers["mcp-name"] == "repairs.lookup"
    assert headers["mcp-param-ticket"].startswith("=?base64?")
    assert headers["idempotency-key"] == order.tool_call_id


def test_one_phone_call_has_one_session_and_another_has_its_own(sim: Simulator) -> None:
    tools = listed(f"{sim.mcp_url}/plain")
    sim.mcp.reset()
    mine, yours = uuid.uuid4(), uuid.uuid4()

    for call_id, item_id in ((mine, "a"), (mine, "b"), (yours, "c")):
        outcome(make_mcp_order(tools["book_appointment"], call_id=call_id, tool_call_id=item_id))

    assert methods(sim) == [
        "initialize", "notifications/initialized", "tools/call", "tools/call",
        "initialize", "notifications/initialized", "tools/call",
    ]  # fmt: skip
    ids = [one["headers"].get("mcp-session-id") for one in sim.mcp.requests]
    assert ids[1] == ids[2] == ids[3] != ids[5] == ids[6]
    assert problems(sim) == []


def test_without_redis_each_request_opens_its_own_session(sim: Simulator, settings: Settings) -> None:
    url = f"{sim.mcp_url}/plain"
    call_id = uuid.uuid4()
    order = make_order(tool=ready(), url=url, call_id=call_id, arguments={"slot": "a"})
    asked: list[str] = []

    def ask(request: Any) -> Any:
        asked.append(json.loads(request.body)["method"])
        return http_send(request, timeout_s=60, send_within_s=60)

    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    server = mcp_server(order.tool, ServerAuth(), call_id=str(call_id))
    for n in range(2):
        call = Call(f"x.{n}", "book_appointment", {"slot": "a"})
        assert mcp_client.call_tool(server, call, ask=ask).http_status == 200

    assert asked == ["initialize", "notifications/initialized", "tools/call"] * 2


@pytest.mark.parametrize("options", ["ends", "ends+refuses-400"])
def test_a_session_that_the_server_has_ended_is_opened_again_and_the_call_is_made_once(
    sim: Simulator, options: str
) -> None:
    tool = listed(f"{sim.mcp_url}/{options}")["book_appointment"]
    call_id = uuid.uuid4()

    first = outcome(make_mcp_order(tool, call_id=call_id, tool_call_id="a"))
    sim.mcp.requests.clear()
    second = outcome(make_mcp_order(tool, call_id=call_id, tool_call_id="b"))

    assert (first.status, second.status) == (Status.ANSWERED, Status.ANSWERED)
    assert methods(sim) == ["tools/call", "initialize", "notifications/initialized", "tools/call"]
    carried_out = [one for one in sim.mcp.requests if not one["problem"]]
    assert [one["body"]["method"] for one in carried_out].count("tools/call") == 1
    assert second.attempts_begun == 1


def test_arguments_reach_the_server_in_the_form_of_its_own_schema(sim: Simulator) -> None:
    tool = listed(f"{sim.mcp_url}/plain")["repairs_lookup"]
    order = make_mcp_order(tool, arguments={"ticket": "4471", "details": '{"urgent": true}'})

    assert outcome(order).status == Status.ANSWERED
    assert sim.mcp.called()[-1]["params"]["arguments"] == {"ticket": "4471", "details": {"urgent": True}}


def test_arguments_that_do_not_fit_are_not_sent(sim: Simulator) -> None:
    tool = listed(f"{sim.mcp_url}/plain")["repairs_lookup"]
    sim.mcp.reset()

    row = outcome(make_mcp_order(tool, arguments={"number": 4471}))

    assert row.status == Status.REFUSED
    assert json.loads(row.outcome)["error"] == "invalid_arguments"
    assert list(sim.mcp.requests) == []


def test_an_order_that_came_too_late_is_not_sent(sim: Simulator) -> None:
    order = make_order(
        tool=ready(), url=f"{sim.mcp_url}/plain", requested_at=timezone.now() - timedelta(minutes=1)
    )

    assert outcome(order).status == Status.REFUSED
    assert list(sim.mcp.requests) == []


UNSURE = "may or may not have taken effect"
NOTHING = "Nothing was done"


# What the server does, how the call ends by the ledger, and what the model is told.
IN_BOTH_ERAS = [
    ("drop", Status.TIMED_OUT, UNSURE),
    ("slow-SLOWER", Status.TIMED_OUT, UNSURE),
    ("half", Status.FAILED, UNSURE),
    ("silent-stream", Status.FAILED, UNSURE),
    ("html", Status.FAILED, UNSURE),
    ("huge", Status.FAILED, UNSURE),
    ("huge+sse", Status.FAILED, UNSURE),
    ("wrong-id", Status.FAILED, UNSURE),
    ("wrong-id+sse", Status.FAILED, UNSURE),
    ("status-500", Status.FAILED, UNSURE),
    ("status-403", Status.FAILED, "Most likely nothing was done"),
    ("error--32603", Status.FAILED, UNSURE),
    ("error--32602", Status.FAILED, NOTHING),
    ("is-error", Status.FAILED, "The tool reported an error: Booked"),
    ("input-required", Status.FAILED, NOTHING),
    ("structured", Status.ANSWERED, '{"said":"Booked n-0611-0930."}'),
    ("picture", Status.ANSWERED, "Booked n-0611-0930.\n[an image that cannot be given"),
    ("progress", Status.ANSWERED, "Booked n-0611-0930."),
    ("open", Status.ANSWERED, "Booked n-0611-0930."),
]
IN_SESSIONS_ONLY = [
    ("put-off", Status.ANSWERED, "Booked n-0611-0930."),
    ("slow-init-SLOWER", Status.FAILED, NOTHING),
    ("status-init-503", Status.FAILED, NOTHING),
    ("token-other", Status.FAILED, NOTHING),
]


def ordered(server: ToolServer, tool: ToolSnapshot) -> Callable[[float], ToolCall]:
    """Has the server asked, within so many seconds, and gives the ledger's row."""
    return lambda timeout_s: outcome(
        make_order(tool=tool, url=server.url, timeout_s=int(timeout_s), arguments={"slot": "a"})
    )


def asked(sim: Simulator, row: ToolCall) -> list[str]:
    """The methods that the row's order asked for. What an order before it gave up may still come in after it."""
    own = [one for one in list(sim.mcp.requests) if one["headers"].get("x-call-id") == str(row.call_id)]
    return [str((one["body"] or {}).get("method", one["method"])) for one in own]


def booked(sim: Simulator, options: str, version: str, **fields: Any) -> ToolCall:
    """The row of an order that the server treats like this. SLOWER than the order's time, it gets ever more of that until it was asked."""

    def once(timeout_s: int) -> ToolCall:
        sim.mcp.reset()
        return outcome(
            make_order(
                tool=ready(version, **fields),
                url=f"{sim.mcp_url}/{options.replace('SLOWER', str(1600 * timeout_s))}",
                timeout_s=timeout_s,
                arguments={"slot": "n-0611-0930"},
            )
        )

    if "SLOWER" not in options and "old+silent" not in options:
        return once(60)
    row = once(1)
    reached = "initialize" if "init" in options else "tools/call"
    return row if reached in asked(sim, row) else once(30)


@pytest.mark.parametrize(
    ("version", "options", "status", "says"),
    [
        *(("2025-11-25", *case) for case in IN_BOTH_ERAS + IN_SESSIONS_ONLY),
        *(("2026-07-28", f"{options}+modern", *rest) for options, *rest in IN_BOTH_ERAS),
    ],
)
def test_whatever_the_server_does_there_is_one_honest_outcome(
    sim: Simulator, version: str, options: str, status: Status, says: str
) -> None:
    row = booked(sim, options, version)

    assert (row.status, says in row.outcome.replace("\\n", "\n")) == (status, True), row.outcome
    calls = asked(sim, row).count("tools/call")
    assert calls == (0 if "init" in options or "token" in options else 1)
    if not calls:
        assert row.sent_at is None
        assert not ToolAttempt.objects.get(tool_call=row).sent


def test_a_stream_that_stays_open_does_not_keep_the_caller_waiting(sim: Simulator) -> None:
    row = booked(sim, "open", "2025-11-25")

    assert row.status == Status.ANSWERED
    assert row.duration_ms is not None
    assert row.duration_ms < 50_000  # it stays open for much longer


def test_a_server_that_is_down_has_done_nothing() -> None:
    row = outcome(make_order(tool=ready(), url=refused_url(), arguments={"slot": "a"}))

    assert (row.status, row.sent_at) == (Status.FAILED, None)
    assert NOTHING in row.outcome


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (answering("<html>Hello</html>", content_type="text/html"), "does not answer as an MCP server"),
        (answering("{}"), "does not answer as an MCP server"),
        (answering('{"jsonrpc": "2.0", "id": "wrong", "result": {}}'), "does not answer as an MCP server"),
        (answering("", status=307, headers={"Location": "http://127.0.0.1/x"}), "redirected"),
        (endless, "too large"),
        (silent, "no complete answer came"),
    ],
    ids=["html", "object", "wrong-id", "redirect", "huge", "silent"],
)
def test_where_no_session_can_be_opened_nothing_was_done(behaviour: Any, why: str) -> None:
    with serve(behaviour) as server:
        row = reaching(server, ordered(server, ready()), first_s=1 if behaviour is silent else 60)

        assert all(body.get("method") != "tools/call" for body in server.bodies)
    assert (row.status, row.sent_at) == (Status.FAILED, None)
    assert NOTHING in row.outcome
    assert why in row.outcome


@pytest.mark.parametrize("protocol", ["shttp", "sse"])
def test_a_private_address_is_not_asked(settings: Settings, protocol: str) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    with serve(answering("{}")) as server:
        tool = ready(protocol=protocol)
        row = outcome(make_order(tool=tool, url=server.url, arguments={"slot": "a"}))

    assert server.requests == []
    assert (row.status, row.sent_at) == (Status.FAILED, None)


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        ("old+silent-stream", Status.TIMED_OUT, UNSURE),
        ("old+slow-SLOWER", Status.TIMED_OUT, UNSURE),
        ("old+status-500", Status.FAILED, UNSURE),
        ("old+error--32602", Status.FAILED, NOTHING),
        ("old+is-error", Status.FAILED, "The tool reported an error: Booked"),
        ("old+elsewhere", Status.FAILED, "it wants requests sent to another server"),
        ("old+token-other", Status.FAILED, NOTHING),
        ("plain", Status.FAILED, NOTHING),
    ],
)
def test_the_old_event_stream_has_honest_outcomes_too(
    sim: Simulator, options: str, status: Status, says: str
) -> None:
    row = booked(sim, options, "2024-11-05", protocol="sse")

    assert (row.status, says in row.outcome) == (status, True), row.outcome
    called = "tools/call" in asked(sim, row)
    assert called is not any(part in options for part in ("elsewhere", "token", "plain"))
    assert (row.sent_at is not None) is called


def test_a_server_that_was_renewed_is_asked_in_its_new_way(sim: Simulator) -> None:
    order = make_order(tool=ready(), url=f"{sim.mcp_url}/modern", arguments={"slot": "n-0611-0930"})

    assert outcome(order).status == Status.ANSWERED
    assert methods(sim) == ["initialize", "tools/call"]


def test_a_server_that_went_back_is_asked_in_its_old_way(sim: Simulator) -> None:
    order = make_order(
        tool=ready("2026-07-28"), url=f"{sim.mcp_url}/plain", arguments={"slot": "n-0611-0930"}
    )

    assert outcome(order).status == Status.ANSWERED
    carried_out = [one["body"]["method"] for one in sim.mcp.requests if not one["problem"]]
    assert carried_out == ["initialize", "notifications/initialized", "tools/call"]


def test_a_bearer_credential_goes_with_every_request(sim: Simulator) -> None:
    auth = ServerAuth(
        credential_id="c",
        credential_kind="bearer",
        credential_token=encrypt(json.dumps({"token": "s3cret"})),
        credential_hosts=str(entry_for(sim.mcp_url)),
    )
    order = make_order(tool=ready(), url=f"{sim.mcp_url}/token-s3cret", arguments={"slot": "a"}, auth=auth)

    row = outcome(order)

    assert row.status == Status.ANSWERED
    assert {one["headers"]["authorization"] for one in sim.mcp.requests} == {"Bearer s3cret"}
    assert "s3cret" not in f"{row.answer}{row.error}{row.outcome}"


def test_an_oauth2_token_that_is_turned_down_is_fetched_anew(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = iter(["stale", "s3cret", "s3cret", "s3cret"])
    monkeypatch.setattr("tools.auth.oauth.access_token", lambda _: next(kept))
    refused: list[str] = []
    monkeypatch.setattr("tools.auth.oauth.access_token_refused", lambda _, token: refused.append(token))
    given = {"url": "https://id.example/token", "clientId": "a", "clientSecret": "b"}
    auth = ServerAuth(
        credential_id="c",
        credential_kind="oauth2",
        credential_token=encrypt(json.dumps(given)),
        credential_hosts=str(entry_for(sim.mcp_url)),
    )
    order = make_order(tool=ready(), url=f"{sim.mcp_url}/token-s3cret", arguments={"slot": "a"}, auth=auth)

    row = outcome(order)

    assert refused == ["stale"]
    assert row.status == Status.ANSWERED
    assert len(sim.mcp.called()) == 1


def test_a_plan_has_an_opening_that_failed_repeated(sim: Simulator) -> None:
    plan = {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 0}
    tool = replace(ready(), backoff_plan=plan)

    row = outcome(make_order(tool=tool, url=f"{sim.mcp_url}/status-init-503", arguments={"slot": "a"}))

    assert methods(sim) == ["initialize"] * 3
    assert row.status == Status.FAILED
    assert row.attempts.count() == 3


def test_a_server_that_fails_again_and_again_is_left_alone() -> None:
    url = refused_url()
    for n in range(breaker.FAILURES_TO_OPEN):
        outcome(make_order(tool=ready(), url=url, arguments={"slot": "a"}, tool_call_id=f"c{n}"))

    row = outcome(make_order(tool=ready(), url=url, arguments={"slot": "a"}))

    assert "left alone for a moment" in row.outcome


def old_stream(*parts: str) -> Any:
    """Opens an event stream with these events and leaves it open; takes whatever is posted."""

    def behave(handler: Any, server: Any) -> None:
        if handler.command == "POST":
            answering("", status=202)(handler, server)
            return
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for part in parts:
            while "POSTED" in part and len(server.requests) < 2:
                server.stopping.wait(0.01)
            asked = json.loads(server.requests[-1][1])["id"] if "POSTED" in part else ""
            handler.wfile.write(part.replace("POSTED", asked).encode())
            handler.wfile.flush()
        server.stopping.wait(RUNAWAY_S)

    return behave


OPENED = '{"jsonrpc": "2.0", "id": "POSTED", "result": {"protocolVersion": "VERSION"}}'


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([], "no complete answer came"),
        (["event: endpoint\ndata: /vapi\n\n"], "no complete answer came"),
        (["event: endpoint\ndata: http://[\n\n"], "it wants requests sent to another server"),
        (["event: endpoint\ndata: //elsewhere.example/x\n\n"], "it wants requests sent to another server"),
        (
            ["event: endpoint\ndata: /vapi\n\n", f"data: {OPENED.replace('VERSION', '1999-01-01')}\n\n"],
            "it speaks no version of the protocol that is known here",
        ),
    ],
    ids=["nothing", "no-reply", "no-url", "another-host", "unknown-version"],
)
def test_an_old_stream_that_does_not_come_to_the_call_has_done_nothing(parts: list[str], says: str) -> None:
    with serve(old_stream(*parts)) as server:
        tool = ready("2024-11-05", protocol="sse")
        row = reaching(server, ordered(server, tool), first_s=1 if says == "no complete answer came" else 60)
        if says not in row.outcome:  # a busy machine may need more than a second before it listens
            row = ordered(server, tool)(30)

        posted = [json.loads(body) for _, body in server.requests if body]
    assert [one["method"] for one in posted if one["method"] != "initialize"] == []
    assert (row.status, row.sent_at) == (Status.FAILED, None)
    assert says in row.outcome
    assert NOTHING in row.outcome

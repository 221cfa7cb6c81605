import asyncio
from typing import Any

import pytest
import requests

from simulator.harness import Simulator
from simulator.mcp_rules import MODERN

HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
OPENING = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "Test", "version": "1"},
}
CALL = {"name": "book_appointment", "arguments": {"slot": "a"}}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "Test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
MODERN_HEADERS = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "book_appointment"}


async def post(
    sim: Simulator,
    options: str,
    method: str,
    params: Any = None,
    *,
    number: int | None = 1,
    headers: dict[str, str] | None = None,
) -> requests.Response:
    message = {"jsonrpc": "2.0", "method": method, "params": params or {}}
    return await asyncio.to_thread(
        requests.post,
        f"{sim.mcp_url}/{options}",
        json=message if number is None else {**message, "id": number},
        headers={**HEADERS, **(headers or {})},
        timeout=60,
    )


async def opened(sim: Simulator, options: str = "plain", *, ready: bool = True) -> dict[str, str]:
    """The headers of a session."""
    answer = await post(sim, options, "initialize", OPENING)
    headers = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
    if ready:
        assert (
            await post(sim, options, "notifications/initialized", number=None, headers=headers)
        ).status_code == 202
    return headers


async def test_a_call_in_a_session_is_answered(sim: Simulator) -> None:
    answer = await post(sim, "plain", "tools/call", CALL, headers=await opened(sim))

    assert answer.json()["result"]["content"] == [{"type": "text", "text": "Booked a."}]


async def test_without_its_notification_a_session_is_not_ready(sim: Simulator) -> None:
    answer = await post(sim, "plain", "tools/call", CALL, headers=await opened(sim, ready=False))

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Mcp-Session-Id": ""}, 400),
        ({"Mcp-Session-Id": "unknown"}, 404),
        ({"MCP-Protocol-Version": ""}, 400),
        ({"MCP-Protocol-Version": "2025-03-26"}, 400),
        ({"Accept": "application/json"}, 406),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_each_header_of_a_session_is_missed(
    sim: Simulator, headers: dict[str, str], status: int
) -> None:
    answer = await post(sim, "plain", "tools/call", CALL, headers={**await opened(sim), **headers})

    assert answer.status_code == status
    assert sim.mcp.requests[-1]["problem"]


async def test_an_id_is_good_for_one_request(sim: Simulator) -> None:
    headers = await opened(sim)

    assert (await post(sim, "plain", "tools/list", number=5, headers=headers)).status_code == 200
    assert (await post(sim, "plain", "tools/list", number=5, headers=headers)).status_code == 400


async def test_a_modern_request_needs_no_session(sim: Simulator) -> None:
    answer = await post(sim, "modern", "tools/call", {**CALL, "_meta": META}, headers=MODERN_HEADERS)

    assert answer.json()["result"]["resultType"] == "complete"


@pytest.mark.parametrize("name", sorted(MODERN_HEADERS))
async def test_each_header_of_a_modern_request_is_missed(sim: Simulator, name: str) -> None:
    answer = await post(
        sim, "modern", "tools/call", {**CALL, "_meta": META}, headers={**MODERN_HEADERS, name: "other"}
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in (-32020, -32022)

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulator.harness import Simulator
from simulator.scenario import Faults

KEY = {"Authorization": "Bearer sk-test"}


async def verdict(sim: Simulator, query: str, headers: dict[str, str]) -> tuple[str, int | None, str]:
    """The first event's error code (or type), the close code and the reason."""
    async with connect(f"{sim.realtime_url}{query}", additional_headers=headers, proxy=None) as connection:
        event: dict[str, Any] = json.loads(await connection.recv())
        if event["type"] != "error":
            return event["type"], None, ""
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        return event["error"]["code"], connection.close_code, connection.close_reason or ""


@pytest.mark.parametrize(
    ("query", "headers", "code", "close"),
    [
        ("?model=gpt-realtime-2.1", KEY, "session.created", None),
        ("?model=gpt-realtime-2.1", {**KEY, "OpenAI-Beta": "realtime=v1"}, "beta_api_shape_disabled", 4000),
        ("", KEY, "missing_model", 4000),
        ("?model=gpt-4o", KEY, "invalid_model", 4000),
        ("?model=gpt-realtime-2.1", {}, "invalid_api_key", 3000),
        ("?model=gpt-realtime-2.1", {"Authorization": "Bearer sk-invalid-1"}, "invalid_api_key", 3000),
        ("?model=gpt-realtime-2.1&intent=nonsense", KEY, "invalid_intent", 4000),
    ],
)
async def test_connecting(
    sim: Simulator, query: str, headers: dict[str, str], code: str, close: int | None
) -> None:
    reason = f"invalid_request_error.{code}" if close else ""

    assert await verdict(sim, query, headers) == (code, close, reason)


async def test_connection_faults(sim: Simulator) -> None:
    sim.realtime.faults = Faults(close_4000_code="session_expired")
    assert await verdict(sim, "?model=gpt-realtime", KEY) == (
        "session_expired",
        4000,
        "invalid_request_error.session_expired",
    )
    sim.realtime.faults = Faults(refuse_status=503)
    with pytest.raises(InvalidStatus) as refused:
        await verdict(sim, "?model=gpt-realtime", KEY)
    assert refused.value.response.status_code == 503


@pytest.mark.parametrize(("code", "seen"), [(1011, 1011), (1006, 1006)])
async def test_closing_in_a_response(sim: Simulator, code: int, seen: int) -> None:
    sim.realtime.faults = Faults(close_mid_response=code)
    url = f"{sim.realtime_url}?model=gpt-realtime"

    async with connect(url, additional_headers=KEY, proxy=None) as connection:
        await connection.send('{"type":"response.create"}')
        async for _ in until_closed(connection):
            pass

    assert connection.close_code == seen


async def until_closed(connection: ClientConnection) -> AsyncIterator[str | bytes]:
    try:
        async for message in connection:
            yield message
    except ConnectionClosed:
        return

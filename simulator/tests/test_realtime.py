import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulator.harness import Order, Simulator
from simulator.scenario import Faults, load

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


async def test_a_connection_that_names_its_call_is_that_calls_whichever_comes_first(sim: Simulator) -> None:
    both_here = asyncio.Barrier(2)

    async def media(socket: ServerConnection) -> None:
        """Once both calls are here: one session for the first of them, and two for the second."""
        assert socket.request is not None
        name = socket.request.path.rpartition("/")[2]
        async with asyncio.timeout(60):
            await both_here.wait()
        for number in range({"first": 1, "second": 2}[name]):
            headers = {**KEY, "X-Client-Request-Id": f"{name}-{number}"}
            assert await verdict(sim, "?model=gpt-realtime", headers) == ("session.created", None, "")

    async with serve(media, "127.0.0.1", 0) as server:
        origin = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        def call(name: str) -> Order:
            twiml = f'<Response><Connect><Stream url="{origin}/media/{name}"/></Connect></Response>'
            return Order(load("one_tool"), to="+14150136001", caller="+12025550147", twiml=twiml)

        reports = await asyncio.gather(*map(sim.switchboard.place, (call("first"), call("second"))))

    assert [report.realtime_sessions for report in reports] == [1, 2]


async def test_a_connection_that_names_no_call_here_is_nobodys(sim: Simulator) -> None:
    headers = {**KEY, "X-Client-Request-Id": "a-web-call-0"}

    assert await verdict(sim, "?model=gpt-realtime", headers) == ("session.created", None, "")

    assert [report.realtime_sessions for report in sim.realtime.unbound] == [1]

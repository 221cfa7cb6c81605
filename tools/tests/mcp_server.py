"""The simulator's MCP server beside tests that are no coroutines, and orders for it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simulator.harness import Simulator
from tools.mcp.services import mcp_tools_refresh
from tools.models import Tool
from tools.orders import ToolOrder
from tools.snapshots import ToolSnapshot, tool_snapshots_take
from tools.tests.factories import make_order, make_tool


@contextmanager
def simulated() -> Iterator[Simulator]:
    """A simulator that serves from a thread of its own."""
    simulator = Simulator(account_sid="AC00000000000000000000000000000001", auth_token="t0ken")
    up = threading.Event()
    down = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with simulator:
            up.set()
            await down.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert up.wait(60)
    try:
        yield simulator
    finally:
        loops[0].call_soon_threadsafe(down.set)
        thread.join(60)


def make_mcp_tool(url: str, **fields: Any) -> Tool:
    """A saved MCP server whose list was not fetched."""
    settings = fields.pop("settings", {"metadata": {"protocol": "sse" if "/old" in url else "shttp"}})
    return make_tool(**{"kind": "mcp", "name": "mcp", "server_url": url, "settings": settings, **fields})


def listed(url: str, **fields: Any) -> dict[str, ToolSnapshot]:
    """The tools of a server whose list was fetched just now, by the name that the model sees."""
    tool = make_mcp_tool(url, **fields)
    mcp_tools_refresh(tool=tool)
    return {one.name: one for one in tool_snapshots_take([tool], server_url="", backoff_plan={})}


def make_mcp_order(snapshot: ToolSnapshot, **fields: Any) -> ToolOrder:
    """An order for one of them."""
    arguments = {"ticket": "4471"} if snapshot.name == "repairs_lookup" else {"slot": "n-0611-0930"}
    return make_order(tool=snapshot, **{"arguments": arguments, **fields})

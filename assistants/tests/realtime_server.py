"""Servers of the Realtime API beside a synchronous test: the simulator, and one that says what the test wants."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import websockets
from websockets.sync.server import ServerConnection, serve

from simulator.harness import Simulator


@contextmanager
def simulated() -> Iterator[Simulator]:
    """The simulator, in a loop of its own."""
    ready, over = threading.Event(), asyncio.Event()
    simulator = Simulator(account_sid="AC" + "1" * 32, auth_token="secret")
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with simulator:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert ready.wait(60)
        yield simulator
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(60)
        loop.close()


@contextmanager
def scripted(answer: Callable[[dict[str, Any]], list[dict[str, Any] | str]]) -> Iterator[str]:
    """The address of a server that greets, and then answers each client event as the test says."""

    def handle(socket: ServerConnection) -> None:
        try:
            socket.send(json.dumps({"type": "session.created", "session": {}}))
            for message in socket:
                for event in answer(json.loads(message)):
                    socket.send(event if isinstance(event, str) else json.dumps(event))
        except websockets.ConnectionClosed:
            return

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/v1/realtime"
        finally:
            server.shutdown()
            thread.join(60)

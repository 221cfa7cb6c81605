"""The simulator in a thread of its own, for whoever has no event loop to run it in."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from simulator.harness import Simulator

_WITHIN_S: Final = 60.0


@contextmanager
def listening(simulator: Simulator) -> Iterator[Simulator]:
    """The simulator, reachable by its URLs until the block is left. Raises TimeoutError if it does not start."""
    ready, leaving = threading.Event(), threading.Event()

    async def serve() -> None:
        async with simulator:
            ready.set()
            await asyncio.to_thread(leaving.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        if not ready.wait(_WITHIN_S):
            raise TimeoutError(f"The simulator did not listen within {_WITHIN_S:.0f} s.")
        yield simulator
    finally:
        leaving.set()
        thread.join(_WITHIN_S)

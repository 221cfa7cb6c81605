"""From a worker's threads to live calls, over one event loop that lasts as long as the process.

``async_to_sync`` would make a loop, and with it a connection to Redis, for every single message: 6 ms each, measured.
"""

import asyncio
import functools
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from channels.layers import get_channel_layer

SEND_TIMEOUT_S = 5.0


def message_send(channel: str, message: dict[str, Any]) -> None:
    """Send the message to a channel of the layer. Raises what the layer raises, and TimeoutError."""
    layer = get_channel_layer()
    assert layer is not None
    sending = _on_loop(layer.send(channel, message))
    try:
        sending.result(SEND_TIMEOUT_S)
    except FutureTimeoutError:
        sending.cancel()
        raise TimeoutError from None


def _on_loop(work: Coroutine[Any, Any, None]) -> Any:
    # A process that was forked has the loop's object and not its thread.
    return asyncio.run_coroutine_threadsafe(work, _loop(os.getpid()))


@functools.cache
def _loop(_pid: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="replies", daemon=True).start()
    return loop

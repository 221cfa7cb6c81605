"""The real application, and beside it a clock that notices when the event loop is held up.

Used by load.py in the place of config.asgi. A timer of 10 ms notes by how much it came late; GET /bench/gaps answers with
what was noted since the last time. Frames pass untouched: only the beginning of a socket comes through here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from benchmarks.instruments import GAPS_PATH
from config.asgi import application as tandem

EVERY_S = 0.01

_gaps: list[float] = []
_timers: list[asyncio.TimerHandle] = []


async def application(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """The ASGI application."""
    if not _timers:
        _watch(asyncio.get_running_loop())
    if scope["type"] == "http" and scope["path"] == GAPS_PATH:
        ranked = sorted(_gaps) or [0.0]
        body = orjson.dumps({"p99_ms": ranked[int(len(ranked) * 0.99)] * 1000, "max_ms": ranked[-1] * 1000})
        _gaps.clear()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": body})
        return
    await tandem(scope, receive, send)  # type: ignore[arg-type]  # Channels types scopes more narrowly than ASGI does


def _watch(loop: asyncio.AbstractEventLoop) -> None:
    # Not the loop's own clock: under uvloop that is read once a turn, and so never sees a turn that took long.
    due = time.perf_counter() + EVERY_S

    def tick() -> None:
        nonlocal due
        now = time.perf_counter()
        _gaps.append(max(0.0, now - due))
        due = now + EVERY_S
        _timers[0] = loop.call_later(EVERY_S, tick)

    _timers.append(loop.call_later(EVERY_S, tick))

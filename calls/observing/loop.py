"""How late the event loop is: what holds it, holds the audio of every call of the process."""

import asyncio
import weakref

from tools.observing import metrics

EVERY_S = 0.5
_watched: "weakref.WeakSet[asyncio.AbstractEventLoop]" = weakref.WeakSet()


def loop_watch() -> None:
    """Measure the running event loop from now on, for as long as it runs. Once is enough; more does no harm."""
    loop = asyncio.get_running_loop()
    if loop not in _watched:
        _watched.add(loop)
        _next(loop)


def _next(loop: asyncio.AbstractEventLoop) -> None:
    due = loop.time() + EVERY_S
    loop.call_at(due, _look, loop, due)


def _look(loop: asyncio.AbstractEventLoop, due: float) -> None:
    metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))
    _next(loop)

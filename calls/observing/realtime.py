"""Sockets to the model: whether they open, how long that takes, and whether they are lost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from calls.clients import RealtimeRefusedError
from tools.observing import metrics, tracing
from tools.observing.context import observed


@contextmanager
def connecting(session: int) -> Iterator[None]:
    """A socket for this Realtime session is being opened meanwhile."""
    began_ns, clock = time.time_ns(), time.perf_counter()
    result = "broken_off"
    try:
        yield
        result = "ok"
        metrics.REALTIME_CONNECT_SECONDS.observe(time.perf_counter() - clock)
    except RealtimeRefusedError as exc:
        result = metrics.code_class(exc.code)
        raise
    finally:
        metrics.REALTIME_CONNECTS.labels(result).inc()
        _trace(session, began_ns, error="" if result == "ok" else result)


def lost(code: str) -> None:
    """A socket has ended that we had not closed."""
    metrics.REALTIME_LOST.labels(metrics.code_class(code)).inc()


def _trace(session: int, began_ns: int, *, error: str) -> None:
    call_id = observed().get("call_id")
    if call_id:
        tracing.span_write(
            call_id,
            # A call that goes on in another stream counts its sessions from the start again.
            key=f"connect:{session}:{began_ns}",
            name="realtime connect",
            began=began_ns,
            kind=tracing.Kind.CLIENT,
            error=error,
            facts={"realtime_session": session},
        )

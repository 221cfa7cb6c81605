"""A session with the Realtime API for a thread that waits for it, as workers and commands do; live calls have sockets of their own."""

from websockets.sync.client import ClientConnection, connect

from assistants.realtime import realtime_opening


def realtime_connect(model: str, *, within_s: float) -> ClientConnection:
    """The open socket, which a ``with`` closes. Raises what `websockets` raises, and TimeoutError when it is not open by then."""
    return connect(**realtime_opening(model), open_timeout=within_s, close_timeout=1)

"""The media server: uvicorn, which closes every socket as soon as it is told to stop, taught to let calls end first."""

import logging
import socket
import time
from types import FrameType

import uvicorn

from calls.draining.here import INSTANCE
from calls.sockets.media import MediaSocket, libraries_known

logger = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """Takes no new calls once it is told to stop, and ends when the last one has, or after ``drain_s``.

    A second signal ends it at once; what calls are left then go on in another process.
    """

    def __init__(self, config: uvicorn.Config, *, drain_s: float) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self._deadline: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; or stop, where there is nothing to wait for."""
        if self._deadline is not None or not self._drain_s:
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        self._deadline = time.monotonic() + self._drain_s
        INSTANCE.begin()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what is open. The process then ends by itself and not by the signal, so that what it holds is handed over."""
        await super().shutdown(sockets)
        self._captured_signals.clear()

    async def on_tick(self, counter: int) -> bool:
        """Look ten times a second whether it is time to stop."""
        if self._deadline is not None and not self.should_exit:
            if counter % 600 == 0:
                logger.info("waiting for calls to end", extra={"live": INSTANCE.live})
            late = time.monotonic() >= self._deadline
            # Whoever was sent here before the balancer knew is served; without calls nobody is waited for either.
            if late or (not INSTANCE.live and INSTANCE.refusing):
                logger.info(
                    "drained" if not INSTANCE.live else "drain cut short", extra={"live": INSTANCE.live}
                )
                self.should_exit = True
        return await super().on_tick(counter)


def media_server(application: str, *, host: str, port: int, grace_s: int, drain_s: float) -> DrainingServer:
    """The server of the media streams, ready to run. Raises RuntimeError where it would not understand its own libraries."""
    libraries_known()
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="uvloop",
        ws=MediaSocket,
        lifespan="off",
        # A frame of Twilio's is some 300 bytes; compression would cost more than it saves.
        ws_max_size=65536,
        ws_per_message_deflate=False,
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=grace_s,
    )
    return DrainingServer(config, drain_s=drain_s)

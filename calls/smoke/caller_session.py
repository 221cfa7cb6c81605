"""The Realtime socket of a caller who is played by a model: moves its events, and decides nothing."""

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Final, Self

import websockets
from websockets.asyncio.client import ClientConnection, connect

from assistants.realtime import realtime_opening
from calls.smoke.model_caller import CallerBrokeError, ModelCaller

_OPEN_WITHIN_S: Final = 8.0
_READY_WITHIN_S: Final = 8.0


class CallerSession:
    """The session behind a caller, open while it is entered. Raises CallerBrokeError when it fails, then or later."""

    def __init__(self, caller: ModelCaller, *, model: str) -> None:
        self.caller = caller
        self._model = model
        self._ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        try:
            self._socket: ClientConnection = await connect(
                **realtime_opening(self._model), open_timeout=_OPEN_WITHIN_S, close_timeout=1
            )
        except (OSError, ssl.SSLError, TimeoutError, websockets.WebSocketException) as exc:
            raise CallerBrokeError(
                f"The session that plays the caller could not be opened: {type(exc).__name__}."
            ) from exc
        self._reader = asyncio.create_task(self._read())
        self.caller.open()
        try:
            await self.flush()
            await self._until_ready()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def flush(self) -> None:
        """Send what the caller wants to be sent. Raises CallerBrokeError when the session is lost."""
        if self._reader.done():
            self._reader.result()
            raise CallerBrokeError("The session that plays the caller was closed by its server.")
        outgoing = self.caller.outgoing
        try:
            while outgoing:
                await self._socket.send(outgoing.popleft())
        except websockets.ConnectionClosed as exc:
            raise CallerBrokeError("The connection to the model that plays the caller was lost.") from exc

    async def _until_ready(self) -> None:
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait(
                {ready, self._reader}, timeout=_READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ready.cancel()
        if self._reader.done():
            await self.flush()
        if not self._ready.is_set():
            raise CallerBrokeError("The session that plays the caller was not ready in time.")

    async def _read(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self._socket:
                self.caller.receive(text)
                if self.caller.is_ready:
                    self._ready.set()

    async def _close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        with contextlib.suppress(OSError, websockets.WebSocketException):
            await self._socket.close()

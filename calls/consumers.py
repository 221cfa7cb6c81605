"""The media streams of telephone calls: who may open one, and how Twilio takes the call from here."""

import asyncio
import logging
import uuid
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from calls.draining.here import INSTANCE
from calls.draining.registry import stream_turned_away
from calls.lines.leaving import Leaving
from calls.lines.line import SERVICE_RESTART, Receive, Send, sent_or_gone
from calls.lines.opening import POLICY_VIOLATION, stream_call_load, upgrade_signed
from calls.lines.twilio_line import TwilioLine
from calls.selectors import StreamCall
from calls.sockets.media import short_way
from tools.observing import metrics

logger = logging.getLogger(__name__)


class MediaStreamConsumer(Leaving, AsyncWebsocketConsumer):
    """One media stream of Twilio, and the Realtime socket that answers it."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The whole life of one socket."""
        self.scope = scope
        self._twilio_send = send
        await receive()  # websocket.connect
        if not await upgrade_signed(scope):
            logger.warning("media stream without a valid signature refused")
            await sent_or_gone(send, {"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if INSTANCE.refusing:
            await self._turn_away(scope["url_route"]["kwargs"]["call_id"])
            return
        if not await sent_or_gone(send, {"type": "websocket.accept"}):
            return
        call = await stream_call_load(scope["url_route"]["kwargs"]["call_id"])
        if isinstance(call, int):
            await sent_or_gone(send, {"type": "websocket.close", "code": call})
            return
        await self._carry(call, receive)

    async def _turn_away(self, call_id: uuid.UUID) -> None:
        """Do not let the stream in: this process is about to end. Twilio asks what follows, and opens another one."""
        metrics.STREAMS_REFUSED.labels("draining").inc()
        await asyncio.to_thread(stream_turned_away, call_id)
        logger.info("media stream turned away: this process drains", extra={"call_id": str(call_id)})
        await sent_or_gone(self._twilio_send, {"type": "websocket.close", "code": SERVICE_RESTART})

    def _line_for(self, call: StreamCall) -> TwilioLine:
        return TwilioLine(self._twilio_send, short_way(self.scope))

    async def _listen_to_caller(self, receive: Receive) -> int:
        short = short_way(self.scope)
        if short is None:
            return await super()._listen_to_caller(receive)
        short.listen(self._hear_text)
        try:
            return await super()._listen_to_caller(receive)
        finally:
            short.leave()

    def _hear_text(self, text: bytes) -> None:
        self._hear_caller({"bytes": text})

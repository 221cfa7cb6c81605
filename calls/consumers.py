"""The media streams of telephone calls: who may open one, and how Twilio takes the call from here."""

import asyncio
import logging
import uuid
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from calls.draining.here import INSTANCE
from calls.draining.registry import stream_turned_away
from calls.leaving import Leaving
from calls.lines.line import Receive, Send
from calls.lines.shell import SERVICE_RESTART
from calls.lines.twilio_line import TwilioLine
from calls.observing.stream import stream_watched
from calls.selectors import StreamCall
from calls.stream_opening import POLICY_VIOLATION, stream_call_load, upgrade_signed
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
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if INSTANCE.refusing:
            await self._turn_away(scope["url_route"]["kwargs"]["call_id"])
            return
        await send({"type": "websocket.accept"})
        call = await stream_call_load(scope["url_route"]["kwargs"]["call_id"])
        if isinstance(call, int):
            await send({"type": "websocket.close", "code": call})
            return
        try:
            with stream_watched(call.call_id):
                await self._converse(call, receive)
        except Exception:
            logger.exception("the bridge of a call broke", extra={"call_id": str(call.call_id)})
            raise

    async def _turn_away(self, call_id: uuid.UUID) -> None:
        """Do not let the stream in: this process is about to end. Twilio asks what follows, and opens another one."""
        metrics.STREAMS_REFUSED.labels("draining").inc()
        await asyncio.to_thread(stream_turned_away, call_id)
        logger.info("media stream turned away: this process drains", extra={"call_id": str(call_id)})
        await self._twilio_send({"type": "websocket.close", "code": SERVICE_RESTART})

    def _line_for(self, call: StreamCall) -> TwilioLine:
        return TwilioLine(self._twilio_send)

"""What a call's own process does with messages from others: orders, and that somebody reads along or listens."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Final, Protocol

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer
from redis.exceptions import RedisError

from calls.bridge import commands as do
from calls.bridge.conversation import Conversation
from calls.live.orders import KINDS, order_received
from calls.live.tap import LISTEN, Tap
from calls.selectors import StreamCall

logger = logging.getLogger(__name__)

# Sent by whoever reads along, again and again: partial texts are told for as long as that.
WATCH: Final = "call.watch"
WATCHED_S: Final = 45.0


class Notes(Protocol):
    """Whoever writes the call down."""

    def order_received(self, message: Mapping[str, Any]) -> bool:
        """Note an order; False for one that has come before."""

    def order_refusal(self, order_id: str) -> str | None:
        """Why an order was refused that has come before, empty where it was taken; None while nobody knows."""

    def note(self, command: do.Command) -> None:
        """Note what came of it."""


class Obeying:
    """The part of a stream's shell that takes orders. The rest of the shell brings what is declared here."""

    call: StreamCall
    conversation: Conversation
    recorder: Notes
    _chosen: dict[str, dict[str, Any]]
    _layer: BaseChannelLayer | None
    _loop: asyncio.AbstractEventLoop
    _reply_to: dict[str, str]
    _tap: Tap | None
    _unwatched: asyncio.TimerHandle | None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        raise NotImplementedError

    def _begin_obeying(self) -> None:
        """Nobody has asked for anything yet."""
        self._reply_to = {}
        self._tap = None
        self._unwatched = None

    def _end_obeying(self) -> None:
        """The call is over for whoever reads along or listens."""
        if self._unwatched is not None:
            self._unwatched.cancel()
        if self._tap is not None:
            self._tap.stop()

    def _from_outside(self, message: dict[str, Any]) -> list[do.Command]:
        """What the conversation makes of a message from another process."""
        kind = message.get("type")
        if kind in KINDS:
            return self._order(message)
        if kind == WATCH:
            self._watched()
        elif kind == LISTEN and self._layer is not None:
            self._listened(self._layer)
        channel = str(message.get("reply_to") or "")
        if channel:
            self._spawn(self._answer(channel, str(message.get("order_id") or ""), ""))
        return []

    # Orders ---------------------------------------------------------------------------------------------------

    def _order(self, message: dict[str, Any]) -> list[do.Command]:
        order_id = str(message.get("order_id") or "")
        if not self.recorder.order_received(message):
            self._told_again(order_id, str(message.get("reply_to") or ""))
            return []
        if message.get("reply_to"):
            self._reply_to[order_id] = str(message["reply_to"])
        received = order_received(message, self.call)
        if isinstance(received, str):
            return [do.OrderAnswered(order_id, received)]
        if received.destination:
            self._chosen[order_id] = received.destination
        return self.conversation.order(received.order, now=self._loop.time())

    def _told_again(self, order_id: str, channel: str) -> None:
        """An order has come a second time, and is not done again; whoever asks for the first time is told the same."""
        refusal = self.recorder.order_refusal(order_id)
        if channel and refusal is not None:
            self._spawn(self._answer(channel, order_id, refusal))

    def _brought(self) -> list[do.Command]:
        """What the call brings with it: orders that the session before has taken and not done."""
        back = self.call.resumption
        return [one for message in (back.orders if back else ()) for one in self._order(message)]

    def _order_answered(self, command: do.OrderAnswered) -> None:
        """Tell whoever gave an order what becomes of it."""
        self.recorder.note(command)
        channel = self._reply_to.pop(command.order_id, "")
        if command.refusal:
            self._chosen.pop(command.order_id, None)
            logger.info(
                "an order for a call was refused",
                extra={"call_id": str(self.call.call_id), "why": command.refusal},
            )
        if channel:
            self._spawn(self._answer(channel, command.order_id, command.refusal))

    async def _answer(self, channel: str, order_id: str, refusal: str) -> None:
        assert self._layer is not None  # it was by the layer that we were asked
        answer = {"type": "call.answered", "order_id": order_id, "refusal": refusal}
        with contextlib.suppress(RedisError, OSError, ChannelFull):  # whoever asked has a limit of their own
            await self._layer.send(channel, answer)

    # Those who read along, and those who listen -----------------------------------------------------------------

    def _watched(self) -> None:
        # What is taken out of the whole text could stand in a part of it before it is known for what it is.
        self.conversation.tells_partials = not self.call.snapshot.redact and not self.call.snapshot.hipaa
        if self._unwatched is not None:
            self._unwatched.cancel()
        self._unwatched = self._loop.call_later(WATCHED_S, self._nobody_watches)

    def _nobody_watches(self) -> None:
        self._unwatched = None
        self.conversation.tells_partials = False

    def _listened(self, layer: BaseChannelLayer) -> None:
        if self._tap is None or self._tap.over:
            self._tap = Tap(
                self.call.call_id, layer, self._loop, self._nobody_listens, self.conversation.plan.audio
            )
            self._spawn(self._tap.run())
        self._tap.renew()

    def _nobody_listens(self) -> None:
        self._tap = None

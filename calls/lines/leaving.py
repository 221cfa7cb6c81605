"""How Twilio takes a call from here: hung up, with an apology, connected to somebody else, or for keys that it presses.

Each is an order by REST, and our stream ends with it. Nothing is ordered that is not written down.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.db import Error as DatabaseError

from calls import clients, forwarding, services
from calls.bridge import commands as do
from calls.database_threads import in_database_thread
from calls.lines import breaks
from calls.lines.opening import LOAD_WITHIN_S
from calls.lines.shell import CallShell
from calls.models import STREAM_LOST
from calls.orders.rows import orders_write
from calls.transfers import destination_stored
from calls.twilio import twiml

logger = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[], Awaitable[None]]

UNSURE_S = 1.0  # from an order whose answer was lost to the end of the stream, if it was taken


class Leaving(CallShell):
    """A shell whose calls Twilio has. The conversation asks for one of these orders at a time."""

    def _leave(self, command: do.HangUp | do.Apologise | do.Forward | do.PressKeys) -> None:
        """Have Twilio take the call from here. The conversation asks for one of these at a time."""
        match command:
            case do.HangUp():
                self._spawn(self._surely("HangUp", self._hang_up, self._closed))
            case do.Apologise():
                # Whatever keeps the call from going on with another session, the caller is told.
                sorry = partial(self._surely, "Apologise", partial(self._say_sorry, command), self._closed)
                apologise = partial(self._apologise, command)
                self._forwarding = self._spawn(self._surely("Apologise", apologise, sorry))
            case do.Forward():
                forward = partial(self._forward_call, command)
                self._forwarding = self._spawn(self._surely("Forward", forward, self._failed_here))
            case do.PressKeys():
                press = partial(self._press_keys, command)
                self._forwarding = self._spawn(self._surely("PressKeys", press, self._not_pressed))

    async def _surely(self, what: str, do_it: Work, instead: Work) -> None:
        """Do it; where that fails in a way that nobody foresaw, do the other: the caller hears nothing meanwhile."""
        try:
            await do_it()
        except Exception as exc:  # noqa: BLE001 - what is done instead
            self._report(what, exc)
            await instead()

    async def _hang_up(self) -> None:
        await self._end_call(clients.hang_up, services.HUNG_UP)

    async def _closed(self) -> None:
        """Close the stream, and Twilio asks us what follows."""
        await self._line.close(1000)

    async def _failed_here(self) -> None:
        await self._not_forwarded("Something failed on our side.")

    async def _end_call(self, order: Callable[..., None], reason: str, **words: str) -> None:
        """Have Twilio end the call; if it will not, close the stream, and Twilio asks us what follows."""
        call = self.call
        if call.smoke is not None and call.smoke.off_network:
            await self._line.close(1000)
            return
        try:
            await asyncio.to_thread(order, call_sid=call.call_sid, account_sid=call.account_sid, **words)
        except clients.TwilioRefusedError as exc:
            self.recorder.trouble("hang_up_failed", str(exc))
            with contextlib.suppress(DatabaseError):
                await in_database_thread(lambda: services.call_leaving(call_id=call.call_id, reason=reason))
            await self._line.close(1000)

    async def _apologise(self, command: do.Apologise) -> None:
        """Have Twilio apologise and hang up, unless another session can go on with the call."""
        if not command.again or not await self._opened_anew():
            await self._say_sorry(command)

    async def _say_sorry(self, command: do.Apologise) -> None:
        language = self.call.snapshot.language
        await self._end_call(clients.apologise, services.MODEL_FAILED, text=command.text, language=language)

    async def _opened_anew(self) -> bool:
        """Whether Twilio opens another stream for the call, for a session that goes on with it."""
        call = self.call
        if call.smoke is not None:
            return False
        await self._orders_kept()
        begin = partial(breaks.session_lost, call_id=call.call_id, history=self.recorder.history)
        begun = await self._written(begin, or_else="a lost session could not be written down")
        if begun is None:
            return False
        document = twiml.stream_document(
            public_origin=settings.PUBLIC_ORIGIN,
            media_origin=settings.MEDIA_ORIGIN,
            call_id=str(call.call_id),
            token=begun.token,
        )
        try:
            await self._redirect(document)
        except clients.TwilioRefusedError as exc:
            return await self._taken_all_the_same(exc)
        return True

    async def _line_gone(self) -> None:
        if self.conversation.ending_reason in STREAM_LOST:
            await self._orders_kept()

    async def _orders_kept(self) -> None:
        """Write down at once what was ordered of the call: the session that goes on with it may come before the workers."""
        orders = self.recorder.orders
        if not orders:
            return
        write = partial(orders_write, self.call.call_id, orders)
        await self._written(write, or_else="orders could not be written at once")

    async def _forward_call(self, command: do.Forward) -> None:
        """Have Twilio connect the caller to somebody else. Nothing is ordered that is not written down."""
        if self.call.smoke is not None:
            # Nobody who is not part of the test is rung up for it.
            await self._end_call(clients.hang_up, services.HUNG_UP)
            return
        await self._orders_kept()
        call, stored = self.call, self._destination(command)
        begin = partial(
            forwarding.transfer_begin,
            call_id=call.call_id,
            tool_call_id=command.call_id,
            stored=stored,
            history=self.recorder.history,
            language=call.snapshot.language,
        )
        begun = await self._written(begin, or_else="a transfer could not be written down")
        if begun is None:
            await self._not_forwarded("It could not be recorded.")
            return
        try:
            await self._dial(begun)
        except clients.TwilioRefusedError as exc:
            await self._forward_refused(begun, exc)
            return
        except Exception as exc:  # noqa: BLE001 - the transfer is written down as refused
            self._report("Forward", exc)
            await self._forward_refused(begun, clients.TwilioRefusedError("Something failed on our side."))
            return
        await self._carry_out(self.conversation.forwarded())
        with contextlib.suppress(DatabaseError):
            await in_database_thread(lambda: forwarding.transfer_dialled(transfer_id=begun.transfer_id))

    async def _dial(self, begun: forwarding.Begun) -> None:
        """Have Twilio connect the caller. Raises TwilioRefusedError."""
        if begun.destination.summary is not None:
            self.recorder.transfer_summarise(begun.transfer_id, begun.destination.summary)
        document = twiml.dial_document(
            begun.destination,
            public_origin=settings.PUBLIC_ORIGIN,
            transfer_id=str(begun.transfer_id),
            caller_id=begun.caller_id,
        )
        await self._redirect(document)

    async def _forward_refused(self, begun: forwarding.Begun, exc: clients.TwilioRefusedError) -> None:
        if await self._taken_all_the_same(exc):
            await self._carry_out(self.conversation.forwarded())
            return
        gone = isinstance(exc, clients.CallGoneError)
        refuse = partial(
            forwarding.transfer_refused, transfer_id=begun.transfer_id, why=str(exc), caller_gone=gone
        )
        await self._written(refuse, or_else="a refused transfer could not be written down")
        await self._not_forwarded("Twilio did not take the order.")

    async def _press_keys(self, command: do.PressKeys) -> None:
        """Have Twilio press keys. This stream ends with that, and another one goes on with the call."""
        call = self.call
        if call.smoke is not None:
            await self._carry_out(self.conversation.keys_pressed(now=self._loop.time()))
            return
        await self._orders_kept()
        begin = partial(
            breaks.keys_begin,
            call_id=call.call_id,
            asked=self.recorder.asked_kept(command),
            history=self.recorder.history_with(command),
        )
        begun = await self._written(begin, or_else="pressing keys could not be written down")
        if begun is None:
            await self._not_pressed()
            return
        document = twiml.keys_document(
            command.keys,
            public_origin=settings.PUBLIC_ORIGIN,
            media_origin=settings.MEDIA_ORIGIN,
            call_id=str(call.call_id),
            token=begun.token,
        )
        try:
            await self._redirect(document)
        except clients.TwilioRefusedError as exc:
            if not await self._taken_all_the_same(exc):
                self.recorder.trouble("keys_not_pressed", str(exc))
                await self._keys_refused(begun)
                return
        await self._carry_out(self.conversation.forwarded())

    async def _keys_refused(self, begun: breaks.Begun) -> None:
        refuse = partial(breaks.keys_refused, break_id=begun.break_id)
        await self._written(refuse, or_else="refused keys could not be written down")
        await self._not_pressed()

    async def _not_pressed(self) -> None:
        message = "The keys could not be pressed. Nobody has heard them. Say so honestly."
        now = self._loop.time()
        await self._carry_out(self.conversation.forward_failed("keys_not_pressed", message, now=now))

    async def _taken_all_the_same(self, exc: clients.TwilioRefusedError) -> bool:
        """Whether an order was carried out of which only the answer was lost: then the stream ends now."""
        if exc.unsure:
            await asyncio.sleep(UNSURE_S)
        return exc.unsure and (self._over.is_set() or not self._line.is_open)

    async def _redirect(self, document: str) -> None:
        """Have Twilio go on with the call as this says. Raises TwilioRefusedError."""
        call = self.call
        order = partial(clients.redirect, call_sid=call.call_sid, account_sid=call.account_sid)
        try:
            await asyncio.to_thread(order, document=document)
        except clients.TwilioRefusedError:
            raise
        except Exception as exc:  # noqa: BLE001 - nobody knows how far it came
            self._report("Redirect", exc)
            raise clients.TwilioRefusedError("Something failed on our side.", unsure=True) from None

    async def _written(self, write: Callable[[], T], *, or_else: str) -> T | None:
        """What came of this work in the database; None where it could not be done in time, which the log tells so."""
        try:
            return await asyncio.wait_for(in_database_thread(write), LOAD_WITHIN_S)
        except (DatabaseError, TimeoutError):
            logger.exception(or_else, extra={"call_id": str(self.call.call_id)})
            return None

    async def _not_forwarded(self, why: str) -> None:
        message = (
            f"The call could not be transferred. {why} The caller is still on the line with you. Say so honestly, and "
            "offer what else you can do. Do not say that anybody will call back unless a tool has arranged it."
        )
        now = self._loop.time()
        await self._carry_out(self.conversation.forward_failed("transfer_failed", message, now=now))

    def _destination(self, command: do.Forward) -> dict[str, Any]:
        """The destination in Vapi's words: the one that a server has named, else the tool's."""
        chosen = self._chosen.get(command.call_id)
        if chosen is not None:
            return chosen
        tool = next(tool for tool in self.call.snapshot.tools if tool.name == command.name)
        return destination_stored(tool.settings, command.destination)

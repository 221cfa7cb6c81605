"""The shell around the conversation: it moves bytes, keeps time, and decides nothing.

It is a Channels consumer that owns its receive loop. The stock one hops to the ORM thread before every message,
and all calls of a process share that thread: one slow query would hold everybody's audio. So nothing between a
frame and the other socket awaits anything but that socket; what needs a database, a broker or Twilio's REST is
a task, or goes through the outbox.
"""

import asyncio
import contextlib
import functools
import logging
import secrets
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import websockets
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import BaseChannelLayer, get_channel_layer
from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone
from redis.exceptions import RedisError
from websockets.asyncio.client import ClientConnection

from calls import clients, forwarding, selectors, services, twiml
from calls.bridge import commands as do
from calls.bridge import realtime, twilio
from calls.bridge.conversation import Conversation
from calls.bridge.errors import RemoteProtocolError
from calls.bridge.plan import Place
from calls.bridge.toolcalls import failure
from calls.database_threads import in_database_thread
from calls.groups import call_group
from calls.plans import plan_from_snapshot
from calls.recorder import Recorder
from calls.selectors import StreamCall
from calls.signatures import websocket_signature_valid
from calls.tool_messages import tool_result
from calls.transfers import destination_chosen, destination_read, destination_stored
from calls.variables import call_rendered

logger = logging.getLogger(__name__)

ASGIMessage = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012  # what the server closes with when it is shut down
# Frames that wait because the model's socket is stuck; two seconds. Older ones are dropped: late audio is no use.
MOST_FRAMES_WAITING = 100
LOAD_WITHIN_S = 5.0
DRAIN_WITHIN_S = 10.0
JOURNAL_WITHIN_S = 5.0
LAYER_PAUSE_S = 0.5
UNSURE_S = 1.0  # from an order whose answer was lost to the end of the stream, if it was taken
_NO_DESTINATION = (
    "The server named a destination that cannot be dialled, so the call was not transferred. Say so honestly, and offer "
    "what else you can do."
)
# The servers' words for a socket that is closed: by the other side, or by us.
SOCKET_GONE = (OSError, RuntimeError)


class MediaStreamConsumer(AsyncWebsocketConsumer):
    """One media stream of Twilio, and the Realtime socket that answers it."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The whole life of one socket."""
        self.scope = scope
        self._twilio_send = send
        await receive()  # websocket.connect
        if not _signed(scope):
            logger.warning("media stream without a valid signature refused")
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        await send({"type": "websocket.accept"})
        call = await _load(scope["url_route"]["kwargs"]["call_id"])
        if isinstance(call, int):
            await send({"type": "websocket.close", "code": call})
            return
        try:
            await self._converse(call, receive)
        except Exception:
            logger.exception("the bridge of a call broke", extra={"call_id": str(call.call_id)})
            raise

    async def _converse(self, call: StreamCall, receive: Receive) -> None:
        self._begin(call)
        if self._layer is not None:
            self.channel_name = await self._layer.new_channel()
        try:
            self._spawn(self._talk_to_realtime())
            self._spawn(self._listen_to_layer())
            await self._carry_out(self.conversation.opened(now=self._loop.time()))
            code = await self._listen_to_twilio(receive)
            self._twilio_open = False
            if code == SERVICE_RESTART:
                self.recorder.interrupted_by_shutdown()
            await self._carry_out(self.conversation.twilio_gone(now=self._loop.time()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), DRAIN_WITHIN_S)
        finally:
            await self._clean_up()

    def _begin(self, call: StreamCall) -> None:
        self.call = call
        self._loop = asyncio.get_running_loop()
        self.conversation = Conversation(plan_from_snapshot(call.snapshot), secrets.randbelow)
        self.recorder = Recorder(call)
        self._to_twilio: deque[str] = deque()
        self._to_realtime: deque[str] = deque()
        self._twilio_busy = self._realtime_busy = False
        self._twilio_open = True
        self._realtime: ClientConnection | None = None
        self._frames_dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._forwarding: asyncio.Task[None] | None = None
        self._chosen: dict[str, dict[str, Any]] = {}  # destinations that servers have named, by tool call
        self._over: asyncio.Event = asyncio.Event()
        self._layer: BaseChannelLayer | None = get_channel_layer()
        self.channel_name = ""

    async def _clean_up(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._forwarding is not None:
            # The stream ends with the order, often before we hear that it was taken.
            await asyncio.wait([self._forwarding], timeout=DRAIN_WITHIN_S)
        for job in self._jobs:
            job.cancel()
        # A server that was told to stop ends the process as soon as its last socket is done.
        await asyncio.to_thread(self.recorder.safe, JOURNAL_WITHIN_S)
        await self._close_realtime()

    # Twilio ---------------------------------------------------------------------------------------------------

    async def _listen_to_twilio(self, receive: Receive) -> int:
        """Feed the conversation until the socket is closed; return the close code."""
        conversation, clock = self.conversation, self._loop.time
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return int(message.get("code") or 1006)
            try:
                parsed = twilio.parse(message.get("text") or message.get("bytes") or "")
            except RemoteProtocolError as exc:
                await self._carry_out(conversation.malformed(do.Source.TWILIO, str(exc)))
                continue
            todo = conversation.receive_twilio(parsed, now=clock())
            if type(parsed) is twilio.Media:
                # A frame moves no deadline, so it pays for no timer.
                await self._forward(todo)
            else:
                await self._carry_out(todo)

    async def _forward(self, todo: list[do.Command]) -> None:
        for command in todo:
            if type(command) is do.ToRealtime:
                if len(self._to_realtime) >= MOST_FRAMES_WAITING:
                    self._frames_dropped += 1
                    continue
                self._to_realtime.append(command.text)
            else:
                await self._carry_out([command])
        await self._flush_realtime()

    async def _flush_twilio(self) -> None:
        """Send what is queued, in order; whoever finds somebody at it leaves it to them."""
        if self._twilio_busy:
            return
        self._twilio_busy = True
        try:
            while self._to_twilio:
                text = self._to_twilio.popleft()
                if self._twilio_open:
                    await self._twilio_send({"type": "websocket.send", "text": text})
        except SOCKET_GONE:
            self._to_twilio.clear()  # the reader learns of it too, and says so to the conversation
        finally:
            self._twilio_busy = False

    # The Realtime API -----------------------------------------------------------------------------------------

    async def _talk_to_realtime(self) -> None:
        code = "connection_closed"
        try:
            self._realtime = await clients.realtime_connect(self.call.snapshot.model)
            await self._flush_realtime()
            while True:
                await self._from_realtime(await self._realtime.recv(decode=False))
        except clients.RealtimeRefusedError as exc:
            code = exc.code
        except websockets.ConnectionClosed as exc:
            if exc.rcvd is not None:
                code = f"closed_{exc.rcvd.code}"
        await self._carry_out(self.conversation.realtime_gone(code=code, now=self._loop.time()))

    async def _from_realtime(self, text: bytes) -> None:
        try:
            event = realtime.parse(text)
        except RemoteProtocolError as exc:
            await self._carry_out(self.conversation.malformed(do.Source.OPENAI, str(exc)))
            return
        if type(event) is not realtime.Ignored:
            await self._carry_out(self.conversation.receive_realtime(event, now=self._loop.time()))

    async def _flush_realtime(self) -> None:
        if self._realtime_busy or self._realtime is None:
            return
        self._realtime_busy = True
        try:
            while self._to_realtime:
                await self._realtime.send(self._to_realtime.popleft())
        except websockets.ConnectionClosed:
            self._to_realtime.clear()  # the reader learns of it too, and says so to the conversation
        finally:
            self._realtime_busy = False

    # Commands -------------------------------------------------------------------------------------------------

    async def _carry_out(self, todo: list[do.Command]) -> None:
        """Do what the conversation wants, in its order, and set the clock for what it wants next."""
        for command in todo:
            self._carry_out_one(command)
        if self._to_twilio:
            await self._flush_twilio()
        if self._to_realtime:
            await self._flush_realtime()
        self._arm_timer()

    def _carry_out_one(self, command: do.Command) -> None:
        match command:
            case do.ToTwilio(text=text):
                self._to_twilio.append(text)
            case do.ToRealtime(text=text):
                self._to_realtime.append(text)
            case do.VerifyStream():
                self._spawn(self._verify(command))
            case do.RunTool():
                self.recorder.tool_forward(command, reply_channel=self.channel_name)
            case do.HangUp() | do.Apologise() | do.Forward():
                self._leave(command)
            case do.CloseStream(code=code):
                self._spawn(self._close_twilio(code))
            case do.CloseRealtime():
                self._spawn(self._close_realtime())
            case do.Ended():
                self.recorder.ended(command, frames_dropped=self._frames_dropped)
                self._over.set()
            case _:
                self.recorder.note(command)

    def _leave(self, command: do.HangUp | do.Apologise | do.Forward) -> None:
        """Have Twilio take the call from here. The conversation asks for one of these at a time."""
        match command:
            case do.HangUp():
                self._spawn(self._end_call(clients.hang_up, services.HUNG_UP))
            case do.Apologise(text=text):
                language = self.call.snapshot.language
                self._spawn(
                    self._end_call(clients.apologise, services.MODEL_FAILED, text=text, language=language)
                )
            case do.Forward():
                self._forwarding = self._spawn(self._forward_call(command))

    async def _verify(self, command: do.VerifyStream) -> None:
        claim = functools.partial(
            services.stream_claim,
            call_id=self.call.call_id,
            call_sid=command.call_sid,
            account_sid=command.account_sid,
            stream_sid=command.stream_sid,
            token=command.token,
        )
        try:
            good = await asyncio.wait_for(in_database_thread(claim), LOAD_WITHIN_S)
        except (DatabaseError, TimeoutError):
            logger.exception("a stream could not be verified", extra={"call_id": str(self.call.call_id)})
            good = False
        now = self._loop.time()
        if good:
            self.recorder.started()
            await self._carry_out(self.conversation.stream_verified(now=now))
        else:
            logger.warning("media stream with a bad token refused", extra={"call_id": str(self.call.call_id)})
            await self._carry_out(self.conversation.stream_refused(now=now))

    async def _end_call(self, order: Callable[..., None], reason: str, **words: str) -> None:
        """Have Twilio end the call; if it will not, close the stream, and Twilio asks us what follows."""
        call = self.call
        try:
            await asyncio.to_thread(order, call_sid=call.call_sid, account_sid=call.account_sid, **words)
        except clients.TwilioRefusedError as exc:
            self.recorder.trouble("hang_up_failed", str(exc))
            with contextlib.suppress(DatabaseError):
                await in_database_thread(lambda: services.call_leaving(call_id=call.call_id, reason=reason))
            await self._close_twilio(1000)

    async def _forward_call(self, command: do.Forward) -> None:
        """Have Twilio connect the caller to somebody else. Nothing is ordered that is not written down."""
        call, stored = self.call, self._destination(command)
        begin = functools.partial(
            forwarding.transfer_begin,
            call_id=call.call_id,
            tool_call_id=command.call_id,
            stored=stored,
            history=self.recorder.history,
            language=call.snapshot.language,
        )
        try:
            begun = await asyncio.wait_for(in_database_thread(begin), LOAD_WITHIN_S)
        except (DatabaseError, TimeoutError):
            logger.exception("a transfer could not be written down", extra={"call_id": str(call.call_id)})
            begun = None
        if begun is None:
            await self._not_forwarded("It could not be recorded.")
            return
        if begun.destination.summary is not None:
            self.recorder.transfer_summarise(begun.transfer_id, begun.destination.summary)
        document = twiml.dial_document(
            begun.destination,
            public_origin=settings.PUBLIC_ORIGIN,
            transfer_id=str(begun.transfer_id),
            caller_id=begun.caller_id,
        )
        order = functools.partial(
            clients.redirect, call_sid=call.call_sid, account_sid=call.account_sid, document=document
        )
        try:
            await asyncio.to_thread(order)
        except clients.TwilioRefusedError as exc:
            await self._forward_refused(begun, exc)
            return
        await self._carry_out(self.conversation.forwarded())
        with contextlib.suppress(DatabaseError):
            await in_database_thread(lambda: forwarding.transfer_dialled(transfer_id=begun.transfer_id))

    async def _forward_refused(self, begun: forwarding.Begun, exc: clients.TwilioRefusedError) -> None:
        if exc.unsure:
            # It may have been done and only the answer lost; then the stream ends now.
            await asyncio.sleep(UNSURE_S)
            if self._over.is_set() or not self._twilio_open:
                await self._carry_out(self.conversation.forwarded())
                return
        gone = isinstance(exc, clients.CallGoneError)
        refuse = functools.partial(
            forwarding.transfer_refused, transfer_id=begun.transfer_id, why=str(exc), caller_gone=gone
        )
        try:
            await asyncio.wait_for(in_database_thread(refuse), LOAD_WITHIN_S)
        except (DatabaseError, TimeoutError):
            logger.exception("a refused transfer could not be written down")
        await self._not_forwarded("Twilio did not take the order.")

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

    async def _close_twilio(self, code: int) -> None:
        if self._twilio_open:
            self._twilio_open = False
            with contextlib.suppress(*SOCKET_GONE):
                await self._twilio_send({"type": "websocket.close", "code": code})

    async def _close_realtime(self) -> None:
        if self._realtime is not None:
            await self._realtime.close()

    # Time, and messages from elsewhere ------------------------------------------------------------------------

    def _arm_timer(self) -> None:
        deadline = self.conversation.next_deadline()
        if deadline == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._tick) if deadline is not None else None

    def _tick(self) -> None:
        self._timer = self._timer_at = None
        # The loop's clock may fire a hair early; the conversation must see its own deadline reached.
        now = self._loop.time() + 0.001
        self._spawn(self._carry_out(self.conversation.tick(now=now)))

    async def _listen_to_layer(self) -> None:
        """Take tool results and orders from other processes, for as long as the call lasts."""
        if self._layer is None:
            return
        joined = False
        while True:
            try:
                if not joined:
                    await self._layer.group_add(call_group(self.call.call_id), self.channel_name)
                    joined = True
                message = await self._layer.receive(self.channel_name)
            except (RedisError, OSError):
                # What is sent meanwhile may be lost; the conversation has deadlines of its own for that.
                joined = False
                await asyncio.sleep(LAYER_PAUSE_S)
                continue
            await self._from_layer(message)

    async def _from_layer(self, message: dict[str, Any]) -> None:
        now = self._loop.time()
        match message.get("type"):
            case "tool.result":
                self.recorder.variables_learnt(message.get("variables") or {})
                todo = self._tool_answered(message, now)
            case "call.over":
                todo = self.conversation.hang_up(message["reason"], now=now)
            case _:
                return
        await self._carry_out(todo)

    def _tool_answered(self, message: dict[str, Any], now: float) -> list[do.Command]:
        tool_call_id, language = message["tool_call_id"], self.call.snapshot.language
        if message.get("status") == "answered" and self.recorder.asks_destination(tool_call_id):
            chosen = destination_chosen(message["output"])
            destination = destination_read(chosen, language=language)
            if destination is not None:
                self._chosen[tool_call_id] = chosen
                place = Place(destination.name, destination.message)
                return self.conversation.transfer_to(tool_call_id, place, now=now)
            message = {"status": "failed", "output": failure("no_destination", _NO_DESTINATION)}
        result = tool_result(message, language=language)
        return self.conversation.receive_tool_result(tool_call_id, result, now=now)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        job = asyncio.ensure_future(work)
        self._jobs.add(job)  # held until done, or it may be collected
        job.add_done_callback(self._job_done)
        return job

    def _job_done(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        if not job.cancelled() and job.exception() is not None:
            logger.error(
                "a job of a call failed", extra={"call_id": str(self.call.call_id)}, exc_info=job.exception()
            )


def _signed(scope: dict[str, Any]) -> bool:
    headers = dict(scope["headers"])
    return websocket_signature_valid(
        origin=settings.MEDIA_ORIGIN,
        path=scope["path"],
        signature=headers.get(b"x-twilio-signature", b"").decode("latin-1"),
        tokens=settings.TWILIO_AUTH_TOKENS,
    )


async def _load(call_id: uuid.UUID) -> StreamCall | int:
    """The call behind the path, or the code to close with."""
    try:
        call = await asyncio.wait_for(in_database_thread(lambda: _read(call_id)), LOAD_WITHIN_S)
    except (DatabaseError, TimeoutError, TypeError):
        logger.exception("a media stream could not be looked up", extra={"call_id": str(call_id)})
        return INTERNAL_ERROR
    if call is None:
        logger.warning("media stream for no open call refused", extra={"call_id": str(call_id)})
        return POLICY_VIOLATION
    return call


def _read(call_id: uuid.UUID) -> StreamCall | None:
    """The call as it is run: read, and its templates rendered, away from the event loop."""
    call = selectors.call_for_stream(call_id)
    return call_rendered(call, now=timezone.now()) if call is not None else None

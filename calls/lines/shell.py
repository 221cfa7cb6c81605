"""The shell around the conversation: it moves bytes, keeps time, and decides nothing.

It is a Channels consumer that owns its receive loop. The stock one hops to the ORM thread before every message,
and all calls of a process share that thread: one slow query would hold everybody's audio. So nothing between a
frame and the other socket waits at all; what needs a database, a broker or Twilio's REST is a task, or goes through
the outbox. Where a server offers it, frames do not even come through that loop (calls.sockets.media).
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Coroutine
from typing import Any

from channels.layers import BaseChannelLayer, get_channel_layer
from django.utils import timezone
from redis.exceptions import RedisError

from calls.bridge import commands as do
from calls.bridge import realtime, twilio
from calls.bridge.conversation import Conversation
from calls.bridge.errors import RemoteProtocolError
from calls.bridge.plan import Place
from calls.bridge.toolcalls import failure
from calls.groups import call_group
from calls.lines.enduring import NEEDED, NEEDED_MESSAGES, Enduring
from calls.lines.line import LOST, SERVICE_RESTART, ASGIMessage, CallerLine, Receive, closed_with
from calls.lines.lookups import Lookups
from calls.lines.realtime_link import RealtimeLink
from calls.live.obeying import Obeying
from calls.observing.stream import stream_watched
from calls.plans import plan_for, tools_worded
from calls.recorder import Recorder
from calls.selectors import StreamCall
from calls.tool_messages import tool_result
from calls.transfers import destination_chosen, destination_read
from calls.variables import call_learns

logger = logging.getLogger(__name__)

DRAIN_WITHIN_S = 10.0
# From the end of a call to that of its socket; the server itself waits for ten seconds when we have closed it.
CLOSED_WITHIN_S = 15.0
JOURNAL_WITHIN_S = 5.0
LAYER_PAUSE_S = 0.5
LAYER_LEFT_WITHIN_S = 2.0
_NO_DESTINATION = (
    "The server named a destination that cannot be dialled, so the call was not transferred. Say so honestly, and offer "
    "what else you can do."
)


class CallShell(Obeying, Enduring, Lookups):
    """One conversation: the caller's line, and the model's sockets. Who may come in, and how a call is left, is for the
    shell of each kind of line.
    """

    source = do.Source.TWILIO  # of what the caller's side gets wrong
    recorder: Recorder

    def _line_for(self, call: StreamCall) -> CallerLine:
        """The caller's side of this call."""
        raise NotImplementedError

    def _leave(self, command: do.HangUp | do.Apologise | do.Forward | do.PressKeys) -> None:
        """End the call, or give it away. The conversation asks for one of these at a time."""
        raise NotImplementedError

    async def _carry(self, call: StreamCall, receive: Receive) -> None:
        """The whole call, counted and under its name in the log."""
        try:
            with stream_watched(call.call_id):
                await self._converse(call, receive)
        except Exception:
            logger.exception("the bridge of a call broke", extra={"call_id": str(call.call_id)})
            raise

    async def _converse(self, call: StreamCall, receive: Receive) -> None:
        self._begin(call)
        if self._layer is not None:
            self.channel_name = await self._layer.new_channel()
        try:
            self._open_model()
            self._spawn(self._listen_to_layer())
            await self._carry_out([*self.conversation.opened(now=self._loop.time()), *self._brought()])
            await self._line_opened()
            code = await self._listen_until_closed(receive)
            self._line.is_open = False
            if code == SERVICE_RESTART:
                self.recorder.interrupted_by_shutdown()
            await self._stream_over(code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), DRAIN_WITHIN_S)
            self._end_told()
        finally:
            await self._clean_up()

    async def _stream_over(self, code: int) -> None:
        try:
            for said in self._line.gone(code):
                await self._carry_out(self.conversation.receive_twilio(said, now=self._loop.time()))
            await self._carry_out(self.conversation.twilio_gone(now=self._loop.time()))
            await self._line_gone()
        except Exception as exc:  # noqa: BLE001 - what is left of the call is ended all the same
            self._fault("StreamOver", exc)
            self._break_off()

    def _begin(self, call: StreamCall) -> None:
        self.call = call
        self._loop = asyncio.get_running_loop()
        self.conversation = Conversation(plan_for(call), secrets.randbelow)
        self.recorder = Recorder(call)
        self._tell_at_once()
        self._links = {0: RealtimeLink(0, call.snapshot.model, call_id=call.call_id)}
        self._line = self._line_for(call)
        self._ready: dict[str, StreamCall] = {}  # the call as those run it who may take it over, by tool call
        self._frames_dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._forwarding: asyncio.Task[None] | None = None
        self._chosen: dict[str, dict[str, Any]] = {}  # destinations that servers have named, by tool call
        self._over: asyncio.Event = asyncio.Event()
        self._layer: BaseChannelLayer | None = get_channel_layer()
        self.channel_name = ""
        self._begin_obeying()
        self._begin_enduring()

    async def _clean_up(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._end_obeying()
        if self._forwarding is not None:
            # The stream ends with the order, often before we hear that it was taken.
            await asyncio.wait([self._forwarding], timeout=DRAIN_WITHIN_S)
        for job in self._jobs:
            job.cancel()
        await self._leave_group()
        # A server that was told to stop ends the process as soon as its last socket is done.
        await asyncio.to_thread(self.recorder.safe, JOURNAL_WITHIN_S)
        await self._close_realtime(None)

    # The caller -----------------------------------------------------------------------------------------------

    def _open_model(self) -> None:
        """Open the model's socket."""
        self._spawn(self._talk_to_realtime(self._links[0]))

    async def _line_opened(self) -> None:
        """The conversation waits for the caller's side; a line that does not say so itself is told of here."""

    async def _line_gone(self) -> None:
        """The caller's side is gone; the call may go on in another stream before the workers have written this one's end."""

    async def _listen_until_closed(self, receive: Receive) -> int:
        """Listen to the caller; return the close code. A socket that outlives its call for long is left alone."""
        listening = asyncio.ensure_future(self._listen_to_caller(receive))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((listening, over), return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                # Whoever takes nothing any more cannot be told that it is closed, either.
                await asyncio.wait((listening,), timeout=CLOSED_WITHIN_S)
            return listening.result() if listening.done() else LOST
        finally:
            listening.cancel()
            over.cancel()

    async def _listen_to_caller(self, receive: Receive) -> int:
        """Feed the conversation until the socket is closed; return the close code."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return closed_with(message)
            self._hear_caller(message)

    def _hear_caller(self, message: ASGIMessage) -> None:
        """One message. A frame of audio is on its way to the model when this returns: nothing here waits."""
        try:
            said = self._line.read(message)
        except RemoteProtocolError as exc:
            self._carry_out_now(self.conversation.malformed(self.source, str(exc)))
            return
        except Exception as exc:  # noqa: BLE001 - skipped, or the session is given up for it
            self._fault("Frame", exc)
            return
        for one in said:
            try:
                self._heard_caller(one)
            except Exception as exc:  # noqa: BLE001 - skipped, or the session is given up for it
                self._fault(type(one).__name__, exc, needed=type(one) in NEEDED)

    def _heard_caller(self, said: twilio.Message) -> None:
        todo = self.conversation.receive_twilio(said, now=self._loop.time())
        if type(said) is twilio.Media:
            # A frame moves no deadline, so it pays for no timer.
            if self._tap is not None:
                self._tap.from_caller(said.payload)
            self._forward(todo)
        else:
            self._carry_out_now(todo)

    def _forward(self, todo: list[do.Command]) -> None:
        for command in todo:
            if type(command) is do.ToRealtime:
                if not self._links[command.session].put_frame(command.text):
                    self._frames_dropped += 1
            else:
                self._carry_out_now([command])

    # The Realtime API -----------------------------------------------------------------------------------------

    async def _talk_to_realtime(self, link: RealtimeLink) -> None:
        try:
            code = await link.run(self._from_realtime)
            now = self._loop.time()
            await self._carry_out(self.conversation.realtime_gone(code=code, now=now, session=link.session))
        except Exception as exc:  # noqa: BLE001 - the session is given up for it
            self._fault("RealtimeLink", exc, needed=True, session=link.session)

    def _from_realtime(self, session: int, text: bytes) -> None:
        try:
            event = realtime.parse(text)
        except RemoteProtocolError as exc:
            self._carry_out_now(self.conversation.malformed(do.Source.OPENAI, str(exc)))
            return
        except Exception as exc:  # noqa: BLE001 - skipped, or the session is given up for it
            self._fault("Event", exc, session=session)
            return
        if type(event) is realtime.Ignored:
            return
        try:
            self._do(self.conversation.receive_realtime(event, now=self._loop.time(), session=session))
        except Exception as exc:  # noqa: BLE001 - skipped, or the session is given up for it
            self._fault(type(event).__name__, exc, needed=type(event) in NEEDED, session=session)
        if self._line.waiting and self._links[session].pause():
            # Nothing more is read for a caller who does not take what is there.
            self._spawn(self._caught_up(self._links[session]))

    async def _caught_up(self, link: RealtimeLink) -> None:
        try:
            await self._line.flush()
        finally:
            link.resume()

    # Commands -------------------------------------------------------------------------------------------------

    async def _carry_out(self, todo: list[do.Command]) -> None:
        """Do what the conversation wants, in its order, and wait until the caller's side has taken what is for it."""
        self._do(todo)
        if self._line.waiting:
            await self._line.flush()

    def _carry_out_now(self, todo: list[do.Command]) -> None:
        """The same without waiting."""
        self._do(todo)
        if self._line.waiting:
            self._spawn(self._line.flush())

    def _do(self, todo: list[do.Command]) -> None:
        """Do what the conversation wants, in its order, and set the clock for what it wants next."""
        undone: list[tuple[do.Command, Exception]] = []
        for command in todo:
            try:
                self._carry_out_one(command)
            except Exception as exc:  # noqa: BLE001 - those behind it are carried out all the same
                undone.append((command, exc))
        self._arm_timer()
        for command, fault in undone:
            self._undone(command, fault)

    def _carry_out_one(self, command: do.Command) -> None:
        match command:
            case do.Play() | do.Mark() | do.Clear():
                self._put_line(command)
            case do.ToRealtime(text=text, session=session):
                self._links[session].put(text)
            case do.OpenRealtime() | do.CloseRealtime():
                self._change_sockets(command)
            case do.MemberTookOver(call_id=call_id):
                self._member_took_over(call_id)
            case do.VerifyStream() | do.CheckTool() | do.PrepareMember():
                self._look_up(command)
            case do.RunTool():
                self.recorder.tool_forward(command, reply_channel=self.channel_name)
            case do.HangUp() | do.Apologise() | do.Forward() | do.PressKeys():
                self._leave(command)
            case do.CloseStream(code=code):
                self._spawn(self._line.close(code))
            case do.Ended():
                self._end_known = True
                try:
                    self.recorder.ended(command, frames_dropped=self._frames_dropped)
                finally:
                    self._over.set()
            case _:
                self._note(command)

    def _put_line(self, command: do.Play | do.Mark | do.Clear) -> None:
        self._line.put(command)
        if self._tap is not None:
            self._tap.to_caller(command)

    def _note(self, command: do.Command) -> None:
        if isinstance(command, do.OrderAnswered):
            self._order_answered(command)
        else:
            self.recorder.note(command)

    def _change_sockets(self, command: do.OpenRealtime | do.CloseRealtime) -> None:
        match command:
            case do.OpenRealtime(session=session, model=model):
                link = self._links[session] = RealtimeLink(session, model, call_id=self.call.call_id)
                self._spawn(self._talk_to_realtime(link))
            case do.CloseRealtime(session=number):
                self._spawn(self._close_realtime(number))

    async def _close_realtime(self, session: int | None) -> None:
        """Close the socket of this session, or every one."""
        for link in [one for number, one in self._links.items() if session in (number, None)]:
            await link.close()

    # Other assistants -----------------------------------------------------------------------------------------

    def _member_took_over(self, tool_call_id: str) -> None:
        """Another assistant has the call from here on."""
        self.call = self._ready.pop(tool_call_id)
        self.recorder.member_took_over(self.call, tool_call_id)
        self._tell_at_once()
        # What tools have taught since it was made ready is not in its words yet.
        self._spawn(self._reword())

    def _tell_at_once(self) -> None:
        """Have the conversation tell what the server of whoever has the call wants to know at once."""
        passing = self.recorder.passing
        self.conversation.tell_at_once(speech=passing.tells_speech, words=passing.tells_words)

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
        try:
            self._carry_out_now(self.conversation.tick(now=now))
        except Exception as exc:  # noqa: BLE001 - the session is given up for it
            self._deadline_missed(exc)

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
            except Exception as exc:  # noqa: BLE001 - else no tool's answer would be heard for the rest of the call
                self._report("Layer", exc)
                joined = False
                await asyncio.sleep(LAYER_PAUSE_S)
                continue
            try:
                await self._from_layer(message)
            except Exception as exc:  # noqa: BLE001 - skipped, or the session is given up for it
                kind = message.get("type")
                self._fault(f"Message {kind}", exc, needed=kind in NEEDED_MESSAGES)

    async def _leave_group(self) -> None:
        """Whoever orders something of the call is not to wait for this stream any more."""
        if self._layer is None:
            return
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(LAYER_LEFT_WITHIN_S):
                await self._layer.group_discard(call_group(self.call.call_id), self.channel_name)

    async def _from_layer(self, message: dict[str, Any]) -> None:
        now = self._loop.time()
        match message.get("type"):
            case "tool.result":
                await self._learn(message.get("variables") or {})
                todo = self._tool_answered(message, self._loop.time())
            case "call.over":
                todo = self.conversation.hang_up(message["reason"], now=now)
            case _:
                todo = self._from_outside(message)
        await self._carry_out(todo)

    async def _learn(self, variables: dict[str, Any]) -> None:
        """Keep what a tool has taught, for what is sent and said from here on."""
        if not variables:
            return
        self.recorder.variables_learnt(variables)
        await self._reword()

    async def _reword(self) -> None:
        before, learnt = self.call, self.recorder.learnt
        # Templates are their authors' programs: they do not run beside the audio.
        call = await asyncio.to_thread(call_learns, before, learnt, now=timezone.now())
        if call is not before and self.call is before:
            self.call = call
            self.conversation.reword(tools_worded(self.conversation.plan.tools, call.snapshot, call.ways))

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
        failed = None if job.cancelled() else job.exception()
        if isinstance(failed, Exception):
            # Whoever waits for what it was to bring has a deadline.
            self._fault(f"Job {getattr(job.get_coro(), '__qualname__', '?')}", failed)

"""The sockets of calls that are not ours to dial: who may open one, and how such a call is left."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from calls.bridge import commands as do
from calls.bridge import twilio
from calls.consumers import MediaStreamConsumer
from calls.draining.here import INSTANCE
from calls.lines.line import SERVICE_RESTART, Receive, Send, sent_or_gone
from calls.lines.opening import INTERNAL_ERROR, upgrade_signed
from calls.lines.shell import CallShell
from calls.live import messages
from calls.live.bodies import order_asked
from calls.live.entering import allowed, socket_query, wants_key
from calls.orders.by import CLIENT, order_id_new
from calls.privacy.keeping import CallKeeping
from calls.recordings.taking.process import process_sounds
from calls.selectors import StreamCall
from calls.websocket_calls import services
from calls.websocket_calls.line import SocketLine
from calls.websocket_calls.opening import bypass_call_load, socket_call_load
from tools.observing import metrics

# What a client may order by its own socket; the rest is for the control address.
_ORDERS = frozenset({"say", "add-message", "control"})
_TOO_MUCH_SOUND = "The assistant has said more than five minutes at once; what came behind that was not sent."


class SocketCallConsumer(CallShell, AsyncWebsocketConsumer):
    """One client of `vapi.websocket`, and the Realtime socket that answers it."""

    source = do.Source.TANDEM
    _line: SocketLine

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The whole life of one socket. The token in its address lets it in, from whatever page: no cookie is read."""
        self.scope = scope
        self._client_send = send
        await receive()  # websocket.connect
        call_id: uuid.UUID = scope["url_route"]["kwargs"]["call_id"]
        if INSTANCE.refusing:
            metrics.STREAMS_REFUSED.labels("draining").inc()
            # Before a socket is open no code reaches the client.
            await sent_or_gone(send, {"type": "websocket.accept"})
            await sent_or_gone(send, {"type": "websocket.close", "code": SERVICE_RESTART})
            return
        self._token = socket_query(scope, "token")
        loaded = await socket_call_load(call_id, self._token)
        if isinstance(loaded, int):
            await sent_or_gone(send, {"type": "websocket.close", "code": loaded})
            return
        call, self._form = loaded
        if await sent_or_gone(send, {"type": "websocket.accept"}):
            await self._carry(call, receive)

    def _begin(self, call: StreamCall) -> None:
        self._keeping = CallKeeping(call.snapshot)
        self._refusals: set[str] = set()  # orders of the client, whose answers are for it
        self._farewell_told = False
        super()._begin(call)
        self.conversation.tells_partials = self._tells_partials

    def _line_for(self, call: StreamCall) -> SocketLine:
        return SocketLine(
            self._client_send, self._form, clock=self._loop.time, heard=self._heard, asked=self._asked
        )

    async def _line_opened(self) -> None:
        """The client says nothing of itself: its token is known from the address."""
        self._spawn(self._run_line())
        start = twilio.Start(f"WS{uuid.uuid4().hex}", "", "", {"token": self._token})
        await self._carry_out(self.conversation.receive_twilio(start, now=self._loop.time()))

    def _verified(self) -> None:
        """Record the call from now on, where everybody in it wants that."""
        call, now = self.call, self._loop.time()
        if call.is_recorded:
            take = self._line.take = process_sounds().take(
                call_id=call.call_id, began_at=datetime.now(UTC), audio=call.audio, zero=now
            )
            if not self._line.is_open:
                take.finish(now)  # the client left while its token was looked at

    async def _listen_to_caller(self, receive: Receive) -> int:
        try:
            return await super()._listen_to_caller(receive)
        finally:
            if self._line.take is not None:
                self._line.take.finish(self._loop.time())

    async def _run_line(self) -> None:
        try:
            await self._line.run()
        except Exception:
            # Nobody would hear anything any more, and nobody would be told.
            await sent_or_gone(self._client_send, {"type": "websocket.close", "code": INTERNAL_ERROR})
            raise
        if self._line.too_slow:
            self.recorder.trouble("client_too_slow", "The client has not read its sound for 10 s.")
            await self._carry_out(self.conversation.twilio_gone(now=self._loop.time()))
            await sent_or_gone(self._client_send, {"type": "websocket.close", "code": INTERNAL_ERROR})

    async def _heard(self, names: list[str]) -> None:
        for name in names:
            now = self._loop.time()
            await self._carry_out(self.conversation.receive_twilio(twilio.Mark(name), now=now))

    # Leaving --------------------------------------------------------------------------------------------------

    def _leave(self, command: do.HangUp | do.Apologise | do.Forward | do.PressKeys) -> None:
        """End the call. There is no telephone here that could be connected to anybody, or whose keys could be pressed."""
        match command:
            case do.HangUp():
                self._spawn(self._end(1000))
            case do.Apologise(text=text):
                self._line.tell({"type": "error", "message": text})
                self._spawn(self._end(INTERNAL_ERROR))
            case do.Forward():
                self._spawn(
                    self._not_done(
                        "transfer_failed",
                        "The call could not be transferred: it is no telephone call, so it cannot be connected to a "
                        "number. Say so honestly, and offer what else you can do.",
                    )
                )
            case do.PressKeys():
                self._spawn(
                    self._not_done("keys_not_pressed", "This is no telephone call: no keys can be pressed.")
                )

    async def _end(self, code: int) -> None:
        if not self._farewell_told:
            self._farewell_told = True
            self._line.tell(messages.status("ended", _now_ms(), self.conversation.ending_reason))
        await self._line.close(code)

    def _carry_out_one(self, command: do.Command) -> None:
        if isinstance(command, do.CloseStream):
            self._spawn(self._end(command.code))
        else:
            super()._carry_out_one(command)

    async def _not_done(self, code: str, why: str) -> None:
        await self._carry_out(self.conversation.forward_failed(code, why, now=self._loop.time()))

    # What the client is told ----------------------------------------------------------------------------------

    def _note(self, command: do.Command) -> None:
        if isinstance(command, do.OrderAnswered) and command.order_id in self._refusals:
            self._refusals.discard(command.order_id)
            self.recorder.note(command)
            if command.refusal:
                self._line.tell({"type": "error", "message": command.refusal})
            return
        super()._note(command)
        told = self._told(command)
        if told is not None:
            self._line.tell(told)

    def _told(self, command: do.Command) -> dict[str, Any] | None:
        """What a client learns of this, as Vapi's clients do; without what its assistant does not want written down."""
        now_ms = _now_ms()
        match command:
            case do.Started():
                return messages.status("in-progress", now_ms)
            case do.UtteranceEnded(spoken=spoken):
                kept = self._keeping.spoken(spoken, settled=False)
                return messages.transcript_final(
                    item_id=kept.item_id,
                    speaker=kept.speaker.value,
                    text=kept.heard_text,
                    at_ms=now_ms,
                    from_start_s=kept.began_ms / 1000,
                    interrupted=kept.interrupted,
                    transcribed=kept.transcribed,
                    assistant=kept.assistant,
                )
            case do.PartialText() if self._tells_partials:
                return messages.transcript_partial(
                    item_id=command.item_id,
                    speaker=command.speaker.value,
                    text=command.text,
                    at_ms=now_ms,
                    assistant=command.assistant,
                )
            case _:
                return None

    @property
    def _tells_partials(self) -> bool:
        return self._keeping.rules.everything

    def _nobody_watches(self) -> None:
        super()._nobody_watches()
        self.conversation.tells_partials = self._tells_partials  # the client itself reads along

    def _member_took_over(self, tool_call_id: str) -> None:
        super()._member_took_over(tool_call_id)
        self._keeping.also(self.call.snapshot)
        self.conversation.tells_partials = self._tells_partials

    # What it orders -------------------------------------------------------------------------------------------

    def _asked(self, said: Mapping[str, Any]) -> None:
        """An order of the client, as Vapi's web clients give them."""
        if said["type"] not in _ORDERS:
            return  # of some other release, or for nobody here
        plan: object = self.call.snapshot.monitor_plan  # JSON that people write
        if not isinstance(plan, Mapping) or not allowed(plan, "control") or wants_key(plan, "control"):
            self._refuse("Orders by this socket are switched off for the assistant of this call.")
            return
        asked = order_asked(said)
        if isinstance(asked, list):
            self._refuse(" ".join(asked))
            return
        order_id = order_id_new()
        self._refusals.add(order_id)
        given = {**asked, "order_id": order_id, "by": CLIENT.to_json()}
        self._spawn(self._carry_out(self._order(given)))

    def _refuse(self, why: str) -> None:
        self._line.tell({"type": "error", "message": why})

    async def _clean_up(self) -> None:
        if self._line.sound_dropped:
            self.recorder.trouble("playback_overflow", _TOO_MUCH_SOUND)
        await super()._clean_up()


class BypassConsumer(MediaStreamConsumer):
    """One media stream out of somebody else's Twilio flow.

    Where its account is known here, Twilio's signature lets it in, and the model's socket is opened at once. Any other stream
    has only its token, which comes with ``start``: nothing is opened at the model before that was good, and what it says of its call is
    believed by nobody, so nothing is ordered from Twilio.
    """

    _signed: bool
    _claimed: bool

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The whole life of one stream."""
        self.scope = scope
        self._twilio_send = send
        await receive()  # websocket.connect
        call_id: uuid.UUID = scope["url_route"]["kwargs"]["call_id"]
        if INSTANCE.refusing:
            await self._turn_away(call_id)
            return
        self._claimed = False
        self._signed = await upgrade_signed(scope)
        call = await bypass_call_load(call_id)
        if isinstance(call, int):
            await sent_or_gone(send, {"type": "websocket.close", "code": call})
            return
        if await sent_or_gone(send, {"type": "websocket.accept"}):
            await self._carry(call, receive)

    def _open_model(self) -> None:
        if self._signed:
            super()._open_model()

    def _claim(self, command: do.VerifyStream) -> bool:
        self._claimed = services.bypass_claim(
            call_id=self.call.call_id,
            call_sid=command.call_sid,
            account_sid=command.account_sid,
            stream_sid=command.stream_sid,
            token=command.token,
            signed=self._signed,
        )
        return self._claimed

    async def _verify(self, command: do.VerifyStream) -> None:
        call = replace(self.call, call_sid=command.call_sid, account_sid=command.account_sid)
        if not self._signed:
            call = replace(call, snapshot=replace(call.snapshot, recording_enabled=False))
        self.call = call
        self.recorder.line_known(call)
        await super()._verify(command)
        if self._claimed and not self._signed:
            super()._open_model()

    def _leave(self, command: do.HangUp | do.Apologise | do.Forward | do.PressKeys) -> None:
        match command:
            case do.Forward() if not self._signed:
                self._spawn(self._not_forwarded("Its telephone account is not known here."))
            case do.PressKeys() if not self._signed:
                self._spawn(self._not_pressed())
            case _:
                super()._leave(command)

    async def _end_call(self, order: Any, reason: str, **words: str) -> None:
        """Close the stream: what follows it is the business of the flow it came from."""
        await self._line.close(1000)

    async def _opened_anew(self) -> bool:
        return False  # nobody asks us what follows


def _now_ms() -> int:
    return round(time.time() * 1000)

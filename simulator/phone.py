"""Twilio's side of one call: webhook, TwiML, stream, REST interruptions, callbacks."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from simulator import twiml
from simulator.accounts import Account
from simulator.callees import machine_form
from simulator.caller import Caller, Line, Party
from simulator.clock import Clock
from simulator.courier import Courier, stream_fields, voice_fields
from simulator.dialling import SAY_MS_PER_CHARACTER, Dialling
from simulator.hearing import all_heard, lines_since
from simulator.media_stream import End, MediaStream, StreamStart
from simulator.order import Interruption, Order
from simulator.playout import Passage
from simulator.report import CallLog, CallReport, Dialled
from simulator.signature import sign
from simulator.twilio_http import UnreachableError

_ERROR_OF_END: Final = {
    End.REFUSED: "31920 Stream - WebSocket - Handshake Error",
    End.CLOSED: "31921 Stream - WebSocket - Close Error",
    End.BROKEN: "Stream - Websocket - Protocol Error",
}


class Phone:
    """One call. `run` plays it to its end and leaves everything in `report`."""

    def __init__(
        self,
        order: Order,
        account: Account,
        *,
        log: CallLog,
        on_upgrade: Callable[["Phone"], None] | None = None,
        on_refused: Callable[["Phone"], None] | None = None,
        party: Party | None = None,
    ) -> None:
        self.order = order
        self.account = account
        self.log = log
        self.status = "queued" if order.direction == "outbound-api" else "ringing"
        self.stream: MediaStream | None = None
        self.streams: list[MediaStream] = []
        self.said: list[str] = list(order.scenario.texts())  # every line the assistant may be heard saying
        self.created_at = datetime.now(UTC)
        self.caller = party or Caller(order.scenario, log, heard_since=self._lines_since)
        self.answered = asyncio.Event()
        self.ring: Callable[[], Awaitable[str]] | None = None  # waits for the callee, says what came of it
        self._on_upgrade = on_upgrade
        self._on_refused = on_refused
        self._interrupted = asyncio.Event()
        self._interruption: Interruption | None = None
        self._began = time.monotonic()
        self._courier = Courier(
            account,
            order.origins,
            log=log,
            form=self._form,
            fallback_url=order.fallback_url,
            fallback_method=order.fallback_method,
        )
        self._late: list[tuple[str, dict[str, str]]] = []
        self.verified: set[str] = set()  # numbers that the account may show besides its own
        self._recorded: list[
            Callable[[], Awaitable[None]]
        ] = []  # what is due for recordings when the call is over

    @property
    def call_sid(self) -> str:
        """Twilio's id of the call."""
        return self.log.report.call_sid

    @property
    def clock(self) -> Clock:
        """The call's clock."""
        return self.log.clock

    @property
    def ended(self) -> bool:
        """Whether the call has reached its last status."""
        return self.status in {"completed", "busy", "no-answer", "failed", "canceled"}

    def interrupt(self, interruption: Interruption) -> None:
        """Stop the running verb, as REST does."""
        self._interruption = interruption
        self._interrupted.set()
        if self.stream is not None:
            self.stream.stop()

    async def run(self) -> CallReport:
        """Play the call. The report is complete when this returns."""
        report = self.log.report
        self.log.event("call placed", to=self.order.to, caller=self.order.caller, scenario=report.scenario)
        refused = ""
        if self.order.direction == "outbound-api":
            await self._progress("initiated")
            self.status = "ringing"
            await self._progress("ringing")
            refused = await self._rung()
            if not refused:
                self._answer()
                await self._progress("answered")
                self._say_who()
        report.reason = refused or await self._play()
        if self.status in {"ringing", "in-progress", "queued"}:
            self.status = "completed"
        self.caller.leave(self.clock.now_ms())
        report.duration_ms = self.clock.now_ms()
        report.late_ms = self.clock.lost_ms
        report.heard, report.unknown_audio_ms = all_heard(self._passages(), self.said)
        report.audio = list(self._passages())
        await self._progress("completed")
        for stream in self.streams:
            await stream.linger()
        for url, form in self._late:
            await self._courier.callback(url, form)
        for finish in self._recorded:
            await finish()
        return report

    # Recordings

    def record(self, finish: Callable[[], Awaitable[None]]) -> None:
        """Keep what the caller says from now on, and let the recording be finished when the call is over."""
        self._recorded.append(finish)
        if self.stream is not None and self.stream.kept is None:
            self.stream.kept = []

    async def tell(self, url: str, form: dict[str, str], *, method: str) -> None:
        """Tell somebody something of this call."""
        await self._courier.callback(url, form, method=method)

    def said_by_caller(self) -> Iterable[tuple[float, bytes]]:
        """What the caller said while the call was recorded, each piece with when it began."""
        for stream in self.streams:
            yield from stream.kept or ()

    def heard_by_caller(self) -> Iterable[tuple[float, bytes]]:
        """What the caller heard, each piece with when it began."""
        return ((passage.start_ms, bytes(passage.audio)) for passage in self._passages())

    def _say_who(self) -> None:
        """Tell who has picked up, while the call goes on."""

        async def say(word: str, after_ms: float) -> None:
            await self.clock.sleep(after_ms)
            if not self.ended:
                self.log.event("answered by", word=word)
                await self._courier.callback(
                    self.order.machine_url, machine_form(word, self._form(), ms=after_ms)
                )

        for word, after_ms in self.order.machine_words if self.order.machine_url else ():
            task = asyncio.ensure_future(say(word, after_ms))
            _TASKS.add(task)  # held until done, or it may be collected
            task.add_done_callback(_TASKS.discard)

    async def _rung(self) -> str:
        """Why nobody answered an outbound call; empty when somebody did."""
        if self.ring is None:
            return ""
        ringing = asyncio.ensure_future(self.ring())
        stopped = asyncio.ensure_future(self._interrupted.wait())
        try:
            await asyncio.wait({ringing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not ringing.done():
                self.status = "canceled"
                return self._interruption.reason if self._interruption is not None else "canceled"
            outcome = ringing.result()
        finally:
            ringing.cancel()
            stopped.cancel()
        if outcome == "answered":
            return ""
        self.status = outcome
        return f"not answered: {outcome}"

    # The document

    async def _play(self) -> str:
        if self.order.nobody:
            self.status = "failed"
            return f"nobody answers: {self.order.nobody}"
        if self.order.trunk_sid:
            self._answer()
            return f"handed over to trunk {self.order.trunk_sid}"
        try:
            verbs = await self._first_document()
            while True:
                outcome = await self._execute(verbs)
                if isinstance(outcome, str):
                    return outcome
                verbs = outcome
        except twiml.TwimlError as error:
            self.log.violation(error.code, error.why)
            return f"TwiML refused: {error}"
        except UnreachableError as error:
            self.log.event("call leaves this machine", why=str(error))
            self._answered_by(error.url)
            return f"handed over: {error}"

    async def _first_document(self) -> list[twiml.Verb]:
        if self.order.twiml is not None:
            return twiml.parse_inline(self.order.twiml)
        assert self.order.voice_url is not None
        url = self.order.origins.public(self.order.voice_url)
        method = self.order.voice_method
        verbs = await self._courier.document(url, what="webhook", method=method)
        if self.order.scenario.line.duplicate_webhook:
            verbs = await self._courier.document(url, what="webhook repeated", method=method)
        return verbs

    async def _execute(self, verbs: list[twiml.Verb]) -> list[twiml.Verb] | str:
        """Run a document. Return the document to go on with, or why the call ended."""
        for verb in verbs:
            outcome = await self._execute_one(verb) if self._interruption is None else None
            if self._interruption is not None:
                interruption, self._interruption = self._interruption, None
                self._interrupted.clear()
                what = "hang-up" if interruption.verbs is None else "redirected"
                self.log.event(what, reason=interruption.reason)
                return interruption.reason if interruption.verbs is None else interruption.verbs
            if outcome is not None:
                return outcome
        return "the document ended"

    async def _execute_one(self, verb: twiml.Verb) -> list[twiml.Verb] | str | None:
        match verb:
            case twiml.Connect():
                self._answer()
                return await self._connect(verb)
            case twiml.Say(text=text):
                self._answer()
                self.log.report.spoken_by_twilio.append(text)
                self.log.event("spoken by Twilio", text=text)
                self.caller.spoken_to(text)
                await self._pass(SAY_MS_PER_CHARACTER * len(text))
            case twiml.Play(url=url, digits=digits):
                self._answer()
                self.log.event("played by Twilio", url=url, digits=digits)
                if digits:
                    self.log.report.keys_played.append(digits)
                    self.caller.keyed_to(digits)
                await self._pass(500)
            case twiml.Pause(length_s=length_s):
                await self._pass(length_s * 1000)
            case twiml.Redirect(url=url, method=method):
                return await self._courier.document(url, what="redirect", method=method)
            case twiml.Dial():
                self._answer()
                return await self._dial(verb)
            case twiml.Hangup():
                self._answer()
                return "hung up by TwiML"
            case twiml.Reject(reason=reason):
                self.status = "busy" if reason == "busy" else "no-answer"
                return f"rejected: {reason}"
        return None

    async def _pass(self, ms: float) -> None:
        """Let time go by, less if the call is interrupted."""
        await self.clock.comes(self._interrupted, within_ms=ms)

    async def _dial(self, verb: twiml.Dial) -> list[twiml.Verb] | None:
        """Ring the callee, let them talk, and ask the action what follows. Only the first of several is rung."""
        callee = verb.callees[0]
        operator = self.order.scenario.operator(callee.to.partition("?")[0])
        leg = Dialled(
            to=callee.to,
            caller_id=verb.caller_id or self.order.caller,
            child_sid=new_sid("CA"),
            digits=callee.digits,
            at_ms=self.clock.now_ms(),
        )
        self.log.report.dialled.extend(verb.numbers)
        self.log.report.legs.append(leg)
        self.log.event("Twilio dials", numbers=list(verb.numbers))
        dialling = Dialling(
            verb,
            operator,
            leg,
            may_show={self.order.caller, self.order.to, *self.verified},
            log=self.log,
            courier=self._courier,
            wait=self._pass,
            stopped=lambda: self._interruption is not None,
        )
        leaves = self._leave_soon(operator.caller_leaves_ms)
        try:
            talked_s = await dialling.run()
        finally:
            leaves.cancel()
        self.log.event("dialling ended", status=leg.status)
        if verb.action is None:
            return None
        extra = {
            "DialCallStatus": leg.status,
            "DialCallSid": leg.child_sid,
            "DialBridged": "true" if leg.connected else "false",
        }
        if leg.connected:
            extra["DialCallDuration"] = str(talked_s)
        if self._interruption is not None and self._interruption.verbs is None:
            self.status = "completed"
        following = await self._courier.document(
            verb.action, what="dial action", method=verb.method, extra=extra
        )
        return None if self._interruption is not None else following

    def _leave_soon(self, after_ms: float | None) -> asyncio.Future[None]:
        async def leave() -> None:
            if after_ms is not None:
                await self.clock.sleep(after_ms)
                self.interrupt(Interruption("caller hung up"))

        return asyncio.ensure_future(leave())

    def _answer(self) -> None:
        if self.status in {"queued", "ringing"}:
            self.status = "in-progress"
            self.log.report.answered = True
            self.answered.set()
            trunk = f"trunk {self.order.trunk_sid}" if self.order.trunk_sid else ""
            self._answered_by(trunk or self._courier.document_url)

    def _answered_by(self, who: str) -> None:
        report = self.log.report
        if report.waited_ms is None:
            report.answered_by = who
            report.waited_ms = (time.monotonic() - self._began) * 1000
            self.log.event("answered", by=who, waited_ms=report.waited_ms)

    # The stream

    async def _connect(self, verb: twiml.Connect) -> list[twiml.Verb] | str | None:
        line = self.order.scenario.line
        sid = new_sid("MZ")
        url = verb.stream.url
        stream = MediaStream(
            self.order.origins.local(url),
            start=StreamStart(self.account.sid, self.call_sid, sid, verb.stream.parameters),
            log=self.log,
            caller=self.caller,
            headers={"X-Twilio-Signature": sign(url, auth_token=self.account.auth_token)},
            line=line,
            on_started=lambda: self._started(verb, sid),
        )
        if self._recorded:
            stream.kept = []
        self.stream = stream
        self.streams.append(stream)
        if self._on_upgrade is not None:
            self._on_upgrade(self)
        self.log.event("stream opening", url=url)
        second: asyncio.Task[None] | None = None
        if line.second_socket:
            second = asyncio.create_task(self._second(stream))
        if self._interruption is not None:
            stream.stop()
        end = await stream.run()
        self.stream = None
        if second is not None:
            await second
        if end is End.REFUSED and self._on_refused is not None:
            self._on_refused(self)
        self.log.event("stream ended", how=end.value)
        await self._stream_ended(verb, sid, end)
        if stream.hung_up is not None:
            self._interruption = self._interruption or Interruption(stream.hung_up)
        if self._interruption is not None or end is End.STOPPED or verb.action is None:
            return None
        return await self._courier.document(
            verb.action, what="action", method=verb.method, extra={"StreamSid": sid}
        )

    async def _second(self, stream: MediaStream) -> None:
        await self.clock.sleep(1000)
        accepted = await stream.open_second()
        self.log.event("second socket accepted" if accepted else "second socket refused")

    def _started(self, verb: twiml.Connect, sid: str) -> None:
        self.log.event("stream started", stream_sid=sid)
        form = self._stream_form(sid, "stream-started")
        if verb.stream.status_callback is None:
            return
        if self.order.scenario.line.reorder_callbacks:
            self._late.append((verb.stream.status_callback, form))
        else:
            task = asyncio.ensure_future(self._courier.callback(verb.stream.status_callback, form))
            _TASKS.add(task)  # held until done, or it may be collected
            task.add_done_callback(_TASKS.discard)

    async def _stream_ended(self, verb: twiml.Connect, sid: str, end: End) -> None:
        if verb.stream.status_callback is None or self.order.scenario.line.no_close:
            return
        error = _ERROR_OF_END.get(end)
        form = self._stream_form(sid, "stream-error" if error else "stream-stopped")
        if error:
            form["StreamError"] = error
        await self._courier.callback(verb.stream.status_callback, form)

    # Requests

    async def _progress(self, event: str) -> None:
        """Tell the call's status to whoever asked for that event; a number's callback asks for the end only."""
        url = self.order.status_callback
        if url is not None and event in self.order.status_events:
            await self._courier.progress(
                url,
                status="initiated" if event == "initiated" else self.status,
                seconds=round(self.clock.now_ms() / 1000),
                ended=event == "completed",
                method=self.order.status_method,
                sip_code=self.order.sip_code if self.status in {"busy", "failed"} else "200",
            )

    def _form(self) -> dict[str, str]:
        return voice_fields(
            account_sid=self.account.sid,
            call_sid=self.call_sid,
            status=self.status,
            direction=self.order.direction,
            to=self.order.to,
            caller=self.order.caller,
        )

    def _stream_form(self, sid: str, event: str) -> dict[str, str]:
        return stream_fields(
            account_sid=self.account.sid, call_sid=self.call_sid, stream_sid=sid, event=event
        )

    # What was heard

    def _passages(self) -> Iterable[Passage]:
        for stream in self.streams:
            yield from stream.playout.heard

    def _lines_since(self, ms: float) -> list[Line]:
        return lines_since(self._passages(), self.said, ms)


_TASKS: Final[set[asyncio.Future[None]]] = set()


def new_sid(prefix: str) -> str:
    """A fresh id in Twilio's form."""
    return prefix + secrets.token_hex(16)

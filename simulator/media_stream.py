"""Twilio's end of one media stream: a strict WebSocket client that plays what it is sent at real speed.

Messages and rules: Twilio's "Media Streams WebSocket messages". What Twilio would warn about once a stream is
counted here every time, under Twilio's code: 31903 dropped without a close frame, 31920 upgrade refused,
31921 closed by the server, 31924 broken framing, 31931 more than ten minutes queued, 31950 binary message,
31951 not JSON, unknown event, missing or extra field, foreign streamSid, bad base64.
"""

import asyncio
import binascii
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from simulator.caller import HangUp, Party, Press
from simulator.playout import Playout
from simulator.report import CallLog
from simulator.scenario import Line
from simulator.ulaw import BYTES_PER_MS

_FRAME_MS: Final = 20
_WORTH_TELLING_MS: Final = 200
_FIRST_TIMESTAMP_MS: Final = 155  # as in captured calls: the first frame is not stamped 0
_KEYS: Final = {"media": {"payload"}, "mark": {"name"}}

# An idle line: the four quietest codes, 160 bytes each.
_NOISE: Final = tuple(
    bytes(random.Random(seed).choices(b"\xff\x7f\xfe\x7e", k=160))  # noqa: S311 - noise, no secret
    for seed in range(16)
)


class End(Enum):
    """How a stream ended."""

    STOPPED = "stopped by Twilio"
    CLOSED = "closed by the server"
    REFUSED = "refused by the server"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class StreamStart:
    """What `start` tells the server."""

    account_sid: str
    call_sid: str
    stream_sid: str
    parameters: Mapping[str, str] = field(default_factory=dict)


class ViolationError(ValueError):
    """A message that Twilio would warn about; `code` is Twilio's."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


def read_message(message: str | bytes, *, stream_sid: str) -> tuple[str, str]:
    """The event of a server's message, and its payload or mark name. Raises ViolationError if it is malformed."""
    if isinstance(message, bytes):
        raise ViolationError("31950", "binary message")
    try:
        data: Any = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise ViolationError("31951", "not JSON") from error
    event = data.get("event") if isinstance(data, dict) else None
    if not isinstance(event, str) or event not in {"media", "mark", "clear"}:
        raise ViolationError("31951", f"unknown event {event!r}")
    expected = {"event", "streamSid"} | ({event} if event in _KEYS else set())
    if set(data) != expected:
        raise ViolationError("31951", f"{event} has keys {sorted(data)}, not {sorted(expected)}")
    if data["streamSid"] != stream_sid:
        raise ViolationError("31951", f"{event} for a foreign streamSid")
    if event == "clear":
        return event, ""
    inner = data[event]
    if not isinstance(inner, dict) or set(inner) != _KEYS[event]:
        raise ViolationError("31951", f"{event} needs exactly {sorted(_KEYS[event])}")
    (value,) = inner.values()
    if not isinstance(value, str) or (event == "mark" and not value):
        raise ViolationError("31951", f"{event} holds no text")
    return event, value


class MediaStream:
    """One stream. `run` opens it, talks until it ends, and says how it ended."""

    def __init__(
        self,
        url: str,
        *,
        start: StreamStart,
        log: CallLog,
        caller: Party | None = None,
        headers: Mapping[str, str] | None = None,
        line: Line | None = None,
        on_started: Callable[[], None] | None = None,
    ) -> None:
        self.start = start
        self.playout = Playout()
        self.name = url.rpartition("/")[2]  # what tells it from others: the server's own id of the call
        self.hung_up: str | None = None  # the reason, when the caller ended the call on this stream
        self.kept: list[tuple[float, bytes]] | None = (
            None  # what the caller said and when, where that is recorded
        )
        self._url = url
        self._headers = dict(headers or {})
        self._line = line or Line()
        self._log = log
        self._clock = log.clock
        self._caller = caller
        self._on_started = on_started
        self._stopping = asyncio.Event()
        self._abandoned: ClientConnection | None = None
        self._sending = asyncio.Lock()  # keeps sequence numbers in the order of the wire
        self._sequence = 0
        self._chunk = 0
        self._position_ms = float(_FIRST_TIMESTAMP_MS)
        self._held = bytearray()  # caller's audio not yet cut into frames
        self._held_since_ms = 0.0
        self._lost_ms = log.clock.lost_ms  # of the clock, as far as told
        self._over = asyncio.Event()
        self._frame_sizes = itertools.cycle(self._line.frame_bytes)
        self._next_size = next(self._frame_sizes)
        self._noise = itertools.cycle(_NOISE)

    def stop(self) -> None:
        """End the stream as Twilio does: `stop`, then close."""
        self._stopping.set()

    async def run(self) -> End:
        """Play the whole stream."""
        try:
            return await self._run()
        finally:
            self._over.set()

    async def _run(self) -> End:
        try:
            connection = await self._connect()
        except (OSError, InvalidHandshake, InvalidMessage, TimeoutError) as error:
            self._log.violation("31920", f"upgrade refused: {error}")
            return End.REFUSED
        try:
            end = await self._talk(connection)
        except BaseException:
            await connection.close()
            raise
        if end is End.STOPPED and self._line.no_close:
            self._abandoned = connection
        else:
            await connection.close()
        return end

    async def linger(self, *, at_most_ms: float = 60_000) -> None:
        """Where neither `stop` nor close was sent: wait for the server to notice by itself."""
        if self._abandoned is None:
            return
        began_ms = self._clock.now_ms()
        try:
            await asyncio.wait_for(self._abandoned.wait_closed(), self._clock.wall_s(at_most_ms))
            self._log.event("server closed the silent socket", after_ms=self._clock.now_ms() - began_ms)
        except TimeoutError:
            self._log.event("server kept the silent socket", after_ms=at_most_ms)
        finally:
            await self._abandoned.close()

    async def open_second(self, *, for_ms: float = 2000) -> bool:
        """Open the same URL once more with the same parameters. Return whether the server put up with it: for that time, and
        until the first stream was over.
        """
        try:
            async with await self._connect() as connection:
                begun = self._opening(self.start.stream_sid[:-4] + "ffff", 1)
                for text in begun:
                    await connection.send(text)
                closed = asyncio.ensure_future(connection.wait_closed())
                over = asyncio.ensure_future(self._over.wait())
                await asyncio.wait({closed}, timeout=self._clock.wall_s(for_ms))
                await asyncio.wait({closed, over}, return_when=asyncio.FIRST_COMPLETED)
                kept = not closed.done()
                for waiting in (closed, over):
                    waiting.cancel()
                return kept
        except (OSError, InvalidHandshake, InvalidMessage, ConnectionClosed):
            return False

    async def _connect(self) -> ClientConnection:
        return await connect(
            self._url,
            user_agent_header="Twilio.TmeWs/1.0",
            additional_headers={"Accept-Encoding": "gzip", **self._headers},
            compression=None,  # Twilio offers no extension
            ping_interval=None,  # it answers pings; whether it sends any is not documented
            max_size=None,
            max_queue=None,  # it reads eagerly
            proxy=None,
            open_timeout=30,
            close_timeout=5,
        )

    async def _talk(self, connection: ClientConnection) -> End:
        async with self._sending:
            self._sequence = 1
            for text in self._opening(self.start.stream_sid, 1):
                await connection.send(text)
        self._log.report.stream_sids.append(self.start.stream_sid)
        if self._on_started is not None:
            self._on_started()
        if self._caller is not None:
            self._caller.begin(self._clock.now_ms())
        reader = asyncio.create_task(self._read(connection))
        pump = asyncio.create_task(self._pump(connection))
        stopper = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({reader, pump, stopper}, return_when=asyncio.FIRST_COMPLETED)
            for task in (reader, pump):
                if task.done() and not task.cancelled():
                    task.result()  # a bug in the simulator must not look like the end of a call
            if self._stopping.is_set():
                pump.cancel()
                return await self._finish(connection, reader)
            await reader  # the pump ends only when the connection has
        finally:
            stopper.cancel()
            for task in (reader, pump):
                task.cancel()
            self._take_sound(self._clock.now_ms())
        return self._verdict(connection)

    async def _finish(self, connection: ClientConnection, reader: asyncio.Task[None]) -> End:
        if not (self._line.no_stop or self._line.no_close):
            body = {"accountSid": self.start.account_sid, "callSid": self.start.call_sid}
            await self._send(connection, "stop", {"stop": body})
        reader.cancel()  # what the server still sends is of no consequence; marks are not echoed any more
        return End.STOPPED

    def _opening(self, stream_sid: str, sequence: int) -> list[str]:
        start = {
            "accountSid": self.start.account_sid,
            "streamSid": stream_sid,
            "callSid": self.start.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(self.start.parameters),
        }
        opening = {"event": "start", "sequenceNumber": str(sequence), "start": start, "streamSid": stream_sid}
        return ['{"event":"connected","protocol":"Call","version":"1.0.0"}', orjson.dumps(opening).decode()]

    async def _send(self, connection: ClientConnection, event: str, body: dict[str, Any]) -> None:
        async with self._sending:
            self._sequence += 1
            message = {
                "event": event,
                "sequenceNumber": str(self._sequence),
                **body,
                "streamSid": self.start.stream_sid,
            }
            try:
                await connection.send(orjson.dumps(message), text=True)
            except ConnectionClosed:
                return  # the reader notices it too

    async def _read(self, connection: ClientConnection) -> None:
        try:
            async for message in connection:
                await self._receive(connection, message)
        except ConnectionClosed:
            return

    async def _receive(self, connection: ClientConnection, message: str | bytes) -> None:
        now_ms = self._clock.now_ms()
        reached: list[str] = []
        try:
            event, value = read_message(message, stream_sid=self.start.stream_sid)
            match event:
                case "media":
                    audio = binascii.a2b_base64(value, strict_mode=True)
                    taken, reached = self.playout.play(audio, now_ms=now_ms)
                    if not taken:
                        self._log.violation("31931", "more than ten minutes of audio are queued")
                case "mark":
                    self._log.report.marks_received += 1
                    reached = self.playout.mark(value, now_ms=now_ms)
                case _:
                    reached = self._clear(now_ms)
        except binascii.Error as error:
            self._log.violation("31951", f"payload is not base64: {error}")
        except ViolationError as violation:
            self._log.violation(violation.code, str(violation))
        await self._echo(connection, reached)

    def _clear(self, now_ms: float) -> list[str]:
        self._log.report.clears += 1
        dropped = self.playout.queued_bytes
        reached = self.playout.clear(now_ms=now_ms)
        self._take_sound(now_ms)
        if self._caller is not None:
            self._caller.ear.cut()
        self._log.event("server clears", dropped_ms=dropped / BYTES_PER_MS)
        return reached

    async def _echo(self, connection: ClientConnection, marks: list[str]) -> None:
        for name in marks:
            if not self._line.withhold_marks:
                self._log.report.marks_echoed += 1
                await self._send(connection, "mark", {"mark": {"name": name}})

    async def _pump(self, connection: ClientConnection) -> None:
        """Send the caller's sound every 20 ms of an absolute clock, echo marks, let the caller act."""
        began_ms = self._clock.now_ms()
        self._held_since_ms = began_ms
        for number in itertools.count():
            due_ms = began_ms + number * _FRAME_MS
            while (mark_ms := self.playout.next_mark_at_ms()) is not None and mark_ms < due_ms:
                now_ms = await self._clock.sleep_until(mark_ms)
                await self._echo(connection, self.playout.advance(now_ms))
            now_ms = await self._clock.sleep_until(due_ms)
            self._tell_lateness()
            await self._echo(connection, self.playout.advance(now_ms))
            self._take_sound(now_ms)
            caller = self._caller
            for action in caller.act(now_ms) if caller is not None else ():
                match action:
                    case HangUp(reason=reason):
                        self.hung_up = reason
                        assert caller is not None
                        caller.leave(now_ms)  # nothing is said any more while the server closes
                        self.stop()
                        return
                    case Press(digit=digit):
                        body = {"dtmf": {"track": "inbound_track", "digit": digit}}
                        await self._send(connection, "dtmf", body)
            frame = self._caller.next_frame(now_ms) if self._caller is not None else None
            if self.kept is not None and frame is not None:
                self.kept.append((now_ms, frame))
            await self._send_sound(connection, frame, now_ms)
            if connection.close_code is not None:
                return

    def _take_sound(self, now_ms: float) -> None:
        self.playout.advance(now_ms)
        if self._caller is not None:
            for at_ms, audio in self.playout.take_heard():
                self._caller.listen(audio, at_ms=at_ms)

    def _tell_lateness(self) -> None:
        lost_ms = self._clock.lost_ms - self._lost_ms
        if lost_ms > _WORTH_TELLING_MS:
            self._lost_ms = self._clock.lost_ms
            self._log.event("the simulator was late", by_ms=lost_ms)

    async def _send_sound(self, connection: ClientConnection, frame: bytes | None, now_ms: float) -> None:
        if frame is None and self._line.skip_silence:
            self._position_ms += _FRAME_MS
            return
        self._held += frame if frame is not None else next(self._noise)
        if now_ms - self._held_since_ms < self._line.burst_ms:
            return
        self._held_since_ms = now_ms
        while len(self._held) >= self._next_size:
            audio = bytes(self._held[: self._next_size])
            del self._held[: self._next_size]
            self._next_size = next(self._frame_sizes)
            self._chunk += 1
            media = {
                "track": "inbound",
                "chunk": str(self._chunk),
                "timestamp": str(int(self._position_ms)),
                "payload": binascii.b2a_base64(audio, newline=False).decode(),
            }
            self._position_ms += len(audio) / BYTES_PER_MS
            self._log.report.frames_sent += 1
            await self._send(connection, "media", {"media": media})

    def _verdict(self, connection: ClientConnection) -> End:
        received, sent = connection.protocol.close_rcvd, connection.protocol.close_sent
        if received is not None and connection.protocol.close_rcvd_then_sent:
            self._log.violation(
                "31921", f"the server closed the stream: {received.code} {received.reason}".strip()
            )
            return End.CLOSED
        if sent is not None and sent.code in {1002, 1007, 1009}:
            self._log.violation("31924", f"protocol error: {sent.reason}")
            return End.BROKEN
        self._log.violation("31903", "the connection broke without a close frame")
        return End.BROKEN

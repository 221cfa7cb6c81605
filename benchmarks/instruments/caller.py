"""Many callers at once, for measuring: Media Streams whose 20 ms frames leave at absolute deadlines.

Run by the harness: `python -m benchmarks.instruments.caller`, with an Order for it as one line of JSON on standard input.
It prints a line of JSON when the window begins, when it ends, and at last with the Outcome; it ends early when
standard input does. The shape `realtime` speaks to the Realtime server itself: the floor that is subtracted.
"""

import asyncio
import sys
import time
from array import array
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import uvloop
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.instruments.frames import (
    ASSISTANT,
    BYTES_PER_MS,
    CALLER,
    FRAME_MS,
    Order,
    head,
    read_head,
    rest,
    value_at,
)

ANSWER_WITHIN_S = 15.0
DRAIN_S = 0.7
CLOSED_WITHIN_S = 5.0
SLOTS = FRAME_MS  # streams are spread over the 20 ms, one slot a millisecond


@dataclass(frozen=True, slots=True)
class Stream:
    """What one call needs: where to connect, and what its `start` says."""

    url: str
    signature: str
    call_sid: str
    account_sid: str
    token: str


@dataclass(frozen=True, slots=True)
class Job:
    """What to do: all streams up, `warmup_s`, a window of `seconds`, and down again."""

    shape: str  # "twilio" or "realtime"
    echo: bool
    warmup_s: float
    seconds: float
    connect_per_s: float
    streams: list[Stream]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the callers saw in the window. Times are in ms; `late_ms` is the instrument's own lateness."""

    sent: int
    received: int
    lost: int
    doubled: int
    reordered: int
    foreign: int
    mixed: int
    not_closed: int
    trip_ms: list[float]
    late_ms: list[float]


PERCENTILES = (0.5, 0.95, 0.99, 1.0)


def percentiles(values: "array[float]") -> list[float]:
    """The 50th, 95th, 99th and 100th percentile in ms of values in ms; empty for none."""
    ranked = sorted(values)
    return (
        [round(ranked[min(len(ranked) - 1, int(len(ranked) * p))], 3) for p in PERCENTILES] if ranked else []
    )


class Leg(WSListener):
    """One call's socket."""

    def __init__(self, number: int, stream: Stream, job: Job) -> None:
        self.order = Order()
        self.trips = array("d")
        self.marks: deque[tuple[float, bytes]] = deque()
        self.sent_at = array("d")
        self.foreign = self.mixed = 0
        self.closed = asyncio.Event()
        self._number = number
        self._stream = stream
        self._twilio = job.shape == "twilio"
        self._expects = CALLER if job.echo else ASSISTANT
        self._payload = b'"payload"' if self._twilio else b'"delta"'
        self._played_until = 0.0
        self._sequence = 1
        self._sid = f"MZ{number:032x}"
        tail = rest(FRAME_MS)
        self._tail = tail + (b'"},"streamSid":"%s"}' % self._sid.encode() if self._twilio else b'"}')

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin as Twilio does."""
        self._transport = transport
        if not self._twilio:
            return
        start = {
            "accountSid": self._stream.account_sid,
            "streamSid": self._sid,
            "callSid": self._stream.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": self._stream.token} if self._stream.token else {},
        }
        self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self._send({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": self._sid})

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Note it."""
        self.closed.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Audio is timed and counted; marks come back when their audio was played."""
        now = time.perf_counter()
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if frame.msg_type is not WSMsgType.TEXT:
            return
        data = frame.get_payload_as_bytes()
        at = value_at(data, self._payload)
        if at > 0:
            self._audio(data, at, now)
        elif self._twilio and b'"mark"' in data:
            self.marks.append((max(now, self._played_until), orjson.loads(data)["mark"]["name"].encode()))
        elif self._twilio and b'"clear"' in data:
            self._played_until = now
            self.marks = deque((now, name) for _, name in self.marks)

    def _audio(self, data: bytes, at: int, now: float) -> None:
        found = read_head(data[at : at + 8])
        if found is None or found[0] != self._expects:
            # The server's own words beside its audio have a delta too.
            self.foreign += self._twilio
            return
        _, stream, number = found
        if stream != self._number:
            self.mixed += 1
            return
        if self.order.take(number) and self._expects == CALLER:
            self.trips.append(now - self.sent_at[number])
        characters = data.find(b'"', at) - at
        self._played_until = max(now, self._played_until) + characters * 3 / 4 / BYTES_PER_MS / 1000

    def send_frame(self) -> None:
        """The next frame, and the marks whose time has come."""
        number = len(self.sent_at)
        audio = head(CALLER, self._number, number) + self._tail
        if self._twilio:
            while self.marks and self.marks[0][0] <= time.perf_counter():
                self._echo_mark(self.marks.popleft()[1])
            self._sequence += 1
            message = (
                b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%s'
                % (self._sequence, number + 1, number * FRAME_MS, audio)
            )
        else:
            message = b'{"type":"input_audio_buffer.append","audio":"%s' % audio
        self.sent_at.append(time.perf_counter())
        self._transport.send(WSMsgType.TEXT, message)

    def _echo_mark(self, name: bytes) -> None:
        self._sequence += 1
        self._send(
            {
                "event": "mark",
                "sequenceNumber": str(self._sequence),
                "streamSid": self._sid,
                "mark": {"name": name.decode()},
            }
        )

    def hang_up(self) -> None:
        """End as Twilio does when the caller hangs up."""
        if self.closed.is_set():
            return
        if self._twilio:
            ids = {"accountSid": self._stream.account_sid, "callSid": self._stream.call_sid}
            self._send(
                {
                    "event": "stop",
                    "sequenceNumber": str(self._sequence + 1),
                    "streamSid": self._sid,
                    "stop": ids,
                }
            )
        self._transport.send_close(WSCloseCode.OK)

    def _send(self, message: dict[str, Any]) -> None:
        self._transport.send(WSMsgType.TEXT, orjson.dumps(message))


class Callers:
    """All legs, driven by one clock."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._legs: list[Leg] = []
        self._slots: list[list[Leg]] = [[] for _ in range(SLOTS)]
        self._slot = 0
        self._begun = 0.0
        self._late = array("d")
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> Outcome:
        """The whole job. Raises RuntimeError when a stream does not come up."""
        self._begun = time.perf_counter()
        self._tick()
        await self._connect()
        await asyncio.sleep(self._job.warmup_s)
        await self._wait_for_answers()
        first, before = self._edge()
        say({"event": "begin"})
        await asyncio.sleep(self._job.seconds)
        end, after = self._edge()
        say({"event": "end"})
        await asyncio.sleep(DRAIN_S)
        if self._timer:
            self._timer.cancel()
        outcome = self._outcome(first, end, before, after)
        await self._hang_up()
        return outcome

    async def _connect(self) -> None:
        begun = time.perf_counter()
        for number, stream in enumerate(self._job.streams):
            await asyncio.sleep(max(0.0, begun + number / self._job.connect_per_s - time.perf_counter()))
            leg = Leg(number, stream, self._job)
            headers = {"X-Twilio-Signature": stream.signature} if stream.signature else {}
            await ws_connect(
                lambda leg=leg: leg, stream.url, extra_headers=headers, websocket_handshake_timeout=10
            )
            self._legs.append(leg)
            self._slots[number % SLOTS].append(leg)

    async def _wait_for_answers(self) -> None:
        until = time.perf_counter() + ANSWER_WITHIN_S
        while silent := [leg for leg in self._legs if not leg.order.received or leg.closed.is_set()]:
            gone = sum(leg.closed.is_set() for leg in silent)
            if gone or time.perf_counter() > until:
                raise RuntimeError(
                    f"{len(silent)} of {len(self._legs)} streams got no audio; {gone} were closed."
                )
            await asyncio.sleep(0.05)

    def _tick(self) -> None:
        """Send what is due. The deadlines are absolute, so that lateness never adds up."""
        while True:
            due = self._begun + self._slot * FRAME_MS / SLOTS / 1000
            now = time.perf_counter()
            if due > now:
                break
            for leg in self._slots[self._slot % SLOTS]:
                if not leg.closed.is_set():
                    leg.send_frame()
                    self._late.append(now - due)
            self._slot += 1
        self._timer = asyncio.get_running_loop().call_later(max(0.0005, due - now), self._tick)

    def _edge(self) -> tuple[list[int], list[int]]:
        """An end of the window: the number of each leg's next frame, and of its next timed trip."""
        if not self._job.echo:
            return [leg.order.highest + 1 for leg in self._legs], [len(leg.trips) for leg in self._legs]
        return [len(leg.sent_at) for leg in self._legs], [len(leg.trips) for leg in self._legs]

    def _outcome(self, first: list[int], end: list[int], before: list[int], after: list[int]) -> Outcome:
        trips, lost, received, sent = array("d"), 0, 0, 0
        for leg, a, z, b, c in zip(self._legs, first, end, before, after, strict=True):
            missing = leg.order.missing(a, z)
            sent += z - a
            lost += missing
            received += z - a - missing
            trips.extend(trip * 1000 for trip in leg.trips[b:c])
        return Outcome(
            sent=sent,
            received=received,
            lost=lost,
            doubled=sum(leg.order.doubled for leg in self._legs),
            reordered=sum(leg.order.reordered for leg in self._legs),
            foreign=sum(leg.foreign for leg in self._legs),
            mixed=sum(leg.mixed for leg in self._legs),
            not_closed=0,
            trip_ms=percentiles(trips),
            late_ms=percentiles(array("d", (late * 1000 for late in self._late))),
        )

    async def _hang_up(self) -> None:
        for leg in self._legs:
            leg.hang_up()
        waiting = [asyncio.create_task(leg.closed.wait()) for leg in self._legs]
        if waiting:
            await asyncio.wait(waiting, timeout=CLOSED_WITHIN_S)
        self.not_closed = sum(not leg.closed.is_set() for leg in self._legs)


def say(message: dict[str, Any]) -> None:
    """A line for the harness."""
    print(orjson.dumps(message).decode(), flush=True)


async def main() -> None:
    """Read the job, do it, and give up when whoever gave it is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    order = orjson.loads(await reader.readline())
    job = Job(**{**order, "streams": [Stream(**stream) for stream in order["streams"]]})
    callers = Callers(job)
    running = asyncio.create_task(callers.run())
    gone = asyncio.create_task(reader.read())
    done, _ = await asyncio.wait([running, gone], return_when=asyncio.FIRST_COMPLETED)
    if running not in done:
        running.cancel()
        return
    try:
        outcome = asdict(running.result())
    except Exception as exc:  # noqa: BLE001 - the harness has the terminal; it says what went wrong here
        say({"event": "failed", "why": f"{type(exc).__name__}: {exc}"})
        return
    say({"event": "outcome", "outcome": {**outcome, "not_closed": callers.not_closed}})


if __name__ == "__main__":
    uvloop.run(main())

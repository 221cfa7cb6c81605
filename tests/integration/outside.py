"""Everybody outside (Twilio, the Realtime API, tool servers), played by the simulator in a thread of its own."""

import asyncio
import queue
import threading
import time
from collections.abc import Coroutine, MutableMapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import orjson

from simulator import scenario as scenarios
from simulator.asgi import Receive, Scope, Send
from simulator.harness import CallReport, Order, Phone, Scenario, Simulator
from simulator.rest import Failure
from simulator.twilio_http import Origins

T = TypeVar("T")

ACCOUNT_SID = "AC" + "1" * 32
AUTH_TOKEN = "integration-auth-token"
# What Twilio would call; the simulator knows which servers on this machine stand behind them.
PUBLIC_ORIGIN = "https://voice.example.com"
MEDIA_ORIGIN = "wss://media.example.com"
CALLER = "+12025550147"
TESTER = "+12025550190"  # from which smoke tests dial
LONGEST_CALL_S = 90.0
ALL_CALLS_S = 400.0
LONGEST_TURN_S = 10.0
LINES = 16  # calls at a time; more would keep two cores busy and so disturb what they measure


@dataclass(slots=True)
class Connection:
    """One connection to the Realtime API, as it came over the wire."""

    open: bool = True
    said: list[str] = field(default_factory=list)  # types of our events, without the audio
    frames_at: list[float] = field(default_factory=list)  # when each piece of the caller's audio came

    def longest_gap_s(self, since: float = 0.0) -> float:
        """The longest time in which no audio of the caller came, from a moment on."""
        times = [at for at in self.frames_at if at >= since]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


class LiveCall:
    """A call that was placed: what the simulator tells of it, and at its end the report."""

    def __init__(self) -> None:
        self.call_sid = ""
        self.placed: Future[CallReport] | None = None
        self.events: list[dict[str, Any]] = []
        self._news: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def tell(self, event: dict[str, Any]) -> None:
        """Take one of the simulator's events."""
        self.events.append(event)
        self._news.put(event)

    def wait_for(self, event: str, *, within_s: float = 30.0, **details: Any) -> dict[str, Any]:
        """The next event of that name and with these details. Fails when the call ends without it."""
        while True:
            try:
                # Until the first event the call waits for a free line, which is nobody's fault.
                news = self._news.get(timeout=within_s if self.events else ALL_CALLS_S)
            except queue.Empty:
                raise AssertionError(f"no {event!r} within {within_s:.0f} s; so far: {self.events}") from None
            if news["event"] == event and all(news.get(key) == value for key, value in details.items()):
                return news

    def report(self) -> CallReport:
        """How the call went, when it is over."""
        assert self.placed is not None
        return self.placed.result(ALL_CALLS_S)


class Outside:
    """The simulator, listening; calls are placed from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="simulator")
        self._ready = threading.Event()
        self._leaving = asyncio.Event()
        self._starting = asyncio.Lock()
        self._lines = asyncio.Semaphore(LINES)
        self._calls: list[LiveCall] = []
        self._failure: BaseException | None = None
        self.simulator = Simulator(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)
        self.simulator.switchboard.before_next_stream = self._take_turn
        self._turns: set[asyncio.Task[None]] = set()
        self.connections: list[Connection] = []  # to the Realtime API
        self._serve_realtime = self.simulator.realtime.serve
        self.simulator.realtime.serve = self._overhear  # type: ignore[method-assign]  # it is only listened to

    def __enter__(self) -> "Outside":
        self._thread.start()
        self._ready.wait(30)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join(30)

    @property
    def http_url(self) -> str:
        """Twilio's REST."""
        return self.simulator.http_url

    @property
    def realtime_url(self) -> str:
        """The Realtime API."""
        return self.simulator.realtime_url

    def tool_url(self, name: str, *, behaviour: str = "") -> str:
        """The customer's server for a tool, which may misbehave in one of the simulator's ways."""
        return "/".join(part for part in (self.simulator.tools_url, behaviour, name) if part)

    def run(self, work: Coroutine[Any, Any, T], *, within_s: float = LONGEST_CALL_S) -> T:
        """The result of a coroutine in the simulator's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within_s)

    def dial(self, story: str | Scenario, *, to: str, web_port: int, media_port: int) -> LiveCall:
        """Place a call; returns at once."""
        voice_url = f"http://127.0.0.1:{web_port}/twilio/voice"
        order = Order(
            scenario=scenarios.load(story) if isinstance(story, str) else story,
            to=to,
            caller=CALLER,
            voice_url=voice_url,
            origins=Origins.of(
                voice_url,
                public_origin=PUBLIC_ORIGIN,
                media_origin=f"http://127.0.0.1:{media_port}",
                media_origin_public=MEDIA_ORIGIN,
            ),
            status_callback=f"{PUBLIC_ORIGIN}/twilio/status",
        )
        return self._begin(order)

    def dial_number(
        self, story: str | Scenario, *, number: str, caller: str, web_port: int, media_port: int
    ) -> LiveCall:
        """Call a number of the simulated Twilio: what answers is what the number says now. Returns at once."""
        origins = Origins.of(
            f"http://127.0.0.1:{web_port}",
            public_origin=PUBLIC_ORIGIN,
            media_origin=f"http://127.0.0.1:{media_port}",
            media_origin_public=MEDIA_ORIGIN,
        )
        scenario = scenarios.load(story) if isinstance(story, str) else story
        return self._begin(self.simulator.switchboard.dial(scenario, number, caller=caller, origins=origins))

    def _begin(self, order: Order) -> LiveCall:
        live = LiveCall()
        live.placed = asyncio.run_coroutine_threadsafe(self._on_a_line(order, live), self._loop)
        self._calls.append(live)
        return live

    def trouble(self, did: str, failure: Failure) -> None:
        """Have Twilio's REST fail once over a call to this number, or over a message from it."""

        def is_about(request: dict[str, Any]) -> bool:
            sid = request["path"].rpartition("/")[2].removesuffix(".json")
            phone = self.simulator.switchboard.calls.get(sid)
            return request["form"].get("From") == did or (phone is not None and phone.order.to == did)

        self.simulator.rest.failures.on(failure, method="POST", when=is_about)

    def wait_until_quiet(self) -> None:
        """Wait for the end of all calls."""
        for live in self._calls:
            assert live.placed is not None
            live.placed.exception(ALL_CALLS_S)
        self._calls.clear()

    async def _on_a_line(self, order: Order, live: LiveCall) -> CallReport:
        async with self._lines:
            return await asyncio.wait_for(self._place(order, live), LONGEST_CALL_S)

    async def _place(self, order: Order, live: LiveCall) -> CallReport:
        # The simulator gives a Realtime connection to the call whose stream opened last, so calls that begin
        # together must take turns until theirs is open.
        begun = asyncio.Event()

        def tell(event: dict[str, Any]) -> None:
            live.tell(event)
            if event["event"] in ("realtime session begins", "stream ended"):
                begun.set()

        async with self._starting:
            call = asyncio.ensure_future(self.simulator.switchboard.place(order, tell=tell))
            call.add_done_callback(lambda _: begun.set())
            await begun.wait()
        try:
            report = await call
        finally:
            live.tell({"event": "over", "ms": 0})
        return report

    async def _take_turn(self, phone: Phone) -> None:
        """Let a call that opens another stream take turns with those that begin."""
        await self._starting.acquire()
        turn = asyncio.ensure_future(self._end_turn(phone, phone.log.report.realtime_sessions))
        self._turns.add(turn)  # held until done, or it may be collected
        turn.add_done_callback(self._turns.discard)

    async def _end_turn(self, phone: Phone, sessions: int) -> None:
        until = time.monotonic() + LONGEST_TURN_S
        while phone.log.report.realtime_sessions == sessions and not phone.ended and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self._starting.release()

    async def _overhear(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = Connection()
        self.connections.append(connection)

        async def listen() -> MutableMapping[str, Any]:
            message = await receive()
            if message["type"] == "websocket.receive":
                event = orjson.loads(message.get("text") or message["bytes"])["type"]
                if event == "input_audio_buffer.append":
                    connection.frames_at.append(time.monotonic())
                else:
                    connection.said.append(event)
            elif message["type"] == "websocket.disconnect":
                connection.open = False
            return message

        try:
            await self._serve_realtime(scope, listen, send)
        finally:
            connection.open = False

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that waits for us
            self._failure = failure
        finally:
            self._ready.set()
            with suppress(RuntimeError):
                self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        async with self.simulator:
            self._ready.set()
            await self._leaving.wait()

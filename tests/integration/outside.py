"""Everybody outside (Twilio, the Realtime API, tool servers), played by the simulator in a thread of its own."""

import asyncio
import math
import queue
import threading
import time
from collections.abc import Collection, Coroutine, MutableMapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import orjson
import requests

from simulator import scenario as scenarios
from simulator.asgi import Receive, Scope, Send, header
from simulator.harness import CallReport, Order, Scenario, Simulator
from simulator.rest import Failure
from simulator.twilio_http import Origins
from tests.integration.slowness import Slowness

T = TypeVar("T")

_OVER = "over"

ACCOUNT_SID = "AC" + "1" * 32
AUTH_TOKEN = "integration-auth-token"
# What Twilio would call; the simulator knows which servers on this machine stand behind them.
PUBLIC_ORIGIN = "https://voice.example.com"
MEDIA_ORIGIN = "wss://media.example.com"
CALLER = "+12025550147"
TESTER = "+12025550190"  # from which smoke tests dial
LONGEST_CALL_S = 480.0  # many times what it takes, as its clock stands still while this process is late
ALL_CALLS_S = 700.0
LINES = 16  # calls at a time; more would keep two cores busy and so disturb what they measure
# Where the machine does not carry as many, so many go on at a time, and no more begin until it does.
FEWEST_LINES = 10
CROWDED_S = 0.5
_BEGIN_EVERY_S = 0.2
_LOOKED_BACK_S = 3.0
_BEAT_S = 0.05


@dataclass(slots=True)
class Connection:
    """One connection to the Realtime API, as it came over the wire."""

    request_id: str = ""  # begins with the id of the call
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
        self.began, self.ended = (
            time.monotonic(),
            math.inf,
        )  # by that clock; it begins anew once there is a line
        self.placed: Future[CallReport] | None = None
        self.events: list[dict[str, Any]] = []
        self._news: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def tell(self, event: dict[str, Any]) -> None:
        """Take one of the simulator's events."""
        self.events.append(event)
        self._news.put(event)

    def wait_for(self, event: str, **details: Any) -> dict[str, Any]:
        """The next event of that name and with these details. Fails when the call ends without it."""
        news: dict[str, Any] = {}
        while news.get("event") != _OVER:
            news = self._news.get(timeout=ALL_CALLS_S)
            if news["event"] == event and all(news.get(key) == value for key, value in details.items()):
                return news
        raise AssertionError(f"the call ended without {event!r}: {self.events}")

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
        self._lines = asyncio.Semaphore(LINES)
        self._beginning = asyncio.Lock()
        self._fewest = FEWEST_LINES
        self._talking = 0
        self._calls: list[LiveCall] = []
        self._passed_over: frozenset[str] = frozenset()
        self.slowness = Slowness()
        self._failure: BaseException | None = None
        self.simulator = Simulator(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)
        self.connections: list[Connection] = []  # to the Realtime API
        self._serve_realtime = self.simulator.realtime.serve
        self.simulator.realtime.serve = self._overhear  # type: ignore[method-assign]  # it is only listened to

    def __enter__(self) -> "Outside":
        self._thread.start()
        self._ready.wait(120)
        if self._failure is not None:
            raise self._failure
        assert self._ready.is_set(), "the simulator does not listen"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join(120)

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

    def hang_up(self, call_sid: str) -> int:
        """End a call as somebody at Twilio's console does; Twilio's status."""
        url = f"{self.http_url}/2010-04-01/Accounts/{ACCOUNT_SID}/Calls/{call_sid}.json"
        form = {"Status": "completed"}
        return requests.post(url, data=form, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=60).status_code

    def wait_until_quiet(self) -> None:
        """Wait for the end of all calls."""
        for live in self._calls:
            assert live.placed is not None
            live.placed.exception(ALL_CALLS_S)
        self._calls.clear()

    def overhear(self, *, but: Collection[str] = ()) -> list[Connection]:
        """The connections to the Realtime API that are made from now on, without those of these calls, which may be late."""
        self._passed_over = frozenset(but)
        self.connections.clear()
        return self.connections

    async def _on_a_line(self, order: Order, live: LiveCall) -> CallReport:
        async with self._lines:
            async with self._beginning:
                await self._carried()
                self._talking += 1
            live.began = time.monotonic()
            try:
                return await asyncio.wait_for(self._place(order, live), LONGEST_CALL_S)
            finally:
                self._talking -= 1
                live.ended = time.monotonic()

    async def _carried(self) -> None:
        """Return when the machine has the time for one more call."""
        await asyncio.sleep(_BEGIN_EVERY_S)
        while (  # noqa: ASYNC110  # nobody tells when a machine is less busy
            self._talking >= self._fewest
            and self.slowness.longest(time.monotonic() - _LOOKED_BACK_S)[0] > CROWDED_S
        ):
            await asyncio.sleep(_BEGIN_EVERY_S)

    async def _place(self, order: Order, live: LiveCall) -> CallReport:
        try:
            return await self.simulator.switchboard.place(order, tell=live.tell)
        finally:
            live.tell({"event": _OVER, "ms": 0})

    async def _overhear(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = Connection(header(scope, "x-client-request-id") or "")
        if not connection.request_id.startswith(tuple(self._passed_over)):
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
        beating = asyncio.create_task(self._beat())
        async with self.simulator:
            self._ready.set()
            await self._leaving.wait()
        beating.cancel()

    async def _beat(self) -> None:
        """Note when everybody outside is late."""
        while True:
            due = time.monotonic() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            self.slowness.note("the outside", time.monotonic() - due)

"""The simulator inside a test: a server on a free port of this machine, in the running loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping
from types import TracebackType

import uvicorn

from simulator import clips
from simulator import scenario as scenarios
from simulator.accounts import Account, Accounts, Key
from simulator.clock import Clock
from simulator.failures import Failure
from simulator.mcp import PREFIX as MCP_PREFIX
from simulator.mcp import Mcp
from simulator.media_stream import MediaStream, StreamStart
from simulator.numbers import Numbers
from simulator.old_provider import PREFIX as OLD_PREFIX
from simulator.old_provider import PUBLIC as OLD_PUBLIC
from simulator.old_provider import OldProvider
from simulator.order import Order
from simulator.phone import Phone, new_sid
from simulator.realtime import Realtime
from simulator.report import CallLog, CallReport
from simulator.responses import Responses
from simulator.rest import Rest
from simulator.scenario import Faults, Line, Scenario
from simulator.server import Application
from simulator.switchboard import Switchboard
from simulator.twilio_http import Origins
from simulator.vapi import PREFIX as VAPI_PREFIX
from simulator.vapi import Vapi, VapiFailure
from simulator.webhook import Tools

__all__ = [
    "Account",
    "CallLog",
    "CallReport",
    "Clock",
    "Failure",
    "Faults",
    "Key",
    "Line",
    "MediaStream",
    "Order",
    "Phone",
    "Scenario",
    "Simulator",
    "StreamStart",
    "VapiFailure",
    "new_sid",
]

_MAX_MESSAGE = 24 * 1024 * 1024  # an append may hold 15 MiB of audio, which is 20 MiB in base64


class Simulator:
    """`async with Simulator(account_sid=..., auth_token=...) as sim:` plays everyone outside."""

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        host: str = "127.0.0.1",
        port: int = 0,
        log_level: str = "critical",
    ) -> None:
        self.switchboard = Switchboard(Account(account_sid, auth_token))
        self._host = host
        self._port = port
        self._log_level = log_level
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def realtime(self) -> Realtime:
        """The Realtime API: set `faults`, look at `sessions`."""
        return self.switchboard.realtime

    @property
    def responses(self) -> Responses:
        """The Responses API: append to `failures` and `answers`, look at `requests`, `violations`."""
        return self.switchboard.responses

    @property
    def tools(self) -> Tools:
        """The tool server: set `answers`, look at `requests`."""
        return self.switchboard.tools

    @property
    def rest(self) -> Rest:
        """Twilio's REST API: append to `failures`, look at `requests`."""
        return self.switchboard.rest

    @property
    def numbers(self) -> Numbers:
        """Twilio's telephone numbers: `add`, `seed`, `change`, `find`; look at `history`, `violations`."""
        return self.switchboard.numbers

    @property
    def old_provider(self) -> OldProvider:
        """Where numbers point that have not been cut over: look at `calls`, `statuses`, `refused`; `save` writes its URLs back."""
        return self.switchboard.old_provider

    @property
    def accounts(self) -> Accounts:
        """Twilio's accounts: `add_subaccount`, `add_key`."""
        return self.switchboard.accounts

    @property
    def vapi(self) -> Vapi:
        """Vapi's REST API: change `objects`, append to `failures`, look at `requests`."""
        return self.switchboard.vapi

    @property
    def mcp(self) -> Mcp:
        """The MCP server: set `texts`, look at `requests`."""
        return self.switchboard.mcp

    @property
    def mcp_url(self) -> str:
        """Where the MCP server is; options follow after a slash."""
        return f"{self.http_url}{MCP_PREFIX}"

    @property
    def http_url(self) -> str:
        """Where Twilio's REST API and the control API are."""
        return f"http://{self._host}:{self._port}"

    @property
    def realtime_url(self) -> str:
        """Where the Realtime API is; a client adds `?model=`."""
        return f"ws://{self._host}:{self._port}/v1/realtime"

    @property
    def tools_url(self) -> str:
        """Where the tool server is; a tool's name follows after a slash."""
        return f"{self.http_url}/tools"

    @property
    def vapi_url(self) -> str:
        """Where Vapi's REST API is, as VAPI_API_URL."""
        return f"{self.http_url}{VAPI_PREFIX}"

    async def __aenter__(self) -> "Simulator":
        for voice in clips.VOICES:  # now, not in the middle of the first call
            clips.library(voice)
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self._host, self._port))
        self._port = listener.getsockname()[1]
        self._open_old_provider()
        self._server = _Server(
            uvicorn.Config(
                Application(self.switchboard),
                ws="websockets-sansio",
                ws_max_size=_MAX_MESSAGE,
                ws_per_message_deflate=False,
                ws_ping_interval=20.3,  # as the real service does
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level=self._log_level,
                timeout_graceful_shutdown=1,
            )
        )
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            if self._serving.done():
                self._serving.result()
            await asyncio.sleep(0.005)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._serving is not None
        await self.switchboard.close()
        self._server.should_exit = True
        await self._serving

    def _open_old_provider(self) -> None:
        here = f"{self.http_url}{OLD_PREFIX}"
        self.switchboard.old_provider.public_urls = [OLD_PUBLIC, here]
        self.add_origins({OLD_PUBLIC: here, "wss://api.vapi.ai": here})

    def add_origins(self, origins: Mapping[str, str]) -> None:
        """From now on these public origins stand for these loopback servers: `{"https://voice.example.com": "http://127.0.0.1:8000"}`.

        A key that begins with `wss://` says where the streams of that host go; without one they go where its requests go.
        """
        self.switchboard.origins = self.switchboard.origins.but(origins)

    async def serve_forever(self) -> None:
        """Serve until the task is cancelled."""
        assert self._serving is not None
        await asyncio.shield(self._serving)

    async def place_call(
        self,
        scenario: str | Scenario,
        *,
        voice_url: str | None = None,
        dial: str | None = None,
        public_origin: str | None = None,
        media_origin: str | None = None,
        media_origin_public: str | None = None,
        origins: Mapping[str, str] | None = None,
        to: str = "+12025550100",
        caller: str = "+12025550147",
        status_callback: str | None = None,
        speed: float = 1.0,
    ) -> CallReport:
        """Call a number and play the story to its end: `dial`, one of `numbers`, which is answered as it is configured, or
        any number whose voice webhook is `voice_url` (on loopback).

        `public_origin` is what stands for the server of `voice_url` in signatures and TwiML, such as
        "https://voice.example.com"; `media_origin` is the loopback server behind the streams' origin, when
        that is another one. `origins` says the same for any servers, as `add_origins` does for all calls.
        """
        known = Origins.of(
            voice_url,
            public_origin=public_origin,
            media_origin=media_origin,
            media_origin_public=media_origin_public,
        ).but(origins or {})
        story = scenarios.load(scenario) if isinstance(scenario, str) else scenario
        if dial is not None:
            order = self.switchboard.dial(story, dial, caller=caller, origins=known, speed=speed)
        else:
            assert voice_url is not None
            order = Order(
                scenario=story,
                to=to,
                caller=caller,
                voice_url=voice_url,
                origins=known,
                speed=speed,
                status_callback=status_callback,
            )
        return await self.switchboard.place(order)

    def answer_outbound(
        self,
        scenario: str | Scenario,
        *,
        voice_url: str,
        public_origin: str | None = None,
        media_origin: str | None = None,
        media_origin_public: str | None = None,
    ) -> None:
        """From now on people who are called by REST act out this story; the origins are as for `place_call`."""
        self.switchboard.outbound_scenario = scenario
        self.switchboard.outbound_origins = Origins.of(
            voice_url,
            public_origin=public_origin,
            media_origin=media_origin,
            media_origin_public=media_origin_public,
        )

    async def outbound_report(self) -> CallReport:
        """The report of the next outbound call that ends, or has ended."""
        return await self.switchboard.outbound_reports.get()

    async def inbound_report(self) -> CallReport:
        """The report of the far leg of the next call that REST placed to one of `numbers` and that is over."""
        return await self.switchboard.inbound_reports.get()


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

"""One ASGI application for all that the simulator plays, and its own control API.

Control: `POST /simulator/calls` places a call and streams its events as lines of JSON; `GET /simulator/scenarios`
lists the stories; `PUT /simulator/faults` sets what goes wrong on the Realtime side for all calls, `DELETE` ends
that; `GET /healthz`; `/simulator/vapi` changes what Vapi's REST shows (see `vapi.py`).
"""

import asyncio
import dataclasses
from typing import Any, Final

import orjson

from simulator import mcp, number_control, old_provider, responses, vapi
from simulator import scenario as scenarios
from simulator.asgi import Gone, Receive, Scope, Send, read_body, respond_json
from simulator.order import Order
from simulator.scenario import Faults, Scenario, ScenarioError
from simulator.switchboard import Switchboard
from simulator.twilio_http import Origins

_CALL_KEYS: Final = frozenset(
    {"to", "from", "voice_url", "scenario", "public_origin", "media_origin", "media_origin_public"}
    | {"status_callback", "speed", "story", "dial", "origins"}
)


class BadRequestError(ValueError):
    """A control request that cannot be carried out; the text says why."""


class Application:
    """The ASGI application of one switchboard."""

    def __init__(self, switchboard: Switchboard) -> None:
        self.switchboard = switchboard
        self._parts = {
            number_control.CONTROL: switchboard.number_control.serve,
            old_provider.CONTROL: switchboard.old_provider.control,
            vapi.CONTROL: switchboard.vapi.control,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            try:
                await self._http(scope, receive, send)
            except Gone:
                return
            except (BadRequestError, ScenarioError) as error:
                await respond_json(send, {"error": str(error)}, status=400)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rstrip("/") == "/v1/realtime":
            await self.switchboard.realtime.serve(scope, receive, send)
        elif scope["path"].startswith(f"{old_provider.PREFIX}/"):
            await self.switchboard.old_provider.serve_transport(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})  # before accept: HTTP 403

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        board, path = self.switchboard, scope["path"]
        if path.startswith("/2010-04-01/"):
            await board.rest.serve(scope, receive, send)
        elif path == responses.PATH:
            await board.responses.serve(scope, receive, send)
        elif path.startswith("/tools/"):
            await board.tools.serve(scope, receive, send)
        elif path == mcp.PREFIX or path.startswith(f"{mcp.PREFIX}/"):
            await board.mcp.serve(scope, receive, send)
        elif path.startswith(f"{old_provider.PREFIX}/"):
            await board.old_provider.serve(scope, receive, send)
        elif path.startswith(f"{vapi.PREFIX}/"):
            await board.vapi.serve(scope, receive, send)
        else:
            await self._control(scope, receive, send)

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        board = self.switchboard
        path, method = scope["path"], scope["method"]
        if path == "/healthz":
            live = sum(not phone.ended for phone in board.calls.values())
            await respond_json(send, {"ok": True, "live_calls": live})
        elif path == "/simulator/scenarios":
            await respond_json(send, [_described(scenarios.load(name)) for name in scenarios.names()])
        elif path == "/simulator/faults":
            await self._faults(method, await read_body(receive), send)
        elif path == "/simulator/calls" and method == "POST":
            await self._call(await read_body(receive), receive, send)
        elif path == "/simulator/origins" and method == "PUT":
            board.origins = board.origins.but(_object(await read_body(receive)))
            await respond_json(send, dict(board.origins.local_of))
        elif (
            part := next((p for p in self._parts if path == p or path.startswith(f"{p}/")), None)
        ) is not None:
            try:
                await self._parts[part](scope, receive, send)
            except ValueError as error:
                raise BadRequestError(str(error)) from error
        else:
            await respond_json(send, {"error": f"nothing at {method} {path}"}, status=404)

    async def _faults(self, method: str, body: bytes, send: Send) -> None:
        realtime = self.switchboard.realtime
        if method == "DELETE":
            realtime.faults = None
        elif method in {"PUT", "POST"}:
            realtime.faults = scenarios.parse({"name": "faults", "faults": _object(body)}).faults
        faults: Faults | None = realtime.faults
        await respond_json(send, dataclasses.asdict(faults) if faults is not None else None)

    async def _call(self, body: bytes, receive: Receive, send: Send) -> None:
        order = _order(self.switchboard, _object(body))
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        async def play() -> None:
            try:
                report = await self.switchboard.place(order, tell=lines.put_nowait)
                lines.put_nowait(report.summary())
            finally:
                lines.put_nowait(None)

        headers = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        call = asyncio.create_task(play())
        leaver: asyncio.Future[Any] = asyncio.ensure_future(receive())  # comes back when the client goes away
        try:
            while True:
                waiting = asyncio.create_task(lines.get())
                await asyncio.wait({waiting, leaver}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    return
                line = waiting.result()
                if line is None:
                    break
                message = orjson.dumps(line) + b"\n"
                await send({"type": "http.response.body", "body": message, "more_body": True})
            await call
        finally:
            call.cancel()
            leaver.cancel()
        await send({"type": "http.response.body", "body": b""})


def _described(story: Scenario) -> dict[str, str]:
    return {"name": story.name, "about": story.about}


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadRequestError("the body must be a JSON object")
    return value


def _order(board: Switchboard, asked: dict[str, Any]) -> Order:
    unknown = set(asked) - _CALL_KEYS
    if unknown:
        raise BadRequestError(f"unknown keys {sorted(unknown)}; known are {sorted(_CALL_KEYS)}")
    due = ("from", "dial") if "dial" in asked else ("to", "from", "voice_url")
    missing = [key for key in due if not isinstance(asked.get(key), str)]
    if missing:
        raise BadRequestError(f"{', '.join(missing)} must be given as text")
    if "story" in asked:
        story = scenarios.parse(asked["story"])
    else:
        story = scenarios.load(str(asked.get("scenario", "one_tool")))
    origins = Origins.of(
        asked.get("voice_url"),
        public_origin=asked.get("public_origin"),
        media_origin=asked.get("media_origin"),
        media_origin_public=asked.get("media_origin_public"),
    ).but(asked.get("origins", {}))
    speed = float(asked.get("speed", 1.0))
    if "dial" in asked:
        try:
            return board.dial(story, asked["dial"], caller=asked["from"], origins=origins, speed=speed)
        except ValueError as error:
            raise BadRequestError(str(error)) from error
    return Order(
        scenario=story,
        to=asked["to"],
        caller=asked["from"],
        voice_url=asked["voice_url"],
        origins=origins,
        speed=speed,
        status_callback=asked.get("status_callback"),
    )

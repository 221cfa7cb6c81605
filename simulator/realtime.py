"""The Realtime API's WebSocket: `/v1/realtime?model=...`.

A connection whose `X-Client-Request-Id` begins with what the address of a call's media stream ends with is that call's, and one
whose id begins with anything else is no call's. One without an id is bound to the call whose media-socket upgrade began last and that
has no session yet; if there is none, to the call whose session was lost last while its stream is open; else to the live call
whose upgrade began last, beside its other session; else to no call at all.
"""

import asyncio
import contextlib
from collections import deque
from typing import Any, Final

import orjson

from simulator.asgi import Receive, Scope, Send, header, query
from simulator.clock import Clock
from simulator.dialogue import Dialogue
from simulator.phone import Phone
from simulator.report import CallLog, CallReport
from simulator.scenario import Faults, Scenario, load
from simulator.session import Binding, Close, Session
from simulator.trouble import Trouble

_REMEMBERED: Final = 200


class Realtime:
    """All Realtime sessions of one simulator. `faults`, when set, takes the place of every story's own."""

    def __init__(self) -> None:
        self.faults: Faults | None = None
        self.default_scenario: Scenario | None = None  # for connections that belong to no call
        self.sessions: deque[Session] = deque(maxlen=_REMEMBERED)
        self.unbound: deque[CallReport] = deque(maxlen=_REMEMBERED)
        self.refused = 0
        self._bindings: dict[str, Binding] = {}
        self._waiting: list[Phone] = []  # upgrades begun, the latest last, without a session
        self._lost: list[Phone] = []
        self._live: list[Phone] = []  # every call with an upgrade begun, the latest last

    def reset(self) -> None:
        """Forget faults and records; running sessions go on."""
        self.faults = None
        self.sessions.clear()
        self.unbound.clear()
        self.refused = 0

    def expect(self, phone: Phone) -> None:
        """A call's media-socket upgrade begins now."""
        self.forget(phone)
        self._waiting.append(phone)
        self._live.append(phone)

    def forget(self, phone: Phone) -> None:
        """The call's stream is over, or never came to be."""
        self._settle(phone)
        if phone in self._live:
            self._live.remove(phone)

    def _settle(self, phone: Phone) -> None:
        """The call wants no session now."""
        for phones in (self._waiting, self._lost):
            if phone in phones:
                phones.remove(phone)

    def ended(self, phone: Phone) -> None:
        """The call is over and reported."""
        self.forget(phone)
        self._bindings.pop(phone.call_sid, None)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await receive()  # websocket.connect
        phone = self._caller(header(scope, "x-client-request-id"))
        binding = self._binding(phone)
        status = binding.trouble.refusal()
        if status is not None:
            self.refused += 1
            binding.log.event("realtime connection refused", status=status)
            await _refuse(send, status)
            return
        if phone is not None:
            self._settle(phone)
        subprotocol = "realtime" if "realtime" in scope.get("subprotocols", ()) else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        fatal = _fatal(scope, binding.trouble.faults)
        if fatal is not None:
            await self._turn_away(send, binding, *fatal)
            return
        session = Session(query(scope)["model"], binding)
        binding.sessions.append(session)
        self.sessions.append(session)
        binding.log.report.realtime_sessions += 1
        binding.log.event("realtime session begins", model=session.settings["model"])
        await _converse(session, receive, send)
        binding.log.event("realtime session ends")
        if phone is not None and phone.stream is not None and not phone.ended:
            self._lost.append(phone)

    def _caller(self, request_id: str | None) -> Phone | None:
        """Whose connection it is."""
        if request_id is not None:
            return next((phone for phone in self._live if _is_named(request_id, phone)), None)
        return next((phones[-1] for phones in (self._waiting, self._lost, self._live) if phones), None)

    async def _turn_away(self, send: Send, binding: Binding, code: str, message: str, close: int) -> None:
        error = {
            "type": "invalid_request_error",
            "code": code,
            "message": message,
            "param": None,
            "event_id": None,
        }
        binding.log.report.realtime_errors.append(error)
        binding.log.event("realtime connection closed", code=code)
        await send(
            {
                "type": "websocket.send",
                "text": _json({"type": "error", "event_id": "event_0", "error": error}),
            }
        )
        await send({"type": "websocket.close", "code": close, "reason": f"invalid_request_error.{code}"})

    def _binding(self, phone: Phone | None) -> Binding:
        if phone is None:
            scenario = self.default_scenario or load("one_tool")
            report = CallReport(call_sid="", scenario=scenario.name)
            self.unbound.append(report)
            log = CallLog(report, Clock())
            return self._bind(scenario, log, None)
        known = self._bindings.get(phone.call_sid)
        if known is None:
            known = self._bindings[phone.call_sid] = self._bind(phone.order.scenario, phone.log, phone)
        if self.faults is not None and known.trouble.faults != self.faults:
            known.trouble = Trouble(self.faults)
        return known

    def _bind(self, scenario: Scenario, log: CallLog, phone: Phone | None) -> Binding:
        def note_said(text: str) -> None:
            if phone is not None and text not in phone.said:
                phone.said.append(text)

        def note_tool_call() -> None:
            if phone is not None and phone.caller.tool_call_at_ms is None:
                phone.caller.tool_call_at_ms = log.clock.now_ms()

        return Binding(
            scenario=scenario,
            log=log,
            trouble=Trouble(self.faults or scenario.faults),
            on_say=note_said,
            on_tool_call=note_tool_call,
            dialogue=Dialogue(scenario),
        )


def _is_named(request_id: str, phone: Phone) -> bool:
    """Whether the name of one of the call's streams begins the id of a request."""
    return any(stream.name and request_id.startswith(stream.name) for stream in phone.streams)


async def _converse(session: Session, receive: Receive, send: Send) -> None:
    """Move messages until either side ends it."""
    session.begin()
    writer = asyncio.create_task(_write(session, send))
    reader = asyncio.create_task(_read(session, receive))
    try:
        await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
        for task in (writer, reader):
            if task.done():
                task.result()  # a bug in the simulator must not look like the end of a session
    finally:
        session.end()
        for task in (writer, reader):
            task.cancel()
        await asyncio.gather(writer, reader, return_exceptions=True)


async def _read(session: Session, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return
        text = message.get("text")
        session.receive(text if text is not None else message["bytes"])


async def _write(session: Session, send: Send) -> None:
    with contextlib.suppress(OSError):  # the client is gone; the reader notices it too
        while True:
            entry = await session.outbox.get()
            if isinstance(entry, Close):
                if (
                    entry.code != 1006
                ):  # 1006: return without a close frame, and the server drops the connection
                    await send({"type": "websocket.close", "code": entry.code, "reason": entry.reason})
                return
            await send({"type": "websocket.send", "text": entry})


async def _refuse(send: Send, status: int) -> None:
    body = _json({"error": {"type": "server_error", "code": None, "message": "Simulated refusal."}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def _fatal(scope: Scope, faults: Faults) -> tuple[str, str, int] | None:
    """Error code, message and close code of a connection that is turned away after the handshake."""
    asked = query(scope)
    key = (header(scope, "authorization") or "").removeprefix("Bearer ").strip()
    if faults.close_4000_code is not None:
        return faults.close_4000_code, "Simulated.", 4000
    if header(scope, "openai-beta") is not None:
        message = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
        return "beta_api_shape_disabled", message, 4000
    if not key or key.startswith("sk-invalid"):
        return "invalid_api_key", "Incorrect API key provided.", 3000
    if "intent" in asked and asked["intent"] != "transcription":
        return "invalid_intent", f"Invalid intent: {asked['intent']}.", 4000
    if not asked.get("model"):
        return "missing_model", "You must provide a model parameter.", 4000
    if "realtime" not in asked["model"]:
        return "invalid_model", f'Model "{asked["model"]}" is not supported in realtime mode.', 4000
    return None


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()

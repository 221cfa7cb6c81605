"""A customer's MCP server: `/mcp/{options}`, streamable HTTP as revision 2025-11-25 has it, strict about every rule.

Options are joined by `+`; the ledger of what came is `GET /mcp/requests`. What it speaks: `sse` answers in event
streams, `stateless` gives no session ids, `modern` speaks revision 2026-07-28 alone, `dual` both, `old` the transport
of 2024-11-05 (`GET` opens the stream). What it lists: `many` 200 tools in pages of 60, `hostile` what nobody can use,
`empty` nothing, `repairs` what the stories' assistant asks. Whom it serves: `token-SECRET` wants that bearer
token. How `tools/call` goes: `slow-MS`, `drop`, `half`, `html`, `huge`, `status-CODE`, `error-CODE` (a JSON-RPC error), `is-error`, `wrong-id`, `input-required`,
`structured`, `picture`, `silent-stream` (a stream without an answer), `progress` (events before the answer),
`open` (the stream stays open after it), `put-off` (the answer comes on a later `GET`), `ends` (every session ends
after one call), `refuses-400` (an ended session is answered with 400 rather than 404). `slow-init-MS` and
`status-init-CODE` are the same for the opening of a session.
"""

import asyncio
import base64
import re
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from simulator.asgi import Receive, Scope, Send, header, read_body, respond, respond_json
from simulator.webhook import DEMO

JSON = dict[str, Any]

PREFIX: Final = "/mcp"
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
MODERN: Final = "2026-07-28"
_OLD: Final = "2024-11-05"
_META: Final = "io.modelcontextprotocol/"
_PAGE: Final = 60
_NO_SESSION_GIVEN: Final = -32000
_NO_SUCH_SESSION: Final = -32001
_HUGE: Final = 3_000_000
_REMEMBERED: Final = 1000

LOOKUP: Final[JSON] = {
    "name": "repairs.lookup",
    "title": "Repair status",
    "description": "Tells how far a repair is.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "ticket": {"type": "string", "description": "Four digits.", "x-mcp-header": "Ticket"},
            "details": {"type": "object", "properties": {"urgent": {"type": "boolean"}}},
        },
        "required": ["ticket"],
    },
}
BOOK: Final[JSON] = {
    "name": "book_appointment",
    "description": "Books one visit.",
    "inputSchema": {
        "type": "object",
        "properties": {"slot": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "required": ["slot"],
        "additionalProperties": False,
    },
}
# What the stories' assistant asks.
STATUS: Final[JSON] = {
    "name": "get_repair_status",
    "description": "Look up a repair by its ticket number.",
    "inputSchema": {
        "type": "object",
        "properties": {"ticket": {"type": "string"}, "include_price": {"type": "boolean"}},
        "required": ["ticket"],
    },
}
HOSTILE: Final[list[Any]] = [
    LOOKUP,
    "no tool",
    {"name": "", "inputSchema": {"type": "object"}},
    {"name": "no_schema"},
    {"name": "schema_is_text", "inputSchema": "object"},
    {"name": "wish", "inputSchema": {"type": "object", "properties": {"a": {"type": "wish"}}}},
    {"name": "far_too_wide", "inputSchema": {"anyOf": [{"const": n} for n in range(21_000)]}},
    {
        "name": "header_of_a_list",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}},
        },
    },
    {
        "name": "header_with_a_break",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"type": "string", "x-mcp-header": "A\r\nEvil: 1"}},
        },
    },
    {
        "name": "itself",
        "description": "D" * 20_000,
        "inputSchema": {
            "type": "object",
            "properties": {"next": {"$ref": "#"}},
        },
    },
    {
        "name": "refers_elsewhere",
        "inputSchema": {"type": "object", "properties": {"a": {"$ref": "https://elsewhere.example/a"}}},
    },
    {"name": "repairs.lookup", "description": "The second of its name.", "inputSchema": {"type": "object"}},
    {"name": "Straße / büchen", "inputSchema": {"type": "object"}},
]


@dataclass(slots=True)
class _Session:
    version: str
    ready: bool = False
    calls: int = 0
    ids: set[Any] = field(default_factory=set)
    put_off: dict[str, JSON] = field(default_factory=dict)
    stream: asyncio.Queue[JSON] = field(default_factory=asyncio.Queue)


class _RefusedError(Exception):
    """The request breaks a rule: the status and the JSON-RPC error that say so."""

    def __init__(self, why: str, *, status: int = 400, code: int = -32600, data: Any = None) -> None:
        super().__init__(why)
        self.status = status
        self.error = {"code": code, "message": why, **({"data": data} if data is not None else {})}


class Mcp:
    """The server. `requests` holds every request in order, with what was wrong with it; `texts` answers by tool."""

    def __init__(self) -> None:
        self.requests: deque[JSON] = deque(maxlen=_REMEMBERED)
        self.texts: dict[str, str] = {}
        self.sessions: dict[str, _Session] = {}

    def reset(self) -> None:
        """Forget requests, sessions and answers."""
        self.requests.clear()
        self.sessions.clear()
        self.texts.clear()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /mcp."""
        parts = [part for part in scope["path"].split("/") if part][1:]
        options = frozenset(parts[0].split("+")) if parts else frozenset()
        if parts == ["requests"]:
            await respond_json(send, list(self.requests))
            return
        raw = await read_body(receive)
        try:
            body: Any = orjson.loads(raw) if raw else None
        except orjson.JSONDecodeError:
            body = None
        request: JSON = {
            "at": time.time(),
            "method": scope["method"],
            "path": scope["path"],
            "headers": {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]},
            "body": body,
            "problem": "",
        }
        self.requests.append(request)
        exchange = _Exchange(self, scope, receive, send, options, body)
        try:
            await exchange.run()
        except _RefusedError as refused:
            request["problem"] = str(refused)
            # What is wrong with a session is said before the request is read.
            of_session = refused.error["code"] in (_NO_SESSION_GIVEN, _NO_SUCH_SESSION)
            request_id = None if of_session else exchange.request_id
            answer = {"jsonrpc": "2.0", "id": request_id, "error": refused.error}
            await respond_json(send, answer, status=refused.status)

    def called(self) -> list[JSON]:
        """The bodies of all calls of tools, in order."""
        bodies = [one["body"] for one in self.requests]
        return [body for body in bodies if isinstance(body, dict) and body.get("method") == "tools/call"]


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, server: Mcp, scope: Scope, receive: Receive, send: Send, options: frozenset[str], body: Any
    ) -> None:
        self._server = server
        self._scope = scope
        self._receive = receive
        self._send = send
        self._options = options
        self._body = body
        self.request_id = body.get("id") if isinstance(body, dict) else None

    async def run(self) -> None:
        """Answer it. Raises _RefusedError for whatever breaks a rule."""
        self._authorise()
        method = self._scope["method"]
        if "old" in self._options:
            await (self._old_stream() if method == "GET" else self._old_post())
        elif method == "POST":
            await self._post()
        elif method == "GET" and "put-off" in self._options:
            await self._fetch_later()
        elif method == "DELETE" and "modern" not in self._options:
            self._session()
            del self._server.sessions[self._header("mcp-session-id")]
            await respond(self._send, b"", status=204)
        else:
            raise _RefusedError(f"{method} is not served here", status=405)

    # --- rules ---

    def _header(self, name: str) -> str:
        return header(self._scope, name) or ""

    def _figure(self, name: str) -> str:
        """What follows the name in an option such as `slow-300`; empty without it."""
        found = (re.fullmatch(rf"{name}-(-?\w+)", one) for one in self._options)
        return next((one[1] for one in found if one), "")

    def _authorise(self) -> None:
        secret = self._figure("token")
        if secret and self._header("authorization") != f"Bearer {secret}":
            raise _RefusedError("not authorised", status=401)

    def _shape(self) -> JSON:
        body = self._body
        if self._header("content-type").partition(";")[0] != "application/json":
            raise _RefusedError("the content type is not application/json", status=415)
        accepted = self._header("accept")
        if "old" not in self._options and not all(
            one in accepted for one in ("application/json", "text/event-stream")
        ):
            raise _RefusedError("Accept must list application/json and text/event-stream", status=406)
        if (
            not isinstance(body, dict)
            or body.get("jsonrpc") != "2.0"
            or not isinstance(body.get("method"), str)
        ):
            raise _RefusedError("no JSON-RPC request", code=-32700)
        if "id" in body and not isinstance(body["id"], str | int):
            raise _RefusedError("the id is neither a text nor a number")
        return body

    def _session(self) -> _Session:
        known = self._server.sessions
        if "stateless" in self._options:
            if not self._header("mcp-protocol-version"):
                raise _RefusedError("MCP-Protocol-Version is missing")
            return _Session(self._header("mcp-protocol-version"), ready=True)
        given = self._header("mcp-session-id")
        if not given:
            raise _RefusedError("Mcp-Session-Id is missing", code=_NO_SESSION_GIVEN)
        if given not in known:
            raise _RefusedError(
                "no such session",
                status=400 if "refuses-400" in self._options else 404,
                code=_NO_SUCH_SESSION,
            )
        session = known[given]
        if self._header("mcp-protocol-version") != session.version:
            raise _RefusedError("MCP-Protocol-Version is not the one that was agreed on")
        return session

    def _check_modern(self, body: JSON) -> None:
        params = body.get("params") or {}
        meta = params.get("_meta") or {}
        version = self._header("mcp-protocol-version")
        if not version or version != meta.get(f"{_META}protocolVersion"):
            raise _RefusedError("MCP-Protocol-Version is missing or differs from the body", code=-32020)
        if version != MODERN:
            told = {"supported": [MODERN], "requested": version}
            raise _RefusedError("Unsupported protocol version", code=-32022, data=told)
        if self._header("mcp-method") != body["method"]:
            raise _RefusedError("Mcp-Method is missing or differs from the body", code=-32020)
        if not isinstance(meta.get(f"{_META}clientCapabilities"), dict):
            raise _RefusedError("clientCapabilities are missing", code=-32602)
        if body["method"] == "tools/call":
            if _decoded(self._header("mcp-name")) != params.get("name"):
                raise _RefusedError("Mcp-Name is missing or differs from the body", code=-32020)
            ticket = (params.get("arguments") or {}).get("ticket")
            if params.get("name") == LOOKUP["name"] and _decoded(self._header("mcp-param-ticket")) != ticket:
                raise _RefusedError("Mcp-Param-Ticket is missing or differs from the body", code=-32020)

    # --- streamable HTTP ---

    async def _post(self) -> None:
        body = self._shape()
        method = body["method"]
        modern = self._options & {"modern", "dual"} and f"{_META}protocolVersion" in (
            (body.get("params") or {}).get("_meta") or {}
        )
        if "modern" in self._options or modern:
            self._check_modern(body)
            await self._answer(self._result(body, modern=True), session=None)
        elif method == "initialize":
            await self._initialize(body)
        elif method == "notifications/initialized":
            self._session().ready = True
            await respond(self._send, b"", status=202)
        else:
            session = self._session()
            if not session.ready:
                raise _RefusedError("notifications/initialized has not come")
            if self.request_id in session.ids:
                raise _RefusedError("the id was used before in this session")
            session.ids.add(self.request_id)
            await self._answer(self._result(body, modern=False), session=session)

    async def _initialize(self, body: JSON) -> None:
        params = body.get("params") or {}
        if self._header("mcp-session-id") or not params.get("clientInfo") or "capabilities" not in params:
            raise _RefusedError("a session is opened without an id, with clientInfo and capabilities")
        if self._figure("status-init"):
            await respond(self._send, b"", status=int(self._figure("status-init")))
            return
        await asyncio.sleep(float(self._figure("slow-init") or 0) / 1000)
        version = params["protocolVersion"] if params.get("protocolVersion") in LEGACY else LEGACY[0]
        lines: tuple[tuple[bytes, bytes], ...] = ()
        if "stateless" not in self._options:
            session_id = uuid.uuid4().hex
            self._server.sessions[session_id] = _Session(version)
            lines = ((b"mcp-session-id", session_id.encode()),)
        result = {
            "protocolVersion": version,
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "Simulated", "version": "1"},
        }
        message = self._message(result)
        if "sse" in self._options:
            await respond(self._send, _event(message), content_type="text/event-stream", headers=lines)
        else:
            await respond(self._send, orjson.dumps(message), headers=lines)

    def _message(self, result: JSON) -> JSON:
        return {"jsonrpc": "2.0", "id": self.request_id, "result": result}

    def _result(self, body: JSON, *, modern: bool) -> JSON:
        done = {"resultType": "complete"} if modern else {}
        params = body.get("params") or {}
        match body["method"]:
            case "server/discover" if modern:
                return {**done, "supportedVersions": [MODERN], "capabilities": {"tools": {}}}
            case "tools/list":
                return {**done, **self._page(params)}
            case "tools/call":
                return {**done, **self._call(params)}
            case _:
                raise _RefusedError("Method not found", status=404 if modern else 200, code=-32601)

    def _tools(self) -> list[Any]:
        if "many" in self._options:
            return [{**BOOK, "name": f"tool.{n}"} for n in range(200)]
        if "hostile" in self._options:
            return HOSTILE
        if "repairs" in self._options:
            return [STATUS]
        return [] if "empty" in self._options else [LOOKUP, BOOK]

    def _page(self, params: JSON) -> JSON:
        tools, begin = self._tools(), int(params.get("cursor") or 0)
        more = {"nextCursor": str(begin + _PAGE)} if begin + _PAGE < len(tools) else {}
        return {"tools": tools[begin : begin + _PAGE], **more}

    def _call(self, params: JSON) -> JSON:
        tool = next((one for one in (LOOKUP, BOOK, STATUS) if one["name"] == params.get("name")), None)
        arguments = params.get("arguments")
        if tool is None:
            raise _RefusedError(f"Unknown tool: {params.get('name')}", status=200, code=-32602)
        if not isinstance(arguments, dict) or set(tool["inputSchema"]["required"]) - arguments.keys():
            raise _RefusedError("the arguments do not fit", status=200, code=-32602)
        if self._figure("error"):
            raise _RefusedError("simulated", status=200, code=int(self._figure("error")))
        text = (
            self._server.texts.get(tool["name"])
            or {
                LOOKUP["name"]: f"Ticket {arguments.get('ticket')} waits for parts.",
                BOOK["name"]: f"Booked {arguments.get('slot')}.",
                STATUS["name"]: orjson.dumps(DEMO[STATUS["name"]]).decode(),
            }[tool["name"]]
        )
        return self._bent(text)

    def _bent(self, text: str) -> JSON:
        content: list[JSON] = [{"type": "text", "text": text}]
        if "input-required" in self._options:
            return {"resultType": "input_required", "inputRequests": {}}
        if "structured" in self._options:
            return {"content": [], "structuredContent": {"said": text}, "isError": False}
        if "picture" in self._options:
            content += [
                {"type": "image", "data": "AAAA", "mimeType": "image/png"},
                {"type": "resource_link", "uri": "https://files.example/plan.pdf", "name": "plan.pdf"},
                {"type": "resource", "resource": {"uri": "note://1", "text": "Ring twice."}},
            ]
        if "huge" in self._options:
            content = [{"type": "text", "text": "x" * _HUGE}]
        return {"content": content, "isError": "is-error" in self._options}

    async def _answer(self, result: JSON, *, session: _Session | None) -> None:
        message = self._message(result)
        is_call = self._body["method"] == "tools/call"
        if is_call:
            if session is not None:
                session.calls += 1
            if "ends" in self._options:
                self._server.sessions.pop(self._header("mcp-session-id"), None)
            if await self._broken():
                return
            if "wrong-id" in self._options:
                message["id"] = "somebody-elses"
            if "put-off" in self._options and session is not None:
                session.put_off["event-1"] = message
                first = b"retry: 50\nid: event-1\ndata:\n\n: later\n\n"
                await respond(self._send, first, content_type="text/event-stream")
                return
        if self._options & {"sse", "progress", "open"}:
            await self._stream(message, is_call=is_call)
        else:
            await respond_json(self._send, message)

    async def _broken(self) -> bool:
        """Whether the call was answered, or left, in some broken way."""
        await asyncio.sleep(float(self._figure("slow") or 0) / 1000)
        if "drop" in self._options:
            transport = getattr(getattr(self._receive, "__self__", None), "transport", None)
            if transport is not None:
                transport.abort()
        elif "half" in self._options:
            lines = [(b"content-type", b"application/json"), (b"content-length", b"500")]
            await self._send({"type": "http.response.start", "status": 200, "headers": lines})
            await self._send({"type": "http.response.body", "body": b'{"jsonrpc": "2.', "more_body": True})
        elif "html" in self._options:
            await respond(self._send, b"<html>Bad gateway</html>", content_type="text/html")
        elif self._figure("status"):
            await respond(self._send, b"Simulated.", status=int(self._figure("status")))
        elif "silent-stream" in self._options:
            await respond(self._send, b": nothing\n\n", content_type="text/event-stream")
        else:
            return False
        return True

    async def _stream(self, message: JSON, *, is_call: bool) -> None:
        lines = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        await self._send({"type": "http.response.start", "status": 200, "headers": lines})
        if is_call and "progress" in self._options:
            for n in range(3):
                told = {"progressToken": "t", "progress": n}
                note = {"jsonrpc": "2.0", "method": "notifications/progress", "params": told}
                await self._part(b": keep-alive\r\n\r\n" + _event(note, end=b"\r\n"))
            await self._part(_event({"jsonrpc": "2.0", "id": 7, "method": "ping"}))
        whole = _event(message)
        # Cut in the middle, as networks do.
        await self._part(whole[:25])
        await self._part(whole[25:])
        if is_call and "open" in self._options:
            await asyncio.sleep(30)
        await self._send({"type": "http.response.body", "body": b""})

    async def _part(self, content: bytes) -> None:
        await self._send({"type": "http.response.body", "body": content, "more_body": True})
        await asyncio.sleep(0.01)

    async def _fetch_later(self) -> None:
        session = self._session()
        if self._header("accept") != "text/event-stream":
            raise _RefusedError("Accept must be text/event-stream", status=406)
        message = session.put_off.pop(self._header("last-event-id"), None)
        if message is None:
            raise _RefusedError("no stream has this event", status=404)
        await respond(self._send, _event(message), content_type="text/event-stream")

    # --- the transport of 2024-11-05 ---

    async def _old_stream(self) -> None:
        session_id = uuid.uuid4().hex
        session = self._server.sessions[session_id] = _Session(_OLD)
        await self._send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        where = "http://elsewhere.example/mcp" if "elsewhere" in self._options else self._scope["path"]
        await self._part(f"event: endpoint\ndata: {where}?session={session_id}\n\n".encode())
        leaver: asyncio.Future[Any] = asyncio.ensure_future(self._receive())
        try:
            while not leaver.done():
                waiting = asyncio.ensure_future(session.stream.get())
                await asyncio.wait({waiting, leaver}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    return
                await self._part(b"event: message\n" + _event(waiting.result()))
        finally:
            leaver.cancel()
            self._server.sessions.pop(session_id, None)

    async def _old_post(self) -> None:
        body = self._shape()
        given = parse_qs(self._scope["query_string"].decode("latin-1")).get("session", [""])[0]
        session = self._server.sessions.get(given)
        if session is None:
            raise _RefusedError("no such session", status=404)
        if self._figure("status") and body["method"] == "tools/call":
            raise _RefusedError("simulated", status=int(self._figure("status")))
        await respond(self._send, b"Accepted", status=202, content_type="text/plain")
        if body["method"] == "initialize":
            result = {"protocolVersion": _OLD, "capabilities": {"tools": {}}, "serverInfo": {"name": "Old"}}
            session.stream.put_nowait(self._message(result))
        elif body["method"] == "notifications/initialized":
            session.ready = True
        elif not session.ready:
            raise _RefusedError("notifications/initialized has not come")
        elif "silent-stream" not in self._options or body["method"] != "tools/call":
            await asyncio.sleep(float(self._figure("slow") or 0) / 1000)
            try:
                session.stream.put_nowait(self._message(self._result(body, modern=False)))
            except _RefusedError as refused:
                session.stream.put_nowait({"jsonrpc": "2.0", "id": self.request_id, "error": refused.error})


def _event(message: JSON, *, end: bytes = b"\n") -> bytes:
    return b"event: message" + end + b"data: " + orjson.dumps(message) + end + end


def _decoded(value: str) -> str:
    found = re.fullmatch(r"=\?base64\?(.*)\?=", value)
    return base64.b64decode(found[1]).decode() if found else value

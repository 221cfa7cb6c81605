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
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from simulator.asgi import Receive, Scope, Send, read_body, respond, respond_json
from simulator.mcp_rules import META, MODERN, Asked, RefusedError
from simulator.mcp_tools import JSON, answer_of, tool_named, tools_listed

PREFIX: Final = "/mcp"
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
_OLD: Final = "2024-11-05"
_PAGE: Final = 60
_NO_SESSION_GIVEN: Final = -32000
_NO_SUCH_SESSION: Final = -32001
_HUGE: Final = 3_000_000
_OPEN_S: Final = 600.0  # that a stream stays open after the answer: longer than anybody has patience
_REMEMBERED: Final = 1000


@dataclass(slots=True)
class _Session:
    version: str
    ready: bool = False
    calls: int = 0
    ids: set[Any] = field(default_factory=set)
    put_off: dict[str, JSON] = field(default_factory=dict)
    stream: asyncio.Queue[JSON] = field(default_factory=asyncio.Queue)


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
        asked = Asked(scope, options, body)
        try:
            await _Exchange(self, asked, receive, send).run()
        except RefusedError as refused:
            request["problem"] = str(refused)
            # What is wrong with a session is said before the request is read.
            of_session = refused.error["code"] in (_NO_SESSION_GIVEN, _NO_SUCH_SESSION)
            request_id = None if of_session else asked.id
            answer = {"jsonrpc": "2.0", "id": request_id, "error": refused.error}
            await respond_json(send, answer, status=refused.status)

    def called(self) -> list[JSON]:
        """The bodies of all calls of tools, in order."""
        bodies = [one["body"] for one in self.requests]
        return [body for body in bodies if isinstance(body, dict) and body.get("method") == "tools/call"]


class _Exchange:
    """One request and its answer."""

    def __init__(self, server: Mcp, asked: Asked, receive: Receive, send: Send) -> None:
        self._server = server
        self._asked = asked
        self._scope = asked.scope
        self._receive = receive
        self._send = send
        self._options = asked.options

    async def run(self) -> None:
        """Answer it. Raises RefusedError for whatever breaks a rule."""
        self._asked.authorise()
        method = self._scope["method"]
        if "old" in self._options:
            await (self._old_stream() if method == "GET" else self._old_post())
        elif method == "POST":
            await self._post()
        elif method == "GET" and "put-off" in self._options:
            await self._fetch_later()
        elif method == "DELETE" and "modern" not in self._options:
            self._session()
            del self._server.sessions[self._asked.header("mcp-session-id")]
            await respond(self._send, b"", status=204)
        else:
            raise RefusedError(f"{method} is not served here", status=405)

    def _session(self) -> _Session:
        known = self._server.sessions
        if "stateless" in self._options:
            if not self._asked.header("mcp-protocol-version"):
                raise RefusedError("MCP-Protocol-Version is missing")
            return _Session(self._asked.header("mcp-protocol-version"), ready=True)
        given = self._asked.header("mcp-session-id")
        if not given:
            raise RefusedError("Mcp-Session-Id is missing", code=_NO_SESSION_GIVEN)
        if given not in known:
            raise RefusedError(
                "no such session",
                status=400 if "refuses-400" in self._options else 404,
                code=_NO_SUCH_SESSION,
            )
        session = known[given]
        if self._asked.header("mcp-protocol-version") != session.version:
            raise RefusedError("MCP-Protocol-Version is not the one that was agreed on")
        return session

    # --- streamable HTTP ---

    async def _post(self) -> None:
        body = self._asked.shape()
        method = body["method"]
        modern = self._options & {"modern", "dual"} and f"{META}protocolVersion" in (
            (body.get("params") or {}).get("_meta") or {}
        )
        if "modern" in self._options or modern:
            self._asked.check_modern(body)
            await self._answer(self._result(body, modern=True), session=None)
        elif method == "initialize":
            await self._initialize(body)
        elif method == "notifications/initialized":
            self._session().ready = True
            await respond(self._send, b"", status=202)
        else:
            session = self._session()
            if not session.ready:
                raise RefusedError("notifications/initialized has not come")
            if self._asked.id in session.ids:
                raise RefusedError("the id was used before in this session")
            session.ids.add(self._asked.id)
            await self._answer(self._result(body, modern=False), session=session)

    async def _initialize(self, body: JSON) -> None:
        params = body.get("params") or {}
        if (
            self._asked.header("mcp-session-id")
            or not params.get("clientInfo")
            or "capabilities" not in params
        ):
            raise RefusedError("a session is opened without an id, with clientInfo and capabilities")
        if self._asked.figure("status-init"):
            await respond(self._send, b"", status=int(self._asked.figure("status-init")))
            return
        await asyncio.sleep(float(self._asked.figure("slow-init") or 0) / 1000)
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
        return {"jsonrpc": "2.0", "id": self._asked.id, "result": result}

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
                raise RefusedError("Method not found", status=404 if modern else 200, code=-32601)

    def _tools(self) -> list[Any]:
        return tools_listed(self._options)

    def _page(self, params: JSON) -> JSON:
        tools, begin = self._tools(), int(params.get("cursor") or 0)
        more = {"nextCursor": str(begin + _PAGE)} if begin + _PAGE < len(tools) else {}
        return {"tools": tools[begin : begin + _PAGE], **more}

    def _call(self, params: JSON) -> JSON:
        tool = tool_named(params.get("name"))
        arguments = params.get("arguments")
        if tool is None:
            raise RefusedError(f"Unknown tool: {params.get('name')}", status=200, code=-32602)
        if not isinstance(arguments, dict) or set(tool["inputSchema"]["required"]) - arguments.keys():
            raise RefusedError("the arguments do not fit", status=200, code=-32602)
        if self._asked.figure("error"):
            raise RefusedError("simulated", status=200, code=int(self._asked.figure("error")))
        text = self._server.texts.get(tool["name"]) or answer_of(tool, arguments)
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
        is_call = self._asked.body["method"] == "tools/call"
        if is_call:
            if session is not None:
                session.calls += 1
            if "ends" in self._options:
                self._server.sessions.pop(self._asked.header("mcp-session-id"), None)
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
        await asyncio.sleep(float(self._asked.figure("slow") or 0) / 1000)
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
        elif self._asked.figure("status"):
            await respond(self._send, b"Simulated.", status=int(self._asked.figure("status")))
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
            await asyncio.sleep(_OPEN_S)
        await self._send({"type": "http.response.body", "body": b""})

    async def _part(self, content: bytes) -> None:
        await self._send({"type": "http.response.body", "body": content, "more_body": True})
        await asyncio.sleep(0.01)

    async def _fetch_later(self) -> None:
        session = self._session()
        if self._asked.header("accept") != "text/event-stream":
            raise RefusedError("Accept must be text/event-stream", status=406)
        message = session.put_off.pop(self._asked.header("last-event-id"), None)
        if message is None:
            raise RefusedError("no stream has this event", status=404)
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
        body = self._asked.shape()
        given = parse_qs(self._scope["query_string"].decode("latin-1")).get("session", [""])[0]
        session = self._server.sessions.get(given)
        if session is None:
            raise RefusedError("no such session", status=404)
        if self._asked.figure("status") and body["method"] == "tools/call":
            raise RefusedError("simulated", status=int(self._asked.figure("status")))
        await respond(self._send, b"Accepted", status=202, content_type="text/plain")
        if body["method"] == "initialize":
            result = {"protocolVersion": _OLD, "capabilities": {"tools": {}}, "serverInfo": {"name": "Old"}}
            session.stream.put_nowait(self._message(result))
        elif body["method"] == "notifications/initialized":
            session.ready = True
        elif not session.ready:
            raise RefusedError("notifications/initialized has not come")
        elif "silent-stream" not in self._options or body["method"] != "tools/call":
            await asyncio.sleep(float(self._asked.figure("slow") or 0) / 1000)
            try:
                session.stream.put_nowait(self._message(self._result(body, modern=False)))
            except RefusedError as refused:
                session.stream.put_nowait({"jsonrpc": "2.0", "id": self._asked.id, "error": refused.error})


def _event(message: JSON, *, end: bytes = b"\n") -> bytes:
    return b"event: message" + end + b"data: " + orjson.dumps(message) + end + end

"""Conversations with MCP servers, over the same safe HTTP as webhooks: streamable HTTP of both eras, and the old event stream.

At every point it is known whether ``tools/call`` can have left: what fails while a session is being opened is "not sent".
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from tools.auth.credentials import ServerAuth
from tools.clients import HttpAnswer, HttpRequest, ToolError
from tools.jsontext import json_text
from tools.mcp import protocol as mcp
from tools.mcp.sessions import Session, session_forget, session_keep, session_kept
from tools.snapshots import ToolSnapshot

Protocol = Literal["shttp", "sse"]
Ask = Callable[[HttpRequest], HttpAnswer]

PAGES_MAX = 50
TOOLS_MAX = 1_000
# How long to wait before a stream that was put off is asked for again: what the server says, within these.
_RESUME_PAUSES_S = (0.1, 2.0)
_HEADERS = {"Content-Type": b"application/json", "Accept": b"application/json, text/event-stream"}
_STREAM = {"Accept": b"text/event-stream"}
# What the usual servers say of a session that they do not know.
_NO_SESSION = -32001
# With these a server may say "not my kind of request"; with others it says something of this one request.
_OTHER_ERA = frozenset({400, 404, 405})


@dataclass(frozen=True, slots=True)
class Server:
    """Whom to ask. ``version`` is the protocol's that its list was fetched with, empty before that.

    ``headers`` go with every request; ``place`` is where its session is kept, empty for nowhere.
    """

    url: str = field(repr=False)
    protocol: Protocol = "shttp"
    version: str = ""
    headers: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    place: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One ``tools/call``. ``schema`` is the tool's own, which may want arguments repeated in headers."""

    request_id: str
    name: str
    arguments: Mapping[str, Any] = field(repr=False)
    schema: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def message(self, *, modern: bool) -> dict[str, Any]:
        """The call as a JSON-RPC request."""
        params = {"name": self.name, "arguments": dict(self.arguments)}
        return mcp.request("tools/call", params, request_id=self.request_id, modern=modern)


@dataclass(frozen=True, slots=True)
class Listing:
    """A server's tools as they came, and the version of the protocol in which it gave them."""

    version: str
    tools: list[Any] = field(repr=False)


class McpError(Exception):
    """The list cannot be had. The text is a clause for people, without URLs and secrets."""


class _ModernServerError(Exception):
    """The server that was taken for a legacy one is none."""


def mcp_server(tool: ToolSnapshot, auth: ServerAuth, *, call_id: str) -> Server:
    """The server behind a frozen tool, for one phone call."""
    told = tool.settings
    # With another URL or credential it is another session.
    whose = hashlib.sha256("\n".join([tool.server_url, *auth.to_json().values()]).encode()).hexdigest()[:16]
    return Server(
        url=tool.server_url,
        protocol="sse" if told.get("protocol") == "sse" else "shttp",
        version=str(told.get("protocolVersion") or ""),
        headers={"X-Call-Id": call_id.encode()},
        place=f"{call_id}:{whose}",
    )


def call_tool(server: Server, call: Call, *, ask: Ask) -> HttpAnswer:
    """The answer to the call: its JSON-RPC response where there is one, else whatever came. Raises ToolError.

    ``ask`` sends one request, convinces the server and keeps the deadline of the whole.
    """
    if server.protocol == "sse":
        return _call_on_old_stream(server, call, ask)
    kept = session_kept(server.place)
    if kept is not None:
        answer = _call_in(kept, server, call, ask)
        if not _session_is_over(answer, call):
            return answer
        # It was turned down for its session alone, so it is safe to send it in another.
        session_forget(server.place, kept)
    elif server.version == mcp.MODERN:
        return _call_modern_first(server, call, ask)
    try:
        session = _open(server, ask)
    except _ModernServerError:
        return _call_modern(server, call, ask)
    return _call_in(session, server, call, ask)


def list_tools(server: Server, *, ask: Ask) -> Listing:
    """All tools of the server, page by page. Raises McpError and ToolError."""
    pages = _Pages()
    if server.protocol == "sse":
        version = _list_on_old_stream(server, pages, ask)
    elif _is_modern(server, ask):
        version = mcp.MODERN
        _list_modern(server, pages, ask)
    else:
        version = _list_in_session(server, pages, ask)
    return Listing(version, pages.tools)


def new_id(prefix: str = "tandem") -> str:
    """An id for a JSON-RPC request that no other has."""
    return f"{prefix}.{secrets.token_hex(6)}"


# --- one request, one answer ---


def _call_modern_first(server: Server, call: Call, ask: Ask) -> HttpAnswer:
    answer = _call_modern(server, call, ask)
    error = mcp.error_find(mcp.messages_read(answer.body, answer.content_type), call.request_id)
    if answer.http_status not in _OTHER_ERA or not _is_of_other_era(error):
        return answer
    try:
        # It has turned down the form of the request, so nothing was done: perhaps it speaks the older one again.
        session = _open(server, ask)
    except (ToolError, _ModernServerError):
        return answer
    return _call_in(session, server, call, ask)


def _is_of_other_era(error: mcp.RpcError | None) -> bool:
    if error is None or not error.is_modern:
        return True
    return error.code == mcp.UNSUPPORTED_VERSION and bool(_supported(error) & mcp.LEGACY_KNOWN)


def _supported(error: mcp.RpcError) -> frozenset[str]:
    named = error.data.get("supported") if isinstance(error.data, dict) else None
    return frozenset(one for one in named if isinstance(one, str)) if isinstance(named, list) else frozenset()


def _call_modern(server: Server, call: Call, ask: Ask) -> HttpAnswer:
    headers = {
        **server.headers,
        **call.headers,
        **mcp.modern_headers("tools/call", name=call.name),
        **mcp.param_headers(call.schema, call.arguments),
    }
    return _post(server, call.message(modern=True), headers, ask)[0]


def _call_in(session: Session, server: Server, call: Call, ask: Ask) -> HttpAnswer:
    headers = {**server.headers, **call.headers, **mcp.legacy_headers(session.version, session.id)}
    answer, reader = _post(server, call.message(modern=False), headers, ask)
    if answer.http_status == 200 and reader.last_id and _reply(answer, call.request_id) is None:
        return _fetched_later(session, server, call, reader, ask) or answer
    return answer


def _fetched_later(
    session: Session, server: Server, call: Call, reader: mcp.EventReader, ask: Ask
) -> HttpAnswer | None:
    """The response from a stream that the server has put off, or None where it does not give it any more."""
    headers = {**server.headers, **mcp.legacy_headers(session.version, session.id), **_STREAM}
    shortest, longest = _RESUME_PAUSES_S
    while True:
        time.sleep(min(max((reader.retry_ms or 0) / 1000, shortest), longest))
        here = {**headers, "Last-Event-ID": reader.last_id.strip().encode()}
        again = _Awaited(call.request_id)
        again.reader.last_id, again.reader.retry_ms = reader.last_id, reader.retry_ms
        try:
            answer = ask(HttpRequest("GET", server.url, None, here, enough=again.enough))
        except ToolError as exc:
            why = f"its server has put off the answer, and {exc.why}"
            raise ToolError(code="timeout", why=why, sent=True, late=True, steps=exc.steps) from exc
        answer = _only_reply(answer, call.request_id)
        if _reply(answer, call.request_id) is not None:
            return answer
        if answer.http_status != 200 or not mcp.is_event_stream(answer.content_type):
            return None
        reader = again.reader


class _Awaited:
    """Watches a stream for the response to one request."""

    def __init__(self, request_id: str) -> None:
        self.reader = mcp.EventReader()
        self._request_id = request_id

    def enough(self, chunk: bytes) -> bool:
        """Whether the response is in; its server may leave the stream open for long."""
        messages = [message for event in self.reader.feed(chunk) for message in mcp.event_messages(event)]
        return mcp.reply_find(messages, self._request_id) is not None


def _post(
    server: Server, message: dict[str, Any], headers: Mapping[str, bytes], ask: Ask
) -> tuple[HttpAnswer, mcp.EventReader]:
    """The answer to one message, cut down to its response where there is one."""
    awaited = _Awaited(str(message.get("id", "")))
    body = json_text(message).encode()
    answer = ask(HttpRequest("POST", server.url, body, {**headers, **_HEADERS}, enough=awaited.enough))
    return _only_reply(answer, str(message.get("id", ""))), awaited.reader


def _only_reply(answer: HttpAnswer, request_id: str) -> HttpAnswer:
    for message in mcp.messages_read(answer.body, answer.content_type):
        if message.get("id") == request_id and mcp.is_reply(message):
            return _as_answer(answer, message)
    return answer


def _as_answer(answer: HttpAnswer, message: dict[str, Any]) -> HttpAnswer:
    return HttpAnswer(
        http_status=answer.http_status,
        content_type="application/json",
        body=json_text(message).encode(),
        elapsed_ms=answer.elapsed_ms,
        headers=answer.headers,
        steps=answer.steps,
    )


def _reply(answer: HttpAnswer, request_id: str) -> mcp.Reply | None:
    return mcp.reply_find(mcp.messages_read(answer.body, answer.content_type), request_id)


# --- legacy sessions ---


def _open(server: Server, ask: Ask) -> Session:
    """A new session. Raises ToolError, never with ``sent``, and _ModernServerError."""
    request_id = new_id()
    try:
        answer, _ = _post(server, mcp.initialize(request_id), server.headers, ask)
        session = _session(answer, request_id)
        headers = {**server.headers, **mcp.legacy_headers(session.version, session.id)}
        _post(
            server, mcp.initialized(), headers, ask
        )  # whatever it says to that, the next request tells more
    except ToolError as exc:
        raise _not_opened(exc) from exc
    session_keep(server.place, session)
    return session


def _session(answer: HttpAnswer, request_id: str) -> Session:
    reply = _reply(answer, request_id)
    if answer.http_status >= 400 or reply is None:
        error = mcp.error_find(mcp.messages_read(answer.body, answer.content_type), request_id)
        if error is not None and error.is_modern:
            raise _ModernServerError
        raise _refusal(answer)
    version = _version(reply)
    given = next((text for name, text in answer.headers.items() if name.lower() == "mcp-session-id"), "")
    return Session(version, mcp.session_id_read(given))


def _version(reply: mcp.Reply) -> str:
    """The version that the server has chosen for a session."""
    if reply.error is not None:
        if reply.error.is_modern:
            raise _ModernServerError
        raise _unsent("session_refused", "it answered the opening of a session with an error")
    version = reply.result.get("protocolVersion")
    if version not in mcp.LEGACY_KNOWN:
        raise _unsent("protocol_version", "it speaks no version of the protocol that is known here")
    return str(version)


def _refusal(answer: HttpAnswer) -> ToolError:
    status = answer.http_status
    if status >= 400:
        return _unsent("http_error", f"it answered with HTTP status {status}", http_status=status)
    return _unsent("not_mcp", "it does not answer as an MCP server does", http_status=status)


def _unsent(code: str, why: str, *, http_status: int | None = None) -> ToolError:
    return ToolError(code=code, why=why, sent=False, http_status=http_status)


def _not_opened(exc: ToolError) -> ToolError:
    """The error for the call that was to follow: whatever became of the opening, the call itself was not sent."""
    if not exc.sent and exc.code in ("expired", "breaker_open"):
        return exc
    return ToolError(
        code=exc.code,
        why=f"no session could be opened, since {exc.why}",
        sent=False,
        http_status=exc.http_status,
        late=exc.late,
        steps=exc.steps,
    )


def _session_is_over(answer: HttpAnswer, call: Call) -> bool:
    """Whether a request was turned down because the server does not know its session any more.

    The protocol's word for it is 404; many servers say 400, then without an answer to this very request.
    """
    if answer.http_status == 404:
        return True
    if answer.http_status != 400:
        return False
    reply = _reply(answer, call.request_id)
    return reply is None or (reply.error is not None and reply.error.code == _NO_SESSION)


# --- lists ---


class _Pages:
    """The pages of a list, asked for one after the other."""

    def __init__(self) -> None:
        self.tools: list[Any] = []
        self._asked = 0
        self._request_id = ""

    def following(self, reply: mcp.Reply | None, *, modern: bool = False) -> dict[str, Any] | None:
        """The request for the next page, after this reply; None after the last. Raises McpError."""
        cursor = ""
        if reply is not None:
            if reply.error is not None:
                raise McpError(f'its server refused the list: "{reply.error.message[:200]}"')
            page, cursor = mcp.tools_page(reply.result)
            self.tools += page
            if not cursor:
                return None
        self._asked += 1
        if self._asked > PAGES_MAX or len(self.tools) > TOOLS_MAX:
            raise McpError(f"its list does not end after {len(self.tools)} tools")
        params = {"cursor": cursor} if cursor else {}
        self._request_id = new_id()
        return mcp.request("tools/list", params, request_id=self._request_id, modern=modern)


def _is_modern(server: Server, ask: Ask) -> bool:
    """Whether the server speaks the modern protocol. Raises McpError where it takes no credential or no known version."""
    request_id = new_id()
    message = mcp.request("server/discover", {}, request_id=request_id, modern=True)
    headers = {**server.headers, **mcp.modern_headers("server/discover")}
    answer, _ = _post(server, message, headers, ask)
    if answer.http_status in (401, 403):
        raise McpError(f"its server does not accept our credential (HTTP status {answer.http_status})")
    messages = mcp.messages_read(answer.body, answer.content_type)
    reply, error = mcp.reply_find(messages, request_id), mcp.error_find(messages, request_id)
    if error is not None and error.code == mcp.UNSUPPORTED_VERSION:
        if _supported(error) & mcp.LEGACY_KNOWN:
            return False
        raise McpError("its server speaks no version of the protocol that is known here")
    versions = reply.result.get("supportedVersions") if reply is not None else None
    return isinstance(versions, list) and mcp.MODERN in versions


def _list_modern(server: Server, pages: _Pages, ask: Ask) -> None:
    headers = {**server.headers, **mcp.modern_headers("tools/list")}
    message = pages.following(None, modern=True)
    while message is not None:
        answer, _ = _post(server, message, headers, ask)
        message = pages.following(_page_reply(answer, message["id"]), modern=True)


def _list_in_session(server: Server, pages: _Pages, ask: Ask) -> str:
    try:
        session = _open(server, ask)
    except _ModernServerError as exc:
        raise McpError("its server speaks no version of the protocol that is known here") from exc
    headers = {**server.headers, **mcp.legacy_headers(session.version, session.id)}
    message = pages.following(None)
    while message is not None:
        answer, _ = _post(server, message, headers, ask)
        message = pages.following(_page_reply(answer, message["id"]))
    if session.id:
        _close(server, headers, ask)
    return session.version


def _page_reply(answer: HttpAnswer, request_id: str) -> mcp.Reply:
    reply = _reply(answer, request_id)
    if reply is not None:
        return reply
    if answer.http_status >= 400:
        raise McpError(f"its server answered with HTTP status {answer.http_status}")
    raise McpError("its server does not answer as an MCP server does")


def _close(server: Server, headers: Mapping[str, bytes], ask: Ask) -> None:
    """End a session. A server need not allow that, and nothing hangs on it."""
    try:
        ask(HttpRequest("DELETE", server.url, None, headers))
    except ToolError:
        return


# --- the old event stream (revision 2024-11-05): requests are posted, and all answers come on one stream ---


def _call_on_old_stream(server: Server, call: Call, ask: Ask) -> HttpAnswer:
    def following(reply: mcp.Reply | None) -> dict[str, Any] | None:
        return call.message(modern=False) if reply is None else None

    stream = _OldStream(server, following, ask, headers=call.headers)
    answer = stream.run()
    return answer if stream.last is None else _as_answer(answer, stream.last)


def _list_on_old_stream(server: Server, pages: _Pages, ask: Ask) -> str:
    stream = _OldStream(server, pages.following, ask)
    answer = stream.run()
    if stream.last is None:
        raise McpError(f"its server answered with HTTP status {answer.http_status}")
    return stream.version


class _OldStream:
    """A conversation on one stream: whatever comes in decides what is posted next, in the thread that reads it.

    ``following`` gives the next request after a reply, None when nothing more is wanted.
    """

    def __init__(
        self,
        server: Server,
        following: Callable[[mcp.Reply | None], dict[str, Any] | None],
        ask: Ask,
        *,
        headers: Mapping[str, bytes] | None = None,
    ) -> None:
        self.version = ""
        self.last: dict[str, Any] | None = None
        self._server = server
        self._following = following
        self._ask = ask
        self._headers = {**server.headers, **(headers or {})}
        self._reader = mcp.EventReader()
        self._endpoint = ""
        self._awaited = ""
        self._refused: HttpAnswer | None = None
        self._error: McpError | None = None
        self._lock = threading.Lock()
        self._called = False
        self._given_up = False

    def run(self) -> HttpAnswer:
        """The answer that ended the conversation: the stream's own, or a refusal of what was posted.

        Raises ToolError, whose ``sent`` tells of what ``following`` gave, and what that raises.
        """
        request = HttpRequest(
            "GET", self._server.url, None, {**self._server.headers, **_STREAM}, enough=self._enough
        )
        try:
            answer = self._ask(request)
        except ToolError as exc:
            with self._lock:
                self._given_up = True
            if not self._called:
                raise _not_opened(exc) from exc
            raise ToolError(
                code=exc.code,
                why=exc.why,
                sent=True,
                # The stream's own 200 says nothing of the call.
                http_status=exc.http_status if exc.http_status != 200 else None,
                late=exc.late,
                steps=exc.steps,
            ) from exc
        if self._error is not None:
            raise self._error
        if self._refused is not None:
            return self._refused
        if self.last is None or self._awaited:
            raise self._broken_off(answer)
        return answer

    def _broken_off(self, answer: HttpAnswer) -> ToolError:
        if self._called:
            why = "the stream ended without an answer"
            return ToolError(code="connection_lost", why=why, sent=True, steps=answer.steps)
        return _not_opened(_refusal(answer))

    def _enough(self, chunk: bytes) -> bool:
        return any(self._take(event) for event in self._reader.feed(chunk))

    def _take(self, event: mcp.Event) -> bool:
        """Whether the conversation is over with this event."""
        if event.kind == "endpoint" and not self._endpoint:
            self._endpoint = _endpoint(self._server.url, event.data)
            self._awaited = new_id()
            return self._post(mcp.initialize(self._awaited, version=mcp.OLD_SSE))
        for message in mcp.event_messages(event):
            if message.get("id") == self._awaited and mcp.is_reply(message):
                return self._go_on(message)
        return False

    def _go_on(self, message: dict[str, Any]) -> bool:
        reply = mcp.reply_find([message], self._awaited)
        assert reply is not None
        self._awaited = ""
        if not self.version:
            try:
                self.version = _version(reply)
            except _ModernServerError:
                raise _unsent("protocol_version", "it does not speak the old protocol") from None
            if self._post(mcp.initialized()):
                return True
            return self._post_following(None)
        self.last = message
        return self._post_following(reply)

    def _post_following(self, reply: mcp.Reply | None) -> bool:
        try:
            message = self._following(reply)
        except McpError as exc:
            self._error = exc
            return True
        if message is None:
            return True
        with self._lock:
            if self._given_up:
                return True
            self._called = True
        self._awaited = message["id"]
        return self._post(message)

    def _post(self, message: dict[str, Any]) -> bool:
        """Send a message. True where it was refused, which ends the conversation."""
        headers = {**self._headers, **_HEADERS}
        if self.version:
            headers["MCP-Protocol-Version"] = self.version.encode()
        try:
            answer = self._ask(HttpRequest("POST", self._endpoint, json_text(message).encode(), headers))
        except ToolError as exc:
            if not exc.sent:
                self._called = False
            raise
        if answer.http_status < 400:
            return False
        if not self._called:
            raise _refusal(answer)
        self._refused = answer
        return True


def _endpoint(url: str, given: str) -> str:
    """Where to post, as the server's first event says. Credentials go along, so it must be the server's own."""
    try:
        found = urljoin(url, given.strip())
        if urlsplit(found)[:2] == urlsplit(url)[:2]:
            return found
    except ValueError:
        pass  # no URL at all
    raise _unsent("other_origin", "it wants requests sent to another server")

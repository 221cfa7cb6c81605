"""Conversations with MCP servers, over the same safe HTTP as webhooks: streamable HTTP of both eras, and the old event stream.

At every point it is known whether ``tools/call`` can have left: what fails while a session is being opened is "not sent".
"""

import time
from collections.abc import Mapping
from typing import Any

from tools.clients import HttpAnswer, HttpRequest, ToolError
from tools.jsontext import json_text
from tools.mcp import protocol as mcp
from tools.mcp.old_stream import call_on_old_stream, list_on_old_stream
from tools.mcp.servers import (
    HEADERS,
    STREAM,
    Ask,
    Call,
    Listing,
    McpError,
    ModernServerError,
    Server,
    as_answer,
    new_id,
    not_opened,
    refusal,
    version_chosen,
)
from tools.mcp.sessions import Session, session_forget, session_keep, session_kept

PAGES_MAX = 50
TOOLS_MAX = 1_000
# How long to wait before a stream that was put off is asked for again: what the server says, within these.
_RESUME_PAUSES_S = (0.1, 2.0)
# What the usual servers say of a session that they do not know.
_NO_SESSION = -32001
# With these a server may say "not my kind of request"; with others it says something of this one request.
_OTHER_ERA = frozenset({400, 404, 405})


def call_tool(server: Server, call: Call, *, ask: Ask) -> HttpAnswer:
    """The answer to the call: its JSON-RPC response where there is one, else whatever came. Raises ToolError.

    ``ask`` sends one request, convinces the server and keeps the deadline of the whole.
    """
    if server.protocol == "sse":
        return call_on_old_stream(server, call, ask)
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
    except ModernServerError:
        return _call_modern(server, call, ask)
    return _call_in(session, server, call, ask)


def list_tools(server: Server, *, ask: Ask) -> Listing:
    """All tools of the server, page by page. Raises McpError and ToolError."""
    pages = _Pages()
    if server.protocol == "sse":
        version = list_on_old_stream(server, pages.following, ask)
    elif _is_modern(server, ask):
        version = mcp.MODERN
        _list_modern(server, pages, ask)
    else:
        version = _list_in_session(server, pages, ask)
    return Listing(version, pages.tools)


# --- one request, one answer ---


def _call_modern_first(server: Server, call: Call, ask: Ask) -> HttpAnswer:
    answer = _call_modern(server, call, ask)
    error = mcp.error_find(mcp.messages_read(answer.body, answer.content_type), call.request_id)
    if answer.http_status not in _OTHER_ERA or not _is_of_other_era(error):
        return answer
    try:
        # It has turned down the form of the request, so nothing was done: perhaps it speaks the older one again.
        session = _open(server, ask)
    except (ToolError, ModernServerError):
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
    headers = {**server.headers, **mcp.legacy_headers(session.version, session.id), **STREAM}
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
    answer = ask(HttpRequest("POST", server.url, body, {**headers, **HEADERS}, enough=awaited.enough))
    return _only_reply(answer, str(message.get("id", ""))), awaited.reader


def _only_reply(answer: HttpAnswer, request_id: str) -> HttpAnswer:
    for message in mcp.messages_read(answer.body, answer.content_type):
        if message.get("id") == request_id and mcp.is_reply(message):
            return as_answer(answer, message)
    return answer


def _reply(answer: HttpAnswer, request_id: str) -> mcp.Reply | None:
    return mcp.reply_find(mcp.messages_read(answer.body, answer.content_type), request_id)


# --- legacy sessions ---


def _open(server: Server, ask: Ask) -> Session:
    """A new session. Raises ToolError, never with ``sent``, and ModernServerError."""
    request_id = new_id()
    try:
        answer, _ = _post(server, mcp.initialize(request_id), server.headers, ask)
        session = _session(answer, request_id)
        headers = {**server.headers, **mcp.legacy_headers(session.version, session.id)}
        _post(
            server, mcp.initialized(), headers, ask
        )  # whatever it says to that, the next request tells more
    except ToolError as exc:
        raise not_opened(exc) from exc
    session_keep(server.place, session)
    return session


def _session(answer: HttpAnswer, request_id: str) -> Session:
    reply = _reply(answer, request_id)
    if answer.http_status >= 400 or reply is None:
        error = mcp.error_find(mcp.messages_read(answer.body, answer.content_type), request_id)
        if error is not None and error.is_modern:
            raise ModernServerError
        raise refusal(answer)
    version = version_chosen(reply)
    given = next((text for name, text in answer.headers.items() if name.lower() == "mcp-session-id"), "")
    return Session(version, mcp.session_id_read(given))


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
    except ModernServerError as exc:
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

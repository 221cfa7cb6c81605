"""MCP's old event stream (revision 2024-11-05): requests are posted, and all answers come on one stream."""

import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from tools.clients import HttpAnswer, HttpRequest, ToolError
from tools.jsontext import json_text
from tools.mcp import protocol as mcp
from tools.mcp.servers import (
    HEADERS,
    STREAM,
    Ask,
    Call,
    McpError,
    ModernServerError,
    Server,
    as_answer,
    new_id,
    not_opened,
    refusal,
    unsent,
    version_chosen,
)

# The next request after a reply; None when nothing more is wanted.
Following = Callable[[mcp.Reply | None], dict[str, Any] | None]


def call_on_old_stream(server: Server, call: Call, ask: Ask) -> HttpAnswer:
    """The answer to a call. Raises ToolError."""

    def following(reply: mcp.Reply | None) -> dict[str, Any] | None:
        return call.message(modern=False) if reply is None else None

    stream = _OldStream(server, following, ask, headers=call.headers)
    answer = stream.run()
    return answer if stream.last is None else as_answer(answer, stream.last)


def list_on_old_stream(server: Server, following: Following, ask: Ask) -> str:
    """The version in which the list was given; ``following`` takes its pages. Raises McpError and ToolError."""
    stream = _OldStream(server, following, ask)
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
        following: Following,
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
            "GET", self._server.url, None, {**self._server.headers, **STREAM}, enough=self._enough
        )
        try:
            answer = self._ask(request)
        except ToolError as exc:
            with self._lock:
                self._given_up = True
            if not self._called:
                raise not_opened(exc) from exc
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
        return not_opened(refusal(answer))

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
                self.version = version_chosen(reply)
            except ModernServerError:
                raise unsent("protocol_version", "it does not speak the old protocol") from None
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
        headers = {**self._headers, **HEADERS}
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
            raise refusal(answer)
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
    raise unsent("other_origin", "it wants requests sent to another server")

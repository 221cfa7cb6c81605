"""MCP servers and calls of their tools, and how the opening of a conversation with one can fail."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tools.auth.credentials import ServerAuth
from tools.clients import HttpAnswer, HttpRequest, ToolError
from tools.jsontext import json_text
from tools.mcp import protocol as mcp
from tools.snapshots import ToolSnapshot

Protocol = Literal["shttp", "sse"]
Ask = Callable[[HttpRequest], HttpAnswer]

HEADERS: Final = {"Content-Type": b"application/json", "Accept": b"application/json, text/event-stream"}
STREAM: Final = {"Accept": b"text/event-stream"}


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


class ModernServerError(Exception):
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


def new_id(prefix: str = "tandem") -> str:
    """An id for a JSON-RPC request that no other has."""
    return f"{prefix}.{secrets.token_hex(6)}"


def as_answer(answer: HttpAnswer, message: dict[str, Any]) -> HttpAnswer:
    """The answer with this message of it alone."""
    return HttpAnswer(
        http_status=answer.http_status,
        content_type="application/json",
        body=json_text(message).encode(),
        elapsed_ms=answer.elapsed_ms,
        headers=answer.headers,
        steps=answer.steps,
    )


def version_chosen(reply: mcp.Reply) -> str:
    """The version that the server has chosen for a session."""
    if reply.error is not None:
        if reply.error.is_modern:
            raise ModernServerError
        raise unsent("session_refused", "it answered the opening of a session with an error")
    version = reply.result.get("protocolVersion")
    if version not in mcp.LEGACY_KNOWN:
        raise unsent("protocol_version", "it speaks no version of the protocol that is known here")
    return str(version)


def refusal(answer: HttpAnswer) -> ToolError:
    """The error for an answer that opens nothing."""
    status = answer.http_status
    if status >= 400:
        return unsent("http_error", f"it answered with HTTP status {status}", http_status=status)
    return unsent("not_mcp", "it does not answer as an MCP server does", http_status=status)


def unsent(code: str, why: str, *, http_status: int | None = None) -> ToolError:
    """An error before the call itself left."""
    return ToolError(code=code, why=why, sent=False, http_status=http_status)


def not_opened(exc: ToolError) -> ToolError:
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

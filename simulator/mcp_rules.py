"""What the simulated MCP server asks of each request by itself. What it asks of sessions is beside the sessions."""

import base64
import re
from dataclasses import dataclass
from typing import Any, Final

from simulator.asgi import Scope, header
from simulator.mcp_tools import JSON, LOOKUP

MODERN: Final = "2026-07-28"
META: Final = "io.modelcontextprotocol/"


class RefusedError(Exception):
    """The request breaks a rule: the status and the JSON-RPC error that say so."""

    def __init__(self, why: str, *, status: int = 400, code: int = -32600, data: Any = None) -> None:
        super().__init__(why)
        self.status = status
        self.error = {"code": code, "message": why, **({"data": data} if data is not None else {})}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, and the options of the server that it came to. Raises RefusedError for whatever breaks a rule."""

    scope: Scope
    options: frozenset[str]
    body: Any

    @property
    def id(self) -> Any:
        """The request's id, whatever it is."""
        return self.body.get("id") if isinstance(self.body, dict) else None

    def header(self, name: str) -> str:
        """The first header of that name, empty without one."""
        return header(self.scope, name) or ""

    def figure(self, name: str) -> str:
        """What follows the name in an option such as `slow-300`; empty without it."""
        found = (re.fullmatch(rf"{name}-(-?\w+)", one) for one in self.options)
        return next((one[1] for one in found if one), "")

    def authorise(self) -> None:
        """That it brings the bearer token, where one is wanted."""
        secret = self.figure("token")
        if secret and self.header("authorization") != f"Bearer {secret}":
            raise RefusedError("not authorised", status=401)

    def shape(self) -> JSON:
        """The body, which is a JSON-RPC request."""
        body = self.body
        if self.header("content-type").partition(";")[0] != "application/json":
            raise RefusedError("the content type is not application/json", status=415)
        accepted = self.header("accept")
        if "old" not in self.options and not all(
            one in accepted for one in ("application/json", "text/event-stream")
        ):
            raise RefusedError("Accept must list application/json and text/event-stream", status=406)
        if (
            not isinstance(body, dict)
            or body.get("jsonrpc") != "2.0"
            or not isinstance(body.get("method"), str)
        ):
            raise RefusedError("no JSON-RPC request", code=-32700)
        if "id" in body and not isinstance(body["id"], str | int):
            raise RefusedError("the id is neither a text nor a number")
        return body

    def check_modern(self, body: JSON) -> None:
        """That the headers repeat the body, as revision 2026-07-28 wants it."""
        params = body.get("params") or {}
        meta = params.get("_meta") or {}
        version = self.header("mcp-protocol-version")
        if not version or version != meta.get(f"{META}protocolVersion"):
            raise RefusedError("MCP-Protocol-Version is missing or differs from the body", code=-32020)
        if version != MODERN:
            told = {"supported": [MODERN], "requested": version}
            raise RefusedError("Unsupported protocol version", code=-32022, data=told)
        if self.header("mcp-method") != body["method"]:
            raise RefusedError("Mcp-Method is missing or differs from the body", code=-32020)
        if not isinstance(meta.get(f"{META}clientCapabilities"), dict):
            raise RefusedError("clientCapabilities are missing", code=-32602)
        if body["method"] == "tools/call":
            if _decoded(self.header("mcp-name")) != params.get("name"):
                raise RefusedError("Mcp-Name is missing or differs from the body", code=-32020)
            ticket = (params.get("arguments") or {}).get("ticket")
            if params.get("name") == LOOKUP["name"] and _decoded(self.header("mcp-param-ticket")) != ticket:
                raise RefusedError("Mcp-Param-Ticket is missing or differs from the body", code=-32020)


def _decoded(value: str) -> str:
    found = re.fullmatch(r"=\?base64\?(.*)\?=", value)
    return base64.b64decode(found[1]).decode() if found else value

"""The list of an MCP server's tools: fetched when somebody asks for it, kept with the server's row, frozen by publishing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from tools.auth import oauth
from tools.auth.credentials import OAuth2, ServerAuth, Signable, merged, oauth2_of
from tools.auth.headers import convincing_headers
from tools.clients import HttpAnswer, HttpRequest, ToolError, http_send
from tools.mcp import protocol as mcp
from tools.mcp.client import list_tools
from tools.mcp.servers import McpError, Protocol, Server
from tools.models import Tool
from tools.schemas import schema_problems
from tools.selectors import tool_auths
from tools.snapshots import MCP_LIST, mcp_list

# Somebody waits before a page.
FETCH_TIMEOUT_S = 20.0


class McpRefreshError(Exception):
    """The list was not renewed; the old one stands. The text is a sentence for people, without URLs and secrets."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A list that was fetched: the names of all its tools, what has come, gone or changed, and what is left out and why."""

    names: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def mcp_tools_refresh(*, tool: Tool, timeout_s: float = FETCH_TIMEOUT_S) -> Refreshed:
    """Fetch the server's list of tools and keep it. Raises McpRefreshError.

    Callers hear of it when the assistants that offer the server are published again.
    """
    if tool.kind != Tool.Kind.MCP:
        raise McpRefreshError("Only an MCP server has a list of tools.")
    if not tool.server_url:
        raise McpRefreshError("It has no server URL.")
    url = tool.server_url
    auth = tool_auths(tool_ids=[str(tool.pk)]).get(str(tool.pk), ServerAuth())
    kept = mcp_list_fetch(url, protocol_of(tool.settings), auth, timeout_s=timeout_s)
    names = {one["name"] for one in kept["tools"]}
    with transaction.atomic():
        row = Tool.objects.select_for_update(of=("self",)).only("settings", "server_url").get(pk=tool.pk)
        if row.server_url != url:
            raise McpRefreshError("Its server URL was changed meanwhile. Fetch the list again.")
        before = mcp_list(row)
        hidden = [name for name in before.get("hidden", []) if name in names]
        row.settings = {**row.settings, MCP_LIST: {**kept, "hidden": hidden}}
        row.save(update_fields=["settings", "updated_at"])
    tool.settings = row.settings
    return _compared(before.get("tools", []), kept)


def mcp_list_fetch(url: str, protocol: Protocol, auth: ServerAuth, *, timeout_s: float) -> dict[str, Any]:
    """What the server at this address tells of its tools, as it is kept among a tool's settings. Raises McpRefreshError."""
    try:
        listing = list_tools(Server(url=url, protocol=protocol), ask=_Asker(auth, timeout_s).ask)
    except McpError as exc:
        raise McpRefreshError(f"The list could not be fetched: {exc}.") from exc
    except ToolError as exc:
        raise McpRefreshError(f"The list could not be fetched: {exc.why}.") from exc
    listed, left_out = _sorted_out(listing.tools)
    if not listed:
        raise McpRefreshError("Its server lists no tool that can be offered.")
    return {
        "url": url,
        "protocolVersion": listing.version,
        "fetchedAt": timezone.now().isoformat(),
        "tools": [one.to_json() for one in listed],
        "leftOut": [{"name": name, "why": why} for name, why in left_out],
    }


def protocol_of(settings: Mapping[str, Any]) -> Protocol:
    """How a server with these settings is talked to."""
    metadata = settings.get("metadata")
    return "sse" if isinstance(metadata, dict) and metadata.get("protocol") == "sse" else "shttp"


def mcp_tools_hide(*, tool: Tool, names: set[str]) -> None:
    """Offer all tools of the server's list but these."""
    with transaction.atomic():
        row = Tool.objects.select_for_update(of=("self",)).only("settings", "server_url").get(pk=tool.pk)
        kept = mcp_list(row)
        if not kept:
            return
        hidden = [one["name"] for one in kept["tools"] if one["name"] in names]
        row.settings = {**row.settings, MCP_LIST: {**kept, "hidden": hidden}}
        row.save(update_fields=["settings", "updated_at"])
    tool.settings = row.settings


class _Asker:
    """Sends requests of ours that belong to no call, all of them within one deadline."""

    def __init__(self, auth: ServerAuth, timeout_s: float) -> None:
        self._auth = auth
        self._timeout_s = timeout_s
        self._until = time.monotonic() + timeout_s
        self._token = ""

    def ask(self, request: HttpRequest) -> HttpAnswer:
        """The answer. An OAuth2 token that the server turns down is renewed once."""
        renewable = not self._token
        answer = self._send(request)
        client = oauth2_of(self._auth)
        if answer.http_status == 401 and client is not None and renewable:
            oauth.access_token_refused(client, self._token)
            return self._send(request)
        return answer

    def _send(self, request: HttpRequest) -> HttpAnswer:
        signable = Signable(request.method, request.url, request.body or b"", "", timezone.now())
        convincing = convincing_headers(self._auth, signable, self._access_token)
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            why = f"it took more than {self._timeout_s:g} seconds"
            raise ToolError(code="timeout", why=why, sent=False, late=True)
        told = HttpRequest(
            request.method,
            request.url,
            request.body,
            merged(request.headers, convincing),
            enough=request.enough,
        )
        return http_send(told, timeout_s=left_s, send_within_s=left_s)

    def _access_token(self, client: OAuth2) -> str:
        self._token = oauth.access_token(client)
        return self._token


def _sorted_out(given: list[Any]) -> tuple[list[mcp.Listed], list[tuple[str, str]]]:
    """The tools that can be offered, and the others with the reason."""
    listed: list[mcp.Listed] = []
    left_out: list[tuple[str, str]] = []
    seen: set[str] = set()
    for number, raw in enumerate(given, start=1):
        one = mcp.tool_read(raw)
        name = raw.get("name") if isinstance(raw, dict) else None
        named = name[:100] if isinstance(name, str) and name else f"number {number}"
        if isinstance(one, str):
            left_out.append((named, one))
        elif one.name in seen:
            left_out.append((named, "another tool of the list has its name"))
        elif problems := schema_problems(one.schema):
            left_out.append((named, problems[0].removesuffix(".")))
        else:
            seen.add(one.name)
            listed.append(one)
    return listed, left_out


def _compared(before: list[dict[str, Any]], kept: Mapping[str, Any]) -> Refreshed:
    old, new = ({one["name"]: one for one in tools} for tools in (before, kept["tools"]))
    return Refreshed(
        names=tuple(new),
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in new if name in old and new[name] != old[name]),
        left_out=tuple((one["name"], one["why"]) for one in kept["leftOut"]),
    )

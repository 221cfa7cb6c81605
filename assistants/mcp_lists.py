"""The tools of MCP servers that stand inside what a program sends: asked for before anything is written.

A list that cannot be had is a reason to refuse, as it is when people publish.
"""

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from assistants.vapi.drafts import ToolDraft
from assistants.vapi.inline import inline_documents
from assistants.vapi.overrides import APPEND
from assistants.vapi.paths import value_at
from assistants.vapi.tool_fields import tool_translate
from tools.auth.credentials import ServerAuth
from tools.encryption import encrypt
from tools.mcp.lists import NO_TIME, Source, list_shared
from tools.mcp.services import McpRefreshError, mcp_tools_refresh, protocol_of
from tools.models import Tool
from tools.selectors import with_credential
from tools.snapshots import mcp_list

# For all the servers of one document together. Someone may be listening to it ring.
WAIT_S: Final = 5.0
_PARTS: Final = ("assistant", "assistantOverrides", "membersOverrides")


class ListsError(Exception):
    """Servers whose tools nobody knows; ``reasons`` are sentences."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__("tools of MCP servers are not known")
        self.reasons = list(reasons)


@dataclass(frozen=True, slots=True)
class McpLists:
    """What the servers of a document tell of their tools."""

    _found: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    def of(self, draft: ToolDraft) -> dict[str, Any] | None:
        """The list of the server that this tool stands for; None where it is none, or was not asked."""
        found = self._found.get(_same(draft)) if draft.fields["kind"] == Tool.Kind.MCP else None
        return {**found, "hidden": []} if found is not None else None

    def text(self) -> str:
        """All of it that calls hear of, as one text."""
        return json.dumps([[one["protocolVersion"], one["tools"]] for one in self._found.values()])


def lists_fetch(
    documents: Iterable[Mapping[str, Any]], *, known: Collection[str] = (), tools: Iterable[Tool] = ()
) -> McpLists:
    """The lists of all servers inside these documents, but for those at the ``known`` addresses.

    Stored servers among ``tools`` whose list nobody has fetched yet are asked too, and keep it. Call it outside of a
    transaction. Raises ListsError.
    """
    until = time.monotonic() + WAIT_S
    every = [each for document in documents for each in (document, *inline_documents(document))]
    drafts = {_same(one): one for document in every for one in _servers(document)}
    found: dict[str, Mapping[str, Any]] = {}
    reasons: list[str] = []
    for same, draft in drafts.items():
        url = str(draft.fields["server_url"])
        if url in known or not url:
            continue
        try:
            found[same] = list_shared(_source(draft, same), timeout_s=until - time.monotonic())
        except McpRefreshError as exc:
            reasons.append(f"The MCP server {draft.name}: {exc}")
    for tool in tools:
        if tool.kind == Tool.Kind.MCP and not mcp_list(tool):
            try:
                _refresh(tool, timeout_s=until - time.monotonic())
            except McpRefreshError as exc:
                reasons.append(f"The MCP server {tool.name}: {exc}")
    if reasons:
        raise ListsError(reasons)
    return McpLists(found)


def _refresh(tool: Tool, *, timeout_s: float) -> None:
    if timeout_s <= 0:
        raise McpRefreshError(NO_TIME)
    mcp_tools_refresh(tool=tool, timeout_s=timeout_s)


def _servers(document: Mapping[str, Any]) -> Iterator[ToolDraft]:
    """The MCP servers inside an assistant, overrides or a squad."""
    for path in (("model", "tools"), (APPEND,)):
        listed = value_at(document, path)
        for raw in listed if isinstance(listed, list) else ():
            if isinstance(raw, dict) and raw.get("type") == Tool.Kind.MCP:
                yield tool_translate(raw, key="", resolve=lambda _: None).draft()
    members = document.get("members")
    for holder in (document, *(members if isinstance(members, list) else ())):
        for name in _PARTS:
            part = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(part, dict):
                yield from _servers(part)


def _same(draft: ToolDraft) -> str:
    """A text that is the same for what the same server is asked with the same secrets."""
    settings = draft.fields["settings"]
    secrets = sorted(draft.secrets.items())
    return json.dumps([draft.fields["server_url"], protocol_of(settings), secrets, draft.credential_id])


def _source(draft: ToolDraft, same: str) -> Source:
    secret, headers = (draft.secrets.get(name, "") for name in ("server_secret", "server_headers"))
    auth = ServerAuth(encrypt(secret) if secret else "", encrypt(headers) if headers else "")
    if draft.credential_id:
        auth = with_credential(auth, vapi_id=draft.credential_id)
    text = json.dumps([same, auth.credential_id, auth.credential_token, auth.credential_hosts])
    return Source(str(draft.fields["server_url"]), protocol_of(draft.fields["settings"]), auth, text)

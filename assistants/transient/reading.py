"""What came with a call, as far as it can be read before anything is made of it; and what is to be said of it."""

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from assistants.api.checking import READ_ONLY, part_problems
from assistants.api.documents import objects_of, tools_of
from assistants.mcp_lists import ListsError, McpLists, lists_fetch
from assistants.models import Assistant
from assistants.transient.known import Surroundings
from assistants.transient.making import Draft, UnfitError, notes_of
from assistants.transient.once import Sent
from assistants.vapi.drafts import AssistantDraft, Drafts, Finding
from assistants.vapi.hiding import cleaned
from assistants.vapi.inline import inline_documents
from tools.encryption import stored_token
from tools.models import Tool

# What the key of an inline tool begins with: an assistant, or a squad's own one.
_OWNER: Final = re.compile(r"[^/]+/(members\[.*?\](#\d+)?/)?", re.DOTALL)
_MOST_NOTES: Final = 50

Document = Mapping[str, Any]


def given_read(kind: str, document: Document, at: str) -> dict[str, Any]:
    """The settings of a document. Raises UnfitError with what is wrong with it, which stands ``at`` that place in the body."""
    problems = part_problems(kind, document, at)
    if problems:
        raise UnfitError(problems)
    given: dict[str, Any] = cleaned(
        {name: value for name, value in document.items() if name not in READ_ONLY and value is not None}
    )
    return given


class Senders:
    """Makes documents ready to be told apart; the MCP servers that many of them name are looked up once."""

    def __init__(self) -> None:
        self._servers: dict[frozenset[uuid.UUID], list[Tool]] = {}

    def sent(self, given: Document, around: Surroundings, *beside: str) -> Sent:
        """The document, with all that decides what becomes of it. Raises UnfitError for tools that there are not."""
        missing = [one for one in _tool_ids(given) if one not in around.tools]
        if missing:
            raise UnfitError(f"Couldn't Get Tool. `toolId` {one[:60]} Does Not Exist." for one in missing)
        lists = self._lists(given, around)
        return Sent(given, (around.text(), lists.text(), *beside), lists)

    def _lists(self, given: Document, around: Surroundings) -> McpLists:
        """What the MCP servers offer that stand in a document, or that it names and nobody has asked yet."""
        named = frozenset(
            pk for key, pk in around.tools.items() if around.known_tools[key].kind == Tool.Kind.MCP
        )
        if named not in self._servers:
            self._servers[named] = list(Tool.objects.filter(pk__in=named)) if named else []
        try:
            return lists_fetch([given], tools=self._servers[named])
        except ListsError as exc:
            raise UnfitError(exc.reasons) from exc


def _tool_ids(value: Any) -> list[str]:
    """The ids in every ``model.toolIds`` of a document, and of those in its destinations."""
    every = [value, *inline_documents(value)]
    return list(dict.fromkeys(one for document in every for one in _own_tool_ids(document)))


def _own_tool_ids(value: Any) -> list[str]:
    if isinstance(value, list):
        return [one for item in value for one in _own_tool_ids(item)]
    if not isinstance(value, Mapping):
        return []
    model = value.get("model")
    ids = model.get("toolIds") if isinstance(model, Mapping) else None
    own = [one for one in (ids if isinstance(ids, list) else []) if isinstance(one, str)]
    below = [value.get(name) for name in ("members", "assistant", "assistantOverrides", "membersOverrides")]
    return [*own, *(one for item in below for one in _own_tool_ids(item))]


def tokens_of(assistant: Assistant) -> str:
    """The stored secrets of an assistant's server, sealed as they are: changed ones make another document."""
    columns = (stored_token("server_secret"), stored_token("server_headers"), "credential_id")
    return json.dumps(list(Assistant.every.filter(pk=assistant.pk).values_list(*columns)), default=str)


# --- Translated


def draft_of(assistant: AssistantDraft, drafts: Drafts, *owners: str) -> Draft:
    """An assistant among drafts, with its own tools."""
    return Draft(assistant, {tool.key: tool for tool in drafts.tools if tool.key in assistant.tools}, owners)


def drafts_inside(drafts: Drafts, key: str) -> dict[str, Draft]:
    """The assistants in destinations of tools of the document with this key, by their own keys."""
    return {
        one.key: draft_of(one, drafts, one.key)
        for one in drafts.assistants
        if one.key.startswith(f"{key}/") and "/destinations[" in one.key
    }


def tools_by_place(row: Assistant) -> dict[str, uuid.UUID]:
    """The rows of an assistant's tools, by place; the links and the objects behind them are prefetched."""
    found: dict[str, uuid.UUID] = {}
    for tool in tools_of(row):
        keys = [one.key for one in objects_of(tool)] or [str(tool.pk)]
        found |= {_OWNER.sub("", key, count=1): tool.pk for key in keys}
    return found


def notes_to_keep(drafts: Drafts, *, but: Iterable[str] = ()) -> list[str]:
    """What is to be said of a document, without what could be said before it."""
    return [one for one in notes_said(drafts) if one not in but][:_MOST_NOTES]


def notes_said(drafts: Drafts) -> list[str]:
    """All that can be said of drafts."""
    return notes_of(_findings(drafts))


def _findings(drafts: Drafts) -> list[tuple[str, Finding]]:
    own = [("", one) for draft in drafts.assistants for one in draft.findings]
    own += [("", one) for draft in drafts.squads for one in draft.findings]
    return [*own, *((f"{tool.name}.", one) for tool in drafts.tools for one in tool.findings)]

"""Creating, changing and deleting what programs send: an import of one object, in force at once."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from django.db import transaction
from django.db.models import ProtectedError, Q
from django.utils import timezone

from assistants.api import patching
from assistants.api.checking import body_problems, inline_tools
from assistants.api.documents import (
    Documents,
    Row,
    addresses_given_back,
    export_of,
    id_of,
    kind_of_row,
    objects_forget,
    rows_behind,
    settings_whole,
    source_of,
)
from assistants.api.parts import parts_publish, parts_require_few, parts_withdraw, publish_for
from assistants.api.selectors import MODELS, row_of
from assistants.api.uses import free_require
from assistants.api.withdrawing import document_withdraw
from assistants.api.writing import ClientWriter, as_uuid, run_of, writing
from assistants.imports.columns import column_read
from assistants.mcp_lists import ListsError, McpLists, lists_fetch
from assistants.models import (
    Assistant,
    AssistantTool,
    VapiObject,
)
from assistants.selectors import translated
from assistants.snapshots import draft_differs
from assistants.vapi.drafts import AssistantDraft, Drafts, ToolDraft
from assistants.vapi.exports import Item
from assistants.vapi.inline import changed_in, inline_documents
from assistants.vapi.overrides import APPEND
from assistants.vapi.paths import value_at
from tools.access.errors import ApiError
from tools.models import ApiKey, Tool
from tools.snapshots import mcp_list

# Where an MCP server may stand in a body.
_SERVERS: Final = frozenset({"model", "server", "type", "destinations", APPEND})


def object_create(kind: str, body: Mapping[str, Any], *, key: ApiKey) -> Row:
    """The new object, in force. Raises ApiError 400 with everything that is wrong with it."""
    given = patching.given(body)
    _check(kind, given)
    lists = _lists(kind, given)
    with writing():
        _adopt_mentioned(given, key)
        chosen = str(uuid.uuid4())
        row = _write(kind, chosen, _translated(kind, chosen, given, key), Drafts(), key, lists)
        if isinstance(row, Assistant):
            publish_for(row, key)
    return row


def object_change(kind: str, given_id: str, body: Mapping[str, Any], *, key: ApiKey) -> Row:
    """The object with these settings replaced, in force. What is null is taken out. Raises ApiError."""
    lists = _lists(kind, body, row_of(kind, given_id)) if body.keys() & _SERVERS else McpLists()
    with writing():
        row: Row = row_of(kind, given_id, lock=True)
        before = settings_whole(row)
        body = addresses_given_back(body, rows_behind(row))
        patch = patching.patch(body, before)
        known = {str(one.get("type")) for one in (before, *(tool for _, tool in inline_tools(before)))}
        typed = {"type": before.get("type")} if kind == "tool" and "type" not in patch else {}
        _check(kind, {**patch, **typed}, known=known)
        if not patching.changes(patch, before):
            return row
        after = patching.patched(before, patch)
        adopt(row, key)
        _adopt_mentioned(after, key, lost=_tool_ids(before))
        chosen = id_of(row_of(kind, given_id))
        differed = _live_users(row)
        was = _translated(kind, chosen, before, key)
        _write(kind, chosen, _translated(kind, chosen, after, key), was, key, lists)
        for user in differed:
            publish_for(user, key)
    return row


def object_delete(kind: str, given_id: str, *, key: ApiKey) -> None:
    """Take the object away. What calls ran on is kept, switched off, and given to no program any more.

    Raises ApiError 409 where something else needs it.
    """
    with writing():
        row = row_of(kind, given_id, lock=True)
        free_require(row)
        adopt(row, key)
        source = VapiObject.objects.filter(**{kind: row}).order_by("pk")[0]
        parts_withdraw(source.key)
        try:
            with transaction.atomic():
                AssistantTool.objects.filter(**{kind: row}).delete()
                row.delete()
                if source.raw.get("id") != source.key:
                    source.delete()
        except ProtectedError:
            if isinstance(row, Assistant):
                Assistant.objects.filter(pk=row.pk).update(enabled=False)
            document_withdraw(source, key=key)


# --- Parts


def _check(kind: str, body: dict[str, Any], *, known: Collection[str] = ()) -> None:
    problems = body_problems(kind, body, known=known)
    if kind == "tool" and not body.get("type"):
        problems.append("type should not be empty")
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)


def _translated(kind: str, chosen: str, settings: Mapping[str, Any], key: ApiKey) -> Drafts:
    """The object with its parts: the tools that stand inside it, and the assistants inside destinations of tools."""
    export = export_of(kind, chosen, settings)
    others = tuple(_named(one, key) for one in changed_in(settings) if one != chosen and _is_named(one))
    drafts = translated(replace(export, assistants=(*export.assistants, *others)))

    def is_own(draft: ToolDraft | AssistantDraft) -> bool:
        return draft.key == chosen or draft.key.startswith(f"{chosen}/")

    return replace(
        drafts,
        tools=tuple(filter(is_own, drafts.tools)),
        assistants=tuple(filter(is_own, drafts.assistants)),
    )


def _is_named(given: str) -> bool:
    """Whether programs know an assistant by that very id."""
    try:
        return id_of(row_of("assistant", given)) == given
    except ApiError:
        return False


def _named(given: str, key: ApiKey) -> Item:
    """An assistant that a destination names and changes, with its tools known to programs."""
    adopt(row_of("assistant", given), key)
    return export_of("assistant", given, settings_whole(row_of("assistant", given))).assistants[0]


def _lists(kind: str, body: Mapping[str, Any], row: Row | None = None) -> McpLists:
    """What the MCP servers in a body offer that nobody has asked yet. Raises ApiError 400.

    A tool alone may be written before its server answers: it is asked once more when an assistant offers it.
    """
    offered = _tools_of(row) if isinstance(row, Assistant) else [row] if isinstance(row, Tool) else []
    known = {tool.server_url for tool in offered if tool.kind == Tool.Kind.MCP and mcp_list(tool)}
    if kind == "tool":
        before = settings_whole(row) if row is not None and body.get("server") is not None else {}
        try:
            return lists_fetch([{APPEND: [{**before, **body}]}], known=known)
        except ListsError:
            return McpLists()
    try:
        return lists_fetch([body], known=known, tools=_servers_named(body))
    except ListsError as exc:
        raise ApiError(HTTPStatus.BAD_REQUEST, exc.reasons) from exc


def _servers_named(body: Mapping[str, Any]) -> list[Tool]:
    """The MCP servers that a body names by id."""
    ids = _tool_ids(body)
    if not ids:
        return []
    behind = VapiObject.objects.filter(kind="tool", key__in=ids, tool__isnull=False)
    found = Q(pk__in=behind.values("tool")) | Q(pk__in=[pk for one in ids if (pk := as_uuid(one))])
    return list(Tool.objects.filter(found, kind=Tool.Kind.MCP).defer("server_secret", "server_headers"))


def _write(kind: str, chosen: str, drafts: Drafts, before: Drafts, key: ApiKey, lists: McpLists) -> Row:
    parts_require_few(drafts.assistants, before.assistants)
    writer = ClientWriter(run=run_of(key), key=key, drafts=drafts, before=before, lists=lists)
    for tool in drafts.tools:
        writer.tool(tool)
    for assistant in drafts.assistants:
        writer.assistant(assistant)
    summary = writer.finish()
    parts = [one for one in drafts.assistants if one.key != chosen]
    parts_publish(parts, drafts.tools, summary, key=key)
    parts_withdraw(chosen, keep=[one.key for one in parts])
    target = next(one.target for one in summary.objects if one.kind == kind and one.row.key == chosen)
    row: Row = MODELS[kind].objects.defer("server_secret", "server_headers").get(pk=target)
    return row


def _live_users(row: Row) -> list[Assistant]:
    """The assistants that are to be published with a change: itself, or those that use a tool and hold no other changes."""
    if isinstance(row, Assistant):
        return [row]
    users = Assistant.objects.filter(tools=row, live_version__isnull=False).select_related("live_version")
    return [one for one in users.defer("server_secret", "server_headers") if not draft_differs(one)]


def adopt(row: Row, key: ApiKey) -> VapiObject:
    """The object behind a row; of one that was made here, its present state in Vapi's shape."""
    source = source_of(row)
    if source is not None:
        return source
    kind = kind_of_row(row)
    if isinstance(row, Assistant):
        for tool in _tools_of(row):
            adopt(tool, key)
    raw = Documents("").settings(row_of(kind, str(row.pk)))
    drafts = translated(export_of(kind, str(row.pk), raw))
    every = drafts.assistants if kind == "assistant" else drafts.tools
    draft = next(one for one in every if one.key == str(row.pk))
    base: dict[str, Any] = {
        "fields": {**{name: column_read(row, name) for name in draft.fields}, "credential": None},
        "secrets": {},
    }
    if isinstance(row, Assistant):
        base["tools"] = [id_of(tool) for tool in _tools_of(row)]
    owner: Any = {kind: row}
    made = VapiObject.objects.create(
        kind=kind, key=str(row.pk), name=str(row.name), raw=raw, base=base, last_import=run_of(key),
        imported_at=timezone.now(), **owner,
    )  # fmt: skip
    objects_forget(row)  # it has one now, and so may its tools
    return made


def _tools_of(assistant: Assistant) -> list[Tool]:
    links = AssistantTool.objects.filter(assistant=assistant).select_related("tool")
    return [link.tool for link in links.defer("tool__server_secret", "tool__server_headers")]


def _adopt_mentioned(body: Mapping[str, Any], key: ApiKey, *, lost: Collection[str] = ()) -> None:
    """Tools made here that an assistant names by id: the translation finds only what has an object.

    Raises ApiError 400 for one that there is not, unless it was ``lost`` before.
    """
    ids = _tool_ids(body)
    known = VapiObject.objects.filter(kind="tool", key__in=ids, tool__isnull=False) if ids else None
    pks = [found for one in ids if (found := as_uuid(one))]
    for tool in Tool.objects.filter(pk__in=pks, vapi_objects=None).defer("server_secret", "server_headers"):
        adopt(tool, key)
    there = {*lost, *(known.values_list("key", flat=True) if known is not None else ())}
    missing = [one for one in dict.fromkeys(ids) if one not in there]
    if missing:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            [f"Couldn't Get Tool. `toolId` {one[:60]} Does Not Exist." for one in missing],
        )


def _tool_ids(body: Mapping[str, Any]) -> list[str]:
    """The stored tools that assistants in a body name, also those in destinations of tools."""
    named = [value_at(one, ("model", "toolIds")) for one in (body, *inline_documents(body))]
    return [one for ids in named for one in (ids if isinstance(ids, list) else []) if isinstance(one, str)]

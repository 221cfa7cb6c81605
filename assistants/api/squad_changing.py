"""Creating, changing and deleting squads as programs send them: with their members' own copies of assistants, in force at once."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from django.db.models import Q
from django.utils import timezone

from assistants.api import patching
from assistants.api.changing import adopt
from assistants.api.checking import TOO_MANY_PARTS, body_problems
from assistants.api.documents import addresses_given_back, id_of, settings_whole
from assistants.api.parts import parts_publish, parts_require_few, parts_withdraw
from assistants.api.selectors import row_of
from assistants.api.squad_documents import squad_id_of, squad_row, squad_settings, squad_source
from assistants.api.uses import calls_ahead
from assistants.api.withdrawing import document_withdraw
from assistants.api.writing import ClientWriter, as_uuid, base_written, run_of, writing
from assistants.mcp_lists import ListsError, McpLists, lists_fetch
from assistants.models import Assistant, Squad, SquadMember, VapiObject
from assistants.selectors import translated, version_named
from assistants.vapi.drafts import AssistantDraft, Drafts, SquadDraft, ToolDraft
from assistants.vapi.exports import Export, Item
from assistants.vapi.inline import inline_documents
from assistants.vapi.references import references_in
from tools.access.errors import ApiError
from tools.models import ApiKey, Tool
from tools.snapshots import mcp_list


class SquadWriter(ClientWriter):
    """Writes a squad and the copies that it makes of its members. ``squad_before`` is what the program changed, translated."""

    def __init__(self, *, squad_before: SquadDraft | None, **given: Any) -> None:
        super().__init__(before=Drafts(), **given)
        self._squad_before = squad_before

    def _ours(self, kind: Any, model: Any, draft: Any) -> tuple[VapiObject, Any, bool]:
        if not isinstance(draft, SquadDraft):
            row, ours, new = super()._ours(kind, model, draft)
            if not new:
                row.base = base_written(row)
            return row, ours, new
        # Of an assistant the writer below knows how it was before; of a squad, this one does.
        row, ours, new = super(ClientWriter, self)._ours(kind, model, draft)
        if new:
            ours.pk = uuid.UUID(draft.key)
        elif self._squad_before is not None:
            name = ours.name if self._squad_before.name == draft.name else self._squad_before.name
            row.base = {"fields": {"name": name}, "members": list(self._squad_before.members), "secrets": {}}
        return row, ours, new


@dataclass(frozen=True, slots=True)
class _Read:
    """A squad translated, and the assistants that it names, by their ids."""

    drafts: Drafts
    named: Mapping[str, Assistant]

    @property
    def squad(self) -> SquadDraft:
        return self.drafts.squads[0]

    def copies(self) -> list[AssistantDraft]:
        """The assistants that are the squad's own, and those inside destinations of their tools."""
        return [one for one in self.drafts.assistants if one.key.startswith(f"{self.squad.key}/")]

    def tools(self) -> list[ToolDraft]:
        """The tools of those, without what they share with the assistant that they are copies of."""
        wanted = {key for one in self.copies() for key in one.tools}
        return [one for one in self.drafts.tools if one.key in wanted and f"{self.squad.key}/" in one.key]


def squad_create(body: Mapping[str, Any], *, key: ApiKey) -> Squad:
    """The new squad, in force. Raises ApiError 400 with everything that is wrong with it."""
    given = patching.given(body)
    _check(given)
    lists = _lists(given)
    with writing():
        read = _read(str(uuid.uuid4()), _normal(given, key))
        return _write(read, None, key, lists)


def squad_change(given_id: str, body: Mapping[str, Any], *, key: ApiKey) -> None:
    """Replace these settings of a squad, in force at once. What is null is taken out. Raises ApiError."""
    lists = _lists(body, squad_row(given_id))
    with writing():
        row = squad_row(given_id, lock=True)
        before = squad_settings(row)
        members = Assistant.objects.filter(_reached(row)).defer("server_secret", "server_headers")
        tools = Tool.objects.filter(assistants__in=members).defer("server_secret", "server_headers")
        body, whole = (addresses_given_back(one, [*members, *tools]) for one in (body, before))
        patch = patching.patch(body, whole)
        after = patching.patched(whole, patch)
        _check(patch if "members" in patch else {"members": whole["members"], **patch}, known=whole)
        if not patching.changes(patch, before):
            return
        chosen = squad_id_of(row)
        _adopt(row, key)
        was = _read(chosen, _normal(whole, key, before=whole))
        _write(_read(chosen, _normal(after, key, before=whole)), was, key, lists)


def squad_delete(given_id: str, *, key: ApiKey) -> None:
    """Take the squad away; its own copies of assistants are switched off. Raises ApiError 409 where a number needs it, or a call to come.

    One that calls went to stays for their records, and is given to no program any more.
    """
    with writing():
        row = squad_row(given_id, lock=True)
        numbers = Squad.objects.filter(pk=row.pk, phone_numbers__isnull=False).exists()
        if users := [*(["a phone number"] if numbers else []), *calls_ahead(row)]:
            raise ApiError(
                HTTPStatus.CONFLICT,
                f"Couldn't Delete Squad. It Is In Use By: {', '.join(users)}. Take it out of the number, and delete calls to "
                "come, first.",
            )
        source = squad_source(row)
        _copies_withdraw(source, keep=())
        if not Squad.objects.filter(pk=row.pk, calls__isnull=False).exists():
            row.delete()
            if source is not None and source.raw.get("id") != source.key:
                source.delete()
            return
        source = source or _adopt(row, key)
        document_withdraw(source, key=key)


# --- Parts


def _reached(row: Squad) -> Q:
    """The members of a squad, and the assistants inside destinations of its own members' tools."""
    source = squad_source(row)
    own = Q(squadmember__squad=row)
    return own if source is None else own | Q(vapi_objects__key__startswith=f"{source.key}/members[")


def _check(body: dict[str, Any], *, known: Mapping[str, Any] | None = None) -> None:
    problems = body_problems("squad", body)
    if known is not None and body.get("members") == known["members"]:
        # What was imported stays, whatever it is.
        problems = [one for one in problems if not one.startswith("members.") and one != TOO_MANY_PARTS]
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)


def _normal(
    settings: Mapping[str, Any], key: ApiKey, *, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The squad with its members by the ids that they are known by. Raises ApiError 400 for what is not there, unless it was lost
    ``before``."""
    lost = {one.get("assistantId") for one in before["members"]} if before is not None else set()
    # What was imported stays: Vapi's versions are none of ours.
    pinned = {None, *(map(_pinned, before["members"]) if before is not None else ())}
    missing: list[str] = []
    members = []
    for member in settings["members"]:
        given = member.get("assistantId")
        row = _row(given) if isinstance(given, str) else None
        if row is not None:
            if _pinned(member) not in pinned and version_named(row, member["assistantVersion"]) is None:
                told = str(member["assistantVersion"])[:20]
                missing.append(f"Couldn't Get Assistant. `assistantVersion` {told} Does Not Exist.")
            adopt(row, key)
            members.append({**member, "assistantId": id_of(row_of("assistant", str(row.pk)))})
            continue
        members.append(member)
        if isinstance(given, str) and given not in lost:
            missing.append(f"Couldn't Get Assistant. `assistantId` {given[:60]} Does Not Exist.")
    if missing:
        raise ApiError(HTTPStatus.BAD_REQUEST, missing)
    _tools_require(settings, key, lost=_tools_named(before) if before is not None else ())
    return {**settings, "members": members}


def _pinned(member: Mapping[str, Any]) -> tuple[str, str] | None:
    """The assistant and the version of it that a member is to run on; None where that is the one in force."""
    version = member.get("assistantVersion")
    return None if version is None else (str(member.get("assistantId")), str(version))


def _members_pin(squad: Squad, read: _Read) -> None:
    """Have each member that the squad does not change run on the version that it is pinned to."""
    entries = read.squad.raw.get("members")
    pins = {
        pin[0]: pin[1]
        for one in (entries if isinstance(entries, list) else ())
        if isinstance(one, dict) and (pin := _pinned(one)) is not None
    }
    rows = {row.pk: named for named, row in read.named.items()}
    for link in squad.squadmember_set.select_related("assistant").defer(
        "assistant__server_secret", "assistant__server_headers"
    ):
        version = pins.get(rows.get(link.assistant_id, ""))
        found = version_named(link.assistant, version) if version is not None else None
        if link.version_id != (found.pk if found is not None else None):
            SquadMember.objects.filter(pk=link.pk).update(version=found)


def _row(given: str) -> Any:
    try:
        return row_of("assistant", given)
    except ApiError:
        return None


def _tools_require(settings: Mapping[str, Any], key: ApiKey, *, lost: Collection[str]) -> None:
    """Tools that copies name by id must be there; those that were made here become known to programs."""
    ids = _tools_named(settings)
    own = Tool.objects.filter(pk__in=[pk for one in ids if (pk := as_uuid(one))], vapi_objects=None)
    for tool in own.defer("server_secret", "server_headers"):
        adopt(tool, key)
    known = VapiObject.objects.filter(kind="tool", key__in=ids, tool__isnull=False)
    there = {*lost, *known.values_list("key", flat=True)}
    missing = [one for one in ids if one not in there]
    if missing:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            [f"Couldn't Get Tool. `toolId` {one[:60]} Does Not Exist." for one in missing],
        )


def _tools_named(settings: Mapping[str, Any]) -> list[str]:
    parts = [settings.get("membersOverrides")]
    for member in settings["members"]:
        parts += [member.get("assistant"), member.get("assistantOverrides")]
    parts += inline_documents(settings)
    return list(dict.fromkeys(one for part in parts for one in references_in(part).tools))


def _read(chosen: str, settings: Mapping[str, Any]) -> _Read:
    ids = {one["assistantId"] for one in settings["members"] if isinstance(one.get("assistantId"), str)}
    named = {one: row for one in sorted(ids) if (row := _row(one)) is not None}
    items = tuple(
        Item("assistant", {**settings_whole(row), "id": one}, f"/assistant/{one}")
        for one, row in named.items()
    )
    squad = Item("squad", {**settings, "id": chosen}, f"/squad/{chosen}")
    return _Read(translated(Export(assistants=items, squads=(squad,))), named)


def _lists(body: Mapping[str, Any], row: Squad | None = None) -> McpLists:
    """What the MCP servers in a body offer that nobody has asked yet. Raises ApiError 400."""
    offered = Tool.objects.filter(assistants__squadmember__squad=row, kind=Tool.Kind.MCP) if row else []
    try:
        return lists_fetch([body], known={tool.server_url for tool in offered if mcp_list(tool)})
    except ListsError as exc:
        raise ApiError(HTTPStatus.BAD_REQUEST, exc.reasons) from exc


def _write(read: _Read, was: _Read | None, key: ApiKey, lists: McpLists) -> Squad:
    mine = replace(read.drafts, tools=tuple(read.tools()), assistants=tuple(read.copies()))
    parts_require_few(mine.assistants, was.copies() if was is not None else ())
    writer = SquadWriter(
        squad_before=was.squad if was is not None else None,
        run=run_of(key),
        key=key,
        drafts=mine,
        lists=lists,
    )
    for tool in mine.tools:
        writer.tool(tool)
    for assistant in mine.assistants:
        writer.assistant(assistant)
    writer.squad(read.squad)
    summary = writer.finish()
    squad = Squad.objects.get(vapi_objects__kind="squad", vapi_objects__key=read.squad.key)
    _members_pin(squad, read)
    parts_publish(mine.assistants, mine.tools, summary, key=key)
    _copies_withdraw(squad_source(squad), keep=[one.key for one in mine.assistants])
    return squad


def _copies_withdraw(source: VapiObject | None, *, keep: Collection[str]) -> None:
    """Take away the copies of a squad that are its members no more."""
    if source is not None:
        parts_withdraw(source.key, keep=keep, under="members[")


def _adopt(row: Squad, key: ApiKey) -> VapiObject:
    """The object behind a squad; of one that was made here, its present state in Vapi's shape."""
    source = squad_source(row)
    if source is not None:
        return source
    members = [one.assistant for one in row.squadmember_set.all()]
    for one in members:
        adopt(row_of("assistant", str(one.pk)), key)
    return VapiObject.objects.create(
        kind="squad", key=str(row.pk), name=row.name, raw=squad_settings(row), squad=row, last_import=run_of(key),
        base={"fields": {"name": row.name}, "members": [id_of(row_of("assistant", str(one.pk))) for one in members]},
        imported_at=timezone.now(),
    )  # fmt: skip

"""Creating, changing and deleting squads as programs send them: with their members' own copies of assistants, in force at once."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from django.utils import timezone

from assistants.api.changing import ClientWriter, adopt, headers_keep, publish_for, run_of, writing
from assistants.api.checking import READ_ONLY, body_problems
from assistants.api.documents import Documents, id_of
from assistants.api.selectors import row_of
from assistants.api.squad_documents import squad_id_of, squad_row, squad_settings, squad_source
from assistants.models import Assistant, ClientDocument, Squad, VapiObject
from assistants.selectors import translated
from assistants.vapi.drafts import AssistantDraft, Drafts, SquadDraft, ToolDraft
from assistants.vapi.exports import Export, Item
from assistants.vapi.references import references_in
from tools.access.errors import ApiError
from tools.models import ApiKey, Tool


class SquadWriter(ClientWriter):
    """Writes a squad and the copies that it makes of its members. ``squad_before`` is what the program changed, translated."""

    def __init__(self, *, squad_before: SquadDraft | None, **given: Any) -> None:
        super().__init__(before=Drafts(), **given)
        self._squad_before = squad_before

    def _ours(self, kind: Any, model: Any, draft: Any) -> tuple[VapiObject, Any, bool]:
        if not isinstance(draft, SquadDraft):
            row, ours, new = super()._ours(kind, model, draft)
            if not new:
                headers_keep(draft.secrets, {}, ours)
                written = ClientDocument.objects.filter(vapi_object=row, deleted_at=None).first()
                row.base = written.base if written is not None else row.base
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
        """The assistants that are the squad's own."""
        return [one for one in self.drafts.assistants if one.key not in self.named]

    def tools(self) -> list[ToolDraft]:
        """The tools of those, without what they share with the assistant that they are copies of."""
        wanted = {key for one in self.copies() for key in one.tools}
        return [one for one in self.drafts.tools if one.key in wanted and f"{self.squad.key}/" in one.key]


def squad_create(body: Mapping[str, Any], *, key: ApiKey) -> Squad:
    """The new squad, in force. Raises ApiError 400 with everything that is wrong with it."""
    given = {name: value for name, value in body.items() if name not in READ_ONLY and value is not None}
    _check(given)
    with writing():
        read = _read(str(uuid.uuid4()), _normal(given, key))
        return _write(read, None, key)


def squad_change(given_id: str, body: Mapping[str, Any], *, key: ApiKey) -> None:
    """Replace these settings of a squad, in force at once. What is null is taken out. Raises ApiError."""
    with writing():
        row = squad_row(given_id, lock=True)
        before = squad_settings(row)
        patch = {
            name: value
            for name, value in body.items()
            if name not in READ_ONLY and not (name in before and before[name] == value)
        }
        after = {name: value for name, value in {**before, **patch}.items() if value is not None}
        _check(patch if "members" in patch else {"members": before["members"], **patch}, known=before)
        if not any(value is not None or name in before for name, value in patch.items()):
            return
        chosen = squad_id_of(row)
        _adopt(row, key)
        was = _read(chosen, _normal(before, key))
        _write(_read(chosen, _normal(after, key)), was, key)


def squad_delete(given_id: str, *, key: ApiKey) -> None:
    """Take the squad away; its own copies of assistants are switched off. Raises ApiError 409 where a number needs it.

    One that calls went to stays for their records, and is given to no program any more.
    """
    with writing():
        row = squad_row(given_id, lock=True)
        if Squad.objects.filter(pk=row.pk, phone_numbers__isnull=False).exists():
            raise ApiError(
                HTTPStatus.CONFLICT,
                "Couldn't Delete Squad. It Is In Use By: a phone number. Take it out of that first.",
            )
        source = squad_source(row)
        _switch_off(source, keep=())
        if not Squad.objects.filter(pk=row.pk, calls__isnull=False).exists():
            row.delete()
            if source is not None and source.raw.get("id") != source.key:
                source.delete()
            return
        source = source or _adopt(row, key)
        gone: dict[str, Any] = {"deleted_at": timezone.now(), "written_by": key}
        ClientDocument.objects.update_or_create(
            vapi_object=source,
            defaults=gone,
            create_defaults={"raw": source.raw, "base": source.base, **gone},
        )


# --- Parts


def _check(body: dict[str, Any], *, known: Mapping[str, Any] | None = None) -> None:
    problems = body_problems("squad", body)
    if known is not None and body.get("members") == known["members"]:
        # What was imported stays, whatever it is.
        problems = [one for one in problems if not one.startswith("members.")]
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)


def _normal(settings: Mapping[str, Any], key: ApiKey) -> dict[str, Any]:
    """The squad with its members by the ids that they are known by. Raises ApiError for one that is not there."""
    missing: list[str] = []
    members = []
    for member in settings["members"]:
        given = member.get("assistantId")
        if not isinstance(given, str):
            members.append(member)
            continue
        try:
            row = row_of("assistant", given)
        except ApiError:
            missing.append(f"Couldn't Get Assistant. `assistantId` {given[:60]} Does Not Exist.")
            continue
        adopt(row, key)
        members.append({**member, "assistantId": id_of(row_of("assistant", str(row.pk)))})
    if missing:
        raise ApiError(HTTPStatus.BAD_REQUEST, missing)
    _tools_require(settings)
    return {**settings, "members": members}


def _tools_require(settings: Mapping[str, Any]) -> None:
    """Tools that copies name by id must be there, as tools that programs know."""
    parts = [settings.get("membersOverrides")]
    for member in settings["members"]:
        parts += [member.get("assistant"), member.get("assistantOverrides")]
    ids = list(dict.fromkeys(one for part in parts for one in references_in(part).tools))
    known = VapiObject.objects.filter(kind="tool", key__in=ids, tool__isnull=False)
    missing = set(ids) - set(known.values_list("key", flat=True))
    if missing:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            [f"Couldn't Get Tool. `toolId` {one[:60]} Does Not Exist." for one in ids if one in missing],
        )


def _read(chosen: str, settings: Mapping[str, Any]) -> _Read:
    ids = {one["assistantId"] for one in settings["members"] if isinstance(one.get("assistantId"), str)}
    named = {one: row_of("assistant", one) for one in sorted(ids)}
    documents = Documents("")
    items = tuple(
        Item("assistant", {**documents.settings(row), "id": one}, f"/assistant/{one}")
        for one, row in named.items()
    )
    squad = Item("squad", {**settings, "id": chosen}, f"/squad/{chosen}")
    return _Read(translated(Export(assistants=items, squads=(squad,))), named)


def _write(read: _Read, was: _Read | None, key: ApiKey) -> Squad:
    mine = replace(read.drafts, tools=tuple(read.tools()), assistants=tuple(read.copies()))
    writer = SquadWriter(
        squad_before=was.squad if was is not None else None, run=run_of(key), key=key, drafts=mine
    )
    for tool in mine.tools:
        writer.tool(tool)
    for assistant in mine.assistants:
        writer.assistant(assistant)
    writer.squad(read.squad)
    done = {one.key: one for one in writer.finish().objects if one.kind == "assistant"}
    squad = Squad.objects.get(vapi_objects__kind="squad", vapi_objects__key=read.squad.key)
    for copy in mine.assistants:
        row = Assistant.objects.get(pk=done[copy.key].target)
        if done[copy.key].action == "created":
            _secrets_take(row, copy, read)
        if not row.enabled:
            Assistant.objects.filter(pk=row.pk).update(enabled=True)
        publish_for(row, key)
    _switch_off(squad_source(squad), keep=[one.key for one in mine.assistants])
    return squad


def _secrets_take(row: Assistant, copy: AssistantDraft, read: _Read) -> None:
    """A new copy has the secrets of the assistant that it is one of, for the same server and for the same tools."""
    base = read.named.get(copy.key.removeprefix(f"{read.squad.key}/members[").rpartition("]")[0])
    if base is None:
        return
    if row.server_url and row.server_url == base.server_url:
        row.server_secret = row.server_secret or base.server_secret
        row.server_headers = row.server_headers or base.server_headers
        row.credential_id = row.credential_id or base.credential_id
        row.save(update_fields=["server_secret", "server_headers", "credential"])
    theirs = {(one.name, one.server_url): one for one in Tool.objects.filter(assistants=base)}
    for tool in Tool.objects.filter(assistants=row, vapi_objects__key__startswith=f"{copy.key}/"):
        twin = theirs.get((tool.name, tool.server_url))
        if twin is not None and tool.server_url:
            tool.server_secret = tool.server_secret or twin.server_secret
            tool.server_headers = tool.server_headers or twin.server_headers
            tool.credential_id = tool.credential_id or twin.credential_id
            tool.save(update_fields=["server_secret", "server_headers", "credential"])


def _switch_off(source: VapiObject | None, *, keep: Any) -> None:
    """Copies of a squad that are its members no more: nobody can come to them, and their versions stay for the calls."""
    if source is None:
        return
    copies = VapiObject.objects.filter(kind="assistant", key__startswith=f"{source.key}/members[")
    gone = copies.exclude(key__in=list(keep)).values("assistant")
    Assistant.objects.filter(pk__in=gone).exclude(phone_numbers__isnull=False).update(enabled=False)


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

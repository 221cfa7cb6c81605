"""Creating, changing and deleting what programs send: an import of one object, in force at once."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, ProtectedError
from django.utils import timezone

from assistants.api.checking import READ_ONLY, body_problems
from assistants.api.documents import Documents, Row, export_of, id_of, kind_of_row, source_of, stored_headers
from assistants.api.selectors import MODELS, row_of
from assistants.imports.columns import column_read
from assistants.imports.writing import Choice, Draft, Writer, import_lock, key_stored, keys_of
from assistants.models import Assistant, AssistantTool, ClientDocument, VapiImport, VapiObject
from assistants.selectors import translated
from assistants.services import assistant_publish
from assistants.snapshots import draft_differs
from assistants.vapi.drafts import AssistantDraft, Drafts, ToolDraft
from assistants.vapi.hiding import is_secret_header
from assistants.vapi.merge import Merged
from tools.access.errors import ApiError
from tools.models import ApiKey, Tool

_WORDS: Final = {"assistant": "Assistant", "tool": "Tool"}


class _ClientPolicy:
    """What a program changes counts; all else stays as it is here."""

    def field(self, name: str, merged: Merged) -> tuple[Any, Any]:
        return (merged.theirs if merged.at_vapi else merged.ours), merged.theirs

    def links(self, name: str) -> Choice:
        return "take"


class ClientWriter(Writer):
    """Writes what a program sent. ``before`` is what it changed, translated; an import's own record stays as it was."""

    def __init__(self, *, run: VapiImport, key: ApiKey, drafts: Drafts, before: Drafts) -> None:
        super().__init__(run=run, keys=keys_of(drafts), policy=_ClientPolicy(), overwrite=True)
        self._key = key
        known: list[ToolDraft | AssistantDraft] = [*before.tools, *before.assistants]
        self._before = {key_stored(one.key): one for one in known}

    def _ours(self, kind: Any, model: Any, draft: Any) -> tuple[VapiObject, Any, bool]:
        row, ours, new = super()._ours(kind, model, draft)
        before = self._before.get(row.key)
        if new:
            # One id for programs and for people.
            ours.pk = _as_uuid(draft.key) or ours.pk
        elif before is not None:
            fields = {**before.fields, "credential": self.credential(before.credential_id)}
            row.base = {"fields": fields, "tools": list(getattr(before, "tools", ())), "secrets": {}}
            headers_keep(draft.secrets, before.secrets, ours)
            # Its name here may differ from Vapi's, which stays so unless the program gives it another.
            if before.name == draft.name:
                draft.fields["name"] = fields["name"] = column_read(ours, "name")
        return row, ours, new

    def store(self, row: VapiObject, draft: Draft, base: dict[str, Any]) -> None:
        raw = {name: value for name, value in draft.raw.items() if name != "id"}
        if row._state.adding:
            # Without an id of Vapi's nobody looks for it there.
            super().store(row, replace(draft, raw=raw), base)
            return
        # As it was imported, the object stays: the next look at Vapi compares with that.
        row.refresh_from_db(fields=["base"])
        raw = {**_identity(row), **raw}
        known = {**base, "secrets": {}}
        ClientDocument.objects.update_or_create(
            vapi_object=row, defaults={"raw": raw, "base": known, "written_by": self._key}
        )
        # Rows hold what was last asked of them.
        row.__dict__.pop("client_document", None)


def object_create(kind: str, body: Mapping[str, Any], *, key: ApiKey) -> Row:
    """The new object, in force. Raises ApiError 400 with everything that is wrong with it."""
    given = {name: value for name, value in body.items() if name not in READ_ONLY and value is not None}
    _check(kind, given)
    with writing():
        _adopt_mentioned(given, key)
        chosen = str(uuid.uuid4())
        drafts = _translated(kind, chosen, given)
        row = _write(kind, chosen, drafts, Drafts(), key)
        if isinstance(row, Assistant):
            publish_for(row, key)
    return row


def object_change(kind: str, given_id: str, body: Mapping[str, Any], *, key: ApiKey) -> Row:
    """The object with these settings replaced, in force. What is null is taken out. Raises ApiError."""
    with writing():
        row: Row = row_of(kind, given_id, lock=True)
        before = Documents("").settings(row)
        # What is sent back as it was read changes nothing.
        patch = {
            name: value
            for name, value in body.items()
            if name not in READ_ONLY and not (name in before and before[name] == value)
        }
        _check(
            kind,
            {**patch, **({"type": before.get("type")} if kind == "tool" and "type" not in patch else {})},
        )
        if not any(value is not None or name in before for name, value in patch.items()):
            return row
        after = {name: value for name, value in {**before, **patch}.items() if value is not None}
        adopt(row, key)
        _adopt_mentioned(after, key)
        chosen = id_of(row_of(kind, given_id))
        differed = _live_users(row)
        _write(kind, chosen, _translated(kind, chosen, after), _translated(kind, chosen, before), key)
        for user in differed:
            publish_for(user, key)
    return row


def object_delete(kind: str, given_id: str, *, key: ApiKey) -> None:
    """Take the object away. What calls ran on is kept, switched off, and given to no program any more.

    Raises ApiError 409 where something else needs it.
    """
    with writing():
        row = row_of(kind, given_id, lock=True)
        _free_require(row)
        adopt(row, key)
        source = VapiObject.objects.filter(**{kind: row}).order_by("pk")[0]
        try:
            with transaction.atomic():
                AssistantTool.objects.filter(**{kind: row}).delete()
                row.delete()
                if source.raw.get("id") != source.key:
                    source.delete()
        except ProtectedError:
            if isinstance(row, Assistant):
                Assistant.objects.filter(pk=row.pk).update(enabled=False)
            ClientDocument.objects.update_or_create(
                vapi_object=source,
                defaults={"deleted_at": timezone.now(), "written_by": key},
                create_defaults={
                    "raw": source.raw, "base": source.base, "deleted_at": timezone.now(), "written_by": key,
                },
            )  # fmt: skip


# --- Parts


def headers_keep(given: dict[str, str], before: Mapping[str, str], ours: Row) -> None:
    """Headers that are never given back stay where a program sends the others: it cannot know them."""
    if "server_headers" not in given:
        return
    if given["server_headers"] == before.get("server_headers"):
        del given["server_headers"]
        return
    kept = {name: value for name, value in stored_headers(ours).items() if is_secret_header(name)}
    given["server_headers"] = json.dumps({**kept, **json.loads(given["server_headers"])}, ensure_ascii=False)


@contextmanager
def writing() -> Iterator[None]:
    """All or nothing, one writer at a time."""
    try:
        with transaction.atomic():
            import_lock()
            yield
    except IntegrityError as exc:
        raise ApiError(
            HTTPStatus.CONFLICT, "Somebody changed the same object at the same moment. Send it again."
        ) from exc


def _check(kind: str, body: dict[str, Any]) -> None:
    problems = body_problems(kind, body)
    if kind == "tool" and not body.get("type"):
        problems.append("type should not be empty")
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)


def _translated(kind: str, chosen: str, settings: Mapping[str, Any]) -> Drafts:
    return translated(export_of(kind, chosen, settings))


def _write(kind: str, chosen: str, drafts: Drafts, before: Drafts, key: ApiKey) -> Row:
    writer = ClientWriter(run=run_of(key), key=key, drafts=drafts, before=before)
    for tool in drafts.tools:
        writer.tool(tool)
    for assistant in drafts.assistants:
        writer.assistant(assistant)
    summary = writer.finish()
    target = next(one.target for one in summary.objects if one.kind == kind and one.row.key == chosen)
    row: Row = MODELS[kind].objects.defer("server_secret", "server_headers").get(pk=target)
    return row


def run_of(key: ApiKey) -> VapiImport:
    """What stands for all that this key writes among the imports."""
    return VapiImport.objects.get_or_create(
        source=f"API key {key.prefix}… ({key.name})"[:400],
        defaults={"status": VapiImport.Status.DONE, "finished_at": timezone.now()},
    )[0]


def publish_for(assistant: Assistant, key: ApiKey) -> None:
    """Publish an assistant for a program. Raises ApiError 400 with the reasons why that cannot be."""
    try:
        assistant_publish(assistant=assistant, note=f"By a program, with the API key {key.prefix}…"[:200])
    except ValidationError as exc:
        raise ApiError(HTTPStatus.BAD_REQUEST, exc.messages) from exc


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
    drafts = _translated(kind, str(row.pk), raw)
    draft = (drafts.assistants or drafts.tools)[-1]
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
    row._prefetched_objects_cache = {}  # type: ignore[union-attr]  # it has an object now
    return made


def _tools_of(assistant: Assistant) -> list[Tool]:
    links = AssistantTool.objects.filter(assistant=assistant).select_related("tool")
    return [link.tool for link in links.defer("tool__server_secret", "tool__server_headers")]


def _adopt_mentioned(body: Mapping[str, Any], key: ApiKey) -> None:
    """Tools made here that an assistant names by id: the translation finds only what has an object."""
    model = body.get("model")
    named = model.get("toolIds") if isinstance(model, dict) else None
    ids = [found for one in (named if isinstance(named, list) else []) if (found := _as_uuid(one))]
    for tool in Tool.objects.filter(pk__in=ids, vapi_objects=None).defer("server_secret", "server_headers"):
        adopt(tool, key)
    if ids:
        _known_require([one for one in (named or []) if isinstance(one, str)])


def _known_require(ids: list[str]) -> None:
    known = set(
        VapiObject.objects.filter(kind="tool", key__in=ids, tool__isnull=False).values_list("key", flat=True)
    )
    missing = [one for one in ids if one not in known]
    if missing:
        raise ApiError(
            HTTPStatus.BAD_REQUEST, [f"Couldn't Get Tool. `toolId` {one} Does Not Exist." for one in missing]
        )


def _free_require(row: Row) -> None:
    if isinstance(row, Tool):
        # Of one that was deleted only the records of its calls are left.
        deleted = VapiObject.objects.filter(
            assistant=OuterRef("pk"), client_document__deleted_at__isnull=False
        )
        using = Assistant.objects.filter(~Exists(deleted), tools=row)
        users = list(using.values_list("name", flat=True))
        told = "assistants"
    else:
        answered = Assistant.objects.filter(pk=row.pk)
        numbers = answered.filter(phone_numbers__isnull=False).exists()
        users = [*(["a phone number"] if numbers else []), *row.squads.values_list("name", flat=True)]
        told = "phone numbers and squads"
    if users:
        word = _WORDS[kind_of_row(row)]
        raise ApiError(
            HTTPStatus.CONFLICT,
            f"Couldn't Delete {word}. It Is In Use By: {', '.join(users[:10])}. Take it out of these {told} first.",
        )


def _identity(row: VapiObject) -> dict[str, Any]:
    return {name: row.raw[name] for name in READ_ONLY if name in row.raw}


def _as_uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None

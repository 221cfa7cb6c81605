"""Writing what a program sent: as an import does, but what the program says counts, and what it cannot know stays."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from assistants.api.checking import READ_ONLY
from assistants.api.documents import Row, stored_headers
from assistants.api.turns import turn
from assistants.imports.columns import column_read
from assistants.imports.keys import Draft, key_stored, keys_of
from assistants.imports.policies import Choice
from assistants.imports.writing import SECRETS, Writer, import_lock
from assistants.mcp_lists import McpLists
from assistants.models import ClientDocument, VapiImport, VapiObject
from assistants.vapi.drafts import AssistantDraft, Drafts, Finding, ToolDraft
from assistants.vapi.hiding import with_secret_headers
from assistants.vapi.merge import Merged
from assistants.vapi.servers import same_server
from tools.access.errors import ApiError
from tools.auth.allowing import asked_url, host_refusal, unknown_credential
from tools.models import ApiKey
from tools.snapshots import MCP_LIST, mcp_list


class _ClientPolicy:
    """What a program changes counts; all else stays as it is here."""

    def field(self, name: str, merged: Merged) -> tuple[Any, Any]:
        return (merged.theirs if merged.at_vapi else merged.ours), merged.theirs

    def links(self, name: str) -> Choice:
        return "take"


class ClientWriter(Writer):
    """Writes what a program sent. ``before`` is what it changed, translated; an import's own record stays as it was."""

    def __init__(
        self, *, run: VapiImport, key: ApiKey, drafts: Drafts, before: Drafts, lists: McpLists | None = None
    ) -> None:
        super().__init__(run=run, keys=keys_of(drafts), policy=_ClientPolicy(), overwrite=True)
        self._key = key
        self._lists = lists or McpLists()
        known: list[ToolDraft | AssistantDraft] = [*before.tools, *before.assistants]
        self._before = {key_stored(one.key): one for one in known}
        self._named_before = {one.credential_id for one in known}
        self._led: dict[uuid.UUID, tuple[str, str]] = {}

    def tool(self, draft: ToolDraft) -> None:
        """Create or update a tool; one that is an MCP server, with the tools that it has just told of."""
        super().tool(draft)
        tool, listing = self._row(VapiObject.Kind.TOOL, draft.key).tool, self._lists.of(draft)
        if tool is not None and listing is not None and not mcp_list(tool):
            tool.settings = {**tool.settings, MCP_LIST: listing}
            tool.save(update_fields=["settings", "updated_at"])

    def credential_unknown(self, vapi_id: str) -> str | None:
        """None where it was named before. Raises ApiError 400 for another: whoever writes could make any number of them."""
        if vapi_id in self._named_before:
            return None
        raise ApiError(HTTPStatus.BAD_REQUEST, f"server.credentialId: {unknown_credential(vapi_id)}")

    def addressed(self, row: Any, changed: frozenset[str]) -> None:
        """Raises ApiError 400 where a credential would go to a host that is not to have it."""
        before = self._led.get(row.pk)
        if before and "credential" not in changed and all(map(same_server, before, _addresses(row))):
            return  # it goes where it went before
        if refused := host_refusal(row.credential_id, asked_url(row)):
            raise ApiError(HTTPStatus.BAD_REQUEST, f"server.credentialId: {refused}")

    def _ours(self, kind: Any, model: Any, draft: Any) -> tuple[VapiObject, Any, bool]:
        row, ours, new = super()._ours(kind, model, draft)
        before = self._before.get(row.key)
        if new:
            # One id for programs and for people.
            ours.pk = as_uuid(draft.key) or ours.pk
        elif getattr(draft, "copy_of", ""):
            # What it is a copy of may have changed since it was made.
            row.base = base_written(row)
        elif before is not None:
            fields = {**before.fields, "credential": self.credential(before.credential_id)}
            row.base = {"fields": fields, "tools": list(getattr(before, "tools", ())), "secrets": {}}
            # Its name here may differ from Vapi's, which stays so unless the program gives it another.
            if before.name == draft.name:
                draft.fields["name"] = fields["name"] = column_read(ours, "name")
        self._led[ours.pk] = _addresses(ours)
        return row, ours, new

    def _secrets(
        self, ours: Any, row: VapiObject, draft: Any, *, new: bool
    ) -> tuple[dict[str, str], list[str], list[Finding]]:
        """What is secret stays where a program cannot know it, and never goes to another server than it is for."""
        names = SECRETS.get(type(ours), ())
        if new or not names:
            return super()._secrets(ours, row, draft, new=new)
        if all(map(same_server, self._led[ours.pk], _addresses(ours))):
            # What it is a copy of may have changed since it was made.
            before = self._before.get(row.key) if not getattr(draft, "copy_of", "") else None
            given = _headers_kept(draft.secrets, before.secrets if before is not None else {}, ours)
            draft = replace(draft, secrets=given)
            return super()._secrets(ours, row, draft, new=new)
        for name in names:
            setattr(ours, name, "")
        ours.credential_id = self.credential(draft.credential_id)
        base, changed, doubtful = super()._secrets(ours, row, draft, new=new)
        return base, list(dict.fromkeys([*names, "credential", *changed])), doubtful

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


@contextmanager
def writing() -> Iterator[None]:
    """All or nothing, one writer at a time."""
    try:
        with turn(), transaction.atomic():
            import_lock()
            yield
    except IntegrityError as exc:
        raise ApiError(
            HTTPStatus.CONFLICT, "Somebody changed the same object at the same moment. Send it again."
        ) from exc


def run_of(key: ApiKey) -> VapiImport:
    """What stands for all that this key writes among the imports."""
    return VapiImport.objects.get_or_create(
        source=f"API key {key.prefix}… ({key.name})"[:400],
        defaults={"status": VapiImport.Status.DONE, "finished_at": timezone.now()},
    )[0]


def base_written(row: VapiObject) -> dict[str, Any]:
    """What the object was translated to when it was last written."""
    written = ClientDocument.objects.filter(vapi_object=row, deleted_at=None).first()
    base: dict[str, Any] = written.base if written is not None else row.base
    return base


def as_uuid(text: Any) -> uuid.UUID | None:
    """The id, None where it is none of ours."""
    try:
        return uuid.UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


# --- Secrets


def _headers_kept(given: Mapping[str, str], before: Mapping[str, str], ours: Row) -> dict[str, str]:
    """What was given, with the headers that are never given back where a program sends the others: it cannot know them."""
    if "server_headers" not in given:
        return dict(given)
    if given["server_headers"] == before.get("server_headers"):
        return {name: value for name, value in given.items() if name != "server_headers"}
    whole = with_secret_headers(json.loads(given["server_headers"]), stored_headers(ours))
    return {**given, "server_headers": json.dumps(whole, ensure_ascii=False)}


def _addresses(row: Any) -> tuple[str, str]:
    """Where what is secret of a row is sent: its server, and for a tool that asks one itself, that address."""
    settings = getattr(row, "settings", None)
    asked = settings.get("url") if isinstance(settings, dict) else ""
    return str(getattr(row, "server_url", "")), asked if isinstance(asked, str) else ""


def _identity(row: VapiObject) -> dict[str, Any]:
    return {name: row.raw[name] for name in READ_ONLY if name in row.raw}

"""Squads as programs read them: a row or a page of rows, and Vapi's object made of it."""

import copy
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from assistants.api.documents import IDENTITY, headers_fill, id_of
from assistants.api.selectors import IMPORT_TAKES, moment_column, told_moment
from assistants.imports.keys import key_stored
from assistants.models import Assistant, Squad, SquadMember, VapiObject
from assistants.vapi.hiding import hidden
from assistants.vapi.reverse import has_marks, without_marks
from tools.access.errors import ApiError
from tools.access.lists import list_query, moment_text
from tools.encryption import stored_token

# The key of an assistant that is a squad's own: of which member, and the how manieth of that name.
_OWN: Final = re.compile(r"[^/]+/members\[(?P<label>.*)\](#(?P<n>\d+))?", re.DOTALL)


def squads_page(query: Mapping[str, str]) -> list[Any]:
    """The squads that a list asks for, the newest first. Raises ApiError 400."""
    asked = list_query(query)
    bounds = {f"api_{one.of}__{one.lookup}": moment_text(one.at) for one in asked.bounds}
    return list(_rows().filter(**bounds).order_by("-api_created", "-pk")[: asked.limit])


def squad_row(given: str, *, lock: bool = False) -> Any:
    """The squad of that id, Vapi's or ours. Raises ApiError 404."""
    found = Q(pk__in=VapiObject.objects.filter(kind="squad", key=given).values("squad"))
    try:
        found |= Q(pk=UUID(given))
    except ValueError:
        pass
    rows = _rows().select_for_update(of=("self",)) if lock else _rows()
    row = rows.filter(found).first()
    if row is None:
        raise ApiError(HTTPStatus.NOT_FOUND, f"Couldn't Get Squad. `id` {given[:60]} Does Not Exist.")
    return row


def _rows() -> QuerySet[Any]:
    behind = VapiObject.objects.filter(squad=OuterRef("pk")).order_by("pk")
    untouched = behind.filter(
        client_document__isnull=True, imported_at__gte=OuterRef("updated_at") - Value(IMPORT_TAKES)
    )
    objects = VapiObject.objects.select_related("client_document")
    assistants = (
        Assistant.objects.only("id", "name")
        .annotate(api_headers=stored_token("server_headers"))
        .prefetch_related(Prefetch("vapi_objects", queryset=VapiObject.objects.only("key", "assistant")))
    )
    members = SquadMember.objects.prefetch_related(Prefetch("assistant", queryset=assistants))
    rows: QuerySet[Any] = (
        Squad.objects.filter(~Exists(behind.filter(client_document__deleted_at__isnull=False)))
        .annotate(
            api_created=Coalesce(told_moment(behind, "createdAt"), moment_column("created_at")),
            api_updated=Coalesce(told_moment(untouched, "updatedAt"), moment_column("updated_at")),
        )
        .prefetch_related(
            Prefetch("vapi_objects", queryset=objects), Prefetch("squadmember_set", queryset=members)
        )
    )
    return rows


def squad_id_of(row: Squad) -> str:
    """The id that programs know it by: Vapi's, where it was imported with one."""
    source = squad_source(row)
    return str(row.pk) if source is None or ":" in source.key or "#" in source.key else source.key


def squad_source(row: Squad) -> VapiObject | None:
    """The imported or written object behind it."""
    return min(row.vapi_objects.all(), key=lambda one: one.pk, default=None)


def squad_document(row: Any, *, org_id: str) -> dict[str, Any]:
    """The whole object, as GET answers it."""
    raw, _ = _written(row)
    identity = {
        "id": squad_id_of(row),
        "orgId": raw.get("orgId") or org_id,
        "createdAt": row.api_created,
        "updatedAt": row.api_updated,
    }
    return {**identity, **squad_settings(row)}


def squad_settings(row: Squad) -> dict[str, Any]:
    """The squad without its identity and without secrets; name and members as they are now."""
    raw, base = _written(row)
    document = {key: value for key, value in copy.deepcopy(raw).items() if key not in IDENTITY}
    if not raw or row.name != base.get("fields", {}).get("name"):
        document["name"] = row.name
    links = list(row.squadmember_set.all())
    keys = [_key_of(one.assistant) for one in links]
    masked: dict[str, Any] = hidden(document)
    entries = {key: entry for key in keys if (entry := _entry_of(key, masked.get("members")))}
    if keys != [key_stored(one) for one in base.get("members", ())]:
        masked["members"] = [
            entries.get(key) or {"assistantId": id_of(one.assistant)}
            for key, one in zip(keys, links, strict=True)
        ]
    for key, one in zip(keys, links, strict=True):
        entry = entries.get(key) if "/" in key else None
        for part in (
            (entry or {}).get("assistantOverrides"),
            (entry or {}).get("assistant"),
            masked.get("membersOverrides"),
        ):
            if entry is not None and isinstance(part, dict) and has_marks(part):
                headers_fill(part, one.assistant)
    shown: dict[str, Any] = without_marks(masked)
    return shown


def _key_of(assistant: Assistant) -> str:
    source = min(assistant.vapi_objects.all(), key=lambda one: one.pk, default=None)
    return source.key if source is not None else str(assistant.pk)


def _entry_of(key: str, entries: Any) -> dict[str, Any] | None:
    """The member of a document that an assistant's key was made of: an assistant by its id, or a copy of its own."""
    own = _OWN.fullmatch(key)
    label, n = (own["label"], int(own["n"] or 1)) if own else (key, 1)
    found = [
        one
        for number, one in enumerate(entries if isinstance(entries, list) else [])
        if isinstance(one, dict) and label == member_label(one, number)
    ]
    return found[n - 1] if len(found) >= n else None


def member_label(entry: dict[str, Any], number: int) -> str:
    """What a member of a document is known by within the squad."""
    if isinstance(entry.get("assistantId"), str):
        return str(entry["assistantId"])
    inline = entry.get("assistant")
    name = inline.get("name") if isinstance(inline, dict) else None
    return name if isinstance(name, str) else str(number)


def _written(row: Squad) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was last written of it, by whomever, and the base of that."""
    found = squad_source(row)
    if found is None:
        return {}, {}
    written = getattr(found, "client_document", None)
    return (written.raw, written.base) if written is not None else (found.raw, found.base)

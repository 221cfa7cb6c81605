"""What a document that came with a call refers to, and everything beside it that decides what becomes of it."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from assistants.models import Assistant, VapiObject
from assistants.selectors import catalogue_read
from assistants.vapi.drafts import Catalogue, Drafts
from assistants.vapi.exports import Export
from assistants.vapi.references import references_in
from assistants.vapi.translate import ToolInfo, translate
from tools.models import Tool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The catalogue, and the tools and assistants that documents mention. ``tools`` are our ids, by the ids in the documents."""

    catalogue: Catalogue
    tools: Mapping[str, uuid.UUID]
    known_tools: Mapping[str, ToolInfo]
    known_assistants: Mapping[str, str]
    changed: tuple[str, ...]

    def text(self) -> str:
        """All of it that a translation depends on, as one text."""
        return repr((self.catalogue, sorted(self.changed), sorted(self.known_assistants.items())))

    def translated(self, export: Export) -> Drafts:
        """The export as drafts."""
        return translate(
            export, self.catalogue, known_tools=self.known_tools, known_assistants=self.known_assistants
        )


def surroundings_of(documents: Iterable[Mapping[str, Any]]) -> Surroundings:
    """What these documents mention, as it is now."""
    documents = list(documents)
    found = [references_in(document) for document in documents]
    tools = _tools({one for each in found for one in each.tools})
    return Surroundings(
        catalogue=catalogue_read(),
        tools={key: tool.pk for key, tool in tools.items()},
        known_tools={key: ToolInfo(one.name, one.kind, one.server_url) for key, one in tools.items()},
        known_assistants=_assistants(
            {one for each in found for one in each.assistants},
            {name for document in documents for name in _names(document)},
        ),
        changed=tuple(f"{key} {tool.updated_at.isoformat()}" for key, tool in tools.items()),
    )


def _tools(given: set[str]) -> dict[str, Tool]:
    if not given:
        return {}
    light = Tool.objects.only("name", "kind", "server_url", "updated_at")
    rows = VapiObject.objects.filter(kind=VapiObject.Kind.TOOL, key__in=given, tool__isnull=False)
    keys = dict(rows.values_list("key", "tool"))
    by_id = {one.pk: one for one in light.filter(pk__in={*keys.values(), *_uuids(given)})}
    found = {key: by_id[pk] for key, pk in keys.items() if pk in by_id}
    return {**{one: by_id[uuid.UUID(one)] for one in given if _uuid(one) in by_id}, **found}


def _assistants(ids: set[str], names: set[str]) -> dict[str, str]:
    """The names of the assistants with these ids or names, by Vapi's id or, for those made here, ours."""
    if not ids and not names:
        return {}
    imported = VapiObject.objects.filter(kind=VapiObject.Kind.ASSISTANT, assistant__transient=None).exclude(
        key__contains="/"
    )
    wanted = Q(key__in=ids) | Q(name__in=names) | Q(assistant__name__in=names)
    found = {
        key: at_vapi if at_vapi in names else ours
        for key, at_vapi, ours in imported.filter(wanted, assistant__isnull=False).values_list(
            "key", "name", "assistant__name"
        )
    }
    own = Assistant.objects.filter(Q(pk__in=_uuids(ids)) | Q(name__in=names), vapi_objects=None)
    return {**found, **{str(pk): name for pk, name in own.values_list("pk", "name")}}


def _names(value: Any) -> Iterator[str]:
    """The names by which destinations mean assistants."""
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, Mapping):
        name = value.get("assistantName")
        if isinstance(name, str):
            yield name
        for item in value.values():
            yield from _names(item)


def _uuids(given: Iterable[str]) -> set[uuid.UUID]:
    return {found for one in given if (found := _uuid(one))}


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

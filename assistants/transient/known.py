"""What documents that came with calls refer to, and everything beside them that decides what becomes of them."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from assistants.models import Assistant, VapiObject
from assistants.selectors import catalogue_read
from assistants.vapi.drafts import Catalogue, Drafts
from assistants.vapi.exports import Export
from assistants.vapi.references import references_in
from assistants.vapi.translate import ToolInfo, translate
from tools.models import Tool

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The catalogue, and the tools and assistants that documents mention. ``tools`` are our ids, by the ids in the documents."""

    catalogue: Catalogue
    tools: Mapping[str, uuid.UUID]
    known_tools: Mapping[str, ToolInfo]
    known_assistants: Mapping[str, str]
    changed: tuple[str, ...]
    catalogue_text: str = field(repr=False)

    def text(self) -> str:
        """All of it that a translation depends on, as one text."""
        return f"({self.catalogue_text}, {sorted(self.changed)!r}, {sorted(self.known_assistants.items())!r})"

    def translated(self, export: Export) -> Drafts:
        """The export as drafts."""
        return translate(
            export,
            self.catalogue,
            known_tools=self.known_tools,
            known_assistants=self.known_assistants,
            copies=False,
        )


@dataclass(frozen=True, slots=True)
class _Mentioned:
    """The ids of tools and of assistants in documents, and the names by which destinations mean assistants."""

    tools: frozenset[str]
    assistants: frozenset[str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Known:
    """An assistant that may be meant: its key at Vapi, or here, with its name at Vapi and here."""

    key: str
    at_vapi: str
    ours: str


class Survey:
    """Looks up once what many documents mention, as it is now; and tells of some of them what they do."""

    def __init__(self, documents: Iterable[Document]) -> None:
        found = _mentioned(documents)
        self.catalogue = catalogue_read()
        self._catalogue_text = repr(self.catalogue)
        self._tools = _tools(found.tools)
        self._assistants = _assistants(found)

    def of(self, *documents: Document) -> Surroundings:
        """What these documents mention, which are among those that were given."""
        found = _mentioned(documents)
        tools = {key: self._tools[key] for key in self._tools if key in found.tools}
        return Surroundings(
            catalogue=self.catalogue,
            tools={key: tool.pk for key, tool in tools.items()},
            known_tools={key: ToolInfo(one.name, one.kind, one.server_url) for key, one in tools.items()},
            known_assistants={
                one.key: one.at_vapi if one.at_vapi in found.names else one.ours
                for one in self._assistants
                if one.key in found.assistants or not found.names.isdisjoint((one.at_vapi, one.ours))
            },
            changed=tuple(f"{key} {tool.updated_at.isoformat()}" for key, tool in tools.items()),
            catalogue_text=self._catalogue_text,
        )


def _mentioned(documents: Iterable[Document]) -> _Mentioned:
    documents = list(documents)
    found = [references_in(document) for document in documents]
    return _Mentioned(
        frozenset(one for each in found for one in each.tools),
        frozenset(one for each in found for one in each.assistants),
        frozenset(name for document in documents for name in _names(document)),
    )


def _tools(given: frozenset[str]) -> dict[str, Tool]:
    if not given:
        return {}
    light = Tool.objects.only("name", "kind", "server_url", "updated_at")
    rows = VapiObject.objects.filter(kind=VapiObject.Kind.TOOL, key__in=given, tool__isnull=False)
    keys = dict(rows.values_list("key", "tool"))
    by_id = {one.pk: one for one in light.filter(pk__in={*keys.values(), *_uuids(given)})}
    found = {key: by_id[pk] for key, pk in keys.items() if pk in by_id}
    return {**{one: by_id[uuid.UUID(one)] for one in given if _uuid(one) in by_id}, **found}


def _assistants(given: _Mentioned) -> list[_Known]:
    """The assistants with these ids or names, by Vapi's id or, for those made here, ours."""
    ids, names = given.assistants, given.names
    if not ids and not names:
        return []
    imported = VapiObject.objects.filter(kind=VapiObject.Kind.ASSISTANT, assistant__transient=None).exclude(
        key__contains="/"
    )
    wanted = Q(key__in=ids) | Q(name__in=names) | Q(assistant__name__in=names)
    found = imported.filter(wanted, assistant__isnull=False).values_list("key", "name", "assistant__name")
    own = Assistant.objects.filter(Q(pk__in=_uuids(ids)) | Q(name__in=names), vapi_objects=None)
    return [
        *(_Known(key, at_vapi, ours) for key, at_vapi, ours in found),
        *(_Known(str(pk), name, name) for pk, name in own.values_list("pk", "name")),
    ]


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

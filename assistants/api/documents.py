"""From our rows to Vapi's objects: what was imported or written comes back as it was, with our own edits laid over it."""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from assistants.imports.columns import column_read
from assistants.imports.writing import key_stored
from assistants.models import Assistant, VapiObject
from assistants.selectors import translated
from assistants.vapi.exports import Export, Item, Kind
from assistants.vapi.hiding import hidden, is_secret_header
from assistants.vapi.merge import Side, value_merge
from assistants.vapi.reverse import ASSISTANT_STEPS, TOOL_STEPS, document_with, has_marks, put, without_marks
from tools.encryption import SecretUnreadableError, decrypt
from tools.models import Tool

Row = Assistant | Tool
# What is told of an object beside its settings.
IDENTITY: Final = ("id", "orgId", "createdAt", "updatedAt")
_STEPS: Final = {"assistant": ASSISTANT_STEPS, "tool": TOOL_STEPS}


def kind_of_row(row: Row) -> str:
    """Vapi's name of what a row is."""
    return "assistant" if isinstance(row, Assistant) else "tool"


def source_of(row: Row) -> VapiObject | None:
    """The imported or written object behind a row; with prefetched rows no query is made."""
    return min(row.vapi_objects.all(), key=lambda one: one.pk, default=None)


def id_of(row: Row) -> str:
    """The id that programs know it by: Vapi's, where it was imported with one."""
    source = source_of(row)
    return str(row.pk) if source is None or ":" in source.key or "#" in source.key else source.key


class Documents:
    """Makes documents; what every empty object is translated to is worked out once."""

    def __init__(self, org_id: str) -> None:
        self._org_id = org_id
        self._empty: dict[str, dict[str, Any]] = {}

    def document(self, row: Any) -> dict[str, Any]:
        """The whole object, as GET answers it. The row carries ``api_created`` and ``api_updated``."""
        raw, _ = self.source(row)
        identity = {"id": id_of(row), "orgId": raw.get("orgId") or self._org_id}
        identity |= {"createdAt": row.api_created, "updatedAt": row.api_updated}
        settings = self.settings(row)
        return {**{name: identity[name] for name in IDENTITY}, **settings}

    def source(self, row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was last written of it, by whomever, and the translation of that."""
        found = source_of(row)
        if found is None:
            return {}, {"fields": self._of_nothing(kind_of_row(row)), "tools": []}
        written = getattr(found, "client_document", None)
        return (written.raw, written.base) if written is not None else (found.raw, found.base)

    def settings(self, row: Row) -> dict[str, Any]:
        """The object without its identity and without secrets."""
        raw, base = self.source(row)
        document = {key: value for key, value in copy.deepcopy(raw).items() if key not in IDENTITY}
        if isinstance(row, Assistant):
            self._lay_tools(row, document, base.get("tools", []))
        changed, values = _edited(row, base.get("fields", {}))
        document_with(document, values, changed, _STEPS[kind_of_row(row)])
        masked: dict[str, Any] = hidden(document)
        headers_fill(masked, row)
        shown: dict[str, Any] = without_marks(masked)
        return shown

    def _lay_tools(self, row: Assistant, document: dict[str, Any], base: list[str]) -> None:
        """The tools that it offers now: inline ones as they are, the others by id."""
        links = list(row.assistanttool_set.all())
        keys = [_key_of(link.tool) for link in links]
        inline = [link.tool for link, key in zip(links, keys, strict=True) if _is_inline(key)]
        model = document.get("model")
        written = model.get("tools") if isinstance(model, dict) else None
        edited = any(_edited(tool, self.source(tool)[1].get("fields", {}))[0] for tool in inline)
        if keys == [key_stored(key) for key in base] and not edited:
            return
        for key in {key_stored(one) for one in base} - set(keys):
            _take_out(document, key)
        own = [
            self.settings(tool)
            for tool, key in zip(inline, _inline_keys(keys), strict=True)
            if "/model.tools[" in key
        ]
        if own or written:
            put(document, "model.tools", own or None)
        stored = [id_of(link.tool) for link, key in zip(links, keys, strict=True) if not _is_inline(key)]
        put(document, "model.toolIds", stored or None)

    def _of_nothing(self, kind: str) -> dict[str, Any]:
        if kind not in self._empty:
            drafts = translated(export_of(kind, "nothing", {}))
            draft = (drafts.assistants or drafts.tools)[0]
            self._empty[kind] = {**draft.fields, "credential": None}
        return self._empty[kind]


def export_of(kind: str, chosen: str, settings: Mapping[str, Any]) -> Export:
    """An export of one object alone, with this id."""
    vapi_kind: Kind = "assistant" if kind == "assistant" else "tool"
    item = (Item(vapi_kind, {**settings, "id": chosen}, f"/{kind}/{chosen}"),)
    return Export(assistants=item) if kind == "assistant" else Export(tools=item)


def _edited(row: Row, base: dict[str, Any]) -> tuple[frozenset[str], dict[str, Any]]:
    """The columns that were changed here since, and the values of all."""
    values = {name: column_read(row, name) for name in base}
    changed = {
        name
        for name, value in values.items()
        if value_merge(base=base[name], theirs=base[name], ours=value).changed_by is not Side.NOBODY
    }
    return frozenset(changed), values


def headers_fill(document: dict[str, Any], row: Row) -> None:
    """Put back the headers that by their names are no secrets: an import hides all that may be one."""
    server, own = document.get("server"), document.get("headers")
    for headers in (
        server.get("headers") if isinstance(server, dict) else None,
        own.get("properties") if isinstance(own, dict) else None,
    ):
        if isinstance(headers, dict) and has_marks(headers):
            _fill(headers, stored_headers(row))
    if isinstance(row, Tool) and has_marks(document.get("destinations")):
        whole = row.settings.get("destinations", [])
        for shown, stored in zip(document["destinations"], whole, strict=False):
            if isinstance(shown, dict) and isinstance(shown.get("sipHeaders"), dict):
                _fill(shown["sipHeaders"], stored.get("sipHeaders") or {})


def _fill(headers: dict[str, Any], stored: Mapping[str, Any]) -> None:
    for name, value in headers.items():
        if name in stored and has_marks(value) and not is_secret_header(name):
            headers[name] = (
                {key: stored[name] if has_marks(item) else item for key, item in value.items()}
                if isinstance(value, dict)
                else stored[name]
            )


def stored_headers(row: Row) -> dict[str, str]:
    """The headers that are stored encrypted; none where no key opens them."""
    try:
        token = getattr(row, "api_headers", None)
        text = row.server_headers if token is None else decrypt(token) if token else ""
        found = json.loads(text or "{}")
    except SecretUnreadableError:
        return {}
    return found if isinstance(found, dict) else {}


def _key_of(tool: Tool) -> str:
    source = source_of(tool)
    return source.key if source is not None else str(tool.pk)


def _is_inline(key: str) -> bool:
    return "/" in key


def _inline_keys(keys: Iterable[str]) -> Iterator[str]:
    return (key for key in keys if _is_inline(key))


def _take_out(document: dict[str, Any], key: str) -> None:
    """A tool that only a setting of an older assistant stood for, and that was taken away here."""
    place = key.rpartition("/")[2]
    document.pop(place, None)

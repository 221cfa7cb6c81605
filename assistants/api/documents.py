"""From our rows to Vapi's objects: what was imported or written comes back as it was, with our own edits laid over it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from assistants.imports.columns import columns_read
from assistants.imports.keys import key_stored
from assistants.models import Assistant, AssistantTool, VapiObject
from assistants.selectors import catalogue_read
from assistants.vapi.exports import Export, Item, Kind
from assistants.vapi.hiding import hidden, is_secret_header, url_shown
from assistants.vapi.merge import same
from assistants.vapi.reverse import ASSISTANT_STEPS, TOOL_STEPS, document_with, has_marks, put, without_marks
from assistants.vapi.translate import translate
from tools.encryption import SecretUnreadableError, decrypt
from tools.models import Tool

Row = Assistant | Tool
# What is told of an object beside its settings.
IDENTITY: Final = ("id", "orgId", "createdAt", "updatedAt")
# Where rows carry the objects behind them, and an assistant its tools, that were read with them.
OBJECTS: Final = "api_objects"
LINKS: Final = "api_links"
_STEPS: Final = {"assistant": ASSISTANT_STEPS, "tool": TOOL_STEPS}


def kind_of_row(row: Row) -> str:
    """Vapi's name of what a row is."""
    return "assistant" if isinstance(row, Assistant) else "tool"


def objects_of(row: Row) -> list[VapiObject]:
    """The imported or written objects behind a row; with prefetched ones no query is made."""
    prefetched: list[VapiObject] | None = row.__dict__.get(OBJECTS)
    return list(row.vapi_objects.all()) if prefetched is None else prefetched


def tools_of(assistant: Assistant) -> list[Tool]:
    """The tools that it offers, in the order in which the model reads them; with prefetched ones no query is made."""
    prefetched: list[AssistantTool] | None = assistant.__dict__.get(LINKS)
    if prefetched is None:
        return [link.tool for link in assistant.assistanttool_set.all()]
    for link in prefetched:
        link.tool.api_headers = link.api_headers  # type: ignore[attr-defined]  # as in ``rows_of``
    return [link.tool for link in prefetched]


def objects_forget(row: Row) -> None:
    """Let what is behind a row be looked up anew."""
    row.__dict__.pop(OBJECTS, None)
    row.__dict__.pop(LINKS, None)


def source_of(row: Row) -> VapiObject | None:
    """The object behind a row: the first, of several."""
    return min(objects_of(row), key=lambda one: one.pk, default=None)


def id_of(row: Row) -> str:
    """The id that programs know it by: Vapi's, where it was imported with one."""
    return _id_by(row, source_of(row))


def _id_by(row: Row, source: VapiObject | None) -> str:
    return str(row.pk) if source is None or ":" in source.key or "#" in source.key else source.key


class Documents:
    """Makes documents; what every empty object is translated to is worked out once."""

    def __init__(self, org_id: str) -> None:
        self._org_id = org_id
        self._empty: dict[str, dict[str, Any]] = {}
        self._sources: dict[Row, VapiObject | None] = {}

    def document(self, row: Any) -> dict[str, Any]:
        """The whole object, as GET answers it. The row carries ``api_created`` and ``api_updated``."""
        raw, _ = self.source(row)
        identity = {"id": _id_by(row, self._source_of(row)), "orgId": raw.get("orgId") or self._org_id}
        identity |= {"createdAt": row.api_created, "updatedAt": row.api_updated}
        settings = self.settings(row)
        return {**{name: identity[name] for name in IDENTITY}, **settings}

    def source(self, row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was last written of it, by whomever, and the translation of that."""
        found = self._source_of(row)
        if found is None:
            return {}, {"fields": self._of_nothing(kind_of_row(row)), "tools": []}
        written = getattr(found, "client_document", None)
        return (written.raw, written.base) if written is not None else (found.raw, found.base)

    def _source_of(self, row: Row) -> VapiObject | None:
        # Looked up once: a manager for each look takes longer than the rest.
        if row not in self._sources:
            self._sources[row] = source_of(row)
        return self._sources[row]

    def settings(self, row: Row) -> dict[str, Any]:
        """The object without its identity and without secrets."""
        raw, base = self.source(row)
        document = {key: _copied(value) for key, value in raw.items() if key not in IDENTITY}
        if isinstance(row, Assistant):
            self._lay_tools(row, document, base.get("tools", []))
        changed, values = _edited(row, base.get("fields", {}))
        document_with(document, values, changed, _STEPS[kind_of_row(row)])
        masked: dict[str, Any] = hidden(document)
        headers_fill(masked, row)
        if isinstance(row, Assistant):
            _tool_headers_fill(masked, tools_of(row))
        shown: dict[str, Any] = without_marks(masked)
        return shown

    def _lay_tools(self, row: Assistant, document: dict[str, Any], base: list[str]) -> None:
        """The tools that it offers now: inline ones as they are, the others by id."""
        tools = tools_of(row)
        keys = [_key_of(tool) for tool in tools]
        inline = [tool for tool, key in zip(tools, keys, strict=True) if _is_inline(key)]
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
        stored = [id_of(tool) for tool, key in zip(tools, keys, strict=True) if not _is_inline(key)]
        put(document, "model.toolIds", stored or None)

    def _of_nothing(self, kind: str) -> dict[str, Any]:
        if kind not in self._empty:
            drafts = translate(
                export_of(kind, "nothing", {}), catalogue_read(), known_tools={}, known_assistants={}
            )
            draft = (drafts.assistants or drafts.tools)[0]
            # It has no name, not even one that stands for none.
            self._empty[kind] = {**draft.fields, "credential": None, "name": ""}
        return self._empty[kind]


def export_of(kind: str, chosen: str, settings: Mapping[str, Any]) -> Export:
    """An export of one object alone, with this id."""
    vapi_kind: Kind = "assistant" if kind == "assistant" else "tool"
    item = (Item(vapi_kind, {**settings, "id": chosen}, f"/{kind}/{chosen}"),)
    return Export(assistants=item) if kind == "assistant" else Export(tools=item)


def _edited(row: Row, base: dict[str, Any]) -> tuple[frozenset[str], dict[str, Any]]:
    """The columns that were changed here since, and the values of all."""
    values = columns_read(row, base)
    changed = [name for name, value in values.items() if not same(base[name], value)]
    return frozenset(changed), values


def _copied(value: Any) -> Any:
    """A copy of a JSON value, which may be written into."""
    kind = type(value)
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if kind is list else value


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


def _tool_headers_fill(document: dict[str, Any], tools: Iterable[Tool]) -> None:
    """The same of the tools that stand inside an assistant, which are offered in the order in which they stand there."""
    model = document.get("model")
    written = model.get("tools") if isinstance(model, dict) else None
    shown = [one for one in (written if isinstance(written, list) else []) if isinstance(one, dict) and one]
    if not has_marks(shown):
        return
    inline = [tool for tool in tools if "/model.tools[" in _key_of(tool)]
    if len(inline) == len(shown):
        for one, tool in zip(shown, inline, strict=True):
            headers_fill(one, tool)


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


# --- Addresses that are not given back whole


def settings_whole(row: Row) -> dict[str, Any]:
    """The object without its identity and without secrets, but with whole addresses: what is to be translated anew."""
    whole: dict[str, Any] = addresses_given_back(Documents("").settings(row), rows_behind(row))
    return whole


def rows_behind(row: Row) -> Iterator[Row]:
    """The row, the tools that it offers, and the assistants and tools that stand inside destinations of those."""
    yield row
    yield from tools_of(row) if isinstance(row, Assistant) else ()
    source = source_of(row)
    if source is None:
        return
    parts = VapiObject.objects.filter(kind="assistant", key__startswith=f"{source.key}/")
    inside = Assistant.objects.filter(pk__in=parts.values("assistant"))
    yield from inside.defer("server_secret", "server_headers")
    yield from Tool.objects.filter(assistants__in=inside).defer("server_secret", "server_headers")


def addresses_given_back(value: Any, rows: Iterable[Row]) -> Any:
    """A copy of what a program sends in which addresses are whole again that it has read with marks in them.

    One that could be either of two stays as it is.
    """
    if not has_marks(value):
        return value
    shown: dict[str, set[str]] = {}
    for row in rows:
        asked = row.settings.get("url") if isinstance(row, Tool) and isinstance(row.settings, dict) else None
        for url in (row.server_url, asked):
            if isinstance(url, str) and url:
                shown.setdefault(url_shown(url), set()).add(url)
    return _whole(value, {text: urls.pop() for text, urls in shown.items() if len(urls) == 1})


def _whole(value: Any, addresses: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _whole(item, addresses) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item, addresses) for item in value]
    return addresses.get(value, value) if isinstance(value, str) else value

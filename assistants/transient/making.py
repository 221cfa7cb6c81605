"""Rows made of what came with a call: an assistant that nobody sees in a list, its tools, and its one version."""

import copy
import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final

from django.db import models

from assistants.api.documents import stored_headers
from assistants.imports.columns import column, column_read, columns_checked, columns_set
from assistants.mcp_lists import McpLists
from assistants.models import (
    Assistant,
    AssistantTool,
    AssistantVersion,
    RealtimeModel,
    TranscriptionModel,
    Transient,
)
from assistants.services import FaultsFound, publish_faults
from assistants.snapshots import Snapshot, snapshot_read, snapshot_take
from assistants.transient.rows import Rows
from assistants.vapi.drafts import AssistantDraft, Catalogue, Finding, ToolDraft, Verdict
from assistants.vapi.hiding import with_secret_headers
from assistants.vapi.overrides import fields_set
from assistants.vapi.servers import same_server
from tools.auth.allowing import asked_url, credential_faults
from tools.models import Tool
from tools.snapshots import MCP_LIST, ToolSnapshot, tool_snapshot_take, tool_snapshots_take

_NAME_MAX: Final = 50
_LISTS: Final = ("tools", "toolIds", "functions")
_AT: Final = {"server_url", "server_backoff_plan", "server_encrypted_paths"}
# Of a snapshot what is not told by comparing two drafts.
_OWN: Final = frozenset({"assistant_id", "name", "tools"})


class UnfitError(Exception):
    """A document that no call could run on; ``reasons`` are sentences."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__("a document that no call could run on")
        self.reasons = list(reasons)


@dataclass(frozen=True, slots=True)
class Draft:
    """An assistant with its tools, translated. ``owners`` are what the keys of its own tools begin with."""

    assistant: AssistantDraft
    tools: Mapping[str, ToolDraft]
    owners: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name that its document gives it."""
        return str(self.assistant.raw.get("name") or "")

    def place(self, key: str) -> str:
        """Where in the assistant a tool of its own stands; the key itself for any other."""
        return next((key[len(one) + 1 :] for one in self.owners if key.startswith(f"{one}/")), key)

    def placed(self) -> dict[str, ToolDraft | None]:
        """Its tools by place; None for those that stand by themselves."""
        return {self.place(key): self.tools.get(key) for key in self.assistant.tools}


class Desk:
    """What the makers of many documents share: what one has looked up or checked, no other does again."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.faults = FaultsFound()
        self._tools: dict[uuid.UUID, Tool] = {}
        self._groups: dict[str, str] = {}
        self._credential_faults: dict[tuple[str, str], list[str]] = {}

    def row(self, draft: AssistantDraft) -> Assistant:
        """A new row with the columns of a draft, and no tools yet. Raises UnfitError for values that no column takes."""
        return self.changed(Assistant(), draft.fields)

    def like(self, base: Assistant, before: AssistantDraft, after: AssistantDraft) -> Assistant:
        """A new row with the columns of a draft, much like one that was made ``before``: what is the same is not checked again."""
        old, new = before.fields, after.fields
        changed = {name: value for name, value in new.items() if name not in old or old[name] != value}
        # Of some columns a draft says nothing: as in any new row, then, and not as it was before.
        unsaid = {name: column(Assistant, name).get_default() for name in old.keys() - new.keys()}
        return self.changed(copy.copy(base), unsaid | changed)

    def changed(self, row: Assistant, values: Mapping[str, Any]) -> Assistant:
        """The row with these columns. Raises UnfitError."""
        _columns_fill(row, values, self.catalogue)
        row.credential_id = None
        # As if they had been read with it.
        row.model = self._models.get(str(row.model_id)) or row.model
        row.transcription_model = (
            self._transcription_models.get(str(row.transcription_model_id)) or row.transcription_model
        )
        row.tool_links = []  # type: ignore[attr-defined]  # as if prefetched
        return row

    def tools(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Tool]:
        """The stored tools with these ids, without secrets."""
        missing = set(ids) - self._tools.keys()
        if missing:
            self._tools |= _light_tools().in_bulk(list(missing))
        return {pk: self._tools[pk] for pk in ids if pk in self._tools}

    def tool(self, pk: uuid.UUID) -> Tool:
        """The stored tool with this id. Raises UnfitError where it was deleted meanwhile."""
        found = self.tools([pk])
        if not found:
            raise UnfitError([f"Couldn't Get Tool. `toolId` {pk} Does Not Exist."])
        return found[pk]

    def groups(self, ids: Collection[str]) -> dict[str, str]:
        """The lists in which stored tools stand, by our ids."""
        missing = set(ids) - self._groups.keys()
        if missing:
            rows = Tool.every.filter(pk__in=missing).prefetch_related("vapi_objects").only("pk")
            self._groups |= {
                str(row.pk): _group(next((one.key for one in row.vapi_objects.all()), "")) for row in rows
            }
        return {one: self._groups[one] for one in ids if one in self._groups}

    def credential_faults(self, named: Iterable[tuple[Assistant | Tool, str]]) -> list[str]:
        """What is wrong with rows that are to have the credentials of these ids."""
        found: dict[str, None] = {}
        for row, given in named:
            key = given, asked_url(row)
            if key not in self._credential_faults:
                self._credential_faults[key] = credential_faults([(row, given)])
            found |= dict.fromkeys(self._credential_faults[key])
        return list(found)

    @cached_property
    def _models(self) -> dict[str, RealtimeModel]:
        return RealtimeModel.objects.in_bulk()

    @cached_property
    def _transcription_models(self) -> dict[str, TranscriptionModel]:
        return TranscriptionModel.objects.in_bulk()


class Base:
    """The assistant that something is laid over: its version in force, and how its draft translates without that.

    ``tools`` are the rows of its draft's tools, by place. Raises UnfitError where nothing can be laid over it.
    """

    def __init__(
        self,
        assistant: Assistant,
        version: AssistantVersion,
        before: Draft,
        tools: Mapping[str, uuid.UUID],
        desk: Desk,
    ) -> None:
        self.assistant, self.before, self.tools = assistant, before, tools
        self.placed = before.placed()
        self.row = desk.row(before.assistant)
        self.taken = snapshot_take(self.row)
        self.live = snapshot_read(version.snapshot)


def tool_groups(over: Mapping[str, Any]) -> frozenset[str]:
    """The lists of tools that overrides replace as a whole."""
    model = over.get("model")
    return frozenset(f"model.{name}" for name in _LISTS if isinstance(model, dict) and name in model)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the rows of one document. ``tools`` are the stored tools that it names; ``ids`` our ids of other members;
    ``lists`` what the MCP servers inside it offer; ``inside`` the assistants in destinations of tools, by key, each of which is
    made with the first tool that leads to it.
    """

    transient: Transient
    desk: Desk
    tools: Mapping[str, uuid.UUID]
    ids: dict[str, str] = field(default_factory=dict)
    lists: McpLists = field(default_factory=McpLists)
    rows: Rows = field(default_factory=Rows)
    inside: Mapping[str, Draft] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows.transients.append(self.transient)

    def whole(self, draft: Draft) -> Rows:
        """The rows of an assistant that came as a whole. Raises UnfitError."""
        row = self._row(self.desk.row(draft.assistant), draft.assistant)
        tools = [self._tool(draft, key) for key in draft.assistant.tools]
        row.tool_links = [AssistantTool(tool=tool) for tool in tools]  # type: ignore[attr-defined]  # as if prefetched
        return self._published(row, replace(snapshot_take(row), name=draft.name, transient=True))

    def over(self, base: Base, over: Mapping[str, Any], after: Draft, *, named: bool) -> Rows:
        """The rows of an assistant with overrides, in Vapi's words, laid over it: what those say, and all else as callers hear it
        now.

        What they say is told from the draft, which may differ from what callers hear: it counts even where the draft says the
        same. ``named``: calls name the assistant itself, not the one that is made here. Raises UnfitError.
        """
        row = self.desk.like(base.row, base.before.assistant, after.assistant)
        taken = snapshot_take(row)
        row = self._row(row, after.assistant)
        self._secrets_keep(row, base, after.assistant)
        said = fields_set(over)
        changed = _changed(base.taken, taken, said)
        changed["tools"] = self._tools_over(base, tool_groups(over), after, row)
        changed["name"] = after.name if after.name != base.before.name or "name" in said else base.live.name
        own_id = str(base.assistant.pk if named else row.pk)
        return self._published(row, replace(base.live, **changed, assistant_id=own_id, transient=not named))

    # --- Rows

    def _row(self, row: Assistant, draft: AssistantDraft) -> Assistant:
        row.pk, row.transient = self.transient.pk, self.transient
        row.name = f"{draft.name[:_NAME_MAX].strip()} ({self.transient.pk.hex[:12]})".strip()
        for name, value in draft.secrets.items():
            setattr(row, name, value)
        if draft.credential_id:
            self.rows.credentials.append((row, draft.credential_id))
        self.rows.assistants.append(row)
        return row

    def _tool(self, draft: Draft, key: str) -> Tool:
        """The row of a tool: a stored one by its id, or one that came along, which is made."""
        given = draft.tools.get(key)
        if given is None:
            return self.desk.tool(self.tools[key])
        tool = Tool(pk=uuid.uuid5(self.transient.pk, key), transient=self.transient.pk)
        settings = self._led(given.fields.get("settings", {}))
        if listing := self.lists.of(given):
            settings = {**settings, MCP_LIST: listing}
        _columns_fill(tool, {**given.fields, "settings": settings}, self.desk.catalogue)
        for name, value in given.secrets.items():
            setattr(tool, name, value)
        if given.credential_id:
            self.rows.credentials.append((tool, given.credential_id))
        self.rows.tools.append(tool)
        return tool

    def _led(self, settings: Any) -> Any:
        """A tool's settings, whose destinations lead to the rows that are made of the other members."""
        listed = settings.get("destinations") if isinstance(settings, dict) else None
        if not isinstance(listed, list):
            return settings
        led = [
            {**one, "assistantKey": self._member(str(one["assistantKey"]))}
            if isinstance(one, dict) and one.get("assistantKey")
            else one
            for one in listed
        ]
        return {**settings, "destinations": led}

    def _member(self, key: str) -> str:
        """Our id of the assistant of that key, which is made if it stands inside; the key itself of any other."""
        draft = self.inside.get(key)
        if key in self.ids or draft is None:
            return self.ids.get(key, key)
        whole = self.transient.part_of or self.transient
        pk = uuid.uuid5(whole.pk, key)
        self.ids[key] = str(pk)
        own = Transient(
            pk=pk,
            kind=Transient.Kind.MEMBER,
            part_of=whole,
            document=draft.assistant.raw,
            made_by=whole.made_by,
            used_at=whole.used_at,
        )
        Maker(own, self.desk, self.tools, self.ids, self.lists, self.rows, self.inside).whole(draft)
        return self.ids[key]

    def _published(self, row: Assistant, snapshot: Snapshot) -> Rows:
        # Whether a server is known beside the assistant's own is a matter of the number that the call goes over.
        faults = [
            one.text for one in publish_faults(snapshot, found=self.desk.faults) if one.field != "server_url"
        ]
        faults += self.desk.credential_faults(self.rows.credentials)
        if faults:
            raise UnfitError(faults)
        note = f"Sent with calls: {self.transient.kind}"
        version = AssistantVersion(assistant=row, number=1, snapshot=snapshot.to_json(), note=note)
        self.rows.versions.append(version)
        return self.rows

    # --- Over another assistant

    def _secrets_keep(self, row: Assistant, base: Base, after: AssistantDraft) -> None:
        """Secrets of the assistant's server go with it, unless others are given, and never to another host."""
        before, own = base.before.assistant, base.assistant
        if not same_server(row.server_url, str(before.fields.get("server_url") or "")):
            return
        if not after.secrets.get("server_secret") or after.secrets.get("server_secret") == before.secrets.get(
            "server_secret"
        ):
            row.server_secret = own.server_secret
        if after.secrets.get("server_headers") == before.secrets.get("server_headers"):
            row.server_headers = own.server_headers
        else:
            given = json.loads(after.secrets.get("server_headers") or "{}")
            whole = with_secret_headers(given, stored_headers(own))
            row.server_headers = json.dumps(whole, ensure_ascii=False)
        if after.credential_id == before.credential_id:
            row.credential_id = own.credential_id
            self.rows.credentials[:] = [one for one in self.rows.credentials if one[0] is not row]

    def _tools_over(
        self, base: Base, lists: frozenset[str], after: Draft, row: Assistant
    ) -> tuple[ToolSnapshot, ...]:
        """The tools that callers are offered now, without those that went, with those that came."""
        before, now, live = base.placed, after.placed(), base.live
        keys = {after.place(key): key for key in after.assistant.tools}
        gone = {place for place, draft in before.items() if place not in now or not _same(draft, now[place])}
        came = [
            place for place, draft in now.items() if place not in before or not _same(before[place], draft)
        ]
        lost = {str(base.tools[place]) for place in gone if place in base.tools}
        kept = {str(base.tools[place]): place for place in now if place not in came and place in base.tools}
        # Of lists that are replaced, what stays as the draft has it counts, and nothing that only callers hear of.
        drafted: list[uuid.UUID] = []
        if lists:
            heard = {tool.id for tool in live.tools}
            drafted = [
                uuid.UUID(id_) for id_, place in kept.items() if id_ not in heard and _group(place) in lists
            ]
            groups = self.desk.groups(heard - kept.keys())
            lost |= {id_ for id_, group in groups.items() if group in lists}
        left = [tool for tool in live.tools if tool.id not in lost]
        server: dict[str, Any] = {
            "server_url": row.server_url,
            "backoff_plan": row.server_backoff_plan,
            "encrypted_paths": row.server_encrypted_paths,
        }
        old = {name: base.before.assistant.fields.get(name) for name in _AT}
        if any(column_read(row, name) != value for name, value in old.items()):
            left = self._served(left, server)
        made = [self._tool(after, keys[place]) for place in came]
        new = tool_snapshots_take([*self.desk.tools(drafted).values(), *made], **server)
        return (*left, *new)

    def _served(self, tools: list[ToolSnapshot], server: dict[str, Any]) -> list[ToolSnapshot]:
        """The tools with another server where they have none of their own."""
        rows = self.desk.tools([uuid.UUID(tool.id) for tool in tools])
        led = {str(pk): row for pk, row in rows.items() if not row.server_url and row.kind != Tool.Kind.MCP}
        return [_serve(tool, led[tool.id], server) if tool.id in led else tool for tool in tools]


def notes_of(findings: Iterable[tuple[str, Finding]]) -> list[str]:
    """What is to be said of a document, each with where it stands: what would be a decision in an import.

    Not that a name has no value: values come with each call.
    """
    said = [
        f"{where}{one.path}: {one.reason}"
        for where, one in findings
        if one.verdict == Verdict.DECISION and not one.path.startswith("variableValues")
    ]
    return list(dict.fromkeys(said))


def _columns_fill(row: models.Model, values: Mapping[str, Any], catalogue: Catalogue) -> None:
    keys: dict[str, frozenset[Any]] = {
        "model": frozenset(catalogue.realtime_models),
        "voice": frozenset(catalogue.realtime_voices),
        "transcription_model": frozenset(catalogue.transcription_models),
    }
    good, bad = columns_checked(type(row), values, keys=keys)
    if bad:
        raise UnfitError(f"{name}: {why}" for name, why in bad.items())
    columns_set(row, good)


def _changed(before: Snapshot, after: Snapshot, said: Collection[str]) -> dict[str, Any]:
    names = [one.name for one in fields(Snapshot) if one.name not in _OWN]
    return {
        name: getattr(after, name)
        for name in names
        if name in said or getattr(before, name) != getattr(after, name)
    }


def _light_tools() -> models.QuerySet[Tool]:
    return Tool.every.defer("server_secret", "server_headers")


def _same(one: ToolDraft | None, other: ToolDraft | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.fields, one.secrets, one.credential_id) == (other.fields, other.secrets, other.credential_id)


def _group(key: str) -> str:
    """The list in which a tool of this key, or at this place, stands; empty for one that no list holds."""
    if "/" not in key and "[" not in key:
        return "model.toolIds"
    return next((f"model.{name}" for name in _LISTS if f"model.{name}[" in key), "")


def _serve(tool: ToolSnapshot, row: Tool, server: dict[str, Any]) -> ToolSnapshot:
    now = tool_snapshot_take(row, **server)
    return replace(
        tool, server_url=now.server_url, backoff_plan=now.backoff_plan, encrypted_paths=now.encrypted_paths
    )

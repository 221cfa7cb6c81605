"""Rows made of what came with a call: an assistant that nobody sees in a list, its tools, and its one version."""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.db import models

from assistants.api.documents import stored_headers
from assistants.imports.columns import column_read, columns_checked, columns_set
from assistants.models import Assistant, AssistantTool, AssistantVersion, Transient
from assistants.services import publish_faults
from assistants.snapshots import Snapshot, snapshot_read, snapshot_take
from assistants.vapi.drafts import AssistantDraft, Catalogue, Finding, ToolDraft, Verdict
from assistants.vapi.hiding import is_secret_header
from tools.models import Credential, Tool
from tools.snapshots import ToolSnapshot, tool_snapshot_take, tool_snapshots_take

_NAME_MAX: Final = 50
_AT: Final = {"server_url", "server_backoff_plan", "server_encrypted_paths"}


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


@dataclass(frozen=True, slots=True)
class Base:
    """The assistant that something is laid over: its version in force, and how it translates without that."""

    assistant: Assistant
    version: AssistantVersion
    before: Draft
    tools: Mapping[str, uuid.UUID]  # the rows of its tools, by place


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the rows of one document. ``tools`` are the stored tools that it names; ``ids`` our ids of other members."""

    transient: Transient
    catalogue: Catalogue
    tools: Mapping[str, uuid.UUID]
    ids: Mapping[str, str] = field(default_factory=dict)

    def whole(self, draft: Draft) -> AssistantVersion:
        """The version of an assistant that came as a whole. Raises UnfitError."""
        row = self._row(draft.assistant)
        rows = [self._tool(draft, key) for key in draft.assistant.tools]
        row.tool_links = [AssistantTool(tool=tool) for tool in rows]  # type: ignore[attr-defined]  # as if prefetched
        row.save(force_insert=True)
        snapshot = replace(snapshot_take(row), name=draft.name, transient=True)
        return self._publish(row, snapshot)

    def over(self, base: Base, after: Draft, *, named: bool) -> AssistantVersion:
        """The version of an assistant with something laid over it: what that changes, and all else as callers hear it now.

        ``named``: calls name the assistant itself, not the one that is made here. Raises UnfitError.
        """
        row = self._row(after.assistant)
        self._secrets_keep(row, base, after.assistant)
        row.save(force_insert=True)
        live = snapshot_read(base.version.snapshot)
        before = _taken(base.before.assistant, self.catalogue)
        changed = _changed(before, _taken(after.assistant, self.catalogue))
        changed["tools"] = self._tools_over(base, after, live, row)
        changed["name"] = after.name if after.name != base.before.name else live.name
        own_id = str(base.assistant.pk if named else row.pk)
        return self._publish(row, replace(live, **changed, assistant_id=own_id, transient=not named))

    # --- Rows

    def _row(self, draft: AssistantDraft) -> Assistant:
        row = Assistant(pk=self.transient.pk, transient=self.transient)
        values = {**draft.fields, "credential": _credential(draft.credential_id)}
        _columns_fill(row, values, self.catalogue)
        row.name = f"{draft.name[:_NAME_MAX].strip()} ({self.transient.pk.hex[:12]})".strip()
        for name, value in draft.secrets.items():
            setattr(row, name, value)
        return row

    def _tool(self, draft: Draft, key: str) -> Tool:
        """The row of a tool: a stored one by its id, or one that came along, which is made."""
        given = draft.tools.get(key)
        if given is None:
            return Tool.every.defer("server_secret", "server_headers").get(pk=self.tools[key])
        pk = uuid.uuid5(self.transient.pk, key)
        tool = Tool(pk=pk, transient=self.transient.pk)
        values = {**given.fields, "credential": _credential(given.credential_id)}
        values["settings"] = self._led(values.get("settings", {}))
        _columns_fill(tool, values, self.catalogue)
        for name, value in given.secrets.items():
            setattr(tool, name, value)
        tool.save(force_insert=True)
        return tool

    def _led(self, settings: Any) -> Any:
        """A tool's settings, whose destinations lead to the rows that are made of the other members."""
        listed = settings.get("destinations") if isinstance(settings, dict) else None
        if not isinstance(listed, list):
            return settings
        led = [
            {**one, "assistantKey": self.ids.get(str(one.get("assistantKey")), one.get("assistantKey"))}
            if isinstance(one, dict) and "assistantKey" in one
            else one
            for one in listed
        ]
        return {**settings, "destinations": led}

    def _publish(self, row: Assistant, snapshot: Snapshot) -> AssistantVersion:
        # Whether a server is known beside the assistant's own is a matter of the number that the call goes over.
        faults = [one.text for one in publish_faults(snapshot) if one.field != "server_url"]
        if faults:
            raise UnfitError(faults)
        version = AssistantVersion.objects.create(
            assistant=row,
            number=1,
            snapshot=snapshot.to_json(),
            note=f"Sent with calls: {self.transient.kind}",
        )
        Assistant.every.filter(pk=row.pk).update(live_version=version)
        row.live_version = version
        return version

    # --- Over another assistant

    def _secrets_keep(self, row: Assistant, base: Base, after: AssistantDraft) -> None:
        """Secrets of the assistant's server go with it, unless others are given, and never to another host."""
        before, own = base.before.assistant, base.assistant
        if _origin(row.server_url) != _origin(str(before.fields.get("server_url") or "")):
            return
        if not after.secrets.get("server_secret") or after.secrets.get("server_secret") == before.secrets.get(
            "server_secret"
        ):
            row.server_secret = own.server_secret
        if after.secrets.get("server_headers") == before.secrets.get("server_headers"):
            row.server_headers = own.server_headers
        else:
            kept = {name: value for name, value in stored_headers(own).items() if is_secret_header(name)}
            given = json.loads(after.secrets.get("server_headers") or "{}")
            row.server_headers = json.dumps({**kept, **given}, ensure_ascii=False)
        if after.credential_id == before.credential_id:
            row.credential_id = own.credential_id

    def _tools_over(
        self, base: Base, after: Draft, live: Snapshot, row: Assistant
    ) -> tuple[ToolSnapshot, ...]:
        """The tools that callers are offered now, without those that went, with those that came."""
        before, now = base.before.placed(), after.placed()
        keys = {after.place(key): key for key in after.assistant.tools}
        gone = {place for place, draft in before.items() if place not in now or not _same(draft, now[place])}
        came = [
            place for place, draft in now.items() if place not in before or not _same(before[place], draft)
        ]
        lost = {str(base.tools[place]) for place in gone if place in base.tools}
        left = [tool for tool in live.tools if tool.id not in lost]
        server: dict[str, Any] = {
            "server_url": row.server_url,
            "backoff_plan": row.server_backoff_plan,
            "encrypted_paths": row.server_encrypted_paths,
        }
        old = {name: base.before.assistant.fields.get(name) for name in _AT}
        if any(column_read(row, name) != value for name, value in old.items()):
            left = _served(left, server)
        new = tool_snapshots_take([self._tool(after, keys[place]) for place in came], **server)
        return (*left, *new)


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
        "credential": frozenset({values.get("credential")}),
    }
    good, bad = columns_checked(type(row), values, keys=keys)
    if bad:
        raise UnfitError(f"{name}: {why}" for name, why in bad.items())
    columns_set(row, good)


def _taken(draft: AssistantDraft, catalogue: Catalogue) -> Snapshot:
    """How a draft would be published, without its tools."""
    row = Assistant()
    _columns_fill(row, {**draft.fields, "credential": None}, catalogue)
    row.tool_links = []  # type: ignore[attr-defined]  # as if prefetched
    return snapshot_take(row)


def _changed(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    old, new = before.to_json(), after.to_json()
    return {
        name: getattr(after, name)
        for name in new
        if new[name] != old[name] and name not in ("assistant_id", "name", "tools")
    }


def _same(one: ToolDraft | None, other: ToolDraft | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.fields, one.secrets, one.credential_id) == (other.fields, other.secrets, other.credential_id)


def _served(tools: list[ToolSnapshot], server: dict[str, Any]) -> list[ToolSnapshot]:
    """The tools with another server where they have none of their own."""
    rows = {str(one.pk): one for one in Tool.every.filter(pk__in=[tool.id for tool in tools], server_url="")
            .exclude(kind=Tool.Kind.MCP).defer("server_secret", "server_headers")}  # fmt: skip
    return [_serve(tool, rows[tool.id], server) if tool.id in rows else tool for tool in tools]


def _serve(tool: ToolSnapshot, row: Tool, server: dict[str, Any]) -> ToolSnapshot:
    now = tool_snapshot_take(row, **server)
    return replace(
        tool, server_url=now.server_url, backoff_plan=now.backoff_plan, encrypted_paths=now.encrypted_paths
    )


def _credential(vapi_id: str) -> uuid.UUID | str | None:
    """The credential of that id at Vapi; where nobody has entered it yet, an empty one that waits for it."""
    if not vapi_id:
        return None
    found, _ = Credential.objects.defer("settings").get_or_create(
        vapi_id=vapi_id[:80], defaults={"name": f"Vapi's credential {vapi_id[:8]}"}
    )
    return str(found.pk)


def _origin(url: str) -> str:
    """The scheme, host and port of an address."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.split('/', 1)[0].split('?', 1)[0].rpartition('@')[2]}".lower()

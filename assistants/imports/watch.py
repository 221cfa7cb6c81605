"""What changed at Vapi since the import: looked at by a task, taken over by people, and by nothing else."""

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from assistants.imports.columns import column_read, columns_checked, label
from assistants.imports.findings import value_told
from assistants.imports.keys import key_stored, keys_of
from assistants.imports.policies import Choice, ImportPolicy
from assistants.imports.writing import Writer, import_lock
from assistants.models import Assistant, AssistantTool, VapiObject, VapiWatch
from assistants.selectors import translated
from assistants.vapi.client import VapiClient, item_fetch
from assistants.vapi.documents import ExportError
from assistants.vapi.drafts import AssistantDraft, Drafts, ToolDraft
from assistants.vapi.exports import Export, Item
from assistants.vapi.hiding import cleaned, hidden
from assistants.vapi.inline import changed_in
from assistants.vapi.merge import Merged, Side, fields_merge, value_merge
from tools.models import Tool

logger = logging.getLogger(__name__)

WATCHED: Final = (VapiObject.Kind.ASSISTANT, VapiObject.Kind.TOOL)
INLINE: Final = frozenset({"tools", "functions"})
# They change with every visit to Vapi's dashboard, and mean nothing.
BOOKKEEPING: Final = frozenset({"updatedAt", "createdAt", "latestVersion", "orgId", "isServerUrlSecretSet"})


# --- Looking -------------------------------------------------------------------------------------------------


def watch_look() -> None:
    """Look at every imported assistant and tool once, and note what differs. Our own settings stay as they are."""
    now = timezone.now()
    try:
        with VapiClient(url=settings.VAPI_API_URL, key=settings.VAPI_API_KEY) as client:
            for row in _watched():
                _look(client, row)
    except ExportError as exc:
        _failed(str(exc))
        return
    watch = _watch()
    if watch.error:
        logger.info("watch of vapi works again")
    VapiWatch.objects.filter(pk=watch.pk).update(looked_at=now, error="", failing_since=None)


def _watched() -> list[VapiObject]:
    """The objects that Vapi knows by id: assistants and stored tools that are still here. Inline tools have no id."""
    rows = VapiObject.objects.filter(kind__in=WATCHED).exclude(assistant=None, tool=None)
    return [row for row in rows.order_by("kind", "pk") if row.raw.get("id") == row.key]


def _look(client: VapiClient, row: VapiObject) -> None:
    kind: Any = row.kind
    item = item_fetch(client, kind=kind, vapi_id=row.key)
    if item is None:
        VapiObject.objects.filter(pk=row.pk).update(
            gone=True, seen=None, seen_with=[], seen_at=timezone.now()
        )
        return
    drafts = _translated([item])
    strangers: list[dict[str, Any]] = []
    if row.kind == VapiObject.Kind.ASSISTANT:
        tools = (item_fetch(client, kind="tool", vapi_id=key) for key in _unimported(item))
        strangers = [hidden(cleaned(tool.raw)) for tool in tools if tool is not None]
        inline = {key_stored(tool.key): tool for tool in drafts.tools}
        for one in VapiObject.objects.filter(kind=VapiObject.Kind.TOOL, key__in=inline).exclude(tool=None):
            _note(one, inline[one.key])
    _note(row, _draft_of(row, drafts), strangers)


def _note(
    row: VapiObject, draft: AssistantDraft | ToolDraft, strangers: Collection[dict[str, Any]] = ()
) -> None:
    """Write down what differs at Vapi, or that nothing does."""
    ours = row.assistant or row.tool
    differs = _telling(draft.raw) != _telling(row.raw) or (ours is not None and _behind(row, draft, ours))
    # Where somebody imports at the same moment, what was compared is not of that state any more.
    VapiObject.objects.filter(pk=row.pk, imported_at=row.imported_at).update(
        gone=False,
        seen=draft.raw if differs else None,
        seen_with=list(strangers) if differs else [],
        seen_at=timezone.now(),
    )


def _draft_of(row: VapiObject, drafts: Drafts) -> AssistantDraft | ToolDraft:
    """The draft of this object. An inline tool translated by itself has no key of its own; it comes first."""
    if row.kind == VapiObject.Kind.ASSISTANT:
        return next(one for one in drafts.assistants if key_stored(one.key) == row.key)
    found = next((one for one in drafts.tools if key_stored(one.key) == row.key), drafts.tools[0])
    return replace(found, key=row.key)


def _unimported(item: Item) -> list[str]:
    """The stored tools that an assistant uses and that no import has brought."""
    used = item.raw.get("model", {}).get("toolIds") if isinstance(item.raw.get("model"), dict) else None
    ids = [one for one in used if isinstance(one, str)] if isinstance(used, list) else []
    known = set(
        VapiObject.objects.filter(kind=VapiObject.Kind.TOOL, key__in=ids).values_list("key", flat=True)
    )
    return [one for one in ids if one not in known]


def _telling(raw: Mapping[str, Any]) -> str:
    """What of an object means something, in one spelling. Its inline tools are compared by themselves."""
    kept = {key: value for key, value in raw.items() if key not in BOOKKEEPING}
    if isinstance(raw.get("model"), dict):
        kept["model"] = {key: value for key, value in raw["model"].items() if key not in INLINE}
    return json.dumps(kept, sort_keys=True)


def _behind(row: VapiObject, draft: AssistantDraft | ToolDraft, ours: Assistant | Tool) -> bool:
    """Whether what people last took over is not what Vapi has now."""
    moved = any(
        value_merge(base=one.base, theirs=one.theirs, ours=one.base).changed_by is Side.THEIRS
        for one in _merged(row, draft, ours).values()
    )
    return moved or _tools_moved(row, draft)


def _tools_moved(row: VapiObject, draft: AssistantDraft | ToolDraft) -> bool:
    return isinstance(draft, AssistantDraft) and list(draft.tools) != list(row.base.get("tools", []))


def _watch() -> VapiWatch:
    return VapiWatch.objects.get_or_create(pk=1)[0]


def _failed(error: str) -> None:
    """Note that looking failed. The log hears of it once for each reason, not with every attempt."""
    watch = _watch()
    if watch.error != error:
        logger.warning("watch of vapi fails", extra={"reason": error})
    VapiWatch.objects.filter(pk=watch.pk).update(
        error=error, failing_since=watch.failing_since or timezone.now()
    )


def _translated(items: list[Item]) -> Drafts:
    """The drafts of these, with assistants that their destinations change as those were read: each has a copy of its own."""
    named = {one for item in items for one in changed_in(item.raw)} - {item.id for item in items}
    known = VapiObject.objects.filter(kind=VapiObject.Kind.ASSISTANT, key__in=named)
    beside = [Item("assistant", row.raw, f"GET /assistant/{row.key}") for row in known]
    return translated(
        Export(
            assistants=tuple(item for item in (*items, *beside) if item.kind == "assistant"),
            tools=tuple(item for item in items if item.kind == "tool"),
        )
    )


# --- Showing -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that Vapi has changed since. Where ``ours`` was changed too, taking over loses that."""

    name: str
    label: str
    base: str
    theirs: str
    ours: str
    changed_here: bool


@dataclass(frozen=True, slots=True)
class Leaf:
    """One place of Vapi's own object that is different there now; empty where there was or is nothing."""

    path: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """An imported object beside what Vapi has now. ``others`` are leaves that touch no setting of ours."""

    differences: tuple[Difference, ...] = ()
    leaves: tuple[Leaf, ...] = field(default=(), repr=False)


def compare(row: VapiObject) -> Comparison:
    """What is different at Vapi, setting by setting and place by place; empty where nothing is.

    Raises ExportError where what was seen there cannot be translated.
    """
    ours = row.assistant or row.tool
    if ours is None:
        return Comparison()
    draft, _ = _drafts(row)
    merged = _merged(row, draft, ours)
    found = [
        Difference(
            name=name,
            label=label(row.kind, name),
            base=value_told(one.base),
            theirs=value_told(one.theirs),
            ours=value_told(one.ours),
            changed_here=one.changed_by is Side.BOTH,
        )
        for name, one in merged.items()
        if one.at_vapi
    ]
    if isinstance(draft, AssistantDraft) and _tools_moved(row, draft):
        found.append(_tools_difference(row, draft))
    return Comparison(tuple(found), tuple(_leaves(row.raw, row.raw if row.seen is None else row.seen)))


def _drafts(row: VapiObject) -> tuple[AssistantDraft | ToolDraft, Drafts]:
    """The draft of what was seen at Vapi, and all drafts that came with it."""
    kind: Any = row.kind
    seen = row.raw if row.seen is None else row.seen
    # By its key the assistants inside its destinations are found again.
    items = [Item(kind, {**seen, "id": row.key}, f"GET /{kind}/{row.key}")]
    items += [Item("tool", raw, f"GET /tool/{raw.get('id')}") for raw in row.seen_with]
    drafts = _without_secrets(_translated(items))
    draft = _draft_of(row, drafts)
    if "id" not in seen:
        raw = {name: value for name, value in draft.raw.items() if name != "id"}
        draft = replace(draft, raw=raw, findings=tuple(one for one in draft.findings if one.path != "id"))
    return draft, drafts


def _without_secrets(drafts: Drafts) -> Drafts:
    """The drafts without secrets: what was seen is kept with a mark in the place of each, and that is none."""
    return replace(
        drafts,
        tools=tuple(replace(tool, secrets={}) for tool in drafts.tools),
        assistants=tuple(replace(assistant, secrets={}) for assistant in drafts.assistants),
    )


def _merged(row: VapiObject, draft: AssistantDraft | ToolDraft, ours: Assistant | Tool) -> dict[str, Merged]:
    # An assistant may have been given another name here because its own was taken.
    named = row.kind == VapiObject.Kind.TOOL or draft.name[:400] != row.name
    fields = {name: value for name, value in draft.fields.items() if named or name != "name"}
    good, _ = columns_checked(type(ours), fields, keys=_any_key(fields))
    now = {name: column_read(ours, name) for name in good}
    return fields_merge(base=row.base.get("fields", {}), theirs=good, ours=now)


def _any_key(fields: Mapping[str, Any]) -> dict[str, frozenset[Any]]:
    return {name: frozenset({value}) for name, value in fields.items() if isinstance(value, str)}


def _tools_difference(row: VapiObject, draft: AssistantDraft) -> Difference:
    keys = [*row.base.get("tools", []), *draft.tools]
    rows = VapiObject.objects.filter(kind=VapiObject.Kind.TOOL, key__in=[key_stored(key) for key in keys])
    names = {one.key: one.name for one in rows}
    new = {str(raw.get("id")): raw for raw in row.seen_with}

    def told(listed: Collection[str]) -> str:
        return (
            ", ".join(names.get(key_stored(key)) or _tool_name(key, new.get(key)) for key in listed) or "none"
        )

    ours = AssistantTool.objects.filter(assistant=row.assistant).values_list("tool__name", flat=True)
    return Difference(
        name="tools",
        label=label(row.kind, "tools"),
        base=told(row.base.get("tools", [])),
        theirs=told(draft.tools),
        ours=", ".join(ours) or "none",
        changed_here=False,
    )


def _tool_name(key: str, raw: Mapping[str, Any] | None) -> str:
    function = raw.get("function") if raw else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return f"{function['name']} (new)"
    return (
        key.rpartition("[")[2].rstrip("]")
        if key.endswith("]")
        else f"a tool that is unknown here ({key[:8]})"
    )


def _leaves(was: Any, now: Any, path: str = "") -> Iterator[Leaf]:
    """The places that differ."""
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            if path or key not in BOOKKEEPING:
                yield from _leaves(was.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif isinstance(was, list) and isinstance(now, list):
        for position in range(max(len(was), len(now))):
            before = was[position] if position < len(was) else None
            after = now[position] if position < len(now) else None
            yield from _leaves(before, after, f"{path}[{position}]")
    else:
        yield Leaf(path, *("" if value is None else value_told(value) for value in (was, now)))


# --- Taking over ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _TakeOver:
    """A person's policy: what was chosen is taken or ignored, all else stays a difference."""

    take: frozenset[str]
    ignore: frozenset[str]

    def field(self, name: str, merged: Merged) -> tuple[Any, Any]:
        if not merged.at_vapi:
            return merged.ours, merged.base
        if name in self.take:
            return merged.theirs, merged.theirs
        return merged.ours, merged.theirs if name in self.ignore else merged.base

    def links(self, name: str) -> Choice:
        if name in self.take:
            return "take"
        return "ignore" if name in self.ignore else "leave"


def changes_take(*, row: VapiObject, take: Collection[str] = (), ignore: Collection[str] = ()) -> Comparison:
    """Take over some settings as they are at Vapi now into the draft, ignore others, and tell what is left.

    Nothing is published. Raises ExportError where what was seen cannot be used (any more).
    """
    policy = _TakeOver(frozenset(take), frozenset(ignore))
    with transaction.atomic():
        import_lock()
        locked = VapiObject.objects.select_for_update(of=("self",)).get(pk=row.pk)
        if locked.seen is None and not compare(locked).differences:
            raise ExportError(
                "There is nothing left to take over: somebody did it before, or imported again."
            )
        draft, drafts = _drafts(locked)
        pending = {name: getattr(locked, name) for name in ("raw", "seen", "seen_with", "seen_at")}
        if isinstance(draft, AssistantDraft):
            if "tools" in take:
                _tools_make(drafts, locked)
            writer = Writer(run=None, keys=keys_of(drafts), policy=policy)
            writer.assistant(draft)
        else:
            writer = Writer(run=None, keys=[draft.key], policy=policy)
            writer.tool(draft)
        writer.finish()
        if "settings" in take:
            _parts_take(drafts, locked)
        left = compare(VapiObject.objects.get(pk=row.pk))
        if left.differences:
            # What is not decided goes on being shown beside what was imported.
            VapiObject.objects.filter(pk=row.pk).update(**pending)
    return left


def _parts_take(drafts: Drafts, row: VapiObject) -> None:
    """Take over the assistants inside the destinations of a tool, which no other object at Vapi tells of."""
    tools = [one for one in drafts.tools if one.key.startswith(f"{row.key}/")]
    assistants = [one for one in drafts.assistants if one.key.startswith(f"{row.key}/")]
    if not assistants:
        return
    keys = [*(one.key for one in tools), *(one.key for one in assistants)]
    writer = Writer(run=row.last_import, keys=keys, policy=ImportPolicy(overwrite=False))
    for tool in tools:
        writer.tool(tool)
    for assistant in assistants:
        writer.assistant(assistant)
    writer.finish()


def _tools_make(drafts: Drafts, row: VapiObject) -> None:
    """Create the tools that came along and that are not here yet, with the assistants inside their destinations."""
    new = _unlinked_tools(drafts)
    inside = tuple(f"{tool.key}/destinations[" for tool in new)
    parts = [one for one in drafts.assistants if one.key.startswith(inside)]
    maker = Writer(
        run=row.last_import,
        keys=[*(tool.key for tool in new), *(one.key for one in parts)],
        policy=_TakeOver(frozenset(), frozenset()),
    )
    for tool in new:
        maker.tool(tool)
    for part in parts:
        maker.assistant(part)
    maker.finish()


def _unlinked_tools(drafts: Drafts) -> list[ToolDraft]:
    """The tools that came along and that are not here yet."""
    keys = [key_stored(tool.key) for tool in drafts.tools]
    known = set(
        VapiObject.objects.filter(kind=VapiObject.Kind.TOOL, key__in=keys, tool__isnull=False).values_list(
            "key", flat=True
        )
    )
    return [tool for tool in drafts.tools if key_stored(tool.key) not in known]

"""Which assistants offer a tool, and what of it callers have already: whom a change reaches, and when."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from django.db.models import JSONField, Q
from django.db.models.functions import Cast

from assistants.models import Assistant, AssistantTool
from tools.models import Tool
from tools.snapshots import tool_snapshots_take

State = Literal["never", "waiting", "older", "same", "leaving"]


@dataclass(frozen=True, slots=True)
class ToolUser:
    """An assistant that offers the tool, in its draft or in what callers hear.

    ``state``: it was ``never`` published; it was, but the tool is ``waiting`` for the next time; callers have the tool
    in an ``older`` form, in the ``same`` one, or still, though the draft has dropped it (``leaving``). ``version``
    and ``since`` are of the version that callers hear.
    """

    pk: Any
    name: str
    enabled: bool
    state: State
    version_pk: Any = None
    version: int | None = None
    since: datetime | None = None


def tool_users(tool: Tool) -> list[ToolUser]:
    """The assistants that offer the tool as it is saved, by name."""
    offering = set(AssistantTool.objects.filter(tool=tool).values_list("assistant_id", flat=True))
    rows = (
        Assistant.objects.alias(live=Cast("live_version__snapshot", JSONField()))
        .filter(Q(pk__in=offering) | Q(live__tools__contains=[{"id": str(tool.pk)}]))
        .select_related("live_version")
        # Opening secrets for a list would let one that no key opens break the page.
        .defer("server_secret", "server_headers")
        .order_by("name")
    )
    return [_user(one, tool, offered=one.pk in offering) for one in rows]


def _user(assistant: Assistant, tool: Tool, *, offered: bool) -> ToolUser:
    version = assistant.live_version
    if version is None:
        return ToolUser(assistant.pk, assistant.name, assistant.enabled, "never")
    return ToolUser(
        assistant.pk,
        assistant.name,
        assistant.enabled,
        _state(assistant, version.snapshot, tool, offered=offered),
        version_pk=version.pk,
        version=version.number,
        since=version.published_at,
    )


def _state(assistant: Assistant, snapshot: Any, tool: Tool, *, offered: bool) -> State:
    frozen = snapshot.get("tools") if isinstance(snapshot, dict) else None
    known = [one for one in frozen or [] if isinstance(one, dict) and one.get("id") == str(tool.pk)]
    if not offered:
        return "leaving"
    if not known:
        return "waiting"
    # An MCP server stands there as several tools.
    now = tool_snapshots_take(
        [tool],
        server_url=assistant.server_url,
        backoff_plan=assistant.server_backoff_plan,
        encrypted_paths=assistant.server_encrypted_paths,
    )
    same = [_canonical(one) for one in known] == [_canonical(asdict(one)) for one in now]
    return "same" if same else "older"


def _canonical(tool: dict[str, Any]) -> str:
    """The frozen tool without what an older release did not write and what says nothing."""
    return json.dumps(
        {key: value for key, value in tool.items() if value not in ("", [], {}, False)}, sort_keys=True
    )

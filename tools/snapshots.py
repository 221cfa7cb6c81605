"""A tool as it was when its assistant was published: what a call offers to the model, and nothing secret."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tools.models import Tool
from tools.schemas import legal_tool_name

# What an MCP server told of its tools, among the settings of its row.
MCP_LIST = "mcp"


@dataclass(frozen=True, slots=True)
class ToolSnapshot:
    """One frozen tool. ``parameters`` is the schema as written; ``server_url`` the one in force: the tool's, else the assistant's.

    ``messages``, ``backoff_plan`` and the like are in Vapi's form; ``settings`` is what only its kind has.
    """

    id: str
    kind: str
    name: str
    description: str
    parameters: dict[str, Any]
    server_url: str
    timeout_s: int
    wire_name: str = ""
    asynchronous: bool = False
    legacy_form: bool = False
    backoff_plan: dict[str, Any] = field(default_factory=dict)
    static_parameters: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    variable_extraction: dict[str, Any] = field(default_factory=dict)
    rejection_plan: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    repeats: bool = False  # asked twice for the same in one breath, it is asked for twice
    encrypted_paths: list[str] = field(default_factory=list)

    @property
    def name_on_the_wire(self) -> str:
        """What the customer's server knows the tool by."""
        return self.wire_name or self.name


def tool_snapshot_take(
    tool: Tool, *, server_url: str, backoff_plan: dict[str, Any], encrypted_paths: Iterable[str] = ()
) -> ToolSnapshot:
    """The tool as it is now. A tool without a URL of its own has the server given here, with what goes with that: the
    assistant's."""
    own = bool(tool.server_url)
    return ToolSnapshot(
        id=str(tool.id),
        kind=tool.kind,
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters,
        server_url=tool.server_url or server_url,
        timeout_s=tool.timeout_s,
        wire_name=tool.wire_name,
        asynchronous=tool.asynchronous,
        legacy_form=tool.legacy_form,
        backoff_plan=_object(tool.backoff_plan) or ({} if own else _object(backoff_plan)),
        static_parameters=_objects(tool.static_parameters),
        messages=_objects(tool.messages),
        variable_extraction=_object(tool.variable_extraction),
        rejection_plan=_object(tool.rejection_plan),
        settings=_object(tool.settings),
        repeats=tool.duplicates == Tool.Duplicates.EACH,
        encrypted_paths=list(
            dict.fromkeys([*_texts(tool.encrypted_paths), *([] if own else _texts(encrypted_paths))])
        ),
    )


# The columns hold any JSON, and not everything that wrote them was a form of ours.


def _object(stored: object) -> dict[str, Any]:
    return stored if isinstance(stored, dict) else {}


def _objects(stored: object) -> list[dict[str, Any]]:
    listed = stored if isinstance(stored, list) else []
    return [entry for entry in listed if isinstance(entry, dict)]


def _texts(stored: object) -> list[str]:
    # What is no text is no path, and must not pass for none: whoever reads it refuses to send.
    return [str(entry) for entry in stored] if isinstance(stored, list | tuple) else []


def tool_snapshots_take(
    tools: Sequence[Tool],
    *,
    server_url: str,
    backoff_plan: dict[str, Any],
    encrypted_paths: Iterable[str] = (),
) -> tuple[ToolSnapshot, ...]:
    """All tools of an assistant, with each MCP server's own tools in its place.

    No two of those have the same name, nor that of another tool: the server still hears its own. A server without a
    list stays as it is (``is_unlisted``).
    """
    taken = {tool.name for tool in tools if tool.kind != Tool.Kind.MCP}
    found: list[ToolSnapshot] = []
    for tool in tools:
        if tool.kind == Tool.Kind.MCP:
            found += _mcp_snapshots(tool, taken)
        else:
            found.append(
                tool_snapshot_take(
                    tool, server_url=server_url, backoff_plan=backoff_plan, encrypted_paths=encrypted_paths
                )
            )
    return tuple(found)


def is_unlisted(tool: ToolSnapshot) -> bool:
    """Whether it stands for a whole MCP server, of which nothing can be offered."""
    return tool.kind == Tool.Kind.MCP and "protocolVersion" not in tool.settings


def mcp_list(tool: Tool) -> dict[str, Any]:
    """What the MCP server told of its tools, empty where it was not asked, or another server was."""
    kept = tool.settings.get(MCP_LIST) if isinstance(tool.settings, dict) else None
    return kept if isinstance(kept, dict) and kept.get("url") == tool.server_url else {}


def settings_typed(settings: dict[str, Any]) -> dict[str, Any]:
    """A tool's settings without what an MCP server has told: what people and imports write."""
    return {key: value for key, value in settings.items() if key != MCP_LIST}


def _mcp_snapshots(server: Tool, taken: set[str]) -> Iterable[ToolSnapshot]:
    """The server's tools; their names are added to those that are ``taken``."""
    kept = mcp_list(server)
    # It has no use for the assistant's server, which speaks another protocol.
    whole = tool_snapshot_take(server, server_url="", backoff_plan={})
    hidden = set(kept.get("hidden", []))
    offered = [one for one in kept.get("tools", []) if one["name"] not in hidden]
    if not offered:
        yield replace(whole, settings=settings_typed(server.settings))
        return
    metadata = server.settings.get("metadata")
    protocol = metadata.get("protocol") if isinstance(metadata, dict) else None
    settings = {
        "protocol": "sse" if protocol == "sse" else "shttp",
        "protocolVersion": kept["protocolVersion"],
    }
    messages = _messages_by_name(server.settings.get("toolMessages"))
    for one in offered:
        name = legal_tool_name(one["name"], taken)
        taken.add(name)
        yield replace(
            whole,
            name=name,
            wire_name=one["name"] if one["name"] != name else "",
            description=one["description"],
            parameters=one["inputSchema"],
            messages=messages.get(one["name"], server.messages),
            settings=settings,
        )


def _messages_by_name(given: object) -> dict[str, list[dict[str, Any]]]:
    """Vapi's ``toolMessages``: what is said for single tools of the server."""
    return {
        one["name"]: one["messages"]
        for one in (given if isinstance(given, list) else [])
        if isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and isinstance(one.get("messages"), list)
    }

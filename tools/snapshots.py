"""A tool as it was when its assistant was published: what a call offers to the model, and nothing secret."""

from dataclasses import dataclass, field
from typing import Any

from tools.models import Tool


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

    @property
    def name_on_the_wire(self) -> str:
        """What the customer's server knows the tool by."""
        return self.wire_name or self.name


def tool_snapshot_take(tool: Tool, *, server_url: str, backoff_plan: dict[str, Any]) -> ToolSnapshot:
    """The tool as it is now. A tool without a URL of its own has the server given here: the assistant's."""
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
        backoff_plan=tool.backoff_plan or ({} if own else backoff_plan),
        static_parameters=tool.static_parameters,
        messages=tool.messages,
        variable_extraction=tool.variable_extraction,
        rejection_plan=tool.rejection_plan,
        settings=tool.settings,
    )

"""A tool as it was when its assistant was published: what a call offers to the model, and nothing secret."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolSnapshot:
    """One frozen tool. ``server_url`` is the one in force: the tool's, else the assistant's."""

    id: str
    kind: str
    name: str
    description: str
    parameters: dict[str, Any]
    server_url: str
    timeout_s: int

"""Whose value counts where something was changed here and at Vapi."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from assistants.vapi.merge import Merged

Choice = Literal["take", "ignore", "leave"]


class Policy(Protocol):
    """What becomes of the differences that a merge finds."""

    def field(self, name: str, merged: Merged) -> tuple[Any, Any]:
        """The value that stands afterwards, and the base of the next merge."""

    def links(self, name: str) -> Choice:
        """Whether links that came or went at Vapi come or go here; to ignore them is to take them as seen."""


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """An import's: ours stays where somebody changed it, unless told to overwrite."""

    overwrite: bool

    def field(self, name: str, merged: Merged) -> tuple[Any, Any]:
        return merged.result(overwrite=self.overwrite), merged.next_base(overwrite=self.overwrite)

    def links(self, name: str) -> Choice:
        return "take"

"""What is linked in an order: the tools that an assistant offers, and the members of a squad."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from assistants.models import Assistant, AssistantTool, Squad, SquadMember
from assistants.vapi.merge import links_merge

# Whose the links of a table are, and what they lead to.
_ENDS: Final = {AssistantTool: ("assistant", "tool_id"), SquadMember: ("squad", "assistant_id")}


@dataclass(frozen=True, slots=True)
class Links:
    """The ids that are linked afterwards, in order, and the keys that the next merge starts from."""

    order: tuple[str, ...]
    base: tuple[str, ...]
    changed: bool


def ids_ordered(
    *, base: Sequence[str], theirs: Sequence[str], ours: Sequence[str], overwrite: bool
) -> list[str]:
    """The ids that are linked after a merge, in order; what was linked by hand stays, even where theirs counts."""
    if overwrite:
        return [*theirs, *(pk for pk in ours if pk not in theirs and pk not in base)]
    return links_merge(base=base, theirs=theirs, ours=ours)


class Linked:
    """The links of one assistant or one squad, as they are stored."""

    def __init__(self, owner: Assistant | Squad) -> None:
        self._model: Any = AssistantTool if isinstance(owner, Assistant) else SquadMember
        whose, self._column = _ENDS[self._model]
        self._owner = {whose: owner}
        links = self._model.objects.filter(**self._owner)
        self._rows = {str(getattr(link, self._column)): link for link in links}

    @property
    def ids(self) -> list[str]:
        """What they lead to, in order."""
        return list(self._rows)

    def write(self, links: Links) -> None:
        """Link these and no others. Rows whose place stays are left alone."""
        gone = [row.pk for pk, row in self._rows.items() if pk not in links.order]
        self._model.objects.filter(pk__in=gone).delete()
        for position, pk in enumerate(links.order):
            if pk not in self._rows:
                self._model.objects.create(**self._owner, **{self._column: pk}, position=position)
            elif links.changed and self._rows[pk].position != position:
                self._model.objects.filter(pk=self._rows[pk].pk).update(position=position)

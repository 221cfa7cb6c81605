"""Assistants that a tool's destination holds, or changes for itself: each becomes one of its own, which the tool leads to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from assistants.vapi.assistant_fields import IDENTITY, AssistantBuild, assistant_translate
from assistants.vapi.assistant_tools import Toolbox, tools_add, tools_alike
from assistants.vapi.drafts import Catalogue, Verdict
from assistants.vapi.inline import inline_assistant, inline_squad, overrides_left
from assistants.vapi.names import Names
from assistants.vapi.overrides import merged, override_paths, sets_server
from assistants.vapi.paths import Path
from assistants.vapi.squads import Assistants, SquadBuild, squad_translate
from assistants.vapi.tool_fields import ToolBuild
from assistants.vapi.tool_kinds import Kind, destination_name

_KINDS: Final = frozenset({Kind.HANDOFF.value, Kind.TRANSFER.value})
# In the key of a tool that no model is offered.
_HOOK: Final = "/hooks["
# Copies of assistants that hand over to copies of each other: nobody means more of them than that.
_DEEPEST: Final = 5
_MOST: Final = 1000
_MERGED: Final = (
    "Merged into the assistant that this destination leads to, whose report says what became of it."
)
_MADE: Final = "Imported as an assistant with a report of its own, which the tool leads to."
_MEMBERS: Final = (
    "Its members were imported as assistants with reports of their own, and the tool leads to one of them."
)


def inline_add(
    box: Toolbox, assistants: Assistants, *, names: Names, catalogue: Catalogue, copies: bool
) -> list[AssistantBuild]:
    """The assistants inside the destinations of all tools in the box, and inside those of their tools, which are added to it.

    ``assistants`` are those of the export. Of one that a destination changes a copy is made, where ``copies`` is set.
    """
    maker = _Maker(box, assistants, names, catalogue, copies)
    waiting = list(box.builds.values())
    while waiting:
        tool = waiting.pop(0)
        if tool.kind not in _KINDS or _HOOK in tool.key:
            continue
        before = set(box.builds)
        maker.lead(tool)
        waiting += [build for key, build in box.builds.items() if key not in before]
    return maker.made


@dataclass(slots=True)
class _Maker:
    box: Toolbox
    assistants: Assistants
    names: Names
    catalogue: Catalogue
    copying: bool
    made: list[AssistantBuild] = field(default_factory=list)
    copies: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)

    def lead(self, tool: ToolBuild) -> None:
        """Have each destination that holds or changes an assistant lead to one of its own."""
        taken: set[str] = set()
        for place, number in enumerate(_numbers(tool)):
            path: Path = ("destinations", number)
            shown = tool.destinations[place]
            key = f"{tool.key}/{_label(shown, taken)}"
            if inline_assistant(shown):
                led: str | None = self._whole(tool, path, key)
            elif inline_squad(shown):
                led = self._squad(tool, path, key)
            else:
                led = self._copy(tool, path, key, shown)
            if led is not None:
                tool.destinations[place] = {**shown, "assistantKey": led}

    def _whole(self, tool: ToolBuild, path: Path, key: str) -> str:
        """An assistant that stands there, with what is set over it."""
        over = _mapping(tool.ledger.secret(*path, "assistantOverrides"))
        document = merged(tool.ledger.secret(*path, "assistant"), over)
        build = assistant_translate(document, key=key, catalogue=self.catalogue)
        self.names.give(build)
        tools_add(build, self.box, owner=key, resolve=tool.resolve)
        self.made.append(build)
        _say_over(tool, path, build, over)
        tool.ledger.say((*path, "assistant"), Verdict.CONVERTED, _MADE, field="settings", ours=build.name)
        return key

    def _copy(self, tool: ToolBuild, path: Path, key: str, shown: dict[str, Any]) -> str | None:
        """A copy of an assistant that is named there, with what is set over it; None where the assistant itself will do."""
        over = _mapping(tool.ledger.secret(*path, "assistantOverrides"))
        base = self.assistants.builds.get(str(shown.get("assistantKey")))
        if base is None or not self.copying or not overrides_left(over):
            return None
        known = next(
            (at for of, by, at in self.copies if (of, by) == (base.key, over) and key.startswith(at)), None
        )
        if known is not None or key.count("/destinations[") > _DEEPEST or len(self.made) >= _MOST:
            return known
        document = {name: value for name, value in base.ledger.full.items() if name not in IDENTITY}
        build = assistant_translate(merged(document, over), key=key, catalogue=self.catalogue)
        build.copy_of, build.own_server = base.key, sets_server(over)
        self.names.give(build, copy_of=tool.name, holder="handoff")
        self.copies.append((base.key, over, key))
        owner = base.key if tools_alike(build, base) else key
        tools_add(build, self.box, owner=owner, resolve=tool.resolve)
        # What a squad has added to it stands not in its own document.
        build.tools += [pair for pair in base.tools if pair[0][0] == "assistantDestinations"]
        self.made.append(build)
        _say_over(tool, path, build, over)
        return key

    def _squad(self, tool: ToolBuild, path: Path, key: str) -> str | None:
        """The members of a squad that stands there; the key of the one that takes the call, None where there is none."""
        raw = _mapping(tool.ledger.secret(*path, "squad"))
        over = merged(
            _mapping(raw.get("membersOverrides")), _mapping(tool.ledger.secret(*path, "squadOverrides"))
        )
        squad = squad_translate(
            {**raw, **({"membersOverrides": over} if over else {})},
            key=key,
            name=destination_name(tool.ledger.mapping(*path)),
            assistants=Assistants(self.assistants.builds, self.assistants.known, tool.resolve),
            box=self.box,
            names=self.names,
            catalogue=self.catalogue,
        )
        self.made += squad.copies
        entry = self._entry(squad, tool.ledger.text(*path, "entryAssistantName"))
        _say_squad(tool, path, squad, found=entry is not None)
        return entry

    def _entry(self, squad: SquadBuild, name: str | None) -> str | None:
        if not name:
            return next(iter(squad.members), None)
        copies = {build.key: build for build in squad.copies}
        named = {
            key: build.ledger.text("name")
            for key in squad.members
            if (build := copies.get(key) or self.assistants.builds.get(key)) is not None
        }
        return next(
            (key for key in squad.members if named.get(key, self.assistants.known.get(key)) == name), None
        )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _numbers(tool: ToolBuild) -> list[int]:
    """At which places of the original the tool's destinations stand."""
    return [n for n, one in enumerate(tool.ledger.items("destinations")) if isinstance(one, dict)]


def _label(destination: dict[str, Any], taken: set[str]) -> str:
    """The end of the key: two of one name are two assistants."""
    name = free = destination_name(destination)
    number = 1
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    taken.add(free)
    return f"destinations[{free}]"


def _say_over(tool: ToolBuild, path: Path, build: AssistantBuild, over: Mapping[str, Any]) -> None:
    for place in override_paths(dict(over)):
        build.ledger.note(place, "The handoff sets this.")
    if over:
        place = (*path, "assistantOverrides")
        tool.ledger.say(place, Verdict.CONVERTED, _MERGED, field="settings", ours=build.name)


def _say_squad(tool: ToolBuild, path: Path, squad: SquadBuild, *, found: bool) -> None:
    """What of the squad is to be decided has no report of its own: it is told here."""
    asked = [one for one in squad.ledger.findings() if one.verdict is Verdict.DECISION]
    names = ", ".join(build.name for build in squad.copies)
    tool.ledger.say((*path, "squad"), Verdict.CONVERTED, _MEMBERS, field="settings", ours=names)
    if asked:
        reason = f"{_MEMBERS} {asked[0].path}: {asked[0].reason}"
        tool.ledger.say(
            (*path, "squad"), Verdict.DECISION, reason, field="settings", ours=names, code=asked[0].code
        )
    if tool.ledger.mapping(*path, "squadOverrides"):
        tool.ledger.say((*path, "squadOverrides"), Verdict.CONVERTED, _MERGED, field="settings")
    if not found:
        name = "entryAssistantName" if tool.ledger.text(*path, "entryAssistantName") else "squad"
        reason = "No member of this squad can take the call, so the model is not offered it. Name one of its members, or add one."
        tool.ledger.say(
            (*path, name), Verdict.DECISION, reason, field="settings", code="unresolved_assistant"
        )

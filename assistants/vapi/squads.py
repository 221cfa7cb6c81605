"""From a squad of Vapi's to ours: members with their own copies, and tools that hand the call over."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from assistants.vapi.assistant_fields import IDENTITY, AssistantBuild, assistant_translate
from assistants.vapi.assistant_tools import Toolbox, tools_add, tools_alike
from assistants.vapi.drafts import Catalogue, SquadDraft, Verdict
from assistants.vapi.inline import inline_name
from assistants.vapi.ledger import Ledger
from assistants.vapi.names import Names
from assistants.vapi.overrides import merged, override_paths, sets_server
from assistants.vapi.paths import Path
from assistants.vapi.squad_rules import SQUAD
from assistants.vapi.tool_destinations import Resolve, leads_to, say_destination
from assistants.vapi.tool_fields import ToolBuild, tool_translate
from assistants.vapi.tool_kinds import Kind, parameters_for
from assistants.vapi.tool_settings import overrides_say
from tools.schemas import legal_tool_name

_NEWER: Final = frozenset(
    {"assistantId", "contextEngineeringPlan", "variableExtractionPlan", "assistant", "squadId", "squad"}
)
_ENDS_CALL: Final = frozenset({Kind.END_CALL.value, Kind.TRANSFER.value})


@dataclass(frozen=True, slots=True)
class Assistants:
    """What a squad finds: the assistants of this export by key, with their originals, and those of earlier imports."""

    builds: Mapping[str, AssistantBuild]
    known: Mapping[str, str]
    resolve: Resolve


@dataclass(slots=True)
class _Member:
    """A member while the squad is read. ``build`` is its own copy, or the assistant itself; None for one known from before."""

    path: Path
    key: str
    vapi_id: str = ""
    build: AssistantBuild | None = None
    own: bool = False
    owner: str = ""
    name: str = ""
    destinations: list[tuple[Path, dict[str, Any], str | None]] = field(default_factory=list)


@dataclass(slots=True)
class SquadBuild:
    """A squad with the copies of assistants that it made."""

    key: str
    name: str
    ledger: Ledger
    members: tuple[str, ...]
    copies: list[AssistantBuild]

    def draft(self) -> SquadDraft:
        """The squad as it is written."""
        return SquadDraft(self.key, self.name, self.ledger.raw, self.ledger.findings(), self.members)


def squad_translate(
    raw: Any,
    *,
    key: str,
    name: str,
    assistants: Assistants,
    box: Toolbox,
    names: Names,
    catalogue: Catalogue,
) -> SquadBuild:
    """The squad, with its copies of assistants added to the names and their tools to the box."""
    ledger = Ledger(raw, SQUAD)
    members = [
        member
        for number, item in enumerate(ledger.items("members"))
        if isinstance(item, dict)
        and (member := _member(ledger, number, key=key, assistants=assistants, catalogue=catalogue))
        is not None
    ]
    _keys_differ(members)
    resolve = _resolver(members, assistants.resolve)
    # A destination that changes one of these has a copy of it made.
    copied = {*assistants.builds, *(member.key for member in members if member.build is not None)}
    for member in members:
        if member.own and member.build is not None:
            member.build.key = member.key
            names.give(member.build, copy_of="" if member.vapi_id == "" else name)
            handoffs = _handoffs(ledger, member, members, resolve, copied)
            tools_add(member.build, box, owner=member.owner, resolve=resolve, more=handoffs)
        else:
            _destinations(ledger, member, resolve, copied)
    _say_members(ledger, members)
    _say_voices(ledger, members)
    _say_loops(ledger, members, box)
    copies = [member.build for member in members if member.own and member.build is not None]
    return SquadBuild(key, name, ledger, tuple(dict.fromkeys(member.key for member in members)), copies)


# --- Members


def _member(
    ledger: Ledger, number: int, *, key: str, assistants: Assistants, catalogue: Catalogue
) -> _Member | None:
    path: Path = ("members", number)
    inline = ledger.secret(*path, "assistant")
    vapi_id = ledger.text(*path, "assistantId") or ""
    over = _overrides(ledger, number)
    base = assistants.builds.get(vapi_id)
    if isinstance(inline, dict) and inline and base is None:
        label = inline.get("name") if isinstance(inline.get("name"), str) else number
        return _copy(inline, over, _Member(path, f"{key}/members[{label}]"), catalogue)
    if base is not None:
        if not over and not ledger.items(*path, "assistantDestinations"):
            return _Member(path, vapi_id, vapi_id, base, name=base.ledger.text("name") or "")
        full = {name: value for name, value in base.ledger.full.items() if name not in IDENTITY}
        member = _copy(full, over, _Member(path, f"{key}/members[{vapi_id}]", vapi_id), catalogue)
        _share_tools(member, base)
        if member.build is not None:
            member.build.copy_of, member.build.own_server = base.key, sets_server(over)
        return member
    if not vapi_id:
        return None
    if vapi_id not in assistants.known:
        ledger.say(
            (*path, "assistantId"),
            Verdict.DECISION,
            f"There is no assistant {vapi_id[:80]} in this export, and none was imported before. The squad does without it. "
            "Export it as well and import again.",
            field="members",
            code="unresolved_assistant",
        )
        return None
    if over or ledger.items(*path, "assistantDestinations"):
        ledger.say(
            (*path, "assistantId"),
            Verdict.DECISION,
            "This assistant was imported before and is no part of this export, so the squad's changes to it and its handoffs "
            "could not be made. Export the assistant together with the squad and import both.",
            field="members",
            code="assistant_not_in_export",
        )
    return _Member(path, vapi_id, vapi_id, name=assistants.known[vapi_id])


def _overrides(ledger: Ledger, number: int) -> dict[str, Any]:
    over: dict[str, Any] = {}
    for path in (("members", number, "assistantOverrides"), ("membersOverrides",)):
        part = ledger.secret(*path)
        over = merged(over, part) if isinstance(part, dict) else over
    return over


def _copy(base: dict[str, Any], over: dict[str, Any], member: _Member, catalogue: Catalogue) -> _Member:
    member.build = assistant_translate(merged(base, over), key=member.key, catalogue=catalogue)
    for path in override_paths(over):
        member.build.ledger.note(path, "The squad sets this.")
    member.own = True
    member.owner = member.key
    member.name = member.build.ledger.text("name") or ""
    return member


def _share_tools(member: _Member, base: AssistantBuild) -> None:
    """A copy whose tools are those of the assistant shares them, so that a secret is entered once."""
    assert member.build is not None
    if tools_alike(member.build, base):
        member.owner = base.key


def _keys_differ(members: list[_Member]) -> None:
    """Copies of one assistant for two places in the squad are two assistants."""
    taken: set[str] = set()
    for member in members:
        base, number = member.key, 1
        while member.own and member.key in taken:
            number += 1
            member.key = f"{base}#{number}"
        if member.owner == base:
            member.owner = member.key
        taken.add(member.key)


def _resolver(members: list[_Member], otherwise: Resolve) -> Resolve:
    """Destinations mean members of the squad first."""
    by_id = {member.vapi_id: member.key for member in reversed(members) if member.vapi_id}
    by_name = {member.name: member.key for member in reversed(members) if member.name}

    def resolve(destination: dict[str, Any]) -> str | None:
        if destination.get("type") != "assistant":
            return otherwise(destination)
        id_, name = destination.get("assistantId"), destination.get("assistantName")
        found = by_id.get(id_) if isinstance(id_, str) else None
        if found is None and isinstance(name, str) and not isinstance(id_, str):
            found = by_name.get(name)
        return found or otherwise(destination)

    return resolve


# --- Handing over


def _destinations(ledger: Ledger, member: _Member, resolve: Resolve, copied: Collection[str]) -> None:
    base: Path = (*member.path, "assistantDestinations")
    for number, destination in enumerate(ledger.items(*base)):
        if not isinstance(destination, dict) or not destination:
            continue
        path = (*base, number)
        key = leads_to(destination, resolve)
        if not inline_name(destination) and key not in copied:
            overrides_say(ledger, path)
        member.destinations.append((path, ledger.secret(*path), key))
        if key is None:
            say_destination(ledger, path, destination)


def _handoffs(
    ledger: Ledger, member: _Member, members: Sequence[_Member], resolve: Resolve, copied: Collection[str]
) -> dict[Path, ToolBuild]:
    """The member's tools for its destinations: one for those that Vapi calls transfers, one for its handoffs."""
    _destinations(ledger, member, resolve, copied)
    older = [
        full
        for _, full, _ in member.destinations
        if full.get("type") == "assistant" and not _NEWER & full.keys()
    ]
    newer = [full for _, full, _ in member.destinations if full not in older]
    keyed = {one.key: one.name for one in members if one.name}
    tools: dict[Path, ToolBuild] = {}
    for name, destinations in (("transfers", older), ("handoffs", newer)):
        if not destinations:
            continue
        raw = {"type": Kind.HANDOFF.value, "destinations": destinations}
        key = f"{member.key}/assistantDestinations[{name}]"
        tool = tool_translate(raw, key=key, resolve=resolve, told_elsewhere=True)
        if name == "transfers":
            _name_transfer(tool)
        elif len(destinations) == 1:
            _name_handoff(tool, keyed.get(leads_to(destinations[0], resolve) or "", ""))
        tools["assistantDestinations", name] = tool
    return tools


def _name_transfer(tool: ToolBuild) -> None:
    """Vapi offers its older destinations under the name of transfers."""
    tool.fields["name"] = Kind.TRANSFER.value
    tool.fields["parameters"] = parameters_for(Kind.TRANSFER, tool.fields["settings"]["destinations"])
    reason = "Vapi offers destinations of this older form to the model under this name."
    tool.ledger.missing(tool.name_path, reason, field="name", ours=tool.name)


def _name_handoff(tool: ToolBuild, name: str) -> None:
    """Vapi names a handoff after the assistant; a destination may only have its id."""
    if name:
        tool.fields["name"] = legal_tool_name(f"handoff_to_{name}")
        tool.ledger.missing(
            tool.name_path,
            "Vapi offers a handoff to the model under this name.",
            field="name",
            ours=tool.name,
        )


# --- What the whole squad has to say


def _say_members(ledger: Ledger, members: list[_Member]) -> None:
    over = ledger.mapping("membersOverrides")
    if over and not any(member.own for member in members):
        reason = "No member could be changed by it: none is part of this export."
        ledger.say(("membersOverrides",), Verdict.DECISION, reason, code="assistant_not_in_export")
    if not ledger.items("members"):
        reason = "This squad has no members, so nobody can take its calls. Add its assistants at Vapi and import again, or delete it here."
        ledger.decide(("members",), reason, field="members", code="no_members")
    for member in members:
        path = (*member.path, "assistant" if not member.vapi_id else "assistantId")
        if not member.own or member.build is None:
            continue
        own = "" if not member.vapi_id else "A copy of it, changed as this squad wants it. "
        reason = f"{own}Imported as an assistant with a report of its own."
        verdict = Verdict.KEPT if not member.vapi_id else Verdict.CONVERTED
        ledger.say(path, verdict, reason, field="members", ours=member.build.name)


def _say_voices(ledger: Ledger, members: list[_Member]) -> None:
    voices = [(member, str(member.build.fields["voice"])) for member in members if member.build is not None]
    for member, voice in voices[1:]:
        first = voices[0][1]
        if voice != first:
            path = (*member.path, "assistant" if not member.vapi_id else "assistantId")
            ledger.note(
                path,
                f"It speaks as {voice}, the first member as {first}: a call that is handed over between them gets a new "
                "connection, which is ready before the old one is left. The next one reads what was said; it does not hear it.",
            )


def _say_loops(ledger: Ledger, members: list[_Member], box: Toolbox) -> None:
    ways = {member.key: {key for _, _, key in member.destinations if key} for member in members}
    done = {member.key for member in members if _can_end(member, ways, box)}
    while grown := {key for key, to in ways.items() if key not in done and to & done}:
        done |= grown
    for member in members:
        if member.key in done:
            continue
        path, destination, _ = next(place for place in member.destinations if place[2])
        name = "assistantId" if isinstance(destination.get("assistantId"), str) else "assistantName"
        ledger.say(
            (*path, name),
            Verdict.DECISION,
            "From here on the assistants can only hand the caller round in a circle: none of them can hang up or transfer the call. "
            "Give one of them a tool that hangs up, or phrases that end the call.",
            field="tools",
            code="loop_without_exit",
        )


def _can_end(member: _Member, ways: Mapping[str, set[str]], box: Toolbox) -> bool:
    to = ways[member.key]
    if (
        member.build is None
        or not to
        or any(key not in ways for key in to)
        or member.build.fields["end_call_phrases"]
    ):
        return True
    return any(box.kind(key) in _ENDS_CALL for _, key in member.build.tools)

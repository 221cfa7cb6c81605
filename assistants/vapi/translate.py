"""From what was read of Vapi to drafts of our own, with what became of every leaf. Pure, and never fails on any JSON."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from assistants.vapi.assistant_fields import AssistantBuild, assistant_translate, say_unknown_variables
from assistants.vapi.assistant_tools import (
    Toolbox,
    ToolInfo,
    names_settle,
    offers_say,
    server_say,
    servers_check,
    tools_add,
)
from assistants.vapi.drafts import Catalogue, Drafts, NumberDraft, Verdict
from assistants.vapi.exports import Export, Item
from assistants.vapi.hiding import cleaned
from assistants.vapi.inline_assistants import inline_add
from assistants.vapi.ledger import Ledger
from assistants.vapi.names import NAME_MAX, Names, name_free
from assistants.vapi.numbers import number_translate
from assistants.vapi.squads import Assistants, SquadBuild, squad_translate
from assistants.vapi.tool_destinations import Resolve
from assistants.vapi.tool_fields import ToolBuild, tool_translate
from assistants.vapi.variables import tool_texts, tool_variables

__all__ = ["ToolInfo", "translate"]

# Vapi's ids have 36 characters; longer ones were written by hand.
_ID_MAX = 200


def translate(
    export: Export,
    catalogue: Catalogue,
    *,
    known_tools: Mapping[str, ToolInfo],
    known_assistants: Mapping[str, str],
    taken_names: Collection[str] = (),
    copies: bool = True,
) -> Drafts:
    """The drafts of everything in the export.

    ``known_tools`` and ``known_assistants`` are what earlier imports made, by Vapi's id, the latter with its name here:
    with them a part of an export finds the rest. ``taken_names`` are names of assistants that were not imported.
    ``copies``: whether an assistant that a destination of a tool changes is copied for it; without it those changes are asked about.
    """
    items = _by_key(export.assistants)
    squad_items = _by_key(export.squads)
    resolve = _resolver(items, known_assistants)
    box = Toolbox(known_tools, frozenset(export.unresolved.tools))
    doubled: list[tuple[Ledger, int]] = []
    for key, group in _by_key(export.tools).items():
        tool = tool_translate(group[0].raw, key=key, resolve=resolve)
        box.add(tool)
        doubled.append((tool.ledger, len(group)))
    stored = {*box.builds, *known_tools}

    names = Names(known_assistants, taken=taken_names, present=_names(items))
    builds: dict[str, AssistantBuild] = {}
    for key, group in items.items():
        build = assistant_translate(group[0].raw, key=key, catalogue=catalogue)
        names.give(build)
        tools_add(build, box, owner=key, resolve=resolve)
        builds[key] = build
        doubled.append((build.ledger, len(group)))

    squads = _squads(squad_items, Assistants(builds, known_assistants, resolve), box, names, catalogue)
    doubled += [(squad.ledger, len(group)) for squad, group in zip(squads, squad_items.values(), strict=True)]
    assistants = [*builds.values(), *(copy for squad in squads for copy in squad.copies)]
    held = {build.key: build for build in assistants}
    beside = Assistants(held, known_assistants, resolve)
    assistants += inline_add(box, beside, names=names, catalogue=catalogue, copies=copies)
    _settle(assistants, box, stored)
    for ledger, count in doubled:
        _say_identity(ledger, count)
    return Drafts(
        tools=tuple(tool.draft() for tool in box.builds.values()),
        assistants=tuple(build.draft() for build in assistants),
        squads=tuple(squad.draft() for squad in squads),
        numbers=tuple(_numbers(export.phone_numbers, {*builds, *known_assistants}, set(squad_items))),
    )


# --- Keys


def _key(item: Item) -> str:
    """Vapi's id; for an object written by hand its name, or else its content."""
    for name, prefix in (("id", ""), ("name", "name:")):
        value = cleaned(item.raw.get(name))
        if isinstance(value, str) and value.strip():
            key = prefix + value.strip()
            return key if len(key) <= _ID_MAX else f"{key[:100]}#{_digest(key)}"
    return f"content:{_digest(json.dumps(cleaned(item.raw), sort_keys=True))}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _by_key(items: Iterable[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(_key(item), []).append(item)
    return found


def _say_identity(ledger: Ledger, count: int) -> None:
    if count > 1:
        ledger.decide(
            ("id",),
            f"This id, or where there is none this name, stands in the export {count} times. The first was imported and the others "
            "were not: export again, or take the surplus ones out.",
            code="duplicate_id",
        )
    elif not ledger.text("id"):
        ledger.missing(
            ("id",), "It has no id. The next import finds it again by its name.", ours="by its name"
        )


def _names(items: Mapping[str, list[Item]]) -> dict[str, str]:
    """The names at Vapi, of those that have one."""
    found = {key: cleaned(group[0].raw.get("name")) for key, group in items.items()}
    return {key: name for key, name in found.items() if isinstance(name, str) and name.strip()}


def _resolver(items: Mapping[str, list[Item]], known: Mapping[str, str]) -> Resolve:
    """Which assistant a destination means: of this export first, then of earlier imports."""
    by_name: dict[str, str] = {}
    for key, name in _names(items).items():
        by_name.setdefault(name, key)
    for id_, name in known.items():
        # One that stands inside a destination is meant by that alone.
        if "/destinations[" not in id_:
            by_name.setdefault(name, id_)

    def resolve(destination: dict[str, Any]) -> str | None:
        if destination.get("type") != "assistant":
            # A number or a SIP address leads to no assistant.
            return None
        id_, name = destination.get("assistantId"), destination.get("assistantName")
        if isinstance(id_, str):
            return id_ if id_ in items or id_ in known else None
        return by_name.get(name) if isinstance(name, str) else None

    return resolve


# --- Parts


def _squads(
    items: Mapping[str, list[Item]], assistants: Assistants, box: Toolbox, names: Names, catalogue: Catalogue
) -> list[SquadBuild]:
    builds: list[SquadBuild] = []
    taken: set[str] = set()
    for key, group in items.items():
        raw = cleaned(group[0].raw)
        given = raw.get("name")
        plain = " ".join(given.split()) if isinstance(given, str) else ""
        base = plain or f"Vapi squad {key[:8]}"
        name = name_free(base, taken)
        taken.add(name)
        squad = squad_translate(
            raw, key=key, name=name, assistants=assistants, box=box, names=names, catalogue=catalogue
        )
        if name != base[:NAME_MAX].rstrip():
            squad.ledger.decide(
                ("name",),
                f"Another squad is called {base[:NAME_MAX].rstrip()} already. This one was named {name}: give them names by which "
                "your team can tell them apart.",
                field="name",
                ours=name,
                code="duplicate_name",
            )
        elif not plain:
            squad.ledger.missing(
                ("name",), "It has no name at Vapi. Tandem needs one.", field="name", ours=name
            )
        elif name != given:
            reason = "Names of squads have 80 characters at most here, and no surplus blanks."
            squad.ledger.say(("name",), Verdict.CONVERTED, reason, field="name", ours=name)
        builds.append(squad)
    return builds


def _settle(assistants: list[AssistantBuild], box: Toolbox, stored: set[str]) -> None:
    """What can be told only when everything is there: names of tools, where webhooks go, values of variables."""
    for build in assistants:
        offers_say(build, box)
        names_settle(build, box, stored=stored)
    for build in assistants:
        servers_check(build, box)
        tools = [box.builds[key] for _, key in build.tools if key in box.builds]
        say_unknown_variables(
            build,
            known=_variables(tools),
            tool_texts=[
                (f"the tool {tool.name}", text) for tool in tools for text in tool_texts(tool.fields)
            ],
        )
    for tool in box.builds.values():
        server_say(tool, referenced=tool.key in box.referenced)


def _variables(tools: Iterable[ToolBuild]) -> set[str]:
    return {name for tool in tools for name in tool_variables(tool.fields)}


def _numbers(items: Iterable[Item], assistants: set[str], squads: set[str]) -> Iterable[NumberDraft]:
    for key, group in _by_key(items).items():
        yield number_translate(
            group[0].raw, key=key, assistant=assistants.__contains__, squad=squads.__contains__
        )

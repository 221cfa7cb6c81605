"""Who can take a call over from whom: destinations in Vapi's words, found among our assistants."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from django.db.models import Exists, OuterRef

from assistants.handoffs import destinations_of
from assistants.imports.keys import key_stored
from assistants.models import Assistant, AssistantVersion, Squad, VapiObject
from assistants.snapshots import Snapshot, snapshot_read

_HEAVY = ("instructions", "server_secret", "server_headers")
# What a published version may lead to is bounded: a squad of more is a mistake, and every member is read for each call.
MOST_MEMBERS = 40


@dataclass(frozen=True, slots=True)
class CastMember:
    """An assistant that a call can come to. ``version`` is the live one; None: it was never published, or is switched off.

    ``ways``: the ids of those it can hand the call over to, by tool and destination. ``lost``: destinations, in the same
    pairs, that lead to no assistant.
    """

    assistant: Assistant
    version: AssistantVersion | None
    ways: dict[str, dict[str, str]] = field(default_factory=dict)
    lost: tuple[tuple[str, str], ...] = ()
    ends: bool = False  # it can hang up, or transfer the call to a telephone


class Directory:
    """Finds the assistants that destinations name: by the keys of their import, by id, by name in the squad, by name.

    ``members`` are those of the squad. What was looked up once is not looked up again.
    """

    def __init__(self, squad: Squad | None) -> None:
        self._found: dict[tuple[str, ...], Assistant | None] = {}
        self.members = _members(squad) if squad is not None else []

    def find(self, destination: dict[str, Any]) -> Assistant | None:
        """The assistant that takes a call over which goes to this destination."""
        words = tuple(
            str(destination.get(key) or "")
            for key in (
                "type",
                "assistantKey",
                "assistantId",
                "assistantName",
                "squadId",
                "entryAssistantName",
            )
        )
        if words not in self._found:
            self._found[words] = self._squad_entry(words) if _of_squad(words) else self._assistant(words)
        return self._found[words]

    def _assistant(self, words: tuple[str, ...]) -> Assistant | None:
        _, key, id_, name, *_ = words
        for given in (key, id_):
            found = _imported(given) or _by_id(given)
            if found is not None:
                return found
        if not name or id_:
            return None
        by_name = next((one for one in self.members if one.name == name), None)
        # What stands inside a destination is meant by that alone.
        inside = VapiObject.objects.filter(assistant=OuterRef("pk"), key__contains="/destinations[")
        return by_name or _assistants().filter(~Exists(inside), name=name).first()

    def _squad_entry(self, words: tuple[str, ...]) -> Assistant | None:
        squad_id, entry = words[4], words[5]
        rows = VapiObject.objects.filter(
            kind=VapiObject.Kind.SQUAD, key=key_stored(squad_id), squad__isnull=False
        )
        row = rows.select_related("squad").first()
        squad = row.squad if row is not None else None
        if squad is None and _is_uuid(squad_id):
            squad = Squad.objects.filter(pk=squad_id).first()
        members = _members(squad) if squad is not None else []
        if not entry:
            return members[0] if members else None
        return next((one for one in members if one.name == entry), None)


def _of_squad(words: tuple[str, ...]) -> bool:
    # Of a squad that stood in the destination, the member that takes the call is known by its key.
    return words[0] == "squad" and not words[1]


def _assistants() -> Any:
    # Those that came with a call may hand it over to each other, too.
    return Assistant.every.select_related("live_version").defer(*_HEAVY)


def _members(squad: Squad) -> list[Assistant]:
    return squad.assistants()


def _imported(key: str) -> Assistant | None:
    if not key:
        return None
    rows = VapiObject.objects.filter(kind=VapiObject.Kind.ASSISTANT, key=key_stored(key))
    found: Assistant | None = _assistants().filter(pk__in=rows.values("assistant")).first()
    return found


def _by_id(given: str) -> Assistant | None:
    found: Assistant | None = _assistants().filter(pk=given).first() if _is_uuid(given) else None
    return found


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def cast_of(
    first: Assistant,
    *,
    squad: Squad | None,
    versions: Mapping[uuid.UUID, AssistantVersion] = MappingProxyType({}),
    directory: Directory | None = None,
) -> list[CastMember]:
    """The assistant and all that a call may come to from it, each as it is published now; the members of the squad too.

    ``versions`` are what some of them run on instead of that. Of whoever was never published only the name is known, and
    nobody comes from there. ``directory``: that of the squad, where several calls are looked at together.
    """
    directory = directory or Directory(squad)
    cast: dict[uuid.UUID, CastMember] = {}
    waiting = [first, *directory.members]
    while waiting and len(cast) < MOST_MEMBERS:
        assistant = waiting.pop(0)
        if assistant.pk not in cast:
            member, found = _member(assistant, directory, versions.get(assistant.pk))
            cast[assistant.pk] = member
            waiting += found
    return list(cast.values())


def _member(
    assistant: Assistant, directory: Directory, instead: AssistantVersion | None
) -> tuple[CastMember, list[Assistant]]:
    version = (instead or assistant.live_version) if assistant.enabled else None
    snapshot = _snapshot(version)
    if version is None or snapshot is None:
        return CastMember(assistant, None), []
    ways: dict[str, dict[str, str]] = {}
    lost: list[tuple[str, str]] = []
    found: list[Assistant] = []
    for tool, name, destination in ways_written(snapshot):
        other = directory.find(destination)
        if other is None:
            lost.append((tool, name))
            continue
        ways.setdefault(tool, {})[name] = str(other.pk)
        found.append(other)
    return CastMember(assistant, version, ways, tuple(lost), can_end(snapshot)), found


def ways_now(snapshot: Snapshot, *, squad: Squad | None = None) -> dict[str, dict[str, str]]:
    """To whom an assistant with these settings could hand a call over now: ids, by tool and destination."""
    directory, ways = Directory(squad), dict[str, dict[str, str]]()
    for tool, name, destination in ways_written(snapshot):
        other = directory.find(destination)
        if other is not None:
            ways.setdefault(tool, {})[name] = str(other.pk)
    return ways


def _snapshot(version: AssistantVersion | None) -> Snapshot | None:
    try:
        return snapshot_read(version.snapshot) if version is not None else None
    except TypeError:
        return None


def ways_written(snapshot: Snapshot) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Tool, destination and what is written of it, for each that is another assistant."""
    for tool in snapshot.tools:
        for name, destination in destinations_of(tool):
            yield tool.name, name, destination


def can_end(snapshot: Snapshot) -> bool:
    """Whether a call can end well with this assistant, without being handed over."""
    if snapshot.end_call_phrases:
        return True
    return any(
        tool.kind in ("endCall", "voicemail") or (tool.kind == "transferCall" and not destinations_of(tool))
        for tool in snapshot.tools
    )


def loops_without_exit(cast: list[CastMember]) -> list[CastMember]:
    """The members from which the assistants can only hand the caller round: none that it comes to ends the call.

    One that hands over to nobody is no part of a circle.
    """
    ways = {str(one.assistant.pk): {to for tool in one.ways.values() for to in tool.values()} for one in cast}
    done = {key for key, one in zip(ways, cast, strict=True) if one.ends or not ways[key]}
    while grown := {key for key, to in ways.items() if key not in done and to & done}:
        done |= grown
    return [one for key, one in zip(ways, cast, strict=True) if key not in done]

"""The assistants that may share a call: frozen when it comes in, and made ready when one of them takes it over."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from assistants.models import Assistant, AssistantVersion, Squad
from assistants.snapshots import Snapshot
from assistants.squads import Directory, cast_of
from calls.bridge.commands import PrepareMember
from calls.bridge.plan import FirstMessageMode, Plan
from calls.handoffs import OVERRIDES, overrides_of, values_extracted
from calls.models import Call, CallMember, CallPart
from calls.plans import plan_for
from calls.selectors import StreamCall
from calls.variables import call_rendered, call_variables


@dataclass(frozen=True, slots=True)
class Sharing:
    """A call, who takes it, of which squad, and what some of those who may share it run on instead of what is published."""

    call: Call
    first: Assistant
    squad: Squad | None
    versions: Mapping[uuid.UUID, AssistantVersion] = field(default_factory=dict)


def members_freeze(calls: Iterable[Sharing]) -> None:
    """Write down who may share each of these calls, in a few statements for however many.

    A call that stays with one has no such rows.
    """
    directories: dict[uuid.UUID | None, Directory] = {}
    members: list[CallMember] = []
    parts: list[CallPart] = []
    for one in calls:
        key = one.squad.pk if one.squad is not None else None
        if key not in directories:
            directories[key] = Directory(one.squad)
        cast = cast_of(one.first, squad=one.squad, versions=one.versions, directory=directories[key])
        if len(cast) < 2 or one.call.version is None:
            continue
        members += [
            CallMember(
                call=one.call,
                assistant=each.assistant,
                version=each.version,
                position=position,
                ways=each.ways,
            )
            for position, each in enumerate(cast)
        ]
        if cast[0].version is not None:
            parts.append(
                CallPart(
                    call=one.call,
                    n=0,
                    assistant=one.first,
                    version=cast[0].version,
                    began_at=one.call.created_at,
                    tool_call_id="",
                )
            )
    if members:
        with transaction.atomic():
            CallMember.objects.bulk_create(members, ignore_conflicts=True)
            CallPart.objects.bulk_create(parts, ignore_conflicts=True)


def part_write(
    *, call_id: uuid.UUID, n: int, assistant_id: uuid.UUID, began_at: datetime, tool_call_id: str
) -> bool:
    """Write that this assistant has the call from here on, once; whether it is one that may share it."""
    member = CallMember.objects.filter(call=call_id, assistant=assistant_id, version__isnull=False).first()
    if member is None or member.version_id is None:
        return False
    CallPart.objects.get_or_create(
        call_id=call_id,
        n=n,
        defaults={
            "assistant_id": assistant_id,
            "version_id": member.version_id,
            "began_at": began_at,
            "tool_call_id": tool_call_id,
        },
    )
    return True


def _why_not(call: StreamCall, key: str) -> str:
    """Why the assistant of this id cannot take the call over, as part of a sentence; empty where it can."""
    member = call.members.get(key)
    if member is None:
        return "the other assistant is no part of this call"
    if member.snapshot is None:
        return f"the assistant {member.name} was never published, or is switched off"
    return ""


def _member_call(
    call: StreamCall, key: str, *, overrides: Mapping[str, Any], learnt: Mapping[str, Any], now: datetime
) -> StreamCall:
    """The call as the assistant of this id runs it, its templates rendered with all that the call has learnt."""
    member = call.members[key]
    assert member.snapshot is not None  # _why_not has been asked
    own = replace(
        call,
        snapshot=member.snapshot,
        version_number=member.version_number,
        ways=member.ways,
        assistant_auth=member.assistant_auth,
        part=call.part + 1,
        resumption=None,
    )
    built_in = call_variables(own, now=now).keys()
    carried = {name: value for name, value in call.variables.items() if name not in built_in}
    snapshot = _overridden(member.snapshot, overrides, carried)
    # What a handoff gives wins over what the call was given, as what tools have taught does.
    handed = overrides.get("variableValues")
    values = {**(handed if isinstance(handed, Mapping) else {}), **learnt}
    rendered = call_rendered(replace(own, snapshot=snapshot), now=now, given=values)
    # Whether the call was away is a matter of its clock and counts, and no news to whoever takes it over.
    return replace(rendered, resumption=call.resumption)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The call as another assistant runs it, its plan, and what the call was taught on the way to it."""

    call: StreamCall
    plan: Plan
    taught: dict[str, Any]


def member_prepare(
    call: StreamCall, command: PrepareMember, *, learnt: Mapping[str, Any], now: datetime
) -> Prepared | str:
    """The assistant that a tool call wants to hand the call over to, ready for it; or why not, as part of a sentence."""
    why = _why_not(call, command.key)
    if why:
        return why
    offered = next(
        (one for one in call.tools_written or call.snapshot.tools if one.name == command.name), None
    )
    taught: dict[str, Any] = {}
    if offered is not None:
        known = {**call.variables, **learnt}
        taught = values_extracted(offered, command.destination, command.arguments, variables=known, now=now)
    other = _member_call(
        call,
        command.key,
        overrides=overrides_of(offered, command.destination) if offered is not None else {},
        learnt={**learnt, **taught},
        now=now,
    )
    try:
        return Prepared(other, plan_for(other), taught)
    except ValueError:  # of a version whose settings no release ever wrote
        return "the other assistant's settings could not be read"


def _overridden(snapshot: Snapshot, overrides: Mapping[str, Any], carried: Mapping[str, Any]) -> Snapshot:
    changed: dict[str, Any] = {
        ours: overrides[theirs]
        for theirs, ours in OVERRIDES.items()
        if isinstance(overrides.get(theirs), str)
    }
    if changed.get("first_message_mode") not in list(FirstMessageMode):
        changed.pop("first_message_mode", None)
    given = overrides.get("variableValues")
    variables = {**carried, **snapshot.variables, **(given if isinstance(given, Mapping) else {})}
    return replace(snapshot, **changed, variables=variables)

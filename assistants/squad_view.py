"""What a squad's page shows: who can hand a call to whom, as it is published now, and what is wrong with that."""

from dataclasses import dataclass
from uuid import UUID

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from assistants.models import Squad
from assistants.squads import CastMember, cast_of, loops_without_exit
from tools.adminkit import Tone, badge, object_link


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One assistant of the table: its ways are pairs of tool and where it leads."""

    place: str
    link: SafeString
    state: SafeString
    ways: list[tuple[str, SafeString]]
    lost: list[tuple[str, str]]
    ends: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that somebody should put right, and what to do about it."""

    tone: Tone
    text: str


def handing_over(squad: Squad) -> SafeString:
    """The table, and what is wrong with the squad, as HTML."""
    first = squad.first_assistant
    cast = cast_of(first, squad=squad) if first is not None else []
    mates = set(squad.squadmember_set.values_list("assistant", flat=True))
    context = {"rows": _rows(cast, mates), "faults": squad_faults(cast)}
    return SafeString(render_to_string("admin/assistants/squad/handing_over.html", context))


def squad_faults(cast: list[CastMember]) -> list[Fault]:
    """What is wrong, the worst first; empty where nothing is."""
    if not cast:
        return [Fault("bad", "This squad has no members, so nobody can take its calls. Add an assistant.")]
    faults = []
    if cast[0].version is None:
        name = cast[0].assistant.name
        faults.append(Fault("bad", f"{name} takes the calls and {_why(cast[0])}: callers hear an apology."))
    faults += [
        Fault(
            "bad", f"{one.assistant.name} {_why(one)}: handing a call to it fails, and the model is told so."
        )
        for one in cast[1:]
        if one.version is None
    ]
    faults += [
        Fault(
            "bad",
            f"{one.assistant.name}, tool {tool}: {name} is no assistant here, so it is not offered to the model.",
        )
        for one in cast
        for tool, name in one.lost
    ]
    circle = [one.assistant.name for one in loops_without_exit(cast)]
    if circle:
        faults.append(
            Fault(
                "warn",
                f"From {', '.join(circle)} on, the caller can only be handed round in a circle: nobody there can hang up or "
                "transfer the call. Give one of them a tool that hangs up, or phrases that end the call.",
            )
        )
    return faults


def _why(member: CastMember) -> str:
    return "was never published" if member.assistant.live_version_id is None else "is switched off"


def _rows(cast: list[CastMember], mates: set[UUID]) -> list[MemberRow]:
    names = {str(one.assistant.pk): one.assistant.name for one in cast}
    rows = []
    for number, one in enumerate(cast):
        place = (
            "takes the call" if not number else "" if one.assistant.pk in mates else "no member, but reached"
        )
        rows.append(
            MemberRow(
                place=place,
                link=object_link("assistants_assistant", one.assistant.pk, one.assistant.name),
                state=_state(one),
                ways=[
                    (tool, object_link("assistants_assistant", to, names.get(to, name)))
                    for tool, ways in one.ways.items()
                    for name, to in ways.items()
                ],
                lost=list(one.lost),
                ends="-" if one.version is None else "yes" if one.ends else "no",
            )
        )
    return rows


def _state(member: CastMember) -> SafeString:
    if member.version is not None:
        return badge(f"Version {member.version.number}", "good")
    return badge("Never published" if member.assistant.live_version_id is None else "Switched off", "bad")

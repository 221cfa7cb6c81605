"""Squads made of what programs sent with calls, with members of their own where they change anything of the assistants they name."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from assistants.api.documents import export_of, settings_whole
from assistants.api.selectors import row_of
from assistants.api.squad_documents import member_label
from assistants.models import Assistant, AssistantVersion, Squad, SquadMember, Transient
from assistants.selectors import version_named
from assistants.transient.known import Survey
from assistants.transient.making import Base, Desk, Maker, UnfitError
from assistants.transient.once import MADE_BY_MAX, New, made_once
from assistants.transient.reading import (
    Document,
    Senders,
    draft_of,
    drafts_inside,
    given_read,
    notes_to_keep,
    tokens_of,
    tools_by_place,
)
from assistants.transient.rows import Rows
from assistants.transient.selectors import assistant_named
from assistants.transient.services import fit
from assistants.vapi.exports import Export, Item
from assistants.vapi.overrides import merged

# The key of a squad's own copy, below the squad's: of which assistant, and the how manieth of it.
_COPY: Final = re.compile(r"members\[(?P<label>.*)\](#(?P<n>\d+))?", re.DOTALL)


def squad_made(document: Document, *, actor: str, at: str = "squad") -> Squad:
    """The hidden squad that this document makes, with its members. Raises UnfitError with what is wrong with it."""
    given = given_read("squad", document, at)
    stored = {one: _member_named(one) for one in _named(given)}
    pins = _pins(given, stored)
    beside = [f"{row.live_version_id} {tokens_of(row)}" for row in stored.values()]
    sent = Senders().sent(given, Survey([given]).of(given), *beside)

    def make(new: Sequence[New]) -> Iterator[Rows]:
        return (_rows(one, stored, pins, actor) for one in new)

    pk = fit(made_once(Transient.Kind.SQUAD, [sent], make, actor=actor)[0])
    return Squad.every.get(pk=pk)


def _named(given: Document) -> list[str]:
    return [one["assistantId"] for one in given["members"] if isinstance(one.get("assistantId"), str)]


def _member_named(given: str) -> Assistant:
    found = assistant_named(given)
    if found is None:
        raise UnfitError([f"Couldn't Get Assistant. `assistantId` {given[:60]} Does Not Exist."])
    if found.live_version is None:
        raise UnfitError([f"The assistant {found.name} was never published."])
    return found


def _pins(given: Document, stored: Mapping[str, Assistant]) -> dict[str, AssistantVersion]:
    """The versions that members are to run on instead of those in force, by the ids of assistants. Raises UnfitError."""
    pins: dict[str, AssistantVersion] = {}
    for one in given["members"]:
        named, version = one.get("assistantId"), one.get("assistantVersion")
        if not isinstance(named, str) or version is None:
            continue
        found = version_named(stored[named], version)
        if found is None:
            raise UnfitError(
                [f"Couldn't Get Assistant. `assistantVersion` {str(version)[:20]} Does Not Exist."]
            )
        pins[named] = found
    return pins


def _rows(
    new: New, stored: Mapping[str, Assistant], pins: Mapping[str, AssistantVersion], actor: str
) -> Rows:
    transient, given = new.transient, new.sent.given
    named = {one: row_of("assistant", str(assistant.pk)) for one, assistant in stored.items()}
    before = {one: settings_whole(row) for one, row in named.items()}
    survey = Survey([given, *before.values()])
    around, desk = survey.of(given, *before.values()), Desk(survey.catalogue)
    squad_key = str(transient.pk)
    assistants = tuple(
        item for one, document in before.items() for item in export_of("assistant", one, document).assistants
    )
    squads = (Item("squad", {**given, "id": squad_key}, "squad"),)
    drafts = around.translated(Export(assistants=assistants, squads=squads))
    transient.notes = notes_to_keep(drafts)
    by_key = {one.key: one for one in drafts.assistants}
    keys = drafts.squads[0].members
    ids = {key: str(stored[key].pk) if key in stored else str(uuid.uuid5(transient.pk, key)) for key in keys}
    name = f"{drafts.squads[0].name[:50].strip()} ({transient.pk.hex[:12]})"
    squad = Squad(pk=transient.pk, name=name, transient=transient)
    rows = Rows(transients=[transient], squads=[squad])
    inside = drafts_inside(drafts, squad_key)
    for position, key in enumerate(keys):
        link = SquadMember(squad=squad, assistant_id=ids[key], position=position, version=pins.get(key))
        rows.members.append(link)
        if key in stored:
            continue
        own = Transient(
            pk=uuid.UUID(ids[key]),
            kind=Transient.Kind.MEMBER,
            part_of=transient,
            document=by_key[key].raw,
            made_by=actor[:MADE_BY_MAX],
            used_at=transient.used_at,
        )
        maker = Maker(own, desk, around.tools, ids, new.sent.lists, rows, inside)
        base_id, over = _base_of(key, squad_key, given)
        after = draft_of(by_key[key], drafts, key, base_id)
        if not base_id:
            maker.whole(after)
            continue
        live = pins.get(base_id) or stored[base_id].live_version
        assert live is not None  # _member_named has looked
        own_draft = draft_of(by_key[base_id], drafts, base_id)
        base = Base(stored[base_id], live, own_draft, tools_by_place(named[base_id]), desk)
        maker.over(base, over, after, named=False)
    return rows


def _base_of(key: str, squad_key: str, given: Document) -> tuple[str, dict[str, Any]]:
    """The id of the assistant that a member's own copy is one of, and what the squad changes of it; empty for one that came
    along as a whole."""
    own = _COPY.fullmatch(key.removeprefix(f"{squad_key}/"))
    assert own is not None  # assistants.vapi.squads names them so
    every = given.get("membersOverrides") or {}
    copies = [
        one
        for number, one in enumerate(given["members"])
        if member_label(one, number) == own["label"]
        and (
            every
            or any(one.get(name) for name in ("assistant", "assistantOverrides", "assistantDestinations"))
        )
    ]
    entry = copies[int(own["n"] or 1) - 1]
    if not isinstance(entry.get("assistantId"), str):
        return "", {}
    return own["label"], merged(entry.get("assistantOverrides") or {}, every)

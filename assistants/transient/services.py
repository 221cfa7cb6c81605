"""Assistants, squads and versions made of what a program sent with a call: each document once, whoever sends it, however often.

Their rows are hidden: no list has them, nobody edits them, and programs cannot name them. Call these outside of a transaction.
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import count
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from assistants.api.checking import READ_ONLY, part_problems
from assistants.api.documents import Documents, export_of, id_of
from assistants.api.selectors import row_of
from assistants.models import Assistant, AssistantVersion, Squad, SquadMember, Transient
from assistants.transient.known import Surroundings, surroundings_of
from assistants.transient.making import Base, Draft, Maker, UnfitError, notes_of
from assistants.transient.selectors import assistant_named
from assistants.vapi.drafts import AssistantDraft, Drafts, Finding
from assistants.vapi.exports import Export, Item
from assistants.vapi.hiding import cleaned, hidden
from assistants.vapi.overrides import merged
from tools.encryption import SecretUnreadableError, stored_token

_NAMESPACE: Final = uuid.UUID("6c9e1f0a-5d0f-4b6e-9a53-0f5a3b1d7c42")
_DAY: Final = timedelta(days=1)
# What the key of an inline tool begins with: an assistant, or a squad's own one.
_OWNER: Final = re.compile(r"[^/]+/(members\[.*?\](#\d+)?/)?", re.DOTALL)
_MADE_BY_MAX: Final = 120
_MOST_NOTES: Final = 50


def assistant_made(document: Mapping[str, Any], *, actor: str, at: str = "assistant") -> Assistant:
    """The hidden assistant that this document makes, published. Raises UnfitError with what is wrong with it."""
    given = _given(document, at)
    around = surroundings_of([given])
    _tools_require(given, around)

    def make(transient: Transient) -> None:
        drafts = around.translated(export_of("assistant", str(transient.pk), given))
        draft = _draft(drafts.assistants[0], drafts, str(transient.pk))
        Maker(transient, around.catalogue, around.tools).whole(draft)
        _notes_write(transient, drafts)

    pk = _once(Transient.Kind.ASSISTANT, given, [around.text()], make, actor=actor)
    return Assistant.every.select_related("live_version").defer("server_secret", "server_headers").get(pk=pk)


def version_overridden(
    assistant: Assistant,
    overrides: Mapping[str, Any],
    *,
    version: AssistantVersion,
    actor: str,
    at: str = "assistantOverrides",
) -> AssistantVersion:
    """This version of an assistant with overrides laid over it, as Vapi merges them. Raises UnfitError."""
    given = _given(overrides, at)
    if not given:
        return version
    around = surroundings_of([given])
    _tools_require(given, around)

    def make(transient: Transient) -> None:
        # It may be a squad's own, which programs cannot name.
        row = Assistant.every.defer("server_secret", "server_headers").get(pk=assistant.pk)
        key, before = id_of(row), Documents("").settings(row)
        whole = surroundings_of([before, given])
        exports = [export_of("assistant", key, one) for one in (before, merged(before, given))]
        drafts, after = (whole.translated(one) for one in exports)
        base = Base(assistant, version, _draft(drafts.assistants[0], drafts, key), _rows(row))
        maker = Maker(transient, whole.catalogue, whole.tools)
        maker.over(base, _draft(after.assistants[0], after, key), named=True)
        _notes_write(transient, after, but=drafts)

    text = [around.text(), str(version.pk), _tokens(assistant)]
    pk = _once(Transient.Kind.OVERRIDES, given, text, make, actor=actor)
    return AssistantVersion.objects.select_related("assistant").get(assistant_id=pk)


def squad_made(document: Mapping[str, Any], *, actor: str, at: str = "squad") -> Squad:
    """The hidden squad that this document makes, with its members. Raises UnfitError with what is wrong with it."""
    problems = part_problems("squad", document, at)
    if problems:
        raise UnfitError(problems)
    given = cleaned(
        {name: value for name, value in document.items() if name not in READ_ONLY and value is not None}
    )
    stored = {one: _member_named(one) for one in _named(given)}
    around = surroundings_of([given])
    _tools_require(given, around)

    def make(transient: Transient) -> None:
        _squad_write(transient, given, stored, actor)

    text = [around.text(), *(f"{row.live_version_id} {_tokens(row)}" for row in stored.values())]
    return Squad.every.get(pk=_once(Transient.Kind.SQUAD, given, text, make, actor=actor))


# --- Once


def _once(
    kind: Transient.Kind,
    given: Mapping[str, Any],
    beside: list[str],
    make: Callable[[Transient], None],
    *,
    actor: str,
) -> uuid.UUID:
    """The id of what this document makes, which is made if it was not yet. Of two at once, one makes it and the other waits."""
    # Keyed, for a document may hold a secret that could be guessed; in its own order, which a model reads.
    text = json.dumps([kind, given, *beside])
    digest = salted_hmac("assistants.transient", text, algorithm="sha256").hexdigest()
    now = timezone.now()
    # One that was emptied, with the calls that ran on it, is never run on again.
    tries = (uuid.uuid5(_NAMESPACE, f"{digest} {n}") for n in count())
    pk, there = next((pk, there) for pk in tries if (there := _used(pk, now)) is not _Used.EMPTIED)
    if there is _Used.YES:
        return pk
    try:
        with transaction.atomic():
            transient = Transient.objects.create(
                pk=pk, kind=kind, document=hidden(cleaned(given)), made_by=actor[:_MADE_BY_MAX], used_at=now
            )
            make(transient)
    except IntegrityError:
        if _used(pk, now) is not _Used.YES:
            raise
    except SecretUnreadableError as exc:
        raise UnfitError([str(exc)]) from exc
    return pk


class _Used(Enum):
    YES = auto()
    NO = auto()
    EMPTIED = auto()


def _used(pk: uuid.UUID, now: datetime) -> _Used:
    """Whether it is there; a day that it is used on is written down once."""
    found = Transient.objects.filter(pk=pk).values_list("used_at", "kind").first()
    if found is None:
        return _Used.NO
    if found[1] == Transient.Kind.EMPTIED:
        return _Used.EMPTIED
    if found[0] < now - _DAY and not Transient.objects.filter(pk=pk).update(used_at=now):
        return _Used.NO  # it went just now
    return _Used.YES


# --- Documents


def _given(document: Mapping[str, Any], at: str) -> dict[str, Any]:
    problems = part_problems("assistant", document, at)
    if problems:
        raise UnfitError(problems)
    given: dict[str, Any] = cleaned(
        {name: value for name, value in document.items() if name not in READ_ONLY and value is not None}
    )
    return given


def _tools_require(given: Mapping[str, Any], around: Surroundings) -> None:
    missing = [one for one in _tool_ids(given) if one not in around.tools]
    if missing:
        raise UnfitError(f"Couldn't Get Tool. `toolId` {one[:60]} Does Not Exist." for one in missing)


def _tool_ids(value: Any) -> list[str]:
    """The ids in every ``model.toolIds`` of a document."""
    if isinstance(value, list):
        return [one for item in value for one in _tool_ids(item)]
    if not isinstance(value, Mapping):
        return []
    model = value.get("model")
    ids = model.get("toolIds") if isinstance(model, Mapping) else None
    own = [one for one in (ids if isinstance(ids, list) else []) if isinstance(one, str)]
    below = [value.get(name) for name in ("members", "assistant", "assistantOverrides", "membersOverrides")]
    return [*own, *(one for item in below for one in _tool_ids(item))]


def _draft(assistant: AssistantDraft, drafts: Drafts, *owners: str) -> Draft:
    return Draft(assistant, {tool.key: tool for tool in drafts.tools if tool.key in assistant.tools}, owners)


def _rows(row: Assistant) -> dict[str, uuid.UUID]:
    """The rows of an assistant's tools, by place."""
    found: dict[str, uuid.UUID] = {}
    links = row.assistanttool_set.select_related("tool").defer("tool__server_secret", "tool__server_headers")
    for link in links:
        keys = [one.key for one in link.tool.vapi_objects.all()] or [str(link.tool.pk)]
        found |= {_OWNER.sub("", key, count=1): link.tool.pk for key in keys}
    return found


def _notes_write(transient: Transient, drafts: Drafts, *, but: Drafts | None = None) -> None:
    old = set(notes_of(_findings(but))) if but is not None else set()
    transient.notes = [one for one in notes_of(_findings(drafts)) if one not in old][:_MOST_NOTES]
    if transient.notes:
        transient.save(update_fields=["notes"])


def _findings(drafts: Drafts) -> list[tuple[str, Finding]]:
    own = [("", one) for draft in drafts.assistants for one in draft.findings]
    own += [("", one) for draft in drafts.squads for one in draft.findings]
    return [*own, *((f"{tool.name}.", one) for tool in drafts.tools for one in tool.findings)]


def _tokens(assistant: Assistant) -> str:
    """The stored secrets of an assistant's server, sealed as they are: changed ones make another document."""
    columns = (stored_token("server_secret"), stored_token("server_headers"), "credential_id")
    return json.dumps(list(Assistant.every.filter(pk=assistant.pk).values_list(*columns)), default=str)


# --- Squads


def _named(given: Mapping[str, Any]) -> list[str]:
    return [one["assistantId"] for one in given["members"] if isinstance(one.get("assistantId"), str)]


def _member_named(given: str) -> Assistant:
    found = assistant_named(given)
    if found is None:
        raise UnfitError([f"Couldn't Get Assistant. `assistantId` {given[:60]} Does Not Exist."])
    if found.live_version is None:
        raise UnfitError([f"The assistant {found.name} was never published."])
    return found


def _squad_write(
    transient: Transient, given: Mapping[str, Any], stored: Mapping[str, Assistant], actor: str
) -> None:
    rows = {one: row_of("assistant", str(assistant.pk)) for one, assistant in stored.items()}
    before = {one: Documents("").settings(row) for one, row in rows.items()}
    around = surroundings_of([given, *before.values()])
    squad_key = str(transient.pk)
    assistants = tuple(
        Item("assistant", {**document, "id": one}, f"/assistant/{one}") for one, document in before.items()
    )
    squads = (Item("squad", {**given, "id": squad_key}, "squad"),)
    drafts = around.translated(Export(assistants=assistants, squads=squads))
    by_key = {one.key: one for one in drafts.assistants}
    keys = drafts.squads[0].members
    ids = {key: str(stored[key].pk) if key in stored else str(uuid.uuid5(transient.pk, key)) for key in keys}
    squad = Squad.objects.create(
        pk=transient.pk,
        name=f"{drafts.squads[0].name[:50].strip()} ({transient.pk.hex[:12]})",
        transient=transient,
    )
    for position, key in enumerate(keys):
        if key not in stored:
            own = Transient.objects.create(
                pk=uuid.UUID(ids[key]),
                kind=Transient.Kind.MEMBER,
                document=by_key[key].raw,
                made_by=actor[:_MADE_BY_MAX],
                used_at=transient.used_at,
            )
            maker = Maker(own, around.catalogue, around.tools, ids)
            base_id = _base_id(key, squad_key, stored)
            after = _draft(by_key[key], drafts, key, base_id)
            if base_id:
                live = stored[base_id].live_version
                assert live is not None  # _member_named has looked
                own_draft = _draft(by_key[base_id], drafts, base_id)
                maker.over(Base(stored[base_id], live, own_draft, _rows(rows[base_id])), after, named=False)
            else:
                maker.whole(after)
        SquadMember.objects.create(squad=squad, assistant_id=ids[key], position=position)
    _notes_write(transient, drafts)


def _base_id(key: str, squad_key: str, stored: Mapping[str, Assistant]) -> str:
    """The id of the assistant that a member's own copy is one of; empty for one that came along as a whole."""
    inner = key.removeprefix(f"{squad_key}/members[").rpartition("]")[0]
    return inner if inner in stored else ""

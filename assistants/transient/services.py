"""Assistants and versions made of what programs sent with calls: each document once, whoever sends it, however often.

Their rows are hidden: no list has them, nobody edits them, and programs cannot name them. Call these outside of a transaction.
Of many documents at once, each is given back what it makes, or why it makes nothing; that takes no more queries than one does.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from assistants.api.documents import export_of, id_of, settings_whole
from assistants.api.selectors import with_documents
from assistants.models import Assistant, AssistantVersion, Transient
from assistants.transient.known import Survey
from assistants.transient.making import Base, Desk, Maker, UnfitError
from assistants.transient.once import Make, New, Sent, made_once
from assistants.transient.reading import (
    Document,
    Senders,
    draft_of,
    drafts_inside,
    given_read,
    notes_said,
    notes_to_keep,
    tokens_of,
    tools_by_place,
)
from assistants.transient.rows import Rows
from assistants.vapi.overrides import merged
from tools.encryption import SecretUnreadableError

_HEAVY = ("instructions", "server_secret", "server_headers")
Given = TypeVar("Given")
Made = TypeVar("Made")


def assistants_made(
    documents: Sequence[Document], *, actor: str, at: str = "assistant"
) -> list[Assistant | UnfitError]:
    """The hidden assistants that these documents make, published; or what is wrong with one."""
    given = _tried(documents, lambda one: given_read("assistant", one, at))
    survey, senders = Survey(_good(given)), Senders()
    sent = _tried(given, lambda one: senders.sent(one, survey.of(one)))
    ids = _made(Transient.Kind.ASSISTANT, sent, _wholes, actor=actor)
    rows = Assistant.every.select_related("live_version").defer("server_secret", "server_headers")
    return _rows_of(ids, rows.in_bulk(_good(ids)))


def versions_overridden(
    assistant: Assistant,
    overrides: Sequence[Document],
    *,
    version: AssistantVersion,
    actor: str,
    at: str = "assistantOverrides",
) -> list[AssistantVersion | UnfitError]:
    """This version of an assistant with each of these overrides laid over it, as Vapi merges them; or what is wrong with one."""
    given = _tried(overrides, lambda one: given_read("assistant", one, at))
    if not any(_good(given)):
        return [one if isinstance(one, UnfitError) else version for one in given]
    survey, senders, tokens = Survey(_good(given)), Senders(), tokens_of(assistant)
    sent = _tried(given, lambda one: senders.sent(one, survey.of(one), str(version.pk), tokens))
    # What changes nothing makes nothing.
    over = [one if isinstance(one, UnfitError) or one.given else None for one in sent]
    ids = _made(
        Transient.Kind.OVERRIDES,
        [one for one in over if one is not None],
        lambda new: _overridden(assistant, version, new),
        actor=actor,
    )
    rows = AssistantVersion.objects.select_related("assistant").defer(
        *(f"assistant__{name}" for name in _HEAVY)
    )
    made = iter(_rows_of(ids, {one.assistant_id: one for one in rows.filter(assistant__in=_good(ids))}))
    return [version if one is None else next(made) for one in over]


def fit(made: Made | UnfitError) -> Made:
    """What was made. Raises the UnfitError that says why nothing was."""
    if isinstance(made, UnfitError):
        raise made
    return made


# --- Each of many


def _tried(things: Iterable[Given | UnfitError], done: Callable[[Given], Made]) -> list[Made | UnfitError]:
    """What that makes of each thing that is fit for it."""
    found: list[Made | UnfitError] = []
    for one in things:
        try:
            found.append(done(fit(one)))
        except UnfitError as exc:
            found.append(exc)
        except SecretUnreadableError as exc:
            found.append(UnfitError([str(exc)]))
    return found


def _good(things: Iterable[Given | UnfitError]) -> list[Given]:
    return [one for one in things if not isinstance(one, UnfitError)]


def _made(
    kind: Transient.Kind, sent: Sequence[Sent | UnfitError], make: Make, *, actor: str
) -> list[uuid.UUID | UnfitError]:
    made = iter(made_once(kind, _good(sent), make, actor=actor))
    return [one if isinstance(one, UnfitError) else next(made) for one in sent]


def _rows_of(ids: Iterable[uuid.UUID | UnfitError], rows: dict[uuid.UUID, Made]) -> list[Made | UnfitError]:
    return [one if isinstance(one, UnfitError) else rows[one] for one in ids]


# --- Made


def _wholes(new: Sequence[New]) -> Iterator[Rows | UnfitError]:
    """The rows of assistants that came as a whole."""
    survey = Survey([one.sent.given for one in new])
    desk = Desk(survey.catalogue)

    def make(one: New) -> Rows:
        around, key = survey.of(one.sent.given), str(one.transient.pk)
        drafts = around.translated(export_of("assistant", key, one.sent.given))
        one.transient.notes = notes_to_keep(drafts)
        inside = drafts_inside(drafts, key)
        maker = Maker(one.transient, desk, around.tools, lists=one.sent.lists, inside=inside)
        return maker.whole(draft_of(drafts.assistants[0], drafts, key))

    return iter(_tried(new, make))


def _overridden(
    assistant: Assistant, version: AssistantVersion, new: Sequence[New]
) -> Iterator[Rows | UnfitError]:
    """The rows of this version with each of these overrides."""
    # It may be a squad's own, which programs cannot name.
    row = with_documents("assistant", Assistant.every.all()).get(pk=assistant.pk)
    key, before = id_of(row), settings_whole(row)
    survey = Survey([before, *(one.sent.given for one in new)])
    desk = Desk(survey.catalogue)
    drafts = survey.of(before).translated(export_of("assistant", key, before))
    base = Base(assistant, version, draft_of(drafts.assistants[0], drafts, key), tools_by_place(row), desk)
    said = frozenset(notes_said(drafts))

    def make(one: New) -> Rows:
        over: Any = one.sent.given
        around = survey.of(before, over)
        after = around.translated(export_of("assistant", key, merged(before, over)))
        one.transient.notes = notes_to_keep(after, but=said)
        inside = drafts_inside(after, key)
        maker = Maker(one.transient, desk, around.tools, lists=one.sent.lists, inside=inside)
        return maker.over(base, over, draft_of(after.assistants[0], after, key), named=True)

    return iter(_tried(new, make))

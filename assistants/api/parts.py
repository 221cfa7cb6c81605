"""Assistants that are parts of what programs send: a squad's own copies, and those inside destinations of tools."""

from collections.abc import Iterable, Mapping, Sized
from http import HTTPStatus
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError

from assistants.api.checking import TOO_MANY_PARTS
from assistants.api.taking import place, secrets_take
from assistants.imports.keys import key_stored
from assistants.imports.summary import ImportSummary, Written
from assistants.models import Assistant, AssistantTool, VapiObject
from assistants.services import assistant_publish
from assistants.squads import MOST_MEMBERS
from assistants.vapi.drafts import AssistantDraft, ToolDraft
from tools.access.errors import ApiError
from tools.models import ApiKey, Tool

_SECRETS: Final = ("server_secret", "server_headers")
# The members of a squad, and as many in destinations.
_MOST: Final = 2 * MOST_MEMBERS


def publish_for(assistant: Assistant, key: ApiKey) -> None:
    """Publish an assistant for a program. Raises ApiError 400 with the reasons why that cannot be."""
    try:
        assistant_publish(assistant=assistant, note=f"By a program, with the API key {key.prefix}…"[:200])
    except ValidationError as exc:
        raise ApiError(HTTPStatus.BAD_REQUEST, exc.messages) from exc


def parts_require_few(after: Sized, before: Sized) -> None:
    """Raises ApiError 400 for more assistants than anybody means, of which copies change copies; what is there already may stay."""
    if len(after) > max(_MOST, len(before)):
        raise ApiError(HTTPStatus.BAD_REQUEST, [TOO_MANY_PARTS])


def parts_publish(
    parts: Iterable[AssistantDraft], tools: Iterable[ToolDraft], summary: ImportSummary, *, key: ApiKey
) -> None:
    """Put parts in force that were just written, with their tools; copies with the secrets of their assistants. Raises ApiError 400."""
    done = {(one.kind, one.row.key): one for one in summary.objects}
    given = {one.key: one for one in tools}
    for draft in parts:
        written = done[VapiObject.Kind.ASSISTANT, key_stored(draft.key)]
        row = Assistant.objects.defer(*_SECRETS).get(pk=written.target)
        base = _base_of(draft)
        if base is not None:
            _secrets_take(row, draft, base, given, done)
        if not row.enabled:
            Assistant.objects.filter(pk=row.pk).update(enabled=True)
        publish_for(row, key)


def parts_withdraw(owner: str, *, keep: Iterable[str] = (), under: str = "") -> None:
    """Take away the parts of an object that it has no more: nobody can come to them, and their versions stay for the calls.

    ``under``: only those whose place begins so. What answers a number stays as it is.
    """
    parts = VapiObject.objects.filter(kind=VapiObject.Kind.ASSISTANT, key__startswith=f"{owner}/{under}")
    gone = parts.exclude(key__in=[key_stored(key) for key in keep])
    rows = Assistant.objects.filter(pk__in=gone.values("assistant"), phone_numbers=None)
    rows.update(enabled=False)
    for row in rows.filter(versions=None, squads=None).defer(*_SECRETS):
        try:
            with transaction.atomic():
                AssistantTool.objects.filter(assistant=row).delete()
                VapiObject.objects.filter(assistant=row).delete()
                row.delete()
        except ProtectedError:
            continue  # a call was to be handed over to it, and its record names it


def _base_of(draft: AssistantDraft) -> Assistant | None:
    """The assistant that a part is a changed copy of."""
    if not draft.copy_of:
        return None
    rows = Assistant.objects.defer(*_SECRETS)
    return rows.filter(vapi_objects__key=key_stored(draft.copy_of)).first()


def _secrets_take(
    row: Assistant,
    draft: AssistantDraft,
    base: Assistant,
    tools: Mapping[str, ToolDraft],
    done: Mapping[tuple[str, str], Written],
) -> None:
    """A copy has the secrets of the assistant that it is one of, for the same server and for the same tools."""
    secrets_take(row, base, draft, done[VapiObject.Kind.ASSISTANT, key_stored(draft.key)])
    theirs = {place(one): one for one in Tool.objects.filter(assistants=base).defer(*_SECRETS)}
    for key in draft.tools:
        if key not in tools or not key.startswith(f"{draft.key}/"):
            continue  # its assistant's own
        written = done[VapiObject.Kind.TOOL, key_stored(key)]
        tool = Tool.objects.defer(*_SECRETS).get(pk=written.target)
        secrets_take(tool, theirs.get(place(tool)), tools[key], written)

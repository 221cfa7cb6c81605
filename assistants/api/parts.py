"""Assistants that are parts of what programs send: a squad's own copies, and those inside destinations of tools."""

import json
from collections.abc import Callable, Iterable, Sized
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError

from assistants.api.checking import TOO_MANY_PARTS
from assistants.api.documents import stored_headers
from assistants.imports.keys import key_stored
from assistants.imports.summary import ImportSummary
from assistants.models import Assistant, AssistantTool, VapiObject
from assistants.services import assistant_publish
from assistants.squads import MOST_MEMBERS
from assistants.vapi.drafts import AssistantDraft
from assistants.vapi.hiding import with_secret_headers
from tools.access.errors import ApiError
from tools.auth.allowing import asked_url
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
    parts: Iterable[AssistantDraft],
    summary: ImportSummary,
    *,
    base_of: Callable[[AssistantDraft], Assistant | None],
    key: ApiKey,
) -> None:
    """Put parts in force that were just written. Raises ApiError 400.

    ``base_of``: of which assistant a part is a copy; a new one has its secrets.
    """
    done = {one.row.key: one for one in summary.objects if one.kind == VapiObject.Kind.ASSISTANT}
    for draft in parts:
        written = done[key_stored(draft.key)]
        row = Assistant.objects.get(pk=written.target)
        base = base_of(draft) if written.action == "created" else None
        if base is not None:
            _secrets_take(row, draft.key, base)
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


def _secrets_take(row: Assistant, key: str, base: Assistant) -> None:
    """A new copy has the secrets of the assistant that it is one of, for the same server and for the same tools."""
    if row.server_url and row.server_url == base.server_url:
        _take(row, base)
    theirs = {_same_place(one): one for one in Tool.objects.filter(assistants=base)}
    for tool in Tool.objects.filter(assistants=row, vapi_objects__key__startswith=f"{key}/"):
        twin = theirs.get(_same_place(tool))
        if twin is not None and tool.server_url:
            _take(tool, twin)


def _same_place(tool: Tool) -> tuple[str, str, str]:
    # A tool of another kind with the same server may send what is secret elsewhere.
    return tool.name, tool.server_url, asked_url(tool)


def _take(row: Assistant | Tool, twin: Any) -> None:
    row.server_secret = row.server_secret or twin.server_secret
    row.server_headers = _headers(row, twin)
    row.credential_id = row.credential_id or twin.credential_id
    row.save(update_fields=[*_SECRETS, "credential"])


def _headers(row: Assistant | Tool, twin: Assistant | Tool) -> str:
    own = stored_headers(row)
    # What is sent to a program, and by it, has the open ones of them alone.
    return (
        json.dumps(with_secret_headers(own, stored_headers(twin)), ensure_ascii=False)
        if own
        else twin.server_headers
    )

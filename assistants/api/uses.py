"""What still needs an object that a program wants to delete."""

from http import HTTPStatus
from typing import Any, Final

from django.db.models import Exists, JSONField, OuterRef, Q
from django.db.models.functions import Cast

from assistants.api.documents import Row, kind_of_row
from assistants.models import Assistant, AssistantVersion, VapiObject
from assistants.tool_users import tool_users
from tools.access.errors import ApiError
from tools.models import Tool

_WORDS: Final = {"assistant": "Assistant", "tool": "Tool"}
# The status of a call that is still to be placed.
_AHEAD: Final = ("scheduled", "queued")


def free_require(row: Row) -> None:
    """Raises ApiError 409 with the names of what needs it."""
    if isinstance(row, Tool):
        # Of one that was deleted only the records of its calls are left.
        deleted = VapiObject.objects.filter(
            assistant=OuterRef("pk"), client_document__deleted_at__isnull=False
        )
        # Nor are they of a part of something else that was switched off with it.
        parts = VapiObject.objects.filter(assistant=OuterRef("pk"), key__contains="/")
        gone = Exists(deleted) | (Q(enabled=False) & Exists(parts))
        using = Assistant.objects.exclude(gone).filter(pk__in=[one.pk for one in tool_users(row)])
        users = [*using.order_by("name").values_list("name", flat=True), *_calls_ahead_with(row)]
        told = "Take it out of these assistants and publish them"
    else:
        answered = Assistant.objects.filter(pk=row.pk)
        numbers = answered.filter(phone_numbers__isnull=False).exists()
        users = [
            *(["a phone number"] if numbers else []),
            *row.squads.values_list("name", flat=True),
            *calls_ahead(row),
        ]
        told = "Take it out of these phone numbers and squads"
    if users:
        word = _WORDS[kind_of_row(row)]
        raise ApiError(
            HTTPStatus.CONFLICT,
            f"Couldn't Delete {word}. It Is In Use By: {', '.join(users[:10])}. {told}, and delete calls to come, first.",
        )


def calls_ahead(row: Any) -> list[str]:
    """In words, how many calls that are still to be placed an assistant or a squad is to have; empty for none."""
    return _counted(row.calls.filter(status__in=_AHEAD).count())


def _calls_ahead_with(tool: Tool) -> list[str]:
    """The same of calls on versions that offer a tool."""
    offering = Q(frozen__tools__contains=[{"id": str(tool.pk)}])
    versions = AssistantVersion.objects.alias(frozen=Cast("snapshot", JSONField()))
    return _counted(versions.filter(offering, calls__status__in=_AHEAD).values("calls").count())


def _counted(n: int) -> list[str]:
    return [f"{n} {'call' if n == 1 else 'calls'} to come"] if n else []

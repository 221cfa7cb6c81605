"""Reading tools and the ledger of their calls."""

import uuid
from collections.abc import Iterable

from django.db.models import QuerySet

from tools.encryption import stored_token
from tools.models import Tool, ToolCall


def tool_call_get(*, call_id: uuid.UUID, item_id: str) -> ToolCall | None:
    """The ledger's row of one tool call, or None."""
    return ToolCall.objects.filter(call_id=call_id, item_id=item_id).first()


def tool_calls_of(*, call_id: uuid.UUID) -> QuerySet[ToolCall]:
    """The tool calls of one call, in the order in which the model asked."""
    return ToolCall.objects.filter(call_id=call_id).select_related("tool")


def tool_id_known(*, tool_id: str) -> uuid.UUID | None:
    """The id, if there is such a tool; None for one that was deleted since, and for text that is no id."""
    try:
        key = uuid.UUID(tool_id)
    except ValueError:
        return None
    return key if Tool.objects.filter(pk=key).exists() else None


def tool_secret_tokens(*, tool_ids: Iterable[str]) -> dict[str, str]:
    """For each tool with a URL of its own: its secret as a token for ``ToolOrder.server_secret_token``, or "".

    A tool that is missing here uses its assistant's URL, and so its assistant's secret.
    """
    tools = Tool.objects.filter(pk__in=list(tool_ids)).exclude(server_url="")
    return {str(pk): token for pk, token in tools.values_list("pk", stored_token("server_secret"))}

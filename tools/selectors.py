"""Reading tools and the ledger of their calls."""

import uuid
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Count, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Coalesce

from tools import outcomes
from tools.auth.allowing import credential_known
from tools.auth.credentials import ServerAuth
from tools.encryption import stored_token
from tools.models import Credential, Tool, ToolCall


def tool_call_get(*, call_id: uuid.UUID, item_id: str) -> ToolCall | None:
    """The ledger's row of one tool call, or None."""
    return ToolCall.objects.filter(call_id=call_id, item_id=item_id).first()


def tool_calls_of(*, call_id: uuid.UUID) -> QuerySet[ToolCall]:
    """The tool calls of one call, in the order in which the model asked."""
    return ToolCall.objects.filter(call_id=call_id).select_related("tool")


def tool_calls_known(*, call_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many tool calls of each call are written with what was asked for; what the model was told may come first."""
    known = ToolCall.objects.filter(call_id__in=call_ids).exclude(
        name="", error__in=("", outcomes.NEVER_TAKEN)
    )
    return dict(known.values_list("call_id").annotate(n=Count("pk")))


def variables_taught(*, call_id: uuid.UUID) -> dict[str, Any]:
    """What a call's tools have taught it so far; of one name, the last."""
    # One that asks no server is told at once, and counts as answered then.
    at = Coalesce("answered_at", "told_at")
    rows = ToolCall.objects.filter(call_id=call_id).exclude(variables={}).annotate(at=at).exclude(at=None)
    taught: dict[str, Any] = {}
    for variables in rows.order_by("at", "id").values_list("variables", flat=True):
        taught |= variables
    return taught


def tool_id_known(*, tool_id: str) -> uuid.UUID | None:
    """The id, if there is such a tool; None for one that was deleted since, and for text that is no id."""
    try:
        key = uuid.UUID(tool_id)
    except ValueError:
        return None
    return key if Tool.every.filter(pk=key).exists() else None


def tool_auths(*, tool_ids: Iterable[str]) -> dict[str, ServerAuth]:
    """For each tool with a server of its own: what convinces that server, as tokens; nothing is decrypted.

    A tool that is missing here uses the server of its assistant or of the organisation, and what goes with that. Of one that
    was deleted nobody knows any more whose its server is, so nothing secret goes there.
    """
    ids = list(tool_ids)
    own_server = ~Q(server_url="") | Q(kind=Tool.Kind.API_REQUEST)
    rows = Tool.every.filter(pk__in=ids).annotate(own=own_server).values_list("pk", "own", *_AUTH_COLUMNS)
    found = {str(pk): (own, columns) for pk, own, *columns in rows}
    auths = {id_: ServerAuth() for id_ in ids if id_ not in found}
    return auths | {id_: server_auth(*columns) for id_, (own, columns) in found.items() if own}


def with_credential(auth: ServerAuth, *, vapi_id: str) -> ServerAuth:
    """The same with the credential of this id, as it is stored; as it was where there is none."""
    token, ident = stored_token("settings"), Cast("pk", TextField())
    rows = Credential.objects.filter(pk__in=[one for one in [credential_known(vapi_id)] if one])
    found = rows.values_list(ident, "kind", token, "encryption_key", "hosts").first()
    return server_auth(auth.secret_token, auth.headers_token, *found) if found else auth


def auth_columns(prefix: str = "") -> tuple[Cast | Coalesce, ...]:
    """The columns behind ``server_auth`` of a tool or an assistant, for a query's ``values_list`` or ``annotate``."""
    return (
        stored_token(f"{prefix}server_secret"),
        stored_token(f"{prefix}server_headers"),
        Coalesce(Cast(f"{prefix}credential_id", TextField()), Value(""), output_field=TextField()),
        Coalesce(f"{prefix}credential__kind", Value(""), output_field=TextField()),
        Coalesce(stored_token(f"{prefix}credential__settings"), Value(""), output_field=TextField()),
        Coalesce(f"{prefix}credential__encryption_key", Value(""), output_field=TextField()),
        Coalesce(f"{prefix}credential__hosts", Value(""), output_field=TextField()),
    )


def server_auth(*columns: str | None) -> ServerAuth:
    """What ``auth_columns`` found."""
    return ServerAuth(*(column or "" for column in columns))


_AUTH_COLUMNS = auth_columns()

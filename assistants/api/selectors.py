"""The rows behind Vapi's objects: one by its id, or a page of them, newest first, in a number of queries that never grows."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, F, Func, OuterRef, Prefetch, Q, QuerySet, Subquery, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from assistants.api.documents import LINKS, OBJECTS
from assistants.models import Assistant, AssistantTool, VapiObject
from tools.access.errors import ApiError
from tools.access.lists import list_query, moment_text
from tools.encryption import stored_token
from tools.models import Tool

MODELS: Final[dict[str, Any]] = {"assistant": Assistant, "tool": Tool}
# As Vapi writes moments; texts of this form sort by time.
_MOMENT: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
# An import of much may take as long to write.
IMPORT_TAKES: Final = timedelta(minutes=10)


def rows_of(kind: str) -> QuerySet[Any]:
    """All rows that programs may see, with ``api_created`` and ``api_updated`` as texts, and all that documents need.

    What is part of another object, an inline tool or a squad's copy of an assistant, is none at Vapi either.
    """
    behind = VapiObject.objects.filter(**{kind: OuterRef("pk")}).order_by("pk")
    hidden = behind.filter(Q(key__contains="/") | Q(client_document__deleted_at__isnull=False))
    untouched = behind.filter(
        client_document__isnull=True, imported_at__gte=OuterRef("updated_at") - Value(IMPORT_TAKES)
    )
    rows: QuerySet[Any] = (
        MODELS[kind]
        .objects.filter(~Exists(hidden))
        .annotate(
            api_created=Coalesce(told_moment(behind, "createdAt"), moment_column("created_at")),
            # As it is stored: one that no key opens must not break a list.
            api_headers=stored_token("server_headers"),
            api_updated=Coalesce(told_moment(untouched, "updatedAt"), moment_column("updated_at")),
        )
    )
    return with_documents(kind, rows)


def with_documents(kind: str, rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rows with the objects behind them and behind their tools, and without secrets."""
    rows = rows.defer("server_secret", "server_headers").prefetch_related(_objects())
    if kind == "assistant":
        links = (
            AssistantTool.objects.select_related("tool")
            .defer("tool__server_secret", "tool__server_headers")
            .annotate(api_headers=stored_token("tool__server_headers"))
        )
        rows = rows.prefetch_related(
            Prefetch("assistanttool_set", queryset=links.prefetch_related(_objects("tool__")), to_attr=LINKS)
        )
    return rows


def row_of(kind: str, given: str, *, lock: bool = False) -> Any:
    """The row of that id, Vapi's or ours. Raises ApiError 404."""
    rows = rows_of(kind)
    if lock:
        rows = rows.select_for_update(of=("self",))
    stored = VapiObject.objects.filter(kind=kind, key=given, **{f"{kind}__isnull": False})
    found = Q(pk__in=stored.values(kind))
    try:
        found |= Q(pk=UUID(given))
    except ValueError:
        pass
    row = rows.filter(found).first()
    if row is None:
        raise ApiError(HTTPStatus.NOT_FOUND, f"Couldn't Get {kind.title()}. `id` {given} Does Not Exist.")
    return row


def page_of(kind: str, query: Mapping[str, str]) -> list[Any]:
    """The rows that a list asks for. Raises ApiError 400."""
    asked = list_query(query)
    bounds = {f"api_{one.of}__{one.lookup}": moment_text(one.at) for one in asked.bounds}
    return list(rows_of(kind).filter(**bounds).order_by("-api_created", "-pk")[: asked.limit])


def _objects(path: str = "") -> Prefetch[str]:
    """Into a plain list: a manager for each row takes longer than all else of a document."""
    objects = VapiObject.objects.select_related("client_document").defer("seen", "seen_with")
    return Prefetch(f"{path}vapi_objects", queryset=objects, to_attr=OBJECTS)


def told_moment(objects: QuerySet[VapiObject], name: str) -> Subquery:
    """The moment that Vapi told of an object, where it is one."""
    rows = objects.filter(**{f"raw__{name}__regex": _MOMENT}).annotate(told=KeyTextTransform(name, "raw"))
    return Subquery(rows.values("told")[:1], output_field=TextField())


def moment_column(column: str) -> Func:
    """A column's moment as Vapi writes it, which sorts by time."""
    form = Value('YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    return Func(F(column), form, function="to_char", output_field=TextField())

"""The calls that programs may read, with all that their documents need, in a number of queries that never grows."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, Greatest

from assistants.models import VapiObject
from calls.api.records import Record
from calls.api.rows import Heads, heads_read, records_reading
from calls.models import AHEAD, LIVE, Call, CallStripped
from tools.access.errors import ApiError
from tools.access.lists import Bound, list_query

FILTERS: Final = ("id", "assistantId", "phoneNumberId")
_MS: Final = timedelta(milliseconds=1)


def record_of(given: str) -> Record:
    """The call of that id, ours or Vapi's. Raises ApiError 404."""
    found = records_of([call_id_of(given)])
    if not found:
        raise call_unknown(given)  # erased in between
    return found[0]


def records_of(call_ids: Sequence[uuid.UUID | str]) -> list[Record]:
    """These calls in their order, without those that programs do not see."""
    with records_reading(heads_of(call_ids)) as records:
        return list(records)


def heads_of(call_ids: Sequence[uuid.UUID | str]) -> Heads:
    """These calls in their order, without those that programs do not see, to be read by `records_reading`."""
    return heads_read(call_ids, monitored=(*AHEAD, *LIVE))


def call_unknown(given: str) -> ApiError:
    """What is answered for an id that no call has."""
    return ApiError(HTTPStatus.NOT_FOUND, f"Couldn't Get Call. `id` {given[:60]} Does Not Exist.")


def call_id_of(given: str) -> uuid.UUID:
    """The row's id of a call that programs may name. Raises ApiError 404."""
    found: uuid.UUID | None = _visible().filter(_named(given)).values_list("pk", flat=True).first()
    if found is None:
        raise call_unknown(given)
    return found


def heads_page(query: Mapping[str, str]) -> Heads:
    """The calls that a list asks for, the newest first, to be read by `records_reading`. Raises ApiError 400."""
    asked = list_query(query, names=FILTERS)
    rows = _visible()
    if any(bound.of == "updated" for bound in asked.bounds):
        rows = rows.alias(api_updated=Greatest("created_at", "started_at", "ended_at"))
    for bound in asked.bounds:
        rows = rows.filter(_within(bound))
    for name, value in asked.named.items():
        rows = rows.filter(_filter(name, value))
    newest = rows.order_by("-created_at", "-pk").values_list(Cast("pk", TextField()), flat=True)
    return heads_of(list(newest[: asked.limit]))


def _visible() -> QuerySet[Call]:
    # As calls.api.rows has it. Nobody was on the line of a smoke test; and of a call that was erased there is nothing to tell.
    erased = CallStripped.objects.filter(call_id=OuterRef("pk"), why=CallStripped.Why.ERASED)
    return Call.objects.filter(~Exists(erased), smoke_test=False)


def _named(given: str) -> Q:
    if "\x00" in given:
        return Q(pk__in=[])  # no database can look for it
    found = Q(vapi_call__vapi_id=given)
    try:
        return found | Q(pk=uuid.UUID(given))
    except ValueError:
        return found


def _filter(name: str, value: str) -> Q:
    if name == "id":
        return _named(value)
    if name == "phoneNumberId":
        return Q(phone_number__vapi_id=value) | _by_key("phone_number", value)
    behind = VapiObject.objects.filter(kind=VapiObject.Kind.ASSISTANT, key=value, assistant__isnull=False)
    return (
        Q(assistant__in=behind.values("assistant"))
        | Q(vapi_call__assistant_id=value)
        | _by_key("assistant", value)
    )


def _by_key(name: str, value: str) -> Q:
    try:
        return Q(**{name: uuid.UUID(value)})
    except ValueError:
        return Q(pk__in=[])


def _within(bound: Bound) -> Q:
    """Moments are told to the millisecond and stored to the microsecond."""
    column: Any = "created_at" if bound.of == "created" else "api_updated"
    match bound.lookup:
        case "gt":
            return Q(**{f"{column}__gte": bound.at + _MS})
        case "lte":
            return Q(**{f"{column}__lt": bound.at + _MS})
        case _:
            return Q(**{f"{column}__{bound.lookup}": bound.at})

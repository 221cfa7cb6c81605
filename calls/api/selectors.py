"""The calls that programs may read, with all that their documents need, in a number of queries that never grows."""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Greatest

from assistants.models import Assistant, Squad, VapiObject
from calls.models import Call, CallPart, CallStripped, CostLine
from tools.access.errors import ApiError
from tools.access.lists import Bound, list_query
from tools.models import ToolCall
from transcripts.models import Transcript

FILTERS: Final = ("id", "assistantId", "phoneNumberId")
_MS: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Record:
    """A call, and what belongs to it without a foreign key. ``call`` carries ``api_updated`` and all its related rows."""

    call: Call
    transcript: Transcript | None
    tool_calls: tuple[ToolCall, ...] = field(default=())


def record_of(given: str) -> Record:
    """The call of that id, ours or Vapi's. Raises ApiError 404."""
    call = _rows().filter(_named(given)).first()
    if call is None:
        raise call_unknown(given)
    return _with_records([call])[0]


def call_unknown(given: str) -> ApiError:
    """What is answered for an id that no call has."""
    return ApiError(HTTPStatus.NOT_FOUND, f"Couldn't Get Call. `id` {given[:60]} Does Not Exist.")


def call_id_of(given: str) -> uuid.UUID:
    """The row's id of a call that programs may name. Raises ApiError 404."""
    found: uuid.UUID | None = _visible().filter(_named(given)).values_list("pk", flat=True).first()
    if found is None:
        raise call_unknown(given)
    return found


def records_page(query: Mapping[str, str]) -> list[Record]:
    """The calls that a list asks for, the newest first. Raises ApiError 400."""
    asked = list_query(query, names=FILTERS)
    rows = _rows()
    for bound in asked.bounds:
        rows = rows.filter(_within(bound))
    for name, value in asked.named.items():
        rows = rows.filter(_filter(name, value))
    return _with_records(list(rows.order_by("-created_at", "-pk")[: asked.limit]))


def _visible() -> QuerySet[Call]:
    # Nobody was on the line of a smoke test; and of a call that was erased there is nothing to tell.
    erased = CallStripped.objects.filter(call_id=OuterRef("pk"), why=CallStripped.Why.ERASED)
    return Call.objects.filter(~Exists(erased), smoke_test=False)


def _rows() -> QuerySet[Call]:
    imported = Prefetch("vapi_objects", queryset=VapiObject.objects.only("key", "kind", "assistant", "squad"))
    assistants = Assistant.objects.only("id", "name").prefetch_related(imported)
    return (
        _visible()
        .annotate(
            api_updated=Greatest("created_at", "started_at", "ended_at"),
            api_monitor=KeyTransform("monitor_plan", "version__snapshot"),
        )
        .select_related("phone_number", "vapi_call", "version", "analysis", "cost")
        .defer("version__snapshot", "phone_number__config", "phone_number__expected", "vapi_call__ranks")
        .prefetch_related(
            Prefetch("assistant", queryset=assistants),
            Prefetch("squad", queryset=Squad.objects.prefetch_related(imported)),
            Prefetch("parts", queryset=CallPart.objects.select_related("version").defer("version__snapshot")),
            Prefetch("parts__assistant", queryset=assistants),
            "transfers",
            "recordings",
            Prefetch("cost_lines", queryset=CostLine.objects.filter(superseded_at=None)),
        )
    )


def _with_records(calls: list[Call]) -> list[Record]:
    ids = [call.pk for call in calls]
    transcripts = {
        one.call_id: one for one in Transcript.objects.filter(call_id__in=ids).prefetch_related("utterances")
    }
    tool_calls: dict[uuid.UUID, list[ToolCall]] = defaultdict(list)
    for one in ToolCall.objects.filter(call_id__in=ids).order_by("requested_at", "id"):
        tool_calls[one.call_id].append(one)
    return [Record(call, transcripts.get(call.pk), tuple(tool_calls[call.pk])) for call in calls]


def _named(given: str) -> Q:
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

"""The calls that programs may read, with all that their documents need, in a number of queries that never grows."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from django.db.models import Case, Exists, JSONField, OuterRef, Prefetch, Q, QuerySet, When
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast, Greatest

from assistants.models import Assistant, AssistantVersion, Squad, VapiObject
from calls.api.rows import Priced, Said, priced_in, said_in
from calls.models import AHEAD, LIVE, Call, CallPart, CallStripped, CallVariables, PhoneNumber
from tools.access.errors import ApiError
from tools.access.lists import Bound, list_query
from tools.models import ToolCall
from transcripts.models import Transcript

FILTERS: Final = ("id", "assistantId", "phoneNumberId")
_MS: Final = timedelta(milliseconds=1)
_TOLD_OF_TOOL_CALLS: Final = (
    "item_id", "name", "arguments", "outcome", "requested_at", "answered_at", "told_at", "variables",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """A call, and what belongs to it without a foreign key, or in great number.

    ``call`` carries ``api_updated``, ``api_monitor``, ``api_parts`` and all its other related rows.
    """

    call: Call
    transcript: Transcript | None
    tool_calls: tuple[ToolCall, ...] = field(default=())
    said: tuple[Said, ...] = field(default=(), repr=False)
    priced: tuple[Priced, ...] = field(default=(), repr=False)


def record_of(given: str) -> Record:
    """The call of that id, ours or Vapi's. Raises ApiError 404."""
    call = _rows().filter(_named(given)).first()
    if call is None:
        raise call_unknown(given)
    return _with_records([call])[0]


def records_of(call_ids: Sequence[uuid.UUID]) -> list[Record]:
    """These calls in their order, without those that programs do not see."""
    found = {call.pk: call for call in _rows().filter(pk__in=call_ids)}
    return _with_records([found[one] for one in call_ids if one in found])


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
    # Those that came with calls, too, and what they were made of.
    assistants = (
        Assistant.every.only("id", "name", "transient").select_related("transient").prefetch_related(imported)
    )
    squads = Squad.every.select_related("transient").prefetch_related(imported)
    parts = CallPart.objects.select_related("version").defer("version__snapshot")
    ran_on = Assistant.every.only("id", "transient").select_related("transient")
    return (
        _visible()
        .annotate(
            api_updated=Greatest("created_at", "started_at", "ended_at"),
            # Of the others nobody wants it, and a snapshot is long.
            api_monitor=Case(
                When(
                    status__in=(*AHEAD, *LIVE),
                    then=Cast(KeyTransform("monitor_plan", "version__snapshot"), JSONField()),
                ),
                default=None,
                output_field=JSONField(),
            ),
        )
        .select_related("vapi_call", "analysis", "placing", "socket")
        .defer("vapi_call__ranks")
        .prefetch_related(
            Prefetch("assistant", queryset=assistants),
            Prefetch("squad", queryset=squads),
            Prefetch("phone_number", queryset=PhoneNumber.objects.only("id", "vapi_id")),
            Prefetch("version", queryset=AssistantVersion.objects.defer("snapshot")),
            Prefetch("version__assistant", queryset=ran_on),
            Prefetch("given", queryset=CallVariables.objects.defer("secret_values")),
            # As lists: a manager for each call takes longer than the rows.
            Prefetch(
                "parts",
                queryset=parts.prefetch_related(Prefetch("assistant", queryset=assistants)),
                to_attr="api_parts",
            ),
            Prefetch("transfers", to_attr="api_transfers"),
            Prefetch("recordings", to_attr="api_recordings"),
        )
    )


def _with_records(calls: list[Call]) -> list[Record]:
    ids = [call.pk for call in calls]
    transcripts = {
        one.call_id: one for one in Transcript.objects.filter(call_id__in=ids).only("call_id", "started_at")
    }
    said, priced = said_in(ids), priced_in(ids)
    tool_calls: dict[uuid.UUID, list[ToolCall]] = defaultdict(list)
    asked = ToolCall.objects.filter(call_id__in=ids).order_by("requested_at", "id")
    for one in asked.only("call_id", *_TOLD_OF_TOOL_CALLS):
        tool_calls[one.call_id].append(one)
    return [
        Record(
            call,
            transcripts.get(call.pk),
            tuple(tool_calls.get(call.pk, ())),
            tuple(said.get(call.pk, ())),
            tuple(priced.get(call.pk, ())),
        )
        for call in calls
    ]


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

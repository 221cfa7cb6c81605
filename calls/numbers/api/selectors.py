"""The numbers that programs may see, with all that their documents need, in a number of queries that never grows."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce

from assistants.api.selectors import IMPORT_TAKES, moment_column, told_moment
from assistants.models import Assistant, Squad, VapiObject
from calls.models import NumberServer, PhoneNumber
from tools.access.errors import ApiError
from tools.access.lists import list_query, moment_text
from tools.encryption import stored_token

KIND: Final = VapiObject.Kind.PHONE_NUMBER
_CREATED: Final = ("-api_created", "-pk")


@dataclass(frozen=True, slots=True)
class Line:
    """A number as programs see it: our row, what was imported or written of it, or one of the two alone.

    ``created`` and ``updated`` are texts, as Vapi writes moments.
    """

    number: PhoneNumber | None
    source: VapiObject | None
    created: str
    updated: str

    @property
    def id(self) -> str:
        """The id that programs know it by: Vapi's, where it was imported with one."""
        if self.number is not None:
            return self.number.vapi_id or str(self.number.pk)
        assert self.source is not None
        return self.source.key

    @property
    def key(self) -> str:
        """The key of what is kept of it in Vapi's shape, whether or not there is any yet."""
        return self.source.key if self.source is not None else self.id


def lines_page(query: Mapping[str, str]) -> list[Line]:
    """The numbers that a list asks for, the newest first. Raises ApiError 400."""
    asked = list_query(query)
    bounds = {f"api_{one.of}__{one.lookup}": moment_text(one.at) for one in asked.bounds}
    numbers = list(numbers_known().filter(**bounds).order_by(*_CREATED)[: asked.limit])
    alone = list(sources_alone().filter(**bounds).order_by(*_CREATED)[: asked.limit])
    lines = [*_lines(numbers), *(_line_alone(one) for one in alone)]
    return sorted(lines, key=lambda line: (line.created, line.id), reverse=True)[: asked.limit]


def lines_by_pk(wanted: Sequence[tuple[str, bool]]) -> list[Line]:
    """The numbers of these primary keys, in this order; of each, whether it is one that became no number here."""
    ids = {alone: [pk for pk, is_alone in wanted if is_alone is alone] for alone in (False, True)}
    lines = _lines(numbers_known().filter(pk__in=ids[False])) if ids[False] else []
    found = {(str(line.number.pk), False): line for line in lines if line.number is not None}
    for row in sources_alone().filter(pk__in=ids[True]) if ids[True] else ():
        found[str(row.pk), True] = _line_alone(row)
    return [found[one] for one in wanted if one in found]


def line_of(given: str, *, lock: bool = False) -> Line:
    """The number of that id, Vapi's or ours. Raises ApiError 404."""
    rows = numbers_known()
    if lock:
        rows = rows.select_for_update(of=("self",))
    number = rows.filter(_named(given)).first()
    if number is not None:
        return _lines([number])[0]
    alone = sources_alone().filter(key=given).first()
    if alone is None:
        raise ApiError(HTTPStatus.NOT_FOUND, f"Couldn't Get Phone Number. `id` {given[:60]} Does Not Exist.")
    return _line_alone(alone)


def source_of(number: PhoneNumber) -> VapiObject | None:
    """What was imported or written of a number, whether or not programs may see it."""
    keys = [number.vapi_id, str(number.pk)]
    rows = VapiObject.objects.select_related("client_document").filter(kind=KIND, key__in=keys)
    return rows.order_by("pk").first()


def answerer_of(kind: str, given: str) -> Any:
    """The assistant or the squad of that id, Vapi's or ours; None where programs know none."""
    model: Any = {"assistant": Assistant, "squad": Squad}[kind]
    stored = VapiObject.objects.filter(kind=kind, key=given, **{f"{kind}__isnull": False})
    deleted = VapiObject.objects.filter(**{kind: OuterRef("pk")}, client_document__deleted_at__isnull=False)
    rows = model.objects.filter(~Exists(deleted), Q(pk__in=stored.values(kind)) | _by_pk(given))
    return rows.only("id", "name").first()


# --- Parts


def numbers_known() -> QuerySet[PhoneNumber]:
    """All numbers that programs may see, with ``api_created`` and ``api_updated`` as texts, and all that documents need."""
    own = Q(key=OuterRef("vapi_id")) | Q(key=Cast(OuterRef("pk"), TextField()))
    behind = VapiObject.objects.filter(own, kind=KIND).order_by("pk")
    untouched = behind.filter(
        client_document__isnull=True, imported_at__gte=OuterRef("updated_at") - Value(IMPORT_TAKES)
    )
    keys = VapiObject.objects.only("key", "kind", "assistant", "squad")
    servers = NumberServer.objects.annotate(api_headers=stored_token("server_headers"))
    return (
        PhoneNumber.objects.filter(~Exists(behind.filter(client_document__deleted_at__isnull=False)))
        .annotate(
            api_created=Coalesce(told_moment(behind, "createdAt"), moment_column("created_at")),
            api_updated=Coalesce(told_moment(untouched, "updatedAt"), moment_column("updated_at")),
        )
        .defer("config", "expected")
        .prefetch_related(
            Prefetch("assistant", Assistant.objects.only("id", "name")),
            Prefetch("assistant__vapi_objects", keys),
            Prefetch("squad", Squad.objects.only("id", "name")),
            Prefetch("squad__vapi_objects", keys),
            Prefetch(
                "server",
                servers.defer("server_secret", "server_headers")
                .select_related("credential")
                .defer("credential__settings"),
            ),
        )
    )


def sources_alone() -> QuerySet[VapiObject]:
    """What was imported with an id and became no number here: an address of SIP, or one without digits."""
    ours = PhoneNumber.objects.annotate(own=Cast("pk", TextField()))
    kept = ours.filter(Q(vapi_id=OuterRef("key")) | Q(own=OuterRef("key")))
    itself = VapiObject.objects.filter(pk=OuterRef("pk"))
    return (
        VapiObject.objects.annotate(told_id=KeyTextTransform("id", "raw"))
        .filter(~Exists(kept), kind=KIND, told_id__isnull=False)
        .exclude(client_document__deleted_at__isnull=False)
        .annotate(
            api_created=Coalesce(told_moment(itself, "createdAt"), moment_column("imported_at")),
            api_updated=Coalesce(told_moment(itself, "updatedAt"), moment_column("imported_at")),
        )
        .select_related("client_document")
    )


def _lines(numbers: Iterable[Any]) -> list[Line]:
    numbers = list(numbers)
    keys = [key for one in numbers for key in (one.vapi_id, str(one.pk)) if key]
    rows = VapiObject.objects.select_related("client_document").filter(kind=KIND, key__in=keys)
    sources: dict[str, VapiObject] = {}
    for row in rows.order_by("pk"):
        sources.setdefault(row.key, row)
    return [
        Line(one, sources.get(one.vapi_id) or sources.get(str(one.pk)), one.api_created, one.api_updated)
        for one in numbers
    ]


def _line_alone(row: Any) -> Line:
    return Line(None, row, row.api_created, row.api_updated)


def _named(given: str) -> Q:
    return (Q(vapi_id=given) if given else Q(pk__in=[])) | _by_pk(given)


def _by_pk(given: str) -> Q:
    try:
        return Q(pk=uuid.UUID(given))
    except ValueError:
        return Q(pk__in=[])

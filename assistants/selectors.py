"""Reading assistants: what a translation may choose from, and what imports have left open."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db.models import Count, Exists, Field, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from assistants.models import (
    Assistant,
    AssistantVersion,
    ImportFinding,
    RealtimeModel,
    TranscriptionModel,
    VapiObject,
    Voice,
    VoiceMapping,
)
from assistants.vapi.drafts import Catalogue, Drafts
from assistants.vapi.exports import Export
from assistants.vapi.translate import ToolInfo, translate

_DIGITS: Final = 10  # more than any number of versions has
OPEN = Q(verdict=ImportFinding.Verdict.DECISION, settled_at__isnull=True)


def catalogue_read() -> Catalogue:
    """The models and voices that a new assistant may run on, and the voice table. Retired models are left out."""
    today = timezone.localdate()
    models = [
        (row.name, row.retires_on)
        for row in RealtimeModel.objects.all()
        if row.retires_on is None or row.retires_on > today
    ]
    lasting = [name for name, retires_on in models if retires_on is None]
    names = [name for name, _ in models]
    default = _preferred("model", lasting, names)
    transcription = [
        row.name
        for row in TranscriptionModel.objects.all()
        if row.retires_on is None or row.retires_on > today
    ]
    voices = list(Voice.objects.values_list("name", flat=True))
    return Catalogue(
        realtime_models=tuple(names),
        default_model=default,
        small_model=next((name for name in [*lasting, *names] if "mini" in name), default),
        transcription_models=tuple(transcription),
        default_transcription_model=_preferred("transcription_model", transcription),
        realtime_voices=tuple(voices),
        default_voice=_preferred("voice", voices),
        voices={
            (provider.lower(), vapi_voice.lower()): (str(voice), why)
            for provider, vapi_voice, voice, why in VoiceMapping.objects.values_list(
                "provider", "vapi_voice", "voice", "why"
            )
        },
    )


def _preferred(field: str, *candidates: list[str]) -> str:
    """The default of an assistant's field if it is a candidate, else the first candidate there is."""
    column = Assistant._meta.get_field(field)
    assert isinstance(column, Field)
    wished = str(column.get_default())
    found = [name for names in candidates for name in names]
    return wished if wished in found or not found else found[0]


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier imports brought and what is still here, by Vapi's id, and names that others have."""

    tools: dict[str, ToolInfo]
    assistants: dict[str, str]
    taken_names: frozenset[str]


def known_objects() -> Known:
    """What an export may refer to without bringing it along. Tools that stand inside an assistant have no id at Vapi."""
    rows = VapiObject.objects.filter(tool__isnull=False).exclude(key__contains="/")
    tools = rows.values_list("key", "tool__name", "tool__kind", "tool__server_url")
    assistants = VapiObject.objects.filter(assistant__isnull=False)
    others = Assistant.objects.exclude(pk__in=assistants.values("assistant"))
    return Known(
        tools={key: ToolInfo(name, kind, url) for key, name, kind, url in tools},
        assistants=dict(assistants.values_list("key", "assistant__name")),
        taken_names=frozenset(others.values_list("name", flat=True)),
    )


def translated(export: Export) -> Drafts:
    """The export as drafts, with what is here already in mind."""
    known = known_objects()
    return translate(
        export,
        catalogue_read(),
        known_tools=known.tools,
        known_assistants=known.assistants,
        taken_names=known.taken_names,
    )


def server_beyond(assistant_id: str) -> bool:
    """Whether tools without a server, of this assistant without one, are asked for elsewhere: at the server of a number
    that it answers, alone or in a squad, or at the organisation's."""
    if settings.ORGANISATION_SERVER_URL:
        return True
    answers = Q(phone_numbers__server__isnull=False) | Q(squads__phone_numbers__server__isnull=False)
    return Assistant.objects.filter(answers, pk=assistant_id).exists()


def version_named(assistant: Assistant, given: object) -> AssistantVersion | None:
    """The published version of that number, as in 3 or v3; None where there is none."""
    number = str(given).strip().removeprefix("v")
    if not (number.isascii() and number.isdigit() and len(number) < _DIGITS):
        return None
    found: AssistantVersion | None = assistant.versions.filter(number=int(number)).first()
    return found


def open_decisions_n(*, of: str, outer: str = "pk") -> Coalesce:
    """For querysets of assistants or tools: how many decisions their imports left open. ``of`` is the relation's name."""
    found = (
        ImportFinding.objects.filter(OPEN, **{f"vapi_object__{of}": OuterRef(outer)})
        .order_by()
        .values(f"vapi_object__{of}")
        .annotate(n=Count("pk"))
    )
    return Coalesce(Subquery(found.values("n")), 0, output_field=IntegerField())


def findings_counted(queryset: QuerySet[VapiObject]) -> QuerySet[VapiObject]:
    """The objects, each with ``findings_n`` and ``open_n``."""
    rows = ImportFinding.objects.filter(vapi_object=OuterRef("pk")).order_by().values("vapi_object")
    return queryset.annotate(
        findings_n=Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n")), 0),
        open_n=Coalesce(Subquery(rows.filter(OPEN).annotate(n=Count("pk")).values("n")), 0),
        is_open=Exists(ImportFinding.objects.filter(OPEN, vapi_object=OuterRef("pk"))),
    )

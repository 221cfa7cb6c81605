"""Transcripts, read as a conversation."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString

from tools.adminkit import HistoryAdmin, SinceFilter, badge, clipped, moment, ms_text, object_link
from tools.opened import opened_tell
from transcripts.models import Transcript, Utterance
from transcripts.search import parts_read, transcripts_find


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """One utterance for the page: the part that was heard, the part that was not, and what to know about it."""

    at_ms: int
    speaker: str
    speaker_label: str
    heard: str
    unheard: str
    interruption: str
    latency: str
    slow: bool
    transcribed: bool
    template = "admin/tandem/line_spoken.html"


# Of a list only the first pages are read.
_LISTED = 200
# A guess: beyond it callers begin to ask whether anybody is there.
SLOW_ANSWER_MS = 2000


def spoken_line(utterance: Utterance) -> SpokenLine:
    """The utterance for the page."""
    heard, unheard = utterance.text, ""
    if utterance.interrupted and utterance.speaker == Utterance.Speaker.ASSISTANT:
        heard = utterance.heard_text
        # Where the heard part is no beginning of the whole, both are shown in full.
        unheard = utterance.text.removeprefix(heard)
    latency = utterance.latency_ms
    return SpokenLine(
        at_ms=utterance.began_ms,
        speaker=utterance.speaker,
        speaker_label=utterance.assistant or utterance.get_speaker_display(),
        heard=heard,
        unheard=unheard,
        interruption=_interruption(utterance),
        latency=f"answered after {ms_text(latency)}" if latency is not None else "",
        slow=latency is not None and latency >= SLOW_ANSWER_MS,
        transcribed=utterance.transcribed,
    )


def _interruption(utterance: Utterance) -> str:
    if not utterance.interrupted:
        return ""
    if not utterance.generated_ms:
        return "interrupted"
    return f"interrupted: {ms_text(utterance.heard_ms)} of {ms_text(utterance.generated_ms)} heard"


def clock_text(at_ms: int) -> str:
    """A moment of the call as minutes and seconds."""
    sign = "-" if at_ms < 0 else ""
    minutes, seconds = divmod(abs(at_ms) // 1000, 60)
    return f"{sign}{minutes}:{seconds:02}"


class StartedSinceFilter(SinceFilter):
    column = "started_at"


class OpenFilter(admin.SimpleListFilter):
    """Transcripts that are still being written."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Still being written"), ("closed", "Complete")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Transcript]) -> QuerySet[Transcript]:
        if self.value() not in ("open", "closed"):
            return queryset
        return queryset.filter(closed_at__isnull=self.value() == "open")


@admin.register(Transcript)
class TranscriptAdmin(HistoryAdmin):
    """What was said."""

    page_template = "admin/tandem/transcript.html"
    list_display = ["started", "first_words", "utterances_n", "state", "call_link"]
    list_filter = [StartedSinceFilter, OpenFilter]
    search_fields = ["call_id"]
    search_help_text = "By words that were said, “phrases”, beginnings*, -exclusions, or the id of a call."
    ordering = ["-started_at", "-id"]
    # How many utterances each has is counted for a page of them, not for all.
    sortable_by = ["started"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transcript]:
        said = Utterance.objects.filter(transcript=OuterRef("pk"))
        first = said.filter(speaker=Utterance.Speaker.CALLER).exclude(text="").order_by("began_ms", "id")
        queryset: QuerySet[Transcript] = super().get_queryset(request)
        return queryset.annotate(
            first_text=Subquery(first.values("text")[:1]),
            lines=Coalesce(
                Subquery(said.order_by().values("transcript").annotate(n=Count("pk")).values("n")),
                0,
                output_field=IntegerField(),
            ),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Transcript], search_term: str
    ) -> tuple[QuerySet[Transcript], bool]:
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(call_id=uuid.UUID(search_term.strip())), False
        except ValueError:
            pass
        found = transcripts_find(parts_read(search_term), Transcript.objects.all(), limit=_LISTED)
        return queryset.filter(pk__in=found.ids), False

    @admin.display(description="began", ordering="started_at")
    def started(self, transcript: Transcript) -> SafeString | str:
        return moment(transcript.started_at)

    @admin.display(description="the caller's first words")
    def first_words(self, transcript: Any) -> str:
        return clipped(transcript.first_text or "") or "-"

    @admin.display(description="utterances", ordering="lines")
    def utterances_n(self, transcript: Any) -> int:
        count: int = transcript.lines
        return count

    @admin.display(description="state")
    def state(self, transcript: Transcript) -> SafeString | str:
        return "Complete" if transcript.closed_at else badge("Being written", "info")

    @admin.display(description="call")
    def call_link(self, transcript: Transcript) -> SafeString:
        return object_link("calls_call", transcript.call_id, "Open the call")

    def page_title(self, obj: Transcript) -> str:
        return f"Transcript of {obj.started_at:%d %b %Y, %H:%M}"

    def page_context(self, request: HttpRequest, obj: Transcript) -> dict[str, Any]:
        opened_tell(call_id=obj.call_id, user=request.user, what="transcript")
        facts = [
            ("Call", self.call_link(obj)),
            ("Call id", obj.call_id),
            ("Began", moment(obj.started_at)),
            ("Complete since", moment(obj.closed_at) if obj.closed_at else "Still being written"),
        ]
        lines = [
            (clock_text(line.at_ms), line.template, line) for line in map(spoken_line, obj.utterances.all())
        ]
        return {"facts": facts, "lines": lines}

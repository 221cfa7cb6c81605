"""The list of recordings, and their sound: by parts, to whom it may be played, with a note of who heard it."""

import uuid
from typing import Any

from celery.exceptions import OperationalError as BrokerError
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from assistants.voices.byte_ranges import UnsatisfiableRangeError
from calls.models import Call, Recording
from calls.naming import ends_of
from calls.privacy.access import call_opened
from calls.recordings.serving import part_asked, part_missing, whole_sound
from calls.recordings.tasks import vapi_recording_fetch
from tools.adminkit import HistoryAdmin, SinceFilter, Tone, badge, clipped, duration_text, moment, object_link

_TONES: dict[str, Tone] = {
    Recording.State.STORED: "good",
    Recording.State.FAILED: "bad",
    Recording.State.ABSENT: "warn",
}


@admin.register(Recording)
class RecordingAdmin(HistoryAdmin):
    """Recordings, each heard on the page of its call."""

    list_display = ["began", "call_link", "state_label", "length", "megabytes", "source"]
    list_filter = ["state", "source", SinceFilter]
    search_fields = ["sid", "call__call_sid"]
    search_help_text = "By the SID of the recording or of its call."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recording]:
        queryset: QuerySet[Recording] = super().get_queryset(request)
        return queryset.select_related("call").defer("peaks")

    @admin.display(description="made", ordering="created_at")
    def began(self, recording: Recording) -> SafeString | str:
        return moment(recording.began_at or recording.created_at)

    @admin.display(description="call")
    def call_link(self, recording: Recording) -> SafeString | str:
        call = recording.call
        if call is None:
            return "Its call was deleted"
        return object_link("calls_call", call.pk, ends_of(call))

    @admin.display(description="state", ordering="state")
    def state_label(self, recording: Recording) -> SafeString:
        tone = _TONES.get(recording.state, "info")
        return badge(recording.get_state_display(), tone, title=clipped(recording.error, 300))

    @admin.display(description="length", ordering="duration_ms")
    def length(self, recording: Recording) -> str:
        ms = recording.duration_ms
        return duration_text(round(ms / 1000)) if ms is not None else "-"

    @admin.display(description="size", ordering="size")
    def megabytes(self, recording: Recording) -> str:
        return f"{recording.size / 1024 / 1024:.1f} MiB" if recording.size else "-"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A recording has no page of its own: it is heard beside what was said."""
        recording: Any = self.get_object(request, object_id)
        if recording is None or recording.call_id is None:
            messages.info(request, "There is no such recording, or its call was deleted.")
            return HttpResponseRedirect(reverse("admin:calls_recording_changelist"))
        return HttpResponseRedirect(_call_page(recording.call_id))

    def get_urls(self) -> list[URLPattern]:
        # Cacheable, or every seek would fetch the sound anew; it is private and asked after each time all the same.
        sound = self.admin_site.admin_view(require_safe(self.sound_view), cacheable=True)
        fetch = self.admin_site.admin_view(require_POST(self.fetch_view))
        return [
            path("<uuid:recording_id>/sound/", sound, name="calls_recording_sound"),
            path("of/<uuid:call_id>/fetch/", fetch, name="calls_recording_fetch"),
            *super().get_urls(),
        ]

    def sound_view(self, request: HttpRequest, recording_id: uuid.UUID) -> HttpResponseBase:
        """The sound, or the part of it that is asked for."""
        if not request.user.has_perm("calls.view_recording"):
            raise PermissionDenied
        recording = get_object_or_404(
            Recording.objects.defer("peaks"), pk=recording_id, state=Recording.State.STORED
        )
        try:
            part = part_asked(request, recording.size)
        except UnsatisfiableRangeError:
            return part_missing(recording.size)
        if (part is None or part.start == 0) and recording.call_id is not None and request.method == "GET":
            call_opened(call_id=recording.call_id, user=request.user, what="recording")
        return whole_sound(request, recording, part)

    def fetch_view(self, request: HttpRequest, call_id: uuid.UUID) -> HttpResponse:
        """Have the recording fetched that Vapi made of an imported call."""
        if not request.user.has_perm("calls.add_recording"):
            raise PermissionDenied
        call = get_object_or_404(Call.objects.only("pk"), pk=call_id)
        try:
            vapi_recording_fetch.delay(call_id=str(call.pk))
        except BrokerError:
            messages.error(request, "The queue of jobs could not be reached. Try again in a minute.")
        else:
            messages.success(request, "The recording is being fetched from Vapi. Look again in a minute.")
        return HttpResponseRedirect(_call_page(call.pk))


def _call_page(call_id: uuid.UUID) -> str:
    return reverse("admin:calls_call_change", args=[call_id])

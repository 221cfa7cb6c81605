"""The page on which the voices of one assistant are compared by ear, and the sound of its clips."""

import hashlib
import uuid
from typing import Any, Final

from celery.exceptions import OperationalError as BrokerError
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from assistants.models import Assistant, Voice, VoiceClip
from assistants.realtime import is_simulated
from assistants.voices.byte_ranges import UnsatisfiableRangeError, byte_range
from assistants.voices.costs import estimated_usd
from assistants.voices.forms import VoiceUploadForm
from assistants.voices.selectors import VoiceRow, uploads, vapi_voice, voice_rows
from assistants.voices.services import recordings_ask, recordings_give_up, upload_keep, voice_choose
from assistants.voices.tasks import voices_record
from assistants.voices.texts import clip_text
from assistants.voices.wav import UploadRefusedError
from tools.adminkit import HistoryAdmin, moment, ms_text

_EXTENSIONS: Final = {"audio/wav": "wav", "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/mp4": "m4a"}
_QUEUE_AWAY: Final = "The queue of jobs could not be reached. Record it again in a minute."


@admin.register(VoiceClip)
class VoiceClipAdmin(HistoryAdmin):
    """Clips, each heard on the page of its assistant."""

    list_display = ["title", "assistant", "length", "recorded", "made_by"]
    list_display_links = ["title"]
    list_filter = ["assistant", "voice"]
    list_select_related = ["assistant", "voice", "made_by"]
    search_fields = ["assistant__name", "label"]
    search_help_text = "By assistant or label."

    def get_queryset(self, request: HttpRequest) -> QuerySet[VoiceClip]:
        queryset: QuerySet[VoiceClip] = super().get_queryset(request)
        return queryset.select_related("assistant", "voice", "made_by").defer(
            "sound",
            "assistant__server_secret",
            "assistant__server_headers",
            "assistant__instructions",
        )

    @admin.display(description="voice", ordering="label")
    def title(self, clip: VoiceClip) -> str:
        return str(clip.voice_id or f"Upload: {clip.label}")

    @admin.display(description="length", ordering="duration_ms")
    def length(self, clip: VoiceClip) -> str:
        return ms_text(clip.duration_ms)

    @admin.display(description="recorded", ordering="created_at")
    def recorded(self, clip: VoiceClip) -> SafeString | str:
        return moment(clip.created_at)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A clip has no page of its own: it is heard beside the others."""
        clip: Any = self.get_object(request, object_id)
        if clip is None:
            return super().change_view(request, object_id, form_url, extra_context)
        return HttpResponseRedirect(page_url(clip.assistant_id))

    def get_urls(self) -> list[URLPattern]:
        of = "of/<uuid:assistant_id>/"
        routes: list[tuple[str, Any, str]] = [
            (of, require_safe(self.page_view), "page"),
            (f"{of}rows/", require_safe(self.rows_view), "rows"),
            (f"{of}record/", require_POST(self.record_view), "record"),
            (f"{of}choose/", require_POST(self.choose_view), "choose"),
            (f"{of}upload/", require_POST(self.upload_view), "upload"),
            ("<uuid:clip_id>/remove/", require_POST(self.remove_view), "remove"),
        ]
        own = [
            path(route, self.admin_site.admin_view(view), name=f"assistants_voiceclip_{name}")
            for route, view, name in routes
        ]
        # Cacheable, or every seek would fetch the sound anew; it is private and asked after each time all the same.
        sound = self.admin_site.admin_view(require_safe(self.sound_view), cacheable=True)
        own.append(path("<uuid:clip_id>/sound/", sound, name="assistants_voiceclip_sound"))
        return [*own, *super().get_urls()]

    # --- The page

    def page_view(self, request: HttpRequest, assistant_id: uuid.UUID) -> HttpResponse:
        """Every voice of the assistant beside what was uploaded."""
        return self._page(request, self._assistant(request, assistant_id))

    def _page(
        self, request: HttpRequest, assistant: Assistant, form: VoiceUploadForm | None = None
    ) -> HttpResponse:
        theirs = vapi_voice(assistant)
        rows = voice_rows(assistant, now=timezone.now())
        text = clip_text(assistant, now=timezone.now())
        context = {
            **self.admin_site.each_context(request),
            "opts": Assistant._meta,
            "original": assistant,
            "title": f"Voices of {assistant.name}",
            "rows": rows,
            "uploads": uploads(assistant),
            "text": text,
            "theirs": theirs,
            "form": form or VoiceUploadForm(initial={"label": f"Vapi: {theirs}" if theirs else "Vapi"}),
            "missing": len(_missing(rows)),
            "pending": sum(row.is_pending for row in rows),
            "usd": estimated_usd(text.text, model=str(assistant.model_id)),
            "simulated": is_simulated(),
            **_allowed(request),
        }
        return TemplateResponse(request, "admin/assistants/voices/page.html", context)

    def rows_view(self, request: HttpRequest, assistant_id: uuid.UUID) -> HttpResponse:
        """How each row of the page looks now, and how many recordings are under way: what the page asks while it waits."""
        assistant = self._assistant(request, assistant_id)
        rows = voice_rows(assistant, now=timezone.now())
        context = {"original": assistant, **_allowed(request)}
        shown = {
            row.voice.pk: {
                "key": row.key,
                "html": render_to_string("admin/assistants/voices/row.html", {**context, "row": row}),
            }
            for row in rows
        }
        return JsonResponse({"pending": sum(row.is_pending for row in rows), "rows": shown})

    # --- What can be done there

    def record_view(self, request: HttpRequest, assistant_id: uuid.UUID) -> HttpResponse:
        """Have the named voices recorded, or all that are missing, or all."""
        assistant = self._assistant(request, assistant_id)
        self._require(request, "add_voiceclip")
        wanted = request.POST.getlist("voice")
        if "which" in request.POST:
            rows = voice_rows(assistant, now=timezone.now())
            wanted = _missing(rows) if request.POST["which"] == "missing" else [row.voice.pk for row in rows]
        user: Any = request.user
        asked = recordings_ask(assistant=assistant, voices=wanted, asked_by=user)
        if not asked:
            messages.info(request, "Nothing had to be recorded.")
            return HttpResponseRedirect(page_url(assistant.pk))
        try:
            voices_record.delay(assistant_id=str(assistant.pk))
        except BrokerError:
            recordings_give_up(assistant=assistant, voices=asked, code="queue_away", why=_QUEUE_AWAY)
            messages.error(request, _QUEUE_AWAY)
        return HttpResponseRedirect(page_url(assistant.pk))

    def choose_view(self, request: HttpRequest, assistant_id: uuid.UUID) -> HttpResponse:
        """Let the draft speak in a voice."""
        assistant = self._assistant(request, assistant_id)
        self._require(request, "change_assistant")
        voice = get_object_or_404(Voice, pk=request.POST.get("voice", ""))
        if voice_choose(assistant=assistant, voice=voice):
            self.log_change(request, assistant, f"Chose the voice {voice} on the page of its voices.")
            link = reverse("admin:assistants_assistant_publish", args=[assistant.pk])
            told = 'The draft speaks as {} now. Callers hear it once you <a class="t-link" href="{}">publish</a>.'
            messages.success(request, format_html(told, voice.pk, link))
        else:
            messages.info(request, f"The draft's voice was {voice} already.")
        return HttpResponseRedirect(page_url(assistant.pk))

    def upload_view(self, request: HttpRequest, assistant_id: uuid.UUID) -> HttpResponse:
        """Keep an uploaded sound, or show the page again with what is wrong with it."""
        assistant = self._assistant(request, assistant_id)
        self._require(request, "add_voiceclip")
        form = VoiceUploadForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._page(request, assistant, form)
        user: Any = request.user
        try:
            data = form.cleaned_data["file"].read()
            upload_keep(assistant=assistant, data=data, label=form.cleaned_data["label"], made_by=user)
        except UploadRefusedError as exc:
            form.add_error("file", str(exc))
            return self._page(request, assistant, form)
        messages.success(request, "The clip was kept.")
        return HttpResponseRedirect(page_url(assistant.pk))

    def remove_view(self, request: HttpRequest, clip_id: uuid.UUID) -> HttpResponse:
        """Delete a clip."""
        self._require(request, "delete_voiceclip")
        clip: VoiceClip = get_object_or_404(self.get_queryset(request), pk=clip_id)
        title, assistant_id = self.title(clip), clip.assistant_id
        VoiceClip.objects.filter(pk=clip.pk).delete()
        messages.success(request, f"Deleted. {title}")
        return HttpResponseRedirect(page_url(assistant_id))

    # --- The sound

    def sound_view(self, request: HttpRequest, clip_id: uuid.UUID) -> HttpResponseBase:
        """The sound of a clip, or the part of it that is asked for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        clip = VoiceClip.objects.select_related("assistant").only(
            "sound", "content_type", "label", "assistant__name"
        ).filter(pk=clip_id).first()  # fmt: skip
        if clip is None:
            raise Http404("There is no such clip.")
        sound = bytes(clip.sound)
        etag = f'"{hashlib.sha256(sound).hexdigest()[:32]}"'
        response = _sound_response(request, sound, etag)
        if response.status_code in (200, 206):
            response["Content-Type"] = clip.content_type
            name = f"{slugify(clip.assistant.name)}-{slugify(clip.label)}.{_EXTENSIONS.get(clip.content_type, 'bin')}"
            disposition = content_disposition_header(as_attachment=False, filename=name)
            response["Content-Disposition"] = disposition or "inline"
        response["Accept-Ranges"] = "bytes"
        response["ETag"] = etag
        response["Cache-Control"] = "private, no-cache"
        response["X-Content-Type-Options"] = "nosniff"
        return get_conditional_response(request, etag=etag, response=response) or response

    # --- Who may

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Asked for when a whole assistant is deleted, too.
        return request.user.has_perm("assistants.delete_voiceclip")

    def _assistant(self, request: HttpRequest, assistant_id: uuid.UUID) -> Assistant:
        """The assistant. Raises PermissionDenied, or Http404 if there is none."""
        self._require(request, "view_assistant", "change_assistant")
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = Assistant.objects.defer("server_secret", "server_headers").filter(pk=assistant_id).first()
        if found is None:
            raise Http404("There is no such assistant.")
        return found

    def _require(self, request: HttpRequest, *any_of: str) -> None:
        if not any(request.user.has_perm(f"assistants.{codename}") for codename in any_of):
            raise PermissionDenied


def page_url(assistant_id: uuid.UUID) -> str:
    """Where the voices of that assistant are compared."""
    return reverse("admin:assistants_voiceclip_page", args=[assistant_id])


def _allowed(request: HttpRequest) -> dict[str, bool]:
    may = request.user.has_perm
    return {
        "may_record": may("assistants.add_voiceclip"),
        "may_choose": may("assistants.change_assistant"),
        "may_delete": may("assistants.delete_voiceclip"),
    }


def _missing(rows: list[VoiceRow]) -> list[str]:
    """The candidates that have no clip true to the draft."""
    return [row.voice.pk for row in rows if row.reasons and row.is_missing]


def _sound_response(request: HttpRequest, sound: bytes, etag: str) -> HttpResponse:
    asked = request.headers.get("Range", "")
    # A part is of no use to whoever holds the rest of an older recording.
    if request.headers.get("If-Range", etag) != etag or request.method != "GET":
        asked = ""
    try:
        part = byte_range(asked, len(sound))
    except UnsatisfiableRangeError:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{len(sound)}"})
    if part is None:
        return HttpResponse(sound)
    span = f"bytes {part.start}-{part.stop - 1}/{len(sound)}"
    return HttpResponse(sound[part.start : part.stop], status=206, headers={"Content-Range": span})
